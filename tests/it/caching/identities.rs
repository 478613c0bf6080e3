//! The backend can't tell a hit from a miss.

use super::super::harness::{Request, Response, for_each_wire, send};
use super::super::stage::{identity, identity_of, identity_told, pairs};
use super::super::standin::echo::Seen;
use super::super::standin::{Fault, Kind};
use super::{Live, Wire, cached, token_of, told, with_headers};

const ANSWER: &str = "add_header X-Answer \"$authgear_session_valid|$authgear_user_id|$authgear_user_anonymous|\
                      $authgear_user_verified|$authgear_user_roles|$authgear_user_can_reauthenticate|\
                      $authgear_session_amr|$authgear_session_acr|$authgear_session_authenticated_at|\
                      $authgear_header_some_day|$authgear_credential\" always;";

/// Headers that nobody knows yet, and values that nobody expects.
pub(super) const ODD: [(&str, &str); 14] = [
    ("X-Authgear-Some-Day", "to come"),
    ("X-Authgear-0", "0"),
    ("X-Authgear-a-B--c-", "dashes"),
    ("X-Authgear-Session", "a prefix of another name"),
    ("X-Authgear-Session-Acr", "urn:a:b"),
    ("X-Authgear-Session-Amr", "pwd otp"),
    ("X-Authgear-User-Roles", "a,\"b\",c d,\u{e9}\u{1f600},=;'\\"),
    ("X-Authgear-Tab", "a\tb"),
    ("X-Authgear-User-Id", "not a uuid: \u{e4}%00"),
    ("X-Authgear-User-Verified", "TRUE"),
    ("X-Authgear-User-Anonymous", "perhaps"),
    ("X-Authgear-User-Can-Reauthenticate", "TRUE"),
    ("X-Authgear-Session-Authenticated-At", "-1"),
    ("X-Other", "is none of it"),
];

/// What the backend got, and what the client was told of the answer. `end` is the end of what became of the request.
#[track_caller]
fn ask(live: &Live, wire: Wire, request: &Request, end: &str) -> (Seen, String) {
    live.echo.clear();
    let response = send(&live.nginx, wire, request);
    assert!(told(&response).ends_with(end), "{end} expected: {response:?}");
    let mut seen = live.echo.requests();
    assert_eq!(seen.len(), 1);
    (seen.remove(0), response.header("x-answer").unwrap_or_default())
}

/// A miss and two hits; returns what the backend got each time.
#[track_caller]
fn assert_same(live: &Live, wire: Wire, request: &Request) -> Seen {
    let miss = ask(live, wire, request, "resolved MISS");
    for _ in 0..2 {
        assert_eq!(ask(live, wire, request, "hit HIT"), miss);
    }
    miss.0
}

#[test]
fn each_user_is_the_same_from_the_cache() {
    let live = cached(ANSWER);
    for_each_wire(|wire| {
        for user in live.accounts().names() {
            // Forged ones are replaced on a hit as well.
            let forged = |request: Request| {
                request.header("X-Authgear-User-Roles", "root").header("x-authgear-some-day", "forged")
            };
            let n = u64::from(wire == Wire::Http2);
            let seen = assert_same(&live, wire, &forged(token_of(&user, n)));
            let wanted = if user == "disabled" { vec![] } else { identity_of(&user) };
            let found = identity(&seen);
            assert!(user == "disabled" || found == wanted, "{user}: {found:?}");
        }
    });
    live.finish();
}

#[test]
fn each_kind_of_answer_and_credential_is_the_same_from_the_cache() {
    let live = cached(ANSWER);
    for user in ["alice", "anonymous", "disabled"] {
        for kind in Kind::ALL {
            assert_same(&live, Wire::Http1, &live.request_of(user, kind));
        }
    }
    let unknown = Request::get("/").header("Authorization", "Bearer of nothing");
    assert_eq!(identity(&assert_same(&live, Wire::Http1, &unknown)), []);
    let dead = Request::get("/").header("Cookie", "session=dead");
    let seen = assert_same(&live, Wire::Http2, &dead);
    assert_eq!(
        identity(&seen),
        pairs(&[("x-authgear-session-valid", "false")]),
        "an invalid session is one from the cache as well"
    );
    live.finish();
}

