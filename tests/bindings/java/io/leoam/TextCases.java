package io.leoam;

import static io.leoam.Cases.check;
import static io.leoam.Cases.contains;
import static io.leoam.Cases.equal;
import static io.leoam.Cases.fails;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Text that a JVM's own UTF-8 would break. */
final class TextCases {
  // A llama, CJK, a flag of two code points, a NUL, and a combining accent.
  static final String HARD = "ok \uD83E\uDD99 \u4F60\u597D \uD83C\uDDEB\uD83C\uDDF7 \0 e\u0301 end";

  private TextCases() {}

  static void add(Cases cases, Fixture fixture) {
    cases.add("text: emoji, CJK and NUL there and back", () -> there(fixture));
    cases.add("text: empty text", () -> empty(fixture));
    cases.add("text: every cut of UTF-8 keeps its bytes", () -> cuts(fixture));
    cases.add("text: half a surrogate pair is U+FFFD", () -> surrogates(fixture));
    cases.add("text: streams are whole characters", () -> stream(fixture));
    cases.add("text: a stop string of emoji stops and is not told", () -> stop(fixture));
    cases.add("text: file names and messages", () -> names(fixture));
    cases.add("text: null arrays are empty to the shim, never a crash", () -> nulls(fixture));
  }

  private static void there(Fixture fixture) {
    int[] tokens = fixture.model.tokenize(HARD);
    equal(HARD, fixture.model.detokenize(tokens));
    equal(tokens, fixture.model.tokenize(HARD.getBytes(StandardCharsets.UTF_8), TokenizeOptions.DEFAULT));
    String longer = HARD.repeat(3000);
    equal(longer, fixture.model.detokenize(fixture.model.tokenize(longer)));
  }

  private static void empty(Fixture fixture) {
    equal(0, fixture.model.tokenize("").length);
    equal("", fixture.model.detokenize(new int[0]));
  }

  private static void cuts(Fixture fixture) {
    byte[] all = HARD.getBytes(StandardCharsets.UTF_8);
    for (int end = 0; end <= all.length; ++end) {
      for (int begin = Math.max(0, end - 5); begin <= end; ++begin) {
        byte[] part = Arrays.copyOfRange(all, begin, end);
        int[] tokens = fixture.model.tokenize(part, TokenizeOptions.DEFAULT);
        equal(part, fixture.model.detokenizeBytes(tokens, false, false));
        equal(new String(part, StandardCharsets.UTF_8), fixture.model.detokenize(tokens));
      }
    }
    // Token by token, the bytes of a text are those of its tokens.
    ByteArrayOutputStream joined = new ByteArrayOutputStream();
    for (int token : fixture.model.tokenize(HARD)) {
      joined.writeBytes(fixture.model.token(token).bytes());
    }
    equal(all, joined.toByteArray());
  }

  private static void surrogates(Fixture fixture) {
    equal("a\uFFFDb", fixture.model.detokenize(fixture.model.tokenize("a\uD83Eb")));
    equal("a\uFFFD", fixture.model.detokenize(fixture.model.tokenize("a\uDD99")));
  }

  /** Makes the model draw these tokens. */
  static SamplerFunction script(int[] tokens) {
    int[] next = {0};
    return logits -> {
      Arrays.fill(logits, -100);
      logits[tokens[next[0]++]] = 100;
      return true;
    };
  }

  private static void stream(Fixture fixture) {
    int[] tokens = fixture.model.tokenize(HARD);
    List<String> pieces = new ArrayList<>();
    for (Delivery delivery : Delivery.values()) {
      pieces.clear();
      try (Session session = fixture.session()) {
        RequestOptions options =
            new RequestOptions(fixture.prompt()).maxTokens(tokens.length).onLogits(script(tokens));
        if (delivery == Delivery.CALLBACK) {
          options.onEvent(
              event -> {
                pieces.add(event.text());
                return true;
              });
          try (Request request = session.submit(options)) {
            check(request.await(Instance.UNLIMITED, java.util.concurrent.TimeUnit.MICROSECONDS), "finished");
          }
        } else {
          try (Request request = session.submit(options.delivery(delivery))) {
            request.texts().forEach(pieces::add);
          }
        }
      }
      equal(HARD, String.join("", pieces));
      for (String piece : pieces) {
        equal(piece, new String(piece.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8));
      }
    }
    // Cut inside a character, the rest is one U+FFFD or more.
    int[] cut = fixture.model.tokenize("x\uD83E\uDD99");
    int[] part = Arrays.copyOf(cut, cut.length - 1);
    try (Session session = fixture.session()) {
      Generation generation =
          session.generate(
              new RequestOptions(fixture.prompt()).maxTokens(part.length).onLogits(script(part)));
      check(generation.text().startsWith("x\uFFFD"), generation.text());
    }
  }

  private static void stop(Fixture fixture) {
    int[] tokens = fixture.model.tokenize("one \uD83E\uDD99 two three");
    try (Session session = fixture.session()) {
      Generation generation =
          session.generate(
              new RequestOptions(fixture.prompt())
                  .maxTokens(tokens.length)
                  .stop(List.of("nothing", "\uD83E\uDD99"))
                  .onLogits(script(tokens)));
      equal("one ", generation.text());
      equal(FinishReason.STOP, generation.finishReason());
    }
  }

  private static void names(Fixture fixture) throws Exception {
    String name = fixture.file("\u6A21\u578B \uD83E\uDD99.gguf");
    contains(fails(LeoamException.NotFound.class, () -> fixture.instance.load(name)).getMessage(), name);
    Files.createSymbolicLink(Path.of(name), fixture.modelFile);
    fixture.instance.load(name, new LoadOptions().headerOnly(true)).close();
    // A JVM that cannot spell the name in its own encoding opens the file all the same.
    Child child = Child.start(List.of(), java.util.Map.of("LC_ALL", "C"), "named", fixture.folder.toString());
    equal(0, child.exitCode());
    contains(child.output(), "loaded");
  }

  private static void nulls(Fixture fixture) {
    try (CError error = new CError()) {
      Native.modelTokenize(fixture.model.handle.get(), null, 0, null, error);
      equal(0, error.getCode());
      Native.modelTokenize(0, null, 0, null, error);
      equal(Native.LEOAM_ERROR_INVALID_HANDLE, error.getCode());
      Native.modelRenderChat(fixture.model.handle.get(), new byte[5], new int[] {9, -1}, null, null, 0, null, error);
      equal(Native.LEOAM_ERROR_INVALID_ARGUMENT, error.getCode());
    }
    // An exception of C++ in the wrapper is one of Java.
    fails(OutOfMemoryError.class, () -> new CLayers(-1));
    fails(NullPointerException.class, () -> Native.modelGetInfo(fixture.model.handle.get(), null, null));
  }
}
