//! The backend: says which request it got, and which identity headers stood in it, however they were spelt.
//!
//! The stand-ins' echo reports all that it is sent, which costs more than everything else that a request goes through.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::standin::net::Server;

const IDENTITY: &[u8] = b"x-authgear-";

pub(crate) struct Backend(Server);

impl Backend {
    pub(crate) fn start() -> Self {
        Self(Server::start(SocketAddr::from(([127, 0, 0, 1], 0)), serve).expect("a port for the backend"))
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.0.addr()
    }
}

async fn serve(mut stream: TcpStream) {
    let (mut buffer, mut answer) = (Vec::with_capacity(4096), Vec::with_capacity(1024));
    loop {
        let Some(end) = find(&buffer, b"\r\n\r\n") else {
            if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
                return;
            }
            continue;
        };
        let body = end + 4..end + 4 + content_length(&buffer[..end]);
        while buffer.len() < body.end {
            if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
                return;
            }
        }
        write_answer(&buffer[..end], &mut answer);
        buffer.drain(..body.end);
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// The request's target, then a line for each identity header, by the order of their names.
fn write_answer(head: &[u8], answer: &mut Vec<u8>) {
    let target = head.split(|b| *b == b' ').nth(1).unwrap_or_default();
    let mut found: Vec<Vec<u8>> = header_lines(head).filter_map(identity_line).collect();
    found.sort();
    let length = target.len() + 1 + found.iter().map(Vec::len).sum::<usize>();
    answer.clear();
    answer.extend_from_slice(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes());
    answer.extend_from_slice(target);
    answer.push(b'\n');
    found.iter().for_each(|line| answer.extend_from_slice(line));
}

fn header_lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|b| *b == b'\n').skip(1).map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// The line in lower case up to the colon, if a careless server could take it for an identity header.
fn identity_line(line: &[u8]) -> Option<Vec<u8>> {
    let fold = |b: &u8| if b.is_ascii_alphanumeric() { b.to_ascii_lowercase() } else { b'-' };
    if line.len() < IDENTITY.len() || !line.iter().zip(IDENTITY).all(|(b, wanted)| fold(b) == *wanted) {
        return None;
    }
    let colon = line.iter().position(|b| *b == b':')?;
    Some([line[..colon].to_ascii_lowercase().as_slice(), &line[colon..], b"\n"].concat())
}

fn content_length(head: &[u8]) -> usize {
    let name = b"content-length:";
    let value = header_lines(head)
        .find(|line| line.len() > name.len() && line[..name.len()].eq_ignore_ascii_case(name))
        .and_then(|line| std::str::from_utf8(&line[name.len()..]).ok());
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}
