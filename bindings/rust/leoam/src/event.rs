//! What a request tells.

use leoam_sys as sys;

use crate::callback::Flow;
use crate::error::Result;
use crate::ffi::{enumeration, text};
use crate::request::Request;

enumeration! {
    /// Why a request has finished.
    FinishReason {
        /// An end-of-generation token or a stop string.
        Stop = LEOAM_FINISH_STOP,
        /// `max_tokens`, or the context is full.
        Length = LEOAM_FINISH_LENGTH,
        /// By [`Request::cancel`], a callback, [`Instance::detach`](crate::Instance::detach) or drop.
        Cancelled = LEOAM_FINISH_CANCELLED,
        /// [`Request::finish_reason`] gives the failure; the session keeps the tokens before.
        Failed = LEOAM_FINISH_FAILED,
    }
}

/// One event of a request. Texts are whole code points and never part of a stop string.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The prompt is being read.
    #[non_exhaustive]
    Prefill {
        /// Tokens of the prompt that are done.
        done_tokens: u64,
        /// Tokens of the prompt.
        total_tokens: u64,
    },
    /// A token was drawn.
    #[non_exhaustive]
    Token {
        /// Its id.
        token: i32,
        /// What became complete with it; may be empty.
        text: String,
        /// Tokens drawn so far.
        done_tokens: u64,
        /// Tokens drawn at most.
        total_tokens: u64,
        /// Of the step that it was drawn from, the least of all layers and heads; see
        /// [`Session::coverage`](crate::Session::coverage).
        coverage: f32,
    },
    /// The last event.
    #[non_exhaustive]
    Finished {
        /// Why.
        reason: FinishReason,
        /// What was held back until now.
        text: String,
    },
    /// An event of a later library.
    #[non_exhaustive]
    Other {
        /// Its kind.
        kind: i32,
    },
}

impl Event {
    /// None: there is no event.
    ///
    /// # Safety
    ///
    /// The text is valid.
    pub(crate) unsafe fn from_c(c: &sys::leoam_event) -> Option<Self> {
        // SAFETY: the caller's promise.
        let text = || unsafe { text(c.text) };
        Some(match c.kind {
            sys::LEOAM_EVENT_NONE => return None,
            sys::LEOAM_EVENT_PREFILL => {
                Self::Prefill { done_tokens: c.done_tokens, total_tokens: c.total_tokens }
            }
            sys::LEOAM_EVENT_TOKEN => Self::Token {
                token: c.token,
                text: text(),
                done_tokens: c.done_tokens,
                total_tokens: c.total_tokens,
                coverage: c.coverage,
            },
            sys::LEOAM_EVENT_FINISHED => {
                Self::Finished { reason: FinishReason::from_number(c.finish_reason), text: text() }
            }
            kind => Self::Other { kind },
        })
    }

    /// The text of the event; empty for events without one.
    pub fn text(&self) -> &str {
        match self {
            Self::Token { text, .. } | Self::Finished { text, .. } => text,
            _ => "",
        }
    }

    /// [`Event::text`], moved out.
    pub fn into_text(self) -> String {
        match self {
            Self::Token { text, .. } | Self::Finished { text, .. } => text,
            _ => String::new(),
        }
    }
}

/// Receives the events of a request on a thread of the library, in order, one at a time. Be short: the thread
/// computes nothing meanwhile.
pub type OnEvent = Box<dyn FnMut(Event) -> Flow + Send>;

/// How a request runs, and how its events are received.
#[derive(Default)]
pub enum Delivery {
    /// Generation goes on in the background, and waits while 256 events are untaken. They are taken by
    /// [`Request::events`], [`Request::texts`], [`Request::next_event`] or [`Request::poll`].
    #[default]
    Poll,
    /// Nothing runs except inside [`Request::step`] (and the functions above but `poll`, which call it).
    Step,
    /// The function is called.
    Callback(OnEvent),
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Poll => "Poll",
            Self::Step => "Step",
            Self::Callback(_) => "Callback",
        })
    }
}

/// The events of a request: see [`Request::events`].
#[derive(Debug)]
pub struct Events<'a> {
    request: &'a mut Request,
    failed: bool,
}

impl<'a> Events<'a> {
    pub(crate) fn of(request: &'a mut Request) -> Self {
        Self { request, failed: false }
    }
}

impl Iterator for Events<'_> {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.request.next_event().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

impl std::iter::FusedIterator for Events<'_> {}

/// The text of a request, piece by piece: see [`Request::texts`].
#[derive(Debug)]
pub struct Texts<'a> {
    events: Events<'a>,
}

impl<'a> Texts<'a> {
    pub(crate) fn of(request: &'a mut Request) -> Self {
        Self { events: Events::of(request) }
    }
}

impl Iterator for Texts<'_> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        self.events
            .by_ref()
            .map(|event| event.map(Event::into_text))
            .find(|text| !matches!(text, Ok(text) if text.is_empty()))
    }
}

impl std::iter::FusedIterator for Texts<'_> {}
