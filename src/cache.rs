//! The session cache: what a worker has decoded itself (L1), before the zone that all workers share (L2).

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

/// The zone. It may be out of reach for a moment: then nothing is found in it, and nothing is kept.
pub trait Shared {
    fn get(&self, key: &CacheKey) -> Option<(Stamp, Resolution)>;
    fn put(&self, key: &CacheKey, fill: &Fill<'_>, resolution: &Resolution) -> Stays;
    /// Makes a valid entry of this key void if it was asked for at this moment or before.
    fn void(&self, key: &CacheKey, asked: Millis);
    /// The entry of this key was of use, though it wasn't read.
    fn touch(&self, key: &CacheKey);
    /// Answers that were asked for at this moment or before are void.
    fn epoch(&self) -> Millis;
}

/// What is known of an answer that is to be kept.
#[derive(Clone, Copy, Debug)]
pub struct Fill<'a> {
    pub stamp: Stamp,
    /// Whose session it is: a hash, of no meaning for other kinds.
    pub user: u64,
    pub now: Millis,
    /// The times of the location that keeps it.
    pub times: &'a Times,
    pub windows: &'a StaleWindows,
}

/// The zone is told of an entry that is in use this often at most, in milliseconds: hits of a worker's own don't reach it, and
/// what is used all the time is not to be the first that goes.
const TOUCH_EVERY: Millis = 100;

/// What is found for a key.
pub enum Found {
    Fresh(Arc<Outcome>),
    Stale {
        outcome: Arc<Outcome>,
        on_error: bool,
        while_updating: bool,
    },
    /// An answer that may not be given any more.
    Expired,
    Missing,
}

/// Which answer stays in the zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stays {
    /// The one that was there, which was asked for later.
    Old,
    /// The new one, with this stamp: the zone may keep it for less long than it was given for.
    New(Stamp),
}

/// Of the entries that are found in the zone alone a worker remembers one in so many: those that come again and again soon are among
/// them, while a million that don't leave its own cache as it is.
const REMEMBER_ONE_IN: u32 = 8;

pub struct Cache<S> {
    local: Local,
    shared: S,
    /// Counts what was found in the zone alone.
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

    /// Looks for an answer, by the times of the location that wants it.
    pub fn look_up(&self, key: &CacheKey, now: Millis, times: &Times, windows: &StaleWindows) -> Found {
        let is_void = |stamp: &Stamp| stamp.asked <= self.shared.epoch();
        let judge = |stamp: &Stamp| stamp.judge(now, times, windows);
        let local = self.local.get(key).filter(|entry| !is_void(&entry.stamp));
        if let Some(entry) = local.as_ref().filter(|entry| judge(&entry.stamp) == Age::Fresh) {
            self.tell_of_use(key, entry, now);
            return Found::Fresh(Arc::clone(&entry.outcome));
        }
        // For anything else the zone has to have it. Other workers may have replaced it there by one that has gone since then, so
        // what this worker remembers says nothing, except that an answer from before it is outdated.
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

    /// Keeps an answer, unless the location's time for its kind is 0, its own bounds forbid it, or its call was sent before the
    /// zone's epoch.
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

    /// Whether there is an answer that differs from this one.
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

    /// There is a later answer, asked for at this moment, which is not kept: a valid one from before may not be given any more,
    /// stale least of all.
    pub fn contradict(&self, key: &CacheKey, asked: Millis) {
        self.shared.void(key, asked);
        let is_valid = |entry: &Entry| entry.stamp.kind == Kind::Valid && entry.stamp.asked <= asked;
        if let Some(mut entry) = self.local.get(key).filter(is_valid) {
            entry.stamp = Stamp { asked, until: asked, ..entry.stamp };
            self.local.insert(*key, entry);
        }
    }
}

/// What the resolver sets for one client is not for others.
fn without_cookies(outcome: &Arc<Outcome>) -> Arc<Outcome> {
    match outcome.as_ref() {
        Ok(answer) if !answer.set_cookies.is_empty() => {
            Arc::new(Ok(Answer { set_cookies: Vec::new(), ..answer.clone() }))
        }
        _ => Arc::clone(outcome),
    }
}

/// The stamp of an outcome, if it says what the credentials are worth: errors and refusals don't. `asked` is when the call was sent,
/// `expires` when the credentials end. One that by its own bounds nobody may have again ends where it begins; it still makes
/// those from before void.
///
/// Where the `session` cookie is presented Authgear owes a "false": a "none" is a hiccup of its database, and says nothing.
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
