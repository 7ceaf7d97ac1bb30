//! The shared library itself.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use leoam_sys as sys;

use crate::error::{Error, Result};
use crate::ffi::{record, FromC};

record! {
    /// Facts of the library file.
    BuildInfo from leoam_build_info {
        /// The version of its function table.
        api_version: u32,
        /// "0.1.0".
        version: String,
        /// "gcc 12.2.0".
        compiler: String,
        /// "release", "debug", "address,undefined".
        build: String,
        /// Where the library was loaded from; empty when unknown.
        file_path: String,
    }
}

/// The loaded shared library. Clones are the same one, and every object made with it keeps it. Any thread.
#[derive(Clone)]
pub struct Library {
    library: Arc<sys::Library>,
}

impl Library {
    /// Loads the library: the file that the environment variable `LEOAM_LIBRARY` names, and no other where it
    /// is set; else `libleoam.so.0` beside the executable, else the one that the system's loader finds.
    ///
    /// # Errors
    ///
    /// [`ErrorClass::NotFound`](crate::ErrorClass::NotFound): the message has every path that was tried, the
    /// loader's own reason, and what to do. [`ErrorClass::Version`](crate::ErrorClass::Version): what was
    /// found is too old; the message says which version lies where.
    pub fn load() -> Result<Self> {
        Ok(Self { library: Arc::new(sys::Library::load()?) })
    }

    /// Loads the library at `path`, and no other. Fails as [`Library::load`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self { library: Arc::new(sys::Library::open(path)?) })
    }

    /// The library that the program is linked with.
    ///
    /// # Errors
    ///
    /// [`ErrorClass::Version`](crate::ErrorClass::Version) when it is too old.
    #[cfg(feature = "link")]
    pub fn linked() -> Result<Self> {
        Ok(Self { library: Arc::new(sys::Library::linked()?) })
    }

    /// Facts of the library file.
    pub fn build_info(&self) -> Result<BuildInfo> {
        let mut info = sys::leoam_build_info::default();
        // SAFETY: an initialised struct.
        self.call(|api, error| unsafe { (api.get_build_info)(&mut info, error) })?;
        // SAFETY: the strings live as long as the library is loaded.
        Ok(unsafe { BuildInfo::from_c(info) })
    }

    /// Major, minor and patch number of the library.
    pub fn version(&self) -> (u32, u32, u32) {
        // SAFETY: no argument.
        let version = unsafe { (self.api().version)() };
        (version >> 16, version >> 8 & 0xff, version & 0xff)
    }

    /// Unloads the library. Else it stays loaded for the life of the process, which costs nothing but its
    /// memory. Gives the library back when objects made with it, or clones, are still there.
    ///
    /// # Safety
    ///
    /// The last object of each instance was not dropped inside one of the instance's callbacks: its threads
    /// may then run on for a moment.
    pub unsafe fn unload(self) -> std::result::Result<(), Self> {
        let library = Arc::try_unwrap(self.library).map_err(|library| Self { library })?;
        // SAFETY: every object holds a clone, so there is none; the rest is the caller's promise.
        unsafe { library.close() };
        Ok(())
    }

    pub(crate) fn api(&self) -> &sys::leoam_api {
        self.library.api()
    }

    /// Calls a function with a place for its failure.
    pub(crate) fn call(
        &self,
        function: impl FnOnce(&sys::leoam_api, *mut sys::leoam_error) -> sys::leoam_status,
    ) -> Result<()> {
        let mut detail = sys::leoam_error::default();
        match function(self.api(), &mut detail) {
            sys::LEOAM_OK => Ok(()),
            code => Err(Error::from_c(code, &detail)),
        }
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library").field("path", &self.library.path()).finish()
    }
}
