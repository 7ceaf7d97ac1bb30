//! Between the types of C and of Rust: handles, texts, lists, structs that are filled.

use std::fmt;
use std::ptr;

use leoam_sys as sys;

use crate::error::{Error, Result};
use crate::library::Library;

/// A kind of object, by its opaque type.
pub(crate) trait Object {
    /// # Safety
    ///
    /// `api` is a table of the library that gave the handle out.
    unsafe fn release(api: &sys::leoam_api, handle: *mut Self);
}

macro_rules! object {
    ($type:ident, $release:ident) => {
        impl Object for sys::$type {
            unsafe fn release(api: &sys::leoam_api, handle: *mut Self) {
                // SAFETY: the caller's promise; release functions take any handle at any time.
                unsafe { (api.$release)(handle) };
            }
        }
    };
}
object!(leoam_instance, instance_release);
object!(leoam_cancel_flag, cancel_flag_release);
object!(leoam_model, model_release);
object!(leoam_session, session_release);
object!(leoam_request, request_release);

/// Owns a handle, and keeps the library that gave it out.
pub(crate) struct Handle<T: Object> {
    handle: *mut T,
    library: Library,
}

// SAFETY: a handle is a number, which any thread may use; functions with a narrower rule refuse a second
// thread.
unsafe impl<T: Object> Send for Handle<T> {}
// SAFETY: as above.
unsafe impl<T: Object> Sync for Handle<T> {}

impl<T: Object> Handle<T> {
    /// Calls a function that gives out a handle.
    pub(crate) fn create(
        library: &Library,
        function: impl FnOnce(&sys::leoam_api, *mut *mut T, *mut sys::leoam_error) -> sys::leoam_status,
    ) -> Result<Self> {
        let mut handle = ptr::null_mut();
        library.call(|api, error| function(api, &mut handle, error))?;
        Ok(Self { handle, library: library.clone() })
    }

    pub(crate) fn get(&self) -> *mut T {
        self.handle
    }

    pub(crate) fn library(&self) -> &Library {
        &self.library
    }

    /// Calls a function of the object.
    pub(crate) fn call(
        &self,
        function: impl FnOnce(&sys::leoam_api, *mut T, *mut sys::leoam_error) -> sys::leoam_status,
    ) -> Result<()> {
        self.library.call(|api, error| function(api, self.handle, error))
    }

    /// Calls a function of the object that fills a struct.
    pub(crate) fn filled<S: Default>(
        &self,
        function: impl FnOnce(&sys::leoam_api, *mut T, *mut S, *mut sys::leoam_error) -> sys::leoam_status,
    ) -> Result<S> {
        let mut value = S::default();
        self.call(|api, handle, error| function(api, handle, &mut value, error))?;
        Ok(value)
    }
}

impl<T: Object> Drop for Handle<T> {
    fn drop(&mut self) {
        // SAFETY: the library gave the handle out.
        unsafe { T::release(self.library.api(), self.handle) };
    }
}

impl<T: Object> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.handle as usize)
    }
}

/// A number of things in memory.
pub(crate) fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The text of a view. Invalid UTF-8, which the library does not give, becomes U+FFFD.
///
/// # Safety
///
/// The view is of readable bytes that do not change meanwhile.
pub(crate) unsafe fn text(view: sys::leoam_string) -> String {
    // SAFETY: the caller's promise.
    String::from_utf8_lossy(unsafe { view.bytes() }).into_owned()
}

/// The elements of a list that a callback gets; empty for NULL.
///
/// # Safety
///
/// `data` is NULL or points at `size` elements that live as long as the result is used.
pub(crate) unsafe fn slice<'a, T>(data: *const T, size: u64) -> &'a [T] {
    if data.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(data, count(size)) }
}

/// [`slice`] of a list that may be changed.
///
/// # Safety
///
/// As of [`slice`]; and nobody else looks at the elements meanwhile.
pub(crate) unsafe fn slice_mut<'a, T>(data: *mut T, size: u64) -> &'a mut [T] {
    if data.is_null() {
        return &mut [];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(data, count(size)) }
}

/// A list from a function that fills a buffer and reports the count. `guess` saves a second call where it is
/// enough.
pub(crate) fn collect<T: Copy + Default>(
    guess: usize,
    mut fill: impl FnMut(*mut T, u64, *mut u64, *mut sys::leoam_error) -> sys::leoam_status,
) -> Result<Vec<T>> {
    let mut list = vec![T::default(); guess];
    loop {
        let mut needed = 0;
        let mut detail = sys::leoam_error::default();
        let capacity = list.len() as u64;
        let code = fill(list.as_mut_ptr(), capacity, &mut needed, &mut detail);
        let grow = code == sys::LEOAM_ERROR_NO_SPACE && needed > capacity;
        if code != sys::LEOAM_OK && !grow {
            return Err(Error::from_c(code, &detail));
        }
        list.resize(count(needed), T::default());
        if !grow {
            return Ok(list);
        }
    }
}

/// What a field of a struct of C is in Rust.
pub(crate) trait FromC<C> {
    /// # Safety
    ///
    /// Views in `value` are of readable bytes.
    unsafe fn from_c(value: C) -> Self;
}

macro_rules! same {
    ($($type:ty),*) => {
        $(impl FromC<$type> for $type {
            unsafe fn from_c(value: $type) -> Self {
                value
            }
        })*
    };
}
same!(i32, i64, u32, u64, f32, f64, [f64; 4], [u64; 4], [u8; 16]);

impl FromC<u32> for bool {
    unsafe fn from_c(value: u32) -> Self {
        value != 0
    }
}

impl FromC<sys::leoam_string> for String {
    unsafe fn from_c(value: sys::leoam_string) -> Self {
        // SAFETY: the caller's promise.
        unsafe { text(value) }
    }
}

/// A struct that the library fills, with the same names in Rust.
macro_rules! record {
    ($(#[$meta:meta])* $name:ident from $c:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$doc])* pub $field: $type,)*
        }

        impl crate::ffi::FromC<leoam_sys::$c> for $name {
            unsafe fn from_c(value: leoam_sys::$c) -> Self {
                // SAFETY: the caller's promise.
                unsafe { Self { $($field: crate::ffi::FromC::from_c(value.$field),)* } }
            }
        }
    };
}
pub(crate) use record;

/// An enumeration of C: known values by name, others of later libraries by number.
macro_rules! enumeration {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $value:ident = $c:ident,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $value,)*
            /// A value of a later library.
            Other(i32),
        }

        impl $name {
            pub(crate) fn from_number(number: i32) -> Self {
                match number {
                    $(leoam_sys::$c => Self::$value,)*
                    other => Self::Other(other),
                }
            }

            // Some are only ever received.
            #[allow(dead_code)]
            pub(crate) fn number(self) -> i32 {
                match self {
                    $(Self::$value => leoam_sys::$c,)*
                    Self::Other(number) => number,
                }
            }
        }

        impl crate::ffi::FromC<i32> for $name {
            unsafe fn from_c(value: i32) -> Self {
                Self::from_number(value)
            }
        }
    };
}
pub(crate) use enumeration;

/// `flag` when it is wished.
pub(crate) fn flag(wished: bool, flag: u64) -> u64 {
    if wished {
        flag
    } else {
        0
    }
}
