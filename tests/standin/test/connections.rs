//! Keeping, closing and refusing connections.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use super::client::{SOON, connect, read_all, read_head, request, resolve};
use super::standin::{ConnectionFault, Fault, Resolver};

#[test]
fn a_connection_serves_many_calls() {
    let resolver = Resolver::start();
    let mut stream = connect(resolver.addr());
    for _ in 0..3 {
        stream.write_all(request("GET", "/resolve", &[]).as_bytes()).unwrap();
        read_head(&mut stream);
    }
    let connections: Vec<u64> = resolver.calls().iter().map(|call| call.connection).collect();
    assert_eq!((connections, resolver.connections()), (vec![1, 1, 1], 1));
    resolver.reset_counters();
    assert_eq!((resolver.calls().len(), resolver.call_count(), resolver.connections()), (0, 0, 0));
}

#[test]
fn idle_connections_are_closed_on_demand() {
    let resolver = Resolver::start();
    let kept = || {
        let mut stream = connect(resolver.addr());
        stream.write_all(request("GET", "/resolve", &[]).as_bytes()).unwrap();
        read_head(&mut stream);
        stream
    };
    let mut idle = kept();
    resolver.push_fault(Fault::Gate);
    let mut busy = connect(resolver.addr());
    busy.write_all(request("GET", "/resolve", &[]).as_bytes()).unwrap();
    assert!(resolver.wait_for_gate(1, SOON));
    assert_eq!(resolver.close_idle_connections(), 1);
    assert_eq!(read_all(&mut idle), "");
    resolver.open_gate();
    read_head(&mut busy);

    assert_eq!(resolver.reset_idle_connections(), 1);
    assert_eq!(busy.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(resolver.close_idle_connections(), 0);
}

#[test]
fn a_restart_ends_every_connection_and_takes_new_ones() {
    let resolver = Resolver::start();
    let asked = || {
        let mut stream = connect(resolver.addr());
        stream.write_all(request("GET", "/resolve", &[]).as_bytes()).unwrap();
        stream
    };
    let mut idle = asked();
    read_head(&mut idle);
    resolver.push_fault(Fault::Gate);
    let mut busy = asked();
    assert!(resolver.wait_for_gate(1, SOON));
    for _ in 0..2 {
        resolver.restart();
        assert_eq!((read_all(&mut idle), read_all(&mut busy)), (String::new(), String::new()));
        assert!(resolver.wait_until_idle(SOON));
        read_head(&mut asked());
        (idle, busy) = (asked(), asked());
        read_head(&mut idle);
        read_head(&mut busy);
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test client blocks")]
fn listening_stops_and_resumes_on_the_same_port() {
    let resolver = Resolver::start();
    let addr = resolver.addr();
    let mut kept = connect(addr);
    kept.write_all(request("GET", "/resolve", &[]).as_bytes()).unwrap();
    read_head(&mut kept);
    resolver.stop_listening();
    assert_eq!(TcpStream::connect(addr).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    kept.write_all(request("GET", "/resolve", &[]).as_bytes()).unwrap();
    read_head(&mut kept);
    resolver.resume_listening();
    resolve(addr, &[]);
    assert_eq!(resolver.addr(), addr);
    drop(resolver);
    assert_eq!(read_all(&mut kept), "");
}

#[test]
fn connection_faults_come_before_any_call() {
    let resolver = Resolver::start();
    resolver.set_connection_fault(Some(ConnectionFault::Close));
    assert_eq!(read_all(&mut connect(resolver.addr())), "");
    resolver.set_connection_fault(Some(ConnectionFault::Reset));
    let error = connect(resolver.addr()).read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    resolver.set_connection_fault(Some(ConnectionFault::Hang));
    let _hanging = connect(resolver.addr());
    assert!(resolver.wait_for_connections(3, SOON));
    resolver.set_connection_fault(Some(ConnectionFault::PlainFirst(b"HTTP/1.1 200 Early\r\n\r\n".into())));
    assert_eq!(resolve(resolver.addr(), &[]), "HTTP/1.1 200 Early\r\n\r\n");
}

#[test]
fn http_1_0_closes_unless_asked_to_keep() {
    let resolver = Resolver::start();
    let mut stream = connect(resolver.addr());
    stream.write_all(b"GET /resolve HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").unwrap();
    assert!(read_head(&mut stream).contains("\r\nConnection: keep-alive\r\n"));
    stream.write_all(b"GET /resolve HTTP/1.0\r\n\r\n").unwrap();
    assert!(read_all(&mut stream).ends_with("Content-Length: 0\r\n\r\n"));
}

#[test]
fn only_the_latest_calls_are_kept_where_that_is_asked_for() {
    let resolver = Resolver::builder().keep_calls(2).start();
    for _ in 0..3 {
        resolve(resolver.addr(), &[]);
    }
    assert_eq!((resolver.calls().len(), resolver.call_count()), (2, 3));
    assert_eq!(resolver.calls()[0].connection, 2);
}
