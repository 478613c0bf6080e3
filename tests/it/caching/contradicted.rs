//! A later answer that isn't kept: the older one that it contradicts is no answer any more, not even when the resolver fails
//! or is being asked.

use super::super::harness::{Request, poll};
use super::super::standin::Fault;
use super::{Live, MOMENT, PATIENCE, ask, built, fill, session_of, to, token_of, wait_until, with_headers};

fn live() -> Live {
    let lines = "authgear_cache_valid 10m;\nauthgear_cache_valid invalid none 0;\n\
                 location /error/ { authgear_cache_valid 150ms; authgear_cache_use_stale error=10m; {pass} }\n\
                 location /updating/ { authgear_cache_valid 150ms; authgear_cache_use_stale updating=10m; {pass} }";
    built(lines, |builder| builder)
}

type Contradiction<'a> = (&'static str, Request, Box<dyn Fn() + 'a>);

/// What makes the resolver's next answers contradict the one in the cache, and not be kept: by the times, or by its own word.
fn contradictions(live: &Live) -> Vec<Contradiction<'_>> {
    let accounts = live.accounts();
    let session = accounts.wildcard("alice", super::Kind::Session, 1);
    let no_store = || {
        live.resolver.set_fault(Some(with_headers(&[
            ("Cache-Control", "no-store"),
            ("X-Authgear-User-Roles", "none"),
        ])))
    };
    vec![
        ("invalid", session_of(live, "alice", 1), Box::new(move || accounts.revoke(&session))),
        ("none", token_of("alice", 2), Box::new(|| accounts.revoke("user:alice:2"))),
        ("no-store", token_of("alice", 3), Box::new(no_store)),
    ]
}

#[test]
fn what_the_resolver_has_said_since_then_counts_when_it_fails() {
    let live = live();
    fill(&live, &token_of("bob", 1));
    for (what, request, contradict) in contradictions(&live) {
        let request = to("/error/", &request);
        let at = fill(&live, &request);
        wait_until(at, MOMENT);
        contradict();
        fill(&live, &request);
        live.resolver.set_fault(Some(Fault::Status(503)));
        let told = ask(&live, &request);
        assert!(told.starts_with("502 error status "), "{what}: {told}");
        // Unlike what it has not contradicted.
        assert_eq!(ask(&live, &to("/error/", token_of("bob", 1))), "200 valid stale STALE");
        live.resolver.clear_faults();
    }
    live.finish();
}

#[test]
fn what_the_resolver_has_said_in_the_background_counts() {
    let live = live();
    for (what, request, contradict) in contradictions(&live) {
        let request = to("/updating/", &request);
        let at = fill(&live, &request);
        let before = live.resolver.call_count();
        wait_until(at, MOMENT);
        contradict();
        assert_eq!(ask(&live, &request), "200 valid stale UPDATING");
        assert!(
            live.resolver.wait_for_calls(before + 1, PATIENCE) && live.resolver.wait_until_idle(PATIENCE)
        );
        // Within a moment the module has it, and asks instead of giving the old answer.
        let noticed = poll(std::time::Duration::from_secs(2), || {
            (!ask(&live, &request).contains("UPDATING")).then_some(())
        });
        assert!(noticed.is_some(), "{what}: the old answer is given on and on");
        live.resolver.clear_faults();
    }
    live.finish();
}
