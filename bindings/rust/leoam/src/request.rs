//! One generation on a session.

use std::fmt;
use std::os::raw::c_void;
use std::os::unix::io::BorrowedFd;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use leoam_sys as sys;

use crate::callback::{attempt, run_alone, Flow, Panic};
use crate::error::{Error, ErrorClass, Result};
use crate::event::{Delivery, Event, Events, FinishReason, OnEvent, Texts};
use crate::ffi::{flag, slice_mut, FromC, Handle};
use crate::library::Library;
use crate::request_options::{ChangeLogits, RequestOptions};
use crate::session::{Session, SessionState};
use crate::statistics::RequestStatistics;
use crate::wait;

/// One generation. Dropping it cancels it, and returns when its session is free; inside a callback of the
/// instance at once. While it is there, its session lives.
#[must_use = "a request that is dropped is cancelled"]
pub struct Request {
    // Declared first: when it is released no callback runs any more, and the closures may go.
    handle: Handle<sys::leoam_request>,
    callbacks: Arc<Callbacks>,
    session: Arc<SessionState>,
    steps: bool,
    ended: bool,
}

/// The closures of a request. A running callback keeps them, so that a request may be dropped inside its own.
struct Callbacks {
    on_event: Mutex<Option<OnEvent>>,
    on_logits: Mutex<Option<ChangeLogits>>,
    panic: Mutex<Panic>,
}

/// A panic inside has been caught, and is told in another way than by the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Callbacks {
    /// Runs a closure of the request inside a callback.
    ///
    /// # Safety
    ///
    /// `user_data` is of [`Arc::as_ptr`], and the request was not released before this callback began.
    unsafe fn run(user_data: *mut c_void, function: impl FnOnce(&Self) -> Flow) -> i32 {
        let this = user_data as *const Self;
        // SAFETY: the request keeps them until it is released, which waits for this callback or happens
        // inside it.
        let callbacks = unsafe {
            Arc::increment_strong_count(this);
            Arc::from_raw(this)
        };
        let outcome = attempt(|| function(&callbacks));
        let flow = lock(&callbacks.panic).keep(outcome);
        // When the request was dropped inside, the closures go here, and what they hold may panic.
        run_alone(move || drop(callbacks));
        flow
    }
}

unsafe extern "C" fn on_event(event: *const sys::leoam_event, user_data: *mut c_void) -> i32 {
    // SAFETY: the library gives user_data back, and an event that is valid during the call.
    unsafe {
        Callbacks::run(user_data, |callbacks| {
            match (lock(&callbacks.on_event).as_mut(), Event::from_c(&*event)) {
                (Some(on_event), Some(event)) => on_event(event),
                _ => Flow::Continue,
            }
        })
    }
}

unsafe extern "C" fn on_logits(logits: *mut f32, n_vocab: u64, user_data: *mut c_void) -> i32 {
    // SAFETY: the library gives user_data back, and logits that are the callback's during the call.
    unsafe {
        Callbacks::run(user_data, |callbacks| match lock(&callbacks.on_logits).as_mut() {
            Some(on_logits) => on_logits(slice_mut(logits, n_vocab)),
            None => Flow::Continue,
        })
    }
}

