//! Starts the resolver thread.

use std::io;

use crate::resolver::thread::ResolverThread;

/// Starts it with all signals blocked, which it inherits: nginx's thread handles the signals.
pub(super) fn start_thread() -> io::Result<ResolverThread> {
    #[cfg(feature = "fault-injection")]
    {
        use crate::nginx::ffi::callback::{Site, injected};
        crate::resolver::thread::FAULT.get_or_init(|| || injected::panic_at(Site::Thread));
    }
    let _blocked = SignalsBlocked::new();
    ResolverThread::start()
}

/// Blocks all signals on this thread while it lives.
struct SignalsBlocked(libc::sigset_t);

impl SignalsBlocked {
    fn new() -> Self {
        let mut all = std::mem::MaybeUninit::uninit();
        // SAFETY: sigfillset writes the whole set.
        unsafe { libc::sigfillset(all.as_mut_ptr()) };
        let mut before = std::mem::MaybeUninit::uninit();
        // SAFETY: `all` was filled above, and the call writes the old mask to `before`.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) };
        // SAFETY: written by the call, which can't fail with these arguments.
        Self(unsafe { before.assume_init() })
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: the set is the previous mask.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut()) };
    }
}
