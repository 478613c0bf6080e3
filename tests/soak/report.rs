//! What a run found, for the reader and for the exit code.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::Duration;

use crate::chaos::Deeds;
use crate::faults::troubles;
use crate::it::harness::{Nginx, http1};
use crate::memory::{Sample, median};
use crate::names::Names;
use crate::tally::{Loss, Tally};
use crate::turns::Turns;
use crate::world::World;

/// No turn of an event loop may take longer.
const STALL: Duration = Duration::from_millis(50);

/// Memory may grow by so much after the first minute, where there is enough to compare.
const GROWTH_PERCENT: f64 = 2.0;

/// In a run of at least this time there is each of the kinds that matter most.
const ENOUGH: Duration = Duration::from_secs(35);

pub(crate) struct Report {
    pub(crate) can: Can,
    pub(crate) took: Duration,
    pub(crate) tally: Tally,
    pub(crate) deeds: Deeds,
    pub(crate) turns: Turns,
    pub(crate) calls: u64,
    pub(crate) zone: Zone,
}

/// What this machine allows.
pub(crate) struct Can {
    name: bool,
    switch_ipv6: bool,
}

impl Can {
    pub(crate) fn of(world: &World) -> Self {
        let names = world.names.as_ref();
        Self { name: names.is_some(), switch_ipv6: names.is_some_and(Names::can_switch_ipv6) }
    }
}

/// Of the zone of the sessions, by `authgear_status`.
pub(crate) struct Zone {
    valid: u64,
    negative: u64,
    evictions: u64,
}

impl Zone {
    pub(crate) fn of(nginx: &Nginx) -> Self {
        let text = http1::get(nginx.port(), "/status").text();
        let status: serde_json::Value = serde_json::from_str(&text).expect("the status is JSON");
        let zone = &status["zones"]["sessions"];
        let number = |value: &serde_json::Value| value.as_u64().expect("a number");
        Self {
            valid: number(&zone["entries"]["valid"]),
            negative: number(&zone["entries"]["negative"]),
            evictions: number(&zone["evictions"]["valid"]),
        }
    }
}

struct Growth {
    from: u64,
    to: u64,
    master: (u64, u64),
    fds: (usize, usize),
}

impl Growth {
    fn percent(&self) -> f64 {
        (self.to as f64 / self.from as f64 - 1.0) * 100.0
    }
}

impl Report {
    /// Answers that are missing although the worker was not killed.
    fn lost(&self) -> Vec<&Loss> {
        self.tally.losses.iter().filter(|loss| !self.was_killed(loss)).collect()
    }

    fn was_killed(&self, loss: &Loss) -> bool {
        let soon = Duration::from_secs(3);
        self.deeds.killed.get(&loss.pid).is_some_and(|at| loss.at >= *at && loss.at <= *at + soon)
    }

    /// From the end of the first minute to the last samples.
    fn growth(&self) -> Option<Growth> {
        let minute = Duration::from_secs(60);
        let end = self.deeds.samples.last()?.at + Duration::from_secs(1);
        let (first, last) = (minute / 2..minute * 3 / 2, end.checked_sub(minute)?..end);
        if last.start < first.end {
            return None;
        }
        let of = |what: fn(&Sample) -> u64| {
            let samples = &self.deeds.samples;
            Some((
                median(samples, first.start, first.end, what)?,
                median(samples, last.start, last.end, what)?,
            ))
        };
        let (from, to) = of(Sample::total)?;
        // A worker that is still on its way out takes two more.
        let fds = |stretch: &Range<Duration>| {
            let samples = self.deeds.samples.iter().filter(|sample| stretch.contains(&sample.at));
            samples.map(|sample| sample.master_fds).min()
        };
        let fds = (fds(&first)?, fds(&last)?);
        Some(Growth { from, to, master: of(|sample| sample.master)?, fds })
    }

