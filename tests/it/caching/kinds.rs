//! Each kind of answer has a time of its own: that a session is valid, that it is invalid, that there is none.

use super::super::harness::Request;
use super::super::stage::with_bearer;
use super::super::standin::Kind;
use super::{Live, MOMENT, ask, ask_counting, assert_asked, built, cached, fill, to, token_of, wait_until};

/// Requests whose answers are of each kind: valid, invalid, none.
fn kinds(live: &Live) -> [Request; 3] {
    let invalid = live.request_of("disabled", Kind::Bearer);
    [live.alice(), invalid, with_bearer("unknown")]
}

const RESULTS: [&str; 3] = ["valid", "invalid", "none"];

#[test]
fn by_default_every_kind_is_kept() {
    let live = built("", |builder| builder);
    for (request, result) in kinds(&live).iter().zip(RESULTS) {
        assert_asked(&live, request, &format!("200 {result} resolved MISS"));
        // Within 10 s, however slow the machine is.
        assert_asked(&live, request, &format!("200 {result} hit HIT"));
    }
    live.finish();
}

/// One location for each kind, in which that kind alone has this time.
fn one_at_a_time(time: &str) -> Live {
    let location =
        |kind: &&str| format!("location /{kind}/ {{ authgear_cache_valid {kind} {time}; {{pass}} }}\n");
    cached(&RESULTS.iter().map(location).collect::<String>())
}

#[test]
fn a_time_of_nothing_keeps_that_kind_out_and_no_other() {
    for time in ["0", "0s", "0ms"] {
        let live = one_at_a_time(time);
        for own in RESULTS {
            for (request, result) in kinds(&live).iter().zip(RESULTS) {
                // Different for each location: what one keeps another reads.
                let request =
                    to(&format!("/{own}/"), request.clone().header("Cookie", format!("app_session={own}")));
                let calls = if own == result { [1, 1, 1] } else { [1, 0, 0] };
                assert_eq!(calls.map(|_| ask_counting(&live, &request).1), calls, "{result} in {own}");
                // Nor did it keep what others would have read.
                let elsewhere = ask(&live, &to("/", &request));
                let expected = if own == result { "resolved MISS" } else { "hit HIT" };
                assert_eq!(elsewhere, format!("200 {result} {expected}"), "kept in {own}");
            }
        }
        live.finish();
    }
}

#[test]
fn a_time_of_nothing_reads_nothing_that_others_kept() {
    let live = one_at_a_time("0");
    for (request, result) in kinds(&live).iter().zip(RESULTS) {
        fill(&live, request);
        for _ in 0..2 {
            let (told, calls) = ask_counting(&live, &to(&format!("/{result}/"), request));
            assert!(told.starts_with(&format!("200 {result} resolved ")) && calls == 1, "{told}");
        }
        assert_asked(&live, request, &format!("200 {result} hit HIT"));
    }
    live.finish();
}

#[test]
fn each_kind_ends_by_its_own_time() {
    let live = one_at_a_time("150ms");
    let requests = kinds(&live);
    let filled = requests.each_ref().map(|request| fill(&live, request));
    wait_until(filled[2], MOMENT);
    for (request, result) in requests.iter().zip(RESULTS) {
        // First where the kind has a long time: nobody asks there.
        for own in RESULTS.into_iter().filter(|own| *own != result).chain([result]) {
            let expected = if own == result { "resolved EXPIRED" } else { "hit HIT" };
            assert_asked(&live, &to(&format!("/{own}/"), request), &format!("200 {result} {expected}"));
        }
    }
    live.finish();
}

#[test]
fn a_kind_that_is_not_named_is_that_of_valid_sessions() {
    let live = cached(
        "location /valid/ { authgear_cache_valid 0; {pass} }\n\
                       location /all/ { authgear_cache_valid valid invalid none 0; {pass} }\n\
                       location /two/ { authgear_cache_valid none valid 0; {pass} }",
    );
    let requests = kinds(&live);
    for request in &requests {
        fill(&live, request);
    }
    for (target, calls) in [("/valid/", [1, 0, 0]), ("/all/", [1, 1, 1]), ("/two/", [1, 0, 1])] {
        let found = requests.each_ref().map(|request| ask_counting(&live, &to(target, request)).1);
        assert_eq!(found, calls, "{target}");
    }
    live.finish();
}

#[test]
fn a_credential_that_becomes_good_or_bad_is_noticed_with_the_next_answer() {
    let live = cached("location /now/ { authgear_cache_valid valid invalid none 0; {pass} }");
    let accounts = live.accounts();
    let (request, token) = (token_of("bob", 7), "user:bob:7");
    assert_asked(&live, &request, "200 valid resolved MISS");
    accounts.revoke(token);
    assert_asked(&live, &request, "200 valid hit HIT");
    assert!(ask(&live, &to("/now/", &request)).starts_with("200 none resolved "));
    live.finish();
}
