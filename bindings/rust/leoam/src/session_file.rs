//! What can be done with a saved session without its model.

use std::fmt;
use std::os::raw::{c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use leoam_sys as sys;

use crate::callback::{Flow, Progress};
use crate::cancel::CancelFlag;
use crate::error::Result;
use crate::ffi::{collect, record, slice, FromC};
use crate::instance::Instance;
use crate::key::{KeyedCall, SessionKey};
use crate::model::KvType;

/// How a session file is read.
#[derive(Default)]
pub struct FileOptions<'a> {
    /// None: a plaintext file.
    pub key: SessionKey<'a>,
    /// Pages done and in all, of [`SessionFile::verify`], on the calling thread.
    pub on_progress: Option<Progress<'a>>,
    /// Stops [`SessionFile::verify`].
    pub cancel: Option<CancelFlag>,
}

impl<'a> FileOptions<'a> {
    /// With this key.
    pub fn with_key(key: SessionKey<'a>) -> Self {
        Self { key, ..Self::default() }
    }

    /// Points into both arguments.
    pub(crate) fn to_c(
        call: &mut KeyedCall<'a>,
        cancel: Option<&CancelFlag>,
    ) -> sys::leoam_session_file_options {
        let mut c = sys::leoam_session_file_options::default();
        (c.key, c.key_size) = call.key_bytes();
        c.on_key = call.key_function();
        c.on_progress = call.progress_function();
        c.user_data = call.user_data();
        c.cancel = CancelFlag::of(cancel);
        c
    }
}

impl fmt::Debug for FileOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileOptions").field("key", &self.key).finish_non_exhaustive()
    }
}

record! {
    /// What a session file says of itself.
    SessionFileInfo from leoam_session_file_info {
        /// Of the file format.
        format_version: u32,
        /// `LEOAM_SESSION_FILE_` of `leoam-sys`; see the methods.
        flags: u64,
        /// Counts saves.
        generation: u64,
        /// Tokens of the sequence.
        n_tokens: u64,
        /// Of them, those with KV in the file.
        n_kv_tokens: u64,
        /// Size of the file.
        file_bytes: u64,
        /// Of `file_bytes`; [`SessionFile::compact`] gives the rest back.
        used_bytes: u64,
        /// Of the model.
        n_layers: u32,
        /// Of the model.
        n_kv_heads: u32,
        /// Of the model.
        head_dim: u32,
        /// Of the model.
        n_vocab: u32,
        /// What KV is kept as.
        kv_type: KvType,
        /// Tokens of a page.
        page_tokens: u32,
        /// Of a prefill piece.
        piece_tokens: u32,
        /// Hash of the model's tensors, hyper-parameters and tokenizer.
        model: [u8; 16],
        /// Whole code points, cut when longer than 191 bytes.
        model_name: String,
    }
}