impl Session {
    /// Starts a generation. The session is busy until the request has finished. With [`Delivery::Callback`]
    /// events may come before this returns. Not inside callbacks.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` (an option, a token id, a prompt that the context cannot hold, an empty one without
    /// logits), `Busy`.
    pub fn submit(&mut self, options: RequestOptions) -> Result<Request> {
        let sampler = sys::leoam_sampler_options {
            temperature: options.sampler.temperature,
            top_k: options.sampler.top_k,
            top_p: options.sampler.top_p,
            min_p: options.sampler.min_p,
            repetition_penalty: options.sampler.repetition_penalty,
            repetition_window_tokens: options.sampler.repetition_window_tokens,
            seed: options.sampler.seed,
            ..Default::default()
        };
        let stop: Vec<_> = options.stop.iter().map(|text| sys::leoam_string::view(text.as_bytes())).collect();
        let (delivery, deliver) = match options.delivery {
            Delivery::Poll => (sys::LEOAM_DELIVERY_POLL, None),
            Delivery::Step => (sys::LEOAM_DELIVERY_STEP, None),
            Delivery::Callback(deliver) => (sys::LEOAM_DELIVERY_CALLBACK, Some(deliver)),
        };
        let mut c = sys::leoam_request_options::default();
        c.delivery = delivery;
        c.flags = flag(options.ignore_end, sys::LEOAM_REQUEST_IGNORE_END)
            | flag(options.show_special, sys::LEOAM_REQUEST_SHOW_SPECIAL)
            | flag(options.prefill_only, sys::LEOAM_REQUEST_PREFILL_ONLY);
        c.prompt = options.prompt.as_ptr();
        c.n_prompt = options.prompt.len() as u64;
        c.sampler = &sampler;
        c.stop = stop.as_ptr();
        c.n_stop = stop.len() as u64;
        c.max_tokens = if options.prefill_only { 0 } else { options.max_tokens };
        c.on_event = deliver.as_ref().map(|_| on_event as _);
        c.on_logits = options.on_logits.as_ref().map(|_| on_logits as _);
        let callbacks = Arc::new(Callbacks {
            on_event: Mutex::new(deliver),
            on_logits: Mutex::new(options.on_logits),
            panic: Mutex::new(Panic::default()),
        });
        c.user_data = Arc::as_ptr(&callbacks) as *mut c_void;
        let handle = Handle::create(self.handle().library(), |api, out, error| {
            // SAFETY: a live handle; the library copies the options and what they point at, but for
            // `callbacks`, which the request keeps until it is released.
            unsafe { (api.session_submit)(self.handle().get(), &c, out, error) }
        })?;
        let steps = delivery == sys::LEOAM_DELIVERY_STEP;
        Ok(Request { handle, callbacks, session: self.state().clone(), steps, ended: false })
    }
}

