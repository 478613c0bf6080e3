//! What each request's own answer is, and whether an answer is one of its own.

use std::collections::HashMap;

use super::places::{Calls, Place, Sent};
use crate::harness::{EchoReply, Response};

/// What came of a request, as its backend saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) status: u16,
    /// Identity headers, without what differs from call to call.
    pub(super) identity: Vec<(String, String)>,
    /// The call that the answer is of; none where there was no call, and where the answer says nothing.
    pub(super) call: Option<usize>,
}

impl Outcome {
    pub(super) fn of(response: &Response) -> Result<Self, String> {
        if response.status != 200 {
            return Ok(Self { status: response.status, identity: Vec::new(), call: None });
        }
        let reply = EchoReply::parse(&response.text()).ok_or("no echo")?;
        let mut outcome = Self { status: 200, identity: Vec::new(), call: None };
        for (name, value) in reply.headers.iter().filter(|(name, _)| name.starts_with("x-authgear-")) {
            let (value, number) = match name.as_str() {
                "x-authgear-user-id" => value.split_once('/').ok_or("a user without a number")?,
                "x-authgear-call" => ("", value.as_str()),
                _ => (value.as_str(), ""),
            };
            if name != "x-authgear-call" {
                outcome.identity.push((name.clone(), value.to_owned()));
            }
            if !number.is_empty() {
                let number = number.parse().map_err(|_| "no number")?;
                if outcome.call.replace(number).is_some_and(|other| other != number) {
                    return Err("headers of two answers".to_owned());
                }
            }
        }
        outcome.identity.sort();
        Ok(outcome)
    }

    pub(super) fn user(&self) -> Option<&str> {
        let user = self.identity.iter().find(|(name, _)| name == "x-authgear-user-id");
        user.map(|(_, value)| value.as_str())
    }
}

/// What a request gets from its location when nothing is cached.
#[derive(Clone, Debug)]
pub(super) struct Truth {
    pub(super) outcome: Outcome,
    pub(super) sent: Option<Sent>,
}

/// Compares answers with the truth, and remembers to whom each was given.
pub(super) struct Ledger {
    calls: Calls,
    /// The identity, and the name, of the location that got the answer of a call first.
    given: HashMap<usize, (&'static str, &'static str)>,
    /// How many answers a location got that another one had got before.
    pub(super) shared: usize,
}

impl Ledger {
    pub(super) fn new(calls: &Calls) -> Self {
        Self { calls: calls.clone(), given: HashMap::new(), shared: 0 }
    }

    pub(super) fn learn(&self, response: &Response) -> Result<Truth, String> {
        let outcome = Outcome::of(response)?;
        let sent = outcome.call.map(|number| self.calls.get(number).ok_or("an answer of no call"));
        Ok(Truth { outcome, sent: sent.transpose()? })
    }

    /// Judges the answer to a request of this location.
    pub(super) fn check(&mut self, place: &Place, truth: &Truth, response: &Response) -> Result<(), String> {
        let Outcome { status, identity, call } = Outcome::of(response)?;
        if status != truth.outcome.status {
            return Err(format!("status {status} rather than {}", truth.outcome.status));
        }
        if identity != truth.outcome.identity {
            return Err(format!("another identity: {identity:?} rather than {:?}", truth.outcome.identity));
        }
        let Some(number) = call else { return Ok(()) };
        let sent = self.calls.get(number).ok_or("an answer of no call")?;
        if truth.sent.as_ref() != Some(&sent) {
            return Err(format!("the answer for other credentials: {sent:?} rather than {:?}", truth.sent));
        }
        let (owner, name) = *self.given.entry(number).or_insert((place.identity, place.name));
        if owner != place.identity {
            return Err(format!("the answer of another location: {owner}"));
        }
        self.shared += usize::from(name != place.name);
        Ok(())
    }
}
