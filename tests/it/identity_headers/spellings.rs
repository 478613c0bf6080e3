//! Spellings that some backend takes for an identity header.

use super::super::harness::{Builder, Nginx, Request, Wire, for_each_wire, http1};
use super::super::stage::{LAX, Stage, by, identity, identity_of};
use super::{NAMES, with_all};

/// Every byte that nginx lets into a name and that is no letter or digit.
fn separators() -> impl Iterator<Item = u8> {
    (0x21..=0xff).filter(|b: &u8| !b.is_ascii_alphanumeric() && !matches!(b, b':' | 0x7f))
}

fn respelled(name: &str, change: impl Fn(usize, u8) -> u8) -> Vec<u8> {
    name.bytes().enumerate().map(|(at, byte)| change(at, byte)).collect()
}

/// Every name, with its dashes replaced one by one and all at once.
fn aliases() -> Vec<Vec<u8>> {
    let mut aliases = Vec::new();
    for name in NAMES {
        for separator in [b'_', b'.', b'-'] {
            aliases.push(respelled(name, |_, b| if b == b'-' { separator } else { b }));
            for dash in name.bytes().enumerate().filter(|(_, b)| *b == b'-').map(|(at, _)| at) {
                aliases.push(respelled(name, |at, b| if at == dash { separator } else { b }));
            }
        }
    }
    for separator in separators() {
        aliases.push(respelled("x-authgear-user-id", |_, b| if b == b'-' { separator } else { b }));
        aliases.push(respelled("x-authgear-user-id", |at, b| if at == 1 { separator } else { b }));
        aliases.push(respelled("x-authgear-user-id", |at, b| if at == 10 { separator } else { b }));
    }
    aliases
}

/// Sends all of them, a few at a time, as a stranger and as Alice; where resolving is on, and where it is off.
fn assert_none_arrives(builder: Builder, stage: &Stage, wire: Wire, names: &[Vec<u8>]) {
    let nginx = builder.start();
    for some in names.chunks(60) {
        for (target, user, expected) in [
            ("/", Some("alice"), identity_of("alice")),
            ("/", None, vec![]),
            ("/open/", Some("alice"), vec![]),
        ] {
            let request = with_all(Request::get(target), some);
            let request = match user {
                Some(user) => by(user, request),
                None => request,
            };
            let seen = stage.ask(&nginx, wire, request.header("x-kept", "1"));
            assert_eq!(identity(&seen), expected, "{target} {user:?}");
            assert_eq!(seen.text("x-kept"), Some("1"));
        }
    }
    nginx.finish();
}

#[test]
fn no_alias_arrives_with_lax_settings() {
    let stage = Stage::start();
    for_each_wire(|wire| assert_none_arrives(stage.builder().http(LAX), &stage, wire, &aliases()));
}

#[test]
fn no_alias_arrives_with_default_settings() {
    let stage = Stage::start();
    for_each_wire(|wire| assert_none_arrives(stage.builder(), &stage, wire, &aliases()));
}

#[test]
fn without_the_module_every_alias_would_arrive_with_lax_settings() {
    // What the tests above prove is worth nothing unless nginx hands these to the backend by itself.
    let stage = Stage::start();
    let builder =
        Nginx::builder().module(false).http(LAX).server(format!("location / {{ {} }}", stage.pass()));
    let nginx = builder.start();
    let aliases = aliases();
    for_each_wire(|wire| {
        for some in aliases.chunks(60) {
            let seen = stage.ask(&nginx, wire, with_all(Request::get("/"), some));
            assert_eq!(identity(&seen).len(), some.len());
        }
    });
    nginx.finish();
}

#[test]
fn no_mix_of_cases_arrives() {
    // HTTP/2 has no capitals in names: nginx refuses them.
    let stage = Stage::start();
    let mixed: Vec<Vec<u8>> = NAMES
        .iter()
        .flat_map(|name| {
            [
                respelled(name, |_, b| b.to_ascii_uppercase()),
                respelled(name, |at, b| if at % 2 == 0 { b.to_ascii_uppercase() } else { b }),
                respelled(name, |at, b| if at % 2 == 1 { b.to_ascii_uppercase() } else { b }),
                respelled(name, |_, b| if b == b'-' { b'_' } else { b.to_ascii_uppercase() }),
                respelled(name, |at, b| if at == 0 { b'X' } else { b }),
            ]
        })
        .collect();
    assert_none_arrives(stage.builder().http(LAX), &stage, Wire::Http1, &mixed);
    assert_none_arrives(stage.builder(), &stage, Wire::Http1, &mixed);
}

