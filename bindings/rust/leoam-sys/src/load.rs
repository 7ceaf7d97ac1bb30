//! Finding the library at run time, and its function table.

use core::ffi::c_void;
use std::env;
use std::error::Error;
use std::ffi::{CStr, OsStr, OsString};
use std::fmt;
use std::mem::size_of;
use std::path::{Path, PathBuf};
use std::ptr::{self, NonNull};

use crate::system;
use crate::{
    leoam_api, leoam_build_info, leoam_get_api_function, leoam_get_build_info_function, leoam_string,
    LEOAM_API_VERSION, LEOAM_OK, LEOAM_VERSION_MAJOR, LEOAM_VERSION_MINOR, LEOAM_VERSION_PATCH,
};

/// The name of the library's file.
pub const LIBRARY_NAME: &str = "libleoam.so.0";
/// The environment variable that names the library's file.
pub const LIBRARY_VARIABLE: &str = "LEOAM_LIBRARY";

const GET_API: &[u8] = b"leoam_get_api\0";
const GET_BUILD_INFO: &[u8] = b"leoam_get_build_info\0";

/// A loaded library. It stays loaded when this is dropped, unless [`Library::close`] is called: threads of
/// the library may run on for a moment after its last handle was released.
#[derive(Debug)]
pub struct Library {
    // None: linked.
    library: Option<NonNull<c_void>>,
    api: NonNull<leoam_api>,
    path: PathBuf,
}

// SAFETY: the table is constant, its functions keep their own thread rules, and the loader may be called from
// any thread.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl Library {
    /// Loads the library. Where `LEOAM_LIBRARY` is set, it names the file, and no other is tried. Else
    /// `libleoam.so.0` beside the executable is, then what the system's loader finds under that name
    /// (`LD_LIBRARY_PATH`, the run path of the program, the system's folders). The first that loads is taken.
    pub fn load() -> Result<Self, LoadError> {
        if let Some(path) = env::var_os(LIBRARY_VARIABLE).filter(|path| !path.is_empty()) {
            return Self::first_of(vec![(Origin::Variable, path)]);
        }
        let beside = env::current_exe().ok().and_then(|program| {
            program
                .parent()
                .map(|folder| (Origin::BesideExecutable, folder.join(LIBRARY_NAME).into_os_string()))
        });
        let searched = (Origin::Search, OsString::from(LIBRARY_NAME));
        Self::first_of(beside.into_iter().chain(Some(searched)).collect())
    }

    /// Loads the library at `path`, and no other. A name without a slash is searched for by the system's
    /// loader.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        Self::first_of(vec![(Origin::Argument, path.as_ref().as_os_str().to_owned())])
    }

    /// The library that the program is linked with. It may be older than the one it was linked against.
    #[cfg(feature = "link")]
    pub fn linked() -> Result<Self, LoadError> {
        // SAFETY: the functions are those of the header, by the linker's word.
        let api = unsafe { table(crate::leoam_get_api, Some(crate::leoam_get_build_info), Path::new("")) }?;
        Ok(Self { library: None, api, path: PathBuf::new() })
    }

    /// The functions. They must not be called after [`Library::close`].
    pub fn api(&self) -> &leoam_api {
        // SAFETY: not NULL, complete, and constant as long as the library is loaded.
        unsafe { self.api.as_ref() }
    }

    /// What was loaded: a path, or the name that the system's loader has found; empty for a linked library.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Unloads the library, unless others have loaded it too.
    ///
    /// # Safety
    ///
    /// Every handle of the library was released, none of them for the last time inside one of its callbacks,
    /// and no pointer, string or function of it is used any more.
    pub unsafe fn close(self) {
        if let Some(library) = self.library {
            // SAFETY: opened by first_of(); the rest is the caller's promise.
            unsafe { system::close(library) };
        }
    }

    fn first_of(candidates: Vec<(Origin, OsString)>) -> Result<Self, LoadError> {
        let mut attempts = Vec::new();
        for (origin, name) in candidates {
            // SAFETY: what lies at the path is a shared library of LeoAM, which does nothing when it is
            // loaded, or what the program, its environment or its folder has put there instead.
            match unsafe { system::open(&name) } {
                Ok(library) => return Self::of_open(library, &name),
                Err(reason) => attempts.push(Attempt { origin, path: name.into(), reason }),
            }
        }
        Err(LoadError::NotFound(attempts))
    }

    fn of_open(library: NonNull<c_void>, name: &OsStr) -> Result<Self, LoadError> {
        let path = PathBuf::from(name);
        // SAFETY: open.
        let found = unsafe { Functions::of(library) }
            .map_err(|reason| LoadError::NotLeoAm { path: path.clone(), reason })
            // SAFETY: these names belong to the functions of the header.
            .and_then(|found| unsafe { table(found.get_api, found.get_build_info, &path) });
        match found {
            Ok(api) => Ok(Self { library: Some(library), api, path }),
            Err(error) => {
                // SAFETY: opened by the caller; nothing of it is in use, for the error has copies.
                unsafe { system::close(library) };
                Err(error)
            }
        }
    }
}

struct Functions {
    get_api: leoam_get_api_function,
    get_build_info: Option<leoam_get_build_info_function>,
}

