//! Calls over HTTP/1.1, with answers and faults as raw bytes.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::call::{Call, Connection};
use super::fault::{End, Play, Reach};
use super::idle::{CloseKind, Order};
use super::shared::Shared;
use crate::standin::http1::{Head, ReadError, Reader, check_as_go};
use crate::standin::net::Stream;

pub(super) async fn serve(shared: Arc<Shared>, stream: Stream, connection: Connection) {
    let mut reader = Reader::new(stream);
    let mut idle = shared.idle.enter(connection.id);
    loop {
        let head = tokio::select! {
            biased;
            Ok(order) = &mut idle => return close(reader.stream, order).await,
            head = reader.read_head() => head,
        };
        shared.idle.leave(connection.id);
        if let Ok(order) = idle.try_recv() {
            return close(reader.stream, order).await;
        }
        let head = match head.and_then(|head| check_as_go(&head).map(|()| head)) {
            Ok(head) => head,
            Err(error) => return refuse(&shared, reader.stream, error).await,
        };
        let mut body = Vec::new();
        if reader.read_body(&head, &mut |bytes| body.extend_from_slice(bytes)).await.is_err() {
            return;
        }
        let call = Call::from_http1(&head, body, &connection);
        let mut flight = shared.arrive(&call);
        let play = tokio::select! {
            play = flight.play(&call) => play,
            () = left(&mut reader) => return,
        };
        let keep = play.end == End::Keep && head.keeps_alive();
        let bytes = encode(&play, &head);
        if play.end == End::Hang {
            let _ = write(&mut reader.stream, &bytes, None).await;
            return left(&mut reader).await;
        }
        let over = || {
            drop(flight);
            if keep {
                idle = shared.idle.enter(connection.id);
            }
        };
        if deliver(&mut reader.stream, &bytes, play.pace, over).await.is_err() {
            return;
        }
        match play.end {
            _ if keep => {}
            End::Reset => return reader.stream.reset_switch().arm(),
            _ => return drop(reader.stream.shutdown().await),
        }
    }
}

/// Writes an answer. A client that has read all of it must find the call ended and the connection idle, so `over` is called
/// before the last byte.
async fn deliver(
    stream: &mut Stream,
    bytes: &[u8],
    pace: Option<Duration>,
    over: impl FnOnce(),
) -> std::io::Result<()> {
    // In a single write if possible, as the real server does: in one packet.
    let paced = if pace.is_some() { bytes.len().saturating_sub(1) } else { 0 };
    let (before, last) = bytes.split_at(paced);
    write(stream, before, pace).await?;
    over();
    write(stream, last, None).await
}

/// The bytes that the client receives.
fn encode(play: &Play, head: &Head) -> Vec<u8> {
    if let Some(raw) = &play.raw {
        return raw.clone();
    }
    let is_head = head.method == "HEAD";
    let connection = match (head.minor, head.keeps_alive()) {
        (0, true) => Some("keep-alive"),
        (0, false) => None,
        (_, keeps) => (!keeps).then_some("close"),
    };
    let mut bytes =
        play.interim.as_ref().map_or_else(Vec::new, |(status, headers)| interim(*status, headers));
    let answer_head = play.answer.encode_head(is_head, connection);
    match play.reach {
        Reach::Nothing => return Vec::new(),
        Reach::HalfHead => bytes.extend_from_slice(&answer_head[..answer_head.len() / 2]),
        Reach::HalfBody | Reach::All => {
            bytes.extend(answer_head);
            bytes.extend(play.answer.encode_body(is_head));
        }
    }
    if !play.trailers.is_empty() && bytes.ends_with(b"\r\n\r\n") {
        bytes.truncate(bytes.len() - 2);
        for (name, value) in &play.trailers {
            bytes.extend(format!("{name}: {value}\r\n").into_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// An interim answer: no `Date` or length.
fn interim(status: u16, headers: &[(String, String)]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} {}\r\n", super::answer::reason(status));
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

async fn write(stream: &mut Stream, bytes: &[u8], pace: Option<Duration>) -> std::io::Result<()> {
    let Some(pace) = pace else {
        stream.write_all(bytes).await?;
        return stream.flush().await;
    };
    for byte in bytes {
        stream.write_all(&[*byte]).await?;
        stream.flush().await?;
        tokio::time::sleep(pace).await;
    }
    Ok(())
}

/// Waits until the client has closed. Bytes that arrive meanwhile are its next request, and stay in the buffer.
async fn left(reader: &mut Reader<Stream>) {
    while reader.fill().await.is_ok() {}
}

async fn close(mut stream: Stream, order: Order) {
    match order.kind {
        CloseKind::Fin => drop(stream.shutdown().await),
        CloseKind::Reset => stream.reset_switch().arm(),
    }
    // Dropped before the order, whose end signals that this is done.
    drop(stream);
    drop(order);
}

/// Go's own answers, which are sent without a handler.
async fn refuse(shared: &Shared, mut stream: Stream, error: ReadError) {
    let text = match error {
        ReadError::Gone => return,
        ReadError::TooLarge => "431 Request Header Fields Too Large".to_owned(),
        ReadError::Malformed(why) => format!("400 Bad Request{why}"),
    };
    shared.change(|state| state.bad_requests += 1);
    let status = text.split(':').next().unwrap_or_default();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(format!("{head}{text}").as_bytes()).await;
    let _ = stream.shutdown().await;
}
