//! A server that answers with any bytes, over HTTP/1.1 or HTTP/2, even those that no library would send.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::net::{Server, Stream};
use super::tls::{ClientAuth, ServerTls};

/// The user in valid answers.
pub const USER: &str = "alice";

/// What happens to the connection after the bytes of an answer.
#[derive(Clone, Debug)]
pub enum Then {
    /// It serves the next request.
    Serve,
    Close,
    /// Sends these bytes over and over, with this delay between any two bytes; nothing is read meanwhile.
    Repeat(Vec<u8>, Option<Duration>),
}

/// Creates the bytes of an answer, given the number of its stream (0 over HTTP/1.1).
#[derive(Clone)]
pub struct Said {
    bytes: Arc<dyn Fn(u32) -> Vec<u8> + Send + Sync>,
    then: Then,
}

impl Said {
    pub fn new(bytes: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static, then: Then) -> Self {
        Self { bytes: Arc::new(bytes), then }
    }
}

/// A running server. It stops when this is dropped.
pub struct RawServer {
    server: Server,
    scheme: &'static str,
    said: Arc<Mutex<Option<Said>>>,
}

impl RawServer {
    /// HTTP/1.1 without TLS.
    pub fn http1() -> Self {
        Self::start(None)
    }

    /// HTTP/2 by ALPN.
    pub fn http2(tls: ServerTls) -> Self {
        let config = tls.config(&[b"h2".to_vec()], ClientAuth::None);
        Self::start(Some(TlsAcceptor::from(Arc::new(config))))
    }

    fn start(acceptor: Option<TlsAcceptor>) -> Self {
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let said = Arc::new(Mutex::new(None));
        let for_connections = Arc::clone(&said);
        let handler = move |stream| connection(stream, acceptor.clone(), Arc::clone(&for_connections));
        let server = Server::start(([127, 0, 0, 1], 0).into(), handler).expect("a port");
        Self { server, scheme, said }
    }

    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.server.addr())
    }

    /// Sets the answer to every request from now on; `None` for a valid answer.
    pub fn say(&self, said: Option<Said>) {
        *self.said.lock().unwrap() = said;
    }
}

async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>, said: Arc<Mutex<Option<Said>>>) {
    let said = || said.lock().unwrap().clone();
    match acceptor {
        None => drop(serve_http1(Stream::plain(stream), said).await),
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                drop(serve_http2(Stream::tls(stream), said).await);
            }
        }
    }
}

async fn serve_http1(mut stream: Stream, said: impl Fn() -> Option<Said>) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let good = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Authgear-Session-Valid: true\r\nX-Authgear-User-Id: {USER}\r\n\r\n"
        );
        answer(&mut stream, 0, said(), good.into_bytes()).await?;
    }
}

async fn serve_http2(mut stream: Stream, said: impl Fn() -> Option<Said>) -> std::io::Result<()> {
    stream.write_all(&frame(SETTINGS, 0, 0, b"")).await?;
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let [a, b, c, kind, flags, id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload).await?;
        match kind {
            SETTINGS | PING if flags & ACK == 0 => {
                let payload = if kind == PING { payload } else { Vec::new() };
                stream.write_all(&frame(kind, ACK, 0, &payload)).await?;
                stream.flush().await?;
            }
            HEADERS => {
                let id = u32::from_be_bytes(id);
                let lines = [("x-authgear-session-valid", "true"), ("x-authgear-user-id", USER)];
                let good = frame(HEADERS, END_STREAM | END_HEADERS, id, &head_of(200, &lines));
                answer(&mut stream, id, said(), good).await?;
            }
            _ => {}
        }
    }
}

async fn answer(stream: &mut Stream, id: u32, said: Option<Said>, good: Vec<u8>) -> std::io::Result<()> {
    let Some(Said { bytes, then }) = said else {
        stream.write_all(&good).await?;
        return stream.flush().await;
    };
    stream.write_all(&bytes(id)).await?;
    stream.flush().await?;
    match then {
        Then::Serve => Ok(()),
        Then::Close => {
            stream.shutdown().await?;
            Err(std::io::ErrorKind::ConnectionAborted.into())
        }
        Then::Repeat(bytes, None) => loop {
            stream.write_all(&bytes).await?;
        },
        Then::Repeat(bytes, Some(pace)) => {
            for byte in bytes.iter().cycle() {
                stream.write_all(&[*byte]).await?;
                stream.flush().await?;
                tokio::time::sleep(pace).await;
            }
            Ok(())
        }
    }
}

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A frame of HTTP/2 (RFC 9113 §4.1).
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame is small").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The header block of an answer.
pub fn head_of(status: u16, lines: &[(&str, &str)]) -> Vec<u8> {
    let mut block = line(":status", &status.to_string());
    lines.iter().for_each(|(name, value)| block.extend(line(name, value)));
    block
}

/// A header line in HPACK, not indexed (RFC 7541 §6.2.2).
pub fn line(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 127);
        bytes.push(length.expect("a short text"));
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}
