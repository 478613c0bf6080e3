//! A client that sends and reads raw bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The longest time that a test waits for an expected event.
pub const SOON: Duration = Duration::from_secs(5);

#[allow(clippy::disallowed_methods, reason = "a test client blocks")]
pub fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

/// The head of an answer, up to and including the empty line.
pub fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "closed after {:?}", String::from_utf8_lossy(&head));
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

pub fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Sends raw bytes on a connection of their own, and reads until the server closes or, on a kept connection, until the end
/// of the head.
pub fn send(addr: SocketAddr, request: &str) -> String {
    let mut stream = connect(addr);
    stream.write_all(request.as_bytes()).unwrap();
    if request.contains("Connection: close") { read_all(&mut stream) } else { read_head(&mut stream) }
}

/// Sends `GET /resolve` with these header lines, and returns the head of the answer.
pub fn resolve(addr: SocketAddr, headers: &[&str]) -> String {
    send(addr, &request("GET", "/resolve", headers))
}

pub fn request(method: &str, target: &str, headers: &[&str]) -> String {
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    format!("{method} {target} HTTP/1.1\r\nHost: auth.example.com\r\n{lines}\r\n")
}

/// The answer without its `Date`.
pub fn undated(answer: &str) -> String {
    let lines: Vec<&str> =
        answer.split_inclusive("\r\n").filter(|line| !line.starts_with("Date: ")).collect();
    assert_eq!(lines.len() + 1, answer.split_inclusive("\r\n").count(), "one Date in {answer}");
    lines.concat()
}

/// The value of a header in the head of an answer.
pub fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}
