//! Every kind of backend that nginx speaks to gets the trusted headers once each, and no forged one.

mod chained;
mod variables_only;

use super::harness::{Builder, Nginx, Request, Wire, for_each_wire};
use super::stage::{LAX, Stage, by, identity, identity_of};
use super::standin::echo::{Echo, FastCgi, Grpc, Http, Scgi, Seen, Uwsgi};

/// What a CGI kind needs to know of a request.
const PARAMS: [&str; 4] = [
    "REQUEST_METHOD $request_method",
    // Not the original one, or the echo would redirect for ever.
    "REQUEST_URI $uri$is_args$args",
    "CONTENT_LENGTH $content_length",
    "SERVER_PROTOCOL $server_protocol",
];

/// A kind of backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Proxy10,
    /// HTTP/1.1 on connections that are kept.
    Proxy11,
    FastCgi,
    /// On connections that are kept.
    FastCgiKept,
    Uwsgi,
    Scgi,
    Grpc,
}

impl Kind {
    const ALL: [Self; 7] =
        [Self::Proxy10, Self::Proxy11, Self::FastCgi, Self::FastCgiKept, Self::Uwsgi, Self::Scgi, Self::Grpc];

    /// The prefix of the directives.
    fn module(self) -> &'static str {
        match self {
            Self::Proxy10 | Self::Proxy11 => "proxy",
            Self::FastCgi | Self::FastCgiKept => "fastcgi",
            Self::Uwsgi => "uwsgi",
            Self::Scgi => "scgi",
            Self::Grpc => "grpc",
        }
    }

    fn is_cgi(self) -> bool {
        matches!(self, Self::FastCgi | Self::FastCgiKept | Self::Uwsgi | Self::Scgi)
    }

    fn stage(self) -> Stage {
        Stage::before(self.echo())
    }

    fn echo(self) -> Echo {
        match self {
            Self::Proxy10 | Self::Proxy11 => Http::start(),
            Self::FastCgi | Self::FastCgiKept => FastCgi::start(),
            Self::Uwsgi => Uwsgi::start(),
            Self::Scgi => Scgi::start(),
            Self::Grpc => Grpc::start(),
        }
    }

    /// The lines of a location that pass to `backend`, an upstream's name.
    fn pass(self, backend: &str) -> String {
        let module = self.module();
        let params = PARAMS.iter().map(|param| format!("{module}_param {param};\n"));
        let params: String = if self.is_cgi() { params.collect() } else { String::new() };
        match self {
            Self::Proxy10 => format!("proxy_pass http://{backend};"),
            Self::Proxy11 => {
                format!(
                    "proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_pass http://{backend};"
                )
            }
            Self::FastCgiKept => format!("{params} fastcgi_keep_conn on; fastcgi_pass {backend};"),
            Self::Grpc => format!("grpc_pass grpc://{backend};"),
            _ => format!("{params} {module}_pass {backend};"),
        }
    }

    fn upstream(self, name: &str, echo: &Echo) -> String {
        let keepalive = matches!(self, Self::Proxy11 | Self::FastCgiKept | Self::Grpc);
        let keepalive = if keepalive { "keepalive 1;" } else { "" };
        format!("upstream {name} {{ server {}; {keepalive} }}", echo.addr())
    }

    /// As `Stage::builder`, for this kind; `lines` stand in both locations.
    fn builder(self, stage: &Stage, lines: &str) -> Builder {
        let (resolve, pass) = (stage.resolve(), self.pass("app"));
        Nginx::builder().http(LAX).http(self.upstream("app", &stage.echo)).server(format!(
            "{resolve} location / {{ {lines} {pass} }} location /open/ {{ authgear_resolve off; {lines} {pass} }}"
        ))
    }
}

const FORGED: [&str; 6] = [
    "x-authgear-user-id",
    "x_authgear_user_id",
    "x-authgear_user.id",
    "x_authgear_user_roles",
    "x-authgear-session-valid",
    "x~authgear!some~day",
];

fn forged(target: &str) -> Request {
    FORGED.iter().fold(Request::get(target), |request, name| request.header(name, "forged"))
}

/// A CGI kind hands headers over as `HTTP_NAME`.
#[track_caller]
fn assert_kept(kind: Kind, seen: &Seen, name: &str, value: &str) {
    let name =
        if kind.is_cgi() { format!("HTTP_{}", name.to_uppercase().replace('-', "_")) } else { name.into() };
    assert_eq!(seen.header_all(&name), [value.as_bytes()], "{kind:?} {name}");
}

