//! Backends that answer with the request that they got, one for each protocol that nginx supports for backends.
//!
//! The answer's body is text: `METHOD TARGET`, then each header as `name: value` in the order and spelling received (for
//! FastCGI, SCGI and uwsgi: each parameter), an empty line, `body-length: N`, `body-hash: HEX` (BLAKE3). gRPC puts the same
//! text into one message.
//!
//! A target that contains one of these changes the answer:
//! * `/status/NNN`: that status;
//! * `/slow/MS`: that much later;
//! * `/redirect-internal?/other`: `X-Accel-Redirect: /other`;
//! * `/redirect-named?other`: `X-Accel-Redirect: @other`.

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::http1::ReadError;
use super::net::Server;

mod cgi;
mod fastcgi;
mod grpc;
mod http;
mod scgi;
mod uwsgi;

pub use fastcgi::{FastCgi, parse_params};
pub use grpc::Grpc;
pub use http::Http;
pub use scgi::Scgi;
pub use uwsgi::Uwsgi;

/// One request, as received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// `REQUEST_METHOD` for the CGI kinds.
    pub method: String,
    /// `REQUEST_URI` for the CGI kinds.
    pub target: String,
    /// Names and values as received, in order; for the CGI kinds, the parameters.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub body_len: u64,
    pub body_hash: String,
}

impl Seen {
    /// The first value with that name, ignoring case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.header_all(name).first().copied()
    }

    pub fn header_all(&self, name: &str) -> Vec<&[u8]> {
        let named = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()));
        named.map(|(_, value)| value.as_slice()).collect()
    }

    /// The first value as text, for assertions.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.header(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    fn reply_body(&self) -> Vec<u8> {
        let mut out = format!("{} {}\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            for part in [name.as_slice(), b": ", value, b"\n"] {
                out.extend_from_slice(part);
            }
        }
        out.extend(format!("\nbody-length: {}\nbody-hash: {}\n", self.body_len, self.body_hash).into_bytes());
        out
    }
}

/// A running backend. It stops, and its connections end, when this is dropped.
pub struct Echo {
    server: Server,
    log: Arc<Log>,
}

impl Echo {
    /// Serves each connection with this function, which adds the requests to the log.
    fn serving<F>(
        addr: SocketAddr,
        log: Log,
        serve: impl Fn(TcpStream, Arc<Log>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), ReadError>> + Send + 'static,
    {
        let log = Arc::new(log);
        let for_connections = log.clone();
        let server = Server::start(addr, move |stream| {
            let connection = serve(stream, for_connections.clone());
            async move { drop(connection.await) }
        });
        Self { server: server.expect("a port for the echo"), log }
    }

    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// All requests since the start or the last [`Self::clear`], in the order of arrival.
    pub fn requests(&self) -> Vec<Seen> {
        self.log.seen.lock().unwrap().clone()
    }

    /// The same, and clears them atomically: no request is lost or returned twice.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.log.seen.lock().unwrap())
    }

    pub fn last(&self) -> Option<Seen> {
        self.log.seen.lock().unwrap().last().cloned()
    }

    pub fn clear(&self) {
        self.log.seen.lock().unwrap().clear();
    }

    /// Waits for `n` requests, and returns whether they arrived in time.
    pub fn wait_for_requests(&self, n: usize, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut seen = self.log.seen.lock().unwrap();
        while seen.len() < n {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            seen = self.log.changed.wait_timeout(seen, left).unwrap().0;
        }
        true
    }
}

struct Log {
    seen: Mutex<Vec<Seen>>,
    changed: Condvar,
    keep: usize,
}

impl Default for Log {
    fn default() -> Self {
        Self { seen: Mutex::default(), changed: Condvar::new(), keep: usize::MAX }
    }
}

impl Log {
    /// To be called when the request is complete, before it is answered.
    fn add(&self, seen: Seen) {
        let mut all = self.seen.lock().unwrap();
        if all.len() >= self.keep {
            all.remove(0);
        }
        all.push(seen);
        drop(all);
        self.changed.notify_all();
    }
}

/// The default address of a backend.
const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// The body so far.
#[derive(Default)]
struct Body {
    length: u64,
    hasher: blake3::Hasher,
}

impl Body {
    fn add(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.hasher.update(bytes);
    }

    fn write_to(&self, seen: &mut Seen) {
        seen.body_len = self.length;
        seen.body_hash = self.hasher.finalize().to_hex().to_string();
    }
}

/// The special behaviour that a target requests.
#[derive(Debug, PartialEq, Eq)]
struct Switches {
    status: u16,
    slow: Duration,
    accel: Option<String>,
}

impl Switches {
    fn of(target: &str) -> Self {
        let number = |switch: &str| {
            let (_, rest) = target.split_once(switch)?;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u16>().ok()
        };
        Self {
            status: number("/status/").unwrap_or(200),
            slow: Duration::from_millis(number("/slow/").map_or(0, u64::from)),
            accel: accel(target),
        }
    }
}

/// A path, or a named location. Neither is derived from the other's target: nginx answers 500 if the name doesn't exist.
fn accel(target: &str) -> Option<String> {
    let to_path = target.split_once("/redirect-internal?").filter(|(_, to)| to.starts_with('/'));
    let to_name = target.split_once("/redirect-named?");
    to_path.map(|(_, path)| path.to_owned()).or_else(|| to_name.map(|(_, name)| format!("@{name}")))
}
