//! Local language models over very long context: the safe interface of the LeoAM library.
//!
//! ```no_run
//! use leoam::{ChatMessage, Instance, InstanceOptions, Library, LoadOptions, Model, RequestOptions, Session};
//!
//! # fn main() -> leoam::Result<()> {
//! let instance = Instance::new(&Library::load()?, InstanceOptions::default())?;
//! let model = Model::load(&instance, "model.gguf", LoadOptions::default())?;
//! let mut session = Session::new(&model, &Default::default())?;
//! let question = [ChatMessage::user("How many days are in a week?")];
//! let prompt = model.tokenize_chat(&question, &Default::default())?;
//! let mut request = session.submit(RequestOptions { prompt, ..Default::default() })?;
//! for text in request.texts() {
//!     print!("{}", text?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - An [`Instance`] is the root: threads, budgets, files, log. It has [`Model`]s, a model [`Session`]s, a
//!   session one running [`Request`] at a time. Children keep their parents, so there are no lifetimes, and
//!   objects are given back by dropping them, in any order.
//! - The library is loaded at run time ([`Library::load`]); nothing of it is needed to build a program. With
//!   the feature `link` it is linked instead (`Library::linked`).
//! - Failures are [`Error`]s: a class to decide by, a message for people. The library never ends the process.
//! - Callbacks are closures. A panic in one stops the work, never crosses into the library, and goes on in
//!   the call that waits for the work (in programs built with `panic = "abort"` it ends them, as any panic
//!   does). Inside a callback, functions of the same instance that compute, read files or wait fail with
//!   [`ErrorClass::Busy`].
//! - [`Model`], [`Instance`], [`CancelFlag`] and [`Request`] may be used by any threads, a [`Session`] by one
//!   at a time.
//! - Text is UTF-8. Sizes are bytes unless the name says `_tokens`. In options, zero and none mean the
//!   default.

#![warn(missing_docs)]
#![warn(missing_debug_implementations)]
#![warn(rust_2018_idioms)]
#![deny(unsafe_op_in_unsafe_fn)]
#![warn(clippy::undocumented_unsafe_blocks)]
// Structs of C are made by default() and then filled, as in C.
#![allow(clippy::field_reassign_with_default)]

mod callback;
mod cancel;
mod chat;
mod error;
mod event;
mod ffi;
mod instance;
mod key;
mod library;
mod model;
mod plan;
mod request;
mod request_options;
mod session;
mod session_file;
mod session_options;
mod statistics;
mod store;
mod text;
mod wait;

pub use callback::{Flow, Progress};
pub use cancel::CancelFlag;
pub use chat::{ChatMessage, ChatOptions};
pub use error::{Error, ErrorClass, Result};
pub use event::{Delivery, Event, Events, FinishReason, OnEvent, Texts};
pub use instance::{BudgetOptions, Instance, InstanceOptions, Log, LogLevel};
pub use key::{AskKey, Key, SessionKey, KEY_BYTES};
pub use library::{BuildInfo, Library};
pub use model::{KvType, LoadOptions, Model, ModelInfo, RopeScaling};
pub use plan::{Plan, PlanOptions};
pub use request::{Canceller, Request};
pub use request_options::{ChangeLogits, RequestOptions, SamplerOptions};
pub use session::{EvaluateOptions, OnLogits, Session};
pub use session_file::{FileOptions, SessionFile, SessionFileInfo, SessionVerdict};
pub use session_options::{SessionInfo, SessionOptions};
pub use statistics::{HeadAttention, InstanceStatistics, KvChoice, LayerTimes, RequestStatistics};
pub use store::{SaveOptions, SuspendOptions};
pub use text::{DetokenizeOptions, TokenInfo, TokenType, TokenizeOptions};

/// The thread rules that the documentation promises.
const _: fn() = || {
    fn any_thread<T: Send + Sync>() {}
    fn one_at_a_time<T: Send>() {}
    any_thread::<Library>();
    any_thread::<Instance>();
    any_thread::<CancelFlag>();
    any_thread::<Model>();
    any_thread::<Request>();
    any_thread::<Canceller>();
    any_thread::<SessionFile>();
    any_thread::<Error>();
    one_at_a_time::<Session>();
};
