//! What comes after the access phase: nothing of a location is served to whom it refuses, and what is served knows the user.

use super::super::documents::piece;
use super::super::harness::{EchoReply, Nginx, PATIENCE, Request, Wire, for_each_wire, http1, poll, send};
use super::super::stage::{Stage, by, identity, identity_of, user_id};
use super::forged;

const GUIDE: &str = "docs/before-authentication.md";

#[test]
fn no_kind_of_content_is_served_to_whom_the_location_refuses() {
    let stage = Stage::start();
    let (resolve, pass) = (stage.resolve(), stage.pass());
    let nginx = Nginx::builder()
        .server(format!(
            "{resolve} authgear_require valid; root .;
             location /files/ {{ }} location /index/ {{ index page; }} location /list/ {{ autoindex on; }}
             location /tried/ {{ try_files /files/page =404; }} location /else/ {{ try_files \"\" =204; }}
             location = /stub {{ stub_status; }} location = /status {{ authgear_status; }}
             location = /pixel {{ empty_gif; }} location /passed {{ {pass} }}
             location /included {{ ssi on; ssi_types *; try_files /files/page =404; }}"
        ))
        .start();
    for folder in ["files", "index", "list"] {
        std::fs::create_dir(nginx.prefix().join(folder)).expect("the folder is writable");
        std::fs::write(nginx.prefix().join(folder).join("page"), "text").expect("the folder is writable");
    }
    for_each_wire(|wire| {
        for (target, status) in [
            ("/files/page", 200),
            ("/files/none", 404),
            ("/index/", 200),
            ("/list/", 200),
            ("/tried/", 200),
            ("/else/", 204),
            ("/stub", 200),
            ("/status", 200),
            ("/pixel", 200),
            ("/passed", 200),
            ("/included", 200),
        ] {
            let response = send(&nginx, wire, by("alice", Request::get(target)));
            assert_eq!(response.status, status, "{target}");
            // What is not there is no more to be learned than what is.
            for request in [Request::get(target), by("nobody", Request::get(target))] {
                let response = stage.refused(&nginx, wire, forged(request));
                assert_eq!(response.status, 401, "{target}");
            }
        }
    });
    nginx.finish();
}

#[test]
fn a_mirror_gets_nothing_of_a_refused_request() {
    let stage = Stage::start();
    let (resolve, pass) = (stage.resolve(), stage.pass());
    let nginx = Nginx::builder()
        .server(format!(
            "{resolve} location / {{ authgear_require valid; mirror /mirror; empty_gif; }}
             location = /mirror {{ internal; {pass} }}
             location /tried {{ mirror /mirror; try_files \"\" =204; }}"
        ))
        .start();
    for_each_wire(|wire| {
        assert_eq!(stage.refused(&nginx, wire, forged(Request::get("/"))).status, 401);
        assert_eq!(stage.refused(&nginx, wire, by("alice", Request::get("/tried"))).status, 204);
        stage.echo.clear();
        assert_eq!(send(&nginx, wire, forged(by("alice", Request::get("/")))).status, 200);
        assert!(stage.echo.wait_for_requests(1, PATIENCE));
        assert_eq!(identity(&stage.only_request()), identity_of("alice"));
    });
    nginx.finish();
}

const REQUIRED: &str = "authgear_require valid;";

/// A site with nginx's own cache before the backend; its answers say who the backend took the user for.
fn with_cache(stage: &Stage, lines: &str) -> Nginx {
    let (resolve, pass) = (stage.resolve(), stage.pass());
    Nginx::builder()
        .http("proxy_cache_path answers keys_zone=answers:1m;")
        .server(format!(
            "{resolve} location / {{ proxy_cache answers; proxy_cache_valid 10m;
             {lines} add_header x-cache $upstream_cache_status always; {pass} }}"
        ))
        .start()
}

/// Whom the answer is about, and whether nginx had it kept.
#[track_caller]
fn told(nginx: &Nginx, user: &str) -> (Option<String>, String) {
    told_of(nginx, by(user, Request::get("/page")))
}

#[track_caller]
fn told_of(nginx: &Nginx, request: Request) -> (Option<String>, String) {
    let response = send(nginx, Wire::Http1, forged(request));
    let about = EchoReply::of(&response).header("x-authgear-user-id").map(str::to_owned);
    (about, response.header("x-cache").unwrap_or_default())
}

#[test]
fn an_answer_that_nginx_keeps_without_the_user_in_its_key_is_for_everybody_who_is_let_in() {
    let stage = Stage::start();
    let nginx = with_cache(&stage, REQUIRED);
    let alice = Some(user_id("alice"));
    assert_eq!(told(&nginx, "alice"), (alice.clone(), "MISS".into()));
    assert_eq!(told(&nginx, "bob"), (alice, "HIT".into()));
    // The check is made all the same.
    for_each_wire(|wire| {
        assert_eq!(stage.refused(&nginx, wire, Request::get("/page")).status, 401);
    });
    nginx.finish();
}

/// The line of the guide.
fn guide_s_key() -> String {
    let piece = piece(GUIDE, "proxy_cache_key");
    piece.text.lines().find(|line| line.contains("proxy_cache_key")).expect("the key").to_owned()
}

#[test]
fn nobody_writes_another_user_s_key() {
    let stage = Stage::start();
    let nginx = with_cache(&stage, &guide_s_key());
    assert_eq!(told(&nginx, "alice"), (Some(user_id("alice")), "MISS".into()));
    for divider in ["", "|", "%7C"] {
        let page = format!("/page{divider}{}", user_id("alice"));
        assert_eq!(told_of(&nginx, Request::get(&page)), (None, "MISS".into()), "{page}");
    }
    nginx.finish();
}

#[test]
fn with_the_user_in_its_key_each_has_an_answer_of_its_own() {
    let stage = Stage::start();
    let nginx = with_cache(&stage, &format!("{REQUIRED} {}", guide_s_key()));
    for user in ["alice", "bob"] {
        assert_eq!(told(&nginx, user), (Some(user_id(user)), "MISS".into()));
    }
    for user in ["alice", "bob"] {
        assert_eq!(told(&nginx, user), (Some(user_id(user)), "HIT".into()));
    }
    nginx.finish();
}

/// As nginx writes it when the request is over.
#[test]
fn the_log_of_an_early_answer_tells_no_identity() {
    let stage = Stage::start();
    let nginx = Nginx::builder()
        .http(
            "log_format told escape=none '$uri|$authgear_user_id|$authgear_result|$authgear_reason|$status';",
        )
        .server(format!(
            "{} access_log access.log told; location = /early {{ return 204; }} location / {{ {} }}",
            stage.resolve(),
            stage.pass()
        ))
        .start();
    assert_eq!(http1::get(nginx.port(), "/early").status, 204);
    let line = || nginx.access_log().lines().find(|line| line.starts_with("/early")).map(str::to_owned);
    assert_eq!(poll(PATIENCE, line).as_deref(), Some("/early||-|-|204"));
    nginx.finish();
}
