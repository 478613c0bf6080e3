//! SCGI: parameters in a netstring, one request a connection.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::cgi::{self, Params};
use super::{ANY_PORT, Body, Echo, Log};
use crate::standin::http1::{ReadError, Reader};
use crate::standin::net::Server;

pub struct Scgi;

impl Scgi {
    pub fn start() -> Echo {
        Self::listen(ANY_PORT)
    }

    pub fn listen(addr: SocketAddr) -> Echo {
        let log = Arc::new(Log::default());
        let for_connections = log.clone();
        let server = Server::start(addr, move |stream| {
            let log = for_connections.clone();
            async move { drop(serve(stream, &log).await) }
        });
        Echo {
            server: server.expect("a port for the echo"),
            log,
        }
    }
}

async fn serve(stream: TcpStream, log: &Log) -> Result<(), ReadError> {
    let mut reader = Reader::new(stream);
    let params = read_params(&mut reader).await?;
    let mut body = Body::default();
    reader
        .read_exactly(cgi::content_length(&params), &mut |bytes| body.add(bytes))
        .await?;
    let seen = cgi::seen(params, &body);
    log.add(seen.clone());
    let answer = cgi::answer(&seen).await;
    reader.stream.write_all(&answer).await?;
    Ok(reader.stream.shutdown().await?)
}

async fn read_params(reader: &mut Reader<TcpStream>) -> Result<Params, ReadError> {
    let mut length = 0;
    loop {
        match reader.take(1).await?[..] {
            [digit @ b'0'..=b'9'] if length < 1 << 24 => length = length * 10 + u64::from(digit - b'0'),
            [b':'] => break,
            _ => return Err(ReadError::Malformed("")),
        }
    }
    let block = reader.take(length).await?;
    // The netstring's comma.
    reader.take(1).await?;
    let mut fields = block.split(|b| *b == 0).map(<[u8]>::to_vec);
    let mut params = Vec::new();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        params.push((name, value));
    }
    Ok(params)
}
