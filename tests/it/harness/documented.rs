//! Authgear's documented setup for stock nginx, which the module replaces: tests compare what a backend gets from the
//! module and from this setup.

use std::fmt::{Display, Write as _};

use super::config::Builder;
use super::nginx::Nginx;

/// The identity headers that the guide lists; `x-authgear-user-roles` is not among them.
pub(crate) const LISTED: [&str; 8] = [
    "session-valid",
    "user-id",
    "user-anonymous",
    "user-verified",
    "session-acr",
    "session-amr",
    "session-authenticated-at",
    "user-can-reauthenticate",
];

/// The fragments of the setup.
#[derive(Clone, Debug)]
pub(crate) struct Documented {
    /// Empty unless it caches.
    pub(crate) http: String,
    pub(crate) server: String,
}

/// The setup of the guide without its cache. `resolver_url` has no path; `echo` is `address:port` of the backend.
pub(crate) fn documented_auth_request(resolver_url: impl Display, echo: impl Display) -> Documented {
    let mut server = String::from("location / {\nauth_request /_auth;\n");
    for name in LISTED {
        let variable = name.replace('-', "_");
        let set = format!("auth_request_set $x_authgear_{variable} $upstream_http_x_authgear_{variable};");
        let pass = format!("proxy_set_header x-authgear-{name} $x_authgear_{variable};");
        writeln!(server, "{set}\n{pass}").expect("writing to a String can't fail");
    }
    writeln!(server, "proxy_pass http://{echo};\n}}").expect("writing to a String can't fail");
    let auth = format!(
        "location = /_auth {{\ninternal;\nproxy_pass {resolver_url}/_resolver/resolve;\n\
         proxy_pass_request_body off;\nproxy_set_header Content-Length \"\";\n}}\n"
    );
    Documented { http: String::new(), server: server + &auth }
}

impl Documented {
    /// Adds lines to the location that asks the resolver, such as the Host header that selects the tenant.
    pub(crate) fn auth_lines(mut self, lines: &str) -> Self {
        self.server = self.server.replace("internal;\n", &format!("internal;\n{lines}\n"));
        self
    }

    /// Adds the guide's cache, with the guide's key.
    pub(crate) fn cached(mut self) -> Self {
        // Relative to the instance's own folder.
        self.http = "proxy_cache_path auth_cache keys_zone=auth_cache:10m;\n".into();
        self.auth_lines(
            "proxy_cache auth_cache;\nproxy_cache_key \"$cookie_session|$http_authorization\";\n\
             proxy_cache_valid 200 10m;",
        )
    }

    /// Stock nginx with this setup.
    pub(crate) fn builder(&self) -> Builder {
        Nginx::builder().module(false).http(self.http.clone()).server(self.server.clone())
    }
}
