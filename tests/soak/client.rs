//! The clients: how they connect, and what they say when an answer doesn't come.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsConnector, rustls};

use crate::judge::Answer;
use crate::plan::Plan;
use crate::standin::Pki;
use crate::weather::Weather;
use crate::world::World;

mod http1;
mod http2;

/// After that long an answer is lost: longer than any time that the site has.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where to connect to, and how.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) port: u16,
    tls: Option<TlsConnector>,
}

impl Door {
    pub(crate) fn plain(port: u16) -> Self {
        Self { port, tls: None }
    }

    pub(crate) fn tls(port: u16, protocol: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(Pki::shared().ca()).expect("a CA");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = builder.expect("TLS versions").with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        Self { port, tls: Some(TlsConnector::from(Arc::new(config))) }
    }

    async fn connect(&self) -> io::Result<Stream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((address(), 0)))?;
        let stream = socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Stream::Plain(stream)) };
        let name = ServerName::try_from("localhost").expect("a name");
        Ok(Stream::Tls(Box::new(tls.connect(name, stream).await?)))
    }
}

/// Each client has one of its own, within limits: the module doesn't treat all as one.
fn address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    Ipv4Addr::new(127, 0, 1, 1 + NEXT.fetch_add(1, Ordering::Relaxed) % 100)
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Whether the server has closed, or said anything unasked.
    fn has_news(&self) -> bool {
        let peek = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        !matches!(recv(self.tcp(), &mut [0; 1], peek), Err(Errno::AGAIN))
    }

    /// Whether the server closed before it had read everything. TLS says goodbye before that shows, and so does a server that
    /// closes at the very moment: reading finds its goodbye for good then, and the reset is in the socket's error alone.
    async fn was_reset(&self) -> bool {
        sleep(Duration::from_millis(20)).await;
        let error = self.tcp().take_error().ok().flatten().map(|error| error.kind());
        matches!(error, Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe))
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) pid: i32,
    /// The request had not been sent when the connection was found to be closed.
    pub(crate) unsent: bool,
    /// The server had closed, or refused the request, before it read it: to be sent again.
    pub(crate) raced: bool,
    /// What reloads had come to before the connection was made.
    pub(crate) generation: u64,
    pub(crate) why: String,
}

/// One client, which sends a request after the other.
pub(crate) enum Client {
    Http1(http1::Client),
    Http2(http2::Client),
}

impl Client {
    pub(crate) fn http1(door: Door) -> Self {
        Self::Http1(http1::Client::new(door))
    }

    /// So many of them, over one connection.
    pub(crate) fn http2(door: Door, streams: usize) -> Vec<Self> {
        let link = http2::Link::new(door);
        (0..streams).map(|_| Self::Http2(http2::Client::new(link.clone()))).collect()
    }

    /// Sends the request and reads the answer; also when the request was sent, and over how many new connections.
    pub(crate) async fn exchange(
        &mut self,
        world: &World,
        weather: &Weather,
        plan: &Plan,
    ) -> (Result<(Instant, Answer), Broken>, u64) {
        match self {
            Self::Http1(client) => client.exchange(world, weather, plan).await,
            Self::Http2(client) => client.exchange(world, weather, plan).await,
        }
    }
}

trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

impl Stream {
    fn bytes(&mut self) -> &mut dyn Bytes {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &mut **stream,
        }
    }

    fn into_bytes(self) -> Box<dyn Bytes> {
        match self {
            Self::Plain(stream) => Box::new(stream),
            Self::Tls(stream) => stream,
        }
    }
}
