//! Waiting for a file descriptor.

use std::io;
use std::os::raw::{c_int, c_short, c_ulong};
use std::os::unix::io::{AsRawFd, BorrowedFd};

/// `struct pollfd`.
#[repr(C)]
struct PollFd {
    fd: c_int,
    events: c_short,
    revents: c_short,
}

const POLLIN: c_short = 1;

extern "C" {
    fn poll(fds: *mut PollFd, n_fds: c_ulong, timeout_ms: c_int) -> c_int;
}

/// Returns when there is something to read.
pub(crate) fn until_readable(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut waiting = PollFd { fd: fd.as_raw_fd(), events: POLLIN, revents: 0 };
    loop {
        // SAFETY: one struct of the system's layout.
        if unsafe { poll(&mut waiting, 1, -1) } > 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
