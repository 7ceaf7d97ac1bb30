//! The root of everything: threads, device, budgets, files, log.

use std::fmt;
use std::os::raw::{c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr;
use std::sync::{Arc, Mutex, TryLockError};

use leoam_sys as sys;

use crate::callback::{run_alone, Call, Progress};
use crate::cancel::CancelFlag;
use crate::error::{Error, Result};
use crate::ffi::{enumeration, flag, slice, text, FromC, Handle};
use crate::library::Library;
use crate::statistics::InstanceStatistics;

enumeration! {
    /// How much a message of the log matters.
    LogLevel {
        /// Something failed.
        Error = LEOAM_LOG_ERROR,
        /// Something is worse than it could be. The default.
        Warning = LEOAM_LOG_WARNING,
        /// What the library does.
        Info = LEOAM_LOG_INFO,
        /// How it does it.
        Debug = LEOAM_LOG_DEBUG,
    }
}

/// Receives messages of the log, from any thread of the library and from threads inside its calls, one at a
/// time. It must not call the library, which may then wait for itself. A panic in it is dropped.
pub type Log = Box<dyn FnMut(LogLevel, &str) + Send>;

/// How an [`Instance`] is made.
#[derive(Default)]
pub struct InstanceOptions {
    /// Threads that compute; 0: the CPUs that this process may use, at most 16.
    pub n_threads: u32,
    /// "scalar", "avx2" or "avx512"; empty: the best of the machine.
    pub cpu_level: String,
    /// Most bytes of KV cache in memory; 0: half of the machine's memory.
    pub host_kv_budget_bytes: u64,
    /// Receives messages; without it they are dropped.
    pub log: Option<Log>,
    /// Messages up to this level; none: warnings and errors.
    pub log_level: Option<LogLevel>,
    /// Most bytes of KV in files, scratch and open session files; 0: half of what is free on the disk of the
    /// state folder.
    pub disk_kv_budget_bytes: u64,
    /// Most bytes that the instance may write in its life; 0: no cap.
    pub disk_write_cap_bytes: u64,
    /// Absolute; for KV that leaves memory. None: `$XDG_STATE_HOME/leoam`, else `$HOME/.local/state/leoam`.
    /// Made when it is first needed.
    pub state_folder: Option<PathBuf>,
    /// Most bytes of KV in the memory of a device that has its own; 0: half of it.
    pub device_kv_budget_bytes: u64,
    /// KV that leaves memory is checksummed only, else encrypted with a key that only memory holds.
    pub plaintext_scratch: bool,
    /// Files are read and written by threads.
    pub no_io_uring: bool,
    /// Files go through the system's page cache.
    pub no_direct_io: bool,
}

impl fmt::Debug for InstanceOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceOptions")
            .field("n_threads", &self.n_threads)
            .field("cpu_level", &self.cpu_level)
            .field("host_kv_budget_bytes", &self.host_kv_budget_bytes)
            .field("disk_kv_budget_bytes", &self.disk_kv_budget_bytes)
            .field("state_folder", &self.state_folder)
            .finish_non_exhaustive()
    }
}

/// How a budget is changed.
#[derive(Default)]
pub struct BudgetOptions<'a> {
    /// Bytes given back, and to be given back.
    pub on_progress: Option<Progress<'a>>,
    /// Stops the change; then the old budget holds again.
    pub cancel: Option<CancelFlag>,
}

impl fmt::Debug for BudgetOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BudgetOptions").field("cancel", &self.cancel).finish_non_exhaustive()
    }
}

/// Threads, device, budgets, files and log of some models. Instances share nothing, and any number may live
/// in one process. Clones are the same instance, which ends with the last of them and of its models,
/// sessions, requests and flags. Any thread, also inside callbacks of requests.
#[derive(Clone)]
pub struct Instance {
    state: Arc<State>,
}

struct State {
    handle: Handle<sys::leoam_instance>,
    log: Option<Arc<Mutex<Log>>>,
}

