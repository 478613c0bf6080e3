//! A name for the first resolver, whose addresses change, and a network of the soak's own, in which IPv6 can be switched off.
//!
//! The name stands in a hosts file of the soak's own, which nginx sees in the place of the system's. That takes root, as does the
//! network, which `scripts/soak` makes. Without them the first resolver is known by its address.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::it::harness::process::may_mount;
use crate::standin::Resolver;

const NAME: &str = "resolver.soak.test";

/// Where the first resolver is at the beginning, beside `::1`.
pub(crate) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));
const IPV6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// So long after a name has changed its old addresses may still be asked. Then nobody is there any more, and no request may
/// fail for it.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(5);

/// The addresses at which the first resolver can be, each with a server of its own that has the same accounts.
pub(crate) struct Names {
    hosts: PathBuf,
    /// At the other address, and at that of IPv6, where there is IPv6.
    elsewhere: Vec<Resolver>,
    /// Those that are not there now.
    away: Mutex<Vec<IpAddr>>,
    can_switch_ipv6: bool,
}

impl Names {
    /// `None` where this machine doesn't allow it.
    pub(crate) fn start(first: &Resolver, folder: &Path) -> Option<Self> {
        if !may_mount() {
            return None;
        }
        let listen = |at| {
            let address = SocketAddr::new(at, first.addr().port());
            Resolver::builder().keep_calls(0).accounts(first.accounts()).listen(address).start()
        };
        let can_switch_ipv6 = is_own_network() && set_ipv6(true).is_ok();
        let elsewhere: Vec<_> =
            [Some(THERE), can_switch_ipv6.then_some(IPV6)].into_iter().flatten().map(listen).collect();
        let hosts = folder.join("hosts");
        fs::write(&hosts, lines(true, can_switch_ipv6)).expect("the folder is writable");
        let names = Self { hosts, elsewhere, away: Mutex::default(), can_switch_ipv6 };
        names.leaves(first, THERE);
        Some(names)
    }

    pub(crate) fn can_switch_ipv6(&self) -> bool {
        self.can_switch_ipv6
    }

    pub(crate) fn hosts(&self) -> &Path {
        &self.hosts
    }

    pub(crate) fn url(&self, first: &Resolver) -> String {
        format!("http://{NAME}:{}", first.addr().port())
    }

    pub(crate) fn elsewhere(&self) -> &[Resolver] {
        &self.elsewhere
    }

    pub(crate) fn is_away(&self, resolver: &Resolver) -> bool {
        self.away.lock().unwrap_or_else(PoisonError::into_inner).contains(&resolver.addr().ip())
    }

    fn at<'a>(&'a self, first: &'a Resolver, address: IpAddr) -> Option<&'a Resolver> {
        self.elsewhere.iter().chain([first]).find(|resolver| resolver.addr().ip() == address)
    }

    fn comes(&self, first: &Resolver, address: IpAddr) {
        self.away.lock().unwrap_or_else(PoisonError::into_inner).retain(|away| *away != address);
        if let Some(resolver) = self.at(first, address) {
            resolver.resume_listening();
        }
    }

    /// Ends all connections there.
    fn leaves(&self, first: &Resolver, address: IpAddr) {
        self.away.lock().unwrap_or_else(PoisonError::into_inner).push(address);
        if let Some(resolver) = self.at(first, address) {
            resolver.stop_listening();
            resolver.restart();
        }
    }

    /// The name leads to the other address, and to none of IPv6; the old ones serve until [`Names::leave_old`].
    pub(crate) fn move_there(&self, first: &Resolver) {
        self.comes(first, THERE);
        self.write(false, false);
    }

    /// The name leads to the first address, and to that of IPv6.
    pub(crate) fn move_back(&self, first: &Resolver) {
        self.comes(first, HERE);
        if self.can_switch_ipv6 {
            self.comes(first, IPV6);
        }
        self.write(true, self.can_switch_ipv6);
    }

    /// Nobody is at the addresses any more that the name doesn't lead to.
    pub(crate) fn leave_old(&self, first: &Resolver, is_here: bool) {
        if is_here {
            self.leaves(first, THERE);
        } else {
            self.leaves(first, HERE);
        }
    }

    /// Ends the connections over IPv6 first: those that are left would be dead without either end knowing.
    pub(crate) fn switch_ipv6_off(&self, first: &Resolver) {
        self.leaves(first, IPV6);
        let deadline = Instant::now() + Duration::from_secs(1);
        while has_ipv6_connections(first.addr().port()) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        set_ipv6(false).expect("the network is the soak's own");
    }

    pub(crate) fn switch_ipv6_on(&self) {
        set_ipv6(true).expect("the network is the soak's own");
    }

    /// One write of as many bytes as there were, so that no reader sees half of it.
    fn write(&self, is_here: bool, has_ipv6: bool) {
        let mut file = OpenOptions::new().write(true).open(&self.hosts).expect("the file is there");
        file.write_all(lines(is_here, has_ipv6).as_bytes()).expect("the file is writable");
    }
}

fn lines(is_here: bool, has_ipv6: bool) -> String {
    let (ipv4, begin) = (if is_here { HERE } else { THERE }, if has_ipv6 { ':' } else { '#' });
    format!("127.0.0.1 localhost\n{ipv4} {NAME}\n{begin}:1 {NAME}\n")
}

/// Whether this process is in the network that `scripts/soak` made for it: what is changed there concerns nobody else.
fn is_own_network() -> bool {
    let outer = std::env::var("AUTHGEAR_OUTER_NETWORK").ok().filter(|outer| outer.starts_with("net:["));
    let ours = fs::read_link("/proc/self/ns/net").ok();
    outer.zip(ours).is_some_and(|(outer, ours)| ours.as_os_str() != outer.as_str())
}

/// Whether a connection over IPv6 to this port is established, whose ends don't know yet that it is over.
fn has_ipv6_connections(port: u16) -> bool {
    const ESTABLISHED: &str = "01";
    let table = fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
    let port = format!(":{port:04X}");
    table.lines().any(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        matches!(words[..], [_, local, remote, ESTABLISHED, ..] if local.ends_with(&port) || remote.ends_with(&port))
    })
}

fn set_ipv6(on: bool) -> std::io::Result<()> {
    assert!(is_own_network(), "never in the machine's own network");
    fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", if on { "0" } else { "1" })
}
