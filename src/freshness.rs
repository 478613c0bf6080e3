//! Whether an answer may still be used, by its own limits and by the times of the requesting location.

/// A duration in milliseconds, or a time in milliseconds of the clock that includes suspend (`CLOCK_BOOTTIME`).
pub type Millis = u64;

/// The kind of answer, on which its times depend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Valid,
    Invalid,
    None,
}

/// The metadata stored with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub kind: Kind,
    /// When the call was sent: the answer's age is counted from here.
    pub asked: Millis,
    /// The answer may not be used from this time on.
    pub until: Millis,
}

/// `authgear_cache_valid`: how long an answer of each kind is fresh. 0 means never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub valid: Millis,
    pub invalid: Millis,
    pub none: Millis,
}

impl Times {
    #[must_use]
    pub fn of(&self, kind: Kind) -> Millis {
        match kind {
            Kind::Valid => self.valid,
            Kind::Invalid => self.invalid,
            Kind::None => self.none,
        }
    }
}

/// `authgear_cache_use_stale`: how long after it was fresh a valid answer may still be used. 0 means not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StaleWindows {
    /// When the resolver fails.
    pub error: Millis,
    /// While the answer is being renewed.
    pub updating: Millis,
}

/// The state of an answer at a given time, for a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    Fresh,
    Stale {
        on_error: bool,
        while_updating: bool,
    },
    /// The answer may not be used.
    Expired,
}

/// The initial lifetime of a "none" that replaces a valid answer.
const DOUBT: Millis = 1000;

impl Stamp {
    /// The stamp of a "none" that replaces a valid answer. Either the session has ended, or Authgear's database has a
    /// temporary failure, which also results in "none". `since` is when the call for the first of the consecutive "none"
    /// answers was sent. Each of them is kept for as long as the doubt has lasted so far, and for at least a second. So a
    /// temporary failure is felt for about twice its duration, and an ended session causes few calls.
    #[must_use]
    pub fn doubted(self, since: Millis) -> Self {
        let lasts = self.asked.saturating_sub(since).max(DOUBT);
        Self { until: self.until.min(self.asked.saturating_add(lasts)), ..self }
    }

    /// The stamp of an answer that may be reused. `max_age` is the answer's own limit in seconds, `expires` the time when the
    /// credentials expire.
    ///
    /// Returns `None` if these limits don't allow reuse.
    #[must_use]
    pub fn new(kind: Kind, asked: Millis, max_age: Option<u64>, expires: Option<Millis>) -> Option<Self> {
        let by_answer = max_age.map(|seconds| asked.saturating_add(seconds.saturating_mul(1000)));
        // Expiry limits valid answers only.
        let by_credentials = expires.filter(|_| kind == Kind::Valid);
        let until = by_answer.into_iter().chain(by_credentials).min().unwrap_or(Millis::MAX);
        (until > asked).then_some(Self { kind, asked, until })
    }

    /// Returns the answer's state. An answer from the future is expired: its time comes from a different clock.
    #[must_use]
    pub fn judge(&self, now: Millis, times: &Times, windows: &StaleWindows) -> Age {
        let fresh = times.of(self.kind);
        let Some(age) = now.checked_sub(self.asked).filter(|_| now < self.until && fresh > 0) else {
            return Age::Expired;
        };
        if age < fresh {
            return Age::Fresh;
        }
        let within = |window: Millis| self.kind == Kind::Valid && age - fresh < window;
        match (within(windows.error), within(windows.updating)) {
            (false, false) => Age::Expired,
            (on_error, while_updating) => Age::Stale { on_error, while_updating },
        }
    }
}

#[cfg(test)]
mod tests;
