//! Whatever the place and number of the forged headers, they go and all others stay. nginx keeps headers in parts of
//! 20, and Host, cookies and the like by pointers into these.

use super::super::harness::{Http1, Http2, Nginx, Request, Response, Wire, for_each_wire};
use super::super::stage::{LAX, Stage, by, identity, identity_of, user_id};

/// One connection, over either version.
enum Connection {
    Http1(Http1),
    Http2(Http2),
}

impl Connection {
    fn open(nginx: &Nginx, wire: Wire) -> Self {
        match wire {
            Wire::Http1 => Self::Http1(Http1::connect(nginx.port()).expect("nginx accepts")),
            _ => Self::Http2(Http2::connect(nginx.h2_port()).expect("nginx accepts")),
        }
    }

    fn exchange(&mut self, request: &Request) -> Response {
        let response = match self {
            Self::Http1(connection) => connection.exchange(request),
            Self::Http2(connection) => connection.exchange(request),
        };
        response.expect("an answer")
    }
}

/// Is header `i` of `n` a forged one?
type Pattern = (&'static str, fn(usize, usize) -> bool);

const PATTERNS: [Pattern; 20] = [
    ("none", |_, _| false),
    ("all", |_, _| true),
    ("the first", |i, _| i == 0),
    ("the last", |i, n| i + 1 == n),
    ("all but the first", |i, _| i != 0),
    ("all but the last", |i, n| i + 1 != n),
    ("every other", |i, _| i % 2 == 0),
    ("every other, from the second", |i, _| i % 2 == 1),
    ("the first of each part", |i, _| i % 20 == 0),
    ("the last of each part", |i, _| i % 20 == 19),
    ("one before the last of each part", |i, _| i % 20 == 18),
    ("across the ends of parts", |i, _| matches!(i % 20, 18 | 19 | 0 | 1)),
    ("all but the last of each part", |i, _| i % 20 != 19),
    ("all but the first of each part", |i, _| i % 20 != 0),
    ("the whole second part", |i, _| (20..40).contains(&i)),
    ("the whole second part, as Host stands first", |i, _| (19..39).contains(&i)),
    ("a part and a half", |i, _| (10..40).contains(&i)),
    ("all after the first part", |i, _| i >= 19),
    ("every 21st", |i, _| i % 21 == 0),
    ("scattered", |i, n| (i * 7919 + n * 104_729) % 13 < 5),
];

const FORGED: [&str; 4] =
    ["x-authgear-user-id", "x_authgear_user_id", "x.authgear.user-roles", "x-authgear-z"];

/// `n` headers by the pattern, and what the backend has to get of them, in this order.
fn request(n: usize, forged: fn(usize, usize) -> bool) -> (Request, Vec<(String, String)>) {
    let (mut request, mut kept) = (Request::get("/"), Vec::new());
    for i in 0..n {
        if forged(i, n) {
            request = request.header(FORGED[i % FORGED.len()], "forged");
        } else {
            // Each fifth has the name of others: their order counts.
            let name = if i % 5 == 0 { "x-kept-same".to_owned() } else { format!("x-kept-{i}") };
            request = request.header(&name, format!("v{i}"));
            kept.push((name, format!("v{i}")));
        }
    }
    (request, kept)
}

#[test]
fn any_number_at_any_place_goes_and_all_others_stay_in_their_order() {
    let stage = Stage::start();
    let nginx = stage.builder().http(LAX).http("keepalive_requests 100000;").start();
    for_each_wire(|wire| {
        let mut connection = Connection::open(&nginx, wire);
        for n in (1..=42).chain([58, 59, 60, 61, 62, 79, 80, 81, 99, 100]) {
            for (name, forged) in PATTERNS {
                let (request, kept) = request(n, forged);
                assert_passed(&stage, &mut connection, request, &kept, &format!("{name} of {n}"));
            }
        }
    });
    nginx.finish();
}

#[test]
fn one_at_every_single_place_goes() {
    let stage = Stage::start();
    let nginx = stage.builder().http(LAX).http("keepalive_requests 100000;").start();
    for_each_wire(|wire| {
        let mut connection = Connection::open(&nginx, wire);
        for n in [19, 20, 21, 41, 62] {
            for place in 0..n {
                let (mut request, mut kept) = request(n, |_, _| false);
                request.headers[place] = (b"x-authgear-user-id".to_vec(), b"forged".to_vec());
                kept.remove(place);
                assert_passed(&stage, &mut connection, request, &kept, &format!("{place} of {n}"));
            }
        }
    });
    nginx.finish();
}

/// Alternates between a stranger and Bob, so that headers are put in as well.
#[track_caller]
fn assert_passed(
    stage: &Stage,
    connection: &mut Connection,
    request: Request,
    kept: &[(String, String)],
    what: &str,
) {
    for (request, expected) in [(request.clone(), vec![]), (by("bob", request), identity_of("bob"))] {
        stage.echo.clear();
        assert_eq!(connection.exchange(&request).status, 200, "{what}");
        let seen = stage.only_request();
        assert_eq!(identity(&seen), expected, "{what}");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let got: Vec<_> = seen.headers.iter().map(|(name, value)| (text(name), text(value))).collect();
        let got: Vec<_> = got.into_iter().filter(|(name, _)| name.starts_with("x-kept-")).collect();
        assert_eq!(got, kept, "{what}");
    }
}

#[test]
fn a_thousand_go() {
    // nginx has a limit of its own at 1000, where it has one at all.
    let stage = Stage::start();
    let nginx = stage.builder().http("large_client_header_buffers 8 64k;").start();
    for_each_wire(|wire| {
        let request = (0..990).fold(Request::get("/"), |request, i| match i % 300 {
            299 => request.header(format!("x-kept-{i}"), "1"),
            _ => request.header("x-authgear-user-id", "forged"),
        });
        let seen = stage.ask(&nginx, wire, by("alice", request));
        assert_eq!(identity(&seen), identity_of("alice"));
        for name in ["x-kept-299", "x-kept-599", "x-kept-899"] {
            assert_eq!(seen.text(name), Some("1"));
        }
    });
    nginx.finish();
}

/// Headers that nginx itself reads and points at, each between runs of forged ones.
const KNOWN: [(&str, &str); 12] = [
    ("user-agent", "agent/1"),
    ("referer", "http://referer.example/"),
    ("cookie", "a=1; b=2"),
    ("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ("x-forwarded-for", "203.0.113.1"),
    ("x-forwarded-for", "203.0.113.2"),
    ("accept-encoding", "gzip"),
    ("via", "1.1 via.example"),
    ("range", "bytes=0-"),
    ("x-real-ip", "203.0.113.3"),
    ("if-none-match", "\"tag\""),
    ("content-type", "text/x-kept"),
];

#[test]
fn what_nginx_reads_itself_stays_intact_between_forged_headers() {
    let stage = Stage::start();
    let variables = "proxy_set_header x-seen \"$http_host|$host|$http_user_agent|$http_referer|$cookie_a$cookie_b|\
                     $http_x_forwarded_for|$http_range|$content_type|$content_length|$http_x_authgear_user_id\";";
    let nginx = stage.start_lax(variables);
    for_each_wire(|wire| {
        for run in [0, 1, 7, 18, 19, 20, 21] {
            let request = KNOWN.iter().fold(Request::post("/", "twelve bytes"), |request, (name, value)| {
                let request = (0..run).fold(request, |request, i| request.header(FORGED[i % 4], "forged"));
                request.header(name, value)
            });
            let seen = stage.ask(&nginx, wire, by("alice", request.host("kept.example")));
            assert_eq!(identity(&seen), identity_of("alice"), "runs of {run}");
            assert_eq!((seen.body_len, seen.text("content-length")), (12, Some("12")));
            let expected = format!(
                "kept.example|kept.example|agent/1|http://referer.example/|12|203.0.113.1, 203.0.113.2|bytes=0-|\
                 text/x-kept|12|{}",
                user_id("alice")
            );
            assert_eq!(seen.text("x-seen"), Some(expected.as_str()), "runs of {run}");
            for (name, value) in KNOWN {
                assert!(seen.header_all(name).contains(&value.as_bytes()), "{name}, runs of {run}: {seen:?}");
            }
        }
    });
    nginx.finish();
}
