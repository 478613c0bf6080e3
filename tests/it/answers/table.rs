//! Every combination of odd `x-authgear-*` forms, judged by the rules as a reader of the manual would put them.

use super::super::harness::Wire;
use super::super::live::{assert_ending, ending};
use super::super::stage::{identity_told, pairs};
use super::super::standin::Fault;
use super::{Live, answer, ask, for_each_resolver};

/// The lines of one name: none, one, or several.
type Lines = &'static [&'static str];

const VALID: [Lines; 9] = [
    &[],
    &["true"],
    &["false"],
    &[""],
    &["True"],
    &["true", "true"],
    &["false", "false"],
    &["true", "false"],
    &["false", ""],
];
const USER: [Lines; 5] = [&[], &["alice"], &[""], &["alice", "alice"], &["alice", "bob"]];
const ROLES: [Lines; 4] = [&[], &["admin"], &[""], &["admin", ""]];
/// Names of one more header, and whether they may be in an answer at all.
const MORE: [(Option<&str>, bool); 5] = [
    (None, true),
    (Some("X-Authgear-New"), true),
    (Some("X-Authgear-User_Id"), false),
    (Some("X-Authgear-User.Roles"), false),
    (Some("X-Other"), true),
];

/// `None`: malformed.
fn judged(valid: Lines, user: Lines, roles: Lines, is_known: bool, has_body: bool) -> Option<&'static str> {
    if !is_known || valid.len() > 1 || user.len() > 1 || roles.len() > 1 {
        return None;
    }
    let has_user = user == ["alice"];
    match valid {
        ["true"] if has_user => Some("valid"),
        ["false"] if !has_user => Some("invalid"),
        [] if !has_user && !has_body => Some("none"),
        _ => None,
    }
}

#[test]
fn every_combination_of_forms_is_what_the_rules_say() {
    for_each_resolver("", |live| {
        let mut count = 0;
        for (valid, user, roles, (more, is_known), has_body) in combinations() {
            let mut headers = Vec::new();
            for (name, lines) in [
                ("X-Authgear-Session-Valid", valid),
                ("X-Authgear-User-Id", user),
                ("X-Authgear-User-Roles", roles),
            ] {
                headers.extend(lines.iter().map(|value| (name, *value)));
            }
            headers.extend(more.map(|name| (name, "odd")));
            let body = if has_body { "a body" } else { "" };
            // 204 has no body.
            let status = if has_body || count % 2 == 0 { 200 } else { 204 };
            let response = ask(live, Wire::Http1, answer(status, &headers, body));
            match judged(valid, user, roles, is_known, has_body) {
                None => assert_ending(&response, 502, "error", "malformed"),
                Some(result) => {
                    assert_eq!(
                        ending(&response),
                        (200, result.to_owned(), "resolved".to_owned()),
                        "{headers:?}"
                    );
                    let passes = |(name, value): &&(&str, &str)| {
                        result != "none" && name.starts_with("X-Authgear-") && !value.is_empty()
                    };
                    let mut expected = pairs(&headers.iter().filter(passes).copied().collect::<Vec<_>>());
                    expected.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
                    expected.sort();
                    assert_eq!(identity_told(&response), expected, "{headers:?}");
                }
            }
            count += 1;
        }
        assert_eq!(count, 9 * 5 * 4 * 5 * 2);
    });
}

type Combination = (Lines, Lines, Lines, (Option<&'static str>, bool), bool);

fn combinations() -> impl Iterator<Item = Combination> {
    VALID.into_iter().flat_map(|valid| {
        USER.into_iter().flat_map(move |user| {
            ROLES.into_iter().flat_map(move |roles| {
                MORE.into_iter().flat_map(move |more| {
                    [false, true].into_iter().map(move |has_body| (valid, user, roles, more, has_body))
                })
            })
        })
    })
}

/// Heads as they are on the wire of HTTP/1.1, and whether they name alice; the others are errors.
#[test]
fn every_odd_byte_is_read_strictly_or_not_at_all() {
    let cases: [(&[u8], bool); 19] = [
        (b"X-Authgear-Session-Valid:true\r\nX-Authgear-User-Id:alice\r\n", true),
        (b"X-Authgear-Session-Valid: \t true \t\r\nX-Authgear-User-Id:  alice  \r\n", true),
        (b"x-aUTHGEAR-sESSION-vALID: true\r\nX-AUTHGEAR-USER-ID: alice\r\n", true),
        (b"X-Authgear-User-Id: alice\r\nX-Other: \xff\r\nX-Authgear-Session-Valid: true\r\n", true),
        (b"X-Authgear-Session-Valid: tr ue\r\nX-Authgear-User-Id: alice\r\n", false),
        (b"X-Authgear-Session-Valid: true;\r\nX-Authgear-User-Id: alice\r\n", false),
        (b"X-Authgear-Session-Valid: true,\r\nX-Authgear-User-Id: alice\r\n", false),
        (b"X-Authgear-Session-Valid: \xc2\xa0true\r\nX-Authgear-User-Id: alice\r\n", false),
        (b"X-Authgear-Session-Valid: true\x00\r\nX-Authgear-User-Id: alice\r\n", false),
        (b"X-Authgear-Session-Valid: true\x7f\r\nX-Authgear-User-Id: alice\r\n", false),
        (b"X-Authgear-Session-Valid: true\x0b\r\nX-Authgear-User-Id: alice\r\n", false),
        (b"X-Authgear-Session-Valid: tr\r\n ue\r\nX-Authgear-User-Id: alice\r\n", false),
        (b"X-Authgear-Session-Valid:\r\n true\r\nX-Authgear-User-Id: alice\r\n", false),
        (b"X-Authgear-Session-Valid: true\r\nX-Authgear-User-Id: alice\rX-Other: a\r\n", false),
        (b"X-Authgear-Session-Valid: true\r\nX-Authgear-User-Id : alice\r\n", false),
        (b"X-Authgear-Session-Valid: true\r\nX-Authgear-User-Id\r\n", false),
        (
            b"X-Authgear-Session-Valid: true\r\nX-Authgear-User-Id: alice\r\nX-AUTHGEAR-USER-ID: alice\r\n",
            false,
        ),
        (
            b"X-Authgear-Session-Valid: true\r\nX-Authgear-User-Id: alice\r\nX-Authgear-User~Id: bob\r\n",
            false,
        ),
        (b"X-Authgear-Session-Valid: true\r\nX-Authgear-User-Id: alice\r\n: bob\r\n", false),
    ];
    let live = Live::start();
    for (lines, is_alice) in cases {
        let head = [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", lines, b"\r\n"].concat();
        let what = lines.escape_ascii().to_string();
        let response = ask(&live, Wire::Http1, Fault::Garbage(head));
        if is_alice {
            assert_eq!(response.status, 200, "{what}");
            let alice = [("x-authgear-session-valid", "true"), ("x-authgear-user-id", "alice")];
            assert_eq!(identity_told(&response), pairs(&alice), "{what}");
        } else {
            assert_eq!(ending(&response), (502, "error".into(), "malformed".into()), "{what}");
        }
    }
    live.finish();
}
