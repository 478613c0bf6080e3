//! Caddy itself asks the endpoint. It comes with Debian's package caddy; the tests say so where it isn't named.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{
    Endpoint, FOLDER, Fault, Pairs, Request, Response, ask_plain, forged, free_port, identity, with_bearer,
};
use crate::harness::{PATIENCE, poll};

/// Caddy in front of the backend, with the example's file.
struct Caddy {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Caddy {
    /// Asks at this port. None where there is no Caddy.
    fn start(endpoint: &Endpoint, asked: u16) -> Option<Self> {
        let Some(program) = std::env::var_os("AUTHGEAR_CADDY").map(PathBuf::from) else {
            eprintln!("skipped: AUTHGEAR_CADDY names no caddy");
            return None;
        };
        let (folder, port) = (tempfile::tempdir().expect("a temporary folder"), free_port());
        let text = fs::read_to_string(Path::new(FOLDER).join("forward-auth/Caddyfile")).expect("a file");
        let mut text = format!("{{\nadmin off\nauto_https off\n}}\n{text}");
        for (from, to) in [
            ("\nwww.example.com {", format!("\nhttp://:{port} {{")),
            ("127.0.0.1:9000", format!("127.0.0.1:{asked}")),
            ("127.0.0.1:8080", endpoint.stage.echo.addr().to_string()),
        ] {
            assert_eq!(text.matches(from).count(), 1, "{from:?} in\n{text}");
            text = text.replace(from, &to);
        }
        let file = folder.path().join("Caddyfile");
        fs::write(&file, text).expect("the folder is writable");
        let log = fs::File::create(folder.path().join("log")).expect("a file for stderr");
        let mut command = Command::new(program);
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file);
        command.env("XDG_DATA_HOME", folder.path()).env("XDG_CONFIG_HOME", folder.path());
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let mut caddy = Self { process: process.expect("caddy starts"), port, _folder: folder };
        let is_there = || {
            let ended = caddy.process.try_wait().expect("it is our child").is_some();
            (ended || TcpStream::connect(("127.0.0.1", port)).is_ok()).then_some(!ended)
        };
        let started = poll(PATIENCE, is_there) == Some(true);
        assert!(started, "{}", fs::read_to_string(caddy._folder.path().join("log")).unwrap_or_default());
        Some(caddy)
    }

    fn ask(&self, request: &Request) -> Response {
        ask_plain(self.port, request)
    }
}

impl Drop for Caddy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the backend was told, of the one request that it got.
#[track_caller]
fn at_backend(endpoint: &Endpoint) -> Pairs {
    let seen = endpoint.stage.echo.take();
    assert_eq!(seen.len(), 1, "{seen:?}");
    identity(&seen[0])
}

#[test]
fn the_backend_gets_the_true_identity() {
    let endpoint = Endpoint::start();
    let Some(caddy) = Caddy::start(&endpoint, endpoint.everyone) else { return };
    for (who, request, expected) in endpoint.cases() {
        for request in [request.clone(), forged(request)] {
            assert_eq!(caddy.ask(&request).status, 200, "{who}");
            assert_eq!(at_backend(&endpoint), expected, "{who}");
        }
    }
    drop(caddy);
    endpoint.nginx.finish();
}

#[test]
fn nothing_that_a_client_names_in_connection_takes_the_identity_away() {
    let endpoint = Endpoint::start();
    let Some(caddy) = Caddy::start(&endpoint, endpoint.users) else { return };
    let alice = || endpoint.stage.alice();
    caddy.ask(&alice());
    let expected = at_backend(&endpoint);
    for names in [
        "X-Authgear-User-Id, x-authgear-user-anonymous",
        "X-aauthgearuthgear-User-Id",
        "x-authAUTHGEARgear-user-anonymous,x-aauthgearuthgear-session-valid",
        "keep-alive,\tx-authgear-user-id ,,x-authgear-session-valid",
    ] {
        assert_eq!(caddy.ask(&alice().header("Connection", names)).status, 200, "{names}");
        assert_eq!(at_backend(&endpoint), expected, "{names}");
    }
    drop(caddy);
    endpoint.nginx.finish();
}

#[test]
fn what_else_a_client_names_in_connection_arrives() {
    let endpoint = Endpoint::start();
    let Some(caddy) = Caddy::start(&endpoint, endpoint.everyone) else { return };
    caddy.ask(&Request::get("/").header("Connection", "Upgrade").header("Upgrade", "websocket"));
    let seen = endpoint.stage.echo.take().pop().expect("the backend was asked");
    assert_eq!(seen.text("upgrade"), Some("websocket"));
    drop(caddy);
    endpoint.nginx.finish();
}

#[test]
fn the_request_itself_passes_as_it_is() {
    let endpoint = Endpoint::start();
    let Some(caddy) = Caddy::start(&endpoint, endpoint.users) else { return };
    for body in [vec![], vec![b'x'; 100_000]] {
        let request = Request { method: "POST".into(), target: "/a/b?c=d".into(), ..endpoint.stage.alice() };
        let request = request.header("If-Match", "\"x\"");
        let request = request.header("Range", "bytes=1-").header("X-Forwarded-For", "203.0.113.9");
        assert_eq!(caddy.ask(&request.body(&body)).status, 200);
        let seen = endpoint.stage.echo.take().pop().expect("the backend was asked");
        assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/a/b?c=d"));
        assert_eq!(
            (usize::try_from(seen.body_len).expect("small"), seen.text("range")),
            (body.len(), Some("bytes=1-"))
        );
    }
    // Caddy's own word about the client, and not the client's.
    let call = endpoint.stage.resolver.last_call().expect("it was asked");
    assert_eq!((call.text("x-forwarded-for"), endpoint.stage.resolver.call_count()), (Some("127.0.0.1"), 1));
    drop(caddy);
    endpoint.nginx.finish();
}

#[test]
fn the_client_gets_refusals_and_failures_and_the_backend_nothing() {
    let endpoint = Endpoint::start();
    let Some(caddy) = Caddy::start(&endpoint, endpoint.users) else { return };
    for (challenge, request) in [("authgear\"", Request::get("/")), ("invalid_token\"", with_bearer("bad"))] {
        let answer = caddy.ask(&forged(request));
        assert_eq!(answer.status, 401);
        assert!(answer.header("www-authenticate").is_some_and(|c| c.ends_with(challenge)), "{answer:?}");
    }
    endpoint.stage.resolver.set_fault(Some(Fault::Status(503)));
    assert_eq!(caddy.ask(&forged(endpoint.stage.unique())).status, 502);
    endpoint.stage.resolver.clear_faults();
    endpoint.stage.resolver.stop_listening();
    endpoint.stage.resolver.restart();
    assert_eq!(caddy.ask(&forged(endpoint.stage.unique())).status, 502);
    // Then without nginx.
    let Endpoint { stage, nginx, .. } = endpoint;
    nginx.finish();
    let alice = stage.alice();
    assert_eq!(caddy.ask(&forged(alice)).status, 502);
    assert_eq!(stage.echo.requests(), []);
}