#[test]
fn headers_and_values_that_nobody_knows_yet_are_the_same_from_the_cache() {
    let live = cached(ANSWER);
    let (long, name) = ("l".repeat(6000), format!("X-Authgear-{}", "n".repeat(200)));
    let many: Vec<_> = (0..60).map(|n| (format!("X-Authgear-Number-{n}"), format!("{n}"))).collect();
    let many: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let empty = [("X-Authgear-User-Roles", ""), ("X-Authgear-User-Verified", "")];
    let mut n = 0;
    for_each_wire(|wire| {
        for (headers, at_least) in [
            (&ODD[..], 13),
            (&[("X-Authgear-Long", long.as_str())], 8),
            (&[(name.as_str(), "v")], 8),
            (&many, 67),
            (&empty, 5),
        ] {
            n += 1;
            live.resolver.push_fault(with_headers(headers));
            let seen = assert_same(&live, wire, &token_of("alice", n));
            let found = identity(&seen);
            assert!(found.len() >= at_least, "{} in {found:?}", found.len());
            for (name, value) in
                headers.iter().filter(|(name, value)| *name != "X-Other" && !value.is_empty())
            {
                assert_eq!(seen.header_all(name), [value.as_bytes()], "{name}");
            }
        }
    });
    assert_eq!(live.resolver.call_count(), n);
    live.finish();
}

#[test]
fn answers_with_more_than_a_zone_can_keep_still_answer() {
    let live = cached(ANSWER);
    // 8 KB are the most that an answer may have of these.
    let headers: Vec<_> = (0..7).map(|n| (format!("X-Authgear-{n}"), "x".repeat(1000))).collect();
    for n in 0..3 {
        live.resolver.push_fault(Fault::Headers(headers.clone()));
        assert_same(&live, Wire::Http1, &token_of("alice", n));
    }
    live.finish();
}

#[test]
fn a_hit_tells_the_client_no_more_than_a_miss() {
    let live = cached("");
    let apart_from_that = |mut response: Response, end: &str| {
        assert!(told(&response).ends_with(end), "{end} expected: {response:?}");
        response.headers.retain(|(name, _)| {
            !["date", "x-cache", "x-reason", "x-time"].contains(&name.to_ascii_lowercase().as_str())
        });
        (response.status, response.headers, response.body)
    };
    for_each_wire(|wire| {
        let request = if wire == Wire::Http1 { live.alice() } else { token_of("bob", 1) };
        let miss = apart_from_that(send(&live.nginx, wire, &request), " MISS");
        assert_eq!(apart_from_that(send(&live.nginx, wire, &request), " HIT"), miss);
    });
    assert_eq!(identity_told(&send(&live.nginx, Wire::Http1, live.alice())).len(), 7);
    live.finish();
}

/// A whole answer in which `X-Authgear-Some-Day` has every byte that is legal, and that value.
pub(super) fn every_byte() -> (Vec<u8>, Vec<u8>) {
    let legal = (b' '..=0xff).filter(|byte| *byte != 0x7f).chain([b'\t']);
    let value: Vec<u8> = [b"<".to_vec(), legal.collect(), b">".to_vec()].concat();
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Authgear-Session-Valid: true\r\nX-Authgear-User-Id: u\r\n";
    ([&head[..], b"X-Authgear-Some-Day: ", &value, b"\r\n\r\n"].concat(), value)
}

#[test]
fn every_byte_that_a_value_may_have_is_kept() {
    let live = cached(ANSWER);
    let (raw, value) = every_byte();
    for_each_wire(|wire| {
        live.resolver.push_fault(Fault::Raw(raw.clone()));
        let seen = assert_same(&live, wire, &token_of("alice", wire as u64));
        assert_eq!(seen.header_all("x-authgear-some-day"), [value.as_slice()]);
    });
    live.finish();
}

#[test]
fn a_client_s_own_are_replaced_by_a_hit_where_they_are_not_stripped() {
    let live = cached("authgear_strip_headers off;");
    let forged = |request: Request| {
        request
            .header("X-Authgear-User-Id", "forged")
            .header("X-Authgear-User-Roles", "root")
            .header("X_Authgear_User_Id", "u")
    };
    for_each_wire(|wire| {
        for (user, wanted) in [("norole", identity_of("norole")), ("nobody", vec![])] {
            for end in [" MISS", " HIT", " HIT"] {
                let request = forged(token_of(user, wire as u64));
                let (seen, _) = ask(&live, wire, &request, end);
                assert_eq!(identity(&seen), wanted);
            }
        }
    });
    live.finish();
}
