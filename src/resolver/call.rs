//! One call: a GET, at most one retry, and the reading of the answer.

use http::Method;
use reqwest::Request;
use tokio::time::timeout;

use super::clients::PooledClient;
use super::error::{Failure, ResolveError};
use super::question::Question;
use super::target::Target;
use super::{Claimed, Job, Outcome};
use crate::credentials::Credentials;
use crate::endpoint::{self, Origin};
use crate::freshness::Millis;
use crate::session::Resolution;
use crate::session::answer::{self, Answer, Finding};

/// This much of an answer's content is read for the connection's sake; past it the connection is given up instead.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// No origin is longer: a scheme, a name (RFC 1035 §2.3.4) and a port.
const MAX_ORIGIN: usize = "https://".len() + 253 + ":65535".len();

/// Does a job from beginning to end and completes its flight.
pub(crate) async fn perform(job: Job, client: PooledClient) {
    let Job { timeout: limit, now, question, lease } = job;
    let target = lease.target();
    let outcome =
        timeout(limit, with_retry(&client, target, &question)).await.unwrap_or(Err(ResolveError::Timeout));
    if outcome == Err(ResolveError::Timeout) {
        client.timed_out();
    }
    let claimed = claimed(&question.credentials, now, target.origin(), &outcome);
    lease.complete(outcome, claimed);
}

/// What the tokens among the credentials claim, as far as it matters for this outcome. Tokens are read on this thread, where the
/// event loop doesn't wait for it.
fn claimed(credentials: &Credentials, now: Millis, origin: &Origin, outcome: &Outcome) -> Claimed {
    match outcome {
        // Expiry limits valid answers only.
        Ok(Answer { finding: Finding::Resolved(Resolution::Valid(_)), .. }) => {
            Claimed { lasts: lasts(credentials, now), ..Claimed::default() }
        }
        Ok(Answer { finding: Finding::Resolved(Resolution::None), .. }) => {
            Claimed { other_issuer: other_issuer(credentials, origin), ..Claimed::default() }
        }
        _ => Claimed::default(),
    }
}

/// How long after a moment (in milliseconds of Unix time) the credentials expire by their own word.
fn lasts(credentials: &Credentials, now: Millis) -> Option<Millis> {
    let end = credentials.expires(now / 1000)?;
    // One less, for the part of a millisecond that the clock leaves out: the end is a bound.
    Some(end.saturating_mul(1000).saturating_sub(now.saturating_add(1)))
}

/// The issuer of the bearer token, if that is another origin than the one that the resolver was asked for: Authgear accepts a JWT
/// only for the origin that it was issued for, and otherwise finds no session, without an error.
///
/// The client chooses the issuer, and it is written to a log. So it must be an origin by the grammar of our own configuration.
fn other_issuer(credentials: &Credentials, origin: &Origin) -> Option<Origin> {
    let issuer = credentials.bearer_issuer().filter(|issuer| issuer.len() <= MAX_ORIGIN)?;
    endpoint::origin(&issuer).ok().filter(|issuer| issuer != origin)
}

async fn with_retry(client: &PooledClient, target: &Target, question: &Question) -> Outcome {
    match attempt(client, &client.http, target, question).await {
        Ok(answer) => Ok(answer),
        Err(Failure { may_retry: true, .. }) => {
            attempt(client, &client.fresh, target, question).await.map_err(|failure| failure.error)
        }
        Err(Failure { error, .. }) => Err(error),
    }
}

async fn attempt(
    client: &PooledClient,
    http: &reqwest::Client,
    target: &Target,
    question: &Question,
) -> Result<Answer, Failure> {
    let unsendable = || Failure::final_(ResolveError::Internal("the credentials can't be sent"));
    let mut request = Request::new(Method::GET, target.url().clone());
    *request.headers_mut() = question.headers(target).ok_or_else(unsendable)?;
    let failed = |error| {
        let failure = Failure::before_answer(&error, target.dial_host());
        if failure.error.is_connect() {
            client.not_connected();
        }
        failure
    };
    let mut response = http.execute(request).await.map_err(failed)?;
    client.answered(response.version());
    let has_body = drain(&mut response).await?;
    answer::read(response.status().as_u16(), response.headers(), has_body)
        .map_err(|error| Failure::final_(error.into()))
}

/// Reads the content away; tells whether there was any.
async fn drain(response: &mut reqwest::Response) -> Result<bool, Failure> {
    let mut size = 0;
    while let Some(chunk) = response.chunk().await.map_err(|error| Failure::in_body(&error))? {
        size += chunk.len();
        if size > MAX_BODY_BYTES {
            break;
        }
    }
    Ok(size > 0)
}
