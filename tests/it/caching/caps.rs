//! An answer's own bounds: what Cache-Control says of it, and when the token ends that it is for.

use std::thread;
use std::time::{Duration, Instant};

use super::super::harness::Request;
use super::super::stage::with_bearer;
use super::super::standin::Fault;
use super::{
    Live, MOMENT, SHORT, ask, ask_counting, assert_asked, cached, fill, to, token_of, wait_until,
    with_headers,
};

const CONTROL: &str = "Cache-Control";

#[test]
fn an_answer_that_says_so_is_not_kept() {
    let live = cached("");
    let cases: &[&[(&str, &str)]] = &[
        &[(CONTROL, "no-store")],
        &[(CONTROL, "no-cache")],
        &[(CONTROL, "max-age=0")],
        &[(CONTROL, "s-maxage=0")],
        &[("cache-control", "NO-Store")],
        &[("CACHE-CONTROL", "private, No-Cache")],
        &[(CONTROL, "private,no-store,max-age=600")],
        &[(CONTROL, "  max-age=600 ,\tno-store ")],
        &[(CONTROL, "Max-Age=0")],
        &[(CONTROL, "max-age=\"0\"")],
        &[(CONTROL, "max-age=600, max-age=0")],
        &[(CONTROL, "max-age=600, s-maxage=0")],
        &[(CONTROL, "s-maxage=600, max-age=0")],
        &[(CONTROL, "no-cache=\"x-authgear-user-roles\"")],
        &[(CONTROL, "max-age")],
        &[(CONTROL, "max-age=soon")],
        &[(CONTROL, "max-age=-1")],
        &[(CONTROL, "max-age=600"), (CONTROL, "no-store")],
        &[(CONTROL, "public"), (CONTROL, "max-age=0")],
        &[(CONTROL, "max-age=600"), ("Age", "600")],
        &[(CONTROL, "max-age=600"), ("Age", "99999999999999999999")],
    ];
    for (n, headers) in (0..).zip(cases) {
        // Answers of every kind.
        let invalid = token_of("disabled", n);
        let none = with_bearer(&n.to_string());
        for (request, result) in [(token_of("alice", n), "valid"), (invalid, "invalid"), (none, "none")] {
            for _ in 0..2 {
                live.resolver.push_fault(with_headers(headers));
                assert_asked(&live, &request, &format!("200 {result} resolved MISS"));
                assert_eq!(live.resolver.faults_left(), 0, "{headers:?}: a call was made");
            }
        }
    }
    live.finish();
}

#[test]
fn an_answer_that_says_nothing_against_it_is_kept() {
    let live = cached("");
    let cases: &[&[(&str, &str)]] = &[
        &[],
        &[(CONTROL, "")],
        &[(CONTROL, "private")],
        &[(CONTROL, "public, immutable")],
        &[(CONTROL, "max-age=600")],
        &[(CONTROL, "MAX-AGE=600")],
        &[(CONTROL, "max-age=99999999999999999999")],
        &[(CONTROL, "s-maxage=600, max-age=1200")],
        &[(CONTROL, "x-no-store, no-storee, not-max-age=0")],
        &[(CONTROL, "max-age=600"), ("Age", "10")],
        &[("Age", "600")],
        &[("Expires", "Thu, 01 Jan 1970 00:00:00 GMT")],
        &[("X-Cache-Control", "no-store")],
        &[("Vary", "*")],
    ];
    for (n, headers) in (0..).zip(cases) {
        live.resolver.push_fault(with_headers(headers));
        assert_asked(&live, &token_of("alice", n), "200 valid resolved MISS");
        assert_eq!(ask(&live, &token_of("alice", n)), "200 valid hit HIT", "{headers:?}");
    }
    live.finish();
}

