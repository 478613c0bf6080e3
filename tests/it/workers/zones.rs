//! Reloads that change zones, add them or take them away.

use super::super::harness::{Builder, EchoReply};
use super::{CACHE, Crew, PATIENT, Request, Resolver, ZONE, answers, assert_is, assert_one_led};

/// A cached session, and a request that waits for the resolver while the configuration changes. Everything goes on: the request in
/// the old worker, and others in the new ones, which wait for the same call if they resolve.
#[track_caller]
fn reload_with_a_call_in_flight(crew: &Crew, change: impl FnOnce(Builder) -> Builder, joins: bool) {
    let request = crew.live.unique();
    let old = crew.workers();
    let mut waiting = crew.flock(&[old[0], old[1]], &request);
    crew.live.nginx.reload_with(change);
    if joins {
        waiting.extend(crew.workers().iter().map(|worker| crew.begin(*worker, &request)));
        crew.wait_for_suspended(4);
        assert_eq!(crew.resolver().in_flight(), 1);
    }
    crew.resolver().clear_faults();
    assert_one_led(&answers(waiting), &crew.live, "alice");
    crew.live.nginx.wait_for_old_workers();
}

/// What the cache says in each worker: `(reason, cache status)`.
fn cached(crew: &Crew, request: &Request) -> Vec<(String, String)> {
    let ask = |worker| {
        let answer = crew.ask(worker, request);
        assert_is(&answer, &crew.live, "alice", &super::ending(&answer).2);
        (super::ending(&answer).2, answer.header("x-cache").unwrap_or_default())
    };
    crew.workers().into_iter().map(ask).collect()
}

fn pair(reason: &str, status: &str) -> (String, String) {
    (reason.to_owned(), status.to_owned())
}

#[test]
fn a_zone_of_another_size_starts_empty_and_the_log_says_so() {
    let crew = Crew::cached(2, PATIENT);
    let request = crew.live.alice();
    assert_eq!(cached(&crew, &request), [pair("resolved", "MISS"), pair("hit", "HIT")]);
    for (from, to) in [("1m", "2m"), ("2m", "512k")] {
        let size = |size: &str| format!("zone=sessions:{size}");
        let mark = crew.live.nginx.error_mark();
        reload_with_a_call_in_flight(&crew, |builder| builder.replace(&size(from), &size(to)), true);
        let lines = crew.live.nginx.error_lines_since(mark);
        let notices: Vec<_> = lines.iter().filter(|line| line.contains("\"sessions\"")).collect();
        let [notice] = notices[..] else { panic!("one line: {notices:?}") };
        assert!(notice.contains("[notice]") && notice.contains("authgear"), "{notice}");
        assert!(notice.contains("empty") && notice.contains("size"), "{notice}");
        assert_eq!(cached(&crew, &request), [pair("resolved", "MISS"), pair("hit", "HIT")]);
    }
    // The same size again: it is kept, and there is nothing to say.
    let mark = crew.live.nginx.error_mark();
    crew.live.nginx.reload();
    assert_eq!(cached(&crew, &request), [pair("hit", "HIT"), pair("hit", "HIT")]);
    assert!(!crew.live.nginx.error_lines_since(mark).iter().any(|line| line.contains("sessions")));
    crew.finish();
}

#[test]
fn a_zone_can_be_taken_away_and_come_back() {
    let crew = Crew::cached(2, PATIENT);
    let request = crew.live.alice();
    let without = |builder: Builder| builder.replace(ZONE, "").replace(CACHE, "# no cache");
    let with = |builder: Builder| builder.replace("# no cache", CACHE).http(ZONE);
    for _ in 0..2 {
        assert_eq!(cached(&crew, &request), [pair("resolved", "MISS"), pair("hit", "HIT")]);
        reload_with_a_call_in_flight(&crew, without, true);
        assert_eq!(cached(&crew, &request), [pair("resolved", "BYPASS"), pair("resolved", "BYPASS")]);
        reload_with_a_call_in_flight(&crew, with, true);
    }
    crew.finish();
}

/// A second zone for the same requests: they have each their own sessions.
#[test]
fn a_location_can_be_moved_to_another_zone() {
    let crew = Crew::cached(2, PATIENT);
    let request = crew.live.alice();
    assert_eq!(cached(&crew, &request), [pair("resolved", "MISS"), pair("hit", "HIT")]);
    let to_second = |builder: Builder| {
        builder
            .replace("authgear_cache sessions;", "authgear_cache second;")
            .http("authgear_cache_zone zone=second:1m;")
    };
    reload_with_a_call_in_flight(&crew, to_second, true);
    assert_eq!(cached(&crew, &request), [pair("resolved", "MISS"), pair("hit", "HIT")]);
    let back = |builder: Builder| builder.replace("authgear_cache second;", "authgear_cache sessions;");
    reload_with_a_call_in_flight(&crew, back, true);
    assert_eq!(cached(&crew, &request), [pair("hit", "HIT"), pair("hit", "HIT")]);
    crew.finish();
}

