//! What can happen to a request with credentials, as far as somebody may want to write about it.

use super::Secrets;
use crate::harness::{Builder, Nginx, Request, free_port};
use crate::stage::Stage;
use crate::standin::{ConnectionFault, Fault, Leaf, Pki, Resolver};

/// One thing that happens.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// What clients see.
    pub(super) status: u16,
    /// Words of the line that the module must write, so that the search has something to look at.
    told: Option<&'static str>,
    happens: Happens,
    /// More lines at the level http.
    http: &'static str,
    change: fn(Request, &mut Secrets) -> Request,
}

enum Happens {
    Nothing,
    Answer(fn() -> Fault),
    /// An answer with the client's credentials in it: whoever quotes the answer quotes those.
    Echo(fn(String) -> Fault),
    Connection(fn() -> ConnectionFault),
    Tls(Leaf),
    ClosedPort,
}

use Happens::{Answer, ClosedPort, Connection, Echo, Nothing, Tls};

const FAILED: Option<&str> = Some("failed: ");
const REFUSED: Option<&str> = Some("request refused with");

const fn scenario(name: &'static str, status: u16, told: Option<&'static str>, happens: Happens) -> Scenario {
    Scenario { name, status, told, happens, http: "", change: |request, _| request }
}

impl Scenario {
    fn with(self, http: &'static str, change: fn(Request, &mut Secrets) -> Request) -> Self {
        Self { http, change, ..self }
    }

    pub(super) fn stage(&self) -> Stage {
        let resolver = match self.happens {
            Tls(leaf) => Resolver::builder().tls(Pki::shared().server(leaf)).start(),
            _ => Resolver::start(),
        };
        match self.happens {
            Answer(fault) => resolver.set_fault(Some(fault())),
            Echo(fault) => resolver.set_rule(move |call| {
                Some(fault(format!("{} {}", call.text("authorization")?, call.text("cookie")?)))
            }),
            Connection(fault) => resolver.set_connection_fault(Some(fault())),
            _ => {}
        }
        Stage::with(resolver)
    }

    /// `ca` is a file to write the resolver's CA to.
    pub(super) fn builder(&self, stage: &Stage, ca: &std::path::Path) -> Builder {
        std::fs::write(ca, &Pki::shared().ca_pem).expect("writable");
        let url = match self.happens {
            ClosedPort => format!("http://127.0.0.1:{}", free_port()),
            _ => stage.resolver.url(),
        };
        // Nothing but a call that hangs is to meet its end, however slow the machine.
        let timeout = if self.status == 504 { "300ms" } else { "5s" };
        Nginx::builder()
            .http(format!(
                "authgear_resolve {url}; authgear_ssl_trusted_certificate {}; authgear_timeout {timeout};
                 large_client_header_buffers 8 64k; {}",
                ca.display(),
                self.http
            ))
            .server(format!("location / {{ {} }}", stage.pass()))
    }

    pub(super) fn request(&self, request: Request, secrets: &mut Secrets) -> Request {
        (self.change)(request, secrets)
    }

    /// Whether the module has a say: not where others refuse the request before.
    pub(super) fn is_decided(&self) -> bool {
        !self.name.starts_with("refused by ")
    }

    #[track_caller]
    pub(super) fn assert_told(&self, log: &str) {
        if let Some(words) = self.told {
            let told = log.lines().any(|line| line.contains("authgear: ") && line.contains(words));
            assert!(told, "{}: no line with {words:?} in\n{log}", self.name);
        }
    }
}

pub(super) fn all() -> Vec<Scenario> {
    let all = [answers(), echoes(), connections(), requests()];
    all.into_iter().flatten().collect()
}

