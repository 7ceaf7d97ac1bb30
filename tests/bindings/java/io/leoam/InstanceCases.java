package io.leoam;

import static io.leoam.Cases.check;
import static io.leoam.Cases.contains;
import static io.leoam.Cases.equal;
import static io.leoam.Cases.fails;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;

final class InstanceCases {
  private InstanceCases() {}

  static void add(Cases cases, Fixture fixture) {
    cases.add("instance: build info says which library was found where", InstanceCases::buildInfo);
    cases.add("instance: describe is a doctor", () -> describe(fixture));
    cases.add("instance: statistics", () -> statistics(fixture));
    cases.add("instance: options arrive, wrong ones are refused", () -> options(fixture));
    cases.add("instance: UINT64_MAX is unlimited both ways", () -> unlimited(fixture));
    cases.add("instance: log messages arrive as text, and what the sink throws is lost", () -> log(fixture));
    cases.add("instance: a budget that is too small says what is needed", () -> budget(fixture));
    cases.add("instance: a device without memory of its own has no budget", () -> device(fixture));
  }

  private static void buildInfo() {
    BuildInfo info = Library.buildInfo();
    equal(Library.VERSION, info.version());
    contains(info.filePath(), "libleoam.so");
    check(info.apiVersion() >= Native.LEOAM_API_VERSION, info.toString());
  }

  private static void describe(Fixture fixture) {
    Map<String, String> facts = fixture.instance.describe();
    check(facts.size() > 5, facts.toString());
    check(facts.containsKey("cpu.chosen"), facts.toString());
  }

  private static void statistics(Fixture fixture) {
    InstanceStatistics statistics = fixture.instance.statistics();
    equal(2, statistics.nThreads());
    check(statistics.weightBytes() > 50_000_000, statistics.toString());
    check(statistics.hostKvBudgetBytes() > 0, statistics.toString());
  }

  private static void options(Fixture fixture) {
    InstanceOptions given = fixture.options().nThreads(1).cpuLevel("scalar").hostKvBudgetBytes(77 << 20);
    try (Instance instance = new Instance(given)) {
      equal(1, instance.statistics().nThreads());
      equal(77L << 20, instance.statistics().hostKvBudgetBytes());
      contains(instance.describe().get("cpu.chosen"), "scalar");
    }
    contains(
        fails(LeoamException.InvalidArgument.class, () -> new Instance(fixture.options().cpuLevel("fast")))
            .getMessage(),
        "cpu_level");
    fails(LeoamException.InvalidArgument.class, () -> new InstanceOptions().nThreads(-1));
    fails(LeoamException.InvalidArgument.class, () -> new InstanceOptions().stateFolder(null));
    fails(LeoamException.InvalidArgument.class, () -> new Instance(new InstanceOptions().stateFolder("relative")));
  }

  private static void unlimited(Fixture fixture) {
    try (Instance instance = new Instance(fixture.options())) {
      equal(Instance.UNLIMITED, instance.statistics().diskWriteCapBytes());
      instance.setDiskWriteCap(1 << 30);
      equal(1L << 30, instance.statistics().diskWriteCapBytes());
      instance.setDiskWriteCap(Instance.UNLIMITED);
      equal(Instance.UNLIMITED, instance.statistics().diskWriteCapBytes());
      instance.setDiskKvBudget(123 << 20);
      equal(123L << 20, instance.statistics().diskKvBudgetBytes());
      fails(LeoamException.InvalidArgument.class, () -> instance.setDiskWriteCap(-1));
    }
  }

  private static void log(Fixture fixture) throws Exception {
    List<String> messages = Collections.synchronizedList(new ArrayList<>());
    LogSink sink =
        (level, message) -> {
          messages.add(level + " " + message);
          throw new IllegalStateException("lost");
        };
    try (Instance instance = new Instance(fixture.options().log(sink).logLevel(LogLevel.DEBUG))) {
      instance.load(fixture.modelFile.toString(), new LoadOptions().headerOnly(true)).close();
      Path broken = Path.of(fixture.file("broken.gguf"));
      Files.write(broken, new byte[] {'G', 'G', 'U', 'F', 3, 0, 0, 0, 9, 9, 9});
      fails(LeoamException.Corrupt.class, () -> instance.load(broken));
    }
    check(!messages.isEmpty(), "no messages");
    for (String message : messages) {
      check(!message.startsWith("UNKNOWN"), message);
    }
  }

  private static void budget(Fixture fixture) {
    try (Instance instance = new Instance(fixture.options().hostKvBudgetBytes(1 << 20).diskKvBudgetBytes(1 << 20));
        Model model = instance.load(fixture.modelFile);
        Session session = model.createSession()) {
      LeoamException.NoSpace failure =
          fails(LeoamException.NoSpace.class, () -> session.evaluate(fixture.text(512)));
      check(failure.neededBytes() > failure.availableBytes(), "needed " + failure.neededBytes());
      equal(7, failure.code());
    }
  }

  private static void device(Fixture fixture) {
    fails(LeoamException.Unsupported.class, () -> fixture.instance.changeDeviceKvBudget(1 << 20, null, null));
  }
}
