//! Internal redirects between locations that cache differently: each location's own rules hold, the identity headers are there
//! once, and an answer of the request's own takes no other call.

use super::super::harness::{for_each_wire, send};
use super::super::stage::{identity, identity_of};
use super::super::standin::Fault;
use super::{
    Live, MOMENT, SHORT, ask, ask_counting, assert_asked, cached, fill, to, token_of, told, wait_until,
};

/// Where requests begin, each way of getting on to `/end/...`, and where they end. `index` is a folder's.
fn live() -> Live {
    let kinds = [
        ("cached", String::new()),
        ("off", "authgear_cache off;".to_owned()),
        ("other", "authgear_cache others;".to_owned()),
        ("short", SHORT.to_owned()),
        ("stale", format!("{SHORT} authgear_cache_use_stale error=10m;")),
        ("unresolved", "authgear_resolve off;".to_owned()),
    ];
    let mut lines = "authgear_breaker off;\nproxy_ignore_headers X-Accel-Redirect;\n".to_owned();
    for (start, rules) in &kinds {
        for (end, _) in &kinds {
            lines.push_str(&format!(
                "location /{start}-{end}/ {{ {rules} try_files /missing /end/{end}/; }}\n"
            ));
            lines.push_str(&format!(
                "location /{start}-named-{end}/ {{ {rules} try_files /missing @{end}; }}\n"
            ));
        }
        lines.push_str(&format!("location /end/{start}/ {{ {rules} {{pass}} }}\n"));
        lines.push_str(&format!("location @{start} {{ {rules} {{pass}} }}\n"));
    }
    cached(&lines)
}

/// The two ways from one kind of location to another.
fn ways(start: &str, end: &str) -> [String; 2] {
    [format!("/{start}-{end}/"), format!("/{start}-named-{end}/")]
}

/// Answers for that many of alice's credentials, all too old for the short times.
fn fill_all(live: &Live, count: usize) {
    let last = (0..).take(count).map(|n| fill(live, &token_of("alice", n))).last();
    wait_until(last.expect("at least one"), MOMENT);
}

const RESOLVING: [&str; 5] = ["cached", "off", "other", "short", "stale"];

#[test]
fn a_request_s_own_answer_takes_no_other_call_and_arrives_once() {
    let live = live();
    let mut n = 0;
    for_each_wire(|wire| {
        for start in RESOLVING {
            for end in RESOLVING.into_iter().chain(["unresolved"]) {
                for way in ways(start, end) {
                    n += 1;
                    live.echo.clear();
                    let response = send(&live.nginx, wire, to(&way, token_of("alice", n)));
                    let seen = live.echo.requests();
                    assert_eq!((response.status, seen.len()), (200, 1), "{way}");
                    assert_eq!(identity(&seen[0]), identity_of("alice"), "{way}");
                    assert_eq!(live.resolver.call_count(), n, "{way}");
                }
            }
        }
    });
    live.finish();
}

#[test]
fn a_hit_is_one_in_each_location_of_the_same_rules() {
    let live = live();
    fill(&live, &live.alice());
    for way in ways("cached", "cached") {
        for wire in [super::Wire::Http1, super::Wire::Http2] {
            live.echo.clear();
            assert_eq!(told(&send(&live.nginx, wire, to(&way, live.alice()))), "200 valid hit HIT");
            assert_eq!(identity(&live.echo.last().expect("passed")), identity_of("alice"));
        }
    }
    assert_eq!(live.resolver.call_count(), 1);
    live.finish();
}

#[test]
fn a_hit_is_none_where_the_rules_are_others() {
    let live = live();
    let cases: Vec<_> = [
        ("off", "200 valid resolved BYPASS"),
        ("other", "200 valid resolved MISS"),
        ("short", "200 valid resolved EXPIRED"),
        ("stale", "200 valid resolved EXPIRED"),
    ]
    .into_iter()
    .flat_map(|(end, expected)| ways("cached", end).map(|way| (way, expected)))
    .collect();
    fill_all(&live, cases.len());
    live.accounts().update("alice", |alice| alice.roles = vec!["newer".into()]);
    for (n, (way, expected)) in (0..).zip(&cases) {
        live.echo.clear();
        let counted = ask_counting(&live, &to(way, token_of("alice", n)));
        assert_eq!(counted, ((*expected).to_owned(), 1), "{way}");
        // The newer answer is what the backend gets, and nothing of the older one.
        let seen = live.echo.last().expect("passed");
        assert_eq!(seen.header_all("x-authgear-user-roles"), [b"newer"], "{way}");
    }
    live.finish();
}

#[test]
fn a_hit_is_taken_along_to_where_nothing_is_resolved() {
    let live = live();
    fill(&live, &live.alice());
    for way in ways("cached", "unresolved") {
        live.echo.clear();
        let (_, calls) = ask_counting(&live, &to(&way, live.alice()));
        assert_eq!((identity(&live.echo.last().expect("passed")), calls), (identity_of("alice"), 0), "{way}");
    }
    live.finish();
}

#[test]
fn where_resolving_begins_later_the_cache_is_that_location_s() {
    let live = live();
    fill(&live, &live.alice());
    for (end, expected) in [("cached", "hit HIT"), ("off", "resolved BYPASS"), ("other", "resolved MISS")] {
        let way = format!("/unresolved-{end}/");
        assert_asked(&live, &to(&way, live.alice()), &format!("200 valid {expected}"));
    }
    live.finish();
}

#[test]
fn an_old_answer_is_given_only_where_the_location_allows_it() {
    let live = live();
    let cases: Vec<_> = [
        ("stale", "200 valid stale STALE"),
        ("short", "502 error status "),
        ("off", "502 error status "),
        // Its own failure comes before what the cache has.
        ("cached", "502 error status "),
    ]
    .into_iter()
    .flat_map(|(end, expected)| ways("stale", end).map(|way| (way, expected)))
    .collect();
    fill_all(&live, cases.len());
    live.resolver.set_fault(Some(Fault::Status(500)));
    for (n, (way, expected)) in (0..).zip(&cases) {
        let (told, calls) = ask_counting(&live, &to(way, token_of("alice", n)));
        assert!(told.starts_with(expected) && calls == 1, "{way}: {told}, {calls}");
    }
    live.finish();
}

#[test]
fn a_login_page_is_not_resolved_again_from_another_cache() {
    let live = cached(
        "error_page 401 = @login;\n\
         location @login { authgear_require off; authgear_cache others; {pass} }\n\
         location /private/ { authgear_require valid; {pass} }",
    );
    let none = super::Request::get("/private/").header("Authorization", "Bearer unknown");
    assert_eq!(ask_counting(&live, &none).1, 1);
    assert_eq!(ask(&live, &to("/private/", live.alice())), "200 valid resolved MISS");
    assert_eq!(ask(&live, &to("/private/", live.alice())), "200 valid hit HIT");
    live.finish();
}
