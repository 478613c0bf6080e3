//! Renders the counters and the current state as JSON and in the Prometheus format.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use serde_json::{Map, Value, json};

use super::{BUCKETS, CODES, Skipped, Totals};
use crate::access::{CacheStatus, Ending};

/// The module's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Everything that `authgear_status` shows.
#[derive(Default)]
pub struct Status {
    pub version: &'static str,
    pub totals: Totals,
    /// Calls in flight.
    pub inflight: u32,
    /// By configured URL and origin.
    pub resolvers: BTreeMap<(String, String), Resolver>,
    /// By name.
    pub zones: BTreeMap<String, Zone>,
}

/// The state of a resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resolver {
    pub is_open: bool,
    /// Consecutive failures.
    pub fails: u32,
}

impl Resolver {
    pub(super) fn breaker(self) -> &'static str {
        if self.is_open { "open" } else { "closed" }
    }
}

/// The contents of a zone.
#[derive(Clone, Copy, Debug)]
pub struct Zone {
    pub bytes: u64,
    pub used_bytes: u64,
    pub valid: u32,
    pub negative: u32,
    pub evictions: u64,
    pub negative_evictions: u64,
}

impl Status {
    /// `authgear_status json`.
    #[must_use]
    pub fn json(&self) -> String {
        let totals = &self.totals;
        let bounds = BUCKETS.iter().map(Some).chain([None]);
        let durations =
            bounds.zip(totals.buckets).map(|(bound, calls)| json!({ "milliseconds": bound, "calls": calls }));
        let resolvers = self.resolvers.iter().map(|((url, origin), resolver)| {
            json!({ "url": url, "origin": origin, "breaker": resolver.breaker(), "fails": resolver.fails })
        });
        let zones = self.zones.iter().map(|(name, zone)| {
            let value = json!({
                "bytes": zone.bytes,
                "used_bytes": zone.used_bytes,
                "entries": { "valid": zone.valid, "negative": zone.negative },
                "evictions": { "valid": zone.evictions, "negative": zone.negative_evictions },
            });
            (name.clone(), value)
        });
        let status = json!({
            "version": self.version,
            "requests": object(Ending::ALL.map(Ending::as_str), &totals.requests),
            "cache": object(CacheStatus::ALL.map(CacheStatus::as_str), &totals.cache),
            "resolver_requests": object(codes(), &totals.codes),
            "resolver_requests_skipped": object(Skipped::ALL.map(Skipped::as_str), &totals.skipped),
            "resolver_durations": durations.collect::<Vec<_>>(),
            "resolver_milliseconds": totals.millis,
            "resolver_inflight": self.inflight,
            "resolvers": resolvers.collect::<Vec<_>>(),
            "zones": zones.collect::<Map<_, _>>(),
        });
        format!("{status:#}\n")
    }

    /// `authgear_status prometheus`.
    #[must_use]
    pub fn prometheus(&self) -> String {
        let mut out = Exposition(String::new());
        let totals = &self.totals;
        out.family("info", "gauge", "The module");
        out.sample("info", &[("version", &self.version)], 1);
        out.family("requests_total", "counter", "Requests that were resolved, by what came of it");
        out.samples("requests_total", "result", Ending::ALL.map(Ending::as_str), &totals.requests);
        out.family("cache_total", "counter", "Requests by what the cache had for them");
        out.samples("cache_total", "status", CacheStatus::ALL.map(CacheStatus::as_str), &totals.cache);
        out.family(
            "resolver_requests_total",
            "counter",
            "Calls to the resolver, by the status or the failure",
        );
        out.samples("resolver_requests_total", "code", codes(), &totals.codes);
        out.family("resolver_requests_skipped_total", "counter", "Requests that needed a call and got none");
        let why = Skipped::ALL.map(Skipped::as_str);
        out.samples("resolver_requests_skipped_total", "reason", why, &totals.skipped);
        out.durations(totals);
        out.family("resolver_inflight", "gauge", "Calls to the resolver that are being made");
        out.sample("resolver_inflight", &[], self.inflight.into());
        out.family("breaker_open", "gauge", "Whether a resolver has failed and is not asked for a while");
        for ((url, origin), resolver) in &self.resolvers {
            out.sample("breaker_open", &[("resolver", url), ("origin", origin)], resolver.is_open.into());
        }
        out.zones(&self.zones);
        out.0
    }
}

pub(super) fn codes() -> impl Iterator<Item = &'static str> {
    CODES.into_iter().chain(["other"])
}

fn object(names: impl IntoIterator<Item = &'static str>, counts: &[u64]) -> Value {
    names.into_iter().zip(counts).map(|(name, count)| (name.to_owned(), json!(count))).collect()
}

/// The Prometheus text format, version 0.0.4. Writing to a string can't fail.
struct Exposition(String);

impl Exposition {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP nginx_authgear_{name} {help}.\n# TYPE nginx_authgear_{name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &dyn Display)], value: u64) {
        self.line(name, labels, &value);
    }

    fn samples(
        &mut self,
        name: &str,
        label: &str,
        values: impl IntoIterator<Item = &'static str>,
        counts: &[u64],
    ) {
        for (value, count) in values.into_iter().zip(counts) {
            self.sample(name, &[(label, &value)], *count);
        }
    }

    fn durations(&mut self, totals: &Totals) {
        const NAME: &str = "resolver_request_duration_seconds";
        self.family(NAME, "histogram", "How long calls to the resolver took");
        let bucket = format!("{NAME}_bucket");
        let mut sum = 0;
        for (place, count) in totals.buckets.iter().enumerate() {
            sum += count;
            let bound = BUCKETS.get(place).map(|bound| seconds(*bound));
            let bound: &dyn Display = if let Some(bound) = &bound { bound } else { &"+Inf" };
            self.sample(&bucket, &[("le", bound)], sum);
        }
        self.line(&format!("{NAME}_sum"), &[], &seconds(totals.millis));
        self.sample(&format!("{NAME}_count"), &[], sum);
    }

    fn zones(&mut self, zones: &BTreeMap<String, Zone>) {
        self.family("zone_bytes", "gauge", "Shared memory for sessions");
        for (name, zone) in zones {
            let free = zone.bytes.saturating_sub(zone.used_bytes);
            self.sample("zone_bytes", &[("zone", name), ("state", &"used")], zone.used_bytes);
            self.sample("zone_bytes", &[("zone", name), ("state", &"free")], free);
        }
        self.family("zone_entries", "gauge", "Answers in a zone");
        for (name, zone) in zones {
            self.sample("zone_entries", &[("zone", name), ("kind", &"valid")], zone.valid.into());
            self.sample("zone_entries", &[("zone", name), ("kind", &"negative")], zone.negative.into());
        }
        self.family("zone_evictions_total", "counter", "Answers that had to go because a zone was full");
        for (name, zone) in zones {
            let kinds: [(&dyn Display, u64); 2] =
                [(&"valid", zone.evictions), (&"negative", zone.negative_evictions)];
            for (kind, count) in kinds {
                self.sample("zone_evictions_total", &[("zone", name), ("kind", kind)], count);
            }
        }
    }

    fn line(&mut self, name: &str, labels: &[(&str, &dyn Display)], value: &dyn Display) {
        let _ = write!(self.0, "nginx_authgear_{name}");
        for (place, (label, value)) in labels.iter().enumerate() {
            let text = value.to_string().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{label}=\"{text}\"", if place == 0 { '{' } else { ',' });
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }
}

/// Converts milliseconds to seconds, formatted like Prometheus does: a label that is spelled differently is a different
/// label.
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}
