//! The configuration: as written at one level, merged with outer levels, and validated.

pub mod advice;
pub mod consequence;
pub mod parse;

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::breaker::Breaker;
use crate::endpoint::{Endpoint, Origin};
use crate::freshness::{Millis, StaleWindows, Times};
use crate::policy::Requirement;
use crate::resolver::target::{Target, TlsTarget};
use crate::resolver::tls::{CertificateChain, PrivateKey, Roots, TlsError};

/// The defaults, as documented in the manual.
pub mod defaults {
    use std::time::Duration;

    use crate::breaker::Breaker;
    use crate::freshness::Millis;

    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
    pub const TIMEOUT: Duration = Duration::from_secs(3);
    pub const MAX_INFLIGHT: u32 = 512;
    pub const BREAKER: Breaker = Breaker { max_fails: 5, fail_timeout: 10_000 };
    pub const REALM: &str = "authgear";
    pub const VALID: Millis = 60_000;
    pub const INVALID: Millis = 10_000;
    pub const NONE: Millis = 10_000;
}

/// `authgear_resolve`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolve {
    Off,
    At(Endpoint),
}

/// `authgear_on_error`: what happens to a request when the resolver fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// 504 for a timeout, 502 for everything else.
    #[default]
    Gateway,
    Status(u16),
    Anonymous,
}

/// `authgear_cache`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheIn {
    Off,
    /// The zone with this name.
    Zone(String),
}

/// `authgear_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusFormat {
    Json,
    Prometheus,
    Html,
}

/// The index of a declared zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneId(pub usize);

/// `authgear_cache_valid`; each kind is inherited separately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimesWritten {
    pub valid: Option<Millis>,
    pub invalid: Option<Millis>,
    pub none: Option<Millis>,
}

impl TimesWritten {
    fn inherit(&mut self, outer: &Self) {
        self.valid = self.valid.or(outer.valid);
        self.invalid = self.invalid.or(outer.invalid);
        self.none = self.none.or(outer.none);
    }

    fn or_default(&self) -> Times {
        Times {
            valid: self.valid.unwrap_or(defaults::VALID),
            invalid: self.invalid.unwrap_or(defaults::INVALID),
            none: self.none.unwrap_or(defaults::NONE),
        }
    }
}

/// The directives written at one level.
#[derive(Clone, Default)]
pub struct Overrides {
    pub resolve: Option<Resolve>,
    pub origin: Option<Origin>,
    pub cookie_prefix: Option<String>,
    pub connect_timeout: Option<Duration>,
    pub timeout: Option<Duration>,
    pub on_error: Option<OnError>,
    pub max_inflight: Option<u32>,
    /// `Some(None)` means `off`.
    pub breaker: Option<Option<Breaker>>,
    pub pass_set_cookie: Option<bool>,
    pub ssl_verify: Option<bool>,
    pub ssl_trusted: Option<Roots>,
    pub ssl_certificate: Option<CertificateChain>,
    pub ssl_certificate_key: Option<PrivateKey>,
    pub ssl_name: Option<String>,
    /// `Some(None)` means `off`.
    pub require: Option<Option<Requirement>>,
    pub realm: Option<String>,
    pub cache: Option<CacheIn>,
    pub cache_valid: TimesWritten,
    pub cache_use_stale: Option<StaleWindows>,
}

impl Overrides {
    /// Whether no directive is written at this level.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.resolve.is_none()
            && self.origin.is_none()
            && self.cookie_prefix.is_none()
            && self.connect_timeout.is_none()
            && self.timeout.is_none()
            && self.on_error.is_none()
            && self.max_inflight.is_none()
            && self.breaker.is_none()
            && self.pass_set_cookie.is_none()
            && self.ssl_verify.is_none()
            && self.ssl_trusted.is_none()
            && self.ssl_certificate.is_none()
            && self.ssl_certificate_key.is_none()
            && self.ssl_name.is_none()
            && self.require.is_none()
            && self.realm.is_none()
            && self.cache.is_none()
            && self.cache_valid == TimesWritten::default()
            && self.cache_use_stale.is_none()
    }

    /// Copies directives that are not written at this level from the outer level.
    pub fn inherit(&mut self, outer: &Self) {
        fn fill<T: Clone>(own: &mut Option<T>, outer: &Option<T>) {
            if own.is_none() {
                own.clone_from(outer);
            }
        }
        fill(&mut self.resolve, &outer.resolve);
        fill(&mut self.origin, &outer.origin);
        fill(&mut self.cookie_prefix, &outer.cookie_prefix);
        fill(&mut self.connect_timeout, &outer.connect_timeout);
        fill(&mut self.timeout, &outer.timeout);
        fill(&mut self.on_error, &outer.on_error);
        fill(&mut self.max_inflight, &outer.max_inflight);
        fill(&mut self.breaker, &outer.breaker);
        fill(&mut self.pass_set_cookie, &outer.pass_set_cookie);
        fill(&mut self.ssl_verify, &outer.ssl_verify);
        fill(&mut self.ssl_trusted, &outer.ssl_trusted);
        fill(&mut self.ssl_certificate, &outer.ssl_certificate);
        fill(&mut self.ssl_certificate_key, &outer.ssl_certificate_key);
        fill(&mut self.ssl_name, &outer.ssl_name);
        fill(&mut self.require, &outer.require);
        fill(&mut self.realm, &outer.realm);
        fill(&mut self.cache, &outer.cache);
        self.cache_valid.inherit(&outer.cache_valid);
        fill(&mut self.cache_use_stale, &outer.cache_use_stale);
    }
}

