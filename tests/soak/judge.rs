//! Is this the answer that was owed?

use std::time::{Duration, Instant};

use crate::plan::{Place, Plan};
use crate::tally::Tally;
use crate::weather::Weather;
use crate::world::{Owed, World, is_registered_writer};

/// What a client reads of an answer.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `$authgear_reason`.
    pub(crate) reason: String,
    pub(crate) body: Vec<u8>,
}

/// Takes the answer to a request into the tally, under the class of its place in the report.
pub(crate) fn judge(
    world: &World,
    weather: &Weather,
    plan: &Plan,
    sent: Instant,
    answer: &Answer,
    tally: &mut Tally,
) {
    let ending = ending(answer);
    tally.answered(&class(plan, answer), &ending, sent.elapsed());
    if weather.is_ipv6_outage() && plan.place.resolver() == 0 {
        tally.stale_without_ipv6 += u64::from(answer.reason == "stale");
        tally.failed_without_ipv6 += u64::from(matches!(answer.status, 502 | 504));
    }
    match verdict(world, plan, sent, answer) {
        Verdict::Right => {}
        Verdict::Failed if weather.explains_failure(sent) => {}
        Verdict::Failed => tally.unexpected(describe(world, plan, sent, answer)),
        Verdict::Wrong => tally.wrong(describe(world, plan, sent, answer)),
    }
}

enum Verdict {
    Right,
    /// The resolver's failure was passed on.
    Failed,
    Wrong,
}

fn verdict(world: &World, plan: &Plan, sent: Instant, answer: &Answer) -> Verdict {
    let owed = match plan.place {
        Place::Off => vec![Owed::None],
        _ => world.owed(&plan.presented, sent),
    };
    let one_of = |status, wanted: fn(&Owed) -> bool| {
        if answer.status == status && owed.iter().any(wanted) { Verdict::Right } else { Verdict::Wrong }
    };
    match (plan.place, answer.status) {
        (Place::Off | Place::Anonymous, 502 | 504) => Verdict::Wrong,
        (_, 502 | 504) => Verdict::Failed,
        (Place::Must, 401) => one_of(401, |owed| !matches!(owed, Owed::Valid(_))),
        (Place::Must, 403) => one_of(403, |owed| matches!(owed, Owed::Valid(n) if !is_registered_writer(*n))),
        (place, 200) => {
            let told = identity(plan, answer);
            let is = |owed: &Owed| told == Some(world.lines(place.resolver(), *owed));
            let may_pass = |owed: &&Owed| match (place, owed) {
                (Place::Must, Owed::Valid(n)) => is_registered_writer(*n),
                (Place::Must, _) => false,
                _ => true,
            };
            if owed.iter().filter(may_pass).any(is) {
                Verdict::Right
            } else if place == Place::Anonymous && told == Some(b"") {
                Verdict::Failed
            } else {
                Verdict::Wrong
            }
        }
        _ => Verdict::Wrong,
    }
}

/// The identity headers that the backend got, if it was this request that it got.
fn identity<'a>(plan: &Plan, answer: &'a Answer) -> Option<&'a [u8]> {
    answer.body.strip_prefix(plan.path().as_bytes())?.strip_prefix(b"\n")
}

fn ending(answer: &Answer) -> String {
    format!("{} {}", answer.status, answer.reason)
}

fn class(plan: &Plan, answer: &Answer) -> String {
    if plan.place == Place::Off { "off".to_owned() } else { answer.reason.clone() }
}

fn describe(world: &World, plan: &Plan, sent: Instant, answer: &Answer) -> String {
    let ms = |at| world.ms(at);
    format!(
        "{} at {} ms, answered at {} ms with {} {}: {:?} beside {:?} is owed one of {:?}, and the backend saw {:?}",
        plan.path(),
        ms(sent),
        ms(sent + sent.elapsed().min(Duration::from_secs(60))),
        answer.status,
        answer.reason,
        plan.presented,
        plan.forged,
        world.owed(&plan.presented, sent),
        String::from_utf8_lossy(&answer.body[..answer.body.len().min(600)]),
    )
}
