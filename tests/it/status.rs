//! `authgear_status`: what is counted, and how it is told.

mod browser;
mod formats;
mod inside;
mod looks;
mod page;
mod picture;
mod visit;

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};

use super::harness::{Http1, Nginx, PATIENCE, Request, Response, Wire, for_each_wire, http1, poll, send};
use super::live::Live;
use super::standin::{Fault, Kind, Resolver};

const PLACES: &str = "location = /status { authgear_resolve off; authgear_status; }\n\
                      location = /metrics { authgear_resolve off; authgear_status prometheus; }\n\
                      location = /page { authgear_resolve off; authgear_status html; }";
const ZONE: &str = "authgear_cache_zone zone=sessions:1m;";
const CACHE: &str = "authgear_cache sessions; authgear_cache_valid valid invalid none 10m;";

fn live(workers: usize, lines: &str) -> Live {
    let lines = format!("{PLACES}\n{CACHE}\n{lines}");
    Live::build(Resolver::start(), &lines, |builder| builder.http(ZONE).workers(workers))
}

#[track_caller]
fn json(nginx: &Nginx) -> Value {
    let response = http1::get(nginx.port(), "/status");
    assert_eq!(
        (response.status, response.header("content-type").as_deref()),
        (200, Some("application/json"))
    );
    serde_json::from_str(&response.text()).expect("JSON")
}

/// Waits until this is told: a request is counted when nginx has done with it, which is after its answer.
#[track_caller]
fn assert_tells(live: &Live, pointer: &str, expected: &Value) {
    let mut last = Value::Null;
    let told = poll(PATIENCE, || {
        last = json(&live.nginx).pointer(pointer).cloned().unwrap_or_default();
        (last == *expected).then_some(())
    });
    assert!(told.is_some(), "{pointer} is {last}, and not {expected}");
}

#[track_caller]
fn ask(live: &Live, request: &Request) -> Response {
    send(&live.nginx, Wire::Http1, request)
}

#[test]
fn requests_calls_and_the_cache_are_counted() {
    let live = live(1, "authgear_breaker max_fails=1 fail_timeout=60s;");
    let known = live.alice();
    for _ in 0..3 {
        ask(&live, &known);
    }
    ask(&live, &Request::get("/"));
    ask(&live, &live.request_of("disabled", Kind::Bearer));
    live.resolver.set_fault(Some(Fault::Status(503)));
    ask(&live, &live.unique());
    assert_tells(&live, "/requests", &json!({ "valid": 3, "invalid": 1, "none": 1, "error": 1 }));
    let cache = json!({ "BYPASS": 0, "MISS": 3, "EXPIRED": 0, "HIT": 2, "STALE": 0, "UPDATING": 0 });
    assert_tells(&live, "/cache", &cache);
    assert_tells(&live, "/resolver_requests/2xx", &json!(2));
    assert_tells(&live, "/resolver_requests/503", &json!(1));
    assert_tells(&live, "/resolver_inflight", &json!(0));
    assert_tells(&live, "/zones/sessions/entries", &json!({ "valid": 1, "negative": 1 }));
    let resolver = json(&live.nginx)["resolvers"][0].clone();
    let url = format!("{}/_resolver/resolve", live.resolver.url());
    let expected = json!({ "url": url, "origin": live.resolver.url(), "breaker": "open", "fails": 1 });
    assert_eq!(resolver, expected);
    live.finish();
}

#[test]
fn calls_in_flight_are_told() {
    let live = live(2, "");
    live.resolver.set_fault(Some(Fault::Gate));
    let mut waiting: Vec<_> = (0..3).map(|_| live.begin(&live.unique())).collect();
    assert!(live.resolver.wait_for_gate(3, PATIENCE));
    assert_tells(&live, "/resolver_inflight", &json!(3));
    live.resolver.clear_faults();
    for connection in &mut waiting {
        assert_eq!(connection.receive(b"GET").expect("an answer").status, 200);
    }
    assert_tells(&live, "/resolver_inflight", &json!(0));
    live.finish();
}

