package io.leoam;

import java.util.concurrent.CountDownLatch;

/** What other JVMs of the tests do. */
final class ChildMain {
  private ChildMain() {}

  public static void main(String[] arguments) throws Exception {
    switch (arguments[0]) {
      case "load" -> System.out.println("library " + Library.buildInfo().filePath());
      case "named" -> {
        // In the C locale, no Path can have this name.
        try (Instance instance = new Instance(new InstanceOptions().nThreads(1))) {
          instance
              .load(arguments[1] + "/\u6A21\u578B \uD83E\uDD99.gguf", new LoadOptions().headerOnly(true))
              .close();
        }
        System.out.println("loaded");
      }
      case "run" -> run(arguments[1], arguments[2]);
      default -> throw new IllegalArgumentException(arguments[0]);
    }
  }

  /** Ends in the middle of three requests, with nothing closed. */
  private static void run(String path, String how) throws Exception {
    Instance instance = new Instance(new InstanceOptions().nThreads(2).log((level, text) -> {}));
    Model model = instance.load(path);
    int[] prompt = model.tokenize("The sea");
    CountDownLatch begun = new CountDownLatch(2);
    Session called = model.createSession();
    called.submit(
        new RequestOptions(prompt)
            .maxTokens(4000)
            .ignoreEnd(true)
            .onEvent(
                event -> {
                  begun.countDown();
                  return true;
                }));
    Session waited = model.createSession();
    waited
        .generateAsync(new RequestOptions(prompt).maxTokens(4000).ignoreEnd(true))
        .thenAccept(generation -> System.out.println("it has finished"));
    Session polled = model.createSession();
    polled.submit(new RequestOptions(prompt).maxTokens(4000).ignoreEnd(true));
    begun.await();
    System.out.println("running");
    switch (how) {
      case "return" -> {}
      case "exit" -> System.exit(0);
      case "throw" -> throw new IllegalStateException("out of main");
      default -> throw new IllegalArgumentException(how);
    }
  }
}
