//! The client library's pools of connections, one per resolver.

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

/// A pool is replaced at this age, so that a name's new addresses are found although connections are kept.
const MAX_AGE: Duration = Duration::from_secs(300);
/// An idle connection is kept this long. Authgear's server never closes one; proxies before it do after a minute or so,
/// and the retry hides that.
const KEEP_IDLE: Duration = Duration::from_secs(55);
/// So many connections may be idle in the worker, and so many of them in one pool. Idle connections take the descriptors that clients
/// need: with a pool for each of a thousand resolvers they would take all.
const MAX_IDLE: usize = 128;
const MAX_IDLE_IN_POOL: usize = 32;
/// HTTP/2 pings tell a dead connection from a quiet one within their sum.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// HTTP/1.1 answers with more lines than this are refused by the library.
const MAX_HEADER_LINES: usize = 512;

/// A pool of connections, and what was learned of it.
#[derive(Clone)]
pub(crate) struct PooledClient {
    pub(crate) http: reqwest::Client,
    /// Keeps no connection: for a second attempt, which must not meet another that died at the same moment.
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

    /// No connection could be made.
    pub(crate) fn not_connected(&self) {
        self.dns.doubt();
    }

    /// A call timed out. Over HTTP/2 the one connection that all calls share may be the cause: leave it behind, unless
    /// answers have come over HTTP/1.1.
    pub(crate) fn timed_out(&self) {
        if !self.health.speaks_http1.load(Ordering::Relaxed) {
            self.health.is_suspect.store(true, Ordering::Relaxed);
        }
    }
}

/// Connections may be shared by calls with equal keys only: the same resolver, the same certificates, and the connect timeout, which
/// belongs to the pool in the library.
type PoolKey = (ResolverId, [u8; 32], Duration);

/// So many pools may be replaced for a timeout one after the other, and one more in each such time. A connection that is left
/// behind isn't always closed: where the other side lets no further stream begin, and answers pings, the library keeps it for the call
/// that it was to make. They are not to become as many as a worker has descriptors.
const REPLACEMENTS: u32 = 64;
const REGAINED_IN: Duration = Duration::from_secs(60);

struct Pool {
    client: PooledClient,
    made: Instant,
    /// How many replacements were left when it was made.
    left: u32,
    used: Instant,
    /// The most calls that were under way at the same time.
    most_calls: usize,
}

impl Pool {
    fn new(client: PooledClient, now: Instant, left: u32) -> Self {
        Self { client, made: now, left, used: now, most_calls: 0 }
    }

    /// How many replacements are left to the one that is to take its place now; `None` where it stays.
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

    /// For one more call.
    fn hand_out(&mut self, now: Instant) -> PooledClient {
        let client = self.client.clone();
        self.used = now;
        // Each call holds on to its client; one more is the pool's own.
        self.most_calls = self.most_calls.max(Arc::strong_count(&client.health) - 1);
        client
    }

    /// How many connections may be idle in it: as many as calls have needed at a time. Over HTTP/2 they share one.
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
    /// The pool for a target, made or replaced where that is due.
    ///
    /// # Errors
    /// If the library can't make one.
    pub(crate) fn get(&mut self, target: &Target, now: Instant) -> reqwest::Result<PooledClient> {
        let key = (target.id(), target.tls_digest(), target.connect_timeout());
        let mut pool = match self.pools.remove(&key) {
            None => Pool::new(self.make(target)?, now, REPLACEMENTS),
            Some(pool) => match pool.successor(now) {
                None => pool,
                // Calls that are under way hold on to the old pool until they end.
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

    /// Drops the pools that were used least recently, and their idle connections with them, until few enough can be idle.
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
        // Given also where the scheme is http: the library would else look for the system's roots here, in the worker.
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
