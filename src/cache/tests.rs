use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use http::{HeaderMap, HeaderValue};

use super::*;
use crate::cache_key::{KeyMaker, ResolverId, Secret};
use crate::credentials::{Credentials, Presented, present};
use crate::resolver::error::ResolveError;
use crate::session::answer::Finding;
use crate::session::answer::{self, Refusal};

const TIMES: Times = Times { valid: 100, invalid: 50, none: 50 };
const WINDOWS: StaleWindows = StaleWindows { error: 30, updating: 10 };

/// A zone shared by all workers of a test.
#[derive(Default)]
struct Zone {
    entries: RefCell<HashMap<CacheKey, (Stamp, Resolution)>>,
    epoch: Cell<Millis>,
    looked: Cell<u32>,
    touched: Cell<u32>,
}

impl Shared for &Zone {
    fn get(&self, key: &CacheKey) -> Option<(Stamp, Resolution)> {
        self.looked.set(self.looked.get() + 1);
        self.entries.borrow().get(key).cloned()
    }

    fn put(&self, key: &CacheKey, fill: &Fill<'_>, resolution: &Resolution) -> Stays {
        let mut entries = self.entries.borrow_mut();
        if entries.get(key).is_some_and(|(kept, _)| kept.asked > fill.stamp.asked) {
            return Stays::Old;
        }
        let stamp = match entries.get(key) {
            Some((kept, _)) if kept.kind == Kind::Valid && fill.stamp.kind == Kind::None => {
                fill.stamp.doubted(fill.stamp.asked)
            }
            _ => fill.stamp,
        };
        entries.insert(*key, (stamp, resolution.clone()));
        Stays::New(stamp)
    }

    fn void(&self, key: &CacheKey, asked: Millis) {
        if let Some((stamp, _)) = self
            .entries
            .borrow_mut()
            .get_mut(key)
            .filter(|(stamp, _)| stamp.kind == Kind::Valid && stamp.asked <= asked)
        {
            *stamp = Stamp { asked, until: asked, ..*stamp };
        }
    }

    fn touch(&self, _: &CacheKey) {
        self.touched.set(self.touched.get() + 1);
    }

    fn epoch(&self) -> Millis {
        self.epoch.get()
    }
}

fn credentials(header: &str, value: &str) -> Credentials {
    let Presented::Credentials(found) = present([(header.as_bytes(), value.as_bytes())], b"") else {
        panic!("no credentials")
    };
    found
}

fn key() -> CacheKey {
    let credentials = credentials("authorization", "Bearer x");
    KeyMaker::new(&Secret::new([0; 32]), &ResolverId::digest(&[])).key(&credentials)
}

fn answered(valid: Option<bool>, user: &'static str) -> Arc<Outcome> {
    let mut headers = HeaderMap::new();
    if let Some(valid) = valid {
        headers.insert(
            "x-authgear-session-valid",
            HeaderValue::from_static(if valid { "true" } else { "false" }),
        );
        if valid {
            headers.insert("x-authgear-user-id", HeaderValue::from_static(user));
        }
    }
    Arc::new(answer::read(200, &headers, false).map_err(ResolveError::from))
}

fn fill(cache: &Cache<&Zone>, asked: Millis, outcome: &Arc<Outcome>) {
    let stamp = stamp(outcome, Kinds::default(), asked, None).expect("an answer to keep");
    cache.fill(&key(), &Fill { stamp, user: 1, now: asked, times: &TIMES, windows: &WINDOWS }, outcome);
}

fn user(found: &Found) -> Option<(String, &'static str)> {
    let (outcome, how) = match found {
        Found::Fresh(outcome) => (outcome, "fresh"),
        Found::Stale { outcome, on_error: true, while_updating: true } => (outcome, "stale"),
        Found::Stale { outcome, on_error: true, while_updating: false } => (outcome, "stale on error"),
        Found::Stale { .. } | Found::Expired | Found::Missing => return None,
    };
    let headers = resolution(outcome)?.identity_headers()?;
    Some((String::from_utf8_lossy(headers.get("x-authgear-user-id")?).into_owned(), how))
}

fn look(cache: &Cache<&Zone>, now: Millis) -> Option<(String, &'static str)> {
    user(&cache.look_up(&key(), now, &TIMES, &WINDOWS))
}

fn alice(how: &'static str) -> Option<(String, &'static str)> {
    Some(("alice".into(), how))
}

