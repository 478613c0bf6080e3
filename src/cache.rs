//! The session cache: a per-worker cache of decoded answers (L1) in front of the zone shared by all workers (L2).

mod entry;
mod local;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cache_key::CacheKey;
use crate::credentials::{Kind as Credential, Kinds};
use crate::freshness::{Age, Kind, Millis, StaleWindows, Stamp, Times};
use crate::resolver::Outcome;
use crate::session::Resolution;
use crate::session::answer::Answer;
use entry::{Entry, resolution};
use local::Local;

/// The zone. It may be temporarily unavailable: lookups then find nothing, and writes are dropped.
pub trait Shared {
    fn get(&self, key: &CacheKey) -> Option<(Stamp, Resolution)>;
    fn put(&self, key: &CacheKey, fill: &Fill<'_>, resolution: &Resolution) -> Stays;
    /// Invalidates a valid entry for this key if its call was sent at or before this time.
    fn void(&self, key: &CacheKey, asked: Millis);
    /// Marks the entry for this key as recently used without reading it.
    fn touch(&self, key: &CacheKey);
    /// Answers whose calls were sent at or before this time are void.
    fn epoch(&self) -> Millis;
}

/// An answer to store, apart from its content.
#[derive(Clone, Copy, Debug)]
pub struct Fill<'a> {
    pub stamp: Stamp,
    /// A hash that identifies the session's user. Meaningless for kinds other than valid.
    pub user: u64,
    pub now: Millis,
    /// The cache times of the location that stores the answer.
    pub times: &'a Times,
    pub windows: &'a StaleWindows,
}

/// The minimum interval in milliseconds between touches of the zone's entry. Hits in a worker's own cache don't reach the
/// zone, so without touches the most used entries could be the first to be evicted.
const TOUCH_EVERY: Millis = 100;

/// The result of a lookup.
pub enum Found {
    Fresh(Arc<Outcome>),
    Stale {
        outcome: Arc<Outcome>,
        on_error: bool,
        while_updating: bool,
    },
    /// There is an answer, but it may no longer be used.
    Expired,
    Missing,
}

/// Which answer the zone keeps after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stays {
    /// The existing one, whose call was sent later.
    Old,
    /// The new one, with this stamp: the zone may keep it for a shorter time than requested.
    New(Stamp),
}

/// A worker copies only one in this many entries that it finds only in the zone into its own cache. Frequently used entries
/// are soon copied, while a million entries that are used once don't displace what it holds.
const REMEMBER_ONE_IN: u32 = 8;

pub struct Cache<S> {
    local: Local,
    shared: S,
    /// Counts the entries found only in the zone.
    found: Cell<u32>,
}

impl<S: Shared> Cache<S> {
    pub fn new(shared: S) -> Self {
        Self { local: Local::default(), shared, found: Cell::new(0) }
    }

    /// The zone.
    #[must_use]
    pub fn shared(&self) -> &S {
        &self.shared
    }

    /// Looks up an answer, using the times of the requesting location.
    pub fn look_up(&self, key: &CacheKey, now: Millis, times: &Times, windows: &StaleWindows) -> Found {
        let is_void = |stamp: &Stamp| stamp.asked <= self.shared.epoch();
        let judge = |stamp: &Stamp| stamp.judge(now, times, windows);
        let local = self.local.get(key).filter(|entry| !is_void(&entry.stamp));
        if let Some(entry) = local.as_ref().filter(|entry| judge(&entry.stamp) == Age::Fresh) {
            self.tell_of_use(key, entry, now);
            return Found::Fresh(Arc::clone(&entry.outcome));
        }
        // Everything else requires an entry in the zone. Another worker may have stored a later answer there that has since
        // been evicted, so a local entry alone proves nothing, except that answers older than it are outdated.
        let Some((stamp, resolution)) = self.shared.get(key).filter(|(stamp, _)| !is_void(stamp)) else {
            return Found::Missing;
        };
        let remembered = local.map(|entry| entry.stamp.asked);
        if remembered > Some(stamp.asked) {
            return Found::Expired;
        }
        let entry = Entry::new(stamp, resolution, now);
        let age = judge(&stamp);
        let is_outdated = remembered.is_some_and(|asked| asked < stamp.asked);
        if is_outdated || age == Age::Fresh && self.is_to_be_remembered() {
            self.local.insert(*key, entry.clone());
        }
        let outcome = entry.outcome;
        match age {
            Age::Fresh => Found::Fresh(outcome),
            Age::Stale { on_error, while_updating } => Found::Stale { outcome, on_error, while_updating },
            Age::Expired => Found::Expired,
        }
    }