#[test]
fn calls_that_are_not_made_are_counted() {
    let live = live(
        1,
        "authgear_max_inflight 1;
         location /shared/ { authgear_max_inflight 16; {pass} }
         location /failing/ {
             authgear_origin http://failing.example; authgear_breaker max_fails=1; authgear_max_inflight 8; {pass}
         }",
    );
    let to = |target: &str| Request { target: target.into(), ..live.unique() };
    live.resolver.set_fault(Some(Fault::Gate));
    // Of sixteen calls one client has two: the second here is refused by its share, the third for the location's bound.
    let waiting = [live.begin(&to("/shared/")), live.begin(&to("/shared/"))];
    assert!(live.resolver.wait_for_gate(2, PATIENCE));
    for target in ["/shared/", "/", "/"] {
        assert_eq!(ask(&live, &to(target)).status, 502);
    }
    live.resolver.clear_faults();
    for mut connection in waiting {
        assert_eq!(connection.receive(b"GET").expect("an answer").status, 200);
    }
    live.resolver.set_fault(Some(Fault::Status(503)));
    assert_eq!(ask(&live, &to("/failing/")).status, 502);
    let _probe = live.hold_probe(|| to("/failing/"));
    let (calls, before) = (live.resolver.call_count(), json(&live.nginx));
    for _ in 0..3 {
        assert_eq!(ask(&live, &to("/failing/")).status, 502);
    }
    let count = |at: &str| before.pointer(at).and_then(Value::as_u64).expect("a count");
    let breaker = count("/resolver_requests_skipped/breaker") + 3;
    assert_tells(
        &live,
        "/resolver_requests_skipped",
        &json!({ "breaker": breaker, "overload": 2, "client": 1 }),
    );
    assert_tells(&live, "/requests/error", &json!(count("/requests/error") + 3));
    assert_eq!(live.resolver.call_count(), calls);
    live.resolver.clear_faults();
    live.finish();
}

/// All that only grows, as one list.
fn counts(told: &Value) -> Vec<u64> {
    let objects = ["requests", "cache", "resolver_requests", "resolver_requests_skipped"];
    let objects = objects.iter().flat_map(|name| told[name].as_object().expect("counts").values());
    let durations = told["resolver_durations"].as_array().expect("buckets");
    let all = objects
        .chain(durations.iter().map(|bucket| &bucket["calls"]))
        .chain([&told["resolver_milliseconds"]]);
    all.map(|count| count.as_u64().expect("a count")).collect()
}

/// The sum of an object's counts.
fn sum(told: &Value, name: &str) -> u64 {
    told[name].as_object().expect("counts").values().map(|count| count.as_u64().expect("a count")).sum()
}

/// Asks for the status all the time, of whichever worker answers. No count ever goes back.
fn watch(nginx: &Nginx, is_over: &AtomicBool) -> usize {
    let (mut last, mut looks) = (counts(&json(nginx)), 0);
    while !is_over.load(Ordering::Relaxed) {
        let now = counts(&json(nginx));
        assert!(last.iter().zip(&now).all(|(last, now)| last <= now), "{last:?} became {now:?}");
        (last, looks) = (now, looks + 1);
    }
    looks
}

#[test]
fn counts_are_exact_over_four_workers_and_reloads_under_load() {
    const THREADS: usize = 6;
    const REQUESTS: usize = 400;
    let live = live(4, "");
    // Every second call fails, each second time at once, each second time without an end.
    let calls = AtomicU64::new(0);
    live.resolver.set_rule(move |_| match calls.fetch_add(1, Ordering::Relaxed) % 4 {
        1 => Some(Fault::Status(503)),
        3 => Some(Fault::CloseInBody),
        _ => None,
    });
    let requests: Vec<_> =
        [live.alice(), live.request_of("disabled", Kind::Bearer), Request::get("/")].into();
    let (is_over, reloads) = (AtomicBool::new(false), 3);
    let answers = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(&live.nginx, &is_over));
        let clients: Vec<_> =
            (0..THREADS).map(|_| scope.spawn(|| load(&live, &requests, REQUESTS))).collect();
        for _ in 0..reloads {
            live.nginx.reload();
        }
        let answers = clients.into_iter().flat_map(|client| client.join().expect("no request was lost"));
        let answers = answers.collect::<Vec<_>>();
        is_over.store(true, Ordering::Relaxed);
        assert!(watcher.join().expect("counts that only grow") > 10);
        answers
    });
    let result = |name: &str| answers.iter().filter(|answer| *answer == name).count();
    assert_eq!(answers.len(), THREADS * REQUESTS);
    let results = ["valid", "invalid", "none", "error"].map(|name| (name.to_owned(), json!(result(name))));
    assert_tells(&live, "/requests", &Value::Object(results.into_iter().collect()));
    let (told, all) = (json(&live.nginx), answers.len() as u64);
    assert_eq!(sum(&told, "cache"), all - result("none") as u64, "{told:#}");
    let calls = live.resolver.call_count();
    assert_eq!(sum(&told, "resolver_requests"), calls, "{told:#}");
    let buckets = told["resolver_durations"].as_array().expect("buckets").iter();
    assert_eq!(buckets.map(|bucket| bucket["calls"].as_u64().expect("a count")).sum::<u64>(), calls);
    assert!(result("error") > 0 && told["resolver_requests"]["503"].as_u64() > Some(0), "{told:#}");
    live.finish();
}