    /// What this run had no part of.
    pub(crate) fn left_out(&self) -> Vec<String> {
        let kinds = troubles().into_iter().map(|trouble| trouble.name);
        let missing: Vec<_> = kinds.filter(|name| !self.deeds.kinds.contains(name)).collect();
        let mut left_out = Vec::new();
        if !missing.is_empty() {
            left_out.push(format!("faults of longer runs only: {}", missing.join(", ")));
        }
        if !self.can.name {
            left_out.push("no names that change: that takes root, and mounts".to_owned());
        }
        if !self.can.switch_ipv6 {
            left_out
                .push("no network without IPv6: that takes root, and a network of the soak's own".to_owned());
        }
        left_out
    }

    /// The new faults had a part in this run, and did what they are for.
    fn kinds_that_lack(&self) -> Vec<String> {
        if self.took < ENOUGH {
            return Vec::new();
        }
        let Deeds { kinds, roll_backs, moves, times_without_ipv6, .. } = &self.deeds;
        let lack = [
            (!kinds.contains("500s"), "no resolver answered 500 for a while"),
            (*roll_backs == 0, "no upgrade was taken back"),
            (self.can.name && *moves == 0, "no name changed"),
            (self.can.switch_ipv6 && *times_without_ipv6 == 0, "there was IPv6 all the time"),
            (
                // Most requests are of few users, who are known. They have nothing of it where the connect that fails is taken for
                // a shortage of this machine.
                self.can.switch_ipv6 && self.tally.stale_without_ipv6 * 10 <= self.tally.failed_without_ipv6,
                "in an outage without IPv6 hardly anybody was given an old answer",
            ),
        ];
        lack.into_iter().filter(|(lacks, _)| *lacks).map(|(_, what)| what.to_owned()).collect()
    }

    /// What must not be.
    pub(crate) fn failures(&self) -> Vec<String> {
        let mut failures = self.kinds_that_lack();
        let mut check = |good: bool, what: String| {
            if !good {
                failures.push(what)
            }
        };
        check(self.tally.wrong == 0, format!("{} answers were wrong", self.tally.wrong));
        check(self.lost().is_empty(), format!("{} answers were lost", self.lost().len()));
        let broken = self.deeds.broken_downloads;
        check(broken == 0, format!("{broken} downloads of old workers did not come whole"));
        let unexpected = self.tally.unexpected;
        check(unexpected == 0, format!("{unexpected} requests failed although no resolver did"));
        check(
            self.turns.longest <= STALL,
            format!("an event loop was busy for {:?} in one turn", self.turns.longest),
        );
        check(self.turns.turns > 0, "no turn of an event loop was measured".to_owned());
        check(self.zone.evictions > 0, "the zone was never full".to_owned());
        check(
            self.tally.by_ending.keys().any(|ending| ending.ends_with(" hit")),
            "nothing was a hit".to_owned(),
        );
        if let Some(growth) = self.growth() {
            let percent = growth.percent();
            check(percent < GROWTH_PERCENT, format!("memory grew by {percent:.1} %"));
            check(
                growth.fds.0 >= growth.fds.1,
                format!("the master's descriptors went from {} to {}", growth.fds.0, growth.fds.1),
            );
        }
        failures
    }

    pub(crate) fn details(&self) -> Vec<String> {
        let lost = self.lost().into_iter().take(20);
        let lost = lost.map(|loss| format!("lost: {} of worker {}", loss.why, loss.pid));
        self.tally.told.iter().cloned().chain(lost).collect()
    }

