//! FastCGI, one request at a time on a connection.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::cgi::{self, Params};
use super::{ANY_PORT, Body, Echo, Log};
use crate::standin::http1::{ReadError, Reader};

const BEGIN_REQUEST: u8 = 1;
const ABORT_REQUEST: u8 = 2;
const END_REQUEST: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;

const KEEP_CONN: u8 = 1;

pub struct FastCgi;

impl FastCgi {
    pub fn start() -> Echo {
        Self::listen(ANY_PORT)
    }

    pub fn listen(addr: SocketAddr) -> Echo {
        Echo::serving(addr, Log::default(), serve)
    }
}

async fn serve(stream: TcpStream, log: Arc<Log>) -> Result<(), ReadError> {
    let mut reader = Reader::new(stream);
    loop {
        let request = read_request(&mut reader).await?;
        let seen = cgi::seen(parse_params(&request.params).ok_or(ReadError::Malformed(""))?, &request.body);
        log.add(seen.clone());
        let answer = cgi::answer(&seen).await;
        let mut out = Vec::new();
        for part in answer.chunks(usize::from(u16::MAX)) {
            record(&mut out, STDOUT, request.id, part);
        }
        record(&mut out, STDOUT, request.id, &[]);
        record(&mut out, END_REQUEST, request.id, &[0; 8]);
        reader.stream.write_all(&out).await?;
        if !request.keep {
            return Ok(reader.stream.shutdown().await?);
        }
    }
}

#[derive(Default)]
struct FcgiRequest {
    id: [u8; 2],
    keep: bool,
    params: Vec<u8>,
    body: Body,
}

async fn read_request(reader: &mut Reader<TcpStream>) -> Result<FcgiRequest, ReadError> {
    let mut request = FcgiRequest::default();
    loop {
        let header = reader.take(8).await?;
        let [_, kind, id_high, id_low, length_high, length_low, padding, _] = header[..] else {
            return Err(ReadError::Malformed(""));
        };
        let content = reader.take(u64::from(u16::from_be_bytes([length_high, length_low]))).await?;
        reader.take(u64::from(padding)).await?;
        match kind {
            BEGIN_REQUEST => {
                request.id = [id_high, id_low];
                request.keep = content.get(2).is_some_and(|flags| flags & KEEP_CONN != 0);
            }
            ABORT_REQUEST => return Err(ReadError::Gone),
            PARAMS => request.params.extend(content),
            STDIN if content.is_empty() => return Ok(request),
            STDIN => request.body.add(&content),
            _ => {}
        }
    }
}

fn record(out: &mut Vec<u8>, kind: u8, id: [u8; 2], content: &[u8]) {
    let [high, low] = u16::try_from(content.len()).expect("a record's length").to_be_bytes();
    out.extend_from_slice(&[1, kind, id[0], id[1], high, low, 0, 0]);
    out.extend_from_slice(content);
}

/// Name-value pairs, each length in one byte, or in four with the highest bit set.
pub fn parse_params(mut bytes: &[u8]) -> Option<Params> {
    let mut params = Vec::new();
    while !bytes.is_empty() {
        let name_length = take_length(&mut bytes)?;
        let value_length = take_length(&mut bytes)?;
        let name = bytes.split_off(..name_length)?;
        let value = bytes.split_off(..value_length)?;
        params.push((name.to_vec(), value.to_vec()));
    }
    Some(params)
}

fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let first = *bytes.split_off_first()?;
    if first < 0x80 {
        return Some(usize::from(first));
    }
    let rest = bytes.split_off(..3)?;
    Some(rest.iter().fold(usize::from(first & 0x7f), |length, byte| length << 8 | usize::from(*byte)))
}
