//! A simpler model of the same rules, without shared memory, and properties that hold for any order of events.

use super::*;
use proptest::prelude::*;

#[derive(Default)]
struct Model {
    fails: u32,
    succeeded: Millis,
    /// Most recent last.
    suspects: Vec<u8>,
    is_open_for_all: bool,
    of_suspects: ModelLane,
    of_others: ModelLane,
}

#[derive(Clone, Copy, Default)]
struct ModelLane {
    failed: Millis,
    /// The number of consecutive failed probes that had waited.
    failed_probes: u32,
    /// The number of the probe in flight, and the time at which it is given up.
    probe: Option<(usize, Millis)>,
}

#[derive(Clone, Copy, Debug)]
struct ModelProbe {
    is_of_suspects: bool,
    number: usize,
    has_waited: bool,
}

impl ModelLane {
    fn next(&self) -> Millis {
        self.failed + (250 * 2_u64.pow(self.failed_probes.min(20))).min(BREAKER.fail_timeout)
    }

    fn is_busy(&self, now: Millis) -> bool {
        self.probe.is_some_and(|(_, until)| now < until)
    }
}

impl Model {
    /// Returns `Err` if the call is refused, and otherwise the probe, if the call is one.
    fn send(
        &mut self,
        from: u8,
        now: Millis,
        number: usize,
        is_renewal: bool,
    ) -> Result<Option<ModelProbe>, ()> {
        let is_of_suspects = self.suspects.contains(&from);
        if self.fails < BREAKER.max_fails || !is_of_suspects && !self.is_open_for_all {
            return Ok(None);
        }
        let has_waited = !is_renewal || self.is_open_for_all;
        let others = self.of_others;
        if is_of_suspects && self.is_open_for_all && (others.is_busy(now) || now < others.next() + 250) {
            return Err(());
        }
        let lane = if is_of_suspects { &mut self.of_suspects } else { &mut self.of_others };
        if lane.is_busy(now) || has_waited && now < lane.next() {
            return Err(());
        }
        lane.probe = Some((number, now + TIMEOUT));
        Ok(Some(ModelProbe { is_of_suspects, number, has_waited }))
    }

    /// The lane of a probe, unless another probe has replaced it or the lane was reset.
    fn lane_of(&mut self, probe: Option<ModelProbe>) -> Option<(ModelProbe, &mut ModelLane)> {
        let probe = probe?;
        let lane = if probe.is_of_suspects { &mut self.of_suspects } else { &mut self.of_others };
        lane.probe.is_some_and(|(number, _)| number == probe.number).then_some((probe, lane))
    }

    fn land(&mut self, sent: Sent, probe: Option<ModelProbe>, now: Millis, evidence: Evidence) {
        match evidence {
            Evidence::Success => *self = Self { succeeded: now, ..Self::default() },
            Evidence::None => {
                if let Some((_, lane)) = self.lane_of(probe) {
                    lane.probe = None;
                }
            }
            Evidence::Failure | Evidence::Error500 if sent.asked < self.succeeded => {}
            Evidence::Failure | Evidence::Error500 => self.fail(sent, probe, now),
        }
    }

    fn fail(&mut self, sent: Sent, probe: Option<ModelProbe>, now: Millis) {
        self.fails += 1;
        let is_suspect = self.suspects.contains(&sent.from);
        if let Some((probe, lane)) = self.lane_of(probe) {
            let failed_probes = lane.failed_probes + u32::from(probe.has_waited);
            *lane = ModelLane { failed: now, failed_probes, probe: None };
        } else {
            for lane in [Some(&mut self.of_suspects), (!is_suspect).then_some(&mut self.of_others)] {
                if let Some(lane) = lane.filter(|lane| sent.asked > lane.failed) {
                    lane.failed = now;
                }
            }
        }
        if !is_suspect {
            self.suspects.push(sent.from);
            if self.suspects.len() > SUSPECTS {
                self.suspects.remove(0);
                self.is_open_for_all = true;
            }
        }
    }
}

