//! Requests that nginx refuses before its phases (400, 494 to 497, and some 405 and 501), or early in them (413), and
//! whose error page is a backend's.

use super::super::harness::tls::self_signed;
use super::super::harness::{Builder, Http1, Http2, Nginx, PATIENCE, Request, Response, Tls};
use super::super::stage::{LAX, Stage, by, identity, identity_of};
use super::forged;

/// Where the error page is served from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    /// By nginx without the module: the proof that these requests do carry their headers there.
    Stock,
    Resolving,
    NotResolving,
}

/// Every error leads to the backend; `lines` stand in the location of the error page.
fn builder(stage: &Stage, page: Page, target: &str, lines: &str) -> Builder {
    let pass = stage.pass();
    let resolve = match page {
        Page::Stock => String::new(),
        _ => stage.resolve(),
    };
    let off = if page == Page::NotResolving { "authgear_resolve off;" } else { "" };
    Nginx::builder().module(page != Page::Stock).http(LAX).server(format!(
        "{resolve} error_page 400 405 413 494 495 496 497 501 {target};
         location / {{ return 204; }} location {target} {{ {off} {lines} {pass} }}"
    ))
}

/// Nobody asks with a credential first, Alice then; the backend gets what is right and nothing else.
#[track_caller]
fn assert_clean(stage: &Stage, page: Page, refused: impl Fn(Request) -> Response, status: u16) {
    for (request, user) in [(Request::get("/"), ""), (by("alice", Request::get("/")), "alice")] {
        stage.echo.clear();
        let (response, calls) = stage.calls_of(|| refused(forged(request)));
        assert_eq!(response.status, status, "{}", response.text());
        let identity = identity(&stage.only_request());
        match page {
            Page::Stock => assert_eq!(identity.len(), 3, "{identity:?}"),
            Page::Resolving if user == "alice" => {
                assert_eq!((identity, calls), (identity_of("alice"), 1));
            }
            _ => assert_eq!((identity, calls), (vec![], 0)),
        }
    }
}

/// Runs a test with each kind of error page, by URI and as a named location.
fn for_each_error_page(configure: impl Fn(Builder) -> Builder, test: impl Fn(&Stage, &Nginx, Page)) {
    for target in ["/refused", "@refused"] {
        for page in [Page::Stock, Page::Resolving, Page::NotResolving] {
            println!("{target}, {page:?}");
            let stage = Stage::start();
            let nginx = configure(builder(&stage, page, target, "")).start();
            test(&stage, &nginx, page);
            nginx.finish();
        }
    }
}

fn http1(nginx: &Nginx, request: &Request) -> Response {
    let mut connection = Http1::connect(nginx.port()).expect("nginx accepts");
    connection.exchange(request).expect("an answer")
}

#[test]
fn a_bad_request_carries_no_forged_header() {
    for_each_error_page(
        |builder| builder,
        |stage, nginx, page| {
            let spoilt: [fn(Request) -> Request; 6] = [
                Request::no_host,
                |request| request.header("Host", "second.example"),
                // Last, so that nginx has read the others when it comes to it.
                |request| request.no_host().header("Host", "bad\\host:/"),
                |request| request.header("Content-Length", "many"),
                |request| request.header("Content-Length", "1").header("Content-Length", "2"),
                |request| request.header("x-control", b"a\x00b"),
            ];
            for (i, spoil) in spoilt.into_iter().enumerate() {
                println!("spoilt in way {i}");
                assert_clean(stage, page, |request| http1(nginx, &spoil(request)), 400);
            }
        },
    );
}

#[test]
fn a_bad_request_of_http2_carries_no_forged_header() {
    for_each_error_page(
        |builder| builder,
        |stage, nginx, page| {
            let spoilt: [fn(Request) -> Request; 3] = [
                Request::no_host,
                |request| request.header("content-length", "many"),
                |request| request.no_host().header("host", "bad\\host:/"),
            ];
            for (i, spoil) in spoilt.into_iter().enumerate() {
                println!("spoilt in way {i}");
                let refused = |request| {
                    let mut connection = Http2::connect(nginx.h2_port()).expect("nginx accepts");
                    connection.exchange(&spoil(request)).expect("an answer")
                };
                assert_clean(stage, page, refused, 400);
            }
        },
    );
}

#[test]
fn a_too_large_header_carries_no_forged_header() {
    for_each_error_page(
        |builder| builder.http("large_client_header_buffers 2 1k;"),
        |stage, nginx, page| {
            let long = "l".repeat(3000);
            // The status of the answer is 400, whatever the error page was chosen by.
            assert_clean(stage, page, |request| http1(nginx, &request.header("x-long", &long)), 400);
        },
    );
}

#[test]
fn a_method_that_nginx_knows_and_does_not_serve_carries_no_forged_header() {
    for_each_error_page(
        |builder| builder,
        |stage, nginx, page| {
            let traced = |mut request: Request| {
                request.method = b"TRACE".to_vec();
                request
            };
            assert_clean(stage, page, |request| http1(nginx, &traced(request)), 405);
            let over_http2 = |request| {
                let mut connection = Http2::connect(nginx.h2_port()).expect("nginx accepts");
                connection.exchange(&traced(request)).expect("an answer")
            };
            assert_clean(stage, page, over_http2, 405);
        },
    );
}

