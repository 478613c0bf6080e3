//! `X-Forwarded-For` is the client's address as nginx sees it, or left out.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, TcpStream};
use std::os::unix::net::UnixStream;

use super::super::harness::{for_each_wire, free_port};
use super::super::live::Live;
use super::super::stage::token_of;
use super::super::standin::Resolver;
use super::one_call;

const RAW: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer user:alice:1\r\n\
                     X-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n";

/// Asks over any kind of connection; returns what of X-Forwarded-For reached the resolver.
fn forwarded_for(live: &Live, mut stream: impl Read + Write) -> Vec<String> {
    stream.write_all(RAW).expect("nginx reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("nginx closes");
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    let call = live.resolver.last_call().expect("a call was made");
    let all = call.header_all("x-forwarded-for");
    all.into_iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

#[test]
fn a_client_on_a_unix_socket_has_no_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("nginx.sock");
    let live = Live::with(Resolver::start(), &format!("listen unix:{};", socket.display()));
    let client = UnixStream::connect(&socket).expect("nginx listens");
    assert_eq!(forwarded_for(&live, client), Vec::<String>::new());
    let call = live.resolver.last_call().expect("a call was made");
    let mut names = call.header_names();
    names.sort_unstable();
    assert_eq!(names, ["accept", "authorization", "host", "x-forwarded-host", "x-forwarded-proto"]);
    live.finish();
}

#[test]
fn a_client_with_an_ipv6_address_is_named_by_it() {
    let port = free_port();
    let live = Live::with(Resolver::start(), &format!("listen [::1]:{port};"));
    let client = TcpStream::connect((Ipv6Addr::LOCALHOST, port)).expect("nginx listens");
    assert_eq!(forwarded_for(&live, client), ["::1"]);
    live.finish();
}

#[test]
fn the_address_is_the_one_that_realip_found() {
    let lines = "set_real_ip_from 127.0.0.1;\nreal_ip_header X-Client;";
    let live = Live::with(Resolver::start(), lines);
    for_each_wire(|wire| {
        for (sent, seen) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7:4711", "192.0.2.7"),
            ("2001:DB8:0::1", "2001:db8::1"),
            ("no address", "127.0.0.1"),
        ] {
            let request = token_of("alice", 1).header("X-Client", sent).header("X-Forwarded-For", "6.6.6.6");
            let (_, call) = one_call(&live, wire, &request);
            assert_eq!(call.header_all("x-forwarded-for"), [seen.as_bytes()], "{sent}");
        }
    });
    live.finish();
}
