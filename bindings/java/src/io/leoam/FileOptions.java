package io.leoam;

/**
 * How a session file is read. Without a key it is a plaintext file.
 *
 * <p>Every function returns this object, which is read when a call takes it; not for several threads at once.
 */
public final class FileOptions {
  private SessionKey key = SessionKey.NONE;
  private Progress onProgress;
  private CancelFlag cancel;

  /** All defaults. */
  public FileOptions() {}

  /** Of an encrypted file. */
  public FileOptions key(SessionKey key) {
    this.key = Check.given(key, "key");
    return this;
  }

  /** Of {@link SessionFile#verify}: pages done and in all. */
  public FileOptions onProgress(Progress onProgress) {
    this.onProgress = onProgress;
    return this;
  }

  /** Of {@link SessionFile#verify}. */
  public FileOptions cancel(CancelFlag cancel) {
    this.cancel = cancel;
    return this;
  }

  SessionKey key() {
    return key;
  }

  Callbacks.Functions functions() {
    return Callbacks.Functions.of(onProgress, key);
  }

  CFileOptions toC() {
    long flag = CancelFlag.handle(cancel);
    CFileOptions c = new CFileOptions();
    c.setCancel(flag);
    return c;
  }
}
