//! Over HTTP/3, which nginx has since 1.25: what other topics show of HTTP/1 and HTTP/2, in short.

use std::time::Duration;

use super::harness::http3::Http3;
use super::harness::tls::self_signed;
use super::harness::{Builder, EchoReply, Nginx, PATIENCE, Request, Response, free_port};
use super::stage::Stage;
use super::standin::Fault;

/// A site over HTTP/3, and its port there.
struct Site {
    stage: Stage,
    client: Http3,
    nginx: Nginx,
    port: u16,
}

impl Site {
    /// `None` where there is no HTTP/3.
    fn start(locations: &str) -> Option<Self> {
        let client = Http3::find()?;
        let stage = Stage::start();
        let port = free_port();
        let nginx = site(&stage, port).server(locations).start();
        Some(Self { stage, client, nginx, port })
    }

    #[track_caller]
    fn send(&self, request: &Request) -> Response {
        self.client.exchange(self.port, request).unwrap_or_else(|e| panic!("over HTTP/3: {e}"))
    }
}

fn site(stage: &Stage, port: u16) -> Builder {
    let (certificate, key) = self_signed(&["localhost"]);
    stage
        .site()
        .http("authgear_cache_zone zone=sessions:1m; authgear_cache sessions; authgear_timeout 20s;")
        .tls(certificate, key)
        .server(format!("listen 127.0.0.1:{port} quic; ssl_protocols TLSv1.3;"))
}

/// Forged ones before, between and after so many others that nginx's list of headers has several parts.
fn forged(request: Request) -> Request {
    let request = request.header("x-authgear-user-id", "forged").header("x-authgear-some-day", "forged");
    let request = (0..30).fold(request, |request, n| request.header(format!("x-other-{n}"), n.to_string()));
    let request = request.header("x-authgear-user-id", "forged again").header("x-other-30", "30");
    request.header("x-authgear-session-valid", "true").header("x-authgear-xhr", "1")
}

#[track_caller]
fn assert_others_arrived(reply: &EchoReply) {
    for n in 0..=30 {
        assert_eq!(reply.header(&format!("x-other-{n}")), Some(n.to_string().as_str()));
    }
    assert_eq!(reply.header("x-authgear-xhr"), Some("1"));
}

#[test]
fn forged_headers_are_removed_where_nobody_is_logged_in() {
    let Some(site) = Site::start("") else { return };
    let reply = EchoReply::of(&site.send(&forged(Request::get("/"))));
    assert_others_arrived(&reply);
    let identity: Vec<_> = reply.headers.iter().filter(|(name, _)| name.starts_with("x-authgear-")).collect();
    assert_eq!(identity.len(), 1, "{identity:?}");
    site.nginx.finish();
}

#[test]
fn a_session_is_resolved_and_replaces_forged_headers() {
    let Some(site) = Site::start("") else { return };
    let request = forged(site.stage.unique());
    // Waited for, then out of the cache.
    for _ in 0..2 {
        let response = site.send(&request);
        site.stage.assert_is("alice", &response);
        assert_others_arrived(&EchoReply::of(&response));
        assert!(!response.text().contains("forged"), "{}", response.text());
    }
    assert_eq!(site.stage.resolver.call_count(), 1);
    site.nginx.finish();
}

#[test]
fn who_is_not_logged_in_is_challenged() {
    let Some(site) = Site::start("location /private { authgear_require valid; root /nonexistent; }") else {
        return;
    };
    let response = site.send(&Request::get("/private/"));
    assert_eq!(response.status, 401);
    assert_eq!(response.header("www-authenticate").as_deref(), Some("Bearer realm=\"authgear\""));
    site.nginx.finish();
}

#[test]
fn a_client_that_leaves_cancels_nothing() {
    let Some(site) = Site::start("") else { return };
    let request = site.stage.unique();
    site.stage.resolver.set_fault(Some(Fault::Gate));
    let left = site.client.send_and_leave(site.port, &request, Duration::from_secs(1)).unwrap();
    assert!(!left.status.success() && left.stdout.is_empty(), "{left:?}");
    // It is over for nginx, which has no status for it.
    site.nginx.wait_for_access_log("\"GET / HTTP/3.0\" 000 ", PATIENCE);
    assert!(site.stage.resolver.wait_for_gate(1, PATIENCE));
    site.stage.resolver.open_gate();
    site.stage.assert_is("alice", &site.send(&request));
    assert_eq!(site.stage.resolver.call_count(), 1);
    site.nginx.finish();
}
