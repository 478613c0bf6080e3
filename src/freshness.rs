//! Whether an answer may still be given: by its own bounds, and by the times of the location that wants it.

/// Milliseconds, or a moment in milliseconds of the machine's clock that runs on in suspend (CLOCK_BOOTTIME).
pub type Millis = u64;

/// What an answer says, as far as times depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Valid,
    Invalid,
    None,
}

/// What is kept of an answer besides its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub kind: Kind,
    /// When its call was sent: the answer may be as old as that.
    pub asked: Millis,
    /// From here on it may not be given at all.
    pub until: Millis,
}

/// `authgear_cache_valid`: for how long an answer of each kind is fresh. 0 is never.
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

/// `authgear_cache_use_stale`: for how long after it was fresh a valid answer may still be given. 0 is not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StaleWindows {
    /// When the resolver fails.
    pub error: Millis,
    /// While it is asked again.
    pub updating: Millis,
}

/// How an answer stands at a moment, for a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    Fresh,
    Stale {
        on_error: bool,
        while_updating: bool,
    },
    /// It may not be given.
    Expired,
}

/// For how long a "none" is kept at first if it takes the place of a valid answer.
const DOUBT: Millis = 1000;

impl Stamp {
    /// The stamp of a "none" in the place of an answer that the session is valid. It may be an end, and it may be a hiccup of
    /// Authgear's database, after which it says "none" too. `since` is when the first of these in a row was asked for: each lasts as
    /// long as the doubt has, and a second at least. So a hiccup costs about as long again as it lasted, and an end few calls.
    #[must_use]
    pub fn doubted(self, since: Millis) -> Self {
        let lasts = self.asked.saturating_sub(since).max(DOUBT);
        Self { until: self.until.min(self.asked.saturating_add(lasts)), ..self }
    }

    /// The stamp of an answer that may be kept. `max_age` is the answer's own bound in seconds, `expires` the moment at which
    /// the credentials end.
    ///
    /// `None`: its bounds let nobody have it again.
    #[must_use]
    pub fn new(kind: Kind, asked: Millis, max_age: Option<u64>, expires: Option<Millis>) -> Option<Self> {
        let by_answer = max_age.map(|seconds| asked.saturating_add(seconds.saturating_mul(1000)));
        // That credentials end is a bound on what they are good for, and on nothing else.
        let by_credentials = expires.filter(|_| kind == Kind::Valid);
        let until = by_answer.into_iter().chain(by_credentials).min().unwrap_or(Millis::MAX);
        (until > asked).then_some(Self { kind, asked, until })
    }

    /// Judges the answer. One from the future is of no use: the clock it was made by isn't ours.
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
