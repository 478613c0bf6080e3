//! Requests by the million, as fast as a test's client can send them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::thread;

use crate::harness::{Nginx, PATIENCE, stretched};

/// How many connections a client has, and how many requests are on the way on each: nginx works on one of them at a time.
const CONNECTIONS: usize = 16;
const AT_ONCE: usize = 32;

/// Sends the requests of these numbers, each with the header lines that `lines` says, over kept connections of two clients.
/// Each must be answered with 204.
pub(super) fn flood(nginx: &Nginx, numbers: Range<usize>, lines: impl Fn(usize) -> String + Sync) {
    let middle = numbers.start + numbers.len() / 2;
    let (port, lines) = (nginx.port(), &lines);
    thread::scope(|scope| {
        for part in [numbers.start..middle, middle..numbers.end] {
            scope.spawn(move || {
                let connect = |_| TcpStream::connect(("127.0.0.1", port)).expect("nginx accepts");
                let mut connections: Vec<TcpStream> = (0..CONNECTIONS).map(connect).collect();
                for connection in &connections {
                    connection.set_read_timeout(Some(stretched(PATIENCE))).expect("a timeout");
                }
                let mut rest = part;
                while !rest.is_empty() {
                    for_each_batch(&mut connections, &mut rest, lines);
                }
            });
        }
    });
}

/// A batch on each connection, then their answers.
fn for_each_batch(connections: &mut [TcpStream], rest: &mut Range<usize>, lines: &impl Fn(usize) -> String) {
    let mut sent = Vec::new();
    for connection in connections.iter_mut() {
        let batch: Vec<usize> = rest.by_ref().take(AT_ONCE).collect();
        let head = |number: &usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", lines(*number));
        let bytes: String = batch.iter().map(head).collect();
        connection.write_all(bytes.as_bytes()).expect("nginx reads");
        sent.push(batch.len());
    }
    for (connection, expected) in connections.iter_mut().zip(sent) {
        let (mut answers, mut buffer) = (Vec::new(), [0; 16 * 1024]);
        let count = |answers: &[u8]| answers.windows(4).filter(|window| window == b"\r\n\r\n").count();
        while expected > 0 && (!answers.ends_with(b"\r\n\r\n") || count(&answers) < expected) {
            let read = connection.read(&mut buffer).expect("an answer in time");
            assert!(read > 0, "nginx closed a connection");
            answers.extend_from_slice(&buffer[..read]);
        }
        let good = answers.windows(13).filter(|window| window == b"HTTP/1.1 204 ").count();
        assert_eq!(good, expected, "{}", String::from_utf8_lossy(&answers));
    }
}
