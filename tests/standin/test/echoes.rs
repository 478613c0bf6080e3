//! Each backend, with requests as nginx sends them.

use std::io::{Read, Write};
use std::net::TcpStream;

use bytes::Bytes;

use super::client::{SOON, connect, header, read_all, read_head, send};
use super::http2;
use super::standin::echo::{FastCgi, Grpc, Http, Scgi, Uwsgi};
use super::standin::runtime;

fn hash(body: &[u8]) -> String {
    blake3::hash(body).to_hex().to_string()
}

fn read_body(stream: &mut TcpStream, head: &str) -> String {
    let mut body = vec![0; header(head, "Content-Length").unwrap().parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}

#[test]
fn http_reports_method_target_headers_and_body() {
    let echo = Http::start();
    let mut stream = connect(echo.addr());
    stream.write_all(b"POST /a?b HTTP/1.1\r\nX_odd: 1\r\nx-ODD:2 \r\nContent-Length: 4\r\n\r\nbody").unwrap();
    let head = read_head(&mut stream);
    let text = read_body(&mut stream, &head);
    let expected = format!(
        "POST /a?b\nX_odd: 1\nx-ODD: 2\nContent-Length: 4\n\nbody-length: 4\nbody-hash: {}\n",
        hash(b"body")
    );
    assert_eq!(text, expected);
    // The connection is kept open, and a body in chunks is the same body.
    stream
        .write_all(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nbo\r\n2\r\ndy\r\n0\r\nT: 1\r\n\r\n")
        .unwrap();
    let head = read_head(&mut stream);
    assert!(
        read_body(&mut stream, &head).ends_with(&format!("body-length: 4\nbody-hash: {}\n", hash(b"body")))
    );
    assert!(echo.wait_for_requests(2, SOON));
    assert_eq!(echo.requests()[0].header_all("x-odd"), [b"2"]);
    assert_eq!(echo.last().unwrap().body_len, 4);
    echo.clear();
    assert!(echo.requests().is_empty());
}

#[test]
fn http_takes_large_bodies() {
    let echo = Http::start();
    let body: Vec<u8> = (0..12_000_000u32).map(|n| n.to_le_bytes()[1]).collect();
    let mut stream = connect(echo.addr());
    stream.write_all(format!("PUT / HTTP/1.0\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes()).unwrap();
    stream.write_all(&body).unwrap();
    assert!(read_all(&mut stream).ends_with(&format!("body-hash: {}\n", hash(&body))));
}

#[test]
fn targets_switch_status_redirect_and_delay() {
    let echo = Http::start();
    let get =
        |target: &str| send(echo.addr(), &format!("GET {target} HTTP/1.1\r\nConnection: close\r\n\r\n"));
    assert!(get("/x/status/418").starts_with("HTTP/1.1 418 "));
    let redirect = get("/redirect-internal?/other?a=b");
    assert_eq!(header(&redirect, "X-Accel-Redirect"), Some("/other?a=b"));
    assert_eq!(header(&get("/redirect-internal?@other"), "X-Accel-Redirect"), None);
    assert_eq!(header(&get("/redirect-named?other"), "X-Accel-Redirect"), Some("@other"));
    assert!(get("/slow/1").starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(get("/status/204").ends_with("\r\n\r\n"));
}

const PARAMS: [(&str, &str); 4] =
    [("CONTENT_LENGTH", "4"), ("REQUEST_METHOD", "POST"), ("REQUEST_URI", "/a?b"), ("HTTP_X", "")];

fn expected_text() -> String {
    let params: String = PARAMS.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    format!("POST /a?b\n{params}\nbody-length: 4\nbody-hash: {}\n", hash(b"body"))
}

#[test]
fn scgi_reports_parameters() {
    let echo = Scgi::start();
    let block: String = PARAMS.iter().map(|(name, value)| format!("{name}\0{value}\0")).collect();
    let answer = send_raw(echo.addr(), format!("{}:{block},body", block.len()).as_bytes());
    assert_eq!(answer, format!("Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n{}", expected_text()));
    assert_eq!(echo.last().unwrap().text("HTTP_X"), Some(""));
}

#[test]
fn uwsgi_reports_parameters() {
    let echo = Uwsgi::start();
    let mut block = Vec::new();
    for text in PARAMS.iter().flat_map(|(name, value)| [name, value]) {
        block.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
        block.extend(text.bytes());
    }
    let [low, high] = u16::try_from(block.len()).unwrap().to_le_bytes();
    let answer = send_raw(echo.addr(), &[&[0, low, high, 0][..], &block, b"body"].concat());
    assert!(answer.ends_with(&expected_text()), "{answer}");
    assert_eq!(echo.last().unwrap().method, "POST");
}

#[test]
fn fastcgi_reports_parameters_and_keeps_the_connection() {
    let echo = FastCgi::start();
    let record = |kind: u8, content: &[u8]| {
        let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
        // One byte of padding, as nginx may send.
        [&[1, kind, 0, 1, high, low, 1, 0][..], content, &[0]].concat()
    };
    let mut params = Vec::new();
    for (name, value) in PARAMS {
        params.push(u8::try_from(name.len()).unwrap());
        params.extend(u32::to_be_bytes(0x8000_0000 | u32::try_from(value.len()).unwrap()));
        params.extend(name.bytes().chain(value.bytes()));
    }
    let (first, second) = params.split_at(20);
    let request = [
        record(1, &[0, 1, 1, 0, 0, 0, 0, 0]),
        record(4, first),
        record(4, second),
        record(4, b""),
        record(5, b"bo"),
        record(5, b"dy"),
        record(5, b""),
    ];
    let mut stream = connect(echo.addr());
    for _ in 0..2 {
        stream.write_all(&request.concat()).unwrap();
        assert!(read_fastcgi(&mut stream).ends_with(&expected_text()));
    }
    assert_eq!(echo.requests().len(), 2);
    assert_eq!(super::standin::echo::parse_params(b"\x05\x01ab"), None);
}

/// Reads stdout until the end of the request.
fn read_fastcgi(stream: &mut TcpStream) -> String {
    let mut out = Vec::new();
    loop {
        let mut head = [0; 8];
        stream.read_exact(&mut head).unwrap();
        let mut content = vec![0; usize::from(u16::from_be_bytes([head[4], head[5]]))];
        stream.read_exact(&mut content).unwrap();
        match head[1] {
            6 => out.extend(content),
            3 => return String::from_utf8(out).unwrap(),
            kind => panic!("a record of type {kind}"),
        }
    }
}

fn send_raw(addr: std::net::SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(addr);
    stream.write_all(bytes).unwrap();
    read_all(&mut stream)
}

#[test]
fn grpc_answers_with_a_message_and_status_0() {
    let echo = Grpc::start();
    let (text, status) = runtime().block_on(async {
        let stream = tokio::net::TcpStream::connect(echo.addr()).await.unwrap();
        let (mut client, _driver) = http2::begin(stream).await;
        let request = http::Request::post("http://x/pkg.Service/Method").header("x-a", "1").body(()).unwrap();
        let (answer, mut sending) = client.send_request(request, false).unwrap();
        sending.send_data(Bytes::from_static(b"body"), true).unwrap();
        let mut body = answer.await.unwrap().into_body();
        let mut text = Vec::new();
        while let Some(chunk) = body.data().await {
            text.extend_from_slice(&chunk.unwrap());
        }
        (text, body.trailers().await.unwrap().unwrap()["grpc-status"].clone())
    });
    assert_eq!(status, "0");
    let expected =
        format!("POST /pkg.Service/Method\nx-a: 1\n\nbody-length: 4\nbody-hash: {}\n", hash(b"body"));
    assert_eq!(&text[5..], expected.as_bytes());
    assert_eq!(text[..5], [0, 0, 0, 0, u8::try_from(expected.len()).unwrap()]);
    assert_eq!(echo.last().unwrap().body_len, 4);
}