proptest! {
    #[test]
    fn it_does_as_the_naive_one(
        events in prop::collection::vec((0..12u8, 0..8u8, 0..64usize, 0..400u64), 1..400)
    ) {
        let (mut bench, mut model, mut flying) = (Bench::new(), Model::default(), Vec::new());
        for (number, (what, from, pick, time)) in events.into_iter().enumerate() {
            bench.now += time;
            let now = bench.now;
            if what < 5 || flying.is_empty() {
                let is_renewal = what == 0;
                let sent = bench.admit_by(1, from, is_renewal, BREAKER);
                let expected = model.send(from, now, number, is_renewal);
                prop_assert_eq!(sent.map(|sent| sent.probe.is_some()), expected.ok().map(|probe| probe.is_some()));
                flying.extend(sent.zip(expected.ok()));
                continue;
            }
            let (sent, probe): (Sent, Option<ModelProbe>) = flying.swap_remove(pick % flying.len());
            let evidence = match what {
                5 => Evidence::None,
                6 if pick % 8 == 0 => Evidence::Success,
                _ => Evidence::Failure,
            };
            bench.land(1, sent, evidence);
            model.land(sent, probe, now, evidence);
        }
    }

    /// Whatever calls suspects make, and however long these take to fail, the other clients' calls are admitted at the same
    /// times as without them.
    #[test]
    fn suspects_neither_take_a_probe_nor_make_others_wait(
        is_open_for_all: bool, events in prop::collection::vec((0..6u8, 1..5u8, 0..64usize, 0..300u64), 1..400)
    ) {
        let (mut bench, mut undisturbed) = (Bench::new(), Bench::new());
        for bench in [&mut bench, &mut undisturbed] {
            bench.fail(1, if is_open_for_all { 5 } else { 4 });
            bench.end(1, 4 - u8::from(!is_open_for_all), 1, Evidence::Failure);
        }
        let (mut theirs, mut others): (Vec<Sent>, Vec<(Sent, Sent)>) = (Vec::new(), Vec::new());
        for (what, from, pick, time) in events {
            bench.now += time;
            undisturbed.now += time;
            // After failures of five clients, the first is no longer among the last four.
            let suspect = if is_open_for_all { from } else { from - 1 };
            match what {
                0 => theirs.extend(bench.send(1, suspect)),
                1 => theirs.extend(bench.renew(suspect)),
                2 if !theirs.is_empty() => {
                    let sent = theirs.swap_remove(pick % theirs.len());
                    bench.land(1, sent, Evidence::Failure);
                }
                3 if !others.is_empty() => {
                    let (sent, same) = others.swap_remove(pick % others.len());
                    // Ends it as a suspect's call, so that the other clients don't become suspects.
                    bench.land(1, Sent { from: 3, ..sent }, Evidence::Failure);
                    undisturbed.land(1, Sent { from: 3, ..same }, Evidence::Failure);
                }
                _ => {
                    let (sent, same) = (bench.send(1, 100), undisturbed.send(1, 100));
                    prop_assert_eq!(sent.map(|sent| sent.probe), same.map(|same| same.probe));
                    others.extend(sent.zip(same));
                }
            }
        }
    }

    /// Memory in which a worker died is reformatted, but nothing here relies on that.
    #[test]
    fn no_memory_is_too_damaged(
        bytes in prop::collection::vec(any::<u8>(), 4096), names in prop::collection::vec(0..9u32, 1..50)
    ) {
        let mut bench = Bench::new();
        for (place, byte) in bench.memory.as_mut_bytes().iter_mut().zip(bytes.iter().cycle()) {
            *place = *byte;
        }
        for name in names {
            bench.send(name, 1);
            for evidence in [Evidence::Failure, Evidence::None, Evidence::Success] {
                bench.end(name, 1, 1, evidence);
            }
            prop_assert!(bench.is_closed(name, 1));
        }
    }
}
