package io.leoam;

import java.nio.file.Path;

/**
 * Everything that the binding promises, as cases. usage: Conformance [FILTER]: those whose name contains it. Ends
 * with 77 when what could be checked without a model is right and there is no model.
 */
final class Conformance {
  private Conformance() {}

  public static void main(String[] arguments) throws Exception {
    Cases cases = new Cases();
    SurfaceCases.add(cases);
    LoadingCases.add(cases);
    Path file = Fixture.findModel();
    String filter = arguments.length > 0 ? arguments[0] : "";
    if (file == null) {
      System.exit(cases.run(filter) ? 77 : 1);
    }
    boolean right;
    try (Fixture fixture = new Fixture(file)) {
      InstanceCases.add(cases, fixture);
      ModelCases.add(cases, fixture);
      TextCases.add(cases, fixture);
      SessionCases.add(cases, fixture);
      RequestCases.add(cases, fixture);
      AsyncCases.add(cases, fixture);
      StoreCases.add(cases, fixture);
      CallbackCases.add(cases, fixture);
      LifetimeCases.add(cases, fixture);
      ProcessCases.add(cases, fixture);
      right = cases.run(filter);
    }
    System.exit(right ? 0 : 1);
  }
}
