//! HTTP/1.0 and HTTP/1.1.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{ANY_PORT, Body, Echo, Log, Seen, Switches};
use crate::standin::http1::{ReadError, Reader};
use crate::standin::resolver::answer::reason;

pub struct Http;

impl Http {
    pub fn start() -> Echo {
        Self::listen(ANY_PORT)
    }

    pub fn listen(addr: SocketAddr) -> Echo {
        Self::listen_keeping(addr, usize::MAX)
    }

    /// Keeps only the latest `keep` requests.
    pub fn listen_keeping(addr: SocketAddr, keep: usize) -> Echo {
        Echo::serving(addr, Log { keep, ..Log::default() }, serve)
    }
}

async fn serve(stream: TcpStream, log: Arc<Log>) -> Result<(), ReadError> {
    let mut reader = Reader::new(stream);
    loop {
        let head = match reader.read_head().await {
            Ok(head) => head,
            Err(error) => {
                let _ =
                    reader.stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
                return Err(error);
            }
        };
        let mut body = Body::default();
        reader.read_body(&head, &mut |bytes| body.add(bytes)).await?;
        let keep = head.keeps_alive();
        let is_head = head.method == "HEAD";
        let mut seen =
            Seen { method: head.method, target: head.target, headers: head.headers, ..Seen::default() };
        body.write_to(&mut seen);
        log.add(seen.clone());
        let answer = answer(&seen, is_head, keep).await;
        reader.stream.write_all(&answer).await?;
        if !keep {
            return Ok(reader.stream.shutdown().await?);
        }
    }
}

async fn answer(seen: &Seen, is_head: bool, keep: bool) -> Vec<u8> {
    let switches = Switches::of(&seen.target);
    tokio::time::sleep(switches.slow).await;
    let body = seen.reply_body();
    let mut head = format!("HTTP/1.1 {} {}\r\n", switches.status, reason(switches.status));
    head.push_str("Content-Type: text/plain\r\n");
    let bodiless = matches!(switches.status, 204 | 304);
    if !bodiless {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    if let Some(to) = switches.accel {
        head.push_str(&format!("X-Accel-Redirect: {to}\r\n"));
    }
    head.push_str(if keep { "Connection: keep-alive\r\n\r\n" } else { "Connection: close\r\n\r\n" });
    let mut answer = head.into_bytes();
    if !is_head && !bodiless {
        answer.extend(body);
    }
    answer
}
