package io.leoam;

import static io.leoam.Cases.check;
import static io.leoam.Cases.contains;
import static io.leoam.Cases.equal;

import java.util.List;
import java.util.Map;

/** How a JVM ends. */
final class ProcessCases {
  private ProcessCases() {}

  static void add(Cases cases, Fixture fixture) {
    for (String how : List.of("return", "exit", "throw")) {
      cases.add("process: main ends by " + how + " while requests run", () -> ends(fixture, how));
    }
  }

  private static void ends(Fixture fixture, String how) throws Exception {
    Child child = Child.start(List.of(), Map.of(), "run", fixture.modelFile.toString(), how);
    int code = child.exitCode();
    contains(child.output(), "running");
    check(!child.output().contains("SIG") && !child.output().contains("terminate called"), child.output());
    equal(how.equals("throw") ? 1 : 0, code);
  }
}
