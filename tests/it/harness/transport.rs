//! A connection to nginx, plain or TLS, which can also be ended abruptly.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use rustls::{ClientConnection, StreamOwned};

use super::tls::Tls;
use super::{PATIENCE, stretched};

#[derive(Debug)]
pub(crate) enum Transport {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Transport {
    pub(crate) fn plain(port: u16) -> io::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect_timeout(&address, stretched(PATIENCE))?;
        stream.set_nodelay(true)?;
        let transport = Self::Plain(stream);
        transport.set_timeout(stretched(PATIENCE))?;
        Ok(transport)
    }

    /// Completes the handshake before it returns; the server must agree on the protocol.
    pub(crate) fn tls(port: u16, tls: &Tls, alpn: &[u8]) -> io::Result<Self> {
        let Self::Plain(mut stream) = Self::plain(port)? else { unreachable!("plain is plain") };
        let mut connection = tls.connection(alpn);
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        let agreed = connection.alpn_protocol();
        if agreed != Some(alpn) {
            return Err(io::Error::other(format!("the server chose {agreed:?} rather than {alpn:?}")));
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(connection, stream))))
    }

    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }

    /// Sets the timeout of every single read and write.
    pub(crate) fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.tcp().set_read_timeout(Some(timeout))?;
        self.tcp().set_write_timeout(Some(timeout))
    }

    /// Sends FIN, while answers can still arrive.
    pub(crate) fn half_close(&self) -> io::Result<()> {
        self.tcp().shutdown(Shutdown::Write)
    }

    /// Sends RST instead of FIN, like a client that has lost power.
    pub(crate) fn reset(self) -> io::Result<()> {
        set_socket_linger(self.tcp(), Some(Duration::ZERO))?;
        Ok(())
    }
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
