//! The HTTP client library's connection pools, one per resolver.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::redirect::Policy;
use tokio::time::Instant;

use super::dns::{HostDns, Names};
use super::target::Target;
use crate::cache_key::ResolverId;
use crate::session::answer::MAX_HEAD_BYTES;

/// A pool is replaced at this age, so that address changes are noticed even though connections are kept alive.
const MAX_AGE: Duration = Duration::from_secs(300);
/// How long an idle connection is kept. Authgear's server never closes one; proxies in front of it do after about a
/// minute, and the retry hides that.
const KEEP_IDLE: Duration = Duration::from_secs(55);
/// Limits on idle connections, for the whole worker and for one pool. Idle connections hold file descriptors that
/// clients need; with one pool for each of a thousand resolvers they could use all of them.
const MAX_IDLE: usize = 128;
const MAX_IDLE_IN_POOL: usize = 32;
/// An HTTP/2 connection that doesn't answer a ping is detected as dead within the sum of these two.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// The library rejects HTTP/1.1 answers with more header lines than this.
const MAX_HEADER_LINES: usize = 512;

/// A connection pool and what is known about its health.
#[derive(Clone)]
pub(crate) struct PooledClient {
    pub(crate) http: reqwest::Client,
    /// Keeps no idle connections. Used for the retry, which must not pick another connection that died at the same
    /// moment.
    pub(crate) fresh: reqwest::Client,
    health: Arc<Health>,
    dns: HostDns,
}

#[derive(Default)]
struct Health {
    speaks_http1: AtomicBool,
    speaks_http2: AtomicBool,
    is_suspect: AtomicBool,
}

impl PooledClient {
    pub(crate) fn answered(&self, version: http::Version) {
        let is_http2 = version == http::Version::HTTP_2;
        self.health.speaks_http1.store(!is_http2, Ordering::Relaxed);
        self.health.speaks_http2.store(is_http2, Ordering::Relaxed);
    }

    /// Records that no connection could be made.
    pub(crate) fn not_connected(&self) {
        self.dns.doubt();
    }

    /// Records that a call timed out. With HTTP/2 all calls share one connection, which may be the cause, so the pool
    /// is replaced, unless answers have arrived over HTTP/1.1.
    pub(crate) fn timed_out(&self) {
        if !self.health.speaks_http1.load(Ordering::Relaxed) {
            self.health.is_suspect.store(true, Ordering::Relaxed);
        }
    }
}

/// Only calls with equal keys may share connections: same resolver, same certificates, and same connect timeout, which
/// the library sets per pool.
type PoolKey = (ResolverId, [u8; 32], Duration);

/// At most this many pools may be replaced in a row because of timeouts; one more is allowed after each `REGAINED_IN`.
/// A replaced pool's connection isn't always closed: if the server allows no further streams but answers pings, the
/// library keeps the connection for the call that is waiting for a stream. The limit keeps such connections from using
/// up the worker's file descriptors.
const REPLACEMENTS: u32 = 64;
const REGAINED_IN: Duration = Duration::from_secs(60);

struct Pool {
    client: PooledClient,
    made: Instant,
    /// Replacements left when this pool was made.
    left: u32,
    used: Instant,
    /// The highest number of concurrent calls.
    most_calls: usize,
}

impl Pool {
    fn new(client: PooledClient, now: Instant, left: u32) -> Self {
        Self { client, made: now, left, used: now, most_calls: 0 }
    }

    /// Decides whether to replace this pool: returns the number of replacements left to the new pool, or `None` to keep
    /// this one.
    fn successor(&self, now: Instant) -> Option<u32> {
        let age = now.duration_since(self.made);
        let regained = u32::try_from(age.as_secs() / REGAINED_IN.as_secs()).unwrap_or(REPLACEMENTS);
        let left = self.left.saturating_add(regained).min(REPLACEMENTS);
        if self.client.health.is_suspect.load(Ordering::Relaxed) {
            left.checked_sub(1)
        } else {
            (age >= MAX_AGE).then_some(left)
        }
    }

    /// Returns a client for one more call.
    fn hand_out(&mut self, now: Instant) -> PooledClient {
        let client = self.client.clone();
        self.used = now;
        // Each call in flight holds a clone of the client; one more belongs to the pool itself.
        self.most_calls = self.most_calls.max(Arc::strong_count(&client.health) - 1);
        client
    }

    /// The number of connections that may be idle in this pool: as many as there were concurrent calls, or one for
    /// HTTP/2, where calls share a connection.
    fn idle_at_most(&self) -> usize {
        let is_http2 = self.client.health.speaks_http2.load(Ordering::Relaxed);
        if is_http2 { 1 } else { self.most_calls.min(MAX_IDLE_IN_POOL) }
    }
}

#[derive(Default)]
pub(crate) struct Clients {
    pools: HashMap<PoolKey, Pool>,
    names: Names,
}

impl Clients {
    /// Returns the pool for a target, creating or replacing it if necessary.
    ///
    /// # Errors
    /// If the library can't create a client.
    pub(crate) fn get(&mut self, target: &Target, now: Instant) -> reqwest::Result<PooledClient> {
        let key = (target.id(), target.tls_digest(), target.connect_timeout());
        let mut pool = match self.pools.remove(&key) {
            None => Pool::new(self.make(target)?, now, REPLACEMENTS),
            Some(pool) => match pool.successor(now) {
                None => pool,
                // Calls in flight keep the old pool alive until they end.
                Some(left) => Pool::new(self.make(target)?, now, left),
            },
        };
        let client = pool.hand_out(now);
        self.make_room_for(&pool);
        self.pools.insert(key, pool);
        Ok(client)
    }

    fn make(&self, target: &Target) -> reqwest::Result<PooledClient> {
        let dns = HostDns::new(target.dial_host(), &self.names);
        let configure = || configure(target, dns.clone());
        Ok(PooledClient {
            http: configure()
                .pool_idle_timeout(KEEP_IDLE)
                .pool_max_idle_per_host(MAX_IDLE_IN_POOL)
                .build()?,
            fresh: configure().pool_max_idle_per_host(0).build()?,
            health: Arc::default(),
            dns,
        })
    }

    /// Drops the least recently used pools, together with their idle connections, until the limit on idle connections
    /// is met.
    fn make_room_for(&mut self, pool: &Pool) {
        let mut idle = pool.idle_at_most() + self.pools.values().map(Pool::idle_at_most).sum::<usize>();
        while idle > MAX_IDLE {
            let oldest = self.pools.iter().min_by_key(|(_, other)| other.used).map(|(key, _)| *key);
            let Some(dropped) = oldest.and_then(|key| self.pools.remove(&key)) else { return };
            idle -= dropped.idle_at_most();
        }
    }
}

fn configure(target: &Target, dns: HostDns) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        // Set even for http: without it the library would load the system's root certificates here, in the worker.
        .tls_backend_preconfigured(target.tls().clone())
        .dns_resolver(dns)
        .connect_timeout(target.connect_timeout())
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .http1_max_headers(MAX_HEADER_LINES)
        .http2_max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT);
    if target.needs_host_header() { builder.http1_only() } else { builder }
}

#[cfg(test)]
mod tests;
