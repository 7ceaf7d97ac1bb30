//! What went wrong in one call.

use std::error;
use std::fmt;
use std::sync::Arc;

use leoam_sys as sys;

use crate::ffi::count;

/// The result of a call.
pub type Result<T> = std::result::Result<T, Error>;

/// The class of an [`Error`]: what a program may want to tell apart. Classes are never renamed; new ones may
/// come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// A value of the caller; the message names the parameter. Also a wrong key of a session file.
    InvalidArgument,
    /// An object of another library or of another kind.
    InvalidHandle,
    /// A file, a name or an index does not exist. Also the LeoAM library itself.
    NotFound,
    /// Well formed, and this build of the library cannot do it.
    Unsupported,
    /// A file breaks its format; the message has field, offset, what was expected and what was found.
    Corrupt,
    /// The system refused memory.
    OutOfMemory,
    /// A budget is too small, or the disk; [`Error::needed_bytes`] and [`Error::available_bytes`] say by how
    /// much.
    NoSpace,
    /// The operating system failed a file operation.
    Io,
    /// Another thread uses the object, a request of the session runs, a file is open elsewhere, or the call
    /// was made inside a callback that does not allow it.
    Busy,
    /// The caller asked to stop, by a flag or a callback.
    Cancelled,
    /// The accelerator is gone; its instance is unusable.
    DeviceLost,
    /// The library is older than what the program asks for, or a file newer than the library.
    Version,
    /// A fault of the library.
    Internal,
    /// A class of a later library, by its code.
    Unknown(i32),
}

impl ErrorClass {
    fn from_code(code: sys::leoam_status) -> Self {
        match code {
            sys::LEOAM_ERROR_INVALID_ARGUMENT => Self::InvalidArgument,
            sys::LEOAM_ERROR_INVALID_HANDLE => Self::InvalidHandle,
            sys::LEOAM_ERROR_NOT_FOUND => Self::NotFound,
            sys::LEOAM_ERROR_UNSUPPORTED => Self::Unsupported,
            sys::LEOAM_ERROR_CORRUPT => Self::Corrupt,
            sys::LEOAM_ERROR_OUT_OF_MEMORY => Self::OutOfMemory,
            sys::LEOAM_ERROR_NO_SPACE => Self::NoSpace,
            sys::LEOAM_ERROR_IO => Self::Io,
            sys::LEOAM_ERROR_BUSY => Self::Busy,
            sys::LEOAM_ERROR_CANCELLED => Self::Cancelled,
            sys::LEOAM_ERROR_DEVICE_LOST => Self::DeviceLost,
            sys::LEOAM_ERROR_VERSION => Self::Version,
            sys::LEOAM_ERROR_INTERNAL => Self::Internal,
            unknown => Self::Unknown(unknown),
        }
    }

    /// The name that logs of every language have: "no_space".
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::InvalidHandle => "invalid_handle",
            Self::NotFound => "not_found",
            Self::Unsupported => "unsupported",
            Self::Corrupt => "corrupt",
            Self::OutOfMemory => "out_of_memory",
            Self::NoSpace => "no_space",
            Self::Io => "io",
            Self::Busy => "busy",
            Self::Cancelled => "cancelled",
            Self::DeviceLost => "device_lost",
            Self::Version => "version",
            Self::Internal => "internal",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// A failed call. Objects stay as they were and usable, unless the function says otherwise.
#[derive(Clone)]
pub struct Error {
    class: ErrorClass,
    message: String,
    needed_bytes: u64,
    available_bytes: u64,
    source: Option<Arc<sys::LoadError>>,
}

impl Error {
    /// What kind of failure it is.
    pub fn class(&self) -> ErrorClass {
        self.class
    }

    /// English, for the person who has to put it right: it names the parameter, file or field.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What was needed, of [`ErrorClass::NoSpace`]; else 0.
    pub fn needed_bytes(&self) -> u64 {
        self.needed_bytes
    }

    /// What there was, of [`ErrorClass::NoSpace`]; else 0.
    pub fn available_bytes(&self) -> u64 {
        self.available_bytes
    }

    pub(crate) fn new(class: ErrorClass, message: String) -> Self {
        Self { class, message, needed_bytes: 0, available_bytes: 0, source: None }
    }

    pub(crate) fn from_c(code: sys::leoam_status, detail: &sys::leoam_error) -> Self {
        let class = ErrorClass::from_code(code);
        let size = count(detail.message_size.into()).min(detail.message.len());
        let bytes: Vec<u8> = detail.message[..size].iter().map(|&byte| byte as u8).collect();
        let mut message = String::from_utf8_lossy(&bytes).into_owned();
        if message.is_empty() {
            message = format!("the library gave code {code} and no message");
        }
        Self {
            class,
            message,
            needed_bytes: detail.needed_bytes,
            available_bytes: detail.available_bytes,
            source: None,
        }
    }
}

impl From<sys::LoadError> for Error {
    fn from(error: sys::LoadError) -> Self {
        let class = match error {
            sys::LoadError::TooOld { .. } => ErrorClass::Version,
            _ => ErrorClass::NotFound,
        };
        let message = error.to_string();
        Self { source: Some(Arc::new(error)), ..Self::new(class, message) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class.name(), self.message)
    }
}

/// The words of [`Display`](fmt::Display), for they are what a `main` that returns the error shows to people.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
