package io.leoam;

import static io.leoam.Cases.check;
import static io.leoam.Cases.contains;
import static io.leoam.Cases.equal;

import java.lang.reflect.Executable;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.jar.JarFile;
import java.util.stream.Collectors;

/** What the public classes look like, held against the C interface. */
final class SurfaceCases {
  private SurfaceCases() {}

  static void add(Cases cases) {
    cases.add("surface: no generated type is public, nor in a public signature", SurfaceCases::signatures);
    cases.add("surface: enums have the header's numbers, all of them", SurfaceCases::enums);
    cases.add("surface: errors have the header's codes, all of them", SurfaceCases::errors);
    cases.add("surface: records have every field of their struct", SurfaceCases::records);
    cases.add("surface: options reach every field of their struct", SurfaceCases::options);
    cases.add("surface: every function of the shim is called", SurfaceCases::functions);
    cases.add("surface: nothing has a finalizer", SurfaceCases::finalizers);
  }

  private static List<Class<?>> classes() throws Exception {
    String jar = Library.class.getProtectionDomain().getCodeSource().getLocation().getPath();
    List<Class<?>> classes = new ArrayList<>();
    try (JarFile file = new JarFile(jar)) {
      for (String name : file.stream().map(entry -> entry.getName()).toList()) {
        if (name.startsWith("io/leoam/") && name.endsWith(".class") && !name.contains("-info")) {
          String type = name.replace('/', '.').replace(".class", "");
          classes.add(Class.forName(type, false, SurfaceCases.class.getClassLoader()));
        }
      }
    }
    check(classes.size() > 60, "few classes in " + jar);
    return classes;
  }

  private static boolean isPublic(Class<?> type) {
    while (type.isArray()) {
      type = type.getComponentType();
    }
    return type.isPrimitive() || Modifier.isPublic(type.getModifiers());
  }

  private static void signatures() throws Exception {
    for (Class<?> type : classes()) {
      check(!Modifier.isPublic(type.getModifiers()) || !generated(type), type + " is public");
      if (!Modifier.isPublic(type.getModifiers())) {
        continue;
      }
      List<Executable> members = new ArrayList<>(List.of(type.getConstructors()));
      for (Method method : type.getMethods()) {
        if (method.getDeclaringClass().getName().startsWith("io.leoam") && !method.isBridge()) {
          members.add(method);
          check(isPublic(method.getReturnType()), "the result of " + method);
        }
      }
      for (Executable member : members) {
        for (Class<?> parameter : member.getParameterTypes()) {
          check(isPublic(parameter), "a parameter of " + member);
        }
      }
    }
  }

  private static boolean generated(Class<?> type) {
    return type.getSimpleName().matches("Native|Native[A-Z].*|Listener|Logits|KeyRoom|C[A-Z].*")
        && !type.getSimpleName().matches("NativeFiles|NativeObject|CancelFlag|ChatMessage|ChatOptions|Callbacks|Check");
  }

  /** Constants of the header by name, without the prefix. */
  private static Map<String, Integer> constants(String prefix) throws Exception {
    Map<String, Integer> all = new TreeMap<>();
    for (var field : NativeConstants.class.getDeclaredFields()) {
      if (field.getName().startsWith(prefix) && field.getType() == int.class) {
        all.put(field.getName().substring(prefix.length()), field.getInt(null));
      }
    }
    for (var field : Native.class.getDeclaredFields()) {
      if (field.getName().startsWith(prefix) && field.getType() == int.class) {
        all.put(field.getName().substring(prefix.length()), field.getInt(null));
      }
    }
    check(!all.isEmpty(), "no constants " + prefix);
    return all;
  }

  private static <E extends Enum<E> & Numbered> void same(E[] values, String prefix, String... without)
      throws Exception {
    Map<String, Integer> found = new TreeMap<>();
    for (E value : values) {
      if (value.number() >= 0) {
        found.put(value.name().equals("UNKNOWN_TEXT") ? "UNKNOWN" : value.name(), value.number());
      }
    }
    Map<String, Integer> expected = constants(prefix);
    expected.keySet().removeAll(Set.of(without));
    equal(expected, found);
  }

