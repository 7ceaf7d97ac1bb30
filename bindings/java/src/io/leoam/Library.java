package io.leoam;

import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The native library of the process. It is loaded by the first {@link Instance}:
 *
 * <ol>
 *   <li>from the folders of the system property {@code leoam.library.path}, where there are any;
 *   <li>from the jar, copied to a private folder below the first of these that works: the system property {@code
 *       leoam.cache.path}, {@code $XDG_CACHE_HOME/leoam}, {@code ~/.cache/leoam}, {@code java.io.tmpdir}.
 * </ol>
 */
public final class Library {
  private static final String WRAPPER = "libleoam_java.so";
  static final String VERSION =
      version(
          NativeConstants.LEOAM_VERSION_MAJOR << 16
              | NativeConstants.LEOAM_VERSION_MINOR << 8
              | NativeConstants.LEOAM_VERSION_PATCH);

  private static boolean loaded;

  private Library() {}

  /**
   * Loads the library, if that has not happened.
   *
   * @throws LeoamException.Loading with every place that was tried, and what the system said
   */
  public static synchronized void load() {
    if (loaded) {
      return;
    }
    open(find());
    loaded = true;
  }

  /** Which library was loaded, and from where. */
  public static BuildInfo buildInfo() {
    load();
    try (CBuildInfo c = new CBuildInfo();
        CError error = new CError()) {
      Native.libraryGetBuildInfo(c, error);
      LeoamException.check(error);
      return BuildInfo.of(c);
    }
  }

  /** Loads the first file that can be, and says where it was. */
  private static String find() {
    List<String> tried = new ArrayList<>();
    Throwable last = null;
    for (String folder : System.getProperty("leoam.library.path", "").split(File.pathSeparator)) {
      if (!folder.isEmpty()) {
        Path file = Path.of(folder).toAbsolutePath().resolve(WRAPPER);
        try {
          System.load(file.toString());
          return file.toString();
        } catch (UnsatisfiedLinkError error) {
          tried.add(file + " (leoam.library.path): " + error.getMessage());
          last = error;
        }
      }
    }
    NativeFiles files = NativeFiles.ofThisMachine();
    if (!files.exist()) {
      tried.add(files.where() + " (in the jar): there is no such resource");
    } else {
      for (Path root : NativeFiles.roots()) {
        Path file = root.resolve(files.folder()).resolve(WRAPPER);
        try {
          System.load(files.extract(root).resolve(WRAPPER).toString());
          return file.toString();
        } catch (IOException | UnsupportedOperationException | UnsatisfiedLinkError failure) {
          tried.add(file + " (from the jar): " + failure);
          last = failure;
        }
      }
    }
    throw new LeoamException.Loading(
        "the native library of LeoAM "
            + VERSION
            + " cannot be loaded. Tried:\n  "
            + String.join("\n  ", tried)
            + "\nUse the jar with natives for "
            + files.platform()
            + ", or set -Dleoam.library.path to the folder of "
            + WRAPPER
            + " and libleoam.so.0, and -Dleoam.cache.path to a folder of yours that allows execution.",
        last);
  }

  private static void open(String file) {
    try (CError error = new CError();
        CBuildInfo info = new CBuildInfo()) {
      String compiled = version(Native.libraryHeaderVersion());
      if (!compiled.equals(VERSION)) {
        throw new LeoamException.Loading(
            file + " was made for version " + compiled + ", these classes for " + VERSION, null);
      }
      Native.libraryOpen(error);
      if (error.getCode() != 0) {
        LeoamException failure = LeoamException.of(error);
        Native.libraryGetBuildInfo(info, error);
        BuildInfo found = BuildInfo.of(info);
        throw new LeoamException.Loading(
            failure.getMessage()
                + ": "
                + file
                + " of version "
                + VERSION
                + " found libleoam "
                + found.version()
                + " (function table "
                + found.apiVersion()
                + ", needed "
                + Native.LEOAM_API_VERSION
                + ") at "
                + found.filePath(),
            failure);
      }
    } catch (LinkageError error) {
      throw new LeoamException.Loading(
          file + " was not made for these classes of version " + VERSION + ": " + error, error);
    }
  }

  private static String version(long number) {
    return (number >> 16) + "." + (number >> 8 & 0xFF) + "." + (number & 0xFF);
  }
}
