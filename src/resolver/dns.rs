//! Host name resolution with `getaddrinfo`, using the same hints as nginx's own `proxy_pass`. The hosts file,
//! `nsswitch.conf`, search lists and the order of name servers therefore apply as everywhere else on the machine.
//!
//! `getaddrinfo` blocks, for up to half a minute if name servers don't respond, and can't be cancelled. So each look-up
//! runs on its own detached thread, and there is at most one look-up per name at a time.

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use dns_lookup::{AddrInfoHints, LookupError, LookupErrorKind, SockType, getaddrinfo};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::shortage::is_shortage;

/// How long a result is used before the name is looked up again. `getaddrinfo` doesn't return a TTL.
const REMEMBER: Duration = Duration::from_secs(5);
/// The same for a failure; short, so that it clears soon after the name becomes resolvable.
const REMEMBER_FAILURE: Duration = Duration::from_secs(1);
/// How long to wait for a new look-up before using the addresses found earlier.
const PREFER_NEW: Duration = Duration::from_millis(100);
/// After a failed connection, a result older than this is looked up again, since the host may have moved.
const RECHECK: Duration = Duration::from_millis(100);
/// How long addresses found earlier are used if name servers don't respond: as long as a connection pool is kept.
pub(super) const KEEP_OLD: Duration = Duration::from_secs(300);
/// Limits concurrent look-ups, each of which holds a thread and a socket. Many look-ups are in progress only if the
/// name servers of many names don't respond; they must not use all of the worker's file descriptors.
const MAX_LOOK_UPS: usize = 256;
/// Why there is no address to connect to. Includes the host, because the URL may contain a different name.
#[derive(Clone, Debug, Error)]
#[error("no address of \"{host}\": {why}")]
pub(crate) struct NoAddress {
    host: Arc<str>,
    why: Why,
}

impl NoAddress {
    /// Whether the cause is a lack of local resources.
    pub(crate) fn is_shortage(&self) -> bool {
        matches!(self.why, Why::Shortage(_))
    }
}

#[derive(Clone, Debug, Error)]
enum Why {
    /// The C library's message.
    #[error("{words}")]
    NotFound { words: String, is_final: bool },
    /// Out of threads, descriptors or memory.
    #[error("{0}")]
    Shortage(Arc<io::Error>),
    #[error("{MAX_LOOK_UPS} names are being looked up, and their name servers don't answer")]
    TooMany,
    #[error("this machine has no route to any of those that it has")]
    NoRoute,
    #[error("the look-up was lost")]
    Lost,
}

/// A host's addresses and when they were resolved.
#[derive(Clone)]
struct Addresses {
    said: Instant,
    list: Arc<[SocketAddr]>,
}

type Found = Result<Addresses, Why>;

/// The result of a finished look-up and when it finished.
struct Ended {
    at: Instant,
    found: Found,
}

/// What is known about a name.
struct Known {
    /// The latest look-up; `None` while it is in progress.
    latest: watch::Receiver<Option<Ended>>,
    /// The result before the latest look-up.
    before: Option<Addresses>,
    /// Set if connecting to the addresses found failed.
    is_doubted: bool,
}

/// The names that a worker has looked up. Bounded by the number of configured names.
#[derive(Clone, Default)]
pub(crate) struct Names {
    known: Arc<Mutex<HashMap<Arc<str>, Known>>>,
    /// Cloned by each look-up in progress, to count them.
    under_way: Arc<()>,
}

impl Names {
    async fn find(&self, host: &Arc<str>) -> Result<Arc<[SocketAddr]>, Why> {
        let (mut latest, before) = self.look_up(host, Instant::now());
        let end = async {
            match latest.wait_for(Option::is_some).await.as_deref() {
                Ok(Some(ended)) => ended.found.clone(),
                Ok(None) | Err(_) => Err(Why::Lost),
            }
        };
        let found = match before {
            Some(before) => timeout(PREFER_NEW, end).await.unwrap_or(Ok(before)),
            None => end.await,
        };
        found.map(|addresses| addresses.list)
    }

    /// The look-up to wait for, and the addresses to use if it takes too long.
    fn look_up(&self, host: &Arc<str>, now: Instant) -> (watch::Receiver<Option<Ended>>, Option<Addresses>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = match known.get(host) {
            Some(name) if name.is_current(now) => return (name.latest.clone(), name.usable(now)),
            Some(name) => name.found(now),
            None => None,
        };
        let latest = self.start(Arc::clone(host), earlier.clone());
        let name = Known { latest, before: earlier, is_doubted: false };
        let started = (name.latest.clone(), name.usable(now));
        known.insert(Arc::clone(host), name);
        started
    }

    fn start(&self, host: Arc<str>, earlier: Option<Addresses>) -> watch::Receiver<Option<Ended>> {
        let held = Arc::clone(&self.under_way);
        if Arc::strong_count(&held) > MAX_LOOK_UPS + 1 {
            return ended(Err(Why::TooMany));
        }
        let (end, latest) = watch::channel(None);
        let thread = Builder::new().name("authgear names".into()).spawn(move || {
            let found = ask_the_machine(&host);
            // If there was no definite answer, the earlier result remains valid.
            let found = match (found, earlier) {
                (Err(Why::NotFound { is_final: false, .. }), Some(earlier)) => Ok(earlier),
                (found, _) => found,
            };
            end.send_replace(Some(Ended { at: Instant::now(), found }));
            drop(held);
        });
        match thread {
            Ok(_) => latest,
            Err(error) => ended(Err(Why::Shortage(error.into()))),
        }
    }
}

