//! One model file, immutable, shared by sessions.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use leoam_sys as sys;

use crate::callback::{Call, Progress};
use crate::cancel::CancelFlag;
use crate::error::Result;
use crate::ffi::{enumeration, flag, record, text, FromC, Handle};
use crate::instance::Instance;

enumeration! {
    /// What keys and values are kept as, in every tier and in session files.
    KvType {
        /// The library's choice: F16.
        Default = LEOAM_KV_DEFAULT,
        /// 16 bits.
        F16 = LEOAM_KV_F16,
        /// 32 bits.
        F32 = LEOAM_KV_F32,
        /// 8 bits and scales, a little more than half the bytes of F16, every token encoded when it is
        /// computed.
        Int8 = LEOAM_KV_INT8,
        /// F16, whose old pages become what is expected to be fastest of the codecs that lose little enough,
        /// decided anew while the session runs; see [`Session::kv_choice`](crate::Session::kv_choice).
        Auto = LEOAM_KV_AUTO,
        /// F16, of which pages behind the 128 newest tokens and the first 32 are encoded in 8 bits for a key
        /// and 8 for a value.
        K8V8 = LEOAM_KV_K8V8,
        /// Likewise, 8 and 4 bits.
        K8V4 = LEOAM_KV_K8V4,
        /// Likewise, 4 and 4 bits.
        K4V4 = LEOAM_KV_K4V4,
    }
}

#[allow(clippy::derivable_impls)] // `derive` would need an attribute inside the macro.
impl Default for KvType {
    fn default() -> Self {
        Self::Default
    }
}

enumeration! {
    /// How positions beyond the trained context are mapped.
    RopeScaling {
        /// As the file says.
        FromFile = LEOAM_ROPE_FROM_FILE,
        /// Not at all.
        None = LEOAM_ROPE_NONE,
        /// Divided by a factor.
        Linear = LEOAM_ROPE_LINEAR,
        /// YaRN.
        Yarn = LEOAM_ROPE_YARN,
    }
}

#[allow(clippy::derivable_impls)] // As above.
impl Default for RopeScaling {
    fn default() -> Self {
        Self::FromFile
    }
}

/// How a model is loaded. Zeros: as the file says.
#[derive(Default)]
pub struct LoadOptions<'a> {
    /// Instead of what the file says.
    pub rope_scaling: RopeScaling,
    /// Context extension factor, at least 1.
    pub rope_factor: f32,
    /// Above 0.
    pub rope_base: f32,
    /// Tokens of the context that the model was trained with.
    pub rope_original_context_tokens: u32,
    /// Tokens of the context.
    pub context_tokens: u32,
    /// No weights: such a model has information and metadata only.
    pub header_only: bool,
    /// Bytes done and in all, on the calling thread.
    pub on_progress: Option<Progress<'a>>,
    /// Stops loading within 100 ms.
    pub cancel: Option<CancelFlag>,
}

impl LoadOptions<'_> {
    /// Without the functions and the flag.
    pub(crate) fn to_c(&self) -> sys::leoam_load_options {
        let mut c = sys::leoam_load_options::default();
        c.rope_scaling = self.rope_scaling.number();
        c.flags = flag(self.header_only, sys::LEOAM_LOAD_HEADER_ONLY);
        c.rope_factor = self.rope_factor;
        c.rope_base = self.rope_base;
        c.rope_original_context_tokens = self.rope_original_context_tokens;
        c.context_tokens = self.context_tokens;
        c
    }
}

impl fmt::Debug for LoadOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadOptions")
            .field("rope_scaling", &self.rope_scaling)
            .field("rope_factor", &self.rope_factor)
            .field("context_tokens", &self.context_tokens)
            .field("header_only", &self.header_only)
            .finish_non_exhaustive()
    }
}

record! {
    /// What a model file says of itself.
    ModelInfo from leoam_model_info {
        /// Version of the file format.
        gguf_version: u32,
        /// "llama".
        architecture: String,
        /// May be empty.
        name: String,
        /// The type with most bytes: "q4_1".
        quantization: String,
        /// "gpt2", "llama", "none".
        tokenizer: String,
        /// "smollm"; may be empty.
        pre_tokenizer: String,
        /// `LEOAM_MODEL_` of `leoam-sys`; see the methods.
        flags: u64,
        /// Layers.
        n_layers: u32,
        /// Width.
        n_embd: u32,
        /// Query heads of a layer.
        n_heads: u32,
        /// KV heads of a layer.
        n_kv_heads: u32,
        /// Width of a head.
        head_dim: u32,
        /// Width of the feed-forward layer.
        n_ff: u32,
        /// Tokens of the vocabulary, and length of every array of logits.
        n_vocab: u32,
        /// After overrides.
        context_tokens: u32,
        /// 0: none.
        sliding_window_tokens: u32,
        /// Never [`RopeScaling::FromFile`].
        rope_scaling: RopeScaling,
        /// Context extension factor.
        rope_factor: f32,
        /// Base of the positions' frequencies.
        rope_base: f32,
        /// Tokens of the context that the model was trained with.
        rope_original_context_tokens: u32,
        /// -1: none.
        bos_token: i32,
        /// -1: none.
        eos_token: i32,
        /// Weights.
        n_parameters: u64,
        /// Tensors of the file.
        n_tensors: u64,
        /// Entries of the metadata.
        n_metadata: u64,
        /// Size of the file.
        file_bytes: u64,
        /// Tensor data in the file.
        weight_bytes: u64,
        /// Weights in memory; 0 for a header.
        memory_bytes: u64,
    }
}

