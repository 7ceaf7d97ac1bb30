//! How a session is made, and what it says of itself.

use leoam_sys as sys;

use crate::ffi::record;
use crate::model::KvType;

/// How a session is made. Zeros: the library's choice.
#[derive(Clone, Debug, Default)]
pub struct SessionOptions {
    /// What KV is kept as.
    pub kv_type: KvType,
    /// Which KV a drawn token attends to: "exact" (empty means it), "leoam", "quest", "window", "h2o".
    /// Prompts attend to everything, unless `sparse_prefill_tokens` says otherwise.
    pub policy: String,
    /// 16, 32, 64 or 128; 0: 32.
    pub page_tokens: u32,
    /// Most tokens the session may hold; 0: the model's context.
    pub context_tokens: u32,
    /// Tokens of a prefill piece; 0: 256, or what [`Plan`](crate::Plan) says where the context does not fit
    /// memory and the speed of the machine was measured. Logits are byte-identical for one number, whatever
    /// the budgets.
    pub piece_tokens: u32,
    /// Share of the context that a policy attends to in a layer, on average over its KV heads: above 0, at
    /// most 1; 0: 0.1.
    pub importance: f64,
    /// The same as a number of tokens; 0: by importance.
    pub budget_tokens: u32,
    /// "leoam": channels of a key that have codes; 0: half of them.
    pub n_channels: u32,
    /// "leoam": codes are read of so many times the tokens attended to; above 0; 0: 12.
    pub breadth: f64,
    /// "leoam": what is attended to comes from at most so many pages as it would fill; 0: from any.
    pub page_spread: f64,
    /// More is attended to, in the end everything, while the coverage of some head is below: at least 0 (no
    /// floor), below 1.
    pub coverage_floor: f64,
    /// [`KvType::Auto`]: divergence (KL) of what is drawn, from F16, that a codec may cost; 0: 0.0005.
    pub most_kv_divergence: f64,
    /// "leoam" and "quest": pieces of a prompt with so many tokens before them or more attend to a selection
    /// too; 0: prompts attend to everything.
    pub sparse_prefill_tokens: u64,
}

impl SessionOptions {
    /// Points into this.
    pub(crate) fn to_c(&self) -> sys::leoam_session_options {
        let mut c = sys::leoam_session_options::default();
        c.kv_type = self.kv_type.number();
        c.policy = sys::leoam_string::view(self.policy.as_bytes());
        c.page_tokens = self.page_tokens;
        c.context_tokens = self.context_tokens;
        c.piece_tokens = self.piece_tokens;
        c.importance = self.importance;
        c.budget_tokens = self.budget_tokens;
        c.n_channels = self.n_channels;
        c.breadth = self.breadth;
        c.page_spread = self.page_spread;
        c.coverage_floor = self.coverage_floor;
        c.most_kv_divergence = self.most_kv_divergence;
        c.sparse_prefill_tokens = self.sparse_prefill_tokens;
        c
    }
}

record! {
    /// A session, now. The numbers about selections are summed over tokens and the layers that select; 0 with
    /// "exact".
    SessionInfo from leoam_session_info {
        /// What KV is kept as.
        kv_type: KvType,
        /// Which KV a drawn token attends to.
        policy: String,
        /// Of the sequence; the last drawn ones may have no KV yet.
        n_tokens: u64,
        /// Most tokens of the session.
        context_tokens: u64,
        /// Of this session, in memory and in files.
        kv_bytes: u64,
        /// Tokens of a page.
        page_tokens: u32,
        /// Length of every array of logits.
        n_vocab: u32,
        /// `LEOAM_SESSION_` of `leoam-sys`; see [`SessionInfo::has_file`].
        flags: u64,
        /// Of a prefill piece.
        piece_tokens: u32,
        /// Of `kv_bytes`, in memory: now, or during a forward pass as of an earlier one.
        resident_kv_bytes: u64,
        /// Selections so far.
        n_selections: u64,
        /// Mean over KV heads.
        n_attended_tokens: u64,
        /// The context at that time.
        n_candidate_tokens: u64,
        /// Over all KV heads.
        n_chunks_evaluated: u64,
        /// By any KV head.
        n_pages_needed: u64,
        /// Of KV and abstracts, where a layer was not in place as a whole.
        n_pages_fetched: u64,
        /// Of them, those that the step before had needed too.
        n_pages_guessed: u64,
        /// Selections that the coverage floor has made larger.
        n_widened: u64,
        /// Over selections, of the mean over their heads.
        coverage_sum: f64,
        /// Of the newest step, all layers and heads; 1: everything was attended to.
        least_coverage: f64,
        /// Of `n_selections`, those that were audited.
        n_audited: u64,
        /// Over these, of the mean over their heads.
        captured_sum: f64,
        /// Of prompts read with `sparse_prefill_tokens`, over blocks of 32 tokens: mean over KV heads.
        n_prefill_attended_tokens: u64,
        /// Likewise, the context at that time.
        n_prefill_candidate_tokens: u64,
    }
}

impl SessionInfo {
    /// It was saved, or opened from a file.
    pub fn has_file(&self) -> bool {
        self.flags & sys::LEOAM_SESSION_HAS_FILE != 0
    }
}
