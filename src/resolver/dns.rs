//! Name look-ups on the resolver's own thread, by hickory: `getaddrinfo` would need a pool of threads, and a worker
//! can't end while one of those waits.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use once_cell::sync::OnceCell;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Finds the addresses of one host, whatever name the client library asks for: with `authgear_ssl_name` the URL has the
/// name that TLS goes by.
#[derive(Clone)]
pub(crate) struct HostDns {
    host: Arc<str>,
    /// Reads the system's configuration at first use; an attempt that fails is made again with the next call.
    resolver: Arc<OnceCell<TokioResolver>>,
}

impl HostDns {
    pub(crate) fn new(host: &str) -> Self {
        Self { host: host.into(), resolver: Arc::default() }
    }

    async fn look_up(self) -> Result<Addrs, Box<dyn std::error::Error + Send + Sync>> {
        // Port 0 is replaced by the URL's.
        if let Ok(ip) = self.host.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(Box::new(std::iter::once(SocketAddr::new(ip, 0))));
        }
        let found = self.resolver.get_or_try_init(system_resolver)?.lookup_ip(&*self.host).await?;
        let addresses: Vec<_> = found.iter().map(|ip| SocketAddr::new(ip, 0)).collect();
        Ok(Box::new(addresses.into_iter()))
    }
}

impl Resolve for HostDns {
    fn resolve(&self, _name: Name) -> Resolving {
        Box::pin(self.clone().look_up())
    }
}

/// `/etc/resolv.conf` and `/etc/hosts`. reqwest's own use of hickory asks a public service where the former can't be
/// read; here that is an error: names of an internal resolver are nobody's business.
fn system_resolver() -> Result<TokioResolver, Box<dyn std::error::Error + Send + Sync>> {
    let mut builder = TokioResolver::builder_tokio()?;
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    Ok(builder.build()?)
}
