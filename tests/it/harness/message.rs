//! Requests and answers, the same for every version of HTTP.

use std::borrow::Borrow;

/// A request, with any bytes, even those that no decent client would send. Nothing is checked, and nothing is added but a
/// Host and the framing of the body.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    /// `Host`, or `:authority` in HTTP/2.
    pub(crate) host: Option<Vec<u8>>,
    pub(crate) headers: Vec<Field>,
    pub(crate) body: Body,
    pub(crate) trailers: Vec<Field>,
    pub(crate) http10: bool,
    pub(crate) exact_names: bool,
}

pub(crate) type Field = (Vec<u8>, Vec<u8>);

/// The fields of an answer: names are text, values are bytes.
pub(crate) type Fields = Vec<(String, Vec<u8>)>;

#[derive(Clone, Debug)]
pub(crate) enum Body {
    None,
    /// With a Content-Length.
    Sized(Vec<u8>),
    /// Without a Content-Length: chunks in HTTP/1, a DATA frame for each in HTTP/2.
    Chunked(Vec<Vec<u8>>),
}

impl Request {
    pub(crate) fn new(method: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self {
            method: method.as_ref().to_vec(),
            target: target.as_ref().to_vec(),
            host: Some(b"localhost".to_vec()),
            headers: Vec::new(),
            body: Body::None,
            trailers: Vec::new(),
            http10: false,
            exact_names: false,
        }
    }

    pub(crate) fn get(target: impl AsRef<[u8]>) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn post(target: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Self {
        Self::new("POST", target).body(body)
    }

    /// Adds a header line; names may repeat, and names and values may be any bytes.
    pub(crate) fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    pub(crate) fn host(mut self, host: impl AsRef<[u8]>) -> Self {
        self.host = Some(host.as_ref().to_vec());
        self
    }

    pub(crate) fn no_host(mut self) -> Self {
        self.host = None;
        self
    }

    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Body::Sized(body.as_ref().to_vec());
        self
    }

    pub(crate) fn chunked<C: AsRef<[u8]>>(mut self, chunks: impl IntoIterator<Item = C>) -> Self {
        self.body = Body::Chunked(chunks.into_iter().map(|chunk| chunk.as_ref().to_vec()).collect());
        self
    }

    /// Adds a field after the body, which makes the body chunked.
    pub(crate) fn trailer(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.body = match self.body {
            Body::None => Body::Chunked(Vec::new()),
            Body::Sized(body) => Body::Chunked(vec![body]),
            chunked @ Body::Chunked(_) => chunked,
        };
        self.trailers.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// HTTP/1.0; ignored by HTTP/2.
    pub(crate) fn http10(mut self) -> Self {
        self.http10 = true;
        self
    }

    /// Sends names over HTTP/2 as they are spelled; otherwise they are converted to lower case, as HTTP/2 requires.
    pub(crate) fn exact_names(mut self) -> Self {
        self.exact_names = true;
        self
    }
}

/// Sends that request to another target.
pub(crate) fn to(target: &str, request: impl Borrow<Request>) -> Request {
    Request { target: target.into(), ..request.borrow().clone() }
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// In the order and spelling received, without HTTP/2's `:status`.
    pub(crate) headers: Fields,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Fields,
    /// Status and headers of the preceding 1xx answers.
    pub(crate) informational: Vec<(u16, Fields)>,
}

impl Response {
    /// The only header of this name, ignoring case. Panics if there are several: use [`Response::all`] for those.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let mut all = self.all(name);
        assert!(all.len() <= 1, "{name} came more than once: {all:?}");
        all.pop()
    }

    /// Every header of this name, ignoring case.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let named = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
