//! A sequence of tokens with its KV.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::os::raw::c_void;
use std::sync::Arc;

use leoam_sys as sys;

use crate::callback::{Call, Flow, Progress};
use crate::cancel::CancelFlag;
use crate::error::{Error, ErrorClass, Result};
use crate::ffi::{count, flag, slice, FromC, Handle};
use crate::model::Model;
use crate::session_options::{SessionInfo, SessionOptions};
use crate::statistics::{HeadAttention, KvChoice, LayerTimes};

/// Receives logits: the position, and a number for each token of the vocabulary.
pub type OnLogits<'a> = Box<dyn FnMut(u64, &[f32]) -> Flow + 'a>;

/// How tokens are evaluated.
#[derive(Default)]
pub struct EvaluateOptions<'a> {
    /// Logits of every position, not only the last.
    pub all_logits: bool,
    /// Steps of one token that attend to a selection also compute which share of each head's attention it has
    /// captured (see [`Session::attention`]), from all KV: slow. No logits change.
    pub audit: bool,
    /// In ascending order of positions, on the calling thread.
    pub on_logits: Option<OnLogits<'a>>,
    /// Tokens done and in all, on the calling thread.
    pub on_progress: Option<Progress<'a>>,
    /// Stops within 100 ms.
    pub cancel: Option<CancelFlag>,
}

impl fmt::Debug for EvaluateOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvaluateOptions")
            .field("all_logits", &self.all_logits)
            .field("audit", &self.audit)
            .finish_non_exhaustive()
    }
}

/// A sequence of tokens with its KV cache. One thread at a time; it may move between threads. While one of
/// its requests runs, everything that changes it or looks at its tokens fails with `Busy`.
///
/// A session that is dropped while its request runs lives on until the request is gone.
pub struct Session {
    state: Arc<SessionState>,
    // The library refuses a second thread; that one needs not even try.
    _not_sync: PhantomData<Cell<()>>,
}

/// What a request keeps of its session.
pub(crate) struct SessionState {
    // Declared before the model: a child is given back before its parent.
    handle: Handle<sys::leoam_session>,
    model: Model,
}

impl Session {
    /// An empty session.
    ///
    /// # Errors
    ///
    /// `InvalidArgument`, `Unsupported` (a policy; a model without weights), `OutOfMemory`.
    pub fn new(model: &Model, options: &SessionOptions) -> Result<Self> {
        let c = options.to_c();
        Self::create(model, |api, out, error| {
            // SAFETY: a live handle; the options live during the call.
            unsafe { (api.session_create)(model.handle().get(), &c, out, error) }
        })
    }

    pub(crate) fn create(
        model: &Model,
        function: impl FnOnce(
            &sys::leoam_api,
            *mut *mut sys::leoam_session,
            *mut sys::leoam_error,
        ) -> sys::leoam_status,
    ) -> Result<Self> {
        let handle = Handle::create(model.handle().library(), function)?;
        let state = Arc::new(SessionState { handle, model: model.clone() });
        Ok(Self { state, _not_sync: PhantomData })
    }

    /// The model that the session belongs to.
    pub fn model(&self) -> &Model {
        &self.state.model
    }

    /// The session, now. Cheap enough for every frame, also while a request runs.
    pub fn info(&self) -> Result<SessionInfo> {
        // SAFETY: a live handle and an initialised struct.
        let c = self
            .handle()
            .filled(|api, handle, out, error| unsafe { (api.session_get_info)(handle, out, error) })?;
        // SAFETY: the strings live as long as the session.
        Ok(unsafe { SessionInfo::from_c(c) })
    }

    /// Tokens of the sequence.
    pub fn n_tokens(&self) -> Result<u64> {
        Ok(self.info()?.n_tokens)
    }

    /// Appends tokens and computes their KV on the calling thread and the instance's, in pieces. Not inside
    /// callbacks. A panic of a callback stops the work and goes on in the caller.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` (a token id, the context is full), `NoSpace` (the KV budget), `Cancelled`, `Busy`.
    /// After `NoSpace` and `Cancelled` the session keeps the whole pieces before; [`Session::n_tokens`] says
    /// how many tokens.
    pub fn evaluate(&mut self, tokens: &[i32], options: EvaluateOptions<'_>) -> Result<()> {
        let mut call = Call::new(options.on_progress, options.on_logits);
        let mut c = sys::leoam_evaluate_options::default();
        c.flags = flag(options.all_logits, sys::LEOAM_EVALUATE_ALL_LOGITS)
            | flag(options.audit, sys::LEOAM_EVALUATE_AUDIT);
        c.on_logits = call.extra.as_ref().map(|_| on_logits as _);
        c.on_progress = call.progress_function();
        c.user_data = call.user_data();
        c.cancel = CancelFlag::of(options.cancel.as_ref());
        // SAFETY: a live handle; tokens and options, with what they point at, live during the call.
        let result = self.handle().call(|api, handle, error| unsafe {
            (api.session_evaluate)(handle, tokens.as_ptr(), tokens.len() as u64, &c, error)
        });
        call.finish(result)
    }

