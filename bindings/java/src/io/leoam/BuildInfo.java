package io.leoam;

/**
 * Facts of the native library.
 *
 * @param version "0.1.0"
 * @param compiler "gcc 12.2.0"
 * @param build "release"
 * @param filePath where it was loaded from; empty when unknown
 * @param apiVersion of its function table
 */
public record BuildInfo(
    String version,
    String compiler,
    String build,
    String filePath,
    int apiVersion) {
  static BuildInfo of(CBuildInfo c) {
    return new BuildInfo(
        Utf8.string(c.getVersion()),
        Utf8.string(c.getCompiler()),
        Utf8.string(c.getBuild()),
        Utf8.string(c.getFilePath()),
        Math.toIntExact(c.getApiVersion()));
  }
}
