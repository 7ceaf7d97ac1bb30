//! A wish to stop, for long calls.

use std::ptr;
use std::sync::Arc;

use leoam_sys as sys;

use crate::error::Result;
use crate::ffi::Handle;
use crate::instance::Instance;

/// A flag that long calls watch: they end with [`ErrorClass::Cancelled`](crate::ErrorClass::Cancelled) within
/// 100 ms of [`CancelFlag::set`], as do later ones until it is cleared. One flag may serve many calls. Clones
/// are the same flag. Any thread.
#[derive(Clone, Debug)]
pub struct CancelFlag {
    handle: Arc<Handle<sys::leoam_cancel_flag>>,
}

impl CancelFlag {
    /// A flag that is not set, for calls of this instance.
    pub fn new(instance: &Instance) -> Result<Self> {
        let handle = Handle::create(instance.library(), |api, out, error| {
            // SAFETY: a live handle and an out parameter.
            unsafe { (api.cancel_flag_create)(instance.handle(), out, error) }
        })?;
        Ok(Self { handle: Arc::new(handle) })
    }

    /// Asks the calls that watch the flag to stop. Takes no lock: allowed in a signal handler.
    pub fn set(&self) {
        // SAFETY: a live handle. It cannot fail with one.
        unsafe { (self.handle.library().api().cancel_flag_set)(self.handle.get()) };
    }

    /// Takes the wish back, for later calls.
    pub fn clear(&self) {
        // SAFETY: a live handle. It cannot fail with one.
        unsafe { (self.handle.library().api().cancel_flag_clear)(self.handle.get()) };
    }

    /// For a field of options; the flag must outlive the call.
    pub(crate) fn of(flag: Option<&Self>) -> *mut sys::leoam_cancel_flag {
        flag.map_or(ptr::null_mut(), |flag| flag.handle.get())
    }
}