#[test]
fn what_is_kept_is_found_by_every_worker_until_its_time_is_up() {
    let zone = Zone::default();
    let (one, other) = (Cache::new(&zone), Cache::new(&zone));
    assert!(matches!(one.look_up(&key(), 1000, &TIMES, &WINDOWS), Found::Missing));
    fill(&one, 1000, &answered(Some(true), "alice"));
    for cache in [&one, &other] {
        for (now, expected) in [
            (1000, alice("fresh")),
            (1099, alice("fresh")),
            (1100, alice("stale")),
            (1110, alice("stale on error")),
            (1130, None),
            (999, None),
        ] {
            assert_eq!(look(cache, now), expected, "{now}");
        }
    }
}

#[test]
fn a_worker_remembers_what_stays_fresh() {
    let zone = Zone::default();
    let (one, other) = (Cache::new(&zone), Cache::new(&zone));
    fill(&one, 1000, &answered(Some(true), "alice"));
    for _ in 0..50 {
        assert_eq!(look(&one, 1010), alice("fresh"));
    }
    assert_eq!(zone.looked.get(), 0);
    // An entry stored by another worker is copied after a few hits.
    for _ in 0..50 {
        assert_eq!(look(&other, 1010), alice("fresh"));
    }
    assert_eq!(zone.looked.get(), REMEMBER_ONE_IN);
}

#[test]
fn another_workers_later_answer_is_found_when_ones_own_is_no_longer_fresh() {
    let zone = Zone::default();
    let (one, other) = (Cache::new(&zone), Cache::new(&zone));
    fill(&one, 1000, &answered(Some(true), "alice"));
    fill(&other, 1090, &answered(Some(true), "bob"));
    assert_eq!(look(&one, 1099), alice("fresh"));
    assert_eq!(look(&one, 1100), Some(("bob".into(), "fresh")));
    assert_eq!(look(&one, 1189), Some(("bob".into(), "fresh")));
}

#[test]
fn a_location_judges_by_its_own_times() {
    let zone = Zone::default();
    let cache = Cache::new(&zone);
    fill(&cache, 1000, &answered(Some(true), "alice"));
    let short = Times { valid: 5, ..TIMES };
    assert!(matches!(cache.look_up(&key(), 1005, &short, &StaleWindows::default()), Found::Expired));
    let never = Times { valid: 0, ..TIMES };
    assert!(matches!(cache.look_up(&key(), 1000, &never, &WINDOWS), Found::Expired));
    assert_eq!(look(&cache, 1005), alice("fresh"));
    // A location that doesn't use answers of a kind doesn't store them either.
    let other = Zone::default();
    let cache = Cache::new(&other);
    let outcome = answered(Some(true), "alice");
    let stamp = stamp(&outcome, Kinds::default(), 1000, None).unwrap();
    cache.fill(&key(), &Fill { stamp, user: 1, now: 1000, times: &never, windows: &WINDOWS }, &outcome);
    assert!(other.entries.borrow().is_empty() && look(&cache, 1000).is_none());
}

#[test]
fn an_epoch_makes_all_before_it_void() {
    let zone = Zone::default();
    let (one, other) = (Cache::new(&zone), Cache::new(&zone));
    fill(&one, 1000, &answered(Some(true), "alice"));
    for _ in 0..REMEMBER_ONE_IN {
        assert_eq!(look(&other, 1001), alice("fresh"));
    }
    zone.epoch.set(1000);
    assert_eq!((look(&one, 1001), look(&other, 1001)), (None, None));
    // The call was sent before the epoch.
    fill(&one, 1000, &answered(Some(true), "alice"));
    assert_eq!(look(&one, 1001), None);
    fill(&one, 1001, &answered(Some(true), "bob"));
    assert_eq!(look(&other, 1002), Some(("bob".into(), "fresh")));
}

#[test]
fn an_earlier_answer_does_not_replace_a_later_one() {
    let zone = Zone::default();
    let cache = Cache::new(&zone);
    fill(&cache, 1010, &answered(Some(true), "bob"));
    fill(&cache, 1000, &answered(Some(true), "alice"));
    assert_eq!(look(&cache, 1011), Some(("bob".into(), "fresh")));
}

