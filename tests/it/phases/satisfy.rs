//! Resolving beside nginx's own access modules: it grants nothing, and they are asked first.

use super::super::harness::{Builder, Nginx, Request, for_each_wire, send};
use super::super::stage::{LAX, Stage, by, identity, identity_of};
use super::forged;

const BY_ADDRESS: [&str; 3] = ["", "allow all;", "deny all;"];
const BY_PASSWORD: [&str; 2] = ["", "auth_basic realm; auth_basic_user_file passwords;"];
const BY_REQUEST: [&str; 4] =
    ["", "auth_request /auth/204;", "auth_request /auth/401;", "auth_request /auth/403;"];

/// `user:pass` and `user:wrong`.
const PASSWORDS: [Option<&str>; 3] = [None, Some("Basic dXNlcjpwYXNz"), Some("Basic dXNlcjp3cm9uZw==")];

/// A location for each combination, numbered.
fn locations(pass: &str) -> (Vec<String>, String) {
    let mut names = Vec::new();
    let mut text = String::new();
    for satisfy in ["all", "any"] {
        for address in BY_ADDRESS {
            for password in BY_PASSWORD {
                for request in BY_REQUEST {
                    let name = format!("/{}/", names.len());
                    text += &format!(
                        "location {name} {{ satisfy {satisfy}; {address} {password} {request} {pass} }}\n"
                    );
                    names.push(name);
                }
            }
        }
    }
    text += "location = /auth/204 { internal; return 204; } location = /auth/401 { internal; return 401; }
             location = /auth/403 { internal; return 403; }";
    (names, text)
}

fn start(builder: Builder) -> Nginx {
    let nginx = builder.start();
    // nginx reads it with each request.
    std::fs::write(nginx.prefix().join("passwords"), "user:{PLAIN}pass\n").expect("the folder is writable");
    nginx
}

/// A request with a password and a session: these don't get into each other's way when the session is in a cookie.
fn request(location: &str, password: Option<&str>, session: Option<&str>) -> Request {
    let request = forged(Request::get(location));
    let request = match password {
        Some(password) => request.header("Authorization", password),
        None => request,
    };
    match session {
        Some(session) => request.header("Cookie", format!("app_session={session}")),
        None => request,
    }
}

#[test]
fn resolving_alone_changes_no_answer_of_the_access_modules() {
    let stage = Stage::start();
    let (names, text) = locations(&stage.pass());
    let stock = start(Nginx::builder().module(false).server(&text));
    let ours = start(Nginx::builder().http(LAX).server(stage.resolve()).server(&text));
    for_each_wire(|wire| {
        for name in &names {
            for password in PASSWORDS {
                for session in [None, Some("user:alice:1"), Some("user:disabled:1"), Some("unknown")] {
                    let request = request(name, password, session);
                    let expected = send(&stock, wire, &request);
                    let got = send(&ours, wire, &request);
                    let what = format!("{request:?} at {name} of {text}");
                    assert_eq!(got.status, expected.status, "{what}");
                    assert_eq!(got.all("www-authenticate"), expected.all("www-authenticate"), "{what}");
                }
            }
        }
    });
    stock.finish();
    ours.finish();
}

#[test]
fn whom_an_access_module_refuses_the_resolver_never_hears_of() {
    let stage = Stage::start();
    let pass = stage.pass();
    let nginx = start(stage.builder().server(format!(
        "location /address {{ deny all; {pass} }}
         location /password {{ auth_basic realm; auth_basic_user_file passwords; {pass} }}
         location /request {{ auth_request /auth; {pass} }}
         location /limited {{ limit_except POST {{ deny all; }} {pass} }}
         location = /auth {{ internal; return 403; }}"
    )));
    for_each_wire(|wire| {
        for (target, status) in [("/address", 403), ("/password", 401), ("/request", 403), ("/limited", 403)]
        {
            for password in [None, Some("Basic dXNlcjp3cm9uZw==")] {
                let response = stage.refused(&nginx, wire, request(target, password, Some("user:alice:1")));
                assert_eq!(response.status, status, "{target}");
            }
        }
        assert_eq!(stage.resolver.call_count(), 0);
    });
    nginx.finish();
}

#[test]
fn whom_they_let_in_is_resolved_under_satisfy_all() {
    let stage = Stage::start();
    let pass = stage.pass();
    let nginx = start(stage.builder().server(format!(
        "location /all {{ allow all; auth_basic realm; auth_basic_user_file passwords; auth_request /auth; {pass} }}
         location = /auth {{ internal; return 204; }}"
    )));
    for_each_wire(|wire| {
        let request = request("/all", PASSWORDS[1], Some("user:alice:1"));
        let (seen, calls) = stage.calls_of(|| stage.ask(&nginx, wire, request));
        assert_eq!((identity(&seen), calls), (identity_of("alice"), 1));
    });
    nginx.finish();
}

#[test]
fn whom_another_module_lets_in_is_not_resolved_under_satisfy_any() {
    let stage = Stage::start();
    let pass = stage.pass();
    let nginx = start(stage.builder().http(LAX).server(format!(
        "satisfy any;
         location /address {{ allow all; {pass} }}
         location /password {{ deny all; auth_basic realm; auth_basic_user_file passwords; {pass} }}
         location /request {{ deny all; auth_request /auth; {pass} }}
         location = /auth {{ internal; return 204; }}"
    )));
    for_each_wire(|wire| {
        for target in ["/address", "/password", "/request"] {
            let request = request(target, PASSWORDS[1], Some("user:alice:1"));
            let (seen, calls) = stage.calls_of(|| stage.ask(&nginx, wire, request));
            assert_eq!((identity(&seen), calls), (vec![], 0), "{target}");
        }
    });
    nginx.finish();
}

#[test]
fn with_nothing_else_configured_satisfy_any_resolves_and_passes() {
    let stage = Stage::start();
    let nginx = stage.builder().server("satisfy any;").start();
    for_each_wire(|wire| {
        for (request, expected) in [
            (by("alice", Request::get("/")), identity_of("alice")),
            (by("nobody", Request::get("/")), vec![]),
            (Request::get("/"), vec![]),
        ] {
            assert_eq!(identity(&stage.ask(&nginx, wire, forged(request))), expected);
        }
    });
    nginx.finish();
}
