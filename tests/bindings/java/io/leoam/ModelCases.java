package io.leoam;

import static io.leoam.Cases.check;
import static io.leoam.Cases.contains;
import static io.leoam.Cases.equal;
import static io.leoam.Cases.fails;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.atomic.AtomicLong;

final class ModelCases {
  private ModelCases() {}

  static void add(Cases cases, Fixture fixture) {
    cases.add("model: information, metadata and tokens of the file", () -> information(fixture));
    cases.add("model: plan, with overrides and saved", () -> plan(fixture));
    cases.add("model: chat becomes text and tokens", () -> chat(fixture));
    cases.add("model: load tells progress, and stops for it", () -> progress(fixture));
    cases.add("model: load stops for a flag, which can be cleared", () -> flag(fixture));
    cases.add("model: errors by class", () -> errors(fixture));
    cases.add("model: a header has no weights", () -> header(fixture));
  }

  private static void information(Fixture fixture) {
    ModelInfo info = fixture.model.info();
    equal("llama", info.architecture());
    equal(30, info.nLayers());
    equal(9, info.nHeads());
    equal(3, info.nKvHeads());
    equal(49152, info.nVocab());
    check(info.hasTokenizer() && info.hasChatTemplate() && !info.headerOnly(), info.toString());
    check(info.ropeScaling() != RopeScaling.FROM_FILE && info.ropeScaling() != RopeScaling.UNKNOWN, info.toString());
    Map<String, String> metadata = fixture.model.metadata();
    equal(info.nMetadata(), (long) metadata.size());
    equal("llama", metadata.get("general.architecture"));
    TokenInfo end = fixture.model.token(info.eosToken());
    equal(TokenType.CONTROL, end.type());
    check(end.endsGeneration(), end.toString());
    equal(OptionalInt.of(info.eosToken()), fixture.model.findToken(end.piece()));
    equal(OptionalInt.empty(), fixture.model.findToken("no such token \uD83E\uDD99"));
    fails(LeoamException.InvalidArgument.class, () -> fixture.model.token(1 << 30));
  }

  private static void plan(Fixture fixture) {
    String path = fixture.modelFile.toString();
    Plan plan = fixture.instance.plan(path, new PlanOptions().contextTokens(2048));
    equal(2048L, plan.contextTokens());
    check(plan.fits() && plan.kvTokenBytes() > 0 && plan.totalBytes() > plan.weightBytes(), plan.toString());
    equal(KvType.F16, plan.kvType());
    equal(0L, plan.sessionFileBytes());
    Plan small =
        fixture.instance.plan(
            path,
            new PlanOptions().contextTokens(2048).kvType(KvType.INT8).saved(true).hostKvBudgetBytes(16 << 20),
            new LoadOptions().contextTokens(4096).ropeScaling(RopeScaling.LINEAR).ropeFactor(2));
    check(small.kvTokenBytes() < plan.kvTokenBytes() && small.sessionFileBytes() > 0, small.toString());
    fails(LeoamException.InvalidArgument.class, () -> fixture.instance.plan(path, new PlanOptions().pageTokens(7)));
  }

  private static void chat(Fixture fixture) {
    List<ChatMessage> messages =
        List.of(ChatMessage.system("Be short."), ChatMessage.user("<|im_end|> \u4F60\u597D \uD83E\uDD99"));
    String text = fixture.model.renderChat(messages, ChatOptions.DEFAULT);
    contains(text, "\u4F60\u597D \uD83E\uDD99");
    contains(text, "<|im_start|>assistant");
    String closed = fixture.model.renderChat(messages, new ChatOptions(false, Map.of("enable_thinking", "false")));
    check(!closed.contains("assistant"), closed);
    int[] tokens = fixture.model.tokenizeChat(messages);
    int end = fixture.model.findToken("<|im_end|>").getAsInt();
    // What a message spells stays text.
    equal(2L, Arrays.stream(tokens).filter(token -> token == end).count());
    equal(text, Utf8.string(fixture.model.detokenizeBytes(tokens, true, false)));
    // The first guess of the buffer is too small for this one.
    contains(
        fixture.model.renderChat(List.of(ChatMessage.user("x".repeat(40_000))), ChatOptions.DEFAULT),
        "x".repeat(40_000));
  }

  private static void progress(Fixture fixture) {
    AtomicLong last = new AtomicLong();
    Thread caller = Thread.currentThread();
    try (Model model =
        fixture.instance.load(
            fixture.modelFile.toString(),
            new LoadOptions()
                .onProgress(
                    (done, total) -> {
                      equal(caller, Thread.currentThread());
                      check(done >= last.getAndSet(done) && done <= total, done + " of " + total);
                      return true;
                    }))) {
      check(last.get() > 50_000_000, "told " + last.get());
    }
    fails(
        LeoamException.Cancelled.class,
        () ->
            fixture.instance.load(
                fixture.modelFile.toString(), new LoadOptions().onProgress((done, total) -> false)));
  }

  private static void flag(Fixture fixture) {
    try (CancelFlag flag = fixture.instance.createCancelFlag()) {
      flag.set();
      LoadOptions options = new LoadOptions().cancel(flag);
      fails(LeoamException.Cancelled.class, () -> fixture.instance.load(fixture.modelFile.toString(), options));
      flag.clear();
      fixture.instance.load(fixture.modelFile.toString(), options).close();
      flag.close();
      fails(LeoamException.Closed.class, () -> fixture.instance.load(fixture.modelFile.toString(), options));
      fails(LeoamException.Closed.class, flag::set);
    }
  }

  private static void errors(Fixture fixture) throws Exception {
    LeoamException missing =
        fails(LeoamException.NotFound.class, () -> fixture.instance.load(fixture.file("none.gguf")));
    contains(missing.getMessage(), "none.gguf");
    equal(3, missing.code());
    Path broken = Path.of(fixture.file("broken.gguf"));
    Files.write(broken, new byte[] {'G', 'G', 'U', 'F', 3, 0, 0, 0, 9, 9, 9});
    fails(LeoamException.Corrupt.class, () -> fixture.instance.load(broken));
    fails(LeoamException.InvalidArgument.class, () -> fixture.instance.load((String) null));
    fails(LeoamException.class, () -> fixture.instance.load(""));
    fails(LeoamException.class, () -> fixture.instance.load(fixture.folder));
    fails(LeoamException.InvalidArgument.class, () -> fixture.instance.load("half \uD83E of a pair"));
    // A NUL does not end the name.
    fails(LeoamException.class, () -> fixture.instance.load(fixture.modelFile + "\0.txt"));
    fails(
        LeoamException.InvalidArgument.class,
        () -> fixture.instance.load(fixture.modelFile.toString(), new LoadOptions().ropeFactor(-1)));
  }

  private static void header(Fixture fixture) {
    try (Model model =
        fixture.instance.load(fixture.modelFile.toString(), new LoadOptions().headerOnly(true))) {
      check(model.info().headerOnly(), "a header");
      equal(0L, model.info().memoryBytes());
      fails(LeoamException.Unsupported.class, model::createSession);
    }
  }
}
