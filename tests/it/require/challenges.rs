//! What a refused client is told, and where it is sent.

use super::{reason, site};
use crate::harness::{Nginx, Request, Wire, for_each_wire, send};
use crate::stage::{Stage, with_bearer};

#[test]
fn a_challenge_says_what_is_missing() {
    let stage = Stage::start();
    let nginx = site(&stage, "valid max_age=5m").http("authgear_realm \"my app\";").start();
    for_each_wire(|wire| {
        for (request, challenge) in [
            (Request::get("/"), "Bearer realm=\"my app\""),
            (with_bearer("bad"), "Bearer realm=\"my app\", error=\"invalid_token\""),
            (
                stage.alice(),
                "Bearer realm=\"my app\", error=\"insufficient_user_authentication\", max_age=300",
            ),
        ] {
            let response = stage.refused(&nginx, wire, request);
            assert_eq!(response.status, 401);
            assert_eq!(response.all("www-authenticate"), [challenge]);
        }
    });
    nginx.finish();
}

#[test]
fn a_forbidden_client_gets_no_challenge() {
    let stage = Stage::start();
    let nginx = site(&stage, "role=nobody").start();
    let response = stage.refused(&nginx, Wire::Http1, stage.alice());
    assert_eq!((response.status, reason(&response).as_str()), (403, "require_role"));
    assert_eq!(response.all("www-authenticate").len(), 0);
    nginx.finish();
}

#[test]
fn visitors_are_sent_to_a_login_page() {
    let stage = Stage::start();
    let (resolve, pass) = (stage.resolve(), stage.pass());
    let nginx = Nginx::builder()
        .server(format!(
            "{resolve} authgear_require valid; error_page 401 = @login;
             location / {{ {pass} }}
             location @login {{ authgear_require off; return 302 https://login.example/; }}"
        ))
        .start();
    for_each_wire(|wire| {
        let response = stage.refused(&nginx, wire, Request::get("/"));
        assert_eq!(
            (response.status, response.header("location").as_deref()),
            (302, Some("https://login.example/"))
        );
        assert_eq!(send(&nginx, wire, stage.alice()).status, 200);
    });
    nginx.finish();
}

/// The session is asked for once, whatever the error page's own location asks.
#[test]
fn an_error_page_that_resolves_takes_no_other_call() {
    let stage = Stage::start();
    let (resolve, pass) = (stage.resolve(), stage.pass());
    let nginx = Nginx::builder()
        .server(format!(
            "{resolve} error_page 403 /denied;
             location / {{ authgear_require role=nobody; {pass} }}
             location /denied {{ authgear_require off; {pass} }}"
        ))
        .start();
    let (seen, calls) = stage.calls_of(|| {
        send(&nginx, Wire::Http1, stage.alice());
        stage.only_request()
    });
    assert_eq!((seen.target.as_str(), calls), ("/denied", 1));
    assert_eq!(crate::stage::identity(&seen), crate::stage::identity_of("alice"));
    nginx.finish();
}