impl FromC<[c_char; 192]> for String {
    unsafe fn from_c(value: [c_char; 192]) -> Self {
        let bytes: Vec<u8> = value.iter().map(|&byte| byte as u8).take_while(|&byte| byte != 0).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl SessionFileInfo {
    /// It needs a key.
    pub fn is_encrypted(&self) -> bool {
        self.flags & sys::LEOAM_SESSION_FILE_ENCRYPTED != 0
    }

    /// All KV is to be computed again.
    pub fn index_lost(&self) -> bool {
        self.flags & sys::LEOAM_SESSION_FILE_INDEX_LOST != 0
    }
}

record! {
    /// What was found in a session file. Damage that can be repaired is a verdict, not a failure.
    SessionVerdict from leoam_session_verdict {
        /// Everything that was saved is there and right.
        whole: bool,
        /// Pages that there should be.
        n_pages: u64,
        /// Damaged ones.
        n_bad_pages: u64,
        /// Missing ones.
        n_missing_pages: u64,
        /// The first without whole KV; `u64::MAX`: none.
        first_bad_token: u64,
        /// What an opened session computes again before it goes on.
        n_recompute_tokens: u64,
        /// Findings, of which [`SessionFile::verify`] gives 32 at most.
        n_findings: u64,
    }
}

/// A file that no session has open. Its functions fail as [`Session::open`](crate::Session::open) does, but
/// for the model, and with `Busy` while a session has the file. Any thread; not inside callbacks. A panic of
/// a callback goes on in the caller.
#[derive(Clone, Debug)]
pub struct SessionFile {
    instance: Instance,
    path: PathBuf,
}

impl SessionFile {
    /// The file at `path`, which is looked at later.
    pub fn new(instance: &Instance, path: impl Into<PathBuf>) -> Self {
        Self { instance: instance.clone(), path: path.into() }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says of itself.
    pub fn info(&self, options: FileOptions<'_>) -> Result<SessionFileInfo> {
        let mut info = sys::leoam_session_file_info::default();
        self.call(options, |api, (data, size), _, c, error| {
            // SAFETY: a live handle, an initialised struct; path and options live during the call.
            unsafe { (api.session_file_get_info)(self.instance.handle(), data, size, c, &mut info, error) }
        })?;
        // SAFETY: it has no views.
        Ok(unsafe { SessionFileInfo::from_c(info) })
    }

    /// The token log. A key function is asked twice when it has more than 4096 tokens.
    pub fn tokens(&self, options: FileOptions<'_>) -> Result<Vec<i32>> {
        let cancel = options.cancel;
        let mut call = KeyedCall::with_key(options.on_progress, options.key);
        let c = FileOptions::to_c(&mut call, cancel.as_ref());
        let (api, instance, (data, size)) =
            (self.instance.library().api(), self.instance.handle(), self.view());
        let tokens = collect(4096, |tokens, capacity, n_tokens, error| {
            // SAFETY: a live handle; path, options and buffer live during the call.
            unsafe {
                (api.session_file_copy_tokens)(instance, data, size, &c, tokens, capacity, n_tokens, error)
            }
        });
        call.finish(tokens)
    }

    /// Reads and checks everything in the file and changes nothing. The sentences, in English, are for
    /// people; at most 32.
    pub fn verify(&self, options: FileOptions<'_>) -> Result<(SessionVerdict, Vec<String>)> {
        let mut verdict = sys::leoam_session_verdict::default();
        let findings = self.call(options, |api, (data, size), on_finding, c, error| {
            // SAFETY: a live handle, an initialised struct; path and options live during the call.
            unsafe {
                (api.session_file_verify)(
                    self.instance.handle(),
                    data,
                    size,
                    c,
                    on_finding,
                    &mut verdict,
                    error,
                )
            }
        })?;
        // SAFETY: it has no views.
        Ok((unsafe { SessionVerdict::from_c(verdict) }, findings))
    }

    /// Replaces the file by one with the same contents and no free room. A crash leaves the one or the other.
    pub fn compact(&self, options: FileOptions<'_>) -> Result<()> {
        self.call(options, |api, (data, size), _, c, error| {
            // SAFETY: a live handle; path and options live during the call.
            unsafe { (api.session_file_compact)(self.instance.handle(), data, size, c, error) }
        })?;
        Ok(())
    }

    /// Removes it; needs no key. Fails with `NotFound`, `Busy`, `Unsupported` (not a private file), `Io`.
    pub fn remove(&self) -> Result<()> {
        let (data, size) = self.view();
        self.instance.library().call(|api, error| {
            // SAFETY: a live handle; the path lives during the call.
            unsafe { (api.session_file_remove)(self.instance.handle(), data, size, error) }
        })
    }

    fn view(&self) -> (*const c_char, u64) {
        let path = self.path.as_os_str().as_bytes();
        (path.as_ptr().cast(), path.len() as u64)
    }

    /// Calls a function with the C form of `options`; returns the findings.
    fn call(
        &self,
        options: FileOptions<'_>,
        function: impl FnOnce(
            &sys::leoam_api,
            (*const c_char, u64),
            sys::leoam_finding_function,
            &sys::leoam_session_file_options,
            *mut sys::leoam_error,
        ) -> sys::leoam_status,
    ) -> Result<Vec<String>> {
        let cancel = options.cancel;
        let mut call = KeyedCall::with_key(options.on_progress, options.key);
        let c = FileOptions::to_c(&mut call, cancel.as_ref());
        let result = self
            .instance
            .library()
            .call(|api, error| function(api, self.view(), Some(on_finding), &c, error));
        call.finish(result)?;
        Ok(call.extra.findings)
    }
}

unsafe extern "C" fn on_finding(text: *const c_char, size: u64, user_data: *mut c_void) -> i32 {
    // SAFETY: the library gives user_data back, inside the call, and a text that is valid during this one.
    unsafe {
        KeyedCall::run(user_data, |_, keyed| {
            keyed.findings.push(String::from_utf8_lossy(slice(text.cast::<u8>(), size)).into_owned());
            Flow::Continue
        })
    }
}