impl Functions {
    /// # Safety
    ///
    /// `library` is open.
    unsafe fn of(library: NonNull<c_void>) -> Result<Self, String> {
        // SAFETY: the promise of the caller, and names with a zero behind them.
        unsafe {
            let get_api = system::symbol(library, CStr::from_bytes_with_nul_unchecked(GET_API))?;
            let get_build_info = system::symbol(library, CStr::from_bytes_with_nul_unchecked(GET_BUILD_INFO));
            Ok(Self {
                get_api: std::mem::transmute::<*mut c_void, leoam_get_api_function>(get_api.as_ptr()),
                get_build_info: get_build_info.ok().map(|address| {
                    std::mem::transmute::<*mut c_void, leoam_get_build_info_function>(address.as_ptr())
                }),
            })
        }
    }
}

/// The complete table of a library.
///
/// # Safety
///
/// The functions have the contracts of the header.
unsafe fn table(
    get_api: leoam_get_api_function,
    get_build_info: Option<leoam_get_build_info_function>,
    path: &Path,
) -> Result<NonNull<leoam_api>, LoadError> {
    let mut api: *const leoam_api = ptr::null();
    // SAFETY: an out parameter of the function's type.
    let code = unsafe { get_api(LEOAM_API_VERSION, size_of::<leoam_api>() as u64, &mut api) };
    let found = match NonNull::new(api as *mut leoam_api) {
        // SAFETY: the table that the function gave out with success.
        Some(api) if code == LEOAM_OK && unsafe { is_complete(api) } => return Ok(api),
        _ => get_build_info,
    };
    let mut error = LoadError::TooOld { path: path.to_owned(), version: String::new(), api_version: 0 };
    let mut info = leoam_build_info::default();
    // SAFETY: an initialised struct, and no detail wanted.
    if found.map(|get| unsafe { get(&mut info, ptr::null_mut()) }) == Some(LEOAM_OK) {
        // SAFETY: the strings live as long as the library is loaded, which it still is.
        let text = |view: leoam_string| String::from_utf8_lossy(unsafe { view.bytes() }).into_owned();
        let file_path = text(info.file_path);
        error = LoadError::TooOld {
            path: if file_path.is_empty() { path.to_owned() } else { file_path.into() },
            version: text(info.version),
            api_version: info.api_version,
        };
    }
    Err(error)
}

/// Whether a table has all members that this crate knows. References to it are made behind this only, for a
/// member that is NULL would not be a function.
///
/// # Safety
///
/// `api` points at a table that begins as the header says.
unsafe fn is_complete(api: NonNull<leoam_api>) -> bool {
    let words = size_of::<leoam_api>() / size_of::<usize>();
    let first = api.as_ptr().cast::<usize>();
    // SAFETY: struct_size is the first member of every table, and says how far the others go. The first word
    // holds the two numbers, every further one a function.
    unsafe {
        let size = ptr::read(api.as_ptr().cast::<u32>()) as usize;
        size >= size_of::<leoam_api>() && (1..words).all(|word| ptr::read(first.add(word)) != 0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Argument,
    Variable,
    BesideExecutable,
    Search,
}

/// A path that was tried, and why it did not do.
#[derive(Clone, Debug)]
pub struct Attempt {
    origin: Origin,
    /// The path, or the name that the system's loader was to search for.
    pub path: PathBuf,
    /// The loader's own words.
    pub reason: String,
}

/// Why there is no library. The text is meant for the person who has to put it right.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// No file could be loaded: every one that was tried.
    NotFound(Vec<Attempt>),
    /// A library, and not LeoAM.
    NotLeoAm {
        /// What was loaded.
        path: PathBuf,
        /// The loader's own words.
        reason: String,
    },
    /// LeoAM, and too old for this crate.
    TooOld {
        /// Where it lies, as it says itself when it can.
        path: PathBuf,
        /// Its version, "0.1.0"; empty when it does not say.
        version: String,
        /// The version of its function table; 0 when it does not say.
        api_version: u32,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(attempts) => {
                write!(f, "the LeoAM library could not be loaded. Tried:")?;
                for attempt in attempts {
                    let origin = match attempt.origin {
                        Origin::Argument => "the path that was given",
                        Origin::Variable => LIBRARY_VARIABLE,
                        Origin::BesideExecutable => "beside the executable",
                        Origin::Search => "the system's loader",
                    };
                    write!(f, "\n  {} ({}): {}", attempt.path.display(), origin, attempt.reason)?;
                }
                write!(f, "\nPut {LIBRARY_NAME} beside the program, install LeoAM where the system's ")?;
                write!(f, "loader looks, or name the file in {LIBRARY_VARIABLE}.")
            }
            Self::NotLeoAm { path, reason } => {
                writeln!(f, "{} is not the LeoAM library: {reason}", path.display())?;
                write!(f, "Name the right {LIBRARY_NAME} in {LIBRARY_VARIABLE}, or remove that file.")
            }
            Self::TooOld { path, version, api_version } => {
                let version = if version.is_empty() { "of an unknown version" } else { version };
                let linked = Path::new("that the program is linked with");
                let path = if path.as_os_str().is_empty() { linked } else { path };
                let (major, minor, patch) = (LEOAM_VERSION_MAJOR, LEOAM_VERSION_MINOR, LEOAM_VERSION_PATCH);
                write!(f, "the LeoAM library {} is too old: ", path.display())?;
                write!(f, "it is {version} with function table {api_version}, ")?;
                writeln!(f, "and this program needs function table {LEOAM_API_VERSION}")?;
                write!(f, "Replace that file by LeoAM {major}.{minor}.{patch} or newer, ")?;
                write!(f, "or name a newer one in {LIBRARY_VARIABLE}.")
            }
        }
    }
}

impl Error for LoadError {}
