//! forward-auth: nginx as the endpoint that other proxies ask.

mod caddy;
mod proxies;

use super::{
    Example, FOLDER, Fault, Kind, Nginx, Request, Response, Stage, ask_plain, free_port, with_bearer,
};
use crate::harness::http1::encode;
use crate::stage::{Pairs, identity, identity_among, identity_of};

/// The example runs.
struct Endpoint {
    stage: Stage,
    nginx: Nginx,
    /// The ports on which everyone passes, users alone, and everyone by Envoy.
    everyone: u16,
    users: u16,
    envoy: u16,
}

impl Endpoint {
    fn start() -> Self {
        Self::with("")
    }

    /// With a line more in the server for Envoy.
    fn with(line: &str) -> Self {
        let (stage, [everyone, users, envoy]) = (Stage::start(), [(); 3].map(|()| free_port()));
        let example = Example::read("forward-auth/nginx.conf").at(&stage.resolver);
        let example = example.replace("127.0.0.1:9000;", &format!("127.0.0.1:{everyone};"));
        let example = example.replace("127.0.0.1:9001;", &format!("127.0.0.1:{users};"));
        let mut example = example.replace("127.0.0.1:9002;", &format!("127.0.0.1:{envoy}; {line}"));
        let nginx = example.start(0, 0);
        Self { stage, nginx, everyone, users, envoy }
    }

    /// What is to pass for whom: users, and what comes of them at the backend.
    fn cases(&self) -> Vec<(&'static str, Request, Pairs)> {
        let accounts = self.stage.accounts();
        let session = format!("a=b; session={}", accounts.login("bob").session);
        vec![
            ("alice", self.stage.alice(), identity_of("alice")),
            ("bob", Request::get("/").header("Cookie", session), identity_of("bob")),
            ("norole", self.stage.request_of("norole", Kind::Bearer), identity_of("norole")),
            ("disabled", self.stage.request_of("disabled", Kind::Bearer), identity_of("disabled")),
            ("a bad token", with_bearer("bad"), Pairs::new()),
            ("nobody", Request::get("/"), Pairs::new()),
        ]
    }
}

/// With everything that a client may forge, in spellings that backends take for the true ones.
fn forged(request: Request) -> Request {
    const FORGED: [&str; 8] = [
        "X-Authgear-Session-Valid",
        "x-authgear-user-id",
        "X-AUTHGEAR-USER-ROLES",
        "X-Authgear-Session-Acr",
        "X_Authgear_User_Id",
        "x.authgear.user.roles",
        "X-Authgear_User-Verified",
        "X!Authgear~User*Anonymous",
    ];
    // What is named here a proxy takes away, if it isn't careful, from the request that it passes on.
    let request = request.header("Connection", "X-Authgear-User-Id, x-authgear-user-anonymous");
    FORGED.iter().fold(request, |request, name| request.header(name, "forged"))
}

/// The identity headers of an answer.
fn told(response: &Response) -> Pairs {
    identity_among(&response.headers)
}

#[test]
fn the_answer_has_the_identity_that_there_is_and_no_other() {
    let endpoint = Endpoint::start();
    for (who, request, expected) in endpoint.cases() {
        for request in [request.clone(), forged(request)] {
            for (port, status) in [(endpoint.everyone, 204), (endpoint.envoy, 200)] {
                let answer = ask_plain(port, &request);
                assert_eq!((answer.status, told(&answer)), (status, expected.clone()), "{who}");
                assert_eq!(answer.body, b"");
            }
        }
    }
    // All but the first one of each came from the cache, and nobody asks about a request without a credential.
    assert_eq!(endpoint.stage.resolver.call_count(), 5);
    endpoint.nginx.finish();
}

#[test]
fn where_users_alone_pass_others_get_the_challenge() {
    let endpoint = Endpoint::start();
    for (who, request, expected) in endpoint.cases() {
        let answer = ask_plain(endpoint.users, &forged(request));
        if ["alice", "bob", "norole"].contains(&who) {
            assert_eq!((answer.status, told(&answer)), (204, expected), "{who}");
        } else {
            assert_eq!((answer.status, told(&answer)), (401, Pairs::new()), "{who}");
            let challenge = answer.header("www-authenticate").expect("a challenge");
            assert_eq!(challenge.contains("invalid_token"), who != "nobody", "{challenge}");
        }
    }
    endpoint.nginx.finish();
}

