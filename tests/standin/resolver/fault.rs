//! The faults of a resolver.

use std::time::Duration;

use super::answer::Answer;

/// A fault of a single call. Kinds that don't exist in HTTP/2 do what is closest there, as stated.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The normal answer, this much later. It is created when the call arrives, so it may be outdated when it is sent.
    Delay(Duration),
    /// The normal answer, once [`super::Resolver::open_gate`] or `release` lets it through. Also created on arrival.
    Gate,
    /// The wait of the first fault ([`Fault::Delay`], [`Fault::Gate`]), then the second fault.
    Then(Box<Fault>, Box<Fault>),

    /// No answer, with the connection (the stream) kept open.
    Hang,
    /// Half of the head, then nothing. HTTP/2: as `Hang`.
    HangInHead,
    /// The head and half of a body, then nothing.
    HangInBody,
    /// FIN instead of an answer.
    CloseBeforeAnswer,
    /// RST instead of an answer.
    ResetBeforeAnswer,
    /// Half of the head, then FIN. HTTP/2: as `CloseBeforeAnswer`.
    CloseInHead,
    /// Half of the head, then RST. HTTP/2: as `ResetBeforeAnswer`.
    ResetInHead,
    /// A body shorter than `Content-Length` says, then FIN.
    CloseInBody,
    /// These bytes, then FIN. HTTP/2: as `CloseBeforeAnswer`.
    Garbage(Vec<u8>),
    /// These bytes, and the connection stays open for the next request. HTTP/2: as `CloseBeforeAnswer`.
    Raw(Vec<u8>),
    /// The normal answer with this delay between any two bytes of its head. HTTP/2: with this delay before the head.
    SlowHead(Duration),

    /// This status, with the headers of an app and nothing else.
    Status(u16),
    /// Exactly this answer.
    Answer { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    /// The panic middleware's 500, such as when Redis is unavailable.
    PanicJson500,
    /// The handler's 500 when user info isn't available.
    Text500,
    /// 200 without identity for a valid session: the handler's transaction could not be opened.
    NoHeadersFor200,
    /// 302 to this location.
    Redirect(String),
    /// The normal answer with these headers replacing those of the same names. A name may occur twice.
    Headers(Vec<(String, String)>),
    /// The normal answer with these headers replacing all `X-Authgear-*`.
    ReplaceHeaders(Vec<(String, String)>),
    /// The normal answer and about this many bytes of further headers, 1000 bytes each.
    HugeHeaders(usize),
    /// The normal answer with a body.
    Body(Vec<u8>),
    /// The normal answer with a body in chunks (in several frames on HTTP/2).
    Chunked(Vec<u8>),
    /// An unrequested `100 Continue`, then the normal answer.
    OneHundredContinue,
    /// `103 Early Hints` that claim an identity, then the normal answer.
    EarlyHints(Vec<(String, String)>),
    /// The normal answer with trailers: `Transfer-Encoding: chunked` on HTTP/1.1.
    Trailers(Vec<(String, String)>),

    /// HTTP/2: GOAWAY, then the connection ends. HTTP/1.1: as `CloseBeforeAnswer`.
    GoAway,
    /// HTTP/2: RST_STREAM with REFUSED_STREAM. HTTP/1.1: as `CloseBeforeAnswer`.
    RefusedStream,
    /// HTTP/2: nothing more is read or written on the connection, including pings. HTTP/1.1: as `Hang`.
    HangConnection,
}

impl Fault {
    /// The wait of this fault, then the other fault: `Fault::Gate.then(Fault::Status(503))`.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self::Then(Box::new(self), Box::new(next))
    }
}

/// A fault of the connection, before any call.
#[derive(Debug, Clone)]
pub enum ConnectionFault {
    /// Accepted, then nothing: no TLS handshake, and no byte is read.
    Hang,
    /// Accepted and closed.
    Close,
    Reset,
    /// These bytes in clear text, where the client expects a TLS handshake (or before any request). Then as usual.
    PlainFirst(Vec<u8>),
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Keep,
    Close,
    Reset,
    Hang,
}

/// How much of an answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Nothing,
    HalfHead,
    HalfBody,
    All,
}