#[test]
fn an_answer_is_kept_no_longer_than_it_says_itself() {
    let live = cached(&format!(
        "authgear_breaker off;\n\
         location /short/ {{ {SHORT} {{pass}} }}\n\
         location /stale/ {{ {SHORT} authgear_cache_use_stale error=10m updating=10m; {{pass}} }}"
    ));
    let cases: &[&[(&str, &str)]] = &[
        &[(CONTROL, "max-age=1")],
        &[(CONTROL, "max-age=600, s-maxage=1")],
        &[(CONTROL, "max-age=1"), (CONTROL, "max-age=600")],
        &[(CONTROL, "max-age=601"), ("Age", "600")],
    ];
    let fill_all = |users: &[&str]| {
        let mut last = Instant::now();
        for user in users {
            for (n, headers) in (0..).zip(cases) {
                live.resolver.push_fault(with_headers(headers));
                last = fill(&live, &token_of(user, n));
            }
        }
        last
    };
    // So quickly that the answers can still be there.
    let filled = (0..10).find_map(|_| {
        let began = Instant::now();
        let last = fill_all(&["alice", "disabled"]);
        let hits = (0..4).all(|n| ask(&live, &token_of("alice", n)) == "200 valid hit HIT");
        let was_quick = began.elapsed() < Duration::from_secs(1);
        assert!(hits || !was_quick, "they are to be kept for a second");
        (hits && was_quick).then_some(last).or_else(|| {
            wait_until(last, Duration::from_secs(1));
            None
        })
    });
    let filled = filled.expect("the machine is quick enough once in ten times");
    // A long bound doesn't make short times longer.
    live.resolver.push_fault(with_headers(&[(CONTROL, "max-age=600")]));
    let short = to("/short/", token_of("bob", 1));
    wait_until(fill(&live, &short), MOMENT);
    assert_asked(&live, &short, "200 valid resolved EXPIRED");
    wait_until(filled, Duration::from_secs(1));
    live.resolver.set_fault(Some(Fault::Status(503)));
    for n in 0..4 {
        // Past its own bound it is no stale answer either.
        assert_asked(&live, &to("/stale/", token_of("alice", n)), "502 error status EXPIRED");
        assert_asked(&live, &token_of("alice", n), "502 error status EXPIRED");
    }
    live.resolver.clear_faults();
    for n in 0..4 {
        assert_asked(&live, &token_of("disabled", n), "200 invalid resolved EXPIRED");
    }
    live.finish();
}

/// Seconds since 1970, with their fraction.
fn unix(live: &Live) -> Duration {
    live.accounts().now()
}

fn jwt(live: &Live, exp: u64) -> String {
    live.accounts().jwt("alice", &live.resolver.url(), exp)
}

fn cookie(line: &str) -> Request {
    Request::get("/").header("Cookie", line)
}

/// Early in a second, so that what is done at once is done in that second. Returns the second.
fn at_the_start_of_a_second(live: &Live) -> u64 {
    let now = unix(live);
    let next = now.as_secs() + 1;
    thread::sleep(Duration::from_secs(next).saturating_sub(now));
    next
}

#[test]
fn the_answer_for_a_token_ends_with_the_token() {
    let live = cached(
        "authgear_breaker off;\n\
         location /stale/ { authgear_cache_valid 1ms; authgear_cache_use_stale error=10m updating=10m; {pass} }",
    );
    let far = jwt(&live, unix(&live).as_secs() + 100_000);
    let filled = (0..10).find_map(|n| {
        let exp = at_the_start_of_a_second(&live) + 1;
        let near = jwt(&live, exp);
        let session = live.accounts().wildcard("alice", super::Kind::AppSession, n);
        let requests = [
            with_bearer(&near),
            cookie(&format!("app_access_token={near}")),
            cookie(&format!("app_access_token=\"{near}\"")),
            cookie(&format!("other=1; app_session={session}; app_access_token={near}")),
            with_bearer(&far).header("Cookie", format!("app_access_token={near}")),
            with_bearer(&near).header("Cookie", format!("app_access_token={far}")),
        ];
        for request in &requests {
            fill(&live, request);
        }
        let told: Vec<_> = requests.iter().map(|request| ask(&live, request)).collect();
        let was_quick = unix(&live) < Duration::from_secs(exp);
        assert!(!was_quick || told.iter().all(|told| told == "200 valid hit HIT"), "{told:?}");
        was_quick.then_some((exp, requests))
    });
    let (exp, requests) = filled.expect("the machine is quick enough once in ten times");
    fill(&live, &with_bearer(&far));
    thread::sleep(Duration::from_secs(exp).saturating_sub(unix(&live)));
    live.resolver.set_fault(Some(Fault::Status(503)));
    for request in &requests {
        assert_asked(&live, &to("/stale/", request), "502 error status EXPIRED");
        assert_asked(&live, request, "502 error status EXPIRED");
    }
    assert_asked(&live, &with_bearer(&far), "200 valid hit HIT");
    live.finish();
}

#[test]
fn a_token_asked_for_late_in_a_second_ends_no_later_than_others() {
    let live = cached("");
    for _ in 0..3 {
        let now = unix(&live);
        let exp = now.as_secs() + 1;
        // The token has a fifth of a second left.
        thread::sleep(Duration::from_millis(exp * 1000 - 200).saturating_sub(now));
        let request = with_bearer(&jwt(&live, exp));
        let first = ask(&live, &request);
        thread::sleep(Duration::from_millis(exp * 1000 + 10).saturating_sub(unix(&live)));
        let (second, calls) = ask_counting(&live, &request);
        assert_eq!(calls, 1, "the token has ended: {first}, then {second}");
    }
    live.finish();
}
