//! The fingerprint: the same for the same credentials, another for others, and the one of the line about a failure.

use std::collections::BTreeSet;

use super::super::harness::{Request, Wire, for_each_wire};
use super::super::standin::{Fault, Kind};
use super::{ask, debugged, to, value};

const LOCATIONS: &str = "authgear_breaker off; authgear_on_error 503;
    location /off/ { authgear_resolve off; {pass} }
    location /bypass/ { authgear_cache off; {pass} }
    location /prefixed/ { authgear_cookie_prefix p_; {pass} }";

#[test]
fn the_same_credentials_have_the_same_one_and_others_another() {
    let live = debugged(LOCATIONS);
    let fingerprint = |wire, request: &Request| {
        let (_, lines) = ask(&live, wire, request);
        assert_eq!(lines.len(), 1, "{lines:?}");
        value(&lines[0], "fingerprint").to_owned()
    };
    let mut seen = BTreeSet::new();
    for user in ["alice", "bob", "norole"] {
        for kind in Kind::ALL {
            let request = live.request_of(user, kind);
            let first = fingerprint(Wire::Http1, &request);
            assert!(seen.insert(first.clone()), "{user} {kind:?} has that of others");
            for_each_wire(|wire| {
                for target in ["/", "/bypass/"] {
                    // What isn't a credential makes no difference.
                    let request =
                        to(target, &request).header("Cookie", "theme=dark").header("User-Agent", target);
                    assert_eq!(fingerprint(wire, &request), first, "{user} {kind:?}");
                }
            });
        }
    }
    // A reload keeps it, and another resolver has other answers.
    live.nginx.reload();
    let here = fingerprint(Wire::Http1, &live.alice());
    let prefixed = fingerprint(Wire::Http1, &to("/prefixed/", live.alice()));
    assert!(seen.contains(&here) && seen.insert(prefixed));
    live.finish();
}

#[test]
fn the_line_about_a_failure_has_it_too() {
    let live = debugged(LOCATIONS);
    live.resolver.set_fault(Some(Fault::Status(500)));
    let mark = live.nginx.error_mark();
    let (_, lines) = ask(&live, Wire::Http1, &live.alice());
    let fingerprint = format!("; fingerprint {}", value(&lines[0], "fingerprint"));
    let log = live.nginx.error_lines_since(mark);
    let failure = log.iter().find(|line| line.contains("authgear: resolver \"")).expect("a line about it");
    assert!(failure.contains(&fingerprint), "{fingerprint} is not in {failure}");
    live.finish();
}
