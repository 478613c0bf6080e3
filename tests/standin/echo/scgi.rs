//! SCGI: parameters in a netstring, one request per connection.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::cgi::{self, Params};
use super::{ANY_PORT, Echo, Log};
use crate::standin::http1::{ReadError, Reader};

pub struct Scgi;

impl Scgi {
    pub fn start() -> Echo {
        Self::listen(ANY_PORT)
    }

    pub fn listen(addr: SocketAddr) -> Echo {
        Echo::serving(addr, Log::default(), |stream, log| cgi::serve(stream, log, read_params))
    }
}

async fn read_params(mut reader: Reader<TcpStream>) -> Result<(Params, Reader<TcpStream>), ReadError> {
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
    Ok((params, reader))
}
