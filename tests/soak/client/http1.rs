//! HTTP/1.1 over connections that are kept: answers have a length and are read in whole.

use std::io;
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::{Broken, Door, PATIENCE, Stream};
use crate::backend::find;
use crate::judge::Answer;
use crate::plan::Plan;
use crate::weather::Weather;
use crate::world::World;

pub(crate) struct Client {
    door: Door,
    connection: Option<Connection>,
    request: Vec<u8>,
}

struct Connection {
    stream: Stream,
    buffer: Vec<u8>,
    pid: i32,
    generation: u64,
}

impl Client {
    pub(super) fn new(door: Door) -> Self {
        Self { door, connection: None, request: Vec::new() }
    }

    pub(super) async fn exchange(
        &mut self,
        world: &World,
        weather: &Weather,
        plan: &Plan,
    ) -> (Result<(Instant, Answer), Broken>, u64) {
        let (kept, mut connections) = (self.connection.take().filter(|kept| !kept.stream.has_news()), 0);
        let mut connection = match kept {
            Some(kept) => kept,
            None => {
                connections = 1;
                match Connection::open(&self.door, weather).await {
                    Ok(connection) => connection,
                    Err(broken) => return (Err(broken), connections),
                }
            }
        };
        write_request(world, plan, &mut self.request);
        let sent = Instant::now();
        let exchanged = connection.exchange(&self.request).await;
        let result = exchanged.map(|(answer, keep)| {
            self.connection = keep.then_some(connection);
            (sent, answer)
        });
        (result, connections)
    }
}

fn write_request(world: &World, plan: &Plan, request: &mut Vec<u8>) {
    request.clear();
    let mut put = |text: &str| request.extend_from_slice(text.as_bytes());
    [plan.method(), " ", &plan.path(), " HTTP/1.1\r\nHost: localhost\r\n"].into_iter().for_each(&mut put);
    for (name, value) in plan.headers(world) {
        [name, ": ", &value, "\r\n"].into_iter().for_each(&mut put);
    }
    match plan.body {
        None => put("\r\n"),
        Some(body) => {
            put(&format!("Content-Length: {}\r\n\r\n", body.len()));
            request.extend_from_slice(body);
        }
    }
}

impl Connection {
    /// Asks which worker it is to. Nothing is lost where that fails.
    async fn open(door: &Door, weather: &Weather) -> Result<Self, Broken> {
        let generation = weather.generation();
        let broken = |why: String| Broken { pid: 0, unsent: true, raced: false, generation, why };
        let opening = async {
            let stream = door.connect().await.map_err(|e| broken(format!("no connection: {e}")))?;
            let mut connection = Self { stream, buffer: Vec::with_capacity(4096), pid: 0, generation };
            let (answer, _) = connection.exchange(b"GET /pid HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
            connection.pid = String::from_utf8_lossy(&answer.body).parse().unwrap_or(0);
            Ok(connection)
        };
        let opened = timeout(PATIENCE, opening).await.unwrap_or_else(|_| Err(broken("no connection".into())));
        opened.map_err(|failure: Broken| broken(failure.why))
    }

    /// The answer, and whether the connection is kept.
    async fn exchange(&mut self, request: &[u8]) -> Result<(Answer, bool), Broken> {
        let mut raced = false;
        let read = async {
            let bytes = self.stream.bytes();
            bytes.write_all(request).await?;
            bytes.flush().await?;
            // No server is that fast: it was closing already.
            raced = self.stream.has_news();
            read_answer(&mut self.stream, &mut self.buffer).await
        };
        let error = match timeout(PATIENCE, read).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
        // What a server has not read when it closes is answered with a reset.
        let reset = matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
            || error.kind() == io::ErrorKind::UnexpectedEof && self.stream.was_reset().await;
        let kind = if matches!(self.stream, Stream::Tls(_)) { "TLS" } else { "plain" };
        Err(Broken {
            pid: self.pid,
            unsent: false,
            raced: self.buffer.is_empty() && (raced || reset),
            generation: self.generation,
            why: format!("{error} after {} bytes of an answer, {kind}", self.buffer.len()),
        })
    }
}

async fn read_answer(stream: &mut Stream, buffer: &mut Vec<u8>) -> io::Result<(Answer, bool)> {
    let mut head_length = None;
    loop {
        if head_length.is_none() {
            head_length = find(buffer, b"\r\n\r\n").map(|at| at + 4);
        }
        if let Some(head) = head_length
            && let Some((answer, length, keep)) = parse(&buffer[..head], &buffer[head..])
        {
            buffer.drain(..head + length);
            return Ok((answer, keep));
        }
        if stream.bytes().read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The answer, once all of its body is there; the length of that, and whether the connection is kept.
fn parse(head: &[u8], body: &[u8]) -> Option<(Answer, usize, bool)> {
    let (mut length, mut keep, mut reason) = (0, true, String::new());
    for line in head.split(|b| *b == b'\n').skip(1) {
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
        let Some((name, value)) = line.split_once(": ") else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().ok()?;
        } else if name.eq_ignore_ascii_case("connection") {
            keep = value != "close";
        } else if name.eq_ignore_ascii_case("x-reason") {
            value.clone_into(&mut reason);
        }
    }
    let status = String::from_utf8_lossy(head.get(9..12)?).parse().ok()?;
    let body = body.get(..length)?.to_vec();
    Some((Answer { status, reason, body }, length, keep))
}
