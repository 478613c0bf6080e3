//! A resolver that is known by a name: what the name server says, and what it doesn't.
//!
//! Name server and hosts file are the tests' own: nginx runs in a mount namespace, in which its `/etc/resolv.conf` and
//! `/etc/hosts` are others, and in a network with addresses of both families: the C library looks for no addresses of a family
//! that the machine doesn't use. That takes root; where it can't be had that is said, past the test program's capture of output.

mod addresses;
mod changes;
mod failures;
mod families;
mod size;
mod table;
mod threads;

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use super::harness::PATIENCE;
use super::harness::network::{BOTH_FAMILIES, in_own_network};
use super::harness::process::may_mount;
use super::live::{Live, assert_ending};
use super::standin::Resolver;
use super::standin::dns::{NameServer, Reply};

/// The name of the resolver, which no machine knows by itself.
const NAME: &str = "resolver.authgear.test";
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Nobody listens there, so that connects are refused.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 99));

/// A name server, and the folder of the files that lead to it.
struct Names {
    server: NameServer,
    folder: tempfile::TempDir,
}

impl Names {
    /// `None` where this machine doesn't allow it.
    fn start(reply: Reply) -> Option<Self> {
        Self::with_hosts(reply, "")
    }

    fn with_hosts(reply: Reply, hosts: &str) -> Option<Self> {
        let server = NameServer::start(reply).ok().filter(|_| may_mount());
        let Some(server) = server else {
            let _ = io::stderr().write_all(b"skipped: no name server of its own without root and mounts\n");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        // Silent servers are asked again after a second, not after five.
        let resolv_conf = format!("{}options timeout:1\n", server.resolv_conf());
        std::fs::write(folder.path().join("resolv.conf"), resolv_conf).expect("writable");
        std::fs::write(folder.path().join("hosts"), hosts).expect("writable");
        Some(Self { server, folder })
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        Path::join(self.folder.path(), name)
    }

    /// nginx, which knows the resolver by its name.
    fn live(&self, resolver: Resolver, lines: &str) -> Live {
        self.live_at(NAME, resolver, lines)
    }

    fn live_at(&self, name: &str, resolver: Resolver, lines: &str) -> Live {
        let url = format!("http://{name}:{}", resolver.addr().port());
        Live::at(&url, resolver, lines, |builder| {
            let builder = builder.in_place_of("/etc/resolv.conf", self.file("resolv.conf"));
            builder.in_place_of("/etc/hosts", self.file("hosts"))
        })
    }
}

/// Runs a test in a network with both families.
fn in_network(test: impl FnOnce() + Send) {
    in_own_network(BOTH_FAMILIES, test);
}
