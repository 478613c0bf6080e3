//! Backends that answer with what they were sent, one for each protocol that nginx speaks to backends.
//!
//! The answer's body is text: `METHOD TARGET`, then each header as `name: value` in the order and spelling received
//! (for FastCGI, SCGI and uwsgi: each parameter), an empty line, `body-length: N`, `body-hash: HEX` (BLAKE3). gRPC
//! has the same text in one message.
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
    /// Name and value as received, in their order; the parameters for the CGI kinds.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub body_len: u64,
    pub body_hash: String,
}

impl Seen {
    /// The first value of that name, whatever its case.
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
    /// Serves each connection by this, which adds to the log what it gets.
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

    /// All requests since the start or the last [`Self::clear`], in the order of their arrival.
    pub fn requests(&self) -> Vec<Seen> {
        self.log.seen.lock().unwrap().clone()
    }

    /// The same, and forgets them: none is lost or comes twice, whoever else takes some.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.log.seen.lock().unwrap())
    }

    pub fn last(&self) -> Option<Seen> {
        self.log.seen.lock().unwrap().last().cloned()
    }

    pub fn clear(&self) {
        self.log.seen.lock().unwrap().clear();
    }

    /// Whether `n` requests have arrived by then.
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
    /// To be called when the request is complete, and before it is answered.
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

/// Where a backend listens if nothing is said.
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

/// What the target asks for.
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

/// A path, or a named location. The one is never made of the other's target: nginx answers 500 where there is no such name.
fn accel(target: &str) -> Option<String> {
    let to_path = target.split_once("/redirect-internal?").filter(|(_, to)| to.starts_with('/'));
    let to_name = target.split_once("/redirect-named?");
    to_path.map(|(_, path)| path.to_owned()).or_else(|| to_name.map(|(_, name)| format!("@{name}")))
}
