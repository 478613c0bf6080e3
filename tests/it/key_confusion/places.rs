//! The locations of the matrix, and the resolvers behind them. Every call has a number, which comes back in its answer.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::requests::ORIGINS;
use crate::harness::{Builder, Nginx};
use crate::standin::echo::{Echo, Http};
use crate::standin::resolver::session::{Resolution, resolve};
use crate::standin::resolver::settings::Settings;
use crate::standin::{Accounts, Call, ClientAuth, Fault, Leaf, Pki, Resolver};

/// What a resolver was sent, as far as its answer may depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) resolver: &'static str,
    target: String,
    /// `Host`, `X-Forwarded-Host`, `X-Forwarded-Proto`, `Authorization`, `Cookie`.
    headers: [Option<String>; 5],
    client_certificate: Option<Vec<u8>>,
}

/// All calls, in the order of their numbers.
#[derive(Clone, Default)]
pub(super) struct Calls(Arc<Mutex<Vec<Sent>>>);

impl Calls {
    /// Takes note of a call and returns its number.
    fn add(&self, resolver: &'static str, call: &Call) -> usize {
        let text = |name| call.header(name).map(|value| value.escape_ascii().to_string());
        let sent = Sent {
            resolver,
            target: call.target.clone(),
            headers: ["host", "x-forwarded-host", "x-forwarded-proto", "authorization", "cookie"].map(text),
            client_certificate: call.client_certificate.clone(),
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(sent);
        all.len() - 1
    }

    pub(super) fn get(&self, number: usize) -> Option<Sent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(number).cloned()
    }

    /// Has a resolver put the call's number into each answer: behind the user's id, so that no two answers are of
    /// one user, and into a header of its own.
    pub(super) fn watch(&self, resolver: &Resolver, name: &'static str, cookie_prefix: &str) {
        let (calls, accounts) = (self.clone(), resolver.accounts().clone());
        let settings = Settings {
            cookie_prefix: cookie_prefix.to_owned(),
            cookie_domain: None,
            trust_proxy: true,
            app_host: None,
            lock_sessions: false,
            max_streams: None,
        };
        resolver.set_rule(move |call| {
            let number = calls.add(name, call);
            let mut headers = vec![("X-Authgear-Call".to_owned(), number.to_string())];
            if let Resolution::Valid(user) = resolve(&accounts, &settings, call) {
                headers.push(("X-Authgear-User-Id".to_owned(), format!("{}/{number}", user.id)));
            }
            Some(Fault::Headers(headers))
        });
    }
}

/// A location.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) name: &'static str,
    /// Locations of the same identity may share answers, others never.
    pub(super) identity: &'static str,
    /// The resolver that would read a client's own headers as those of this location are to be read, if there is one.
    pub(super) oracle: Option<&'static str>,
    /// No call from here can succeed: TLS forbids it.
    pub(super) fails: bool,
    lines: String,
}

impl Place {
    pub(super) fn cached(&self) -> String {
        format!("/cached/{}", self.name)
    }

    pub(super) fn plain(&self) -> String {
        format!("/plain/{}", self.name)
    }
}

/// The resolvers and the backend.
pub(super) struct World {
    pub(super) resolvers: Vec<(&'static str, Resolver)>,
    pub(super) calls: Calls,
    pub(super) places: Vec<Place>,
    pub(super) backend: Echo,
    /// Kept as long as the locations name files in it.
    _files: tempfile::TempDir,
}

impl World {
    pub(super) fn start() -> Self {
        let files = tempfile::tempdir().expect("a folder");
        Pki::shared().write(files.path()).expect("writable");
        let both = [Pki::shared().ca_pem.as_str(), &Pki::shared().other_ca_pem].concat();
        std::fs::write(files.path().join("both.pem"), both).expect("writable");
        let calls = Calls::default();
        let resolvers = resolvers();
        for (name, resolver) in &resolvers {
            let prefix = PREFIX_OF.iter().find(|(of, _)| of == name).map_or("", |(_, prefix)| prefix);
            calls.watch(resolver, name, prefix);
        }
        let places = places(&resolvers, files.path());
        let backend = Http::listen_keeping(([127, 0, 0, 1], 0).into(), 1);
        Self { resolvers, calls, places, backend, _files: files }
    }

    pub(super) fn resolver(&self, name: &str) -> &Resolver {
        &self.resolvers.iter().find(|(of, _)| *of == name).expect("there is one").1
    }

    pub(super) fn accounts(&self) -> &Accounts {
        self.resolver("A").accounts()
    }

