//! One call: a GET, at most one retry, and the reading of the answer.

use http::Method;
use reqwest::Request;
use tokio::time::timeout;

use super::clients::PooledClient;
use super::error::{Failure, ResolveError};
use super::question::Question;
use super::target::Target;
use super::{Job, Outcome};
use crate::session::answer::{self, Answer};

/// This much of an answer's content is read for the connection's sake; past it the connection is given up instead.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Does a job from beginning to end and completes its flight.
pub(crate) async fn perform(job: Job, client: PooledClient) {
    let Job { timeout: limit, question, lease } = job;
    let target = lease.target();
    let outcome =
        timeout(limit, with_retry(&client, target, &question)).await.unwrap_or(Err(ResolveError::Timeout));
    if outcome == Err(ResolveError::Timeout) {
        client.timed_out();
    }
    lease.complete(outcome);
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
