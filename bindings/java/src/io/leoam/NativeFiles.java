package io.leoam;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * The native files in the jar, and their copies on the disk.
 *
 * <p>The resource {@code SHA256SUMS} beside them lists them. They are copied into a folder that only this user can
 * enter and that is named by the hash of that list. Files are put there whole, by renaming: JVMs that do so at the
 * same time do no harm to each other, nor to one that has mapped the file before.
 */
final class NativeFiles {
  private static final String LIST = "SHA256SUMS";
  private static final FileAttribute<?> PRIVATE =
      PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));

  private final String platform;
  // By name; empty when the jar has none.
  private final Map<String, String> hashes = new LinkedHashMap<>();
  private final String folder;

  private NativeFiles(String platform) {
    this.platform = platform;
    byte[] list = {};
    try (InputStream in = NativeFiles.class.getResourceAsStream(where() + LIST)) {
      if (in != null) {
        list = in.readAllBytes();
      }
    } catch (IOException exception) {
      // A jar that cannot be read has none.
    }
    // Lines as sha256sum writes them.
    for (String line : new String(list, StandardCharsets.US_ASCII).split("\n")) {
      String[] words = line.split(" +");
      if (words.length == 2) {
        hashes.put(words[1], words[0]);
      }
    }
    this.folder = "native-" + sha256(list).substring(0, 32);
  }

  static NativeFiles ofThisMachine() {
    String system = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    String machine = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
    return new NativeFiles(system + "-" + (machine.equals("amd64") ? "x86_64" : machine));
  }

  /** "linux-x86_64". */
  String platform() {
    return platform;
  }

  /** The folder of the resources. */
  String where() {
    return "/io/leoam/native/" + platform + "/";
  }

  boolean exist() {
    return !hashes.isEmpty();
  }

  /** The name of the folder of the copies. */
  String folder() {
    return folder;
  }

  /** Where that folder may be, the best first. */
  static List<Path> roots() {
    List<Path> roots = new ArrayList<>();
    add(roots, System.getProperty("leoam.cache.path"), "");
    add(roots, System.getenv("XDG_CACHE_HOME"), "leoam");
    add(roots, System.getProperty("user.home"), ".cache/leoam");
    add(roots, System.getProperty("java.io.tmpdir"), "leoam-" + System.getProperty("user.name"));
    return roots;
  }

  private static void add(List<Path> roots, String parent, String name) {
    try {
      if (parent != null && Path.of(parent).isAbsolute()) {
        roots.add(Path.of(parent).resolve(name));
      }
    } catch (InvalidPathException exception) {
      // No name of a file here.
    }
  }

  /** The folder below {@code root} with all files in it, each with the right contents. */
  Path extract(Path root) throws IOException {
    if (!Files.isDirectory(root)) {
      Files.createDirectories(root, PRIVATE);
    }
    // Who can write to a folder can replace those in it.
    if (!isOwn(root, PosixFilePermissions.fromString("----w--w-"))) {
      throw new IOException(root + " is not a folder that only this user can write to");
    }
    Path target = root.resolve(folder);
    try {
      Files.createDirectory(target, PRIVATE);
    } catch (FileAlreadyExistsException exists) {
      // By us, or by somebody who must not have made it.
    }
    if (!isOwn(target, PosixFilePermissions.fromString("---rwxrwx"))) {
      throw new IOException(target + " is not a folder that only this user can enter");
    }
    for (Map.Entry<String, String> file : hashes.entrySet()) {
      put(target, file.getKey(), file.getValue());
    }
    return target;
  }

  /** A folder, no link, of this user, where nobody else has one of these permissions. */
  private static boolean isOwn(Path folder, Set<PosixFilePermission> forbidden) throws IOException {
    PosixFileAttributes attributes =
        Files.readAttributes(folder, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    Object user = Files.getAttribute(Path.of("/proc/self"), "unix:uid");
    return attributes.isDirectory()
        && Collections.disjoint(attributes.permissions(), forbidden)
        && Files.getAttribute(folder, "unix:uid", LinkOption.NOFOLLOW_LINKS).equals(user);
  }

  private void put(Path target, String name, String hash) throws IOException {
    Path file = target.resolve(name);
    if (Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS) && sha256(Files.readAllBytes(file)).equals(hash)) {
      return;
    }
    byte[] bytes;
    try (InputStream in = NativeFiles.class.getResourceAsStream(where() + name)) {
      if (in == null) {
        throw new IOException(where() + name + " is missing in the jar");
      }
      bytes = in.readAllBytes();
    }
    if (!sha256(bytes).equals(hash)) {
      throw new IOException(where() + name + " in the jar is not the file that " + LIST + " names");
    }
    Path copy = Files.createTempFile(target, name, ".new", PRIVATE);
    try {
      Files.write(copy, bytes);
      Files.move(copy, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(copy);
    }
  }

  private static String sha256(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException exception) {
      throw new AssertionError("every JVM has SHA-256", exception);
    }
  }
}
