//! What a model and a context will need, before anything is loaded.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use leoam_sys as sys;

use crate::cancel::CancelFlag;
use crate::error::Result;
use crate::ffi::{flag, record, FromC};
use crate::instance::Instance;
use crate::model::{KvType, LoadOptions, Model};

/// What a plan is made for.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    /// What KV is kept as.
    pub kv_type: KvType,
    /// 0: the model's own.
    pub context_tokens: u64,
    /// 16, 32, 64 or 128; 0: 32.
    pub page_tokens: u32,
    /// 0: the budget of the instance.
    pub host_kv_budget_bytes: u64,
    /// 0: the budget of the instance.
    pub disk_kv_budget_bytes: u64,
    /// Speeds too: measures the machine once, within 5 s, and keeps the result.
    pub speed: bool,
    /// The session is saved in a file at the end.
    pub saved: bool,
    /// Stops the measurement.
    pub cancel: Option<CancelFlag>,
}

record! {
    /// What a model and a context will need.
    Plan from leoam_plan {
        /// All KV stays in memory.
        fits: bool,
        /// Tokens of the context that it is for.
        context_tokens: u64,
        /// In memory.
        weight_bytes: u64,
        /// One token, all layers.
        kv_token_bytes: u64,
        /// At `context_tokens`, in whole pages.
        kv_bytes: u64,
        /// Scratch of the forward pass.
        workspace_bytes: u64,
        /// Weights, scratch and KV in memory.
        total_bytes: u64,
        /// The longest context of which all KV stays in memory.
        fitting_tokens: u64,
        /// The longest that memory and disk hold together.
        fitting_with_disk_tokens: u64,
        /// All that KV causes in memory, at most.
        host_kv_bytes: u64,
        /// Files.
        disk_kv_bytes: u64,
        /// Of `disk_kv_bytes`; 0 unless it is to be saved.
        session_file_bytes: u64,
        /// At most, by the time the context is filled (and saved).
        disk_written_bytes: u64,
        /// From disk, for the next token.
        token_read_bytes: u64,
        /// Expected, from the first token to the last; this and the next two 0 without speeds, and where the
        /// context does not fit.
        prefill_tokens_per_second: f64,
        /// Expected at `context_tokens`.
        decode_tokens_per_second: f64,
        /// Expected: a saved session, until its first pass can start.
        reopen_seconds: f64,
        /// Of a prefill piece, when a session leaves it to the library.
        piece_tokens: u32,
        /// The one that was asked for, or chosen; never [`KvType::Auto`].
        kv_type: KvType,
    }
}

impl Model {
    /// What a model and a context will need, from the header of the file: nothing is loaded. Of `load` the
    /// overrides count. Any thread. Fails as [`Model::load`].
    pub fn plan(
        instance: &Instance,
        path: impl AsRef<Path>,
        load: &LoadOptions<'_>,
        options: &PlanOptions,
    ) -> Result<Plan> {
        let path = path.as_ref().as_os_str().as_bytes();
        let mut c = sys::leoam_plan_options::default();
        c.kv_type = options.kv_type.number();
        c.context_tokens = options.context_tokens;
        c.page_tokens = options.page_tokens;
        c.host_kv_budget_bytes = options.host_kv_budget_bytes;
        c.disk_kv_budget_bytes = options.disk_kv_budget_bytes;
        c.flags = flag(options.speed, sys::LEOAM_PLAN_SPEED) | flag(options.saved, sys::LEOAM_PLAN_SAVED);
        c.cancel = CancelFlag::of(options.cancel.as_ref());
        let c_load = load.to_c();
        let mut plan = sys::leoam_plan::default();
        instance.library().call(|api, error| {
            let (data, size) = (path.as_ptr().cast(), path.len() as u64);
            // SAFETY: a live handle, an initialised struct; path and options live during the call.
            unsafe { (api.model_plan)(instance.handle(), data, size, &c_load, &c, &mut plan, error) }
        })?;
        // SAFETY: it has no views.
        Ok(unsafe { Plan::from_c(plan) })
    }
}
