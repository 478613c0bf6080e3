//! Bodies arrive whole, whether they come before, while or after the resolver answers.

use super::super::harness::{Http1, Http2, PATIENCE, Request, Wire, for_each_wire, http1, send};
use super::super::stage::{Stage, by, identity, identity_of};
use super::super::standin::Fault;
use super::{assert_body, builder, pattern};

const SIZES: [usize; 12] = [0, 1, 2, 1023, 1024, 8191, 16_384, 16_385, 65_535, 65_537, 1_000_003, 10_000_000];

#[test]
fn bodies_of_any_size_arrive_whole() {
    let stage = Stage::start();
    let nginx = builder(&stage).start();
    for_each_wire(|wire| {
        for size in SIZES {
            let body = pattern(size);
            for target in ["/", "/unbuffered"] {
                let seen = stage.ask(&nginx, wire, by("alice", Request::post(target, &body)));
                assert_body(&seen, &body);
                assert_eq!(identity(&seen), identity_of("alice"));

                let chunks = body.chunks(size / 7 + 1);
                let seen = stage.ask(&nginx, wire, by("bob", Request::new("PUT", target).chunked(chunks)));
                assert_body(&seen, &body);
                assert_eq!(identity(&seen), identity_of("bob"));
            }
        }
    });
    nginx.finish();
}

#[test]
fn many_small_chunks_arrive_whole() {
    let stage = Stage::start();
    let nginx = builder(&stage).start();
    let body = pattern(5000);
    for_each_wire(|wire| {
        for target in ["/", "/unbuffered"] {
            let request = by("alice", Request::post(target, "")).chunked(body.chunks(1));
            assert_body(&stage.ask(&nginx, wire, request), &body);
        }
    });
    nginx.finish();
}

/// Sends the first part of a body, and the rest when the resolver was asked or has answered.
fn in_two_parts(target: &str, first: usize, answered_before_the_rest: bool) {
    let stage = Stage::start();
    let nginx = builder(&stage).start();
    let body = pattern(200_000);
    stage.resolver.set_fault(Some(Fault::Gate));

    let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
    let head = by("alice", Request::new("POST", target)).header("Content-Length", body.len().to_string());
    client.send(&head).expect("sent");
    client.write_raw(&body[..first]).expect("sent");
    assert!(stage.resolver.wait_for_gate(1, PATIENCE));
    if answered_before_the_rest {
        stage.resolver.open_gate();
        assert!(stage.resolver.wait_until_idle(PATIENCE));
        client.write_raw(&body[first..]).expect("sent");
    } else {
        client.write_raw(&body[first..]).expect("sent");
        stage.resolver.open_gate();
    }
    assert_eq!(client.receive(b"POST").expect("an answer").status, 200);
    let seen = stage.only_request();
    assert_body(&seen, &body);
    assert_eq!(identity(&seen), identity_of("alice"));
    nginx.finish();
}

#[test]
fn a_body_that_comes_while_the_resolver_is_asked_arrives_whole() {
    for target in ["/", "/unbuffered"] {
        in_two_parts(target, 0, false);
        in_two_parts(target, 50_000, false);
        in_two_parts(target, 200_000, false);
    }
}

#[test]
fn a_body_that_comes_after_the_resolver_answered_arrives_whole() {
    for target in ["/", "/unbuffered"] {
        in_two_parts(target, 0, true);
        in_two_parts(target, 50_000, true);
    }
}

