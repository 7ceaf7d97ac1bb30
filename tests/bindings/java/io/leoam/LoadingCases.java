package io.leoam;

import static io.leoam.Cases.check;
import static io.leoam.Cases.contains;
import static io.leoam.Cases.equal;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;

/** Where the native library comes from, in JVMs of their own. */
final class LoadingCases {
  private LoadingCases() {}

  static void add(Cases cases) {
    cases.add("loading: from the jar into a private folder", () -> in(LoadingCases::jar));
    cases.add("loading: LD_LIBRARY_PATH does not matter", () -> in(LoadingCases::environment));
    cases.add("loading: JVMs that start at once", () -> in(LoadingCases::atOnce));
    cases.add("loading: a copy that was changed is replaced", () -> in(LoadingCases::changed));
    cases.add("loading: a folder that others may enter is not used", () -> in(LoadingCases::foreign));
    cases.add("loading: leoam.library.path comes first", () -> in(LoadingCases::path));
    cases.add("loading: without a library, everything that was tried is told", () -> in(LoadingCases::missing));
    cases.add("loading: a library that is too old is told with its place", () -> in(LoadingCases::old));
    cases.add("loading: a library that is none is told with the system's words", () -> in(LoadingCases::none));
  }

  interface Body {
    void run(Path folder) throws Exception;
  }

  private static void in(Body body) throws Exception {
    Path folder = Files.createTempDirectory("leoam-java-loading");
    try {
      body.run(folder);
    } finally {
      Fixture.remove(folder);
    }
  }

  private static Child load(Path cache, String... options) throws IOException {
    List<String> all = new ArrayList<>(List.of("-Dleoam.cache.path=" + cache));
    all.addAll(List.of(options));
    return Child.start(all, Map.of(), "load");
  }

  /** Where there is a second choice. */
  private static Child load(Path cache, Path other) throws IOException {
    return Child.start(
        List.of("-Dleoam.cache.path=" + cache), Map.of("XDG_CACHE_HOME", other.toString()), "load");
  }

  private static Path copies(Path cache) throws IOException {
    try (Stream<Path> files = Files.list(cache)) {
      List<Path> all = files.toList();
      equal(1, all.size());
      return all.get(0);
    }
  }