    /// Drops the tokens from `n_tokens` on.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` beyond the end; `Unsupported` for models with sliding layers when their window
    /// before `n_tokens` is gone (0 always works); `Busy`.
    pub fn truncate(&mut self, n_tokens: u64) -> Result<()> {
        // SAFETY: a live handle.
        self.handle().call(|api, handle, error| unsafe { (api.session_truncate)(handle, n_tokens, error) })
    }

    /// Tokens of a range. Fails with `InvalidArgument` out of range, `Busy`.
    pub fn tokens(&self, range: Range<u64>) -> Result<Vec<i32>> {
        let n_tokens = self.n_tokens()?;
        if range.start > range.end || range.end > n_tokens {
            let message = format!("range: {} to {} of {n_tokens} tokens", range.start, range.end);
            return Err(Error::new(ErrorClass::InvalidArgument, message));
        }
        let mut tokens = vec![0; count(range.end - range.start)];
        // SAFETY: a live handle and a buffer of so many tokens.
        self.handle().call(|api, handle, error| unsafe {
            (api.session_copy_tokens)(handle, range.start, tokens.as_mut_ptr(), tokens.len() as u64, error)
        })?;
        Ok(tokens)
    }

    /// Logits `[n_vocab]` of the newest token. Fails with `InvalidArgument` when there are none: the session
    /// is empty, was truncated, or its newest token was drawn by a request and has no KV yet; with `Busy`.
    pub fn logits(&self) -> Result<Vec<f32>> {
        let mut logits = vec![0.0; self.info()?.n_vocab as usize];
        // SAFETY: a live handle and a buffer of so many numbers.
        self.handle().call(|api, handle, error| unsafe {
            (api.session_copy_logits)(handle, logits.as_mut_ptr(), logits.len() as u64, error)
        })?;
        Ok(logits)
    }

    /// Coverage of the newest step, `[n_layers][n_heads]`: a lower bound, which holds for certain, of the
    /// share of a head's attention that lies in the tokens it attended to; 1 where these were all tokens.
    pub fn coverage(&self) -> Result<Vec<f32>> {
        let shape = self.model().shape();
        let mut coverage = vec![0.0; shape.n_layers * shape.n_heads];
        // SAFETY: a live handle and a buffer of so many numbers.
        self.handle().call(|api, handle, error| unsafe {
            (api.session_copy_coverage)(handle, coverage.as_mut_ptr(), coverage.len() as u64, error)
        })?;
        Ok(coverage)
    }

    /// What each query head of the newest step attended to, `[n_layers][n_heads]`.
    pub fn attention(&self) -> Result<Vec<HeadAttention>> {
        let shape = self.model().shape();
        let mut heads = vec![sys::leoam_head_attention::default(); shape.n_layers * shape.n_heads];
        // SAFETY: a live handle and so many initialised structs.
        self.handle().call(|api, handle, error| unsafe {
            (api.session_copy_attention)(handle, heads.as_mut_ptr(), heads.len() as u64, error)
        })?;
        // SAFETY: they have no views.
        Ok(heads.into_iter().map(|head| unsafe { HeadAttention::from_c(head) }).collect())
    }

    /// What each layer of the newest step took, `[n_layers]`; zeros before the first.
    pub fn layer_times(&self) -> Result<Vec<LayerTimes>> {
        let mut layers = vec![sys::leoam_layer_times::default(); self.model().shape().n_layers];
        // SAFETY: a live handle and so many initialised structs.
        self.handle().call(|api, handle, error| unsafe {
            (api.session_copy_layer_times)(handle, layers.as_mut_ptr(), layers.len() as u64, error)
        })?;
        // SAFETY: they have no views.
        Ok(layers.into_iter().map(|layer| unsafe { LayerTimes::from_c(layer) }).collect())
    }

    /// Why old pages become what they do with [`KvType::Auto`](crate::KvType::Auto).
    pub fn kv_choice(&self) -> Result<KvChoice> {
        // SAFETY: a live handle and an initialised struct.
        let c = self
            .handle()
            .filled(|api, handle, out, error| unsafe { (api.session_get_kv_choice)(handle, out, error) })?;
        // SAFETY: it has no views.
        Ok(unsafe { KvChoice::from_c(c) })
    }

    /// A second session with the same tokens, KV and logits. KV is shared until one of the two changes it;
    /// the new one has no file of its own. Fails with `Busy`.
    pub fn fork(&self) -> Result<Self> {
        Self::create(self.model(), |api, out, error| {
            // SAFETY: a live handle and an out parameter.
            unsafe { (api.session_fork)(self.handle().get(), out, error) }
        })
    }

    pub(crate) fn handle(&self) -> &Handle<sys::leoam_session> {
        &self.state.handle
    }

    pub(crate) fn state(&self) -> &Arc<SessionState> {
        &self.state
    }
}

unsafe extern "C" fn on_logits(
    position: u64,
    logits: *const f32,
    n_vocab: u64,
    user_data: *mut c_void,
) -> i32 {
    // SAFETY: the library gives user_data back, inside the call, and logits that are valid during this one.
    unsafe {
        Call::<'_, Option<OnLogits<'_>>>::run(user_data, |_, on_logits| match on_logits {
            Some(on_logits) => on_logits(position, slice(logits, n_vocab)),
            None => Flow::Continue,
        })
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("handle", &self.state.handle).finish_non_exhaustive()
    }
}