/// Requests over many connections, so that all workers have some. What came of each.
fn load(live: &Live, known: &[Request], count: usize) -> Vec<String> {
    let ask = |number: usize| {
        let request = if number % 4 == 3 { live.unique() } else { known[number % 4].clone() };
        let answer =
            Http1::connect(live.nginx.port()).and_then(|mut connection| connection.exchange(&request));
        answer.expect("an answer").header("x-result").expect("a result")
    };
    (0..count).map(ask).collect()
}

#[test]
fn a_request_counts_once_however_often_it_is_resolved() {
    let live = live(
        1,
        "location /from/ { error_page 403 /to/; deny all; }\nerror_page 404 /again/; location /again/ { {pass} }",
    );
    for target in ["/", "/from/"] {
        ask(&live, &Request { target: target.into(), ..live.alice() });
    }
    assert_tells(&live, "/requests/valid", &json!(2));
    live.finish();
}

#[test]
fn it_answers_get_and_head_alone() {
    let live = live(1, "");
    for_each_wire(|wire| {
        for target in ["/status", "/metrics", "/page", "/page?json"] {
            let method = |method: &[u8]| Request { method: method.to_vec(), ..Request::get(target) };
            let (got, head) =
                (send(&live.nginx, wire, method(b"GET")), send(&live.nginx, wire, method(b"HEAD")));
            assert_eq!((got.status, head.status), (200, 200));
            assert_eq!(got.header("content-length"), Some(got.text().len().to_string()));
            assert_eq!(head.text(), "");
            let body = method(b"POST").body(vec![b'x'; 100_000]);
            assert_eq!(send(&live.nginx, wire, body).status, 405);
        }
    });
    live.finish();
}

#[test]
fn without_any_resolver_everything_is_zero() {
    let nginx = Nginx::builder().server(PLACES).start();
    let told = json(&nginx);
    assert_eq!(told["requests"], json!({ "valid": 0, "invalid": 0, "none": 0, "error": 0 }));
    assert_eq!((&told["resolvers"], &told["zones"]), (&json!([]), &json!({})));
    assert_eq!(told["version"], env!("CARGO_PKG_VERSION"));
    let page = http1::get(nginx.port(), "/page").text();
    assert!(page.contains("No location resolves.") && page.contains("There is no cache."), "{page}");
    nginx.finish();
}

/// promtool comes with Debian's prometheus; the test says so where it isn't named.
#[test]
fn promtool_finds_nothing_to_complain_of() {
    let Ok(promtool) = std::env::var("AUTHGEAR_PROMTOOL") else {
        eprintln!("skipped: AUTHGEAR_PROMTOOL names no promtool");
        return;
    };
    let live = live(2, "location /other/ { authgear_origin https://other.example; {pass} }");
    ask(&live, &live.alice());
    live.resolver.set_fault(Some(Fault::CloseBeforeAnswer));
    ask(&live, &live.unique());
    let response = http1::get(live.nginx.port(), "/metrics");
    let kind = response.header("content-type");
    assert_eq!(kind.as_deref(), Some("text/plain; version=0.0.4; charset=utf-8"));
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), response.text()).expect("writable");
    let input = std::fs::File::open(file.path()).expect("readable");
    let checked = Command::new(promtool).args(["check", "metrics"]).stdin(input).output().expect("it runs");
    assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}\n{}", response.text());
    live.finish();
}
