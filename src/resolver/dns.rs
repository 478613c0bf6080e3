//! Name look-ups on the resolver's own thread, by hickory: `getaddrinfo` would need a pool of threads, and a worker
//! can't end while one of those waits.

use std::error::Error;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{ResolverBuilder, TokioResolver};
use once_cell::sync::OnceCell;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;
use tokio::time::timeout;

/// Once there are addresses of one family, those of the other have this much time (RFC 8305 §3): there are name servers,
/// and firewalls before them, that never answer for IPv6.
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// That a name has no address is a failure like any other: it is to end soon after the name server says otherwise, however
/// long that would allow to remember it. Not at once, since most names have no address of IPv6.
const REMEMBER_UNKNOWN: Duration = Duration::from_secs(1);

type BoxError = Box<dyn Error + Send + Sync>;
type Builder = ResolverBuilder<TokioRuntimeProvider>;
type Found = Result<Vec<IpAddr>, BoxError>;
type LookUp<'a> = Pin<&'a mut (dyn Future<Output = Found> + Send)>;

/// Says whose address was looked for, which hickory's own words don't always.
#[derive(Debug, Error)]
#[error("no address of \"{host}\": {}", why(error))]
pub(crate) struct NoAddress {
    host: Arc<str>,
    #[source]
    error: BoxError,
}

fn why(error: &BoxError) -> String {
    match error.downcast_ref::<NetError>() {
        Some(error) if error.is_nx_domain() => "there is no such name".to_owned(),
        Some(error) if error.is_no_records_found() => "the name has none".to_owned(),
        _ => error.to_string(),
    }
}

/// Finds the addresses of one host, whatever name the client library asks for: with `authgear_ssl_name` the URL has the
/// name that TLS goes by.
#[derive(Clone)]
pub(crate) struct HostDns {
    host: Arc<str>,
    /// Reads the system's configuration at first use; an attempt that fails is made again with the next call.
    resolvers: Arc<OnceCell<Resolvers>>,
}

/// One a family: hickory's look-up of both ends when both have ended, and asks for the one that the hosts file lacks.
struct Resolvers {
    ipv4: TokioResolver,
    ipv6: TokioResolver,
}

impl HostDns {
    pub(crate) fn new(host: &str) -> Self {
        Self { host: host.into(), resolvers: Arc::default() }
    }

    async fn look_up(self) -> Result<Addrs, BoxError> {
        // Port 0 is replaced by the URL's.
        if let Ok(ip) = self.host.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(Box::new(std::iter::once(SocketAddr::new(ip, 0))));
        }
        match self.find().await {
            Ok(found) => Ok(Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0)))),
            Err(error) => Err(Box::new(NoAddress { host: self.host, error })),
        }
    }

    async fn find(&self) -> Found {
        match self.resolvers.get_or_try_init(Resolvers::of_the_system) {
            Ok(resolvers) => resolvers.addresses(&self.host).await,
            Err(error) => Resolvers::of_the_hosts_file()?.addresses(&self.host).await.map_err(|_| error),
        }
    }
}

impl Resolve for HostDns {
    fn resolve(&self, _name: Name) -> Resolving {
        Box::pin(self.clone().look_up())
    }
}

impl Resolvers {
    /// `/etc/resolv.conf` and `/etc/hosts`. reqwest's own use of hickory asks a public service where the former can't be
    /// read; here that is an error: names of an internal resolver are nobody's business.
    fn of_the_system() -> Result<Self, BoxError> {
        Self::build(TokioResolver::builder_tokio)
    }

    /// What is left without a name server, as in a container without a network.
    fn of_the_hosts_file() -> Result<Self, BoxError> {
        let nobody = || ResolverConfig::from_parts(None, Vec::new(), Vec::new());
        Self::build(|| Ok(TokioResolver::builder_with_config(nobody(), TokioRuntimeProvider::default())))
    }

    fn build(builder: impl Fn() -> Result<Builder, NetError>) -> Result<Self, BoxError> {
        let of = |family| {
            let mut builder = builder()?;
            builder.options_mut().ip_strategy = family;
            builder.options_mut().negative_max_ttl = Some(REMEMBER_UNKNOWN);
            builder.build()
        };
        Ok(Self { ipv4: of(LookupIpStrategy::Ipv4Only)?, ipv6: of(LookupIpStrategy::Ipv6Only)? })
    }

    async fn addresses(&self, host: &str) -> Found {
        of_both(pin!(addresses(&self.ipv4, host)), pin!(addresses(&self.ipv6, host))).await
    }
}

async fn addresses(resolver: &TokioResolver, host: &str) -> Found {
    Ok(resolver.lookup_ip(host).await?.iter().collect())
}

/// The addresses of both families, those of IPv4 first; of one, where the other fails or takes too long.
async fn of_both<'a>(mut ipv4: LookUp<'a>, mut ipv6: LookUp<'a>) -> Found {
    let (first, is_ipv4) = poll_fn(|context| match ipv4.as_mut().poll(context) {
        Poll::Ready(found) => Poll::Ready((found, true)),
        Poll::Pending => ipv6.as_mut().poll(context).map(|found| (found, false)),
    })
    .await;
    let other = if is_ipv4 { ipv6 } else { ipv4 };
    let Ok(first) = first else { return other.await };
    let other = timeout(RESOLUTION_DELAY, other).await.ok().and_then(Result::ok).unwrap_or_default();
    Ok(if is_ipv4 { [first, other].concat() } else { [other, first].concat() })
}
