//! Parsing of echoes and logs; the documented setup.

use super::super::harness::log::{Entry, offending_lines};
use super::super::harness::{EchoReply, Request, documented_auth_request, for_each_wire, send};
use super::backend;

#[test]
fn an_echo_is_read_line_by_line() {
    let text = "GET /a b\nHost: x\nX_Authgear.User-Id: \nX-Authgear-User-Id: a: b\nHTTP_X_AUTHGEAR_USER_ID: c\n\n\
                body-length: 3\nbody-hash: 00ff\n";
    let reply = EchoReply::parse(text).expect("a reply");
    assert_eq!((reply.target.as_str(), reply.body_length, reply.body_hash.as_str()), ("/a b", 3, "00ff"));
    assert_eq!(reply.header("x-authgear-user-id"), Some("a: b"));
    assert_eq!(reply.headers_folded()[1], ("x-authgear-user-id".into(), ""));
    assert_eq!(reply.all_folded("X-Authgear-User-Id"), ["", "a: b", "c"]);
    assert_eq!(EchoReply::parse("<html>"), None);
}

#[test]
fn offending_lines_of_a_log_are_found() {
    let log = "2025/01/31 12:00:00 [notice] 17#17: start worker process 18\n\
               2025/01/31 12:00:00 [alert] 17#17: worker process 18 exited on signal 9\n\
               2025/01/31 12:00:00 [alert] 17#17: worker process 19 exited on signal 11 (core dumped)\n\
               2025/01/31 12:00:00 [notice] 17#17: worker process 20 exited with code 0\n\
               2025/01/31 12:00:00 [notice] 17#17: worker process 21 exited with code 9\n\
               2025/01/31 12:00:00 [error] 18#18: *1 [alert] in the words of a client\n\
               2025/01/31 12:00:00 [crit] 18#18: *2 SSL_do_handshake() failed\n\
               thread 'x' panicked at src/lib.rs:1:1:";
    let lines = offending_lines(log, &[18], &["SSL_do_handshake() failed".into()]);
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_start_matches("2025/01/31 12:00:00 ")).collect();
    assert_eq!(
        lines,
        [
            "[alert] 17#17: worker process 19 exited on signal 11 (core dumped)",
            "[notice] 17#17: worker process 21 exited with code 9",
            "thread 'x' panicked at src/lib.rs:1:1:",
        ]
    );
    let entry = Entry::parse(log.lines().next().expect("a line"));
    assert_eq!(entry, Some(Entry { level: "notice", pid: 17, message: "start worker process 18" }));
}

#[test]
fn the_documented_set_up_hands_the_backend_the_identity() {
    let resolver = backend::start("X-Authgear-Session-Valid: true\r\nX-Authgear-User-Id: alice\r\n");
    let echo = backend::start("");
    let documented = documented_auth_request(format_args!("http://{resolver}"), echo);
    for documented in
        [documented.clone().auth_lines("proxy_set_header Host app.example;"), documented.cached()]
    {
        let nginx = documented.builder().start();
        for_each_wire(|wire| {
            let request = Request::post("/path", "body").header("x-authgear-user-id", "mallory");
            let reply = EchoReply::of(&send(&nginx, wire, request));
            assert_eq!(reply.header("x-authgear-session-valid"), Some("true"));
            assert_eq!(reply.header("x-authgear-user-id"), Some("alice"));
            assert_eq!(reply.header("x-authgear-session-amr"), None);
            assert_eq!((reply.target.as_str(), reply.body_length), ("/path", 4));
        });
        nginx.finish();
    }
}