fn answers() -> Vec<Scenario> {
    vec![
        scenario("success", 200, None, Nothing),
        scenario("nobody's credentials", 200, None, Answer(|| Fault::ReplaceHeaders(vec![]))),
        scenario("500", 502, FAILED, Answer(|| Fault::PanicJson500)),
        scenario("hang", 504, FAILED, Answer(|| Fault::Hang)),
        scenario("closed", 502, FAILED, Answer(|| Fault::CloseBeforeAnswer)),
        scenario("reset", 502, FAILED, Answer(|| Fault::ResetBeforeAnswer)),
        scenario("closed in the head", 502, FAILED, Answer(|| Fault::CloseInHead)),
        scenario("huge", 502, FAILED, Answer(|| Fault::HugeHeaders(200_000))),
        scenario("garbage", 502, FAILED, Answer(|| Fault::Garbage(b"\x16\x03\x01 garbage\r\n\r\n".into()))),
        scenario("refused with 401", 401, REFUSED, Answer(|| Fault::Status(401))),
        scenario("refused with 403", 403, REFUSED, Answer(|| Fault::Status(403))),
    ]
}

fn echoes() -> Vec<Scenario> {
    vec![
        scenario("an echo as a body", 502, FAILED, Echo(|text| answer(500, "X-A", "", text))),
        scenario("an echo as a status", 502, FAILED, Echo(|text| raw("", &text))),
        scenario("an echo as a header line", 502, FAILED, Echo(|text| raw("200 OK\r\n", &text))),
        scenario("an echo as a bad value", 502, FAILED, Echo(|text| raw("200 OK\r\nA: \x01", &text))),
        scenario("an echo as a length", 502, FAILED, Echo(|text| raw("200 OK\r\nContent-Length: ", &text))),
        scenario("an echo as a place", 502, FAILED, Echo(|text| answer(302, "Location", "http://", text))),
        scenario(
            "an echo as a challenge",
            401,
            REFUSED,
            Echo(|text| answer(401, "WWW-Authenticate", "", text)),
        ),
        scenario(
            "an echo as a validity",
            502,
            FAILED,
            Echo(|text| Fault::Headers(vec![("X-Authgear-Session-Valid".into(), text)])),
        ),
    ]
}

fn raw(before: &str, text: &str) -> Fault {
    Fault::Garbage(format!("HTTP/1.1 {before}{text}\r\n\r\n").into())
}

fn answer(status: u16, name: &str, before: &str, text: String) -> Fault {
    let headers = vec![(name.to_owned(), format!("{before}{text}"))];
    Fault::Answer { status, headers, body: text.into() }
}

fn connections() -> Vec<Scenario> {
    vec![
        scenario("a closed port", 502, FAILED, ClosedPort),
        scenario("a connection that is closed", 502, FAILED, Connection(|| ConnectionFault::Close)),
        scenario("a connection that hangs", 504, FAILED, Connection(|| ConnectionFault::Hang)),
        scenario("an expired certificate", 502, FAILED, Tls(Leaf::Expired)),
        scenario("a certificate for another name", 502, FAILED, Tls(Leaf::WrongName)),
        scenario("a certificate of another CA", 502, FAILED, Tls(Leaf::WrongCa)),
        scenario("a certificate of its own", 502, FAILED, Tls(Leaf::SelfSigned)),
        scenario("TLS", 200, None, Tls(Leaf::Good)),
    ]
}

fn requests() -> Vec<Scenario> {
    vec![
        scenario("oversized", 200, None, Nothing).with("", |request, secrets| {
            let token: String = secrets.0.concat().chars().cycle().take(17_000).collect();
            request.header("Cookie", format!("app_session={token}"))
        }),
        scenario("a forbidden byte", 200, None, Nothing)
            .with("", |request, secrets| request.header("Cookie", format!("session={}\x01", secrets.0[0]))),
        scenario("a byte that is no text", 200, None, Nothing).with("", |request, secrets| {
            request.header("Cookie", [secrets.0[0].as_bytes(), b"=\xff; app_session=\xfe\"\\"].concat())
        }),
        scenario("refused by nginx", 400, None, Nothing)
            .with("", |request, _| Request { target: "nonsense".into(), ..request }),
        scenario("refused by allow", 403, None, Nothing).with("deny all;", |request, _| request),
        scenario("let in all the same", 200, FAILED, Answer(|| Fault::Status(500)))
            .with("authgear_on_error anonymous;", |request, _| request),
    ]
}