/// Directives that are valid individually but not in combination.
#[derive(Debug, Error)]
pub enum SettingsError {
    #[error(
        "\"authgear_require\" needs \"authgear_resolve\"; write \"authgear_require off\" to open this location"
    )]
    RequireWithoutResolve,
    #[error("\"authgear_ssl_certificate\" needs \"authgear_ssl_certificate_key\"")]
    NoKey,
    #[error("\"authgear_ssl_certificate_key\" needs \"authgear_ssl_certificate\"")]
    NoCertificate,
    #[error("{0}")]
    Tls(#[from] TlsError),
    #[error(
        "zone \"{0}\" is unknown; declare it with \"authgear_cache_zone zone={0}:10m\" at the level http"
    )]
    UnknownZone(String),
}

/// How a location's requests are resolved. Validated, and shared with the calls that it starts.
pub struct Settings {
    pub target: Arc<Target>,
    pub timeout: Duration,
    pub on_error: OnError,
    pub max_inflight: u32,
    pub breaker: Option<Breaker>,
    pub pass_set_cookie: bool,
    pub require: Option<Requirement>,
    pub realm: String,
    /// How long answers are reused, with or without a cache.
    pub times: Times,
    pub cache: Option<CacheSettings>,
}

/// How answers are stored and reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    pub zone: ZoneId,
    pub times: Times,
    pub stale: StaleWindows,
}

impl Settings {
    /// Validates merged directives; returns `None` if resolving is off. `system_roots` is called at most once; `zone` looks
    /// up a zone by name.
    ///
    /// # Errors
    /// See [`SettingsError`].
    pub fn new(
        merged: &Overrides,
        zone: impl FnOnce(&str) -> Option<ZoneId>,
        system_roots: impl FnOnce() -> Result<Roots, TlsError>,
    ) -> Result<Option<Self>, SettingsError> {
        // Looked up even if resolving is off, so that an unknown name is always reported.
        let cache = cache(merged, zone)?;
        let require = merged.require.clone().flatten();
        let Some(Resolve::At(endpoint)) = &merged.resolve else {
            return if require.is_some() { Err(SettingsError::RequireWithoutResolve) } else { Ok(None) };
        };
        let tls = if endpoint.is_https() { Some(tls_target(merged, system_roots)?) } else { None };
        let target = Target::new(
            endpoint,
            merged.origin.as_ref(),
            merged.cookie_prefix.as_deref().unwrap_or_default(),
            merged.connect_timeout.unwrap_or(defaults::CONNECT_TIMEOUT),
            tls,
        )?;
        Ok(Some(Self {
            target: Arc::new(target),
            timeout: merged.timeout.unwrap_or(defaults::TIMEOUT),
            on_error: merged.on_error.unwrap_or_default(),
            max_inflight: merged.max_inflight.unwrap_or(defaults::MAX_INFLIGHT),
            breaker: merged.breaker.unwrap_or(Some(defaults::BREAKER)),
            pass_set_cookie: merged.pass_set_cookie.unwrap_or(false),
            require,
            realm: merged.realm.clone().unwrap_or_else(|| defaults::REALM.to_owned()),
            times: merged.cache_valid.or_default(),
            cache,
        }))
    }
}

fn cache(
    merged: &Overrides,
    zone: impl FnOnce(&str) -> Option<ZoneId>,
) -> Result<Option<CacheSettings>, SettingsError> {
    let Some(CacheIn::Zone(name)) = &merged.cache else { return Ok(None) };
    let zone = zone(name).ok_or_else(|| SettingsError::UnknownZone(name.clone()))?;
    let times = merged.cache_valid.or_default();
    Ok(Some(CacheSettings { zone, times, stale: merged.cache_use_stale.unwrap_or_default() }))
}

fn tls_target(
    merged: &Overrides,
    system_roots: impl FnOnce() -> Result<Roots, TlsError>,
) -> Result<TlsTarget, SettingsError> {
    let roots = match (merged.ssl_verify.unwrap_or(true), &merged.ssl_trusted) {
        (false, _) => None,
        (true, Some(trusted)) => Some(trusted.clone()),
        (true, None) => Some(system_roots()?),
    };
    let identity = match (&merged.ssl_certificate, &merged.ssl_certificate_key) {
        (Some(chain), Some(key)) => Some((chain.clone(), key.clone())),
        (Some(_), None) => return Err(SettingsError::NoKey),
        (None, Some(_)) => return Err(SettingsError::NoCertificate),
        (None, None) => None,
    };
    Ok(TlsTarget { roots, identity, name: merged.ssl_name.clone() })
}

#[cfg(test)]
mod tests;
