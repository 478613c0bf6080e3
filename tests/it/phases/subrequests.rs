//! Subrequests carry the trusted headers, no forged ones, and cost no call of their own.

use super::super::harness::{Nginx, PATIENCE, Request, Wire, for_each_wire, poll, send};
use super::super::stage::{LAX, Pairs, Stage, by, identity, identity_of};
use super::forged;

/// Asks as Alice, as somebody without a role and as a stranger; `n` requests reach the backend each time, in all of
/// which the identity is right.
fn assert_each_carries_the_identity(stage: &Stage, nginx: &Nginx, target: &str, n: usize) {
    for_each_wire(|wire| {
        for user in ["alice", "norole", ""] {
            let request = forged(Request::get(target));
            let (request, expected) = match user {
                "" => (request, vec![]),
                user => (by(user, request), identity_of(user)),
            };
            stage.echo.clear();
            let (response, calls) = stage.calls_of(|| send(nginx, wire, request));
            assert_eq!(response.status, 200);
            assert!(stage.echo.wait_for_requests(n, PATIENCE), "{:?}", stage.echo.requests());
            let seen = stage.echo.requests();
            assert_eq!(seen.iter().map(identity).collect::<Vec<Pairs>>(), vec![expected; n], "{seen:?}");
            assert_eq!(calls, u64::from(!user.is_empty()));
        }
    });
}

#[test]
fn a_mirror_carries_the_identity() {
    let stage = Stage::start();
    let pass = stage.pass();
    let nginx = stage.start_lax(format!(
            "location /mirrored {{ mirror /mirror; mirror /mirror; {pass} }} location /mirror {{ internal; {pass} }}"
        ));
    assert_each_carries_the_identity(&stage, &nginx, "/mirrored", 3);
    nginx.finish();
}

#[test]
fn an_included_page_carries_the_identity() {
    let stage = Stage::start();
    let pass = stage.pass();
    let page = "location = /page { ssi on; ssi_types *; root .; }";
    for inside in ["", "authgear_resolve off;"] {
        let nginx = stage.start_lax(format!("{page} location /part/ {{ {inside} {pass} }}"));
        let page = "<!--# include virtual=\"/part/1\" --><!--# include virtual=\"/part/2\" wait=\"yes\" -->\
                    <!--# include virtual=\"/part/3\" -->";
        std::fs::write(nginx.prefix().join("page"), page).expect("the folder is writable");
        assert_each_carries_the_identity(&stage, &nginx, "/page", 3);
        nginx.finish();
    }
}

#[test]
fn a_page_included_by_a_page_carries_the_identity() {
    let stage = Stage::start();
    let pass = stage.pass();
    let pages = "location ~ ^/page { ssi on; ssi_types *; root .; }";
    let nginx = stage.start_lax(format!("{pages} location /part/ {{ {pass} }}"));
    let write = |name: &str, text: &str| {
        std::fs::write(nginx.prefix().join(name), text).expect("the folder is writable");
    };
    write("page", "<!--# include virtual=\"/page2\" -->");
    write("page2", "<!--# include virtual=\"/part/1\" --> <!--# include virtual=\"/part/2\" -->");
    assert_each_carries_the_identity(&stage, &nginx, "/page", 2);
    nginx.finish();
}

#[test]
fn added_bodies_carry_the_identity() {
    let stage = Stage::start();
    let pass = stage.pass();
    let nginx = stage.start_lax(format!(
        "location /framed {{ add_before_body /before; add_after_body /after; addition_types *; {pass} }}
             location /before {{ {pass} }} location /after {{ {pass} }}"
    ));
    assert_each_carries_the_identity(&stage, &nginx, "/framed", 3);
    nginx.finish();
}

#[test]
fn an_auth_request_sees_no_forged_header() {
    // It runs before the resolver is asked, so there is no identity yet.
    let stage = Stage::start();
    let pass = stage.pass();
    let nginx = stage.start_lax(format!(
        "location /guarded {{ auth_request /auth; {pass} }}
             location /auth {{ proxy_pass_request_body off; {pass} }}"
    ));
    for_each_wire(|wire| {
        stage.echo.clear();
        let request = forged(by("alice", Request::get("/guarded")));
        let (response, calls) = stage.calls_of(|| send(&nginx, wire, request));
        assert_eq!((response.status, calls), (200, 1));
        let seen = stage.echo.requests();
        assert_eq!(seen.iter().map(identity).collect::<Vec<_>>(), [vec![], identity_of("alice")], "{seen:?}");
    });
    nginx.finish();
}

#[test]
fn a_subrequest_of_an_unresolved_page_is_not_resolved() {
    // As with every access module: what guards a location guards it from clients, not from nginx itself.
    let stage = Stage::start();
    let pass = stage.pass();
    let page = "location = /page { authgear_resolve off; ssi on; ssi_types *; root .; }";
    let nginx = stage.start_lax(format!("{page} location /part/ {{ {pass} }}"));
    std::fs::write(nginx.prefix().join("page"), "<!--# include virtual=\"/part/1\" -->").expect("writable");
    for_each_wire(|wire| {
        stage.echo.clear();
        let request = forged(by("alice", Request::get("/page")));
        let (response, calls) = stage.calls_of(|| send(&nginx, wire, request));
        assert_eq!((response.status, calls), (200, 0));
        assert_eq!(identity(&stage.only_request()), []);
    });
    nginx.finish();
}

#[test]
fn a_renewal_in_the_background_carries_the_identity() {
    // nginx clones the request to renew an answer of its cache.
    let stage = Stage::start();
    let pass = stage.pass();
    let nginx = stage
        .builder()
        .http(LAX)
        .http("proxy_cache_path answers keys_zone=answers:1m;")
        .server(format!(
            "location /cached {{ proxy_cache answers; proxy_cache_key $http_x_authgear_user_id; proxy_cache_valid 1s;
             proxy_cache_use_stale updating; proxy_cache_background_update on;
             add_header x-cache $upstream_cache_status; {pass} }}"
        ))
        .start();
    let request = || forged(by("alice", Request::get("/cached")));
    // The first time there is nothing to renew yet: one request more.
    for (wire, requests) in [(Wire::Http1, 2), (Wire::Http2, 1)] {
        stage.echo.clear();
        let told = || send(&nginx, wire, request()).header("x-cache").unwrap_or_default();
        // Until what is there has become stale.
        assert!(poll(PATIENCE, || (told() == "STALE").then_some(())).is_some());
        assert!(stage.echo.wait_for_requests(requests, PATIENCE));
        for seen in stage.echo.requests() {
            assert_eq!(identity(&seen), identity_of("alice"));
        }
    }
    nginx.finish();
}
