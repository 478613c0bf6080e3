//! What becomes of a request whose call failed, by `authgear_on_error`.

use super::super::harness::{EchoReply, Wire, for_each_wire};
use super::{Live, Resolver, SHORT, assert_ending, cases, ending, fail_with, identity_told};

#[test]
fn a_failure_is_a_502_and_a_timeout_a_504_and_the_next_request_is_answered() {
    let live = Live::with(Resolver::start(), SHORT);
    for_each_wire(|wire| {
        for case in cases() {
            let before = live.resolver.call_count();
            let response = fail_with(&live, wire, &case.fault, &live.unique());
            assert_ending(&response, case.status, "error", case.reason);
            assert_eq!(live.resolver.call_count() - before, case.calls, "{:?}", case.fault);
            live.assert_resolves(wire);
        }
    });
    live.finish();
}

#[test]
fn the_log_names_the_resolver_and_the_cause_of_each_failure() {
    for case in cases() {
        // A line of a kind is written once a second: an instance each.
        let live = Live::with(Resolver::start(), SHORT);
        fail_with(&live, Wire::Http1, &case.fault, &live.alice());
        let line = live.nginx.wait_for_log("authgear", super::super::harness::PATIENCE);
        assert!(line.contains(" [error] ") && line.contains(&live.resolver.url()), "{line}");
        let cause = match case.reason {
            "closed" => "connection lost: ",
            "timeout" => "timed out",
            "status" => "unexpected answer: status ",
            _ => "unexpected answer: ",
        };
        assert!(line.contains(cause), "{line}");
        let bearer = live.accounts().login("alice").bearer;
        assert!(!live.nginx.error_log().contains(&bearer), "no credential in the log");
        live.finish();
    }
}

#[test]
fn a_status_given_is_used_for_every_failure() {
    for status in [400, 401, 403, 404, 429, 500, 502, 503, 504, 599] {
        let live = Live::with(Resolver::start(), &format!("{SHORT}\nauthgear_on_error {status};"));
        let few = cases().into_iter().filter(|case| ["timeout", "closed", "status"].contains(&case.reason));
        for case in few.step_by(3) {
            let response = fail_with(&live, Wire::Http1, &case.fault, &live.unique());
            assert_ending(&response, status, "error", case.reason);
            assert_eq!(response.all("www-authenticate"), Vec::<String>::new());
        }
        live.assert_resolves(Wire::Http1);
        live.finish();
    }
}

#[test]
fn anonymous_lets_every_request_through_without_any_identity() {
    let lines = format!(
        "{SHORT}\nauthgear_on_error anonymous;\n\
         add_header X-User \"[$authgear_user_id]\" always;\nadd_header X-Valid \"[$authgear_session_valid]\" always;"
    );
    let live = Live::with(Resolver::start(), &lines);
    for_each_wire(|wire| {
        for case in cases() {
            let forged = live
                .unique()
                .header("X-Authgear-User-Id", "mallory")
                .header("X-Authgear-Session-Valid", "true")
                .header("X-Authgear-User-Roles", "admin");
            let response = fail_with(&live, wire, &case.fault, &forged);
            assert_ending(&response, 200, "error", case.reason);
            assert_eq!(identity_told(&response), []);
            assert_eq!(response.header("x-user").as_deref(), Some("[]"));
            assert_eq!(response.header("x-valid").as_deref(), Some("[]"));
            live.assert_resolves(wire);
        }
    });
    live.finish();
}

#[test]
fn the_body_is_intact_where_a_failure_lets_the_request_through() {
    let live = Live::with(Resolver::start(), &format!("{SHORT}\nauthgear_on_error anonymous;"));
    for_each_wire(|wire| {
        for case in cases() {
            let request = super::Request { method: b"POST".to_vec(), ..live.unique() };
            let request = request.body(vec![b'x'; 100_000]);
            let response = fail_with(&live, wire, &case.fault, &request);
            assert_eq!(EchoReply::of(&response).body_length, 100_000);
        }
    });
    live.finish();
}

#[test]
fn an_error_page_takes_over_a_failure() {
    let lines = format!(
        "{SHORT}\nauthgear_breaker off;\nerror_page 502 504 = @sorry;\n\
         location @sorry {{ return 503 \"sorry, $authgear_reason, $authgear_result\"; }}"
    );
    let live = Live::with(Resolver::start(), &lines);
    for_each_wire(|wire| {
        for case in cases() {
            let response = fail_with(&live, wire, &case.fault, &live.unique());
            let text = format!("sorry, {}, error", case.reason);
            assert_eq!((response.status, response.text()), (503, text));
        }
    });
    live.finish();
}

#[test]
fn an_error_page_that_resolves_is_answered_from_the_failure() {
    let live =
        Live::with(Resolver::start(), &format!("{SHORT}\nauthgear_breaker off;\nerror_page 502 504 /sorry;"));
    for case in cases() {
        let before = live.resolver.call_count();
        let response = fail_with(&live, Wire::Http1, &case.fault, &live.unique());
        assert_eq!(ending(&response), (case.status, "error".to_owned(), case.reason.to_owned()));
        assert_eq!(live.resolver.call_count() - before, case.calls, "{:?}", case.fault);
    }
    assert_eq!(live.echo.requests().len(), 0);
    live.finish();
}
