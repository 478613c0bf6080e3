//! An HTTP/1 client that sends exactly the bytes it is given.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

use super::message::{Body, Field, Fields, Request, Response};
use super::tls::Tls;
use super::transport::Transport;

/// One connection, kept alive as long as both sides want.
#[derive(Debug)]
pub(crate) struct Http1 {
    stream: Transport,
    /// Bytes read but not yet used.
    buffer: Vec<u8>,
}

/// Sends one GET on a connection of its own.
#[track_caller]
pub(crate) fn get(port: u16, target: &str) -> Response {
    let exchange = Http1::connect(port).and_then(|mut connection| connection.exchange(&Request::get(target)));
    exchange.unwrap_or_else(|e| panic!("GET {target}: {e}"))
}

/// Sends these bytes, and reads until the server closes.
#[track_caller]
pub(crate) fn raw(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut connection = Http1::connect(port).expect("nginx accepts");
    connection.write_raw(bytes).expect("nginx reads");
    connection.read_to_end().expect("nginx closes the connection")
}

impl Http1 {
    pub(crate) fn connect(port: u16) -> io::Result<Self> {
        Ok(Self { stream: Transport::plain(port)?, buffer: Vec::new() })
    }

    pub(crate) fn connect_tls(port: u16, tls: &Tls) -> io::Result<Self> {
        Ok(Self { stream: Transport::tls(port, tls, b"http/1.1")?, buffer: Vec::new() })
    }

    /// The timeout of a read, 10 s by default.
    pub(crate) fn set_timeout(&self, timeout: Duration) {
        self.stream.set_timeout(timeout).expect("a timeout above 0");
    }

    pub(crate) fn exchange(&mut self, request: &Request) -> io::Result<Response> {
        // A server that answers early, such as with 413, stops reading; its answer counts.
        let sent = self.send(request);
        self.receive(&request.method).map_err(|e| sent.err().unwrap_or(e))
    }

    /// Sends all requests in one write, then reads all answers.
    pub(crate) fn pipeline(&mut self, requests: &[Request]) -> io::Result<Vec<Response>> {
        let bytes: Vec<u8> = requests.iter().flat_map(encode).collect();
        self.write_raw(&bytes)?;
        requests.iter().map(|request| self.receive(&request.method)).collect()
    }

    pub(crate) fn send(&mut self, request: &Request) -> io::Result<()> {
        self.write_raw(&encode(request))
    }

    pub(crate) fn write_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Reads the next answer; the method decides whether it has a body.
    pub(crate) fn receive(&mut self, method: &[u8]) -> io::Result<Response> {
        let mut informational = Vec::new();
        loop {
            let (status, headers) = self.read_head()?;
            if (100..200).contains(&status) && status != 101 {
                informational.push((status, headers));
                continue;
            }
            let mut response = Response { status, headers, informational, ..Response::default() };
            self.read_body(method, &mut response)?;
            return Ok(response);
        }
    }

    /// Reads the rest, until the server closes.
    pub(crate) fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        while self.fill()? {}
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Whether the server closes now, without sending another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.read_to_end().is_ok_and(|rest| rest.is_empty())
    }

    pub(crate) fn half_close(&self) -> io::Result<()> {
        self.stream.half_close()
    }

    /// Ends the connection with an RST.
    pub(crate) fn reset(self) {
        self.stream.reset().expect("SO_LINGER can be set");
    }

    fn read_head(&mut self) -> io::Result<(u16, Fields)> {
        let status_line = self.read_line()?;
        let text = String::from_utf8_lossy(&status_line).into_owned();
        let status = text.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
        let status = status.ok_or_else(|| malformed(format!("status line {text:?}")))?;
        Ok((status, self.read_fields()?))
    }

    fn read_fields(&mut self) -> io::Result<Fields> {
        let mut fields = Vec::new();
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                return Ok(fields);
            }
            let colon = line.iter().position(|b| *b == b':');
            let colon =
                colon.ok_or_else(|| malformed(format!("header {}", String::from_utf8_lossy(&line))))?;
            let name = String::from_utf8_lossy(&line[..colon]).into_owned();
            fields.push((name, line[colon + 1..].trim_ascii().to_vec()));
        }
    }

    fn read_body(&mut self, method: &[u8], response: &mut Response) -> io::Result<()> {
        if method == b"HEAD" || matches!(response.status, 101 | 204 | 304) {
            return Ok(());
        }
        let chunked = response.all("transfer-encoding").iter().any(|te| te.eq_ignore_ascii_case("chunked"));
        if chunked {
            return self.read_chunks(response);
        }
        response.body = match response.header("content-length") {
            Some(length) => self.read_exactly(length.parse().map_err(malformed)?)?,
            None => self.read_to_end()?,
        };
        Ok(())
    }

    fn read_chunks(&mut self, response: &mut Response) -> io::Result<()> {
        loop {
            let line = String::from_utf8_lossy(&self.read_line()?).into_owned();
            let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16);
            let size = size.map_err(malformed)?;
            if size == 0 {
                response.trailers = self.read_fields()?;
                return Ok(());
            }
            response.body.extend(self.read_exactly(size)?);
            self.read_line()?;
        }
    }

    fn read_line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                line.pop_if(|b| *b == b'\r');
                return Ok(line);
            }
            self.fill_more()?;
        }
    }

    /// Reads the next bytes, for what follows a protocol switch.
    pub(crate) fn read_exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.fill_more()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn fill_more(&mut self) -> io::Result<()> {
        let eof = || io::Error::new(ErrorKind::UnexpectedEof, "the server closed the connection");
        if self.fill()? { Ok(()) } else { Err(eof()) }
    }

    /// Reads once; false at the end of the stream.
    fn fill(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 16 * 1024];
        let read = self.stream.read(&mut chunk)?;
        self.buffer.extend_from_slice(&chunk[..read]);
        Ok(read > 0)
    }
}

/// The bytes of a request.
pub(crate) fn encode(request: &Request) -> Vec<u8> {
    let version = if request.http10 { "1.0" } else { "1.1" };
    let mut bytes =
        [&request.method[..], b" ", &request.target, b" HTTP/", version.as_bytes(), b"\r\n"].concat();
    if let Some(host) = &request.host {
        push_field(&mut bytes, &(b"Host".to_vec(), host.clone()));
    }
    request.headers.iter().for_each(|field| push_field(&mut bytes, field));
    match &request.body {
        Body::None => bytes.extend_from_slice(b"\r\n"),
        Body::Sized(body) => {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
            bytes.extend_from_slice(body);
        }
        Body::Chunked(chunks) => {
            bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
                bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(&[chunk, &b"\r\n"[..]].concat());
            }
            bytes.extend_from_slice(b"0\r\n");
            request.trailers.iter().for_each(|field| push_field(&mut bytes, field));
            bytes.extend_from_slice(b"\r\n");
        }
    }
    bytes
}

fn push_field(bytes: &mut Vec<u8>, (name, value): &Field) {
    bytes.extend_from_slice(&[&name[..], b": ", value, b"\r\n"].concat());
}

fn malformed(what: impl std::fmt::Display) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("malformed answer: {what}"))
}
