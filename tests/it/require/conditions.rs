//! Each condition, for each kind of user.

use super::{reason, site};
use crate::harness::{Request, for_each_wire, send};
use crate::stage::{Stage, with_bearer};
use crate::standin::{Fault, Kind};

/// Statuses for alice (admin, editor), norole, anonymous, unverified, disabled.
const USERS: [&str; 5] = ["alice", "norole", "anonymous", "unverified", "disabled"];

#[test]
fn users_are_let_in_by_what_they_are() {
    let stage = Stage::start();
    for (require, statuses) in [
        ("valid", [200, 200, 200, 200, 401]),
        ("registered", [200, 200, 403, 200, 401]),
        ("verified", [200, 200, 403, 403, 401]),
        ("role=admin", [200, 403, 403, 403, 401]),
        ("role=nobody,editor", [200, 403, 403, 403, 401]),
        ("role=adm", [403, 403, 403, 403, 401]),
        ("amr=mfa", [403, 403, 403, 403, 401]),
        ("valid registered verified role=admin", [200, 403, 403, 403, 401]),
    ] {
        let nginx = site(&stage, require).start();
        for (user, status) in USERS.iter().zip(statuses) {
            let response = send(&nginx, crate::harness::Wire::Http1, stage.request_of(user, Kind::Bearer));
            assert_eq!(response.status, status, "{user} at \"{require}\": {}", reason(&response));
        }
        nginx.finish();
    }
}

#[test]
fn nobody_without_a_session_is_let_in() {
    let stage = Stage::start();
    let nginx = site(&stage, "valid").start();
    for_each_wire(|wire| {
        for request in [
            Request::get("/"),
            with_bearer("bad"),
            Request::get("/").header("Cookie", "session=bad"),
            Request::get("/").header("Cookie", format!("session={}", "x".repeat(4000))),
            Request::get("/")
                .header("X-Authgear-Session-Valid", "true")
                .header("X-Authgear-User-Id", "alice"),
        ] {
            let response = stage.refused(&nginx, wire, request);
            assert_eq!((response.status, reason(&response).as_str()), (401, "require_valid"));
        }
        assert_eq!(send(&nginx, wire, Request::get("/open")).status, 200);
    });
    nginx.finish();
}

#[test]
fn an_authentication_counts_as_long_as_it_is_recent() {
    let stage = Stage::start();
    let nginx = site(&stage, "max_age=1h").start();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    for (at, status) in [(now, 200), (now - 3000, 200), (now - 4000, 401), (1, 401)] {
        let header = vec![("X-Authgear-Session-Authenticated-At".to_owned(), at.to_string())];
        stage.resolver.set_fault(Some(Fault::Headers(header)));
        let response = send(&nginx, crate::harness::Wire::Http1, stage.alice());
        assert_eq!(response.status, status, "{at} at {now}");
    }
    nginx.finish();
}

/// A 401 in an outage would make clients drop good tokens, and `anonymous` is no way in.
#[test]
fn an_outage_is_no_refusal_and_no_way_in() {
    let stage = Stage::start();
    let nginx = site(&stage, "valid").http("authgear_on_error anonymous; authgear_timeout 300ms;").start();
    for (fault, status) in [(Fault::Status(500), 502), (Fault::CloseInBody, 502), (Fault::Hang, 504)] {
        stage.resolver.set_fault(Some(fault));
        let response = stage.refused(&nginx, crate::harness::Wire::Http1, stage.alice());
        assert_eq!(response.status, status);
    }
    let open = send(&nginx, crate::harness::Wire::Http1, Request::get("/open").header("Cookie", "session=x"));
    assert_eq!(open.status, 200);
    nginx.finish();
}
