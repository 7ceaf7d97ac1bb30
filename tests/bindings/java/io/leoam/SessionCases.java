package io.leoam;

import static io.leoam.Cases.check;
import static io.leoam.Cases.equal;
import static io.leoam.Cases.fails;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

final class SessionCases {
  private SessionCases() {}

  static void add(Cases cases, Fixture fixture) {
    cases.add("session: evaluate, logits, tokens, truncate", () -> evaluate(fixture));
    cases.add("session: logits of every position", () -> positions(fixture));
    cases.add("session: evaluate stops for a function and for a flag", () -> stops(fixture));
    cases.add("session: a fork goes its own way", () -> fork(fixture));
    cases.add("session: figures of the newest step", () -> figures(fixture));
    cases.add("session: policies and kinds of KV", () -> policies(fixture));
    cases.add("session: misuse", () -> misuse(fixture));
  }

  private static void evaluate(Fixture fixture) {
    int[] tokens = fixture.text(40);
    try (Session session = fixture.session();
        Session other = fixture.session()) {
      fails(LeoamException.InvalidArgument.class, session::logits);
      session.evaluate(tokens);
      equal(40L, session.info().nTokens());
      equal(tokens, session.tokens());
      equal(Arrays.copyOfRange(tokens, 10, 15), session.tokens(10, 5));
      float[] logits = session.logits();
      equal(fixture.model.info().nVocab(), logits.length);
      other.evaluate(tokens);
      check(Arrays.equals(logits, other.logits()), "the same logits");
      session.truncate(39);
      fails(LeoamException.InvalidArgument.class, session::logits);
      session.evaluate(new int[] {tokens[39]});
      equal(argmax(logits), argmax(session.logits()));
      equal(fixture.model, session.model());
      equal(Optional.empty(), session.fileInfo());
    }
  }

  static int argmax(float[] logits) {
    int best = 0;
    for (int i = 1; i < logits.length; ++i) {
      if (logits[i] > logits[best]) {
        best = i;
      }
    }
    return best;
  }

  private static void positions(Fixture fixture) {
    List<Long> positions = new ArrayList<>();
    float[][] last = new float[1][];
    try (Session session = fixture.session()) {
      session.evaluate(
          fixture.text(10),
          new EvaluateOptions()
              .allLogits(true)
              .onLogits(
                  (position, logits) -> {
                    positions.add(position);
                    last[0] = logits.clone();
                    return true;
                  }));
      equal(List.of(0L, 1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L, 9L), positions);
      check(Arrays.equals(last[0], session.logits()), "the last are those of the newest token");
    }
  }

  private static void stops(Fixture fixture) {
    try (Session session = fixture.model.createSession(new SessionOptions().pieceTokens(32));
        CancelFlag flag = fixture.instance.createCancelFlag()) {
      int[] told = {0};
      fails(
          LeoamException.Cancelled.class,
          () ->
              session.evaluate(
                  fixture.text(256), new EvaluateOptions().onProgress((done, total) -> ++told[0] < 2)));
      long kept = session.info().nTokens();
      check(kept < 256 && kept % 32 == 0, "kept " + kept);
      flag.set();
      fails(
          LeoamException.Cancelled.class,
          () -> session.evaluate(fixture.text(64), new EvaluateOptions().cancel(flag)));
      flag.clear();
      session.evaluate(fixture.text(32), new EvaluateOptions().cancel(flag));
      equal(kept + 32, session.info().nTokens());
      long[] set = new long[1];
      fails(
          LeoamException.Cancelled.class,
          () ->
              session.evaluate(
                  fixture.text(4000),
                  new EvaluateOptions()
                      .cancel(flag)
                      .onProgress(
                          (done, total) -> {
                            if (set[0] == 0 && done > 64) {
                              set[0] = System.nanoTime();
                              flag.set();
                            }
                            return true;
                          })));
      long ms = (System.nanoTime() - set[0]) / 1_000_000;
      // 100 ms of work, on a machine that does other work too.
      check(ms <= 1000L * Cases.patience(), "cancelled after " + ms + " ms");
    }
  }