#[test]
fn only_resolutions_are_kept() {
    let none = Kinds::default();
    let refusal = Finding::Refused(Refusal { status: 401, challenges: Vec::new() });
    let refused = Ok(Answer { finding: refusal, max_age: None, set_cookies: Vec::new() });
    assert_eq!(stamp(&refused, none, 5, None), None);
    assert_eq!(stamp(&Err(ResolveError::Timeout), none, 5, None), None);
    let kind = |valid| stamp(&answered(valid, "alice"), none, 5, None).map(|stamp| stamp.kind);
    let kinds = [Some(true), Some(false), None].map(kind);
    assert_eq!(kinds, [Some(Kind::Valid), Some(Kind::Invalid), Some(Kind::None)]);
}

#[test]
fn none_beside_a_session_cookie_is_not_kept() {
    for (cookie, is_kept) in
        [("session=x", false), ("session=x; app_session=y", false), ("app_session=y", true)]
    {
        let kinds = credentials("cookie", cookie).kinds();
        assert_eq!(stamp(&answered(None, ""), kinds, 5, None).is_some(), is_kept, "{cookie}");
        assert!(stamp(&answered(Some(false), ""), kinds, 5, None).is_some());
    }
}

#[test]
fn the_zone_hears_of_hits_now_and_then() {
    let zone = Zone::default();
    let cache = Cache::new(&zone);
    fill(&cache, 1000, &answered(Some(true), "alice"));
    let long = Times { valid: 10_000, ..TIMES };
    for now in 1000..1400 {
        assert!(matches!(cache.look_up(&key(), now, &long, &WINDOWS), Found::Fresh(_)));
    }
    assert_eq!((zone.looked.get(), zone.touched.get()), (0, 3));
}

#[test]
fn an_answer_that_is_not_kept_makes_those_before_it_void() {
    let zone = Zone::default();
    let (one, other) = (Cache::new(&zone), Cache::new(&zone));
    let invalid = answered(Some(false), "");
    let never = Times { invalid: 0, ..TIMES };
    let contradict = |asked| {
        let stamp = stamp(&invalid, Kinds::default(), asked, None).unwrap();
        let fill = Fill { stamp, user: 0, now: asked, times: &never, windows: &WINDOWS };
        one.fill(&key(), &fill, &invalid);
    };
    fill(&one, 1000, &answered(Some(true), "alice"));
    // Enough hits for the entry to be copied.
    for _ in 0..REMEMBER_ONE_IN {
        assert_eq!(look(&other, 1000), alice("fresh"));
    }
    contradict(999);
    assert_eq!((look(&one, 1001), look(&other, 1001)), (alice("fresh"), alice("fresh")));
    contradict(1050);
    assert_eq!(look(&one, 1051), None);
    // Another worker's copy stays fresh for its normal time, but is not used as a stale answer.
    assert_eq!((look(&other, 1099), look(&other, 1100)), (alice("fresh"), None));
    fill(&one, 1110, &answered(Some(true), "alice"));
    assert_eq!((look(&one, 1111), look(&other, 1111)), (alice("fresh"), alice("fresh")));
}

#[test]
fn a_valid_answer_that_is_not_kept_makes_those_before_it_void_that_say_something_else() {
    let zone = Zone::default();
    let cache = Cache::new(&zone);
    let never = Times { valid: 0, ..TIMES };
    let tell = |asked, outcome: &Arc<Outcome>| {
        let stamp = stamp(outcome, Kinds::default(), asked, None).expect("an answer to keep");
        cache.fill(&key(), &Fill { stamp, user: 1, now: asked, times: &never, windows: &WINDOWS }, outcome);
    };
    fill(&cache, 1_000, &answered(Some(true), "alice"));
    tell(1_010, &answered(Some(true), "alice"));
    assert_eq!(look(&cache, 1_020), alice("fresh"));
    tell(990, &answered(Some(true), "bob"));
    assert_eq!(look(&cache, 1_020), alice("fresh"), "it is the later one");
    tell(1_010, &answered(Some(true), "bob"));
    assert_eq!(look(&cache, 1_020), None);
    assert_eq!(look(&Cache::new(&zone), 1_020), None);
}

