//! The smallest backend that is sufficient for these tests. It answers like the echo backends of the other tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Echoes every request, with these header lines in the answer. Runs as long as the test program.
pub(super) fn start(answer_headers: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream, answer_headers));
        }
    });
    address
}

/// Requests come from nginx: HTTP/1.0 or 1.1, with a Content-Length if there is a body.
fn answer(mut stream: TcpStream, answer_headers: &str) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut echo, mut length) = (String::new(), 0);
    loop {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).ok()?;
        let line = String::from_utf8_lossy(&line).into_owned();
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.parse().ok()?;
        }
        echo += line.strip_suffix(" HTTP/1.0").or_else(|| line.strip_suffix(" HTTP/1.1")).unwrap_or(line);
        echo.push('\n');
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let hash = body.iter().fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(*byte)));
    echo += &format!("\nbody-length: {length}\nbody-hash: {hash:08x}\n");
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n", echo.len());
    stream.write_all(format!("{head}{answer_headers}\r\n{echo}").as_bytes()).ok()
}
