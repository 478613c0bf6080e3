//! A single call: a GET with at most one retry, and parsing the answer.

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

/// The body is read up to this size so that the connection can be reused. If it is longer, the connection is dropped.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The longest possible origin: scheme, host name (RFC 1035 §2.3.4) and port.
const MAX_ORIGIN: usize = "https://".len() + 253 + ":65535".len();

/// Runs a job and completes its flight.
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

/// The claims in the credentials' tokens that matter for this outcome. Tokens are parsed on this thread, to keep that
/// work out of the event loop.
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

/// The time from `now` (Unix time in milliseconds) until the credentials expire, according to their own claims.
fn lasts(credentials: &Credentials, now: Millis) -> Option<Millis> {
    let end = credentials.expires(now / 1000)?;
    // Subtract 1 ms for the fraction that the clock truncates: the result is an upper bound.
    Some(end.saturating_mul(1000).saturating_sub(now.saturating_add(1)))
}

/// The issuer of the bearer token, if it differs from the origin that the resolver was asked for. Authgear accepts a
/// JWT only for the origin that issued it; otherwise it finds no session and reports no error.
///
/// The issuer is chosen by the client and is written to a log, so it must parse as an origin under the grammar of our
/// own configuration.
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

/// Reads and discards the body. Returns whether there was one.
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
