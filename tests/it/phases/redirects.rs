//! Internal redirects and named locations: trusted headers exactly once, and one call at most.

use super::super::harness::{Builder, Nginx, Request, Wire, for_each_wire, send};
use super::super::stage::{LAX, Stage, by, identity, identity_of};
use super::super::standin::Fault;
use super::forged;

/// A way from one location to another.
#[derive(Clone, Copy, Debug)]
struct Way {
    /// What the client asks for.
    target: &'static str,
    /// Where it gets to.
    end: &'static str,
    /// The first location; `PASS` stands for the backend.
    start: &'static str,
    /// Whether the access phase is run in the first location.
    resolves_first: bool,
}

const fn way(target: &'static str, end: &'static str, start: &'static str) -> Way {
    Way { target, end, start, resolves_first: true }
}

const WAYS: [Way; 11] = [
    way("/start/", "/end/", "location /start/ { error_page 404 403 =200 /end/; }"),
    way("/start/x", "@end", "location /start/ { error_page 404 =200 @end; }"),
    way("/start/x", "/end/", "location /start/ { try_files /missing /end/x; }"),
    way("/start/x", "@end", "location /start/ { try_files /missing @end; }"),
    way("/dir/", "= /dir/index", "location /dir/ { index index; }"),
    way("/redirect-internal?/end/", "/end/", "location /redirect-internal { PASS }"),
    way("/redirect-named?end", "@end", "location /redirect-named { PASS }"),
    way(
        "/status/500",
        "/end/",
        "location /status/ { proxy_intercept_errors on; error_page 500 =200 /end/; PASS }",
    ),
    way(
        "/a/x",
        "/end/",
        "location /a/ { try_files /m /b/; } location /b/ { error_page 404 403 =200 /end/; }",
    ),
    Way { resolves_first: false, ..way("/start/x", "/end/", "location /start/ { rewrite ^ /end/x last; }") },
    Way {
        resolves_first: false,
        ..way("/start/x", "/end/", "location /start/ { error_page 418 =200 /end/; return 418; }")
    },
];

/// `lines` stand in the last location.
fn builder(stage: &Stage, way: Way, lines: &str) -> Builder {
    let (resolve, pass) = (stage.resolve(), stage.pass());
    let (start, end) = (way.start.replace("PASS", &pass), way.end);
    // A named location has the URI of the first one, by which the echo would redirect for ever.
    let lines = format!("proxy_ignore_headers X-Accel-Redirect; {lines}");
    // Files are looked for in the instance's folder: `dir/index` is there, nothing else.
    Nginx::builder()
        .http(LAX)
        .server(format!("{resolve} root .; {start} location {end} {{ {lines} {pass} }}"))
}

fn start(builder: Builder) -> Nginx {
    let nginx = builder.start();
    let dir = nginx.prefix().join("dir");
    std::fs::create_dir(&dir).expect("the folder is writable");
    std::fs::write(dir.join("index"), "").expect("the folder is writable");
    nginx
}

/// The last of the requests that reached the backend, and how many calls that cost.
#[track_caller]
fn ask(stage: &Stage, nginx: &Nginx, wire: Wire, request: Request) -> (Vec<(String, String)>, u64) {
    stage.echo.clear();
    let (response, calls) = stage.calls_of(|| send(nginx, wire, request));
    assert_eq!(response.status, 200, "{response:?}");
    let seen = stage.echo.last().expect("the backend was asked");
    (identity(&seen), calls)
}

#[test]
fn every_way_carries_the_identity_once_for_one_call() {
    for way in WAYS {
        println!("{way:?}");
        let stage = Stage::start();
        let nginx = start(builder(&stage, way, ""));
        for_each_wire(|wire| {
            for user in ["alice", "norole", "disabled"] {
                let request = forged(by(user, Request::get(way.target)));
                assert_eq!(ask(&stage, &nginx, wire, request), (identity_of(user), 1));
            }
            assert_eq!(ask(&stage, &nginx, wire, forged(Request::get(way.target))), (vec![], 0));
        });
        nginx.finish();
    }
}

