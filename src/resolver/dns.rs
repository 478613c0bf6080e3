//! Addresses of hosts, as the machine knows them: `getaddrinfo` is asked with the hints that nginx's own `proxy_pass` gives
//! it, so the hosts file, `nsswitch.conf`, search lists and the order of name servers count as they do everywhere else.
//!
//! `getaddrinfo` blocks, for half a minute where name servers are silent, and nothing ends it early. So each look-up has a
//! thread of its own that nobody waits for, and there is one look-up for a name at a time.

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

/// How long an answer is used before the name is looked up again. `getaddrinfo` doesn't tell how long it may be used.
const REMEMBER: Duration = Duration::from_secs(5);
/// The same for a failure, which is to end soon after the name can be found.
const REMEMBER_FAILURE: Duration = Duration::from_secs(1);
/// A new look-up has this much time before the addresses found earlier are used in its place.
const PREFER_NEW: Duration = Duration::from_millis(100);
/// A connection couldn't be made: then an answer of this age is old, for the host may have moved.
const RECHECK: Duration = Duration::from_millis(100);
/// Addresses found earlier are used for this long where name servers don't answer: for as long as a connection is kept.
pub(super) const KEEP_OLD: Duration = Duration::from_secs(300);
/// Each look-up under way has a thread and a socket. Many can only be under way where name servers of many names are silent;
/// they must not take all descriptors of the worker.
const MAX_LOOK_UPS: usize = 256;
/// Why there is no address to connect to. The host is named, for the URL may have another name.
#[derive(Clone, Debug, Error)]
#[error("no address of \"{host}\": {why}")]
pub(crate) struct NoAddress {
    host: Arc<str>,
    why: Why,
}

impl NoAddress {
    /// Whether it is for want of something that this machine has too little of.
    pub(crate) fn is_shortage(&self) -> bool {
        matches!(self.why, Why::Shortage(_))
    }
}

#[derive(Clone, Debug, Error)]
enum Why {
    /// The C library's own words.
    #[error("{words}")]
    NotFound { words: String, is_final: bool },
    /// Of threads, descriptors or memory.
    #[error("{0}")]
    Shortage(Arc<io::Error>),
    #[error("{MAX_LOOK_UPS} names are being looked up, and their name servers don't answer")]
    TooMany,
    #[error("this machine has no route to any of those that it has")]
    NoRoute,
    #[error("the look-up was lost")]
    Lost,
}

/// Addresses of a host, and when the machine said so.
#[derive(Clone)]
struct Addresses {
    said: Instant,
    list: Arc<[SocketAddr]>,
}

type Found = Result<Addresses, Why>;

/// How a look-up ended, and when.
struct Ended {
    at: Instant,
    found: Found,
}

/// What is known of a name.
struct Known {
    /// The latest look-up: `None` while it is under way.
    latest: watch::Receiver<Option<Ended>>,
    /// What was found before it.
    before: Option<Addresses>,
    /// No connection could be made to what it found.
    is_doubted: bool,
}

/// The names that a worker has looked up: as many as are configured.
#[derive(Clone, Default)]
pub(crate) struct Names {
    known: Arc<Mutex<HashMap<Arc<str>, Known>>>,
    /// Each look-up that is under way holds a clone.
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

    /// The look-up to wait for, and the addresses to use where it takes long.
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
            // Without an answer what was known before still holds.
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
    /// Whether there is no need of a new look-up.
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
            // One whose thread has ended without a word is not under way.
            None => self.latest.has_changed().is_ok(),
        }
    }

    /// Addresses of before this look-up, where they may still be used.
    fn usable(&self, now: Instant) -> Option<Addresses> {
        self.before.clone().filter(|addresses| now.saturating_duration_since(addresses.said) < KEEP_OLD)
    }

    /// What a look-up after this one can fall back on.
    fn found(&self, now: Instant) -> Option<Addresses> {
        let latest = match &*self.latest.borrow() {
            Some(Ended { found, .. }) => found.as_ref().ok().cloned(),
            None => self.before.clone(),
        };
        latest.filter(|addresses| now.saturating_duration_since(addresses.said) < KEEP_OLD)
    }
}

/// As nginx's `ngx_inet_resolve_host` asks.
fn ask_the_machine(host: &str) -> Found {
    let hints = AddrInfoHints {
        flags: libc::AI_ADDRCONFIG,
        socktype: SockType::Stream.into(),
        ..AddrInfoHints::default()
    };
    match getaddrinfo(Some(host), None, Some(hints)) {
        // An address of another family is no error: it is passed over.
        Ok(found) => {
            let list = found.flatten().map(|info| info.sockaddr).collect();
            Ok(Addresses { said: Instant::now(), list })
        }
        Err(error) => Err(why(error)),
    }
}

fn why(error: LookupError) -> Why {
    // Without a descriptor the C library finds neither files nor name servers, and says no more than that it found nothing.
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

/// Finds the addresses of one host, whatever name the client library asks for: with `authgear_ssl_name` the URL has the
/// name that TLS goes by.
#[derive(Clone)]
pub(crate) struct HostDns {
    host: Arc<str>,
    names: Names,
}

impl HostDns {
    pub(crate) fn new(host: &str, names: &Names) -> Self {
        Self { host: host.into(), names: names.clone() }
    }

    /// No connection could be made to the addresses of this host.
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

/// The address that a host is, if it is no name. Port 0 is replaced by the URL's.
fn literal(host: &str) -> Option<SocketAddr> {
    host.trim_matches(['[', ']']).parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, 0))
}

/// Addresses that the machine has no route to are left out. Else the error of an attempt at one would stand for the error of
/// another address, which tells more; and "can't assign requested address" would read as if all ports were in use.
fn reachable(addresses: &[SocketAddr]) -> Result<Vec<SocketAddr>, Why> {
    let reachable: Vec<_> = addresses.iter().copied().filter(has_route).collect();
    if reachable.is_empty() { Err(Why::NoRoute) } else { Ok(reachable) }
}

/// Whether a host is an address that the machine has no route to.
pub(crate) fn is_unreachable(host: &str) -> bool {
    literal(host).is_some_and(|address| !has_route(&address))
}

/// By a connect of a UDP socket, which sends nothing. It takes no port of TCP, so ports in use don't matter to it.
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
