//! A blocking HTTP/2 client, which sends exactly the given names and values.
//!
//! Written by hand because client libraries reject what the tests have to send: capitals, spaces or control bytes in names,
//! odd `:authority` values, duplicate pseudo-headers.

pub(crate) mod frame;
pub(crate) mod hpack;

use std::collections::HashMap;
use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use self::frame::Frame;
use super::message::{Body, Field, Fields, Request, Response};
use super::tls::Tls;
use super::transport::Transport;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The initial window of a peer (RFC 9113 section 6.9.2).
const DEFAULT_WINDOW: i64 = 65_535;

/// The largest possible window: answers in tests are smaller, so it never needs a WINDOW_UPDATE.
const LARGEST_WINDOW: u32 = 0x7fff_ffff;

/// One connection with any number of streams.
#[derive(Debug)]
pub(crate) struct Http2 {
    stream: Transport,
    scheme: &'static str,
    next_id: u32,
    /// Answers that are incomplete or haven't been fetched yet.
    streams: HashMap<u32, Stream>,
    window: i64,
    /// For new streams, from the server's SETTINGS.
    stream_window: i64,
    /// The error code of a GOAWAY.
    goaway: Option<u32>,
    /// The part of a header block received so far, while CONTINUATION frames follow.
    header_block: Vec<u8>,
}

#[derive(Debug)]
struct Stream {
    response: Response,
    window: i64,
    /// END_STREAM has been received, though the header block may still continue.
    ending: bool,
    ended: bool,
    reset: Option<u32>,
}

impl Http2 {
    /// With prior knowledge, without TLS.
    pub(crate) fn connect(port: u16) -> io::Result<Self> {
        Self::start(Transport::plain(port)?, "http")
    }

    pub(crate) fn connect_tls(port: u16, tls: &Tls) -> io::Result<Self> {
        Self::start(Transport::tls(port, tls, b"h2")?, "https")
    }

    fn start(stream: Transport, scheme: &'static str) -> io::Result<Self> {
        let mut connection = Self {
            stream,
            scheme,
            next_id: 1,
            streams: HashMap::new(),
            window: DEFAULT_WINDOW,
            stream_window: DEFAULT_WINDOW,
            goaway: None,
            header_block: Vec::new(),
        };
        // HEADER_TABLE_SIZE 0, ENABLE_PUSH 0, INITIAL_WINDOW_SIZE.
        let settings: Vec<u8> = [(1_u16, 0), (2, 0), (4, LARGEST_WINDOW)]
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        let larger = LARGEST_WINDOW - u32::try_from(DEFAULT_WINDOW).expect("it is small");
        connection.write_raw(PREFACE)?;
        connection.write_frame(&Frame::new(frame::SETTINGS, 0, 0, settings))?;
        connection.write_frame(&Frame::new(frame::WINDOW_UPDATE, 0, 0, larger.to_be_bytes()))?;
        Ok(connection)
    }

    /// The timeout of a read, 10 s by default.
    pub(crate) fn set_timeout(&self, timeout: Duration) {
        self.stream.set_timeout(timeout).expect("a timeout above 0");
    }

    pub(crate) fn exchange(&mut self, request: &Request) -> io::Result<Response> {
        let id = self.send(request)?;
        self.receive(id)
    }

    /// Sends a request and returns its stream; several may be open at once.
    pub(crate) fn send(&mut self, request: &Request) -> io::Result<u32> {
        let ends = matches!(request.body, Body::None);
        let id = self.send_fields(&request_fields(request, self.scheme), ends)?;
        match &request.body {
            Body::None => {}
            Body::Sized(body) => self.send_data(id, body, true)?,
            Body::Chunked(chunks) => {
                for chunk in chunks {
                    self.send_data(id, chunk, false)?;
                }
                if request.trailers.is_empty() {
                    self.send_data(id, b"", true)?;
                } else {
                    self.send_block(id, &request.trailers, true)?;
                }
            }
        }
        Ok(id)
    }

