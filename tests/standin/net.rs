//! Listening and connections, which all stand-ins share.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::server::TlsStream;

use super::runtime;

type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;
type Handler = Arc<dyn Fn(TcpStream) -> Serving + Send + Sync>;

/// A listening socket and the connections accepted on it. Dropping it ends them all.
pub struct Server {
    addr: SocketAddr,
    handler: Handler,
    accepting: Mutex<Option<JoinHandle<()>>>,
    /// Connections end when a value is sent, or when the sender is dropped.
    alive: watch::Sender<()>,
}

impl Server {
    pub fn start<F>(
        addr: SocketAddr,
        handler: impl Fn(TcpStream) -> F + Send + Sync + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = listen(addr)?;
        let server = Self {
            addr: listener.local_addr()?,
            handler: Arc::new(move |stream| Box::pin(handler(stream))),
            accepting: Mutex::new(None),
            alive: watch::Sender::new(()),
        };
        server.accept_from(listener);
        Ok(server)
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Connection attempts are refused once this returns. Accepted connections continue.
    pub fn stop_listening(&self) {
        let task = self.accepting.lock().unwrap().take();
        if let Some(task) = task {
            task.abort();
            // The socket is closed when the task has ended, not when the task is cancelled.
            let _ = runtime().block_on(task);
        }
    }

    /// Ends all connections, whatever their state. Keeps listening.
    pub fn end_connections(&self) {
        self.alive.send_replace(());
    }

    /// Listens again on the same port.
    pub fn resume_listening(&self) {
        if self.accepting.lock().unwrap().is_none() {
            self.accept_from(listen(self.addr).expect("the same port again"));
        }
    }

    fn accept_from(&self, listener: TcpListener) {
        let (handler, mut alive) = (self.handler.clone(), self.alive.subscribe());
        let task = runtime().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                // Values sent before don't concern this connection.
                alive.borrow_and_update();
                let (serving, mut alive) = (handler(stream), alive.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = serving => {}
                        _ = alive.changed() => {}
                    }
                });
            }
        });
        *self.accepting.lock().unwrap() = Some(task);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(task) = self.accepting.lock().unwrap().take() {
            task.abort();
        }
    }
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let _context = runtime().enter();
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections of the stopped listener may linger in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(4096)
}

/// Records that a connection must end with RST instead of FIN. Remains usable after its stream is moved into a library.
#[derive(Clone, Default)]
pub struct ResetSwitch(Arc<AtomicBool>);

impl ResetSwitch {
    pub fn arm(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection, with or without TLS. Bytes read to detect its protocol are read again.
pub struct Stream {
    io: Io,
    read_ahead: Vec<u8>,
    reset: ResetSwitch,
}

impl Stream {
    pub fn plain(stream: TcpStream) -> Self {
        Self { io: Io::Plain(stream), read_ahead: Vec::new(), reset: ResetSwitch::default() }
    }

    pub fn tls(stream: TlsStream<TcpStream>) -> Self {
        Self { io: Io::Tls(Box::new(stream)), read_ahead: Vec::new(), reset: ResetSwitch::default() }
    }

    pub fn reset_switch(&self) -> ResetSwitch {
        self.reset.clone()
    }

    pub fn unread(&mut self, bytes: Vec<u8>) {
        self.read_ahead.splice(..0, bytes);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.reset.0.load(Ordering::SeqCst) {
            let _ = match &self.io {
                Io::Plain(stream) => stream.set_zero_linger(),
                Io::Tls(stream) => stream.get_ref().0.set_zero_linger(),
            };
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.read_ahead.is_empty() {
            let n = self.read_ahead.len().min(buf.remaining());
            buf.put_slice(&self.read_ahead[..n]);
            self.read_ahead.drain(..n);
            return Poll::Ready(Ok(()));
        }
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Io::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Io::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Io::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Io::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