    /// A table for RESULTS.md.
    pub(crate) fn table(&self) -> String {
        let mut text = String::from("| | |\n| --- | --: |\n");
        let mut row = |name: &str, value: String| {
            writeln!(text, "| {name} | {value} |").expect("writing to a String can't fail");
        };
        let tally = &self.tally;
        row("time", format!("{:.0} s", self.took.as_secs_f64()));
        row("requests", grouped(tally.requests));
        row("answers", grouped(tally.answers));
        row("answers a second", grouped((tally.answers as f64 / self.took.as_secs_f64()) as u64));
        row("wrong identities", tally.wrong.to_string());
        row("answers lost", self.lost().len().to_string());
        row("answers lost with a killed worker", (tally.losses.len() - self.lost().len()).to_string());
        row("failed although no resolver did", tally.unexpected.to_string());
        row("sent again: a reload closed the connection before it was read", grouped(tally.retried));
        row("connections of clients", grouped(tally.connections));
        row("resolver calls", grouped(self.calls));
        row("faults of the resolvers", self.deeds.faults.to_string());
        row("reloads", self.deeds.reloads.to_string());
        row("upgrades taken back", self.deeds.roll_backs.to_string());
        row("changes of a resolver's addresses", self.deeds.moves.to_string());
        row("times without IPv6", self.deeds.times_without_ipv6.to_string());
        let (stale, failed) = (self.tally.stale_without_ipv6, self.tally.failed_without_ipv6);
        row(
            "in outages without IPv6: old answers, failures",
            format!("{}, {}", grouped(stale), grouped(failed)),
        );
        row("workers killed", self.deeds.killed.len().to_string());
        row("sessions ended", self.deeds.sessions_ended.to_string());
        row("clients that left without an answer", self.deeds.clients_left.to_string());
        row("turns of event loops", grouped(self.turns.turns));
        row("longest turn, CPU time", ms(self.turns.longest));
        row("turns of 1.6 ms CPU time and more", grouped(self.turns.over[4]));
        row("longest wait for a CPU within a turn", ms(self.turns.run_queue));
        row("turns in which the thread slept", grouped(self.turns.blocked));
        row("longest of those sleeps", ms(self.turns.blocked_for));
        let (valid, negative) = (grouped(self.zone.valid), grouped(self.zone.negative));
        row("answers in the zone at the end: valid, others", format!("{valid}, {negative}"));
        row("valid answers that had to go from the full zone", grouped(self.zone.evictions));
        self.memory(&mut row);
        text
    }

    fn memory(&self, row: &mut impl FnMut(&str, String)) {
        let kib = |bytes: u64| format!("{} KiB", grouped(bytes / 1024));
        if let (Some(first), Some(last)) = (self.deeds.samples.first(), self.deeds.samples.last()) {
            row("memory before: master, workers", format!("{}, {}", kib(first.master), kib(first.workers)));
            row("memory at the end: master, workers", format!("{}, {}", kib(last.master), kib(last.workers)));
            row("descriptors before: master, workers", format!("{}, {}", first.master_fds, first.worker_fds));
            row(
                "descriptors at the end: master, workers",
                format!("{}, {}", last.master_fds, last.worker_fds),
            );
        }
        if let Some(last) = self.deeds.samples.last() {
            row("zones: used at the end", kib(last.zones));
        }
        if let Some(growth) = self.growth() {
            row("memory after a minute", format!("{} (master {})", kib(growth.from), kib(growth.master.0)));
            row("memory in the last minute", format!("{} (master {})", kib(growth.to), kib(growth.master.1)));
            row("growth", format!("{:+.2} %", growth.percent()));
        }
    }

    /// What came of the requests, and in what time.
    pub(crate) fn endings(&self) -> String {
        let mut text = String::from("| status and `$authgear_reason` | answers |\n| --- | --: |\n");
        for (ending, count) in &self.tally.by_ending {
            writeln!(text, "| {ending} | {} |", grouped(*count)).expect("writing to a String can't fail");
        }
        text.push_str(
            "\n| reason | answers | p50, ms | p99, ms | longest, ms |\n| --- | --: | --: | --: | --: |\n",
        );
        for (class, times) in &self.tally.latency {
            let at = |share| ms_number(times.quantile(share));
            writeln!(
                text,
                "| {class} | {} | {} | {} | {} |",
                grouped(times.total()),
                at(0.5),
                at(0.99),
                ms_number(times.longest())
            )
            .expect("writing to a String can't fail");
        }
        text
    }
}

fn ms_number(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}

fn ms(time: Duration) -> String {
    format!("{} ms", ms_number(time))
}

/// 1,234,567
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
