//! The C interface of LeoAM as it is: `c_api/include/leoam/leoam.h` holds the contract of every function, and
//! `c_api/ABI.md` that of all of them. Programs use the crate `leoam`, which is safe.
//!
//! [`Library`] loads the shared library at run time and gives its function table. With the feature `link` the
//! functions are also declared for the linker, which looks in the folder that `LEOAM_LIB_DIR` names when the
//! crate is built, and in its own.

#![warn(missing_debug_implementations)]
#![deny(unsafe_op_in_unsafe_fn)]
#![warn(clippy::undocumented_unsafe_blocks)]

#[cfg(not(target_os = "linux"))]
compile_error!("LeoAM runs on Linux");

/// `LEOAM_INIT` of the header for each of the structs.
macro_rules! initialised {
    ($($name:ident,)*) => {
        $(impl Default for $name {
            /// All zero, which means the default of every field, with `struct_size` set.
            fn default() -> Self {
                // SAFETY: the fields are integers, floats, arrays of them, raw pointers and optional function
                // pointers: all zero is a value of each.
                let mut value: Self = unsafe { core::mem::zeroed() };
                value.struct_size = core::mem::size_of::<Self>() as u32;
                value
            }
        })*
    };
}

#[allow(non_camel_case_types, clippy::doc_lazy_continuation, clippy::doc_markdown)]
#[rustfmt::skip]
mod bindings;
mod load;
mod system;

pub use bindings::*;
pub use load::{Attempt, Library, LoadError, LIBRARY_NAME, LIBRARY_VARIABLE};

impl Default for leoam_string {
    fn default() -> Self {
        Self { data: core::ptr::null(), size: 0 }
    }
}

impl leoam_string {
    /// A view of `bytes`, which must outlive every use of it.
    pub fn view(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr().cast(), size: bytes.len() as u64 }
    }

    /// The bytes that the view is of.
    ///
    /// # Safety
    ///
    /// `data` is NULL, or `size` bytes behind it can be read and do not change for `'a`.
    pub unsafe fn bytes<'a>(&self) -> &'a [u8] {
        if self.data.is_null() || self.size == 0 {
            return &[];
        }
        // SAFETY: the caller's promise.
        unsafe { core::slice::from_raw_parts(self.data.cast(), self.size as usize) }
    }
}