#[test]
fn no_duplicate_arrives_on_either_side_of_an_alias() {
    let stage = Stage::start();
    let nginx = stage.builder().http(LAX).start();
    let orders: [&[&str]; 4] = [
        &["X-Authgear-User-Id", "x-authgear-user-id", "X_Authgear_User_Id"],
        &["X_Authgear_User_Id", "X-AUTHGEAR-USER-ID", "x.authgear.user.id", "X-Authgear-User-Id"],
        &["x-authgear_user-id", "x-authgear_user-id", "x-authgear_user-id"],
        &["x-authgear-user-id"; 40],
    ];
    for_each_wire(|wire| {
        for names in orders {
            let before = by("bob", with_all(Request::get("/"), names));
            assert_eq!(identity(&stage.ask(&nginx, wire, before)), identity_of("bob"));
            let after = with_all(by("bob", Request::get("/")), names);
            assert_eq!(identity(&stage.ask(&nginx, wire, after)), identity_of("bob"));
        }
    });
    nginx.finish();
}

#[test]
fn no_length_of_a_name_arrives() {
    // nginx lowers names in a buffer of 32 bytes.
    let stage = Stage::start();
    let lengths = [0, 1, 19, 20, 21, 22, 31, 32, 33, 52, 53, 54, 100, 255, 256, 1000];
    let names: Vec<Vec<u8>> =
        lengths.iter().map(|length| format!("x-authgear-{}", "a".repeat(*length)).into_bytes()).collect();
    let odd = names.iter().map(|name| respelled(name_of(name), |_, b| if b == b'-' { b'.' } else { b }));
    let names: Vec<Vec<u8>> = odd.chain(names.iter().cloned()).collect();
    for_each_wire(|wire| {
        assert_none_arrives(stage.builder().http(LAX), &stage, wire, &names);
        assert_none_arrives(stage.builder(), &stage, wire, &names);
    });
}

fn name_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("ASCII")
}

#[test]
fn no_odd_shape_of_a_header_line_brings_one_in() {
    // nginx refuses some, and reads others as something else.
    let lines = [
        "X-Authgear-User-Id : forged",
        " X-Authgear-User-Id: forged",
        "\tX-Authgear-User-Id: forged",
        "X-Odd: a\r\n X-Authgear-User-Id: forged",
        "X-Odd: a\nX-Authgear-User-Id: forged",
        "X-Odd: a\rX-Authgear-User-Id: forged",
        "X-Odd: a\0\r\nX-Authgear-User-Id: forged",
        "X-Authgear-User-Id",
        "X-Authgear-User-Id:",
        "X-Authgear-User-Id:forged",
        "X-Authgear-User-Id:\t \tforged\t",
        "X-Authgear-User-Id:: forged",
        ": X-Authgear-User-Id: forged",
        "\u{b}X-Authgear-User-Id: forged",
        "X-Authgear-User-Id\0: forged",
    ];
    let stage = Stage::start();
    for settings in ["", LAX] {
        let nginx = stage.builder().http(settings).start();
        let mut passed = 0;
        for line in lines {
            for user in ["alice", "nobody"] {
                stage.echo.clear();
                let head = format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer user:{user}:1\r\n");
                let request = format!("{head}{line}\r\nX-Last: 1\r\nConnection: close\r\n\r\n");
                let answer = http1::raw(nginx.port(), request.as_bytes());
                let expected = if user == "alice" { identity_of("alice") } else { vec![] };
                let seen = stage.echo.requests();
                assert_eq!(seen.len(), usize::from(answer.starts_with(b"HTTP/1.1 200 ")), "{line:?}");
                seen.iter().for_each(|seen| assert_eq!(identity(seen), expected, "{line:?}"));
                passed += seen.len();
            }
        }
        assert!(passed >= 8, "only {passed} got through");
        nginx.finish();
    }
}

#[test]
fn names_that_only_resemble_an_identity_header_arrive() {
    let stage = Stage::start();
    let nginx = stage.builder().http(LAX).start();
    let others = [
        "x-authgear",
        "xauthgear-user-id",
        "x--authgear-user-id",
        "authgear-user-id",
        "x-authgea-user-id",
        "-x-authgear-user-id",
        "x-authgearx-user-id",
        "y-authgear-user-id",
        "x",
        "x-",
        "_x_authgear_user_id",
    ];
    for_each_wire(|wire| {
        let request = others.iter().fold(Request::get("/"), |request, name| request.header(name, *name));
        let seen = stage.ask(&nginx, wire, by("alice", request));
        for name in others {
            assert_eq!(seen.header_all(name), [name.as_bytes()]);
        }
        assert_eq!(identity(&seen), identity_of("alice"));
    });
    nginx.finish();
}
