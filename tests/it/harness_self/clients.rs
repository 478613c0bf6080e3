//! The HTTP clients, against nginx and an echo behind it.

use std::io::ErrorKind;
use std::time::Duration;

use super::super::harness::http2::frame::{self, Frame};
use super::super::harness::tls::self_signed;
use super::super::harness::{
    Builder, EchoReply, Http1, Http2, Nginx, PATIENCE, Request, Tls, Wire, burst, for_each_wire, http1, send,
    try_send,
};
use super::backend;

/// Stock nginx in front of an echo.
fn proxy() -> Builder {
    let echo = backend::start("");
    Nginx::builder().module(false).server(format!(
        "location / {{ proxy_pass http://{echo}; }}
         location /small {{ client_max_body_size 1; proxy_pass http://{echo}; }}
         location /direct {{ return 200; }}"
    ))
}

#[test]
fn every_wire_carries_the_same_request() {
    let (certificate, key) = self_signed(&["localhost"]);
    let nginx = proxy().tls(certificate, key).start();
    for wire in [Wire::Http1, Wire::Http2, Wire::Https1, Wire::Https2] {
        let request = Request::post("/path?q=1", "body").header("X-Twice", "1").header("x-twice", "2");
        let reply = EchoReply::of(&send(&nginx, wire, &request));
        assert_eq!((reply.method.as_str(), reply.target.as_str()), ("POST", "/path?q=1"));
        assert_eq!(reply.all("x-twice"), ["1", "2"]);
        assert_eq!(reply.body_length, 4);
    }
    nginx.finish();
}

#[test]
fn bodies_in_chunks_arrive_whole() {
    let nginx = proxy().http("client_body_buffer_size 8k;").start();
    // Larger than a frame, and than HTTP/2's initial window.
    let large = vec![b'x'; 300_000];
    for_each_wire(|wire| {
        let reply =
            EchoReply::of(&send(&nginx, wire, Request::new("PUT", "/").chunked([&large[..], b"", b"end"])));
        assert_eq!(reply.body_length, 300_003);
        let reply = EchoReply::of(&send(&nginx, wire, Request::post("/", &large)));
        assert_eq!(reply.body_length, 300_000);
    });
    nginx.finish();
}

#[test]
fn answers_in_chunks_arrive_whole() {
    // A filter that may change the length makes nginx send chunks; HTTP/1.0 has none, and delimits the body by closing.
    let nginx = Nginx::builder().module(false).server("root .; ssi on; ssi_types *;").start();
    std::fs::write(nginx.prefix().join("file"), "y".repeat(80_000)).expect("the folder is writable");
    for_each_wire(|wire| assert_eq!(send(&nginx, wire, Request::get("/file")).body.len(), 80_000));
    assert_eq!(send(&nginx, Wire::Http1, Request::get("/file").http10()).body.len(), 80_000);
    assert_eq!(send(&nginx, Wire::Http1, Request::get("/file")).all("transfer-encoding"), ["chunked"]);
    nginx.finish();
}

#[test]
fn an_answer_before_the_end_of_the_body_counts() {
    let nginx = proxy().start();
    for_each_wire(|wire| {
        let response = send(&nginx, wire, Request::post("/small", vec![b'x'; 2_000_000]));
        assert_eq!(response.status, 413);
    });
    nginx.finish();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let nginx = proxy().start();
    let mut connection = Http1::connect(nginx.port()).expect("nginx accepts");
    let requests = ["/1", "/2", "/3"].map(Request::get);
    let responses = connection.pipeline(&requests).expect("three answers");
    let targets: Vec<String> = responses.iter().map(|response| EchoReply::of(response).target).collect();
    assert_eq!(targets, ["/1", "/2", "/3"]);
    assert_eq!(connection.exchange(&Request::new("HEAD", "/4")).expect("still open").body, b"");
    assert_eq!(connection.exchange(&Request::get("/5")).expect("still open").status, 200);
    nginx.finish();
}

#[test]
fn raw_bytes_go_out_and_come_back() {
    let nginx = proxy().start();
    let answer =
        http1::raw(nginx.port(), b"GET / HTTP/1.1\r\nHost: a\r\nbad header\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with(b"HTTP/1.1 "), "{}", String::from_utf8_lossy(&answer));
    nginx.finish();
}

#[test]
fn a_client_that_expects_100_continue_records_it() {
    let nginx = proxy().start();
    let response = send(&nginx, Wire::Http1, Request::post("/", "x").header("Expect", "100-continue"));
    assert_eq!(response.informational.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [100]);
    assert_eq!(response.status, 200);
    nginx.finish();
}

#[test]
fn odd_names_arrive_over_both_versions() {
    let odd = ["x_under_score", "x.dot", "x~tilde!", "x(paren)"];
    let nginx = proxy().http("underscores_in_headers on; ignore_invalid_headers off;").start();
    for_each_wire(|wire| {
        let request =
            odd.iter().fold(Request::get("/"), |request, name| request.header(name, b"\x80\xff obs"));
        let reply = EchoReply::of(&send(&nginx, wire, request));
        for name in odd {
            assert_eq!(reply.all(name).len(), 1, "{name} in {reply:?}");
        }
    });
    nginx.finish();
}

#[test]
fn capitals_in_http2_names_are_sent_when_asked_for() {
    let nginx = proxy().start();
    let request = Request::get("/").header("X-Capital", "1");
    assert_eq!(EchoReply::of(&send(&nginx, Wire::Http2, &request)).header("x-capital"), Some("1"));
    // HTTP/2 has no capitals in names. Newer versions of nginx answer, older ones reset the stream.
    match try_send(&nginx, Wire::Http2, request.exact_names()) {
        Ok(response) => assert_eq!(response.status, 400),
        Err(error) => assert_eq!(error.to_string(), "RST_STREAM with code 1"),
    }
    nginx.wait_for_log("client sent invalid header", PATIENCE);
    nginx.finish();
}

#[test]
fn many_headers_of_http2_go_on_in_continuation() {
    let nginx = proxy().http("large_client_header_buffers 8 64k; client_header_buffer_size 64k;").start();
    let long = "v".repeat(9_000);
    let request = Request::get("/").header("x-a", &long).header("x-b", &long).header("x-c", &long);
    let reply = EchoReply::of(&send(&nginx, Wire::Http2, request));
    assert_eq!(reply.header("x-c").map(str::len), Some(9_000));
    nginx.finish();
}

#[test]
fn streams_of_one_connection_are_answered_in_any_order() {
    let nginx = proxy().start();
    let mut connection = Http2::connect(nginx.h2_port()).expect("nginx accepts");
    let ids = ["/1", "/2", "/3"].map(|target| connection.send(&Request::get(target)).expect("sent"));
    connection.reset_stream(ids[1]).expect("sent");
    for (id, target) in [(ids[2], "/3"), (ids[0], "/1")] {
        assert_eq!(EchoReply::of(&connection.receive(id).expect("an answer")).target, target);
    }
    connection.write_frame(&Frame::new(frame::PING, 0, 0, *b"12345678")).expect("sent");
    while connection.read_frame().expect("a frame").kind != frame::PING {}
    connection.reset();
    nginx.finish();
}

#[test]
fn a_connection_error_of_http2_is_told() {
    let nginx = proxy().start();
    let mut connection = Http2::connect(nginx.h2_port()).expect("nginx accepts");
    // DATA on stream 0 is a PROTOCOL_ERROR.
    connection.write_frame(&Frame::new(frame::DATA, 0, 0, *b"x")).expect("sent");
    let error = loop {
        if let Err(error) = connection.read_frame() {
            break error;
        }
    };
    assert!(matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset), "{error}");
    assert_eq!(connection.goaway(), Some(1));
    nginx.finish();
}

#[test]
fn a_half_closed_connection_still_gets_its_answer() {
    let nginx = proxy().start();
    // With an upstream, nginx would treat the FIN as a client that has left.
    let mut connection = Http1::connect(nginx.port()).expect("nginx accepts");
    connection.send(&Request::get("/direct")).expect("sent");
    connection.half_close().expect("open");
    assert_eq!(connection.receive(b"GET").map(|response| response.status).ok(), Some(200));
    nginx.finish();
}

#[test]
fn a_reset_connection_is_seen_by_nginx() {
    let nginx = proxy().error_log_level("info").start();
    let connection = Http1::connect(nginx.port()).expect("nginx accepts");
    connection.reset();
    assert_eq!(http1::get(nginx.port(), "/").status, 200);
    nginx.finish();
}

#[test]
fn a_silent_server_ends_in_a_timeout() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut connection =
        Http1::connect(silent.local_addr().expect("bound").port()).expect("the kernel accepts");
    connection.set_timeout(Duration::from_millis(20));
    let error = connection.exchange(&Request::get("/")).expect_err("nobody answers");
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
}

#[test]
fn the_server_name_of_tls_and_the_host_choose_the_server() {
    let (certificate, key) = self_signed(&["localhost"]);
    let nginx =
        proxy().tls(certificate, key).server_named("other.example", "return 200 $ssl_server_name;").start();
    let mut connection =
        Http2::connect_tls(nginx.tls_port(), &Tls::default().name("other.example")).expect("TLS");
    let response = connection.exchange(&Request::get("/").host("other.example")).expect("an answer");
    assert_eq!(response.text(), "other.example");
    // nginx would linger 5 s for the client to close it.
    drop(connection);
    nginx.finish();
}

#[test]
fn a_burst_answers_every_request_in_its_place() {
    let nginx = proxy().workers(2).start();
    for_each_wire(|wire| {
        let results = burst(&nginx, wire, 60, 8, |i| Request::get(format!("/{i}")));
        assert_eq!(results.len(), 60);
        for (i, result) in results.iter().enumerate() {
            let reply = EchoReply::of(result.as_ref().expect("an answer"));
            assert_eq!(reply.target, format!("/{i}"));
        }
    });
    nginx.finish();
}