fn ended(found: Found) -> watch::Receiver<Option<Ended>> {
    watch::channel(Some(Ended { at: Instant::now(), found })).1
}

impl Known {
    /// Whether no new look-up is needed.
    fn is_current(&self, now: Instant) -> bool {
        match &*self.latest.borrow() {
            Some(Ended { at, found }) => {
                let time = match found {
                    Ok(_) if self.is_doubted => RECHECK,
                    Ok(_) => REMEMBER,
                    Err(_) => REMEMBER_FAILURE,
                };
                now.saturating_duration_since(*at) < time
            }
            // If the thread has ended without sending a result, the look-up is no longer in progress.
            None => self.latest.has_changed().is_ok(),
        }
    }

    /// Addresses from before this look-up, if they are recent enough to use.
    fn usable(&self, now: Instant) -> Option<Addresses> {
        self.before.clone().filter(|addresses| now.saturating_duration_since(addresses.said) < KEEP_OLD)
    }

    /// The fallback for the next look-up.
    fn found(&self, now: Instant) -> Option<Addresses> {
        let latest = match &*self.latest.borrow() {
            Some(Ended { found, .. }) => found.as_ref().ok().cloned(),
            None => self.before.clone(),
        };
        latest.filter(|addresses| now.saturating_duration_since(addresses.said) < KEEP_OLD)
    }
}

/// Calls `getaddrinfo` in the same way as nginx's `ngx_inet_resolve_host`.
fn ask_the_machine(host: &str) -> Found {
    let hints = AddrInfoHints {
        flags: libc::AI_ADDRCONFIG,
        socktype: SockType::Stream.into(),
        ..AddrInfoHints::default()
    };
    match getaddrinfo(Some(host), None, Some(hints)) {
        // Addresses of other families are skipped, not treated as errors.
        Ok(found) => {
            let list = found.flatten().map(|info| info.sockaddr).collect();
            Ok(Addresses { said: Instant::now(), list })
        }
        Err(error) => Err(why(error)),
    }
}

fn why(error: LookupError) -> Why {
    // Without a free descriptor the C library can neither read files nor query name servers, and just reports that it
    // found nothing.
    if let Some(shortage) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).err().filter(is_shortage) {
        return Why::Shortage(shortage.into());
    }
    let is_final = !matches!(error.kind(), LookupErrorKind::Again | LookupErrorKind::System);
    let error = io::Error::from(error);
    if is_shortage(&error) {
        return Why::Shortage(error.into());
    }
    let words = error.to_string();
    let words = words.strip_prefix("failed to lookup address information: ").unwrap_or(&words);
    Why::NotFound { words: words.to_owned(), is_final }
}

/// Resolves a fixed host, regardless of the name that the client library asks for: with `authgear_ssl_name`, the URL
/// contains the TLS name instead.
#[derive(Clone)]
pub(crate) struct HostDns {
    host: Arc<str>,
    names: Names,
}

impl HostDns {
    pub(crate) fn new(host: &str, names: &Names) -> Self {
        Self { host: host.into(), names: names.clone() }
    }

    /// Records that connecting to the addresses of this host failed.
    pub(crate) fn doubt(&self) {
        let mut known = self.names.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = known.get_mut(&self.host) {
            name.is_doubted = true;
        }
    }

    async fn addresses(self) -> Result<Addrs, Box<dyn Error + Send + Sync>> {
        let found = match literal(&self.host) {
            Some(address) => Ok([address].into()),
            None => self.names.find(&self.host).await,
        };
        match found.and_then(|all| reachable(&all)) {
            Ok(addresses) => Ok(Box::new(addresses.into_iter())),
            Err(why) => Err(Box::new(NoAddress { host: self.host, why })),
        }
    }
}

impl Resolve for HostDns {
    fn resolve(&self, _name: Name) -> Resolving {
        Box::pin(self.clone().addresses())
    }
}

/// Parses the host as an IP address. The library replaces port 0 by the URL's port.
fn literal(host: &str) -> Option<SocketAddr> {
    host.trim_matches(['[', ']']).parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, 0))
}

/// Removes addresses that the machine has no route to. Otherwise the error for one of them could hide the more useful
/// error for another address, and "can't assign requested address" would look as if all ports were in use.
fn reachable(addresses: &[SocketAddr]) -> Result<Vec<SocketAddr>, Why> {
    let reachable: Vec<_> = addresses.iter().copied().filter(has_route).collect();
    if reachable.is_empty() { Err(Why::NoRoute) } else { Ok(reachable) }
}

/// Whether the host is an IP address that the machine has no route to.
pub(crate) fn is_unreachable(host: &str) -> bool {
    literal(host).is_some_and(|address| !has_route(&address))
}

/// Checks by connecting a UDP socket, which sends nothing. It uses no TCP port, so exhausted TCP ports don't affect it.
fn has_route(address: &SocketAddr) -> bool {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let connected = UdpSocket::bind((any, 0)).and_then(|socket| socket.connect(address));
    let errno = connected.err().and_then(|error| error.raw_os_error()).unwrap_or(0);
    ![libc::EADDRNOTAVAIL, libc::EAFNOSUPPORT, libc::EHOSTUNREACH, libc::ENETUNREACH].contains(&errno)
}

#[cfg(test)]
#[path = "dns/tests.rs"]
mod tests;
