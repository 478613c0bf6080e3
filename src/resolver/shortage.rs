//! Whether a system call failed because this machine ran out of something.

use std::io;

/// Descriptors, memory, or ports to connect from.
pub(super) fn is_shortage(error: &io::Error) -> bool {
    let errno = error.raw_os_error().unwrap_or(0);
    [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOBUFS, libc::EADDRNOTAVAIL].contains(&errno)
}