    fn tell_of_use(&self, key: &CacheKey, entry: &Entry, now: Millis) {
        if entry.touched.load(Ordering::Relaxed).saturating_add(TOUCH_EVERY) <= now {
            entry.touched.store(now, Ordering::Relaxed);
            self.shared.touch(key);
        }
    }

    fn is_to_be_remembered(&self) -> bool {
        self.found.set(self.found.get().wrapping_add(1));
        self.found.get().is_multiple_of(REMEMBER_ONE_IN)
    }

    /// Stores an answer, unless the location's time for its kind is 0, the answer's own limits forbid it, or its call was
    /// sent at or before the zone's epoch.
    pub fn fill(&self, key: &CacheKey, fill: &Fill<'_>, outcome: &Arc<Outcome>) {
        let Stamp { kind, asked, until } = fill.stamp;
        let Some(resolution) = resolution(outcome) else { return };
        if asked <= self.shared.epoch() {
            return;
        }
        let may_be_kept = until > asked;
        let is_wanted = fill.times.of(kind) > 0;
        if may_be_kept && is_wanted {
            self.keep(key, fill, resolution, outcome);
        } else if kind != Kind::Valid || !may_be_kept || self.says_else(key, resolution) {
            self.contradict(key, asked);
        }
    }

    /// Whether a stored answer differs from this one.
    fn says_else(&self, key: &CacheKey, resolution: &Resolution) -> bool {
        let local = self.local.get(key);
        let local = local.as_ref().and_then(|entry| entry::resolution(&entry.outcome));
        local.is_some_and(|kept| kept != resolution)
            || self.shared.get(key).is_some_and(|(_, kept)| kept != *resolution)
    }

    fn keep(&self, key: &CacheKey, fill: &Fill<'_>, resolution: &Resolution, outcome: &Arc<Outcome>) {
        let Stays::New(stamp) = self.shared.put(key, fill, resolution) else { return };
        if self.local.get(key).is_none_or(|kept| kept.stamp.asked <= stamp.asked) {
            let touched = Arc::new(AtomicU64::new(fill.now));
            self.local.insert(*key, Entry { stamp, outcome: without_cookies(outcome), touched });
        }
    }

    /// Handles a later answer, whose call was sent at `asked`, that isn't stored: earlier valid answers may no longer be
    /// used, in particular not as stale ones.
    pub fn contradict(&self, key: &CacheKey, asked: Millis) {
        self.shared.void(key, asked);
        let is_valid = |entry: &Entry| entry.stamp.kind == Kind::Valid && entry.stamp.asked <= asked;
        if let Some(mut entry) = self.local.get(key).filter(is_valid) {
            entry.stamp = Stamp { asked, until: asked, ..entry.stamp };
            self.local.insert(*key, entry);
        }
    }
}

/// Cookies that the resolver sets for one client must not be sent to others.
fn without_cookies(outcome: &Arc<Outcome>) -> Arc<Outcome> {
    match outcome.as_ref() {
        Ok(answer) if !answer.set_cookies.is_empty() => {
            Arc::new(Ok(Answer { set_cookies: Vec::new(), ..answer.clone() }))
        }
        _ => Arc::clone(outcome),
    }
}

/// The stamp of an outcome that says something about the credentials; errors and refusals don't. `asked` is when the call was
/// sent, `expires` when the credentials expire. If the answer may not be reused, `until == asked`: it is never served, but
/// still invalidates older entries.
///
/// If the `session` cookie is present, Authgear should answer invalid rather than none. A "none" then indicates a temporary
/// database failure, and says nothing about the credentials.
#[must_use]
pub fn stamp(outcome: &Outcome, kinds: Kinds, asked: Millis, expires: Option<Millis>) -> Option<Stamp> {
    let answer = outcome.as_ref().ok()?;
    let kind = match resolution(outcome)? {
        Resolution::Valid(_) => Kind::Valid,
        Resolution::Invalid(_) => Kind::Invalid,
        Resolution::None if kinds.contains(Credential::Session) => return None,
        Resolution::None => Kind::None,
    };
    Some(Stamp::new(kind, asked, answer.max_age, expires).unwrap_or(Stamp { kind, asked, until: asked }))
}

#[cfg(test)]
mod tests;