  private static void enums() throws Exception {
    Library.load();
    same(KvType.values(), "LEOAM_KV_");
    same(RopeScaling.values(), "LEOAM_ROPE_");
    same(LogLevel.values(), "LEOAM_LOG_", "DEFAULT");
    same(TokenType.values(), "LEOAM_TOKEN_");
    same(Delivery.values(), "LEOAM_DELIVERY_");
    same(FinishReason.values(), "LEOAM_FINISH_");
    same(EventKind.values(), "LEOAM_EVENT_", "NONE");
    equal(KvType.UNKNOWN, KvType.of(1234));
    equal(Native.LEOAM_KEY_BYTES, SessionKey.BYTES);
  }

  private static void errors() throws Exception {
    Library.load();
    Set<String> classes = new TreeSet<>();
    for (Map.Entry<String, Integer> code : constants("LEOAM_ERROR_").entrySet()) {
      try (CError error = new CError()) {
        error.setCode(code.getValue());
        error.setNeededBytes(7);
        error.setAvailableBytes(-1);
        LeoamException exception = LeoamException.of(error);
        equal(code.getValue(), exception.code());
        check(exception.getClass() != LeoamException.class, code.getKey() + " has no class");
        classes.add(exception.getClass().getSimpleName());
      }
    }
    equal(13, classes.size());
    try (CError error = new CError()) {
      error.setCode(99);
      equal(99, LeoamException.of(error).code());
    }
  }

  private static Set<String> getters(Class<?> struct) {
    return Arrays.stream(struct.getDeclaredMethods())
        .map(Method::getName)
        .filter(name -> name.startsWith("get") && !name.equals("getCPtr"))
        .map(name -> name.substring(3).toLowerCase())
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static void record(Class<?> struct, Class<?> record) {
    Set<String> missing = getters(struct);
    for (RecordComponent component : record.getRecordComponents()) {
      missing.remove(component.getName().toLowerCase());
    }
    // Flags are booleans.
    missing.remove("flags");
    check(missing.isEmpty(), record.getSimpleName() + " has no " + missing);
  }

  private static void records() {
    record(CBuildInfo.class, BuildInfo.class);
    record(CInstanceStatistics.class, InstanceStatistics.class);
    record(CModelInfo.class, ModelInfo.class);
    record(CPlan.class, Plan.class);
    record(CTokenInfo.class, TokenInfo.class);
    record(CSessionInfo.class, SessionInfo.class);
    record(CHeadAttention.class, HeadAttention.class);
    record(CLayerTimes.class, LayerTimes.class);
    record(CKvChoice.class, KvChoice.class);
    record(CEvent.class, Event.class);
    record(CRequestStatistics.class, RequestStatistics.class);
    record(CFileInfo.class, SessionFileInfo.class);
    record(CVerdict.class, Verdict.class);
  }

  private static void option(Class<?> struct, Class<?> options) {
    Set<String> missing = getters(struct);
    for (Method method : options.getDeclaredMethods()) {
      missing.remove(method.getName().toLowerCase());
    }
    missing.remove("flags");
    check(missing.isEmpty(), options.getSimpleName() + " has no " + missing);
  }

  private static void options() {
    option(CInstanceOptions.class, InstanceOptions.class);
    option(CLoadOptions.class, LoadOptions.class);
    option(CPlanOptions.class, PlanOptions.class);
    option(CSessionOptions.class, SessionOptions.class);
    option(CEvaluateOptions.class, EvaluateOptions.class);
    option(CSamplerOptions.class, SamplerOptions.class);
    option(CRequestOptions.class, RequestOptions.class);
    option(CSuspendOptions.class, SuspendOptions.class);
    option(CSaveOptions.class, SaveOptions.class);
    option(CFileOptions.class, FileOptions.class);
  }

  /** The names of shim functions are in the constant pools of the classes that call them. */
  private static void functions() throws Exception {
    StringBuilder pools = new StringBuilder();
    for (Class<?> type : classes()) {
      if (!generated(type)) {
        String name = type.getName();
        try (var in = type.getResourceAsStream(name.substring(name.lastIndexOf('.') + 1) + ".class")) {
          pools.append(new String(in.readAllBytes(), java.nio.charset.StandardCharsets.ISO_8859_1));
        }
      }
    }
    for (Method method : Native.class.getDeclaredMethods()) {
      contains(pools.toString(), method.getName());
    }
  }

  private static void finalizers() throws Exception {
    for (Class<?> type : classes()) {
      for (Method method : type.getDeclaredMethods()) {
        check(!method.getName().equals("finalize"), type + " has a finalizer");
      }
    }
  }
}
