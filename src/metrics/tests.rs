use super::render::{Resolver, Status, Zone};
use super::*;
use crate::session::Resolution;
use crate::session::answer::{Answer, Refusal};
use std::collections::BTreeMap;

fn metrics() -> Metrics {
    Metrics(std::array::from_fn(|_| Tally::default()))
}

fn answered(finding: Finding) -> Outcome {
    Ok(Answer { finding, set_cookies: Vec::new(), max_age: None })
}

#[test]
fn the_totals_are_the_sums_of_all_workers() {
    let metrics = metrics();
    for worker in 0..200 {
        metrics.tally(worker).request(Ending::Valid, Some(CacheStatus::Hit));
        metrics.tally(worker).request(Ending::None, None);
        metrics.tally(worker).call(&answered(Finding::Resolved(Resolution::None)), u64::from(worker));
        metrics.tally(worker).skip(Skipped::Overload);
    }
    let totals = metrics.totals();
    assert_eq!(totals.requests, [200, 0, 200, 0]);
    assert_eq!(totals.cache, [0, 0, 0, 200, 0, 0]);
    assert_eq!(totals.codes[0], 200);
    assert_eq!(totals.skipped, [0, 200, 0]);
    assert_eq!(totals.millis, (0..200).sum::<u64>());
    assert_eq!(totals.buckets[..6], [6, 5, 15, 25, 50, 99]);
    assert_eq!(totals.buckets.iter().sum::<u64>(), 200);
}

#[test]
fn threads_that_count_at_the_same_time_lose_nothing() {
    let metrics = metrics();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10_000).for_each(|_| metrics.tally(7).request(Ending::Error, None)));
        }
    });
    assert_eq!(metrics.totals().requests, [0, 0, 0, 40_000]);
}

#[test]
fn calls_are_counted_by_what_they_came_to() {
    let refused = |status| answered(Finding::Refused(Refusal { status, challenges: Vec::new() }));
    let failed = |status| Err(AnswerError::Status(status).into());
    let cases: [(Outcome, &str); 16] = [
        (refused(401), "401"),
        (refused(403), "403"),
        (failed(204), "2xx"),
        (failed(302), "3xx"),
        (failed(404), "4xx"),
        (failed(429), "429"),
        (failed(500), "500"),
        (failed(503), "503"),
        (failed(599), "5xx"),
        (failed(700), "other"),
        (Err(ResolveError::Connect(String::new())), "connect"),
        (Err(ResolveError::ConnectTimeout), "timeout"),
        (Err(ResolveError::Closed(String::new())), "closed"),
        (Err(ResolveError::Protocol(String::new())), "malformed"),
        (Err(AnswerError::Malformed("twice").into()), "malformed"),
        (Err(ResolveError::Internal("x")), "other"),
    ];
    for (outcome, word) in cases {
        let metrics = metrics();
        metrics.tally(0).call(&outcome, 3);
        let counted = metrics.totals().codes.iter().position(|count| *count == 1);
        assert_eq!(
            counted.map(|place| CODES.get(place).copied().unwrap_or("other")),
            Some(word),
            "{outcome:?}"
        );
    }
}

pub(super) fn status() -> Status {
    let metrics = metrics();
    metrics.tally(0).request(Ending::Valid, Some(CacheStatus::Miss));
    metrics.tally(0).call(&answered(Finding::Resolved(Resolution::None)), 40);
    metrics.tally(1).call(&Err(ResolveError::Timeout), 3_005);
    metrics.tally(1).call(&Err(ResolveError::Timeout), 30_000);
    metrics.tally(1).skip(Skipped::Breaker);
    let name = ("http://a\\b\"c".to_owned(), "https://d\ne".to_owned());
    let zone =
        Zone { bytes: 1000, used_bytes: 249, valid: 1, negative: 2, evictions: 3, negative_evictions: 1 };
    Status {
        version: "1.2.3",
        totals: metrics.totals(),
        inflight: 4,
        resolvers: BTreeMap::from([(name, Resolver { is_open: true, fails: 5 })]),
        zones: BTreeMap::from([("sessions".to_owned(), zone)]),
    }
}

#[test]
fn the_text_format_is_that_of_prometheus() {
    let text = status().prometheus();
    for line in [
        "# TYPE nginx_authgear_requests_total counter",
        "nginx_authgear_info{version=\"1.2.3\"} 1",
        "nginx_authgear_requests_total{result=\"valid\"} 1",
        "nginx_authgear_requests_total{result=\"error\"} 0",
        "nginx_authgear_cache_total{status=\"MISS\"} 1",
        "nginx_authgear_resolver_requests_total{code=\"2xx\"} 1",
        "nginx_authgear_resolver_requests_total{code=\"timeout\"} 2",
        "nginx_authgear_resolver_requests_skipped_total{reason=\"breaker\"} 1",
        "nginx_authgear_resolver_requests_skipped_total{reason=\"client\"} 0",
        "nginx_authgear_resolver_request_duration_seconds_bucket{le=\"0.025\"} 0",
        "nginx_authgear_resolver_request_duration_seconds_bucket{le=\"0.05\"} 1",
        "nginx_authgear_resolver_request_duration_seconds_bucket{le=\"5\"} 2",
        "nginx_authgear_resolver_request_duration_seconds_bucket{le=\"+Inf\"} 3",
        "nginx_authgear_resolver_request_duration_seconds_sum 33.045",
        "nginx_authgear_resolver_request_duration_seconds_count 3",
        "nginx_authgear_resolver_inflight 4",
        "nginx_authgear_breaker_open{resolver=\"http://a\\\\b\\\"c\",origin=\"https://d\\ne\"} 1",
        "nginx_authgear_zone_bytes{zone=\"sessions\",state=\"used\"} 249",
        "nginx_authgear_zone_bytes{zone=\"sessions\",state=\"free\"} 751",
        "nginx_authgear_zone_entries{zone=\"sessions\",kind=\"negative\"} 2",
        "nginx_authgear_zone_evictions_total{zone=\"sessions\",kind=\"valid\"} 3",
        "nginx_authgear_zone_evictions_total{zone=\"sessions\",kind=\"negative\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with('\n'));
}

#[test]
fn json_has_the_same() {
    let json: serde_json::Value = serde_json::from_str(&status().json()).unwrap();
    assert_eq!(json["version"], "1.2.3");
    assert_eq!(json["requests"]["valid"], 1);
    assert_eq!(json["cache"]["MISS"], 1);
    assert_eq!(json["resolver_requests"]["timeout"], 2);
    assert_eq!(
        json["resolver_requests_skipped"],
        serde_json::json!({ "breaker": 1, "overload": 0, "client": 0 })
    );
    assert_eq!(json["resolver_durations"][3], serde_json::json!({ "milliseconds": 50, "calls": 1 }));
    assert_eq!(json["resolver_durations"][11], serde_json::json!({ "milliseconds": null, "calls": 1 }));
    assert_eq!(json["resolver_milliseconds"], 33_045);
    assert_eq!(json["resolvers"][0]["breaker"], "open");
    assert_eq!(json["resolvers"][0]["fails"], 5);
    assert_eq!(json["zones"]["sessions"]["entries"]["negative"], 2);
    assert_eq!(json["zones"]["sessions"]["evictions"], serde_json::json!({ "valid": 3, "negative": 1 }));
}