impl ModelInfo {
    /// Else the model runs on token ids alone.
    pub fn has_tokenizer(&self) -> bool {
        self.flags & sys::LEOAM_MODEL_HAS_TOKENIZER != 0
    }

    /// The file carries a chat template.
    pub fn has_chat_template(&self) -> bool {
        self.flags & sys::LEOAM_MODEL_HAS_CHAT_TEMPLATE != 0
    }

    /// Texts begin with `bos_token` by default.
    pub fn adds_bos(&self) -> bool {
        self.flags & sys::LEOAM_MODEL_ADDS_BOS != 0
    }

    /// It was loaded without weights.
    pub fn is_header_only(&self) -> bool {
        self.flags & sys::LEOAM_MODEL_HEADER_ONLY != 0
    }
}

/// A loaded model. Immutable; clones are the same one, which lives until they and its sessions are gone. Any
/// thread.
#[derive(Clone)]
pub struct Model {
    state: Arc<State>,
}

struct State {
    // Declared before the instance: a child is given back before its parent.
    handle: Handle<sys::leoam_model>,
    instance: Instance,
    shape: Shape,
}

/// What the lengths of arrays follow from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) n_layers: usize,
    pub(crate) n_heads: usize,
}

impl Model {
    /// Loads a GGUF file on the calling thread and the instance's. Not inside callbacks. A panic of the
    /// progress callback stops loading and goes on in the caller.
    ///
    /// # Errors
    ///
    /// `InvalidArgument`, `NotFound`, `Io`, `Corrupt`, `Unsupported`, `OutOfMemory`, `Cancelled` (by the flag
    /// or the callback), `Busy` (inside a callback).
    pub fn load(instance: &Instance, path: impl AsRef<Path>, options: LoadOptions<'_>) -> Result<Self> {
        let path = path.as_ref().as_os_str().as_bytes();
        let mut c = options.to_c();
        let mut call = Call::new(options.on_progress, ());
        c.on_progress = call.progress_function();
        c.user_data = call.user_data();
        c.cancel = CancelFlag::of(options.cancel.as_ref());
        let loaded = Handle::create(instance.library(), |api, out, error| {
            // SAFETY: a live handle; path and options, with what they point at, live during the call.
            unsafe {
                (api.model_load)(instance.handle(), path.as_ptr().cast(), path.len() as u64, &c, out, error)
            }
        });
        let handle = call.finish(loaded)?;
        let info = info(&handle)?;
        let shape = Shape { n_layers: info.n_layers as usize, n_heads: info.n_heads as usize };
        Ok(Self { state: Arc::new(State { handle, instance: instance.clone(), shape }) })
    }

    /// The instance that the model belongs to.
    pub fn instance(&self) -> &Instance {
        &self.state.instance
    }

    /// What the file says of itself.
    pub fn info(&self) -> Result<ModelInfo> {
        info(&self.state.handle)
    }

    /// Key and value of each entry of the file's metadata; values as text, long arrays shortened.
    pub fn metadata(&self) -> Result<Vec<(String, String)>> {
        let n_metadata = self.info()?.n_metadata;
        let entry = |index| {
            let (mut key, mut value) = (sys::leoam_string::default(), sys::leoam_string::default());
            // SAFETY: a live handle and out parameters.
            self.state.handle.call(|api, handle, error| unsafe {
                (api.model_get_metadata)(handle, index, &mut key, &mut value, error)
            })?;
            // SAFETY: the strings live as long as the model.
            Ok(unsafe { (text(key), text(value)) })
        };
        (0..n_metadata).map(entry).collect()
    }

    pub(crate) fn handle(&self) -> &Handle<sys::leoam_model> {
        &self.state.handle
    }

    pub(crate) fn shape(&self) -> Shape {
        self.state.shape
    }
}

fn info(handle: &Handle<sys::leoam_model>) -> Result<ModelInfo> {
    // SAFETY: a live handle and an initialised struct.
    let c = handle.filled(|api, handle, out, error| unsafe { (api.model_get_info)(handle, out, error) })?;
    // SAFETY: the strings live as long as the model.
    Ok(unsafe { ModelInfo::from_c(c) })
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("handle", &self.state.handle).finish_non_exhaustive()
    }
}