#[test]
fn an_unknown_transfer_encoding_carries_no_forged_header() {
    for_each_error_page(
        |builder| builder,
        |stage, nginx, page| {
            let encoded = |request: Request| request.header("Transfer-Encoding", "gzip");
            assert_clean(stage, page, |request| http1(nginx, &encoded(request)), 501);
        },
    );
}

#[test]
fn a_too_large_body_carries_no_forged_header() {
    for_each_error_page(
        |builder| builder.replace("location / {", "location / { client_max_body_size 1;"),
        |stage, nginx, page| {
            assert_clean(stage, page, |request| http1(nginx, &request.body("too large")), 413);
        },
    );
}

#[test]
fn a_plain_request_to_a_tls_port_carries_no_forged_header() {
    let (certificate, key) = self_signed(&["localhost"]);
    for_each_error_page(
        |builder| builder.tls(&certificate, &key),
        |stage, nginx, page| {
            let refused = |request| {
                let mut connection = Http1::connect(nginx.tls_port()).expect("nginx accepts");
                connection.exchange(&request).expect("an answer")
            };
            assert_clean(stage, page, refused, 400);
        },
    );
}

/// nginx asks for a certificate of a CA that nobody has one of.
fn asking_for_certificate(builder: Builder) -> Builder {
    let (certificate, key) = self_signed(&["localhost"]);
    // The harness writes the server's own certificate to tls.crt.
    builder.tls(certificate, key).server("ssl_client_certificate tls.crt; ssl_verify_client on;")
}

fn over_tls(nginx: &Nginx, tls: &Tls, request: &Request, http2: bool) -> Response {
    if http2 {
        return Http2::connect_tls(nginx.tls_port(), tls).expect("TLS").exchange(request).expect("an answer");
    }
    Http1::connect_tls(nginx.tls_port(), tls).expect("TLS").exchange(request).expect("an answer")
}

#[test]
fn a_request_without_a_client_certificate_carries_no_forged_header() {
    for_each_error_page(asking_for_certificate, |stage, nginx, page| {
        for http2 in [false, true] {
            let refused = |request| over_tls(nginx, &Tls::default(), &request, http2);
            assert_clean(stage, page, refused, 400);
        }
    });
}

#[test]
fn a_request_with_a_bad_client_certificate_carries_no_forged_header() {
    let (certificate, key) = self_signed(&["client.example"]);
    let tls = Tls::default().identity(certificate, key);
    for_each_error_page(asking_for_certificate, |stage, nginx, page| {
        for http2 in [false, true] {
            assert_clean(stage, page, |request| over_tls(nginx, &tls, &request, http2), 400);
        }
    });
}

#[test]
fn an_error_page_reads_no_forged_variable() {
    // In the rewrite phase, which comes before the handler that cleans such requests.
    for target in ["/refused", "@refused"] {
        let stage = Stage::start();
        let lines = "set $early $http_x_authgear_user_id; proxy_set_header x-early \"<$early>\";
                     proxy_set_header x-late \"<$http_x_authgear_user_id>\";";
        let nginx = builder(&stage, Page::NotResolving, target, lines).start();
        stage.echo.clear();
        assert_eq!(http1(&nginx, &forged(Request::get("/")).no_host()).status, 400);
        let seen = stage.only_request();
        assert_eq!((seen.text("x-early"), seen.text("x-late")), (Some("<>"), Some("<>")), "{target}");
        nginx.finish();
    }
}

#[test]
fn what_an_error_page_resolved_survives_a_further_redirect() {
    // The request is cleaned once: not again of what the module put there.
    let stage = Stage::start();
    let (resolve, pass) = (stage.resolve(), stage.pass());
    let nginx = Nginx::builder()
        .http(LAX)
        .server(format!(
            "{resolve} error_page 400 /redirect-internal?/then; location / {{ return 204; }}
             location /redirect-internal {{ {pass} }} location /then {{ authgear_resolve off; {pass} }}"
        ))
        .start();
    stage.echo.clear();
    let request = forged(by("alice", Request::get("/"))).no_host();
    assert_eq!(http1(&nginx, &request).status, 400);
    let seen = stage.echo.requests();
    assert_eq!(seen.len(), 2, "{seen:?}");
    seen.iter().for_each(|seen| assert_eq!(identity(seen), identity_of("alice")));
    nginx.finish();
}

#[test]
fn the_answer_and_the_log_of_a_refused_request_tell_nothing_forged() {
    // Without an error page no phase is ever run, but filters and the log are.
    let stage = Stage::start();
    let nginx = stage
        .builder()
        .http(LAX)
        .http("log_format told escape=none '<$http_x_authgear_user_id>$status';")
        .server("access_log access.log told;")
        .http("add_header x-told \"<$http_x_authgear_user_id>\" always;")
        .start();
    let response = http1(&nginx, &forged(Request::get("/")).no_host());
    assert_eq!((response.status, response.header("x-told").as_deref()), (400, Some("<>")));
    assert_eq!(nginx.wait_for_access_log("400", PATIENCE), "<>400");
    nginx.finish();
}