#[test]
fn resolving_can_be_turned_off_and_on() {
    let crew = Crew::cached(2, PATIENT);
    let (request, url) = (crew.live.alice(), crew.resolver().url());
    let (on, off) = (format!("authgear_resolve {url};"), "authgear_resolve off ;");
    for _ in 0..2 {
        let first = cached(&crew, &request);
        assert_eq!(first[1], pair("hit", "HIT"));
        reload_with_a_call_in_flight(&crew, |builder| builder.replace(&on, off), false);
        for worker in crew.workers() {
            let answer = crew.ask(worker, &request);
            assert_eq!(super::ending(&answer), (200, "-".into(), "off".into()));
            assert_eq!(EchoReply::of(&answer).header("x-authgear-user-id"), None);
        }
        crew.live.nginx.reload_with(|builder| builder.replace(off, &on));
    }
    crew.finish();
}

/// One call for requests of locations with different zones, in different workers: its answer is kept in both.
#[test]
fn each_location_that_waited_keeps_the_answer_in_its_own_zone() {
    let lines = "location /second/ { authgear_cache second; try_files \"\" =204; }";
    let crew = Crew::cached_with(3, &format!("{PATIENT}{lines}"), "authgear_cache_zone zone=second:1m;");
    let [first, second, third] = crew.workers()[..] else { panic!("three workers") };
    for (leads, follows) in [("/", "/second/"), ("/second/", "/")] {
        let request = crew.live.unique();
        let to = |target: &str| Request { target: target.into(), ..request.clone() };
        let mut waiting = crew.flock(&[first], &to(leads));
        waiting.push(crew.begin(second, &to(follows)));
        crew.wait_for_suspended(2);
        crew.resolver().clear_faults();
        let reasons = answers(waiting).iter().map(|answer| super::ending(answer).2).collect::<Vec<_>>();
        assert_eq!(reasons, ["resolved", "coalesced"]);
        for target in [leads, follows] {
            let answer = crew.ask(third, &to(target));
            assert_eq!(
                (super::ending(&answer).2.as_str(), answer.header("x-cache").as_deref()),
                ("hit", Some("HIT"))
            );
        }
    }
    assert_eq!(crew.resolver().call_count(), 2);
    crew.finish();
}

/// What the zone holds is for one resolver.
#[test]
fn another_resolver_finds_nothing_of_the_first_ones() {
    let (crew, other) = (Crew::cached(2, ""), Resolver::start());
    let request = crew.live.alice();
    assert_eq!(cached(&crew, &request), [pair("resolved", "MISS"), pair("hit", "HIT")]);
    let url = crew.resolver().url();
    crew.live.nginx.reload_with(|builder| builder.replace(&url, &other.url()));
    assert_eq!(cached(&crew, &request), [pair("resolved", "MISS"), pair("hit", "HIT")]);
    assert_eq!((crew.resolver().call_count(), other.call_count()), (1, 1));
    crew.live.nginx.reload_with(|builder| builder.replace(&other.url(), &url));
    assert_eq!(cached(&crew, &request), [pair("hit", "HIT"), pair("hit", "HIT")]);
    crew.finish();
}

/// A configuration that nginx refuses changes nothing, whatever it says of zones.
#[test]
fn a_refused_configuration_leaves_the_cache_alone() {
    let crew = Crew::cached(2, "");
    let request = crew.live.alice();
    assert_eq!(cached(&crew, &request), [pair("resolved", "MISS"), pair("hit", "HIT")]);
    crew.live.nginx.allow_log("[emerg]");
    for (from, to) in [("sessions:1m", "sessions:1"), ("authgear_cache sessions;", "authgear_cache nowhere;")]
    {
        let workers = crew.workers();
        let refusal = crew.live.nginx.try_reload_with(|builder| builder.replace(from, to));
        refusal.expect_err("nonsense");
        assert_eq!(cached(&crew, &request), [pair("hit", "HIT"), pair("hit", "HIT")]);
        assert_eq!(crew.workers(), workers);
        // The next one is made from what was tried last.
        crew.live.nginx.reload_with(|builder| builder.replace(to, from));
        assert_eq!(cached(&crew, &request), [pair("hit", "HIT"), pair("hit", "HIT")]);
    }
    crew.finish();
}
