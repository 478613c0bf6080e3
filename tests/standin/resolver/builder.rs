//! Configuring a resolver.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::TlsAcceptor;

use super::settings::Settings;
use super::shared::Shared;
use super::{Resolver, serve};
use crate::standin::accounts::Accounts;
use crate::standin::net::Server;
use crate::standin::tls::{ClientAuth, ServerTls};

pub struct Builder {
    settings: Settings,
    accounts: Accounts,
    tls: Option<ServerTls>,
    alpn: Vec<Vec<u8>>,
    client_auth: ClientAuth,
    h2c: bool,
    listen: SocketAddr,
    keep_calls: usize,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            settings: Settings {
                cookie_prefix: String::new(),
                cookie_domain: None,
                trust_proxy: true,
                app_host: None,
                lock_sessions: false,
                max_streams: None,
            },
            accounts: Accounts::default(),
            tls: None,
            alpn: vec![b"http/1.1".to_vec()],
            client_auth: ClientAuth::None,
            h2c: false,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            keep_calls: usize::MAX,
        }
    }
}

impl Builder {
    /// `http.cookie_prefix`
    #[must_use]
    pub fn cookie_prefix(mut self, prefix: &str) -> Self {
        self.settings.cookie_prefix = prefix.to_owned();
        self
    }

    /// `http.cookie_domain`
    #[must_use]
    pub fn cookie_domain(mut self, domain: &str) -> Self {
        self.settings.cookie_domain = Some(domain.to_owned());
        self
    }

    /// `TRUST_PROXY`; on by default.
    #[must_use]
    pub fn trust_proxy(mut self, trust: bool) -> Self {
        self.settings.trust_proxy = trust;
        self
    }

    /// The `database` config source with one app: every other host is answered with 404.
    #[must_use]
    pub fn app_host(mut self, host: &str) -> Self {
        self.settings.app_host = Some(host.to_owned());
        self
    }

    /// Of parallel calls with the same credential, all but the first are answered with 500.
    #[must_use]
    pub fn lock_sessions(mut self, lock: bool) -> Self {
        self.settings.lock_sessions = lock;
        self
    }

    /// SETTINGS_MAX_CONCURRENT_STREAMS of HTTP/2.
    #[must_use]
    pub fn max_streams(mut self, streams: u32) -> Self {
        self.settings.max_streams = Some(streams);
        self
    }

    /// `session.idle_timeout_seconds`
    #[must_use]
    pub fn idle_timeout(self, timeout: Duration) -> Self {
        self.accounts.set_idle_timeout(Some(timeout));
        self
    }

    /// `session.lifetime_seconds`
    #[must_use]
    pub fn session_lifetime(self, lifetime: Duration) -> Self {
        self.accounts.set_session_lifetime(Some(lifetime));
        self
    }

    /// Shares the accounts of another resolver.
    #[must_use]
    pub fn accounts(mut self, accounts: &Accounts) -> Self {
        self.accounts = accounts.clone();
        self
    }

    #[must_use]
    pub fn tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// The protocols that TLS offers, in order of preference; `http/1.1` by default.
    #[must_use]
    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        self.alpn = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    #[must_use]
    pub fn client_auth(mut self, client_auth: ClientAuth) -> Self {
        self.client_auth = client_auth;
        self
    }

    /// HTTP/2 in clear text, for clients with prior knowledge.
    #[must_use]
    pub fn h2c(mut self, h2c: bool) -> Self {
        self.h2c = h2c;
        self
    }

    /// The address to listen on; by default a free port of 127.0.0.1.
    #[must_use]
    pub fn listen(mut self, addr: SocketAddr) -> Self {
        self.listen = addr;
        self
    }

    /// Keeps only the latest calls, for tests with millions of them. All are still counted.
    #[must_use]
    pub fn keep_calls(mut self, calls: usize) -> Self {
        self.keep_calls = calls;
        self
    }

    pub fn start(self) -> Resolver {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let acceptor =
            self.tls.map(|tls| TlsAcceptor::from(Arc::new(tls.config(&self.alpn, self.client_auth))));
        let shared = Arc::new(Shared::new(self.settings, self.accounts, self.keep_calls));
        let (for_connections, h2c) = (shared.clone(), self.h2c);
        let server = Server::start(self.listen, move |stream| {
            serve::connection(for_connections.clone(), stream, acceptor.clone(), h2c)
        });
        Resolver { server: server.expect("a port for the resolver"), shared, scheme }
    }
}