#[test]
fn bodies_of_streams_that_wait_together_arrive_whole() {
    let stage = Stage::start();
    let nginx = builder(&stage).start();
    stage.resolver.set_fault(Some(Fault::Gate));
    let users = ["alice", "bob", "norole", "anonymous"];
    let mut client = Http2::connect(nginx.h2_port()).expect("nginx accepts");
    let send = |user: &&str| {
        let request = by(user, Request::post(format!("/{user}"), pattern(40_000 + user.len())));
        client.send(&request).expect("sent")
    };
    let streams: Vec<u32> = users.iter().map(send).collect();
    assert!(stage.resolver.wait_for_gate(users.len(), PATIENCE));
    stage.resolver.open_gate();
    for stream in streams {
        assert_eq!(client.receive(stream).expect("an answer").status, 200);
    }
    let seen = stage.echo.requests();
    assert_eq!(seen.len(), users.len());
    for user in users {
        let mine = seen.iter().find(|seen| seen.target == format!("/{user}")).expect("it arrived");
        assert_body(mine, &pattern(40_000 + user.len()));
        assert_eq!(identity(mine), identity_of(user));
    }
    drop(client);
    nginx.finish();
}

#[test]
fn who_expects_100_continue_gets_it_once_and_the_body_arrives() {
    let stage = Stage::start();
    let nginx = builder(&stage).start();
    for target in ["/", "/unbuffered"] {
        let body = pattern(30_000);
        let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
        let head = by("alice", Request::new("POST", target)).header("Expect", "100-continue");
        client.send(&head.header("Content-Length", body.len().to_string())).expect("sent");
        stage.echo.clear();
        client.write_raw(&body).expect("sent");
        let response = client.receive(b"POST").expect("an answer");
        let interim: Vec<u16> = response.informational.iter().map(|(status, _)| *status).collect();
        // nginx says so only when it begins to read the body.
        assert!(interim.is_empty() || interim == [100], "{interim:?}");
        assert_eq!(response.status, 200);
        assert_body(&stage.only_request(), &body);
        let call = stage.resolver.last_call().expect("a call");
        assert_eq!((call.header("expect"), call.header("content-length"), call.body.len()), (None, None, 0));
    }
    nginx.finish();
}

#[test]
fn the_resolver_gets_a_get_without_a_body_whatever_the_method() {
    let methods = [
        "GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "MKCOL", "COPY", "LOCK", "REPORT",
        "PURGE", "QUERY", "M-SEARCH", "A_B", "X",
    ];
    let stage = Stage::start();
    let nginx = builder(&stage).start();
    for_each_wire(|wire| {
        for method in methods {
            for body in ["", "some bytes"] {
                let request = by("alice", Request::new(method, "/").body(body));
                let seen = stage.ask(&nginx, wire, request);
                assert_eq!((seen.method.as_str(), identity(&seen)), (method, identity_of("alice")));
                assert_body(&seen, body.as_bytes());
                let call = stage.resolver.last_call().expect("a call");
                assert_eq!((call.method.as_str(), call.target.as_str()), ("GET", "/_resolver/resolve"));
                assert_eq!((call.header("content-length"), call.header("transfer-encoding")), (None, None));
            }
        }
        let head = send(&nginx, wire, by("alice", Request::new("HEAD", "/")));
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(identity(&stage.echo.last().expect("it arrived")), identity_of("alice"));
    });
    nginx.finish();
}

#[test]
fn http10_is_resolved_with_and_without_a_host() {
    let stage = Stage::start();
    let nginx = builder(&stage).start();
    for request in [
        Request::get("/").http10(),
        Request::get("/").http10().no_host(),
        Request::post("/", "body").http10(),
    ] {
        let seen = stage.ask(&nginx, Wire::Http1, by("alice", request));
        assert_eq!(identity(&seen), identity_of("alice"));
    }
    let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
    for user in ["alice", "bob"] {
        stage.echo.clear();
        let request = by(user, Request::get("/").http10()).header("Connection", "keep-alive");
        assert_eq!(client.exchange(&request).expect("an answer").status, 200);
        assert_eq!(identity(&stage.only_request()), identity_of(user));
    }
    nginx.finish();
}

#[test]
fn http09_has_no_credentials_and_passes_without_identity() {
    let stage = Stage::start();
    let nginx = builder(&stage).start();
    let answer = http1::raw(nginx.port(), b"GET /nine\r\n");
    assert!(answer.starts_with(b"GET /nine\n"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!((identity(&stage.only_request()), stage.resolver.call_count()), (vec![], 0));
    nginx.finish();
}
