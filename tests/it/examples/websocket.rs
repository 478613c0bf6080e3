//! websocket.conf: a handshake that is resolved, and frames that pass.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::{Example, Http1, Kind, PATIENCE, Request, Response, Stage, Tls, free_port};

const ORIGIN: &str = "https://www.example.com";

/// The key of RFC 6455 §1.3, and what a server makes of it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;

/// A server that sends each frame back until it gets one that closes. Tells the head of each request.
fn server() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let (told, heads) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let told = told.clone();
            thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|read| read > 0) {}
                let answer = if head.to_lowercase().contains("\r\nupgrade: ") {
                    format!(
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                         Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
                    )
                } else {
                    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned()
                };
                let _ = told.send(head);
                let _ = reader.get_mut().write_all(answer.as_bytes());
                while return_frame(&mut reader).is_some_and(|kind| kind != CLOSE) {}
            });
        }
    });
    (address, heads)
}

/// Reads a client's frame, which is masked, and sends it back, unmasked. What kind it was.
fn return_frame(reader: &mut BufReader<TcpStream>) -> Option<u8> {
    let mut head = [0; 6];
    reader.read_exact(&mut head).ok()?;
    assert_eq!(head[1] & 0x80, 0x80, "clients mask");
    let mut data = vec![0; usize::from(head[1] & 0x7f)];
    reader.read_exact(&mut data).ok()?;
    data.iter_mut().zip(head[2..].iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    let answer = [&[head[0], head[1] & 0x7f], &data[..]].concat();
    reader.get_mut().write_all(&answer).ok()?;
    Some(head[0])
}

/// Sends a frame, and reads the one that comes back.
fn exchange_frame(client: &mut Http1, kind: u8, data: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let length = u8::try_from(data.len()).expect("a short one");
    let masked = data.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    let frame: Vec<u8> = [kind, 0x80 | length].into_iter().chain(mask).chain(masked).collect();
    client.write_raw(&frame).expect("it is open");
    let head = client.read_exactly(2).expect("a frame");
    assert_eq!(head, [kind, length]);
    client.read_exactly(data.len()).expect("all of it")
}

fn handshake() -> Request {
    let request = Request::get("/socket/chat").host("www.example.com").header("Upgrade", "websocket");
    let request = request.header("Connection", "Upgrade").header("Sec-WebSocket-Version", "13");
    request.header("Sec-WebSocket-Key", KEY)
}

fn open(port: u16, request: &Request) -> (Http1, Response) {
    let mut client =
        Http1::connect_tls(port, &Tls::default().name("www.example.com")).expect("nginx accepts");
    let answer = client.exchange(request).expect("an answer");
    (client, answer)
}

#[test]
fn users_open_connections_that_outlive_their_sessions() {
    let stage = Stage::start();
    let (backend, heads) = server();
    let port = free_port();
    let example = Example::read("websocket.conf").at(&stage.resolver);
    let mut example = example.replace("127.0.0.1:8080", &backend.to_string());
    let nginx = example.start(free_port(), port);

    let session = stage.accounts().mint("alice", Kind::Session);
    let alice = handshake().header("Cookie", format!("session={session}"));
    let request = alice.clone().header("Origin", ORIGIN).header("X-Authgear-User-Id", "forged");
    let (mut client, answer) = open(port, &request);
    assert_eq!((answer.status, answer.header("sec-websocket-accept").as_deref()), (101, Some(ACCEPT)));
    let head = heads.recv_timeout(PATIENCE).expect("the backend was asked").to_lowercase();
    let id = stage.accounts().user("alice").id;
    assert_eq!(head.matches("x-authgear-user-id:").count(), 1, "{head}");
    assert!(head.contains(&format!("x-authgear-user-id: {id}\r\n")), "{head}");
    assert!(head.contains("upgrade: websocket\r\n") && head.contains("connection: upgrade\r\n"), "{head}");
    assert_eq!(exchange_frame(&mut client, TEXT, b"hello"), b"hello");

    // The session ends: nobody opens a connection with it, and the one that is open stays open.
    stage.accounts().revoke(&session);
    assert_eq!(open(port, &alice.clone().header("Origin", ORIGIN)).1.status, 401);
    assert_eq!(exchange_frame(&mut client, TEXT, b"still there"), b"still there");
    nginx.reload();
    assert_eq!(exchange_frame(&mut client, TEXT, b"and now"), b"and now");
    assert_eq!(exchange_frame(&mut client, CLOSE, b""), b"");
    assert!(client.is_closed());
    assert!(heads.try_recv().is_err(), "the backend heard of nobody else");
    nginx.finish();
}

#[test]
fn nobody_else_gets_to_the_backend() {
    let stage = Stage::start();
    let (backend, heads) = server();
    let port = free_port();
    let example = Example::read("websocket.conf").at(&stage.resolver);
    let nginx = example.replace("127.0.0.1:8080", &backend.to_string()).start(free_port(), port);
    let status = |request: Request| open(port, &request).1.status;

    assert_eq!(status(handshake().header("Origin", ORIGIN)), 401);
    // The page of somebody else, in the browser of a user.
    let cookie = format!("session={}", stage.accounts().login("alice").session);
    for origin in ["https://evil.example", "https://www.example.com.evil.example", "null"] {
        assert_eq!(status(handshake().header("Cookie", &cookie).header("Origin", origin)), 403, "{origin}");
    }
    assert_eq!(stage.resolver.call_count(), 0);
    assert!(heads.try_recv().is_err());
    // A client that is no browser.
    let token = stage.accounts().mint("alice", Kind::Bearer);
    assert_eq!(status(handshake().header("Authorization", format!("Bearer {token}"))), 101);
    nginx.finish();
}

#[test]
fn no_other_protocol_is_switched_to() {
    let stage = Stage::start();
    let (backend, heads) = server();
    let port = free_port();
    let example = Example::read("websocket.conf").at(&stage.resolver);
    let nginx = example.replace("127.0.0.1:8080", &backend.to_string()).start(free_port(), port);
    for protocol in ["h2c", "websocket, h2c", "h2c, websocket", "websocket/13", "TLS/1.0", "x-websocket", " "]
    {
        let request = Request::get("/socket/").host("www.example.com").header("Upgrade", protocol);
        let request =
            request.header("Connection", "Upgrade, HTTP2-Settings").header("HTTP2-Settings", "AAMAAABk");
        let token = stage.accounts().mint("alice", Kind::Bearer);
        let (_, answer) = open(port, &request.header("Authorization", format!("Bearer {token}")));
        let head = heads.recv_timeout(PATIENCE).expect("the backend was asked").to_lowercase();
        assert!(answer.status == 200 && !head.contains("\r\nupgrade:"), "{protocol}: {head}");
        assert!(head.contains("connection: close\r\n"), "{protocol}: {head}");
    }
    nginx.finish();
}