#[test]
fn an_answer_that_forbids_it_is_not_kept_and_makes_those_before_it_void() {
    let zone = Zone::default();
    let cache = Cache::new(&zone);
    fill(&cache, 1000, &answered(Some(true), "alice"));
    let mut no_store = (*answered(Some(true), "bob")).clone().unwrap();
    no_store.max_age = Some(0);
    fill(&cache, 1010, &Arc::new(Ok(no_store)));
    assert_eq!(look(&cache, 1011), None);
    fill(&cache, 1020, &answered(Some(true), "alice"));
    assert_eq!(look(&cache, 1021), alice("fresh"));
}

#[test]
fn a_worker_does_not_keep_for_itself_what_is_older_than_the_zones() {
    let zone = Zone::default();
    let (one, other) = (Cache::new(&zone), Cache::new(&zone));
    fill(&other, 1010, &answered(Some(false), ""));
    fill(&one, 1000, &answered(Some(true), "alice"));
    assert!(matches!(one.look_up(&key(), 1011, &TIMES, &WINDOWS), Found::Fresh(_)));
    assert_eq!(look(&one, 1011), None);
    // Nor does it return to its own earlier answer after the zone's entry is gone.
    let zone = Zone::default();
    let (one, other) = (Cache::new(&zone), Cache::new(&zone));
    fill(&one, 1000, &answered(Some(true), "alice"));
    fill(&other, 1040, &answered(Some(false), ""));
    assert!(matches!(one.look_up(&key(), 1100, &TIMES, &WINDOWS), Found::Expired));
    zone.entries.borrow_mut().clear();
    assert!(matches!(one.look_up(&key(), 1101, &TIMES, &WINDOWS), Found::Missing));
}

#[test]
fn what_a_worker_remembers_is_given_only_while_it_is_fresh() {
    for (now, expected) in [(1099, alice("fresh")), (1100, None), (1129, None)] {
        // Another worker stored a later answer in the zone, and that answer was evicted.
        let zone = Zone::default();
        let (one, other) = (Cache::new(&zone), Cache::new(&zone));
        fill(&one, 1000, &answered(Some(true), "alice"));
        fill(&other, 1010, &answered(Some(false), ""));
        zone.entries.borrow_mut().clear();
        assert_eq!(look(&one, now), expected, "{now}");
    }
}

#[test]
fn the_zone_has_nothing_older_to_give_than_a_worker_remembers() {
    let zone = Zone::default();
    let cache = Cache::new(&zone);
    fill(&cache, 1050, &answered(Some(false), ""));
    // The zone was unavailable during that write and still contains the earlier answer.
    let outcome = answered(Some(true), "alice");
    let stamp = stamp(&outcome, Kinds::default(), 1000, None).unwrap();
    zone.entries.borrow_mut().insert(key(), (stamp, resolution(&outcome).unwrap().clone()));
    assert!(matches!(cache.look_up(&key(), 1099, &TIMES, &WINDOWS), Found::Fresh(_)));
    assert!(matches!(cache.look_up(&key(), 1101, &TIMES, &WINDOWS), Found::Expired));
}

#[test]
fn a_worker_remembers_a_none_in_doubt_for_no_longer_than_the_zone() {
    let zone = Zone::default();
    let cache = Cache::new(&zone);
    let long = Times { valid: 60_000, invalid: 60_000, none: 60_000 };
    fill(&cache, 1000, &answered(Some(true), "alice"));
    fill(&cache, 2000, &answered(None, ""));
    let looked = zone.looked.get();
    assert!(matches!(cache.look_up(&key(), 2999, &long, &WINDOWS), Found::Fresh(_)));
    assert_eq!(zone.looked.get(), looked, "it remembers that");
    assert!(matches!(cache.look_up(&key(), 3000, &long, &WINDOWS), Found::Expired));
    fill(&cache, 3001, &answered(None, ""));
    assert!(
        matches!(cache.look_up(&key(), 9000, &long, &WINDOWS), Found::Fresh(_)),
        "nothing valid was there"
    );
}

#[test]
fn what_is_set_for_one_client_is_not_kept_for_others() {
    let zone = Zone::default();
    let cache = Cache::new(&zone);
    let mut answer = (*answered(Some(false), "")).clone().unwrap();
    answer.set_cookies.push(b"session=".to_vec());
    fill(&cache, 1000, &Arc::new(Ok(answer)));
    let Found::Fresh(kept) = cache.look_up(&key(), 1001, &TIMES, &WINDOWS) else { panic!("it is not kept") };
    assert!(kept.as_ref().as_ref().unwrap().set_cookies.is_empty());
}
