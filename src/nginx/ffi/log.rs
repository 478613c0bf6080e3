//! Writes lines to nginx's logs: lower case, without a full stop, prefixed with `authgear`.

use std::collections::HashMap;
use std::fmt::Arguments;
use std::hash::Hash;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use nginx_sys::{
    NGX_LOG_ALERT, NGX_LOG_DEBUG, NGX_LOG_DEBUG_HTTP, NGX_LOG_EMERG, NGX_LOG_ERR, NGX_LOG_INFO,
    NGX_LOG_NOTICE, NGX_LOG_WARN, ngx_conf_log_error, ngx_conf_t, ngx_log_t, ngx_uint_t,
};
use ngx::log::{LOG_BUFFER_SIZE, log_error, write_fmt};

/// An nginx log: that of the cycle, or that of a connection, which adds the client and the request to each line.
#[derive(Clone, Copy)]
pub struct Log(NonNull<ngx_log_t>);

/// The log of the running configuration.
#[must_use]
pub fn cycle() -> Log {
    Log(ngx::log::ngx_cycle_log())
}

impl Log {
    /// # Safety
    /// The log must outlive the value (LIVE REQUEST for a connection's).
    #[must_use]
    pub unsafe fn new(log: NonNull<ngx_log_t>) -> Self {
        Self(log)
    }

    pub fn alert(self, line: Arguments<'_>) {
        self.write(NGX_LOG_ALERT, line);
    }

    pub fn error(self, line: Arguments<'_>) {
        self.write(NGX_LOG_ERR, line);
    }

    pub fn warn(self, line: Arguments<'_>) {
        self.write(NGX_LOG_WARN, line);
    }

    pub fn notice(self, line: Arguments<'_>) {
        self.write(NGX_LOG_NOTICE, line);
    }

    /// For nginx functions that log themselves.
    #[must_use]
    pub fn as_ptr(self) -> *mut ngx_log_t {
        self.0.as_ptr()
    }

    pub fn info(self, line: Arguments<'_>) {
        self.write(NGX_LOG_INFO, line);
    }

    /// Whether debug lines are enabled here: by `error_log`, at the level `debug` or `debug_http`, or for this client by
    /// `debug_connection`. Check this before building a debug line.
    #[must_use]
    #[inline]
    pub fn is_debug(self) -> bool {
        self.level() & NGX_LOG_DEBUG_HTTP as ngx_uint_t != 0
    }

    pub fn debug(self, line: Arguments<'_>) {
        if self.is_debug() {
            self.write(NGX_LOG_DEBUG, line);
        }
    }

    fn level(self) -> ngx_uint_t {
        // SAFETY: the log outlives the value, by the contract of `new`.
        unsafe { self.0.as_ref() }.log_level
    }

    fn write(self, level: u32, line: Arguments<'_>) {
        let level = level as ngx_uint_t;
        if level > self.level() {
            return;
        }
        let mut buffer = [const { MaybeUninit::uninit() }; LOG_BUFFER_SIZE];
        let text = write_fmt(&mut buffer, format_args!("authgear: {line}"));
        // SAFETY: as above.
        unsafe { log_error(level, self.0.as_ptr(), 0, text) };
    }
}

/// Logs why a directive is rejected, with the file and the line that nginx is reading.
pub fn refuse_configuration(cf: &mut ngx_conf_t, why: Arguments<'_>) {
    print_at_line(cf, NGX_LOG_EMERG, why);
}

/// Logs a warning about a directive, with the file and the line that nginx is reading.
pub fn warn_of_configuration(cf: &mut ngx_conf_t, what: Arguments<'_>) {
    print_at_line(cf, NGX_LOG_WARN, what);
}

fn print_at_line(cf: &mut ngx_conf_t, level: u32, words: Arguments<'_>) {
    let text = words.to_string();
    let level = level as ngx_uint_t;
    // SAFETY: C API: the format takes a length and the bytes, which nginx copies.
    unsafe { ngx_conf_log_error(level, cf, 0, c"%*s".as_ptr(), text.len(), text.as_ptr()) };
}

/// Logs why directives at a place that nginx has already read are rejected.
pub fn refuse_configuration_at(cf: &mut ngx_conf_t, why: Arguments<'_>, place: Arguments<'_>) {
    print_at_place(cf, NGX_LOG_EMERG, why, place);
}

/// Logs a warning about directives at a place that nginx has already read.
pub fn warn_of_configuration_at(cf: &mut ngx_conf_t, what: Arguments<'_>, place: Arguments<'_>) {
    print_at_place(cf, NGX_LOG_WARN, what, place);
}

fn print_at_place(cf: &mut ngx_conf_t, level: u32, words: Arguments<'_>, place: Arguments<'_>) {
    let text = format!("{words} in {place}");
    let level = level as ngx_uint_t;
    // SAFETY: C API: the log of a configuration exists while it is read.
    let wanted = unsafe { (*cf.log).log_level };
    if level <= wanted {
        // SAFETY: as above.
        unsafe { log_error(level, cf.log, 0, text.as_bytes()) };
    }
}

/// Allows one line of a kind per second and worker, and counts the suppressed ones.
pub struct RateLimit<K>(HashMap<K, (i64, u32)>);

impl<K> Default for RateLimit<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Hash + Eq> RateLimit<K> {
    /// Returns the number of lines of this kind suppressed since the last one, or `None` if this line is to be suppressed.
    #[must_use]
    pub fn pass(&mut self, kind: K, now_seconds: i64) -> Option<u32> {
        let (last, unsaid) = self.0.entry(kind).or_insert((i64::MIN, 0));
        if *last == now_seconds {
            *unsaid += 1;
            return None;
        }
        *last = now_seconds;
        Some(std::mem::take(unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::RateLimit;

    #[test]
    fn one_line_a_second_passes_and_tells_of_the_others() {
        let mut limit = RateLimit::default();
        let passed: Vec<_> = [(0, "a"), (0, "a"), (0, "b"), (0, "a"), (1, "a"), (2, "a")]
            .map(|(now, kind)| limit.pass(kind, now))
            .into();
        assert_eq!(passed, [Some(0), None, Some(0), None, Some(2), Some(0)]);
    }
}
