//! `post_action`: nginx takes a request on, past the end of its client, and so also one that is suspended.

use super::super::harness::{Http1, Nginx, PATIENCE, Request};
use super::super::stage::{Stage, by, identity};
use super::super::standin::Fault;

/// The client leaves while the resolver is asked: nginx redirects the request to the second location.
fn run(second: &str) -> Stage {
    let stage = Stage::start();
    let (resolve, pass) = (stage.resolve(), stage.pass());
    let nginx = Nginx::builder()
        .server(format!(
            "{resolve} location / {{ post_action /after/slow/300; {pass} }} location /after {{ {second} {pass} }}"
        ))
        .start();
    stage.resolver.set_fault(Some(Fault::Gate));
    let mut client = Http1::connect(nginx.port()).unwrap();
    client.send(&by("alice", Request::get("/"))).unwrap();
    assert!(stage.resolver.wait_for_gate(1, PATIENCE));
    drop(client);
    assert!(nginx.wait_for_log("client prematurely closed connection", PATIENCE).contains("prematurely"));
    // The answer comes while the backend is at work on the second location's request, or before it is asked.
    stage.resolver.open_gate();
    assert!(stage.echo.wait_for_requests(1, PATIENCE));
    nginx.finish();
    stage
}

#[test]
fn where_nothing_is_resolved_the_backend_is_asked_once() {
    let stage = run("authgear_resolve off;");
    let seen = stage.echo.requests();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(identity(&seen[0]), []);
}

#[test]
fn where_it_is_resolved_again_it_gets_its_own_identity_once() {
    let stage = run("");
    let seen = stage.echo.requests();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(identity(&seen[0]), super::super::stage::identity_of("alice"));
    assert_eq!(stage.resolver.call_count(), 1);
}
