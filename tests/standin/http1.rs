//! Reading HTTP/1 requests byte by byte, so that every byte can be reported. Shared by the resolver and the echo.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::go;

/// Go's default: a larger head is answered with 431.
const MAX_HEAD: usize = 1 << 20;

/// The head of a request as received.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// Up to and including the empty line.
    pub raw: Vec<u8>,
    pub method: String,
    pub target: String,
    /// 0 or 1, of `HTTP/1.x`.
    pub minor: u8,
    /// Names as spelled, values without surrounding space.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Head {
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, v)| v.as_slice())
    }

    pub fn first<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// Whether the connection stays open after the answer.
    pub fn keeps_alive(&self) -> bool {
        let says = |token: &str| {
            self.all("connection")
                .flat_map(|v| v.split(|b| *b == b','))
                .any(|v| go::trim(v).eq_ignore_ascii_case(token.as_bytes()))
        };
        if self.minor == 0 { says("keep-alive") } else { !says("close") }
    }
}

/// Why a request could not be read.
#[derive(Debug)]
pub enum ReadError {
    /// The peer closed the connection, or it broke.
    Gone,
    TooLarge,
    /// Go's error message, to be sent with a 400.
    Malformed(&'static str),
}

impl From<io::Error> for ReadError {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// A connection, with the bytes read from it but not yet used.
pub struct Reader<S> {
    pub stream: S,
    buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Reader<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// Cancel-safe: the bytes read stay in the buffer.
    pub async fn fill(&mut self) -> Result<(), ReadError> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 { Err(ReadError::Gone) } else { Ok(()) }
    }

    /// The bytes read but not yet used.
    pub fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    /// Reads up to and including `end`.
    async fn read_until(&mut self, end: &[u8], limit: usize) -> Result<Vec<u8>, ReadError> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.buffer[searched..].windows(end.len()).position(|w| w == end) {
                return Ok(self.buffer.drain(..searched + at + end.len()).collect());
            }
            if self.buffer.len() > limit {
                return Err(ReadError::TooLarge);
            }
            searched = self.buffer.len().saturating_sub(end.len() - 1);
            self.fill().await?;
        }
    }

    pub async fn read_head(&mut self) -> Result<Head, ReadError> {
        parse_head(self.read_until(b"\r\n\r\n", MAX_HEAD).await?)
    }

    /// Reads exactly `length` bytes, passed to `sink` as they arrive.
    pub async fn read_exactly(&mut self, length: u64, sink: &mut impl FnMut(&[u8])) -> Result<(), ReadError> {
        let mut left = length;
        while left > 0 {
            if self.buffer.is_empty() {
                self.fill().await?;
            }
            let n = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            sink(&self.buffer[..n]);
            self.buffer.drain(..n);
            left -= n as u64;
        }
        Ok(())
    }

    /// Reads exactly `length` bytes.
    pub async fn take(&mut self, length: u64) -> Result<Vec<u8>, ReadError> {
        let mut taken = Vec::new();
        self.read_exactly(length, &mut |bytes| taken.extend_from_slice(bytes)).await?;
        Ok(taken)
    }

    /// Reads the body of the request with that head: of a given length, or in chunks.
    pub async fn read_body(&mut self, head: &Head, sink: &mut impl FnMut(&[u8])) -> Result<(), ReadError> {
        if head.first("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case(b"chunked")) {
            return self.read_chunks(sink).await;
        }
        let Some(length) = head.first("content-length") else {
            return Ok(());
        };
        let length = std::str::from_utf8(length).ok().and_then(|v| v.parse().ok());
        self.read_exactly(length.ok_or(ReadError::Malformed(""))?, sink).await
    }

    async fn read_chunks(&mut self, sink: &mut impl FnMut(&[u8])) -> Result<(), ReadError> {
        loop {
            let line = self.read_until(b"\r\n", 1024).await?;
            let size = line.split(|b| matches!(b, b';' | b'\r')).next().unwrap_or_default();
            let size = std::str::from_utf8(size).ok().and_then(|v| u64::from_str_radix(v.trim(), 16).ok());
            let size = size.ok_or(ReadError::Malformed(""))?;
            if size == 0 {
                // Trailers are not part of the request: they are read and dropped.
                while self.read_until(b"\r\n", 65_536).await? != b"\r\n" {}
                return Ok(());
            }
            self.read_exactly(size, sink).await?;
            self.read_until(b"\r\n", 2).await?;
        }
    }
}

fn parse_head(raw: Vec<u8>) -> Result<Head, ReadError> {
    let text = raw.strip_suffix(b"\r\n\r\n").unwrap_or(&raw);
    let mut lines = text.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let request = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let mut words = request.splitn(3, ' ');
    let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
        return Err(ReadError::Malformed(""));
    };
    let minor = match version {
        "HTTP/1.0" => 0,
        "HTTP/1.1" => 1,
        _ => return Err(ReadError::Malformed("")),
    };
    let mut headers = Vec::new();
    for line in lines {
        let colon = line.iter().position(|b| *b == b':').ok_or(ReadError::Malformed(""))?;
        headers.push((line[..colon].to_vec(), go::trim(&line[colon + 1..]).to_vec()));
    }
    Ok(Head { method: method.to_owned(), target: target.to_owned(), minor, headers, raw })
}

/// Go's checks. The echo doesn't make them: it reports whatever it receives.
pub fn check_as_go(head: &Head) -> Result<(), ReadError> {
    if head.headers.iter().any(|(name, _)| name.is_empty() || !name.iter().all(|b| go::is_token(*b))) {
        return Err(ReadError::Malformed(": invalid header name"));
    }
    if !head.headers.iter().all(|(_, value)| go::is_header_value(value)) {
        return Err(ReadError::Malformed(": invalid header value"));
    }
    match head.all("host").count() {
        0 if head.minor == 1 => Err(ReadError::Malformed(": missing required Host header")),
        0 | 1 => Ok(()),
        _ => Err(ReadError::Malformed(": too many Host headers")),
    }
}
