//! uwsgi: parameters with 16-bit lengths, one request per connection.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::cgi::{self, Params};
use super::{ANY_PORT, Echo, Log};
use crate::standin::http1::{ReadError, Reader};

pub struct Uwsgi;

impl Uwsgi {
    pub fn start() -> Echo {
        Self::listen(ANY_PORT)
    }

    pub fn listen(addr: SocketAddr) -> Echo {
        Echo::serving(addr, Log::default(), |stream, log| cgi::serve(stream, log, read_params))
    }
}

async fn read_params(mut reader: Reader<TcpStream>) -> Result<(Params, Reader<TcpStream>), ReadError> {
    let header = reader.take(4).await?;
    let block = reader.take(u64::from(u16::from_le_bytes([header[1], header[2]]))).await?;
    let mut rest = block.as_slice();
    let mut params = Vec::new();
    while !rest.is_empty() {
        let name = take_field(&mut rest).ok_or(ReadError::Malformed(""))?;
        let value = take_field(&mut rest).ok_or(ReadError::Malformed(""))?;
        params.push((name, value));
    }
    Ok((params, reader))
}

fn take_field(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let length = bytes.split_off(..2)?;
    bytes.split_off(..usize::from(u16::from_le_bytes([length[0], length[1]]))).map(<[u8]>::to_vec)
}
