//! Requests of different users on one connection.

use super::super::harness::{Http1, Http2, PATIENCE, Request};
use super::super::stage::{Stage, by, identity, identity_of};
use super::super::standin::Fault;
use super::super::standin::echo::Seen;
use super::{assert_body, builder, pattern};

/// Strangers, good and bad users, with bodies here and there.
fn mixed() -> Vec<(String, Request)> {
    let users = ["alice", "", "bob", "norole", "alice", "disabled", "", "anonymous", "bob", "alice"];
    let request = |(n, user): (usize, &&str)| {
        let target = format!("/{n}");
        let request = match n % 3 {
            0 => Request::get(target),
            1 => Request::post(target, pattern(n * 1000)),
            _ => Request::post(target, "").chunked(pattern(n * 500).chunks(100)),
        };
        let request = request.header("x-authgear-user-id", "forged");
        ((*user).to_owned(), if user.is_empty() { request } else { by(user, request) })
    };
    users.iter().enumerate().map(request).collect()
}

#[track_caller]
fn assert_each_has_its_own(seen: &[Seen], sent: &[(String, Request)]) {
    assert_eq!(seen.len(), sent.len());
    for (n, (user, _)) in sent.iter().enumerate() {
        let mine = seen.iter().find(|seen| seen.target == format!("/{n}")).expect("it arrived");
        let expected = if user.is_empty() { vec![] } else { identity_of(user) };
        assert_eq!(identity(mine), expected, "request {n}");
        match n % 3 {
            0 => assert_body(mine, b""),
            1 => assert_body(mine, &pattern(n * 1000)),
            _ => assert_body(mine, &pattern(n * 500)),
        }
    }
}

#[test]
fn pipelined_requests_each_have_their_own_identity_and_answers_in_order() {
    let stage = Stage::start();
    let nginx = builder(&stage).start();
    let sent = mixed();
    let requests: Vec<Request> = sent.iter().map(|(_, request)| request.clone()).collect();
    let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
    for (n, response) in client.pipeline(&requests).expect("all answers").iter().enumerate() {
        assert!(response.text().contains(&format!(" /{n}\n")), "answer {n}: {response:?}");
    }
    assert_each_has_its_own(&stage.echo.requests(), &sent);
    // In the order of the wire, as nothing may overtake.
    let targets: Vec<_> = stage.echo.requests().iter().map(|seen| seen.target.clone()).collect();
    assert_eq!(targets, (0..sent.len()).map(|n| format!("/{n}")).collect::<Vec<_>>());
    nginx.finish();
}

#[test]
fn a_request_that_waits_holds_back_those_that_were_pipelined_behind_it() {
    let stage = Stage::start();
    let nginx = builder(&stage).start();
    stage.resolver.push_fault(Fault::Gate);
    let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
    client.send(&by("alice", Request::get("/0"))).expect("sent");
    assert!(stage.resolver.wait_for_gate(1, PATIENCE));
    // These arrive while the first one is suspended.
    for (n, user) in [(1, "bob"), (2, "norole")] {
        client.send(&by(user, Request::get(format!("/{n}")))).expect("sent");
    }
    // What is proved to be worked off by another connection's request did not include them.
    assert_eq!(super::super::harness::http1::get(nginx.port(), "/other").status, 200);
    assert_eq!((stage.resolver.call_count(), stage.echo.requests().len()), (1, 1));
    stage.resolver.open_gate();
    for _ in 0..3 {
        assert_eq!(client.receive(b"GET").expect("an answer").status, 200);
    }
    let seen = stage.echo.requests();
    for (n, user) in [(1, "alice"), (2, "bob"), (3, "norole")] {
        assert_eq!(
            (seen[n].target.as_str(), identity(&seen[n])),
            (&*format!("/{}", n - 1), identity_of(user))
        );
    }
    nginx.finish();
}

#[test]
fn streams_of_one_connection_each_have_their_own_identity() {
    let stage = Stage::start();
    let nginx = builder(&stage).start();
    let sent = mixed();
    let mut client = Http2::connect(nginx.h2_port()).expect("nginx accepts");
    let streams: Vec<u32> = sent.iter().map(|(_, request)| client.send(request).expect("sent")).collect();
    for (n, stream) in streams.iter().enumerate() {
        let response = client.receive(*stream).expect("an answer");
        assert!(response.text().contains(&format!(" /{n}\n")), "answer {n}: {response:?}");
    }
    assert_each_has_its_own(&stage.echo.requests(), &sent);
    drop(client);
    nginx.finish();
}

#[test]
fn an_answer_goes_to_the_stream_that_waits_for_it() {
    // The resolver lets them out one by one, in the order of their arrival there.
    let stage = Stage::start();
    let nginx = builder(&stage).start();
    stage.resolver.set_fault(Some(Fault::Gate));
    let users = ["alice", "bob", "norole", "disabled", "anonymous"];
    let mut client = Http2::connect(nginx.h2_port()).expect("nginx accepts");
    let streams: Vec<u32> = users
        .iter()
        .enumerate()
        .map(|(n, user)| {
            let stream = client.send(&by(user, Request::get(format!("/{n}")))).expect("sent");
            assert!(stage.resolver.wait_for_gate(n + 1, PATIENCE));
            stream
        })
        .collect();
    for (n, stream) in streams.iter().enumerate() {
        assert_eq!(stage.resolver.release(1), 1);
        let response = client.receive(*stream).expect("an answer");
        assert!(response.text().contains(&format!(" /{n}\n")), "{response:?}");
        assert_eq!(stage.echo.requests().len(), n + 1, "nobody else was let through");
        assert_eq!(identity(&stage.echo.requests()[n]), identity_of(users[n]));
    }
    drop(client);
    nginx.finish();
}
