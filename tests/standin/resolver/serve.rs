//! A connection, from accepting it until its protocol is known.

use std::future::pending;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::call::Connection;
use super::fault::ConnectionFault;
use super::shared::Shared;
use super::{http1, http2};
use crate::standin::net::Stream;

const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) async fn connection(
    shared: Arc<Shared>,
    mut stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    h2c: bool,
) {
    let (id, fault) = shared.change(|state| {
        state.connections += 1;
        state.last_connection += 1;
        (state.last_connection, state.connection_fault.clone())
    });
    match fault {
        None => {}
        Some(ConnectionFault::Hang) => pending().await,
        Some(ConnectionFault::Close) => return,
        Some(ConnectionFault::Reset) => return drop(stream.set_zero_linger()),
        Some(ConnectionFault::PlainFirst(bytes)) => drop(stream.write_all(&bytes).await),
    }
    let Some(acceptor) = acceptor else {
        let connection = Connection { id, tls: false, client_certificate: None };
        let mut stream = Stream::plain(stream);
        return if h2c && begins_http2(&mut stream).await {
            http2::serve(shared, stream, connection).await;
        } else {
            http1::serve(shared, stream, connection).await;
        };
    };
    match acceptor.accept(stream).await {
        Ok(stream) => {
            let session = stream.get_ref().1;
            let certificate = session.peer_certificates().and_then(|chain| chain.first());
            let connection =
                Connection { id, tls: true, client_certificate: certificate.map(|der| der.to_vec()) };
            let is_http2 = session.alpn_protocol() == Some(b"h2");
            if is_http2 {
                http2::serve(shared, Stream::tls(stream), connection).await;
            } else {
                http1::serve(shared, Stream::tls(stream), connection).await;
            }
        }
        Err(error) => shared.change(|state| state.handshake_errors.push(error.to_string())),
    }
}

/// Reads while the bytes could be HTTP/2's preface.
async fn begins_http2(stream: &mut Stream) -> bool {
    let mut seen = Vec::new();
    while seen.len() < HTTP2_PREFACE.len() && HTTP2_PREFACE.starts_with(&seen) {
        let mut byte = [0];
        match stream.read(&mut byte).await {
            Ok(1) => seen.push(byte[0]),
            _ => break,
        }
    }
    let begins = seen == HTTP2_PREFACE;
    stream.unread(seen);
    begins
}
