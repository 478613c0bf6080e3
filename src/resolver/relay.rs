//! Serializes the outcome of a call for workers that wait for it through a claim.
//!
//! Error messages and the resolver's cookies are not included: waiting workers don't log failures, and cookies are
//! meant for one client.
//!
//! ```text
//! VERSION, kind of outcome, then depending on the kind:
//!   resolved  max_age, optional stamp, resolution
//!   refused   status, then for each challenge: length, line
//!   status    status
//! ```
//! Numbers are little-endian. Optional values are preceded by a byte that is 0 or 1.

use http::HeaderValue;

use super::Outcome;
use super::error::ResolveError;
use crate::freshness::{Kind, Stamp};
use crate::session::answer::{Answer, AnswerError, Finding, Refusal};
use crate::session::{Resolution, codec};

/// A worker that keeps running during an upgrade of the module may read what a newer one wrote.
const VERSION: u8 = 1;

const RESOLVED: u8 = 1;
const REFUSED: u8 = 2;
const CONNECT: u8 = 3;
const TIMEOUT: u8 = 4;
const CONNECT_TIMEOUT: u8 = 5;
const CLOSED: u8 = 6;
const STATUS: u8 = 7;
const MALFORMED: u8 = 8;
const PROTOCOL: u8 = 9;
const OVERLOAD: u8 = 10;
const INTERNAL: u8 = 11;
const EXHAUSTED: u8 = 12;
const BREAKER: u8 = 13;

const ELSEWHERE: &str = "as told by another worker";

/// Encodes an outcome. `stamp` is the one stored with a resolution; other outcomes have none.
#[must_use]
pub fn encode(outcome: &Outcome, stamp: Option<&Stamp>) -> Vec<u8> {
    let mut out = vec![VERSION];
    match outcome {
        Ok(Answer { finding: Finding::Resolved(resolution), max_age, .. }) => {
            out.push(RESOLVED);
            put_option(max_age.as_ref(), &mut out, |seconds, out| out.extend(seconds.to_le_bytes()));
            put_option(stamp, &mut out, |stamp, out| {
                out.extend(stamp.asked.to_le_bytes());
                out.extend(stamp.until.to_le_bytes());
            });
            codec::encode(resolution, &mut out);
        }
        Ok(Answer { finding: Finding::Refused(refusal), .. }) => {
            out.push(REFUSED);
            out.extend(refusal.status.to_le_bytes());
            for line in &refusal.challenges {
                // A length beyond u32 exceeds the size limit for answers, and is rejected when decoding.
                out.extend(u32::try_from(line.len()).unwrap_or(u32::MAX).to_le_bytes());
                out.extend_from_slice(line);
            }
        }
        Err(error) => {
            out.push(code(error));
            if let ResolveError::Answer(AnswerError::Status(status)) = error {
                out.extend(status.to_le_bytes());
            }
        }
    }
    out
}

/// Decodes an outcome, without messages and cookies, and its stamp. Returns `None` for anything that `encode` doesn't
/// produce.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<(Outcome, Option<Stamp>)> {
    let [VERSION, kind, rest @ ..] = bytes else { return None };
    match *kind {
        RESOLVED => resolved(rest),
        REFUSED => Some((Ok(answer(Finding::Refused(refusal(rest)?), None)), None)),
        STATUS => {
            let status = u16::from_le_bytes(rest.try_into().ok()?);
            Some((Err(AnswerError::Status(status).into()), None))
        }
        kind if rest.is_empty() => Some((Err(error(kind)?), None)),
        _ => None,
    }
}

/// The code for an error's kind. Apart from a status, nothing else of the error is encoded.
fn code(error: &ResolveError) -> u8 {
    match error {
        ResolveError::Connect(_) => CONNECT,
        ResolveError::Timeout => TIMEOUT,
        ResolveError::ConnectTimeout => CONNECT_TIMEOUT,
        ResolveError::Closed(_) => CLOSED,
        ResolveError::Answer(AnswerError::Status(_)) => STATUS,
        ResolveError::Answer(AnswerError::Malformed(_)) => MALFORMED,
        ResolveError::Protocol(_) => PROTOCOL,
        ResolveError::Overload => OVERLOAD,
        ResolveError::Internal(_) => INTERNAL,
        ResolveError::Exhausted(_) => EXHAUSTED,
        ResolveError::Breaker { .. } => BREAKER,
    }
}

fn error(code: u8) -> Option<ResolveError> {
    Some(match code {
        CONNECT => ResolveError::Connect(String::new()),
        TIMEOUT => ResolveError::Timeout,
        CONNECT_TIMEOUT => ResolveError::ConnectTimeout,
        CLOSED => ResolveError::Closed(String::new()),
        MALFORMED => AnswerError::Malformed(ELSEWHERE).into(),
        PROTOCOL => ResolveError::Protocol(String::new()),
        OVERLOAD => ResolveError::Overload,
        INTERNAL => ResolveError::Internal(ELSEWHERE),
        EXHAUSTED => ResolveError::Exhausted(String::new()),
        // `after_500` isn't encoded, since no call ends with this error.
        BREAKER => ResolveError::Breaker { after_500: true },
        _ => return None,
    })
}

fn answer(finding: Finding, max_age: Option<u64>) -> Answer {
    Answer { finding, set_cookies: Vec::new(), max_age }
}

fn resolved(mut rest: &[u8]) -> Option<(Outcome, Option<Stamp>)> {
    let max_age = take_option(&mut rest, take_u64)?;
    let times = take_option(&mut rest, |rest| Some((take_u64(rest)?, take_u64(rest)?)))?;
    let resolution = codec::decode(rest)?;
    // The kind follows from the resolution, so the two can't contradict each other.
    let kind = match resolution {
        Resolution::None => Kind::None,
        Resolution::Invalid(_) => Kind::Invalid,
        Resolution::Valid(_) => Kind::Valid,
    };
    let stamp = times.map(|(asked, until)| Stamp { kind, asked, until });
    // The stamp of an answer that may not be reused has `until == asked`.
    if stamp.is_some_and(|stamp| stamp.until < stamp.asked) {
        return None;
    }
    Some((Ok(answer(Finding::Resolved(resolution), max_age)), stamp))
}

fn refusal(rest: &[u8]) -> Option<Refusal> {
    let (status, mut rest) = rest.split_first_chunk()?;
    let status = u16::from_le_bytes(*status);
    let mut challenges = Vec::new();
    while let Some((len, after)) = rest.split_first_chunk() {
        let (line, after) = after.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
        // These lines are sent to clients, so they must not contain a line break.
        HeaderValue::from_bytes(line).ok()?;
        challenges.push(line.to_vec());
        rest = after;
    }
    (rest.is_empty() && matches!(status, 401 | 403)).then_some(Refusal { status, challenges })
}

fn put_option<T>(value: Option<&T>, out: &mut Vec<u8>, put: impl FnOnce(&T, &mut Vec<u8>)) {
    out.push(value.is_some().into());
    if let Some(value) = value {
        put(value, out);
    }
}

/// Returns `None` if even the presence byte is missing or invalid.
fn take_option<T>(rest: &mut &[u8], take: impl FnOnce(&mut &[u8]) -> Option<T>) -> Option<Option<T>> {
    let (present, after) = rest.split_first()?;
    *rest = after;
    match present {
        0 => Some(None),
        1 => take(rest).map(Some),
        _ => None,
    }
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests;
