//! Wakes workers through eventfds. Each process has an eventfd of its own, which the resolver thread writes to. In addition
//! there is one eventfd per worker number: a worker that has an answer for other workers writes to theirs. These are
//! created before the workers are forked, so that each worker has all of them.
//!
//! Two processes can have the same worker number: a HUP to an old master, while its workers shut down after WINCH, starts
//! new workers in the same configuration. Therefore no eventfd is ever read. Instead each process has an epoll instance of
//! its own, with the eventfds added edge-triggered, and so each process sees each write. The event loop waits for that
//! instance, with whatever event method nginx uses.
//!
//! `ngx_notify` is not an option: it has one handler for the whole process, and nginx's thread pools set it too.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use nginx_sys::{NGX_OK, ngx_core_conf_t, ngx_core_module, ngx_cycle_t, ngx_event_t, ngx_int_t};

use crate::nginx::ffi::bindings::{NGX_AUTHGEAR_READ_EVENT, ngx_add_channel_event};
use crate::resolver::Wake;

/// An eventfd. A call on any thread, or in any process that has it, makes the listening event loops call their handlers
/// soon.
pub struct Waker(OwnedFd);

impl Wake for Waker {
    fn wake(&self) {
        #[cfg(feature = "fault-injection")]
        if crate::nginx::ffi::callback::injected::is_wake_lost() {
            return;
        }
        let one: u64 = 1;
        // SAFETY: eight bytes of a live integer are read. It can't fail: the descriptor is open as long as `self` lives,
        // and the counter would be full only after 2^64 writes.
        let _ = unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
    }
}

impl Waker {
    /// # Errors
    /// If the system has run out of descriptors.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers.
        owned(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) }).map(Self)
    }
}

/// The descriptor that the event loop of this process waits for.
pub struct Listener(OwnedFd);

/// A process listens to its own eventfd and to that of its worker number.
const MAX_WAKERS: usize = 2;

impl Listener {
    /// # Errors
    /// If the system has run out of descriptors or of epoll watches.
    pub fn new(own: &Waker, shared: Option<&Waker>) -> io::Result<Self> {
        // SAFETY: no pointers.
        let listener = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        for waker in std::iter::once(own).chain(shared) {
            let mut event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: 0 };
            let (epoll, fd) = (listener.as_raw_fd(), waker.0.as_raw_fd());
            // SAFETY: both are open, and the event is only read.
            if unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &raw mut event) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(Self(listener))
    }

    /// Clears the wakes so far. Call it before reading what they announced.
    pub fn clear(&self) {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; MAX_WAKERS];
        // SAFETY: the buffer has room for that many events. With a timeout of 0 the call doesn't block.
        let _ = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), MAX_WAKERS as i32, 0) };
    }
}

fn owned(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was just returned by a system call, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Creates an eventfd for each worker of a configuration, in the order of the worker numbers.
///
/// # Errors
/// If the system has run out of descriptors.
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

/// Makes nginx call the handler whenever this worker is woken.
///
/// # Errors
/// If nginx has run out of connections.
pub fn attach(
    cycle: &mut ngx_cycle_t,
    listener: &Listener,
    handler: unsafe extern "C" fn(*mut ngx_event_t),
) -> io::Result<()> {
    let fd = listener.0.as_raw_fd();
    // SAFETY: C API: as nginx does for the channel to its master. The connection stays open until the process ends; nginx
    // doesn't report it as a leak because it is a channel.
    let added = unsafe { ngx_add_channel_event(cycle, fd, NGX_AUTHGEAR_READ_EVENT, Some(handler)) };
    if added == NGX_OK as ngx_int_t {
        Ok(())
    } else {
        Err(io::Error::other("worker_connections are not enough"))
    }
}
