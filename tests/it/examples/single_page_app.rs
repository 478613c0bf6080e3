//! single-page-app.conf: files for everyone, and an API that scripts of one origin may call.

use std::fs;

use super::{EchoReply, Example, Fault, Nginx, Request, Response, Stage, ask_at, free_port, with_bearer};

const ORIGIN: &str = "https://www.example.com";

struct Site {
    stage: Stage,
    example: Example,
    nginx: Nginx,
    port: u16,
}

impl Site {
    fn start() -> Self {
        let (stage, port) = (Stage::start(), free_port());
        let example = Example::read("single-page-app.conf").at(&stage.resolver);
        let mut example = example.replace("127.0.0.1:8080", &stage.echo.addr().to_string());
        let nginx = example.start(free_port(), port);
        Self { stage, example, nginx, port }
    }

    fn api(&self, request: &Request) -> Response {
        ask_at(self.port, "api.example.com", request)
    }
}

/// What a browser asks before it sends a token: without one.
fn preflight(origin: &str) -> Request {
    let request = Request::new("OPTIONS", "/orders").header("Origin", origin);
    let request = request.header("Access-Control-Request-Method", "POST");
    request.header("Access-Control-Request-Headers", "authorization,content-type")
}

/// Would a browser let a page of [`ORIGIN`] read this?
#[track_caller]
fn assert_readable(response: &Response) {
    assert_eq!(response.header("access-control-allow-origin").as_deref(), Some(ORIGIN), "{response:?}");
    assert_eq!(response.header("vary").as_deref(), Some("Origin"));
}

#[test]
fn files_are_for_everyone_and_cost_no_call() {
    let site = Site::start();
    for (name, text) in [("index.html", "the app"), ("app.js", "the script")] {
        fs::write(site.example.folder.path().join(name), text).expect("the folder is writable");
    }
    for (target, text) in [("/", "the app"), ("/orders/7", "the app"), ("/app.js", "the script")] {
        let request = Request { target: target.into(), ..site.stage.unique() };
        assert_eq!(ask_at(site.port, "www.example.com", &request).text(), text, "{target}");
    }
    assert_eq!(site.stage.resolver.call_count(), 0);
    site.nginx.finish();
}

#[test]
fn preflights_are_answered_without_a_credential_and_without_the_backend() {
    let site = Site::start();
    let answer = site.api(&preflight(ORIGIN));
    assert_eq!(answer.status, 204);
    assert_readable(&answer);
    let methods = answer.header("access-control-allow-methods").expect("methods");
    let headers = answer.header("access-control-allow-headers").expect("headers");
    assert!(methods.contains("POST") && headers.contains("Authorization"), "{answer:?}");
    // Nobody else's page, and nothing that isn't exactly the origin.
    for origin in ["https://evil.example", "https://www.example.com.evil.example", "null"] {
        let answer = site.api(&preflight(origin));
        assert_eq!((answer.status, answer.all("access-control-allow-origin").len()), (204, 0), "{origin}");
    }
    // It never gets further than this, whatever it says.
    assert_eq!(site.api(&preflight(ORIGIN).body("do it")).status, 204);
    assert_eq!((site.stage.resolver.call_count(), site.stage.echo.requests().len()), (0, 0));
    site.nginx.finish();
}

#[test]
fn users_reach_the_api_and_their_page_reads_the_answer() {
    let site = Site::start();
    for method in ["GET", "POST", "DELETE"] {
        let request = Request { method: method.into(), ..site.stage.unique() };
        let answer = site.api(&request.header("Origin", ORIGIN));
        assert_readable(&answer);
        site.stage.assert_is("alice", &answer);
        assert_eq!(EchoReply::of(&answer).method, method);
    }
    site.nginx.finish();
}

#[test]
fn refusals_and_failures_are_json_that_the_page_can_read() {
    let site = Site::start();
    let assert_says = |request: Request, status: u16, word: &str| {
        let answer = site.api(&request.header("Origin", ORIGIN));
        assert_readable(&answer);
        let json: serde_json::Value = serde_json::from_str(&answer.text()).expect("JSON");
        assert_eq!((answer.status, json), (status, serde_json::json!({ "error": word })));
        assert_eq!(answer.header("content-type").as_deref(), Some("application/json"));
        answer
    };
    let bare = assert_says(Request::get("/orders"), 401, "unauthorized");
    assert_eq!(bare.all("www-authenticate"), ["Bearer realm=\"authgear\""]);
    let bad = assert_says(with_bearer("bad"), 401, "unauthorized");
    assert!(bad.header("www-authenticate").is_some_and(|challenge| challenge.contains("invalid_token")));
    assert_eq!(bad.header("access-control-expose-headers").as_deref(), Some("WWW-Authenticate"));
    assert_says(Request::post("/orders", "{}"), 401, "unauthorized");
    site.stage.resolver.set_fault(Some(Fault::Status(500)));
    assert_says(site.stage.unique(), 502, "unavailable");
    site.stage.resolver.set_fault(Some(Fault::Status(403)));
    assert_says(site.stage.unique(), 403, "forbidden");
    assert_eq!(site.stage.echo.requests().len(), 0);
    site.nginx.finish();
}