impl Drop for State {
    fn drop(&mut self) {
        if self.log.is_some() {
            // The instance may live on for a moment after its last handle; it must not log then.
            // SAFETY: a live handle; it cannot fail with one.
            unsafe { (self.handle.library().api().instance_detach)(self.handle.get(), ptr::null_mut()) };
        }
    }
}

/// `user_data` is the log of an instance that has not been detached.
unsafe extern "C" fn on_log(level: i32, data: *const c_char, size: u64, user_data: *mut c_void) {
    run_alone(|| {
        // SAFETY: made by Arc::as_ptr in new(), and kept by State until the instance is detached. This call
        // keeps it to its own end: a log that breaks its rule may drop the last instance.
        let log = unsafe {
            Arc::increment_strong_count(user_data as *const Mutex<Log>);
            Arc::from_raw(user_data as *const Mutex<Log>)
        };
        // SAFETY: valid during the call.
        let text = String::from_utf8_lossy(unsafe { slice(data.cast::<u8>(), size) });
        let level = LogLevel::from_number(level);
        match log.try_lock() {
            Ok(mut log) => log(level, &text),
            // An earlier message has panicked; this one may do better.
            Err(TryLockError::Poisoned(log)) => log.into_inner()(level, &text),
            // Only inside the log itself, which has called the library against its rule.
            Err(TryLockError::WouldBlock) => (),
        };
    });
}

impl Instance {
    /// Starts an instance.
    ///
    /// # Errors
    ///
    /// `InvalidArgument`, `Unsupported` (a CPU level that the machine lacks), `OutOfMemory`.
    pub fn new(library: &Library, options: InstanceOptions) -> Result<Self> {
        let mut c = sys::leoam_instance_options::default();
        c.n_threads = options.n_threads;
        c.cpu_level = sys::leoam_string::view(options.cpu_level.as_bytes());
        c.host_kv_budget_bytes = options.host_kv_budget_bytes;
        c.log_level = options.log_level.map_or(sys::LEOAM_LOG_DEFAULT, LogLevel::number);
        c.disk_kv_budget_bytes = options.disk_kv_budget_bytes;
        c.disk_write_cap_bytes = options.disk_write_cap_bytes;
        let folder = options.state_folder.unwrap_or_default();
        c.state_folder = sys::leoam_string::view(folder.as_os_str().as_bytes());
        c.device_kv_budget_bytes = options.device_kv_budget_bytes;
        c.flags = flag(options.plaintext_scratch, sys::LEOAM_INSTANCE_PLAINTEXT_SCRATCH)
            | flag(options.no_io_uring, sys::LEOAM_INSTANCE_NO_IO_URING)
            | flag(options.no_direct_io, sys::LEOAM_INSTANCE_NO_DIRECT_IO);
        let log = options.log.map(|log| Arc::new(Mutex::new(log)));
        if let Some(log) = &log {
            c.log = Some(on_log);
            c.log_user_data = Arc::as_ptr(log) as *mut c_void;
        }
        let handle = Handle::create(library, |api, out, error| {
            // SAFETY: the struct and what it points at live during the call; `log` until State has detached
            // it, or to the end of this function when there is no instance.
            unsafe { (api.instance_create)(&c, out, error) }
        })?;
        Ok(Self { state: Arc::new(State { handle, log }) })
    }

    /// The library that the instance was made with.
    pub fn library(&self) -> &Library {
        self.state.handle.library()
    }

    /// Changes the most bytes in memory that KV may cause, while requests go on. Returns when it holds: what
    /// is too much has moved to files, which changes no answer.
    ///
    /// # Errors
    ///
    /// `NoSpace` (needed: what has to stay), `Io`; then the old budget holds.
    pub fn set_host_kv_budget(&self, bytes: u64) -> Result<()> {
        // SAFETY: a live handle.
        self.state
            .handle
            .call(|api, handle, error| unsafe { (api.instance_set_host_kv_budget)(handle, bytes, error) })
    }

    /// [`Instance::set_host_kv_budget`] with progress and a way to stop: fails with `Cancelled` too, within
    /// 100 ms of work and one transfer of 16 MiB. A panic of the callback goes on in the caller.
    pub fn change_host_kv_budget(&self, bytes: u64, options: BudgetOptions<'_>) -> Result<()> {
        self.change(options, |api, c, error| {
            // SAFETY: a live handle, and options that live during the call.
            unsafe { (api.instance_change_host_kv_budget)(self.handle(), bytes, c, error) }
        })
    }

