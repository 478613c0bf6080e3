//! How a worker is woken: an eventfd each, which its event loop waits on. The resolver's thread writes to its own worker's, a
//! worker that has an answer for others to theirs.
//!
//! They are made before the workers are forked, so that each has all of them. Not `ngx_notify`: it has one handler for the
//! whole process, and nginx's thread pools set it too.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;

use nginx_sys::{NGX_OK, ngx_core_conf_t, ngx_core_module, ngx_cycle_t, ngx_event_t, ngx_int_t};

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
    /// # Errors
    /// If the system is out of descriptors.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: eventfd gave it to us alone.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Forgets the wakes so far: what they announced is to be read after this.
    pub fn clear(&self) {
        let mut count: u64 = 0;
        // SAFETY: eight bytes go to a live integer. The descriptor doesn't block; without a wake there is nothing to read.
        let _ = unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) };
    }
}

/// One for each worker of a configuration, by the worker's number.
///
/// # Errors
/// If the system is out of descriptors.
pub fn one_per_worker(cycle: &ngx_cycle_t) -> io::Result<Vec<Arc<Waker>>> {
    (0..workers(cycle)).map(|_| Waker::new().map(Arc::new)).collect()
}

fn workers(cycle: &ngx_cycle_t) -> usize {
    let module = &raw const ngx_core_module;
    // SAFETY: MAIN THREAD: nginx writes it while it reads a configuration.
    let index = unsafe { (*module).index };
    // SAFETY: CONF: the core module has a configuration in every cycle.
    let place = unsafe { cycle.conf_ctx.add(index) };
    // SAFETY: CONF: as above.
    let conf = unsafe { place.read() }.cast::<ngx_core_conf_t>();
    // SAFETY: CONF: as above.
    let Some(conf) = (unsafe { conf.as_ref() }) else { return 1 };
    if conf.master == 0 { 1 } else { usize::try_from(conf.worker_processes).unwrap_or(1).max(1) }
}

/// Has nginx call the handler when this worker is woken.
///
/// # Errors
/// If nginx is out of connections.
pub fn attach(
    cycle: &mut ngx_cycle_t,
    waker: &Waker,
    handler: unsafe extern "C" fn(*mut ngx_event_t),
) -> io::Result<()> {
    let fd = waker.0.as_raw_fd();
    // SAFETY: C API: as nginx does for the channel to its master. The connection stays until the process ends, and nginx
    // does not count it as a leak because it is a channel.
    let added = unsafe { ngx_add_channel_event(cycle, fd, NGX_AUTHGEAR_READ_EVENT, Some(handler)) };
    if added == NGX_OK as ngx_int_t {
        Ok(())
    } else {
        Err(io::Error::other("worker_connections are not enough"))
    }
}
