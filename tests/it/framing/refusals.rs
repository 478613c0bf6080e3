//! After a refusal the connection goes on as if nothing had happened, and a body never becomes a second request.

use super::super::harness::{Http1, Nginx, Request, Response, for_each_wire, http1};
use super::super::stage::{Stage, by, identity, identity_of};
use super::super::standin::{Call, Fault};
use super::builder;

/// A request as a body.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\nx-authgear-user-id: forged\r\n\r\n";

/// What the resolver does to bearer tokens of these users, and what a client gets then.
const REFUSED: [(&str, u16); 4] = [("u401", 401), ("u403", 403), ("u500", 502), ("closed", 502)];

fn stage() -> Stage {
    let stage = Stage::start();
    stage.resolver.set_rule(|call: &Call| {
        let token = call.text("authorization").unwrap_or_default();
        match token.strip_prefix("Bearer user:")?.split_once(':')?.0 {
            "u401" => Some(Fault::Status(401)),
            "u403" => Some(Fault::Status(403)),
            "u500" => Some(Fault::Status(500)),
            "closed" => Some(Fault::CloseBeforeAnswer),
            _ => None,
        }
    });
    stage
}

/// The backend got the last request and nothing else.
#[track_caller]
fn assert_only_the_last(stage: &Stage) {
    let seen = stage.only_request();
    assert_eq!((seen.target.as_str(), identity(&seen)), ("/last", identity_of("alice")));
    stage.echo.clear();
}

#[test]
fn a_kept_connection_serves_on_after_a_refusal() {
    let stage = stage();
    let nginx = builder(&stage).start();
    for (user, status) in REFUSED {
        let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
        for _ in 0..2 {
            assert_eq!(client.exchange(&by(user, Request::get("/"))).expect("an answer").status, status);
        }
        let last = client.exchange(&by("alice", Request::get("/last"))).expect("an answer");
        assert_eq!(last.status, 200);
        assert_only_the_last(&stage);
    }
    nginx.finish();
}

/// Bodies that are requests themselves, framed in each way, some larger than a buffer.
fn bodies() -> Vec<fn(Request) -> Request> {
    vec![
        |request| request.body(SMUGGLED),
        |request| request.body(SMUGGLED.repeat(2000)),
        |request| request.chunked([SMUGGLED]),
        |request| request.chunked(SMUGGLED.as_bytes().chunks(3)),
        |request| request.chunked(vec![SMUGGLED; 2000]),
    ]
}

#[test]
fn the_body_of_a_refused_request_is_no_request() {
    let stage = stage();
    let nginx = builder(&stage).start();
    for (user, status) in REFUSED {
        for with_body in bodies() {
            for target in ["/", "/unbuffered"] {
                let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
                let refused = by(user, with_body(Request::new("POST", target)));
                assert_eq!(client.exchange(&refused).expect("an answer").status, status);
                assert_eq!(stage.echo.requests(), []);
                let last = client.exchange(&by("alice", Request::get("/last"))).expect("an answer");
                assert_eq!(last.status, 200);
                assert_only_the_last(&stage);
            }
        }
    }
    nginx.finish();
}

#[test]
fn a_refused_request_with_a_body_may_have_others_pipelined_behind_it() {
    let stage = stage();
    let nginx = builder(&stage).start();
    for (user, status) in REFUSED {
        for with_body in bodies() {
            let requests = [
                by(user, with_body(Request::new("POST", "/"))),
                by(user, Request::get("/")),
                by("alice", Request::get("/last")),
            ];
            let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
            let responses = client.pipeline(&requests).expect("all answers");
            let got: Vec<u16> = responses.iter().map(|response| response.status).collect();
            assert_eq!(got, [status, status, 200]);
            assert_only_the_last(&stage);
        }
    }
    nginx.finish();
}

#[test]
fn a_refusal_ends_one_request_of_http2_and_no_other() {
    let stage = stage();
    let nginx = builder(&stage).start();
    for (user, status) in REFUSED {
        for with_body in bodies() {
            let mut client = super::super::harness::Http2::connect(nginx.h2_port()).expect("nginx accepts");
            let refused = client.exchange(&by(user, with_body(Request::new("POST", "/"))));
            assert_eq!(refused.expect("an answer").status, status);
            let last = client.exchange(&by("alice", Request::get("/last"))).expect("an answer");
            assert_eq!(last.status, 200);
            assert_only_the_last(&stage);
        }
    }
    nginx.finish();
}

#[test]
fn who_is_refused_while_expecting_100_continue_smuggles_nothing() {
    let stage = stage();
    let nginx = builder(&stage).start();
    for (user, status) in REFUSED {
        let request = by(user, Request::post("/", SMUGGLED).header("Expect", "100-continue"));
        let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
        assert_eq!(client.exchange(&request).expect("an answer").status, status);
        let last = client.exchange(&by("alice", Request::get("/last"))).expect("an answer");
        assert_eq!(last.status, 200);
        assert_only_the_last(&stage);
    }
    nginx.finish();
}

#[test]
fn a_request_of_two_lengths_reaches_nobody() {
    let stage = stage();
    let nginx = builder(&stage).start();
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer user:alice:1\r\n";
    for framing in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\nContent-Length: 90\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 4, 4\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    ] {
        let answer = http1::raw(nginx.port(), format!("{head}{framing}\r\n0\r\n\r\n{SMUGGLED}").as_bytes());
        let answer = String::from_utf8_lossy(&answer).into_owned();
        // One answer, a refusal: nothing after it was taken for a request.
        assert!(
            answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.1 501 "),
            "{framing}: {answer}"
        );
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{framing}: {answer}");
        assert_eq!((stage.echo.requests().len(), stage.resolver.call_count()), (0, 0), "{framing}");
    }
    nginx.finish();
}

/// An error page with a status of its own, and its own body.
#[test]
fn an_error_page_of_a_refusal_leaves_the_connection_in_order() {
    let stage = stage();
    let nginx: Nginx = builder(&stage)
        .server("error_page 401 403 502 = @sorry; location @sorry { return 418 sorry; }")
        .start();
    let check = |response: Response| assert_eq!((response.status, response.text().as_str()), (418, "sorry"));
    for (user, _) in REFUSED {
        for with_body in bodies() {
            let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
            check(client.exchange(&by(user, with_body(Request::new("POST", "/")))).expect("an answer"));
            let last = client.exchange(&by("alice", Request::get("/last"))).expect("an answer");
            assert_eq!(last.status, 200);
            assert_only_the_last(&stage);
        }
    }
    for_each_wire(|wire| {
        for (user, _) in REFUSED {
            check(stage.refused(&nginx, wire, by(user, Request::post("/", SMUGGLED))));
        }
    });
    nginx.finish();
}