  private static void jar(Path folder) throws Exception {
    Path cache = folder.resolve("new/cache");
    Child child = load(cache);
    equal(0, child.exitCode());
    contains(child.output(), "library " + cache);
    Path copies = copies(cache);
    for (Path made : List.of(folder.resolve("new"), cache, copies)) {
      equal("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(made)));
    }
    try (Stream<Path> files = Files.list(copies)) {
      equal(
          List.of("libleoam.so.0", "libleoam_java.so"),
          files.map(file -> file.getFileName().toString()).sorted().toList());
    }
  }

  /** The library beside the wrapper is taken, not one that the environment has elsewhere. */
  private static void environment(Path folder) throws Exception {
    String old = Path.of(System.getProperty("leoam.test.old")).getParent().toString();
    Child child =
        Child.start(List.of("-Dleoam.cache.path=" + folder), Map.of("LD_LIBRARY_PATH", old), "load");
    equal(0, child.exitCode());
    contains(child.output(), "library " + folder);
  }

  private static void atOnce(Path folder) throws Exception {
    List<Child> children = new ArrayList<>();
    for (int i = 0; i < 4; ++i) {
      children.add(load(folder));
    }
    for (Child child : children) {
      equal(0, child.exitCode());
      contains(child.output(), "library " + folder);
    }
    try (Stream<Path> files = Files.list(copies(folder))) {
      equal(2L, files.count());
    }
  }

  private static void changed(Path folder) throws Exception {
    equal(0, load(folder).exitCode());
    Path library = copies(folder).resolve("libleoam.so.0");
    byte[] right = Files.readAllBytes(library);
    byte[] wrong = right.clone();
    wrong[wrong.length / 2] ^= 1;
    Files.write(library, wrong);
    equal(0, load(folder).exitCode());
    check(java.util.Arrays.equals(right, Files.readAllBytes(library)), "it was replaced");
    Files.delete(library);
    Files.createSymbolicLink(library, Path.of("/dev/null"));
    equal(0, load(folder).exitCode());
    check(!Files.isSymbolicLink(library), "the link was replaced");
  }

  private static void foreign(Path folder) throws Exception {
    Path cache = folder.resolve("cache");
    Path other = folder.resolve("other");
    equal(0, load(cache).exitCode());
    Path copies = copies(cache);
    Files.setPosixFilePermissions(copies, PosixFilePermissions.fromString("rwxrwxrwx"));
    Child child = load(cache, other);
    equal(0, child.exitCode());
    contains(child.output(), "library " + other);
    // Nor one below a folder that others may write to.
    Path shared = Files.createDirectory(folder.resolve("shared"));
    Files.setPosixFilePermissions(shared, PosixFilePermissions.fromString("rwxrwxrwx"));
    child = load(shared, other);
    equal(0, child.exitCode());
    contains(child.output(), "library " + other);
    // Nor what is no folder.
    child = load(Files.createFile(folder.resolve("file")), other);
    equal(0, child.exitCode());
    contains(child.output(), "library " + other);
    // Nor a link.
    Path moved = folder.resolve("moved");
    Files.setPosixFilePermissions(copies, PosixFilePermissions.fromString("rwx------"));
    Files.move(copies, moved);
    Files.createSymbolicLink(copies, moved);
    child = load(cache, other);
    equal(0, child.exitCode());
    contains(child.output(), "library " + other);
  }

  private static void path(Path folder) throws Exception {
    Path cache = folder.resolve("cache");
    equal(0, load(cache).exitCode());
    Path mine = Files.move(copies(cache), folder.resolve("mine"));
    Child child = load(cache, "-Dleoam.library.path=/nonexistent:" + mine);
    equal(0, child.exitCode());
    contains(child.output(), "library " + mine);
    try (Stream<Path> files = Files.list(cache)) {
      equal(0L, files.count());
    }
  }

  /** The class path with a jar that has no natives. */
  private static String withoutNatives(Path folder) throws IOException {
    Path bare = folder.resolve("bare.jar");
    String path = System.getProperty("java.class.path");
    String jar = Library.class.getProtectionDomain().getCodeSource().getLocation().getPath();
    try (JarFile in = new JarFile(jar);
        OutputStream file = Files.newOutputStream(bare);
        JarOutputStream out = new JarOutputStream(file)) {
      for (JarEntry entry : in.stream().toList()) {
        if (entry.getName().endsWith(".class")) {
          out.putNextEntry(new JarEntry(entry.getName()));
          in.getInputStream(entry).transferTo(out);
        }
      }
    }
    return path.replace(jar, bare.toString());
  }

  private static void missing(Path folder) throws Exception {
    Child child = load(folder, "-Dleoam.library.path=/nonexistent", "-cp", withoutNatives(folder));
    equal(1, child.exitCode());
    for (String part :
        List.of(
            "LeoamException$Loading",
            "/nonexistent/libleoam_java.so",
            "/io/leoam/native/linux-x86_64/",
            "no such resource",
            "-Dleoam.library.path",
            "LeoAM " + Library.VERSION)) {
      contains(child.output(), part);
    }
  }

  private static void old(Path folder) throws Exception {
    equal(0, load(folder).exitCode());
    Path mine = Files.move(copies(folder), folder.resolve("mine"));
    String old = System.getProperty("leoam.test.old");
    check(old != null, "-Dleoam.test.old: a library of an older version");
    Files.copy(Path.of(old), mine.resolve("libleoam.so.0"), StandardCopyOption.REPLACE_EXISTING);
    Child child = load(folder, "-Dleoam.library.path=" + mine);
    equal(1, child.exitCode());
    for (String part :
        List.of(
            "LeoamException$Loading",
            "older",
            "0.0.9",
            "function table 1",
            "/old/libleoam.so",
            mine + "/libleoam_java.so")) {
      contains(child.output(), part);
    }
  }

  private static void none(Path folder) throws Exception {
    Path file = Files.createDirectory(folder.resolve("mine")).resolve("libleoam_java.so");
    Files.writeString(file, "no library");
    Child child = load(folder, "-Dleoam.library.path=" + file.getParent(), "-cp", withoutNatives(folder));
    equal(1, child.exitCode());
    contains(child.output(), file.toString());
    contains(child.output(), "file too short");
  }
}
