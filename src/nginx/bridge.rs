//! The way back from the resolver's thread: an eventfd that nginx's event loop waits on.
//!
//! Not `ngx_notify`: it has one handler for the whole process, and nginx's thread pools set it too.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;

use nginx_sys::{NGX_OK, ngx_cycle_t, ngx_event_t, ngx_int_t};

use super::bindings::{NGX_AUTHGEAR_READ_EVENT, ngx_add_channel_event};
use crate::resolver::Wake;

/// The writing end; a call from any thread makes the event loop call the handler soon.
pub struct Waker(OwnedFd);

impl Wake for Waker {
    fn wake(&self) {
        let one: u64 = 1;
        // SAFETY: eight bytes of a live integer are read. An error can't matter: with the counter full (EAGAIN) the
        // handler is due anyway, and the descriptor is open as long as `self` lives.
        let _ = unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
    }
}

impl Waker {
    /// Forgets the wakes so far: what they announced is to be read after this.
    pub fn clear(&self) {
        let mut count: u64 = 0;
        // SAFETY: eight bytes go to a live integer. The descriptor doesn't block; without a wake there is nothing to read.
        let _ = unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) };
    }
}

/// Makes the eventfd of a worker and has nginx call the handler for it.
///
/// # Errors
/// If the system is out of descriptors, or nginx of connections.
pub fn open(
    cycle: &mut ngx_cycle_t,
    handler: unsafe extern "C" fn(*mut ngx_event_t),
) -> io::Result<Arc<Waker>> {
    // SAFETY: no pointers.
    let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: eventfd gave it to us alone.
    let waker = Waker(unsafe { OwnedFd::from_raw_fd(fd) });
    // SAFETY: C API: as nginx does for the channel to its master. The connection stays until the process ends, and nginx
    // does not count it as a leak because it is a channel.
    let added = unsafe { ngx_add_channel_event(cycle, fd, NGX_AUTHGEAR_READ_EVENT, Some(handler)) };
    if added != NGX_OK as ngx_int_t {
        return Err(io::Error::other("worker_connections are not enough"));
    }
    Ok(Arc::new(waker))
}
