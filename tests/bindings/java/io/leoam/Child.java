package io.leoam;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Another JVM with the same classes and checks. */
record Child(Process process, StringBuilder read) {
  /** {@code options} are of the JVM; the last -cp counts. */
  static Child start(List<String> options, Map<String, String> environment, String... arguments) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(System.getProperty("java.home") + "/bin/java");
    for (String given : ManagementFactory.getRuntimeMXBean().getInputArguments()) {
      if (given.startsWith("-X") || given.startsWith("-Dleoam")) {
        command.add(given);
      }
    }
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.addAll(options);
    command.add("io.leoam.ChildMain");
    command.addAll(List.of(arguments));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().putAll(environment);
    Child child = new Child(builder.start(), new StringBuilder());
    Thread reader =
        new Thread(
            () -> {
              try (var in = child.process.inputReader(java.nio.charset.StandardCharsets.UTF_8)) {
                for (int letter = in.read(); letter >= 0; letter = in.read()) {
                  synchronized (child.read) {
                    child.read.append((char) letter);
                  }
                }
              } catch (IOException closed) {
                // It was killed.
              }
            });
    reader.setDaemon(true);
    reader.start();
    return child;
  }

  /** Waits for the end of it, and fails when that does not come. */
  int exitCode() throws InterruptedException {
    if (!process.waitFor(30L * Cases.patience(), TimeUnit.SECONDS)) {
      process.destroyForcibly();
      throw new AssertionError("the JVM has not ended: " + output());
    }
    return process.exitValue();
  }

  /** Of what it has printed until now; all of it a moment after the end. */
  String output() throws InterruptedException {
    if (!process.isAlive()) {
      Thread.sleep(50);
    }
    synchronized (read) {
      return read.toString();
    }
  }
}
