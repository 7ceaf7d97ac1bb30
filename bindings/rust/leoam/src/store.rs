//! Sessions whose KV leaves memory: suspended, saved, opened again.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use leoam_sys as sys;

use crate::callback::{Call, Progress};
use crate::cancel::CancelFlag;
use crate::error::{ErrorClass, Result};
use crate::ffi::{flag, FromC};
use crate::key::{KeyedCall, SessionKey};
use crate::model::Model;
use crate::session::Session;
use crate::session_file::{FileOptions, SessionFileInfo};
use crate::session_options::SessionOptions;

/// How a session is suspended.
#[derive(Default)]
pub struct SuspendOptions<'a> {
    /// Bytes of KV done and in all, on the calling thread.
    pub on_progress: Option<Progress<'a>>,
    /// Stops; the session is as good as before, with a part of it in files.
    pub cancel: Option<CancelFlag>,
}

impl fmt::Debug for SuspendOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SuspendOptions").field("cancel", &self.cancel).finish_non_exhaustive()
    }
}

/// How a session is saved.
#[derive(Default)]
pub struct SaveOptions<'a> {
    /// Of a new file; none: the session's own.
    pub path: Option<PathBuf>,
    /// Of a new file; later saves need none.
    pub key: SessionKey<'a>,
    /// A new file without encryption; excludes a key.
    pub plaintext: bool,
    /// Bytes of KV that the file has now, and in all, on the calling thread.
    pub on_progress: Option<Progress<'a>>,
    /// Stops; then the last save stands.
    pub cancel: Option<CancelFlag>,
}

impl fmt::Debug for SaveOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaveOptions")
            .field("path", &self.path)
            .field("key", &self.key)
            .field("plaintext", &self.plaintext)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// The saved session, on the model that it was made with. Reads the index, not the KV: pages come when
    /// they are attended to. What `options` says of KV, pages and pieces is default or as in the file. Not
    /// inside callbacks. A panic of the key callback goes on in the caller.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Busy` (open elsewhere, within 100 ms), `Version` (a newer format), `InvalidArgument` (a
    /// wrong key, none for an encrypted file, one for a plaintext file, an option), `Unsupported` (another
    /// model, or not a private file), `Corrupt` (no copy of the tokens is whole), `NoSpace` (the disk
    /// budget), `Io`, `Cancelled` (by the key callback); the file is untouched then.
    pub fn open(
        model: &Model,
        path: impl AsRef<Path>,
        file: FileOptions<'_>,
        options: &SessionOptions,
    ) -> Result<Self> {
        let path = path.as_ref().as_os_str().as_bytes();
        let c = options.to_c();
        let cancel = file.cancel;
        let mut call = KeyedCall::with_key(file.on_progress, file.key);
        let c_file = FileOptions::to_c(&mut call, cancel.as_ref());
        let opened = Self::create(model, |api, out, error| {
            let (handle, data, size) = (model.handle().get(), path.as_ptr().cast(), path.len() as u64);
            // SAFETY: a live handle; path and options, with what they point at, live during the call.
            unsafe { (api.model_open_session)(handle, data, size, &c, &c_file, out, error) }
        });
        call.finish(opened)
    }

    /// All KV leaves memory, but for what forks hold in use. The next use brings back what it needs. Not
    /// inside callbacks. A panic of the callback goes on in the caller.
    ///
    /// # Errors
    ///
    /// `Busy`, `NoSpace` (a disk budget, the write cap, the disk), `Io`, `Cancelled`; then the session is as
    /// good as before, with a part of it in files.
    pub fn suspend(&mut self, options: SuspendOptions<'_>) -> Result<()> {
        let mut call = Call::new(options.on_progress, ());
        let mut c = sys::leoam_suspend_options::default();
        c.cancel = CancelFlag::of(options.cancel.as_ref());
        c.on_progress = call.progress_function();
        c.user_data = call.user_data();
        // SAFETY: a live handle; the options, with what they point at, live during the call.
        let result =
            self.handle().call(|api, handle, error| unsafe { (api.session_suspend)(handle, &c, error) });
        call.finish(result)
    }

    /// Makes the session durable: it is on the disk when this returns. The first time into a new file, which
    /// the session then has; needs a path, and a key or `plaintext`. Later into the same one, where only what
    /// is new is written. Not inside callbacks. A panic of a callback goes on in the caller.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` (no path, another path, neither key nor `plaintext`, or both), `Busy` (the session,
    /// or the file exists or is open), `NotFound` (the folder), `NoSpace`, `Unsupported` (a folder that
    /// others may write to), `Io`, `Cancelled`; then the last save stands.
    pub fn save(&mut self, options: SaveOptions<'_>) -> Result<()> {
        let path = options.path.unwrap_or_default();
        let mut call = KeyedCall::with_key(options.on_progress, options.key);
        let mut c = sys::leoam_save_options::default();
        c.flags = flag(options.plaintext, sys::LEOAM_SAVE_PLAINTEXT);
        c.path = sys::leoam_string::view(path.as_os_str().as_bytes());
        (c.key, c.key_size) = call.key_bytes();
        c.on_key = call.key_function();
        c.cancel = CancelFlag::of(options.cancel.as_ref());
        c.on_progress = call.progress_function();
        c.user_data = call.user_data();
        // SAFETY: a live handle; the options, with what they point at, live during the call.
        let result =
            self.handle().call(|api, handle, error| unsafe { (api.session_save)(handle, &c, error) });
        call.finish(result)
    }

    /// The file that the session has, as of its last save; none before the first.
    pub fn file_info(&self) -> Result<Option<SessionFileInfo>> {
        // SAFETY: a live handle and an initialised struct.
        let found = self
            .handle()
            .filled(|api, handle, out, error| unsafe { (api.session_get_file_info)(handle, out, error) });
        match found {
            // SAFETY: it has no views.
            Ok(c) => Ok(Some(unsafe { SessionFileInfo::from_c(c) })),
            Err(error) if error.class() == ErrorClass::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
