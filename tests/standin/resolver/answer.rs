//! Answers as Go writes them.

use super::session::Resolution;
use super::settings::Settings;
use crate::standin::accounts::{Kind, User};
use crate::standin::date;

/// Sent with every answer of an app.
pub const PERMISSIONS_POLICY: &str = "accelerometer=(), ambient-light-sensor=(), autoplay=*, battery=(), bluetooth=(), browsing-topics=(), camera=(), display-capture=(), document-domain=(), encrypted-media=(), execution-while-not-rendered=*, execution-while-out-of-viewport=*, fullscreen=*, gamepad=(), geolocation=(), gyroscope=(), hid=(), identity-credentials-get=(), idle-detection=(), local-fonts=(), magnetometer=(), microphone=(), midi=(), otp-credentials=(), payment=(), picture-in-picture=(), publickey-credentials-create=(self), publickey-credentials-get=(self), screen-wake-lock=(), serial=(), speaker-selection=(), storage-access=(), usb=(), web-share=(), window-management=(), xr-spatial-tracking=()";

const PANIC_JSON: &str = r#"{"error":{"name":"InternalError","reason":"UnexpectedError","message":"unexpected error occurred","code":500}}"#;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    pub chunked: bool,
    /// The `Content-Length`, if it differs from the body's length.
    pub claimed_length: Option<usize>,
}

impl Answer {
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), chunked: false, claimed_length: None }
    }

    /// An answer with the headers that every answer of an app has, and no identity.
    pub fn app(status: u16) -> Self {
        Self::new(status)
            .with("Permissions-Policy", PERMISSIONS_POLICY)
            .with("X-Content-Type-Options", "nosniff")
            .with("X-Robots-Tag", "noindex, nofollow")
    }

    /// Go's `http.Error`.
    pub fn error(self, text: &str) -> Self {
        self.without("X-Content-Type-Options")
            .with("Content-Type", "text/plain; charset=utf-8")
            .with("X-Content-Type-Options", "nosniff")
            .with_body(format!("{text}\n").into_bytes())
    }

    /// The answer of the panic middleware when the session could not be looked up.
    pub fn panic_json() -> Self {
        Self::app(500).with("Content-Type", "application/json").with_body(PANIC_JSON.into())
    }

    pub fn of(resolution: &Resolution, settings: &Settings, https: bool) -> Self {
        match resolution {
            Resolution::None => Self::app(200),
            Resolution::Invalid { clear } => {
                let answer = Self::app(200).with("X-Authgear-Session-Valid", "false");
                if *clear { answer.with("Set-Cookie", clearing_cookie(settings, https)) } else { answer }
            }
            Resolution::Valid(user) => Self::valid(user),
        }
    }

    fn valid(user: &User) -> Self {
        let mut answer = Self::app(200)
            .with("X-Authgear-Session-Amr", user.amr.join(" "))
            .with("X-Authgear-Session-Valid", "true")
            .with("X-Authgear-User-Anonymous", user.anonymous.to_string())
            .with("X-Authgear-User-Can-Reauthenticate", user.can_reauthenticate.to_string())
            .with("X-Authgear-User-Id", &user.id)
            .with("X-Authgear-User-Verified", user.verified.to_string());
        if let Some(at) = user.authenticated_at {
            answer = answer.with("X-Authgear-Session-Authenticated-At", at.to_string());
        }
        if !user.roles.is_empty() {
            answer = answer.with("X-Authgear-User-Roles", user.roles.join(","));
        }
        answer
    }

    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self
    }

    pub fn with_body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    pub fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    /// In Go's order: the handler's headers by name, then those that the server adds.
    pub fn sorted_headers(&self) -> Vec<(String, Vec<u8>)> {
        let mut headers = self.headers.clone();
        headers.sort_by(|(a, _), (b, _)| a.cmp(b));
        if !self.has("date") {
            headers.push(("Date".to_owned(), date::http_date(date::since_epoch().as_secs()).into_bytes()));
        }
        headers
    }

    /// The `Content-Length`, if it is sent: not with chunks, nor if no body is allowed, and for HEAD only if the handler
    /// wrote something.
    pub fn content_length(&self, is_head: bool) -> Option<usize> {
        if self.chunked || self.has("content-length") || matches!(self.status, 100..=199 | 204 | 304) {
            return None;
        }
        let length = self.claimed_length.unwrap_or(self.body.len());
        (!is_head || length > 0).then_some(length)
    }

    /// The head in HTTP/1.1. `connection` is the value of that header.
    pub fn encode_head(&self, is_head: bool, connection: Option<&str>) -> Vec<u8> {
        let mut out = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status)).into_bytes();
        let mut line = |name: &str, value: &[u8]| {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                out.extend_from_slice(part);
            }
        };
        for (name, value) in self.sorted_headers() {
            line(&name, &value);
        }
        if let Some(length) = self.content_length(is_head) {
            line("Content-Length", length.to_string().as_bytes());
        }
        if let Some(connection) = connection {
            line("Connection", connection.as_bytes());
        }
        if self.chunked {
            line("Transfer-Encoding", b"chunked");
        }
        out.extend_from_slice(b"\r\n");
        out
    }

    /// The body in HTTP/1.1: in two chunks, so that readers have to join them.
    pub fn encode_body(&self, is_head: bool) -> Vec<u8> {
        if is_head || !self.chunked {
            return if is_head { Vec::new() } else { self.body.clone() };
        }
        let mut out = Vec::new();
        let (first, second) = self.body.split_at(self.body.len() / 2);
        for chunk in [first, second].into_iter().filter(|chunk| !chunk.is_empty()) {
            out.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            out.extend_from_slice(chunk);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"0\r\n\r\n");
        out
    }
}

fn clearing_cookie(settings: &Settings, https: bool) -> String {
    let domain =
        settings.cookie_domain.as_ref().map_or_else(String::new, |domain| format!(" Domain={domain};"));
    format!(
        "{}=; Path=/;{domain} Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly;{} SameSite=Lax",
        settings.cookie_name(Kind::Session),
        if https { " Secure;" } else { "" }
    )
}

/// Go's reason phrases; clients can't rely on one for any other status.
pub fn reason(status: u16) -> &'static str {
    match status {
        301 => "Moved Permanently",
        307 => "Temporary Redirect",
        code => http::StatusCode::from_u16(code).ok().and_then(|s| s.canonical_reason()).unwrap_or("Unknown"),
    }
}