/// The details of a fault: the answer, and how it is sent.
#[derive(Debug)]
pub(super) struct Play {
    pub answer: Answer,
    pub reach: Reach,
    pub end: End,
    pub pace: Option<Duration>,
    /// Sent instead of the answer.
    pub raw: Option<Vec<u8>>,
    pub interim: Option<(u16, Vec<(String, String)>)>,
    pub trailers: Vec<(String, String)>,
    pub http2: Option<Http2Play>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Http2Play {
    GoAway,
    RefuseStream,
    HangConnection,
}

impl Play {
    pub fn normal(answer: Answer) -> Self {
        Self {
            answer,
            reach: Reach::All,
            end: End::Keep,
            pace: None,
            raw: None,
            interim: None,
            trailers: Vec::new(),
            http2: None,
        }
    }

    /// `fault` must not be a wait.
    pub fn of(fault: Fault, normal: Answer) -> Self {
        let cut = |answer, reach, end| Self { reach, end, ..Self::normal(answer) };
        let http2 = |answer, end, play| Self { http2: Some(play), ..cut(answer, Reach::Nothing, end) };
        match fault {
            Fault::Hang => cut(normal, Reach::Nothing, End::Hang),
            Fault::HangInHead => cut(normal, Reach::HalfHead, End::Hang),
            Fault::HangInBody => cut(truncated(normal), Reach::HalfBody, End::Hang),
            Fault::CloseBeforeAnswer => cut(normal, Reach::Nothing, End::Close),
            Fault::ResetBeforeAnswer => cut(normal, Reach::Nothing, End::Reset),
            Fault::CloseInHead => cut(normal, Reach::HalfHead, End::Close),
            Fault::ResetInHead => cut(normal, Reach::HalfHead, End::Reset),
            Fault::CloseInBody => cut(truncated(normal), Reach::HalfBody, End::Close),
            Fault::Garbage(raw) => Self { raw: Some(raw), end: End::Close, ..Self::normal(normal) },
            Fault::Raw(raw) => Self { raw: Some(raw), ..Self::normal(normal) },
            Fault::SlowHead(pace) => Self { pace: Some(pace), ..Self::normal(normal) },
            Fault::OneHundredContinue => Self { interim: Some((100, Vec::new())), ..Self::normal(normal) },
            Fault::EarlyHints(headers) => Self { interim: Some((103, headers)), ..Self::normal(normal) },
            Fault::Trailers(trailers) => {
                Self { trailers, ..Self::normal(Answer { chunked: true, ..normal }) }
            }
            Fault::GoAway => http2(normal, End::Close, Http2Play::GoAway),
            Fault::RefusedStream => http2(normal, End::Close, Http2Play::RefuseStream),
            Fault::HangConnection => http2(normal, End::Hang, Http2Play::HangConnection),
            other => Self::normal(changed(other, normal)),
        }
    }
}

/// The faults with complete but wrong answers.
fn changed(fault: Fault, normal: Answer) -> Answer {
    match fault {
        Fault::Status(status) => Answer::app(status),
        Fault::Answer { status, headers, body } => with_all(Answer::new(status), headers).with_body(body),
        Fault::PanicJson500 => Answer::panic_json(),
        Fault::Text500 => Answer::app(500).error("internal error"),
        Fault::NoHeadersFor200 => Answer::app(200),
        Fault::Redirect(to) => Answer::app(302).with("Location", to),
        Fault::Headers(headers) => {
            let kept = headers.iter().fold(normal, |answer, (name, _)| answer.without(name));
            with_all(kept, headers)
        }
        Fault::ReplaceHeaders(headers) => {
            let mut kept = normal;
            kept.headers.retain(|(name, _)| !name.to_ascii_lowercase().starts_with("x-authgear-"));
            with_all(kept, headers)
        }
        Fault::HugeHeaders(bytes) => {
            let headers = (0..bytes.div_ceil(1000)).map(|n| (format!("X-Huge-{n}"), "h".repeat(1000)));
            with_all(normal, headers)
        }
        Fault::Body(body) => normal.with_body(body),
        Fault::Chunked(body) => Answer { chunked: true, ..normal.with_body(body) },
        _ => normal,
    }
}

fn with_all(answer: Answer, headers: impl IntoIterator<Item = (String, String)>) -> Answer {
    headers.into_iter().fold(answer, |answer, (name, value)| answer.with(&name, value))
}

/// An answer whose body is half as long as `Content-Length` says.
fn truncated(normal: Answer) -> Answer {
    Answer { claimed_length: Some(20), ..normal.with_body(b"ten bytes.".into()) }
}
