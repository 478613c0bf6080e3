//! Detects system calls that failed because this machine has run out of a resource.

use std::io;

/// Whether descriptors, memory, or local ports have run out.
pub(super) fn is_shortage(error: &io::Error) -> bool {
    let errno = error.raw_os_error().unwrap_or(0);
    [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOBUFS, libc::EADDRNOTAVAIL].contains(&errno)
}