    /// Opens a stream with exactly these fields, including pseudo-headers.
    pub(crate) fn send_fields(&mut self, fields: &[Field], end_stream: bool) -> io::Result<u32> {
        let id = self.next_id;
        self.next_id += 2;
        let stream = Stream {
            response: Response::default(),
            window: self.stream_window,
            ending: false,
            ended: false,
            reset: None,
        };
        self.streams.insert(id, stream);
        self.send_block(id, fields, end_stream)?;
        Ok(id)
    }

    /// Sends HEADERS, and CONTINUATION as needed.
    fn send_block(&mut self, id: u32, fields: &[Field], end_stream: bool) -> io::Result<()> {
        let mut block = Vec::new();
        fields.iter().for_each(|field| hpack::encode_field(&mut block, field));
        let mut parts = block.chunks(frame::MAX_PAYLOAD).peekable();
        let mut kind = frame::HEADERS;
        let mut flags = if end_stream { frame::END_STREAM } else { 0 };
        while let Some(part) = parts.next() {
            flags |= if parts.peek().is_none() { frame::END_HEADERS } else { 0 };
            self.write_frame(&Frame::new(kind, flags, id, part))?;
            (kind, flags) = (frame::CONTINUATION, 0);
        }
        Ok(())
    }

    /// Sends DATA, as the server's windows allow. Stops without an error once the server has answered completely.
    pub(crate) fn send_data(&mut self, id: u32, data: &[u8], end_stream: bool) -> io::Result<()> {
        let mut rest = data;
        loop {
            let stream = self.stream_mut(id)?;
            if stream.ended || stream.reset.is_some() {
                return Ok(());
            }
            let window = usize::try_from(stream.window.min(self.window)).unwrap_or(0);
            let (part, left) = rest.split_at(rest.len().min(window).min(frame::MAX_PAYLOAD));
            if part.is_empty() && !rest.is_empty() {
                self.read_frame()?;
                continue;
            }
            rest = left;
            let used = i64::try_from(part.len()).expect("a frame is small");
            self.window -= used;
            self.stream_mut(id)?.window -= used;
            let flags = if rest.is_empty() && end_stream { frame::END_STREAM } else { 0 };
            self.write_frame(&Frame::new(frame::DATA, flags, id, part))?;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// Waits for the answer on a stream.
    pub(crate) fn receive(&mut self, id: u32) -> io::Result<Response> {
        loop {
            let stream = self.stream_mut(id)?;
            if stream.ended {
                let stream = self.streams.remove(&id).expect("it was just there");
                return Ok(stream.response);
            }
            if let Some(code) = stream.reset {
                return Err(io::Error::new(
                    ErrorKind::ConnectionReset,
                    format!("RST_STREAM with code {code}"),
                ));
            }
            self.read_frame().map_err(|e| match self.goaway {
                Some(code) => io::Error::new(e.kind(), format!("GOAWAY with code {code}, then: {e}")),
                None => e,
            })?;
        }
    }

    /// Cancels one stream: RST_STREAM with CANCEL.
    pub(crate) fn reset_stream(&mut self, id: u32) -> io::Result<()> {
        self.streams.remove(&id);
        self.write_frame(&Frame::new(frame::RST_STREAM, 0, id, 8_u32.to_be_bytes()))
    }

    /// Ends the connection with an RST of TCP.
    pub(crate) fn reset(self) {
        self.stream.reset().expect("SO_LINGER can be set");
    }

    /// The error code of the server's GOAWAY, if it has sent one.
    pub(crate) fn goaway(&self) -> Option<u32> {
        self.goaway
    }

    pub(crate) fn write_frame(&mut self, frame: &Frame) -> io::Result<()> {
        self.write_raw(&frame.encode())
    }

    pub(crate) fn write_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Reads and processes one frame.
    pub(crate) fn read_frame(&mut self) -> io::Result<Frame> {
        let frame = Frame::read(&mut self.stream)?;
        match frame.kind {
            frame::SETTINGS if !frame.has(frame::ACK) => self.on_settings(&frame)?,
            frame::PING if !frame.has(frame::ACK) => {
                self.write_frame(&Frame::new(frame::PING, frame::ACK, 0, frame.payload.clone()))?;
            }
            frame::GOAWAY => self.goaway = Some(frame.number(4)),
            frame::WINDOW_UPDATE if frame.stream == 0 => self.window += i64::from(frame.number(0)),
            _ => self.on_stream_frame(&frame)?,
        }
        Ok(frame)
    }

    fn on_settings(&mut self, frame: &Frame) -> io::Result<()> {
        for setting in frame.payload.chunks_exact(6) {
            if let [0, 4, value @ ..] = setting {
                let value = u32::from_be_bytes(value.try_into().expect("a setting has six bytes"));
                let change = i64::from(value) - self.stream_window;
                self.stream_window += change;
                self.streams.values_mut().for_each(|stream| stream.window += change);
            }
        }
        self.write_frame(&Frame::new(frame::SETTINGS, frame::ACK, 0, []))
    }

    /// Frames of cancelled streams are read and dropped, but their header blocks are still decoded.
    fn on_stream_frame(&mut self, frame: &Frame) -> io::Result<()> {
        let mut fields = None;
        if matches!(frame.kind, frame::HEADERS | frame::CONTINUATION) {
            self.header_block.extend_from_slice(frame.content());
            if frame.has(frame::END_HEADERS) {
                fields = Some(hpack::decode(&std::mem::take(&mut self.header_block))?);
            }
        }
        let Some(stream) = self.streams.get_mut(&frame.stream) else {
            return Ok(());
        };
        match frame.kind {
            frame::DATA => stream.response.body.extend_from_slice(frame.content()),
            frame::RST_STREAM => stream.reset = Some(frame.number(0)),
            frame::WINDOW_UPDATE => stream.window += i64::from(frame.number(0)),
            _ => {}
        }
        if let Some(fields) = fields {
            stream.on_fields(fields)?;
        }
        stream.ending |= matches!(frame.kind, frame::DATA | frame::HEADERS) && frame.has(frame::END_STREAM);
        stream.ended = stream.ending && self.header_block.is_empty();
        Ok(())
    }

    fn stream_mut(&mut self, id: u32) -> io::Result<&mut Stream> {
        let stream = self.streams.get_mut(&id);
        stream.ok_or_else(|| io::Error::new(ErrorKind::NotFound, format!("stream {id} is not open")))
    }
}

impl Stream {
    /// Processes 1xx answers, the answer, and trailers, in this order.
    fn on_fields(&mut self, mut fields: Fields) -> io::Result<()> {
        if self.response.status != 0 {
            self.response.trailers = fields;
            return Ok(());
        }
        let place = fields.iter().position(|(name, _)| name == ":status");
        let status = place.and_then(|at| String::from_utf8(fields.remove(at).1).ok()?.parse().ok());
        let status =
            status.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "an answer without a status"))?;
        if (100..200).contains(&status) {
            self.response.informational.push((status, fields));
        } else {
            self.response.status = status;
            self.response.headers = fields;
        }
        Ok(())
    }
}

/// The fields of a request, pseudo-headers first.
pub(crate) fn request_fields(request: &Request, scheme: &str) -> Vec<Field> {
    let mut fields: Vec<Field> = vec![
        (b":method".to_vec(), request.method.clone()),
        (b":scheme".to_vec(), scheme.into()),
        (b":path".to_vec(), request.target.clone()),
    ];
    fields.extend(request.host.iter().map(|host| (b":authority".to_vec(), host.clone())));
    fields.extend(request.headers.iter().map(|(name, value)| {
        let name = if request.exact_names { name.clone() } else { name.to_ascii_lowercase() };
        (name, value.clone())
    }));
    if let Body::Sized(body) = &request.body {
        fields.push((b"content-length".to_vec(), body.len().to_string().into_bytes()));
    }
    fields
}