#[test]
fn every_kind_gets_each_trusted_header_once_and_no_forged_one() {
    for kind in Kind::ALL {
        println!("{kind:?}");
        let stage = kind.stage();
        let nginx = kind.builder(&stage, "").start();
        for_each_wire(|wire| {
            for user in ["alice", "norole", "anonymous", "disabled"] {
                for request in [by(user, forged("/")), by(user, Request::get("/"))] {
                    let seen = stage.ask(&nginx, wire, request.header("x-kept-header", "1"));
                    assert_eq!(identity(&seen), identity_of(user), "{user}");
                    assert_kept(kind, &seen, "x-kept-header", "1");
                }
            }
        });
        nginx.finish();
    }
}

#[test]
fn no_kind_gets_a_forged_header_without_an_identity() {
    for kind in Kind::ALL {
        println!("{kind:?}");
        let stage = kind.stage();
        let nginx = kind.builder(&stage, "").start();
        for_each_wire(|wire| {
            for request in
                [forged("/"), by("nobody", forged("/")), by("alice", forged("/open/")), forged("/open/")]
            {
                let seen = stage.ask(&nginx, wire, request.header("x-kept-header", "1"));
                assert_eq!(identity(&seen), []);
                assert_kept(kind, &seen, "x-kept-header", "1");
            }
        });
        nginx.finish();
    }
}

#[test]
fn every_kind_gets_the_exempt_headers() {
    for kind in Kind::ALL {
        let stage = kind.stage();
        let nginx = kind.builder(&stage, "").start();
        let request = forged("/").header("x-authgear-xhr", "1").header("x-authgear-body-signature", "2");
        let seen = stage.ask(&nginx, Wire::Http1, request);
        assert_kept(kind, &seen, "x-authgear-xhr", "1");
        assert_kept(kind, &seen, "x-authgear-body-signature", "2");
        assert_eq!(identity(&seen).len(), 2);
        nginx.finish();
    }
}

#[test]
fn every_kind_gets_the_body_of_a_resolved_request() {
    let body: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let hash = blake3::hash(&body).to_hex().to_string();
    for kind in Kind::ALL {
        println!("{kind:?}");
        let stage = kind.stage();
        let nginx = kind.builder(&stage, "").start();
        for_each_wire(|wire| {
            let seen = stage.ask(&nginx, wire, by("bob", forged("/").body(&body)));
            assert_eq!((seen.body_len, &seen.body_hash), (400_000, &hash));
            assert_eq!(identity(&seen), identity_of("bob"));
        });
        nginx.finish();
    }
}

#[test]
fn users_on_one_kept_backend_connection_do_not_mix() {
    for kind in [Kind::Proxy11, Kind::FastCgiKept, Kind::Grpc] {
        println!("{kind:?}");
        let stage = kind.stage();
        let nginx = kind.builder(&stage, "").start();
        for_each_wire(|wire| {
            for user in ["alice", "norole", "", "disabled", "bob", "", "alice", "anonymous"] {
                let request = if user.is_empty() { forged("/") } else { by(user, forged("/")) };
                let expected = if user.is_empty() { vec![] } else { identity_of(user) };
                assert_eq!(identity(&stage.ask(&nginx, wire, request)), expected);
            }
        });
        nginx.finish();
    }
}

#[test]
fn what_a_site_sets_from_the_variables_replaces_the_header() {
    // Lines left over from the documented set-up must not double anything.
    for kind in Kind::ALL {
        println!("{kind:?}");
        let stage = kind.stage();
        let lines = match kind {
            Kind::Proxy10 | Kind::Proxy11 => {
                "proxy_set_header X-Authgear-User-Id $authgear_user_id;".to_owned()
            }
            Kind::Grpc => "grpc_set_header X-Authgear-User-Id $authgear_user_id;".to_owned(),
            _ => format!("{}_param HTTP_X_AUTHGEAR_USER_ID $authgear_user_id;", kind.module()),
        };
        let nginx = kind.builder(&stage, &lines).start();
        for_each_wire(|wire| {
            assert_eq!(identity(&stage.ask(&nginx, wire, by("alice", forged("/")))), identity_of("alice"));
        });
        nginx.finish();
    }
}
