//! What FastCGI, SCGI and uwsgi have in common: requests as parameters, answers as CGI.

use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Body, Log, Seen, Switches};
use crate::standin::http1::{ReadError, Reader};
use crate::standin::resolver::answer::reason;

pub(super) type Params = Vec<(Vec<u8>, Vec<u8>)>;

/// Serves one request per connection, as in SCGI and uwsgi: parameters, then a body of the length that they state.
pub(super) async fn serve<F>(
    stream: TcpStream,
    log: Arc<Log>,
    read_params: impl FnOnce(Reader<TcpStream>) -> F,
) -> Result<(), ReadError>
where
    F: Future<Output = Result<(Params, Reader<TcpStream>), ReadError>>,
{
    let (params, mut reader) = read_params(Reader::new(stream)).await?;
    let mut body = Body::default();
    reader.read_exactly(content_length(&params), &mut |bytes| body.add(bytes)).await?;
    let seen = seen(params, &body);
    log.add(seen.clone());
    let answer = answer(&seen).await;
    reader.stream.write_all(&answer).await?;
    Ok(reader.stream.shutdown().await?)
}

/// The length of the body, from the parameters.
fn content_length(params: &Params) -> u64 {
    text(params, b"CONTENT_LENGTH").parse().unwrap_or(0)
}

pub(super) fn seen(params: Params, body: &Body) -> Seen {
    let method = text(&params, b"REQUEST_METHOD");
    let target = text(&params, b"REQUEST_URI");
    let mut seen = Seen { method, target, headers: params, ..Seen::default() };
    body.write_to(&mut seen);
    seen
}

pub(super) async fn answer(seen: &Seen) -> Vec<u8> {
    let switches = Switches::of(&seen.target);
    tokio::time::sleep(switches.slow).await;
    let mut head =
        format!("Status: {} {}\r\nContent-Type: text/plain\r\n", switches.status, reason(switches.status));
    if let Some(to) = switches.accel {
        head.push_str(&format!("X-Accel-Redirect: {to}\r\n"));
    }
    head.push_str("\r\n");
    let mut answer = head.into_bytes();
    if seen.method != "HEAD" && !matches!(switches.status, 204 | 304) {
        answer.extend(seen.reply_body());
    }
    answer
}

fn text(params: &Params, name: &[u8]) -> String {
    let value = params.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_slice());
    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
}
