//! Requests that are nearly right, which is what gets deep: lines that mean something, in any number and order.

use super::super::harness::http2::frame::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS,
    WINDOW_UPDATE,
};
use super::super::harness::http2::hpack::encode_field;
use super::mutate::Mutator;

const METHODS: [&str; 6] = ["GET", "GET", "POST", "HEAD", "PUT", "OPTIONS"];

const TARGETS: [&str; 15] = [
    "/",
    "/a?b=c",
    "/open/",
    "/required/",
    "/required/x",
    "/role/",
    "/inner/",
    "/any/",
    "/mirrored/",
    "/uncached/",
    "/lenient/",
    "/redirect-internal?/required/",
    "/redirect-internal?/open/",
    "/open/../required/",
    "http://localhost/required/",
];

/// Header lines. Those of users are good; `USER` is one of them, `N` a number.
const LINES: [(&str, &str); 46] = [
    ("Authorization", "Bearer user:USER:N"),
    ("Authorization", "Bearer user:USER:N"),
    ("authorization", "bearer  user:USER:N"),
    ("Authorization", "Bearer bad"),
    ("Authorization", "Basic YTpi"),
    ("Authorization", "Bearer"),
    ("Cookie", "app_session=user:USER:N"),
    ("Cookie", "a=b; app_access_token=user:USER:N; c"),
    ("Cookie", "a=b;\tapp_session\t=user:USER:N\t; c"),
    ("Cookie", "\tsession=bad"),
    ("Cookie", "session=bad"),
    ("Cookie", "session=\"bad\"; session=; SESSION=x"),
    ("cookie", "app_session=x\\; app_session=user:USER:N"),
    ("Cookie", "app_session = user:USER:N;session"),
    ("Cookie", "session=acdc0d99-f784-43d5-b53d-70f3506dfbf7.00000000000000000000000000000000"),
    ("X-Authgear-User-Id", "mallory"),
    ("x-authgear-session-valid", "true"),
    ("X_Authgear_User_Id", "mallory"),
    ("X.Authgear.User-Roles", "admin"),
    ("x-authgear-user_roles", "admin"),
    ("X-AUTHGEAR-USER-ROLES", "admin"),
    ("X-Authgear-Xhr", "1"),
    ("x_authgear_xhr", "1"),
    ("X-Authgear-", "1"),
    ("X-Authgear-Anything", ""),
    ("Connection", "close"),
    ("Connection", "keep-alive, X-Authgear-User-Id, Authorization"),
    ("Connection", "Upgrade, HTTP2-Settings"),
    ("Upgrade", "h2c"),
    ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"),
    ("Expect", "100-continue"),
    ("TE", "trailers"),
    ("Trailer", "X-Authgear-User-Id"),
    ("Content-Length", "N"),
    ("Transfer-Encoding", "chunked"),
    ("Transfer-Encoding", "gzip, chunked"),
    ("Host", "evil.example"),
    ("Host", "localhost:80, a"),
    ("X-Forwarded-For", "6.6.6.6"),
    ("X-Forwarded-Host", "evil.example"),
    ("User-Agent", "curl/8.0"),
    ("User-Agent", "caf\u{e9}"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("X-Request-ID", "N"),
    ("X-Fuzz-At", "open"),
    ("Range", "bytes=0-N"),
];

const USERS: [&str; 6] = ["alice", "bob", "norole", "anonymous", "disabled", "nobody"];

fn choose<'a>(from: &[&'a str], by: &mut Mutator) -> &'a str {
    by.pick(from).copied().unwrap_or_default()
}

/// Most requests have few lines, some more than a part of nginx's list of them.
fn lines(by: &mut Mutator) -> Vec<(Vec<u8>, Vec<u8>)> {
    let most = if by.below(8) == 0 { 70 } else { 9 };
    let mut lines = Vec::new();
    for _ in 0..by.below(most) {
        let (name, value) = by.pick(&LINES).copied().unwrap_or(("a", "b"));
        let number = by.below(40).to_string();
        let value = value.replace("USER", choose(&USERS, by)).replace('N', &number);
        lines.push((name.as_bytes().to_vec(), value.into_bytes()));
    }
    lines
}