    /// The same of the memory of a device that has its own: what is too much moves to memory. Fails with
    /// `Unsupported` where the device computes in memory.
    pub fn change_device_kv_budget(&self, bytes: u64, options: BudgetOptions<'_>) -> Result<()> {
        self.change(options, |api, c, error| {
            // SAFETY: a live handle, and options that live during the call.
            unsafe { (api.instance_change_device_kv_budget)(self.handle(), bytes, c, error) }
        })
    }

    fn change(
        &self,
        options: BudgetOptions<'_>,
        function: impl FnOnce(
            &sys::leoam_api,
            *const sys::leoam_budget_options,
            *mut sys::leoam_error,
        ) -> sys::leoam_status,
    ) -> Result<()> {
        let mut call = Call::new(options.on_progress, ());
        let mut c = sys::leoam_budget_options::default();
        c.on_progress = call.progress_function();
        c.user_data = call.user_data();
        c.cancel = CancelFlag::of(options.cancel.as_ref());
        let result = self.library().call(|api, error| function(api, &c, error));
        call.finish(result)
    }

    /// Most bytes of scratch and open session files. A budget below what is used stops growth and drops
    /// nothing.
    pub fn set_disk_kv_budget(&self, bytes: u64) -> Result<()> {
        // SAFETY: a live handle.
        self.state
            .handle
            .call(|api, handle, error| unsafe { (api.instance_set_disk_kv_budget)(handle, bytes, error) })
    }

    /// Most bytes that the instance writes in its life, those before included; `u64::MAX`: no cap. What would
    /// pass it fails with `NoSpace` and writes nothing.
    pub fn set_disk_write_cap(&self, bytes: u64) -> Result<()> {
        // SAFETY: a live handle.
        self.state
            .handle
            .call(|api, handle, error| unsafe { (api.instance_set_disk_write_cap)(handle, bytes, error) })
    }

    /// Budgets, use and work so far. Cheap enough for every frame.
    pub fn statistics(&self) -> Result<InstanceStatistics> {
        // SAFETY: a live handle and an initialised struct.
        let c = self
            .state
            .handle
            .filled(|api, handle, out, error| unsafe { (api.instance_get_statistics)(handle, out, error) })?;
        // SAFETY: it has no views.
        Ok(unsafe { InstanceStatistics::from_c(c) })
    }

    /// A diagnosis for people: dotted key ("cpu.chosen") and value in words. As of the first call, which may
    /// take some milliseconds.
    pub fn describe(&self) -> Result<Vec<(String, String)>> {
        let mut facts = Vec::new();
        loop {
            let (mut key, mut value) = (sys::leoam_string::default(), sys::leoam_string::default());
            let mut detail = sys::leoam_error::default();
            let index = facts.len() as u64;
            // SAFETY: a live handle, out parameters.
            let code = unsafe {
                (self.library().api().instance_describe)(
                    self.handle(),
                    index,
                    &mut key,
                    &mut value,
                    &mut detail,
                )
            };
            match code {
                // SAFETY: the strings live as long as the instance.
                sys::LEOAM_OK => facts.push(unsafe { (text(key), text(value)) }),
                sys::LEOAM_ERROR_NOT_FOUND => return Ok(facts),
                code => return Err(Error::from_c(code, &detail)),
            }
        }
    }

    /// Cancels all requests of the instance and drops its log. When it returns, no callback of a request or
    /// of the log is running and none will start. Inside a callback it does not wait for that one, which is
    /// the last.
    pub fn detach(&self) -> Result<()> {
        // SAFETY: a live handle.
        self.state.handle.call(|api, handle, error| unsafe { (api.instance_detach)(handle, error) })
    }

    pub(crate) fn handle(&self) -> *mut sys::leoam_instance {
        self.state.handle.get()
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").field("handle", &self.state.handle).finish_non_exhaustive()
    }
}