#[test]
fn a_failure_lets_nobody_pass() {
    let endpoint = Endpoint::start();
    endpoint.stage.resolver.set_fault(Some(Fault::Status(500)));
    for port in [endpoint.everyone, endpoint.users, endpoint.envoy] {
        let answer = ask_plain(port, &forged(endpoint.stage.unique()));
        assert_eq!((answer.status, told(&answer)), (502, Pairs::new()));
    }
    endpoint.nginx.finish();
}

/// What proxies pass on of a request, and what isn't the endpoint's concern.
#[test]
fn the_answer_is_the_same_whatever_the_client_asked_for() {
    let endpoint = Endpoint::with("authgear_require valid;");
    let token = endpoint.stage.accounts().login("alice").bearer;
    let assert_same = |port: u16, request: &Request| {
        let shown = String::from_utf8_lossy(&encode(request)).chars().take(300).collect::<String>();
        let expected = if port == endpoint.envoy { 200 } else { 204 };
        let answer = ask_plain(port, &with_token(request, &token));
        assert_eq!((answer.status, told(&answer)), (expected, identity_of("alice")), "{shown}");
        let expected = if port == endpoint.everyone { 204 } else { 401 };
        let answer = ask_plain(port, request);
        assert_eq!((answer.status, told(&answer)), (expected, Pairs::new()), "{shown}");
    };
    for request in requests() {
        for port in [endpoint.everyone, endpoint.users, endpoint.envoy] {
            assert_same(port, &request);
        }
    }
    // Envoy sends none of these.
    for (name, value) in [
        ("If-Modified-Since", "Fri, 31 Dec 2100 23:59:59 GMT"),
        ("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("If-Match", "\"x\""),
        ("If-None-Match", "*"),
        ("Range", "bytes=1-"),
    ] {
        for port in [endpoint.everyone, endpoint.users] {
            assert_same(port, &Request::get("/").header(name, value));
        }
    }
    endpoint.nginx.finish();
}

fn with_token(request: &Request, token: &str) -> Request {
    request.clone().header("Authorization", format!("Bearer {token}"))
}

/// Of every method, of odd paths, with a body, and with headers that mean something to other servers.
fn requests() -> Vec<Request> {
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "BREW"];
    let targets = ["/a/b?c=d", "/index.html", "/x.php", "/dir/", "//", "/a/../b", "/%61%2f..", "/%7Fé"];
    let headers = [
        ("Content-Length", "0"),
        ("Accept-Encoding", "gzip"),
        ("Upgrade", "websocket"),
        ("X-HTTP-Method-Override", "TRACE"),
        ("X-Original-URL", "/elsewhere"),
    ];
    let mut requests: Vec<Request> = methods.map(|method| Request::new(method, "/")).into();
    requests.extend(targets.map(Request::get));
    requests.extend(headers.map(|(name, value)| Request::get("/").header(name, value)));
    requests.push(Request::post("/upload", vec![b'x'; 100_000]));
    requests.push(Request::get("/").host("any.example:8443"));
    requests
}

#[test]
fn authgear_is_told_of_the_client_and_not_of_the_proxy() {
    let endpoint = Endpoint::start();
    for (line, expected) in [
        ("198.51.100.7", "198.51.100.7"),
        // What the client said, what Envoy added to it, and Envoy itself.
        ("203.0.113.9, 198.51.100.7, 127.0.0.1", "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7, 10.0.0.8", "198.51.100.7"),
    ] {
        let request = endpoint.stage.unique().header("X-Forwarded-For", line);
        assert_eq!(ask_plain(endpoint.everyone, &request).status, 204);
        let call = endpoint.stage.resolver.last_call().expect("it was asked");
        assert_eq!(call.text("x-forwarded-for"), Some(expected));
    }
    endpoint.nginx.finish();
}
