package io.leoam;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** A loaded model and a folder, for all cases. */
final class Fixture implements AutoCloseable {
  final Path folder;
  final Path modelFile;
  final Instance instance;
  final Model model;

  Fixture(Path modelFile) throws IOException {
    this.folder = Files.createTempDirectory("leoam-java-test");
    this.modelFile = modelFile;
    this.instance = new Instance(options());
    this.model = instance.load(modelFile);
  }

  /** Of an instance that keeps to the folder of the test. */
  InstanceOptions options() {
    return new InstanceOptions().nThreads(2).stateFolder(folder.resolve("state").toString());
  }

  String file(String name) {
    return folder.resolve(name).toString();
  }

  int[] prompt() {
    return model.tokenizeChat(List.of(ChatMessage.user("Tell me about the sea.")));
  }

  /** Some hundred tokens. */
  int[] text(int nTokens) {
    int[] tokens = model.tokenize("The ship sailed on, and the wind was cold. ".repeat(nTokens / 8));
    return java.util.Arrays.copyOf(tokens, nTokens);
  }

  Session session() {
    return model.createSession();
  }

  /** The model's file, or null with what to do about it. */
  static Path findModel() {
    String folder = System.getenv("LEOAM_MODELS");
    if (folder == null || folder.isEmpty()) {
      folder = System.getenv().getOrDefault("LEOAM_SOURCE_DIR", ".") + "/models";
    }
    Path file = Path.of(folder, "SmolLM2-135M-Instruct.Q4_1.gguf");
    if (Files.isReadable(file)) {
      return file;
    }
    System.out.println(
        "SKIPPED: " + file + " is not there: scripts/models.sh brings it, LEOAM_MODELS names another folder");
    return null;
  }

  @Override
  public void close() throws IOException {
    model.close();
    instance.close();
    remove(folder);
  }

  static void remove(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
