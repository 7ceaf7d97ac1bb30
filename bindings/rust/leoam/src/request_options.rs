//! What is generated, and how.

use std::fmt;

use crate::callback::Flow;
use crate::event::Delivery;

/// How tokens are drawn. The stages run in this order: penalty, temperature, top-k, top-p, min-p, draw. All
/// zero: the likeliest token.
#[derive(Clone, Debug, Default)]
pub struct SamplerOptions {
    /// 0: greedy, the lowest id among equals; the stages below are off.
    pub temperature: f32,
    /// 0: off.
    pub top_k: u32,
    /// 0 or 1: off.
    pub top_p: f32,
    /// Relative to the likeliest token; 0: off.
    pub min_p: f32,
    /// 0 or 1: off; also works when greedy.
    pub repetition_penalty: f32,
    /// How far back the penalty looks; 0: 64.
    pub repetition_window_tokens: u32,
    /// The same seed, logits and options give the same tokens.
    pub seed: u64,
}

/// Receives the logits `[n_vocab]` before each draw and may change them, on the thread that steps.
pub type ChangeLogits = Box<dyn FnMut(&mut [f32]) -> Flow + Send>;

/// What is generated, and how.
#[derive(Default)]
pub struct RequestOptions {
    /// Appended to the session first; empty continues a session that has logits.
    pub prompt: Vec<i32>,
    /// Tokens drawn at most; 0: 256.
    pub max_tokens: u32,
    /// How tokens are drawn.
    pub sampler: SamplerOptions,
    /// Texts that end the generation, at most 64 of 1 to 256 bytes.
    pub stop: Vec<String>,
    /// End-of-generation tokens do not stop and are passed on.
    pub ignore_end: bool,
    /// Spells out control tokens in the text.
    pub show_special: bool,
    /// Finishes after the prompt; `max_tokens` does not count.
    pub prefill_only: bool,
    /// How events are received.
    pub delivery: Delivery,
    /// Looks at and changes logits.
    pub on_logits: Option<ChangeLogits>,
}

impl fmt::Debug for RequestOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestOptions")
            .field("n_prompt", &self.prompt.len())
            .field("max_tokens", &self.max_tokens)
            .field("sampler", &self.sampler)
            .field("delivery", &self.delivery)
            .finish_non_exhaustive()
    }
}
