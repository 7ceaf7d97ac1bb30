package io.leoam;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A saved session without its model, that no session has open. Has nothing to close. Calls fail with NotFound, Busy
 * (open elsewhere), Version (a newer format), InvalidArgument (a wrong key, or none), Unsupported (not a private
 * file), Corrupt, Io, Cancelled; see {@link LeoamException}.
 */
public final class SessionFile {
  private final Instance instance;
  private final String path;
  private final byte[] bytes;
  private final FileOptions options;

  SessionFile(Instance instance, String path, FileOptions options) {
    this.instance = instance;
    this.path = path;
    this.bytes = Utf8.path(path);
    this.options = Check.given(options, "options");
  }

  /** Where it is. */
  public String path() {
    return path;
  }

  private Callbacks.Functions key() {
    return Callbacks.Functions.of(null, options.key());
  }

  /** What it says of itself. */
  public SessionFileInfo info() {
    try (CFileInfo c = new CFileInfo()) {
      instance.act(
          key(),
          (handle, listener, error) ->
              Native.sessionFileGetInfo(handle, bytes, options.key().bytes(), listener, c, error));
      return SessionFileInfo.of(c);
    }
  }

  /** The token log. */
  public int[] tokens() {
    long count = info().nTokens();
    int[] out = new int[Math.toIntExact(count)];
    long copied =
        instance.call(
            key(),
            (handle, listener, error) ->
                Native.sessionFileCopyTokens(handle, bytes, options.key().bytes(), listener, out, error),
            nothing -> {});
    return copied == count ? out : Arrays.copyOf(out, Math.toIntExact(copied));
  }

  /** Reads and checks everything, and changes nothing. Damage that can be repaired is a verdict, not a failure. */
  public Verdict verify() {
    List<String> findings = new ArrayList<>();
    Callbacks.Functions functions = options.functions();
    functions.finding = findings::add;
    try (CFileOptions c = options.toC();
        CVerdict verdict = new CVerdict()) {
      instance.act(
          functions,
          (handle, listener, error) ->
              Native.sessionFileVerify(handle, bytes, c, options.key().bytes(), listener, verdict, error));
      return Verdict.of(verdict, findings);
    }
  }

  /** Replaces the file by one with the same contents and no free room. A crash leaves the one or the other. */
  public void compact() {
    instance.act(
        key(),
        (handle, listener, error) ->
            Native.sessionFileCompact(handle, bytes, options.key().bytes(), listener, error));
  }

  /** Removes the file; needs no key. */
  public void remove() {
    instance.act((handle, error) -> Native.sessionFileRemove(handle, bytes, error));
  }
}