#[test]
fn a_location_that_does_not_resolve_keeps_what_was_resolved_before() {
    for way in WAYS {
        println!("{way:?}");
        let stage = Stage::start();
        let nginx = start(builder(&stage, way, "authgear_resolve off;"));
        for_each_wire(|wire| {
            for user in ["alice", "norole", "disabled"] {
                let expected = if way.resolves_first { identity_of(user) } else { vec![] };
                let request = forged(by(user, Request::get(way.target)));
                assert_eq!(ask(&stage, &nginx, wire, request), (expected, u64::from(way.resolves_first)));
            }
            assert_eq!(ask(&stage, &nginx, wire, forged(Request::get(way.target))), (vec![], 0));
        });
        nginx.finish();
    }
}

#[test]
fn a_failure_is_not_asked_about_again() {
    let stage = Stage::start();
    let pass = stage.pass();
    let nginx =
        stage.builder().server(format!("error_page 401 403 502 /end/; location /end/ {{ {pass} }}")).start();
    for_each_wire(|wire| {
        for (fault, status) in [(500, 502), (404, 502), (401, 401), (403, 403)] {
            stage.resolver.set_fault(Some(Fault::Status(fault)));
            let request = forged(by("alice", Request::get("/")));
            let (response, calls) = stage.calls_of(|| stage.refused(&nginx, wire, request));
            assert_eq!((response.status, calls), (status, 1));
        }
    });
    nginx.finish();
}

#[test]
fn an_error_page_of_a_failure_that_does_not_resolve_gets_no_identity() {
    let stage = Stage::start();
    let pass = stage.pass();
    let nginx = stage.start_lax(format!(
        "error_page 401 502 /uri; error_page 403 = @named; location /uri {{ authgear_resolve off; {pass} }}
             location @named {{ authgear_resolve off; {pass} }}"
    ));
    for_each_wire(|wire| {
        for (fault, status) in [(500, 502), (401, 401), (403, 200)] {
            stage.resolver.set_fault(Some(Fault::Status(fault)));
            stage.echo.clear();
            let response = send(&nginx, wire, forged(by("alice", Request::get("/"))));
            assert_eq!(response.status, status);
            assert_eq!(identity(&stage.only_request()), []);
        }
    });
    nginx.finish();
}

#[test]
fn a_challenge_is_passed_once_whatever_the_number_of_redirects() {
    let stage = Stage::start();
    let headers = vec![
        ("WWW-Authenticate".to_owned(), "Bearer realm=\"a\"".to_owned()),
        ("WWW-Authenticate".to_owned(), "Basic realm=\"b\"".to_owned()),
    ];
    stage.resolver.set_fault(Some(Fault::Answer { status: 401, headers, body: vec![] }));
    let nginx = stage.builder().server("error_page 401 /end/; location /end/ { root .; }").start();
    for_each_wire(|wire| {
        let response = stage.refused(&nginx, wire, by("alice", Request::get("/")));
        assert_eq!(response.status, 401);
        assert_eq!(response.all("www-authenticate"), ["Bearer realm=\"a\"", "Basic realm=\"b\""]);
    });
    nginx.finish();
}

#[test]
fn error_pages_that_lead_back_to_a_refusal_cost_one_call_and_end() {
    let stage = Stage::start();
    let nginx = stage.builder().server("recursive_error_pages on; error_page 401 403 502 /again;").start();
    for_each_wire(|wire| {
        for fault in [500, 401, 403] {
            stage.resolver.set_fault(Some(Fault::Status(fault)));
            let request = by("alice", Request::get("/"));
            let (response, calls) = stage.calls_of(|| stage.refused(&nginx, wire, request));
            // nginx's own end of such a cycle.
            assert_eq!((response.status, calls), (500, 1), "{fault}");
        }
    });
    nginx.finish();
}
