//! Keys of session files.

use std::fmt;
use std::os::raw::c_void;
use std::ptr;
use std::sync::atomic::{compiler_fence, Ordering};

use leoam_sys as sys;

use crate::callback::{Call, Flow, Progress};
use crate::error::{Error, ErrorClass, Result};
use crate::ffi::slice_mut;

/// Bytes of a key.
pub const KEY_BYTES: usize = sys::LEOAM_KEY_BYTES as usize;

/// The key of encrypted session files. Its bytes stay at one place in memory and are wiped when it is
/// dropped; the library wipes its own copies. How a passphrase becomes a key is the program's affair.
pub struct Key {
    bytes: Box<[u8; KEY_BYTES]>,
}

impl Key {
    /// A key that `fill` writes in its place, so that no other copy of it is made.
    pub fn fill(fill: impl FnOnce(&mut [u8; KEY_BYTES])) -> Self {
        let mut key = Self { bytes: Box::new([0; KEY_BYTES]) };
        fill(&mut key.bytes);
        key
    }

    /// A copy of [`KEY_BYTES`] bytes, which the caller wipes. Fails with `InvalidArgument` for another number
    /// of them.
    pub fn from_slice(bytes: &[u8]) -> Result<Self> {
        if bytes.len() != KEY_BYTES {
            let message = format!("key: {} bytes, and a key has {KEY_BYTES}", bytes.len());
            return Err(Error::new(ErrorClass::InvalidArgument, message));
        }
        Ok(Self::fill(|key| key.copy_from_slice(bytes)))
    }

    /// The bytes. Copies of them are the caller's to wipe.
    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        wipe(self.bytes.as_mut_slice());
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// Writes that the compiler must not leave out, although nobody reads the bytes again.
fn wipe(bytes: &mut [u8]) {
    for byte in bytes {
        // SAFETY: a reference to a byte.
        unsafe { ptr::write_volatile(byte, 0) };
    }
    compiler_fence(Ordering::SeqCst);
}

/// Asks for a key: fills it, or says [`Flow::Stop`] when there is none. Called at most once by a call, on its
/// thread.
pub type AskKey<'a> = Box<dyn FnMut(&mut [u8; KEY_BYTES]) -> Flow + 'a>;

/// How a session file is opened.
#[derive(Default)]
pub enum SessionKey<'a> {
    /// Without a key: the file is plaintext.
    #[default]
    None,
    /// With this key.
    Key(&'a Key),
    /// With the key that the function fills in, in memory of the library that it wipes. A call whose function
    /// stops fails with `Cancelled`.
    Ask(AskKey<'a>),
}

impl fmt::Debug for SessionKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Key(_) => "Key",
            Self::Ask(_) => "Ask",
        })
    }
}

/// The closures of a call with a key.
pub(crate) struct Keyed<'a> {
    key: SessionKey<'a>,
    pub(crate) findings: Vec<String>,
}

pub(crate) type KeyedCall<'a> = Call<'a, Keyed<'a>>;

impl<'a> KeyedCall<'a> {
    pub(crate) fn with_key(on_progress: Option<Progress<'a>>, key: SessionKey<'a>) -> Self {
        Self::new(on_progress, Keyed { key, findings: Vec::new() })
    }

    /// For the fields of options: NULL where there are no bytes.
    pub(crate) fn key_bytes(&self) -> (*const u8, u64) {
        match &self.extra.key {
            SessionKey::Key(key) => (key.bytes.as_ptr(), KEY_BYTES as u64),
            _ => (ptr::null(), 0),
        }
    }

    /// The C function for the closure, if there is one.
    pub(crate) fn key_function(&self) -> sys::leoam_key_function {
        match &self.extra.key {
            SessionKey::Ask(_) => Some(Self::on_key),
            _ => None,
        }
    }

    unsafe extern "C" fn on_key(key: *mut u8, size: u64, user_data: *mut c_void) -> i32 {
        // SAFETY: the library gives user_data back, inside the call, and `size` bytes to be filled.
        unsafe {
            Self::run(user_data, |_, keyed| {
                let room: std::result::Result<&mut [u8; KEY_BYTES], _> = slice_mut(key, size).try_into();
                match (&mut keyed.key, room) {
                    (SessionKey::Ask(ask), Ok(room)) => ask(room),
                    _ => Flow::Stop,
                }
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wiped_key_is_zero() {
        let mut key = Key::fill(|bytes| bytes.fill(7));
        assert_eq!(&[7; KEY_BYTES], key.bytes());
        wipe(key.bytes.as_mut_slice());
        assert_eq!(&[0; KEY_BYTES], key.bytes());
    }
}