    /// Each location twice: `/cached/NAME`, all of them in one zone, and `/plain/NAME` without it.
    pub(super) fn nginx(&self, workers: usize) -> Nginx {
        let twins = self.places.iter().map(|Place { name, lines, .. }| {
            format!(
                "location = /cached/{name} {{ {lines} authgear_cache sessions; proxy_pass http://backend; }}
                 location = /plain/{name} {{ {lines} proxy_pass http://backend; }}"
            )
        });
        twins.fold(self.builder().workers(workers), Builder::server).start()
    }

    fn builder(&self) -> Builder {
        Nginx::builder()
            .http(format!("upstream backend {{ server {}; keepalive 32; }}", self.backend.addr()))
            .http(
                "authgear_cache_zone zone=sessions:32m; authgear_cache_valid valid invalid none 1h;
                 authgear_timeout 30s; authgear_connect_timeout 30s;
                 proxy_http_version 1.1; proxy_set_header Connection \"\";
                 proxy_set_header Cookie \"\"; proxy_set_header Authorization \"\";
                 keepalive_requests 1000000; large_client_header_buffers 8 64k; access_log off;",
            )
            .server("add_header X-Cache $authgear_cache_status always;")
    }
}

/// `http.cookie_prefix` of resolvers that have one.
const PREFIX_OF: [(&str, &str); 2] = [("app_", "app_"), ("host", "__Host-")];

fn resolvers() -> Vec<(&'static str, Resolver)> {
    let others = Accounts::default();
    for user in ["alice", "bob"] {
        others.update(user, |user| user.id = format!("another-{}", user.name));
    }
    let a = Resolver::builder().keep_calls(0).start();
    let with =
        |prefix| Resolver::builder().keep_calls(0).accounts(a.accounts()).cookie_prefix(prefix).start();
    let tls = Pki::shared().server(Leaf::Good);
    let tls =
        Resolver::builder().keep_calls(0).accounts(a.accounts()).tls(tls).client_auth(ClientAuth::Optional);
    vec![
        ("B", Resolver::builder().keep_calls(0).accounts(&others).start()),
        ("app_", with("app_")),
        ("host", with("__Host-")),
        ("tls", tls.start()),
        ("A", a),
    ]
}

fn places(resolvers: &[(&'static str, Resolver)], files: &Path) -> Vec<Place> {
    let url = |of| resolvers.iter().find(|(name, _)| *name == of).expect("there is one").1.url();
    let mut places = Vec::new();
    let mut place = |name, identity, oracle, lines: String| {
        let fails = ["tls-other-ca", "tls-wrong-name", "tls-other-client"].contains(&name);
        places.push(Place { name, identity, oracle, fails, lines });
    };
    let at = |of, lines: &str| format!("authgear_resolve {}; {lines}", url(of));

    place("a", "a", Some("A"), at("A", ""));
    place("a-again", "a", Some("A"), at("A", "authgear_timeout 20s; authgear_max_inflight 500;"));
    place(
        "a-spelled-out",
        "a",
        Some("A"),
        format!("authgear_resolve {0}/_resolver/resolve; authgear_origin {0};", url("A")),
    );
    place("b", "b", Some("B"), at("B", ""));
    place("path", "path", Some("A"), format!("authgear_resolve {}/resolve;", url("A")));
    place("origin-0", "origin-0", None, at("A", &format!("authgear_origin {};", ORIGINS[0])));
    place("origin-1", "origin-1", None, at("A", &format!("authgear_origin {};", ORIGINS[1])));
    place("origin-port", "origin-port", None, at("A", &format!("authgear_origin {}:8443;", ORIGINS[0])));
    place("origin-http", "origin-http", None, at("A", "authgear_origin http://auth.example.com;"));
    place("origin-of-b", "origin-of-b", None, at("A", &format!("authgear_origin {};", url("B"))));
    place("b-origin", "b-origin", None, at("B", &format!("authgear_origin {};", ORIGINS[0])));

    place("prefix-a", "prefix-a", None, at("A", "authgear_cookie_prefix a;"));
    place("prefix-app", "prefix-app", None, at("A", "authgear_cookie_prefix app_;"));
    place("prefix-upper", "prefix-upper", None, at("A", "authgear_cookie_prefix APP_;"));
    place("app", "app", Some("app_"), at("app_", "authgear_cookie_prefix app_;"));
    place("app-none", "app-none", None, at("app_", ""));
    place("host", "host", Some("host"), at("host", "authgear_cookie_prefix __Host-;"));
    place("host-none", "host-none", None, at("host", ""));

    let files = files.display();
    let tls = |ca: &str, lines: &str| {
        at("tls", &format!("authgear_ssl_trusted_certificate {files}/{ca}.pem; {lines}"))
    };
    let client = |of: &str| {
        format!("authgear_ssl_certificate {files}/{of}.pem; authgear_ssl_certificate_key {files}/{of}.key;")
    };
    place("tls", "tls", Some("A"), tls("ca", ""));
    place("tls-unverified", "tls-unverified", Some("A"), at("tls", "authgear_ssl_verify off;"));
    place("tls-other-ca", "tls-other-ca", None, tls("other-ca", ""));
    place("tls-two-cas", "tls-two-cas", Some("A"), tls("both", ""));
    place("tls-name", "tls-name", Some("A"), tls("ca", "authgear_ssl_name localhost;"));
    place("tls-wrong-name", "tls-wrong-name", None, tls("ca", "authgear_ssl_name wrong.example.org;"));
    place("tls-client", "tls-client", Some("A"), tls("ca", &client("client")));
    place("tls-other-client", "tls-other-client", None, tls("ca", &client("other-client")));
    places
}