/// Some requests over HTTP/1.1, one after the other.
pub(super) fn http1(by: &mut Mutator) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..=by.below(3) {
        let (method, target) = (choose(&METHODS, by), choose(&TARGETS, by));
        let version = if by.below(12) == 0 { "1.0" } else { "1.1" };
        bytes.extend(format!("{method} {target} HTTP/{version}\r\n").into_bytes());
        let mut lines = lines(by);
        lines.insert(by.below(lines.len() + 1), (b"Host".to_vec(), b"localhost".to_vec()));
        // What frames a body comes with one that fits it, or else most requests would wait for theirs.
        let is_framing = |name: &[u8]| matches!(name, b"Content-Length" | b"Transfer-Encoding" | b"Expect");
        if by.below(6) > 0 {
            lines.retain(|(name, _)| !is_framing(name));
        }
        let body = match by.below(5) {
            0 => (Some((b"Content-Length".to_vec(), b"5".to_vec())), &b"hello"[..]),
            1 => (
                Some((b"Transfer-Encoding".to_vec(), b"chunked".to_vec())),
                &b"5\r\nhello\r\n0\r\nX-Authgear-User-Id: mallory\r\n\r\n"[..],
            ),
            _ => (None, &b""[..]),
        };
        lines.extend(body.0);
        for (name, value) in &lines {
            bytes.extend([name, &b": "[..], value, b"\r\n"].concat());
        }
        bytes.extend([b"\r\n", body.1].concat());
    }
    bytes
}

/// A connection of HTTP/2: some requests, and frames that belong to none.
pub(super) fn http2(by: &mut Mutator) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(Frame::new(SETTINGS, 0, 0, []).encode());
    let mut stream = 1;
    for _ in 0..=by.below(4) {
        if by.below(5) == 0 {
            bytes.extend(stray(by, stream).encode());
        }
        request(by, stream).iter().for_each(|frame| bytes.extend(frame.encode()));
        stream += 2;
    }
    bytes
}

fn stray(by: &mut Mutator, stream: u32) -> Frame {
    let on = if by.below(2) == 0 { 0 } else { stream };
    match by.below(6) {
        0 => Frame::new(PING, 0, 0, [0; 8]),
        1 => Frame::new(SETTINGS, ACK, 0, []),
        2 => Frame::new(RST_STREAM, 0, stream.saturating_sub(2), [0, 0, 0, 8]),
        3 => Frame::new(WINDOW_UPDATE, 0, on, [0, 0, 1, 0]),
        4 => Frame::new(GOAWAY, 0, 0, [0; 8]),
        _ => Frame::new(DATA, END_STREAM, on, *b"stray"),
    }
}

fn request(by: &mut Mutator, stream: u32) -> Vec<Frame> {
    let mut fields = vec![
        (b":method".to_vec(), choose(&METHODS, by).as_bytes().to_vec()),
        (b":scheme".to_vec(), b"http".to_vec()),
        (b":path".to_vec(), choose(&TARGETS[..14], by).as_bytes().to_vec()),
        (b":authority".to_vec(), b"localhost".to_vec()),
    ];
    let capitals = by.below(10) == 0;
    // Names are in small letters, and what belongs to one connection is forbidden.
    let hops: [&[u8]; 4] = [b"connection", b"upgrade", b"transfer-encoding", b"te"];
    for (name, value) in lines(by) {
        let name = if capitals { name } else { name.to_ascii_lowercase() };
        if capitals
            || !(hops.contains(&&name[..])
                || [&b"content-length"[..], b"expect", b"host"].contains(&&name[..]))
        {
            fields.push((name, value));
        }
    }
    let mut block = Vec::new();
    fields.iter().for_each(|field| encode_field(&mut block, field));
    let has_body = by.below(4) == 0;
    let ends = if has_body { 0 } else { END_STREAM };
    let mut frames = if by.below(4) == 0 {
        let (head, rest) = block.split_at(by.below(block.len()));
        vec![Frame::new(HEADERS, ends, stream, head), Frame::new(CONTINUATION, END_HEADERS, stream, rest)]
    } else {
        vec![Frame::new(HEADERS, ends | END_HEADERS, stream, block)]
    };
    if has_body {
        frames.push(Frame::new(DATA, END_STREAM, stream, *b"hello"));
    }
    frames
}