  private static void fork(Fixture fixture) {
    int[] tokens = fixture.text(50);
    try (Session session = fixture.session()) {
      session.evaluate(tokens);
      try (Session copy = session.fork()) {
        equal(session.tokens(), copy.tokens());
        check(Arrays.equals(session.logits(), copy.logits()), "the same logits");
        copy.evaluate(new int[] {100});
        equal(50L, session.info().nTokens());
        equal(51L, copy.info().nTokens());
        session.close();
        equal(50, copy.tokens(0, 50).length);
        copy.evaluate(new int[] {101});
      }
    }
  }

  private static void figures(Fixture fixture) {
    ModelInfo info = fixture.model.info();
    try (Session session =
        fixture.model.createSession(new SessionOptions().policy("leoam").budgetTokens(160))) {
      session.evaluate(fixture.text(400));
      session.evaluate(new int[] {100}, new EvaluateOptions().audit(true));
      float[][] coverage = session.coverage();
      HeadAttention[][] attention = session.attention();
      equal(info.nLayers(), coverage.length);
      equal(info.nHeads(), coverage[0].length);
      for (int layer = 0; layer < info.nLayers(); ++layer) {
        for (int head = 0; head < info.nHeads(); ++head) {
          check(coverage[layer][head] >= 0 && coverage[layer][head] <= 1.0001f, "coverage");
          equal(coverage[layer][head], attention[layer][head].coverage());
          check(attention[layer][head].captured() >= coverage[layer][head] - 1e-3, "captured");
          check(attention[layer][head].attendedShare() > 0, "attended");
        }
      }
      List<LayerTimes> times = session.layerTimes();
      equal(info.nLayers(), times.size());
      for (int layer = 0; layer < times.size(); ++layer) {
        equal(layer, times.get(layer).layer());
        check(times.get(layer).endUs() >= times.get(layer).beginUs(), times.toString());
      }
      SessionInfo figures = session.info();
      equal("leoam", figures.policy());
      check(figures.nSelections() > 0 && figures.nAttendedTokens() < figures.nCandidateTokens(), figures.toString());
      check(figures.nAudited() > 0, figures.toString());
      equal(0L, session.kvChoice().nTokens());
    }
  }

  private static void policies(Fixture fixture) {
    for (KvType type : List.of(KvType.F32, KvType.INT8, KvType.K8V4, KvType.AUTO)) {
      try (Session session = fixture.model.createSession(new SessionOptions().kvType(type).contextTokens(256))) {
        session.evaluate(fixture.text(40));
        equal(256L, session.info().contextTokens());
        check(session.info().kvType() != KvType.UNKNOWN, session.info().toString());
      }
    }
    for (String policy : List.of("exact", "quest", "window", "h2o")) {
      try (Session session = fixture.model.createSession(new SessionOptions().policy(policy))) {
        equal(policy, session.info().policy());
      }
    }
    fails(LeoamException.class, () -> fixture.model.createSession(new SessionOptions().policy("oracle")));
    fails(LeoamException.InvalidArgument.class, () -> fixture.model.createSession(new SessionOptions().pageTokens(3)));
    fails(
        LeoamException.InvalidArgument.class,
        () -> fixture.model.createSession(new SessionOptions().kvType(KvType.UNKNOWN)));
  }

  private static void misuse(Fixture fixture) {
    try (Session session = fixture.session()) {
      fails(LeoamException.InvalidArgument.class, () -> session.evaluate(null));
      fails(LeoamException.InvalidArgument.class, () -> session.evaluate(new int[] {-1}));
      fails(LeoamException.InvalidArgument.class, () -> session.evaluate(new int[] {1 << 30}));
      fails(LeoamException.InvalidArgument.class, () -> session.truncate(1));
      fails(LeoamException.InvalidArgument.class, () -> session.truncate(-1));
      fails(LeoamException.InvalidArgument.class, () -> session.tokens(0, 1));
      fails(LeoamException.InvalidArgument.class, () -> session.tokens(Long.MAX_VALUE, 1));
      fails(LeoamException.InvalidArgument.class, () -> session.submit(new RequestOptions()));
      fails(LeoamException.InvalidArgument.class, () -> new RequestOptions(null));
      fails(
          LeoamException.InvalidArgument.class,
          () -> session.submit(new RequestOptions(fixture.text(4)).stop(List.of(""))));
      fails(
          LeoamException.InvalidArgument.class,
          () -> session.submit(new RequestOptions(fixture.text(4)).delivery(Delivery.CALLBACK)));
      equal(0L, session.info().nTokens());
    }
  }
}
