//! uwsgi: parameters with 16-bit lengths, one request a connection.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::cgi::{self, Params};
use super::{ANY_PORT, Body, Echo, Log};
use crate::standin::http1::{ReadError, Reader};
use crate::standin::net::Server;

pub struct Uwsgi;

impl Uwsgi {
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
    let header = reader.take(4).await?;
    let block = reader
        .take(u64::from(u16::from_le_bytes([header[1], header[2]])))
        .await?;
    let mut rest = block.as_slice();
    let mut params = Vec::new();
    while !rest.is_empty() {
        let name = take_field(&mut rest).ok_or(ReadError::Malformed(""))?;
        let value = take_field(&mut rest).ok_or(ReadError::Malformed(""))?;
        params.push((name, value));
    }
    Ok(params)
}

fn take_field(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let length = bytes.split_off(..2)?;
    bytes
        .split_off(..usize::from(u16::from_le_bytes([length[0], length[1]])))
        .map(<[u8]>::to_vec)
}
