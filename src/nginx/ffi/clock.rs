//! The clocks that the event loop uses.

use nginx_sys::{ngx_current_msec, ngx_msec_t, ngx_time};

use crate::freshness::Millis;

/// The event loop's clock, in milliseconds: monotonic, updated once per turn of the loop.
#[must_use]
pub fn turn() -> ngx_msec_t {
    // SAFETY: MAIN THREAD: nginx writes it on this thread.
    unsafe { ngx_current_msec }
}

/// The time since boot. It is the same in all processes and includes time in suspend, so cached entries age while the
/// machine sleeps. It is read without a system call (vdso(7)).
#[must_use]
pub fn boot() -> Millis {
    read(libc::CLOCK_BOOTTIME)
}

/// Unix time in milliseconds, for expiry times. nginx's own clock would be as old as this turn of the event loop.
#[must_use]
pub fn unix_millis() -> Millis {
    read(libc::CLOCK_REALTIME)
}

fn read(clock: libc::clockid_t) -> Millis {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes the time, and can't fail with these clocks and a valid pointer.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    let (seconds, nanos) = (Millis::try_from(time.tv_sec), Millis::try_from(time.tv_nsec));
    seconds.unwrap_or(0).saturating_mul(1000).saturating_add(nanos.unwrap_or(0) / 1_000_000)
}

/// Unix time in seconds, as of this turn of the event loop.
#[must_use]
pub fn unix() -> u64 {
    u64::try_from(ngx_time()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    /// The age of cached entries is measured with a clock that nobody can set.
    #[test]
    fn the_clock_of_the_cache_counts_from_the_start_of_the_machine() {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let seconds: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        let boot = Duration::from_millis(boot()).as_secs_f64();
        assert!((boot - seconds).abs() < 5.0, "{boot} and {seconds}");
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((Duration::from_millis(unix_millis()).as_secs_f64() - unix).abs() < 5.0);
    }
}
