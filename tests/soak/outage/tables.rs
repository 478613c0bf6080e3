//! What was seen in an outage, and what should have been.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::load::{Kind, Phase};
use super::{FAIL_TIMEOUT, Seen, TIMEOUT};
use crate::histogram::Histogram;

/// The answer that `authgear_on_error` of the site gives.
pub(crate) const ON_ERROR: u16 = 503;

/// With half of the load that the machine takes.
const AT_ONCE: Duration = Duration::from_millis(5);
const RECOVERY: Duration = TIMEOUT.saturating_add(FAIL_TIMEOUT).saturating_add(Duration::from_secs(1));

#[derive(Default)]
pub(crate) struct Outage {
    name: &'static str,
    groups: BTreeMap<(Phase, Kind), Group>,
    last_failure: Option<Instant>,
    recovery: Duration,
}

#[derive(Default)]
struct Group {
    times: Histogram,
    /// Answered with the identity that is owed.
    good: u64,
    /// With the configured answer.
    refused: u64,
    /// With anything else, or not at all.
    bad: u64,
}

impl Outage {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    pub(crate) fn add(&mut self, seen: &Seen) {
        let group = self.groups.entry((seen.phase, seen.kind)).or_default();
        group.times.add(seen.took);
        match seen.status {
            200 if seen.right => group.good += 1,
            ON_ERROR => group.refused += 1,
            _ => group.bad += 1,
        }
        if seen.status != 200 {
            self.last_failure = self.last_failure.max(Some(seen.sent));
        }
    }

    /// The outage ended then: it was felt until the last request failed.
    pub(crate) fn recovered_after(&mut self, ended: Instant) {
        self.recovery =
            self.last_failure.map_or(Duration::ZERO, |last| last.saturating_duration_since(ended));
    }

    pub(crate) fn rows(&self) -> String {
        let mut text = String::new();
        for ((phase, kind), group) in &self.groups {
            let ms = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1000.0);
            let recovery = if (*phase, *kind) == (Phase::After, Kind::Stranger) {
                format!("{:.1}", self.recovery.as_secs_f64())
            } else {
                String::new()
            };
            writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {recovery} |",
                self.name,
                phase.name(),
                if *kind == Kind::Known { "known" } else { "others" },
                group.good,
                group.refused,
                group.bad,
                ms(group.times.quantile(0.5)),
                ms(group.times.quantile(0.99)),
                ms(group.times.longest()),
            )
            .expect("writing to a String can't fail");
        }
        text
    }
}

pub(crate) fn head() -> String {
    format!(
        "| outage | phase | session | answered | {ON_ERROR} | else | p50, ms | p99, ms | longest, ms | recovery, s |\n\
         | --- | --- | --- | --: | --: | --: | --: | --: | --: | --: |\n"
    )
}

/// What must not be.
pub(crate) fn checks(outage: &Outage) -> Vec<String> {
    let name = outage.name;
    let mut failures = Vec::new();
    for ((phase, kind), group) in &outage.groups {
        let (phase_name, p99) = (phase.name(), group.times.quantile(0.99));
        let mut check = |good: bool, what: String| {
            if !good {
                failures.push(format!("{name}, {phase_name}: {what}"))
            }
        };
        check(group.bad == 0, format!("{} answers are neither right nor the configured one", group.bad));
        if *kind == Kind::Known {
            check(group.refused == 0, format!("{} requests with a known session failed", group.refused));
        }
        if *phase == Phase::Calm {
            check(group.refused == 0, format!("{} requests failed", group.refused));
        }
        if *phase == Phase::Outage {
            // One of the known asks the resolver now and then, and those with the same session wait with it.
            check(*kind == Kind::Known || p99 < AT_ONCE, format!("the others waited {p99:?} (p99)"));
            check(*kind == Kind::Known || group.refused > 0, "nobody was refused".to_owned());
        }
    }
    if outage.recovery > RECOVERY {
        failures.push(format!("{name}: it was felt for {:?} after its end", outage.recovery));
    }
    failures
}
