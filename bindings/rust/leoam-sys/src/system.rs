//! The system's loader of shared libraries. `dlerror` is asked at once, on the same thread: it is the only
//! place that says why a library was refused.

use core::ffi::c_void;
use std::ffi::{CStr, CString, OsStr};
use std::os::raw::{c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::ptr::NonNull;

extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
    fn dlclose(library: *mut c_void) -> c_int;
    fn dlerror() -> *mut c_char;
}

// Of Linux, glibc and musl alike.
const RTLD_NOW: c_int = 2;
const RTLD_LOCAL: c_int = 0;

fn reason() -> String {
    // SAFETY: no argument; the text is the thread's own until its next call of the loader.
    let text = unsafe { dlerror() };
    if text.is_null() {
        return "the system's loader gave no reason".to_string();
    }
    // SAFETY: not NULL, so a string that is terminated by zero.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Opens a library so that none of its symbols meets those of others.
///
/// # Safety
///
/// The initialisers of whatever lies at `path` run.
pub unsafe fn open(path: &OsStr) -> Result<NonNull<c_void>, String> {
    let path = CString::new(path.as_bytes()).map_err(|_| "the path has a zero in it".to_string())?;
    // SAFETY: a terminated string; the caller takes what the initialisers do upon itself.
    let library = unsafe { dlopen(path.as_ptr(), RTLD_NOW | RTLD_LOCAL) };
    NonNull::new(library).ok_or_else(reason)
}

/// The address of a symbol.
///
/// # Safety
///
/// `library` is open.
pub unsafe fn symbol(library: NonNull<c_void>, name: &CStr) -> Result<NonNull<c_void>, String> {
    // SAFETY: an open library and a terminated string.
    NonNull::new(unsafe { dlsym(library.as_ptr(), name.as_ptr()) }).ok_or_else(reason)
}

/// Closes a library.
///
/// # Safety
///
/// `library` is open, and nothing of it is used or running any more.
pub unsafe fn close(library: NonNull<c_void>) {
    // SAFETY: the caller's promise. There is nothing to do about a failure: then it stays mapped.
    unsafe { dlclose(library.as_ptr()) };
}
