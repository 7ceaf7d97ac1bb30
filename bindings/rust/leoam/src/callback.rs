//! Closures inside callbacks of the library. A panic must not cross C: it stops the work, and goes on where
//! the program waits for the call.

use std::any::Any;
use std::mem;
use std::os::raw::c_void;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::thread;

use leoam_sys as sys;

/// What a callback wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flow {
    /// The work goes on.
    Continue,
    /// The work stops: the call fails with [`ErrorClass::Cancelled`](crate::ErrorClass::Cancelled), or the
    /// request ends with [`FinishReason::Cancelled`](crate::FinishReason::Cancelled).
    Stop,
}

impl Flow {
    pub(crate) fn number(self) -> i32 {
        match self {
            Self::Continue => sys::LEOAM_CONTINUE,
            Self::Stop => sys::LEOAM_STOP,
        }
    }
}

/// Progress of a long call: done of total, in the unit that the options say. On the calling thread.
pub type Progress<'a> = Box<dyn FnMut(u64, u64) -> Flow + 'a>;

pub(crate) type Payload = Box<dyn Any + Send>;

/// The panic of a callback, on its way to the one who waits.
#[derive(Default)]
pub(crate) struct Panic {
    payload: Option<Payload>,
}

/// Runs a closure inside a callback. What it has left half done by a panic is seen by nobody before the panic
/// goes on.
pub(crate) fn attempt(function: impl FnOnce() -> Flow) -> thread::Result<Flow> {
    catch_unwind(AssertUnwindSafe(function))
}

impl Panic {
    /// What the callback returns; a panic is kept, and stops.
    pub(crate) fn keep(&mut self, outcome: thread::Result<Flow>) -> i32 {
        let flow = outcome.unwrap_or_else(|payload| {
            match self.payload {
                None => self.payload = Some(payload),
                Some(_) => discard(payload),
            }
            Flow::Stop
        });
        flow.number()
    }

    /// The panic goes on, if there was one.
    pub(crate) fn resume(&mut self) {
        if let Some(payload) = self.take() {
            resume_unwind(payload);
        }
    }

    pub(crate) fn take(&mut self) -> Option<Payload> {
        self.payload.take()
    }
}

/// Runs a closure where there is nobody to tell of a panic.
pub(crate) fn run_alone(function: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(function)) {
        discard(payload);
    }
}

/// A payload may panic when it is dropped: that must not happen inside C either.
fn discard(payload: Payload) {
    mem::forget(payload);
}

/// The closures of one call on the calling thread, `user_data` of all its callbacks. Each callback of a call
/// gets its own field, for they may not be borrowed together.
pub(crate) struct Call<'a, E = ()> {
    pub(crate) on_progress: Option<Progress<'a>>,
    /// What else the call has.
    pub(crate) extra: E,
    panic: Panic,
}

impl<'a, E> Call<'a, E> {
    pub(crate) fn new(on_progress: Option<Progress<'a>>, extra: E) -> Self {
        Self { on_progress, extra, panic: Panic::default() }
    }

    /// The C function for the closure, if there is one.
    pub(crate) fn progress_function(&self) -> sys::leoam_progress_function {
        self.on_progress.as_ref().map(|_| Self::on_progress as _)
    }

    pub(crate) fn user_data(&mut self) -> *mut c_void {
        (self as *mut Self).cast()
    }

    /// Behind the call: a panic goes on, else there is the call's result.
    pub(crate) fn finish<T>(&mut self, result: T) -> T {
        self.panic.resume();
        result
    }

    /// Runs `function` on the call that `user_data` is of.
    ///
    /// # Safety
    ///
    /// `user_data` is of [`Call::user_data`], during the call that it was made for. Callbacks of one call
    /// never overlap, so nobody else has a reference meanwhile.
    pub(crate) unsafe fn run(
        user_data: *mut c_void,
        function: impl FnOnce(&mut Option<Progress<'a>>, &mut E) -> Flow,
    ) -> i32 {
        // SAFETY: the caller's promise.
        let call = unsafe { &mut *user_data.cast::<Self>() };
        let (on_progress, extra) = (&mut call.on_progress, &mut call.extra);
        call.panic.keep(attempt(|| function(on_progress, extra)))
    }

    unsafe extern "C" fn on_progress(done: u64, total: u64, user_data: *mut c_void) -> i32 {
        // SAFETY: the library gives user_data back, inside the call.
        unsafe {
            Self::run(user_data, |on_progress, _| match on_progress {
                Some(on_progress) => on_progress(done, total),
                None => Flow::Continue,
            })
        }
    }
}