impl Request {
    /// The events, as they come: waits for them, or steps. A failed request gives its error behind the last
    /// event; a panic of a callback goes on there. Not inside callbacks; fails with `InvalidArgument` with
    /// [`Delivery::Callback`].
    pub fn events(&mut self) -> Events<'_> {
        Events::of(self)
    }

    /// The pieces of the generated text, as they come; none is empty. As [`Request::events`].
    pub fn texts(&mut self) -> Texts<'_> {
        Texts::of(self)
    }

    /// The whole text that is still to come. As [`Request::events`].
    pub fn text(&mut self) -> Result<String> {
        self.texts().collect()
    }

    /// The next event: waits for it, or steps. None behind the last. As [`Request::events`].
    pub fn next_event(&mut self) -> Result<Option<Event>> {
        while !self.ended {
            if let Some(event) = self.poll()? {
                return Ok(Some(event));
            }
            if self.steps {
                self.step(Duration::ZERO)?;
                continue;
            }
            wait::until_readable(self.event_fd()?)
                .map_err(|error| Error::new(ErrorClass::Io, format!("poll: {error}")))?;
        }
        self.finish_reason()?;
        Ok(None)
    }

    /// The next event, if there is one now. Allowed inside callbacks. Fails with `InvalidArgument` with
    /// [`Delivery::Callback`].
    pub fn poll(&mut self) -> Result<Option<Event>> {
        // SAFETY: a live handle and an initialised struct.
        let c: sys::leoam_event = self
            .handle
            .filled(|api, handle, out, error| unsafe { (api.request_poll)(handle, out, error) })?;
        // SAFETY: the text is valid until the next poll, for which this must be borrowed again.
        let event = unsafe { Event::from_c(&c) };
        self.ended |= matches!(event, Some(Event::Finished { .. }));
        Ok(event)
    }

    /// A descriptor that is readable (poll, epoll, select) while events wait. Do not read it. Fails with
    /// `InvalidArgument` but for [`Delivery::Poll`].
    pub fn event_fd(&self) -> Result<BorrowedFd<'_>> {
        let mut fd = -1;
        self.handle.call(|api, handle, error| {
            // SAFETY: a live handle and an out parameter.
            unsafe { (api.request_get_event_fd)(handle, &mut fd, error) }
        })?;
        // SAFETY: the descriptor is open as long as the request is there, and not -1 behind a success.
        Ok(unsafe { BorrowedFd::borrow_raw(fd) })
    }

    /// Advances the work on the calling thread and the instance's for about `budget` (zero: one indivisible
    /// piece); the overrun is at most one layer of one piece. True when the request has finished. A panic of
    /// the logits callback goes on in the caller. Not inside callbacks. Fails with `InvalidArgument` but for
    /// [`Delivery::Step`].
    pub fn step(&mut self, budget: Duration) -> Result<bool> {
        let mut finished = 0;
        // SAFETY: a live handle and an out parameter.
        let result = self.handle.call(|api, handle, error| unsafe {
            (api.request_step)(handle, microseconds(budget), &mut finished, error)
        });
        self.resume_panic();
        result.map(|()| finished != 0)
    }

    /// The request finishes within 100 ms of work; events up to then stay. Takes no lock: allowed in a signal
    /// handler.
    pub fn cancel(&self) {
        cancel(self.handle.library(), self.handle.get());
    }

    /// A way to cancel the request from elsewhere, while this is borrowed.
    pub fn canceller(&self) -> Canceller {
        Canceller { library: self.handle.library().clone(), handle: self.handle.get() as usize }
    }

    /// Waits until the request has finished; its events are still to be taken then. False when `timeout` is
    /// over first (or inside a callback); without a timeout it fails with `Busy` inside a callback. A stepped
    /// request finishes inside [`Request::step`] only.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool> {
        let timeout_us = timeout.map_or(u64::MAX, microseconds);
        // SAFETY: a live handle.
        let waited =
            self.handle.call(|api, handle, error| unsafe { (api.request_wait)(handle, timeout_us, error) });
        match waited {
            Err(error) if error.class() == ErrorClass::Busy && timeout.is_some() => Ok(false),
            waited => waited.map(|()| true),
        }
    }

    /// Cancels, and when it returns no callback of the request is running and none will start. Inside a
    /// callback it returns at once and that callback is the last.
    pub fn detach(&self) -> Result<()> {
        // SAFETY: a live handle.
        self.handle.call(|api, handle, error| unsafe { (api.request_detach)(handle, error) })
    }

    /// Why the request has finished; none before. Fails as a failed request has; a panic of a callback goes
    /// on here, once.
    pub fn finish_reason(&self) -> Result<Option<FinishReason>> {
        let mut reason = sys::LEOAM_FINISH_NONE;
        // SAFETY: a live handle and an out parameter.
        let result = self
            .handle
            .call(|api, handle, error| unsafe { (api.request_get_result)(handle, &mut reason, error) });
        if reason != sys::LEOAM_FINISH_NONE {
            self.resume_panic();
        }
        result?;
        Ok((reason != sys::LEOAM_FINISH_NONE).then(|| FinishReason::from_number(reason)))
    }

    /// Its work so far. Cheap enough for every frame.
    pub fn statistics(&self) -> Result<RequestStatistics> {
        // SAFETY: a live handle and an initialised struct.
        let c = self
            .handle
            .filled(|api, handle, out, error| unsafe { (api.request_get_statistics)(handle, out, error) })?;
        // SAFETY: it has no views.
        Ok(unsafe { RequestStatistics::from_c(c) })
    }

    fn resume_panic(&self) {
        // The lock is gone before the panic goes on.
        let payload = lock(&self.callbacks.panic).take();
        if let Some(payload) = payload {
            resume_unwind(payload);
        }
    }
}

impl<'a> IntoIterator for &'a mut Request {
    type Item = Result<Event>;
    type IntoIter = Events<'a>;

    fn into_iter(self) -> Events<'a> {
        self.events()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("handle", &self.handle)
            .field("session", &Arc::as_ptr(&self.session))
            .finish_non_exhaustive()
    }
}

/// Cancels a request from any thread. Without effect once the request is gone. Clones cancel the same one.
#[derive(Clone, Debug)]
pub struct Canceller {
    library: Library,
    // Not owned: a handle whose object is gone is refused.
    handle: usize,
}

impl Canceller {
    /// As [`Request::cancel`].
    pub fn cancel(&self) {
        cancel(&self.library, self.handle as *mut sys::leoam_request);
    }
}

fn cancel(library: &Library, handle: *mut sys::leoam_request) {
    // SAFETY: any number may be given as a handle. There is nothing to do about one whose request is gone.
    unsafe { (library.api().request_cancel)(handle) };
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
