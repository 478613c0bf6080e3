//! A protocol switch passes through, with the identity on its request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::super::harness::{Http1, Nginx, PATIENCE, Request};
use super::super::stage::{LAX, by, user_id};
use super::super::standin::Resolver;

/// A backend that switches protocols, answers four bytes with their reverse, and ends. Tells what it was asked.
fn switching() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let (told, heads) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|read| read > 0) {}
            if told.send(head).is_err() {
                return;
            }
            let answer =
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello";
            let mut bytes = [0; 4];
            let _ = reader.get_mut().write_all(answer).and_then(|()| reader.read_exact(&mut bytes));
            bytes.reverse();
            let _ = reader.get_mut().write_all(&bytes);
        }
    });
    (address, heads)
}

#[test]
fn a_switch_of_protocols_passes_with_the_identity() {
    let resolver = Resolver::start();
    let (backend, heads) = switching();
    let nginx = Nginx::builder()
        .http(LAX)
        .server(format!(
            "authgear_resolve {}; location / {{ proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;
             proxy_set_header Connection upgrade; proxy_pass http://{backend}; }}",
            resolver.url()
        ))
        .start();
    for (user, id) in [("alice", user_id("alice")), ("bob", user_id("bob"))] {
        let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
        let request =
            Request::get("/socket").header("Upgrade", "websocket").header("x_authgear_user_id", "forged");
        let request = by(user, request.header("Connection", "Upgrade, x-authgear-user-id"));
        assert_eq!(client.exchange(&request).expect("an answer").status, 101);
        client.write_raw(b"abcd").expect("sent");
        assert_eq!(client.read_to_end().expect("the end"), b"hellodcba");

        let head = heads.recv_timeout(PATIENCE).expect("the backend was asked");
        assert!(
            head.starts_with("GET /socket HTTP/1.1\r\n") && head.contains("Upgrade: websocket\r\n"),
            "{head}"
        );
        assert_eq!(head.matches(&format!("x-authgear-user-id: {id}\r\n")).count(), 1, "{head}");
        assert!(!head.contains("forged"), "{head}");
        let call = resolver.last_call().expect("a call");
        assert_eq!(call.header("upgrade"), None);
    }
    nginx.finish();
}

/// It is one request, however long it goes on.
#[test]
fn a_switch_that_was_made_is_not_looked_at_again() {
    let resolver = Resolver::start();
    let (backend, heads) = switching();
    let nginx = Nginx::builder()
        .server(format!(
            "authgear_resolve {}; authgear_require valid; location / {{ proxy_http_version 1.1;
             proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; proxy_pass http://{backend}; }}",
            resolver.url()
        ))
        .start();
    let token = resolver.accounts().mint("alice", super::super::standin::Kind::Bearer);
    let request = || {
        let request = Request::get("/socket").header("Upgrade", "websocket").header("Connection", "Upgrade");
        request.header("Authorization", format!("Bearer {token}"))
    };
    let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
    assert_eq!(client.exchange(&request()).expect("an answer").status, 101);
    assert!(heads.recv_timeout(PATIENCE).is_ok());
    resolver.accounts().revoke(&token);
    let mut other = Http1::connect(nginx.port()).expect("nginx accepts");
    assert_eq!(other.exchange(&request()).expect("an answer").status, 401);
    client.write_raw(b"abcd").expect("sent");
    assert_eq!(client.read_to_end().expect("the end"), b"hellodcba");
    assert_eq!(resolver.call_count(), 2);
    nginx.finish();
}

#[test]
fn nothing_is_switched_for_whom_the_resolver_refuses() {
    let resolver = Resolver::start();
    resolver.set_fault(Some(super::super::standin::Fault::Status(403)));
    let (backend, heads) = switching();
    let nginx = Nginx::builder()
        .server(format!("authgear_resolve {}; location / {{ proxy_pass http://{backend}; }}", resolver.url()))
        .start();
    let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
    let request =
        by("alice", Request::get("/").header("Upgrade", "websocket").header("Connection", "Upgrade"));
    assert_eq!(client.exchange(&request).expect("an answer").status, 403);
    assert!(heads.try_recv().is_err());
    nginx.finish();
}
