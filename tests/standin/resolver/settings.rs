//! The configuration of the deployment that the stand-in plays.

use super::call::Call;
use crate::standin::accounts::Kind;
use crate::standin::go;

#[derive(Debug, Clone)]
pub struct Settings {
    pub cookie_prefix: String,
    pub cookie_domain: Option<String>,
    /// Whether `X-Forwarded-*` and `X-Original-*` are trusted.
    pub trust_proxy: bool,
    /// The only host that has an app; `None` for a server with one app, which ignores the host.
    pub app_host: Option<String>,
    /// Whether parallel calls with one credential fail with 500, as they may do at the real server's session lock.
    pub lock_sessions: bool,
    /// How many streams an HTTP/2 connection may have at a time; `None` for no limit.
    pub max_streams: Option<u32>,
}

impl Settings {
    pub fn cookie_name(&self, kind: Kind) -> String {
        format!("{}{}", self.cookie_prefix, kind.cookie().unwrap_or_default())
    }

    /// The host, with its port, by which the app is looked up.
    pub fn host(&self, call: &Call) -> String {
        let header = |name| call.header(name).map(go::first_of_list).filter(|value| !value.is_empty());
        let forwarded = || header("x-forwarded-host").or_else(|| header("x-original-host"));
        let host = if self.trust_proxy { forwarded() } else { None };
        String::from_utf8_lossy(host.or_else(|| call.header("host")).unwrap_or_default()).into_owned()
    }

    pub fn proto(&self, call: &Call) -> String {
        let header = |name| call.header(name).filter(|value| !value.is_empty());
        let forwarded = || header("x-forwarded-proto").or_else(|| header("x-original-proto"));
        let proto = if self.trust_proxy { forwarded() } else { None };
        let own: &[u8] = if call.tls { b"https" } else { b"http" };
        String::from_utf8_lossy(proto.unwrap_or(own)).into_owned()
    }

    /// The origin that the audience of a JWT must contain.
    pub fn origin(&self, call: &Call) -> String {
        format!("{}://{}", self.proto(call), self.host(call))
    }

    pub fn has_app(&self, call: &Call) -> bool {
        let Some(app) = &self.app_host else { return true };
        let host = self.host(call);
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => &host,
        };
        name == app
    }
}
