package io.leoam;

import java.nio.file.Path;

/**
 * How a session is saved: the first time a path, and a key or {@link #plaintext}; later nothing is needed.
 *
 * <p>Every function returns this object, which is read when a call takes it; not for several threads at once.
 */
public final class SaveOptions {
  private String path = "";
  private SessionKey key = SessionKey.NONE;
  private boolean plaintext;
  private Progress onProgress;
  private CancelFlag cancel;

  /** All defaults. */
  public SaveOptions() {}

  /** Of a new file; empty: the session's own. */
  public SaveOptions path(String path) {
    this.path = Check.given(path, "path");
    return this;
  }

  /** Encrypts a new file. */
  public SaveOptions key(SessionKey key) {
    this.key = Check.given(key, "key");
    return this;
  }

  /** A new file without encryption; excludes a key. */
  public SaveOptions plaintext(boolean plaintext) {
    this.plaintext = plaintext;
    return this;
  }

  /** Bytes of KV that the file has now, and in all. */
  public SaveOptions onProgress(Progress onProgress) {
    this.onProgress = onProgress;
    return this;
  }

  /** The call watches it. */
  public SaveOptions cancel(CancelFlag cancel) {
    this.cancel = cancel;
    return this;
  }

  /** Of a new file. */
  public SaveOptions path(Path path) {
    return path(Check.given(path, "path").toString());
  }

  String path() {
    return path;
  }

  SessionKey key() {
    return key;
  }

  Progress onProgress() {
    return onProgress;
  }

  CSaveOptions toC() {
    long flag = CancelFlag.handle(cancel);
    CSaveOptions c = new CSaveOptions();
    c.setFlags(plaintext ? Native.LEOAM_SAVE_PLAINTEXT : 0);
    c.setCancel(flag);
    return c;
  }
}
