//! A timer of the worker, for events without a wake. It runs only while there is something to poll for.

use std::ptr::null_mut;

use nginx_sys::{
    ngx_add_timer, ngx_connection_t, ngx_del_timer, ngx_event_handler_pt, ngx_event_t, ngx_msec_t,
};

use crate::nginx::ffi::log;

/// How often to poll; intervals are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    Stopped,
    /// Wakes arrive; polling only detects leaders that have died.
    Slow,
    /// No wakes arrive, as from workers of another configuration.
    Fast,
}

impl Pace {
    fn interval(self) -> Option<ngx_msec_t> {
        match self {
            Self::Stopped => None,
            Self::Slow => Some(100),
            Self::Fast => Some(10),
        }
    }
}

/// On the heap, because nginx keeps pointers into it.
pub(super) struct Poll {
    parts: Box<Parts>,
    pace: Pace,
}

struct Parts {
    event: ngx_event_t,
    /// nginx's debug log treats an event's data as a connection.
    connection: ngx_connection_t,
}

impl Poll {
    pub(super) fn new(handler: ngx_event_handler_pt) -> Self {
        // SAFETY: both are plain C data, and nginx initializes them with zeroes too.
        let mut parts: Box<Parts> = Box::new(unsafe { std::mem::zeroed() });
        parts.connection.fd = -1;
        parts.event.handler = handler;
        parts.event.log = log::cycle().as_ptr();
        // A worker that exits doesn't wait for this timer; waiting requests have timers of their own.
        parts.event.set_cancelable(1);
        Self { parts, pace: Pace::Stopped }
    }

    /// Makes the timer run at this pace. Does nothing if it does already.
    pub(super) fn set(&mut self, pace: Pace) {
        let is_set = self.parts.event.timer_set() != 0;
        if is_set == (pace != Pace::Stopped) && self.pace == pace {
            return;
        }
        self.stop();
        self.pace = pace;
        if let Some(interval) = pace.interval() {
            self.parts.event.data = (&raw mut self.parts.connection).cast();
            // SAFETY: C API: it is deleted before the memory is freed.
            unsafe { ngx_add_timer(&raw mut self.parts.event, interval) };
        }
    }

    fn stop(&mut self) {
        if self.parts.event.timer_set() != 0 {
            // SAFETY: C API: it is set.
            unsafe { ngx_del_timer(&raw mut self.parts.event) };
        }
        self.parts.event.data = null_mut();
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        self.stop();
    }
}
