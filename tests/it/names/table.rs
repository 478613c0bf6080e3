//! Many shapes of `resolv.conf`, hosts file and DNS: in each of them the module reaches the host that nginx's own `proxy_pass`
//! reaches by the same name, in the same namespaces, and none where that reaches none.

mod hosts;
mod resolv_conf;
mod search;
mod servers;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::super::harness::network::in_own_network;
use super::super::harness::process::may_mount;
use super::super::harness::{Builder, Nginx, Request, Wire, send};
use super::super::standin::dns::{NameServer, Reply};
use super::super::standin::echo::{Echo, Http};
use super::super::standin::{Accounts, Kind, Resolver};

const NAME: &str = "auth.example";
/// Of all servers, each at an address of its own.
const PORT: u16 = 3001;
/// So that a name that is found is found by both.
const PATIENT: &str = "authgear_connect_timeout 30s; authgear_timeout 60s; proxy_connect_timeout 2s;";

const BOTH_FAMILIES: &[&str] = &["192.0.2.1/32", "2001:db8::1/128", "2001:db8::2/128", "2001:db8::3/128"];

/// Where servers listen: what answers tells what was chosen. None listens at 127.0.0.9 and 2001:db8::9.
const ADDRESSES: [&str; 10] = [
    "127.0.0.1",
    "127.0.0.2",
    "127.0.0.3",
    "127.0.0.4",
    "127.0.0.5",
    "192.0.2.1",
    "::1",
    "2001:db8::1",
    "2001:db8::2",
    "2001:db8::3",
];

/// What one name server says.
type Says = (Vec<(String, Reply)>, Reply);

/// One shape.
struct Row {
    what: &'static str,
    name: String,
    servers: Vec<Says>,
    /// Of `resolv.conf`, after its name servers.
    lines: String,
    hosts: Vec<u8>,
    nsswitch: Option<&'static str>,
    gai: Option<&'static str>,
}

fn row(what: &'static str) -> Row {
    let (lines, hosts) = ("options timeout:1 attempts:1\n".to_owned(), Vec::new());
    Row { what, name: NAME.to_owned(), servers: Vec::new(), lines, hosts, nsswitch: None, gai: None }
}

impl Row {
    /// The host in the URL.
    fn name(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// One more name server, which says this of every name.
    fn server(mut self, reply: Reply) -> Self {
        self.servers.push((Vec::new(), reply));
        self
    }

    /// One more name server, which knows these names and no others.
    fn zone(mut self, names: &[(&str, Reply)]) -> Self {
        let names = names.iter().map(|(name, reply)| ((*name).to_owned(), reply.clone())).collect();
        self.servers.push((names, Reply::NoSuchName));
        self
    }

    fn lines(mut self, lines: &str) -> Self {
        self.lines += lines;
        self
    }

    fn hosts(mut self, text: impl AsRef<[u8]>) -> Self {
        self.hosts = text.as_ref().to_owned();
        self
    }

    fn nsswitch(mut self, line: &'static str) -> Self {
        self.nsswitch = Some(line);
        self
    }

    fn gai(mut self, lines: &'static str) -> Self {
        self.gai = Some(lines);
        self
    }
}

/// NOERROR with these addresses.
fn of(addresses: &[&str]) -> Reply {
    Reply::Addresses(addresses.iter().map(|text| text.parse().expect("an address")).collect())
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Runs each row, in a network with addresses of both families.
#[track_caller]
fn assert_same_hosts(rows: Vec<Row>, at_least_found: usize) {
    assert_same_hosts_in(BOTH_FAMILIES, rows, at_least_found);
}

#[track_caller]
fn assert_same_hosts_in(network: &[&str], rows: Vec<Row>, at_least_found: usize) {
    in_own_network(network, || {
        if !may_mount() {
            return;
        }
        let world = World::new();
        let results: Vec<_> = rows.iter().map(|row| (row.what, world.settled(row))).collect();
        let differ: Vec<_> = results.iter().filter(|(_, result)| !result.is_same()).collect();
        assert!(differ.is_empty(), "{differ:#?}");
        // Rows in which nothing is found would hold whatever was done. Other versions of the C library may find more.
        let found = results.iter().filter(|(_, result)| !result.reference.is_empty()).count();
        assert!(found >= at_least_found, "{found} {results:#?}");
    });
}

type Hosts = BTreeSet<IpAddr>;

/// Which hosts were reached.
#[derive(Debug)]
struct Reached {
    /// By `proxy_pass`, which takes the addresses in turn.
    reference: Hosts,
    /// By the module.
    ours: Hosts,
}

impl Reached {
    fn is_same(&self) -> bool {
        self.ours.is_subset(&self.reference) && self.ours.is_empty() == self.reference.is_empty()
    }
}

/// The servers, at every address that this network has.
struct World {
    servers: Vec<Resolver>,
    backend: Echo,
}

impl World {
    fn new() -> Self {
        let accounts = Accounts::default();
        let at = |address: IpAddr| {
            let here = std::net::TcpListener::bind((address, 0)).is_ok();
            let builder = Resolver::builder().accounts(&accounts).listen(SocketAddr::from((address, PORT)));
            here.then(|| builder.start())
        };
        let servers = ADDRESSES.into_iter().map(ip).filter_map(at).collect();
        Self { servers, backend: Http::start() }
    }

    /// Some rows wait for silence to end in a timeout, and on a busy machine an answer may come later than that. So a row in which one
    /// of the two reached nobody is run again; one in which ours reached another host is not.
    fn settled(&self, row: &Row) -> Reached {
        let first = self.run(row);
        if first.is_same() || !first.ours.is_subset(&first.reference) && !first.reference.is_empty() {
            return first;
        }
        println!("once more: {} {first:?}", row.what);
        self.run(row)
    }

    fn run(&self, row: &Row) -> Reached {
        let servers: Vec<_> = row.servers.iter().map(start).collect();
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, content: &[u8]| -> PathBuf {
            let path = folder.path().join(name);
            std::fs::write(&path, content).expect("writable");
            path
        };
        let resolv_conf: String = servers.iter().map(NameServer::resolv_conf).collect();
        let mut builder = Nginx::builder()
            .in_place_of("/etc/resolv.conf", file("resolv.conf", (resolv_conf + &row.lines).as_bytes()))
            .in_place_of("/etc/hosts", file("hosts", &row.hosts));
        if let Some(line) = row.nsswitch {
            builder = builder.in_place_of("/etc/nsswitch.conf", file("nsswitch.conf", line.as_bytes()));
        }
        if let Some(lines) = row.gai {
            builder = builder.in_place_of("/etc/gai.conf", file("gai.conf", lines.as_bytes()));
        }
        let reference = self.reference(&builder, &row.name);
        Reached { reference, ours: self.ours(builder, &row.name) }
    }

    /// nginx doesn't start where `proxy_pass` has a name that it can't find.
    fn reference(&self, builder: &Builder, name: &str) -> Hosts {
        let pass = format!("{PATIENT} location / {{ proxy_pass http://{name}:{PORT}/_resolver/resolve; }}");
        let builder = builder.clone().server(pass);
        let check = builder.check();
        if !check.ok {
            assert!(check.stderr.contains("host not found in upstream"), "{}", check.stderr);
            return Hosts::new();
        }
        let nginx = builder.allow_log("upstream").start();
        let reached = self.reached(|| {
            // The addresses in turn, and those that are dead once and no more.
            for _ in 0..2 * ADDRESSES.len() {
                send(&nginx, Wire::Http1, Request::get("/"));
            }
        });
        nginx.finish();
        reached
    }

    fn ours(&self, builder: Builder, name: &str) -> Hosts {
        let lines = format!(
            "{PATIENT} location / {{ authgear_resolve http://{name}:{PORT}; proxy_pass http://{}; }}",
            self.backend.addr()
        );
        let nginx = builder.server(lines).allow_log("authgear").start();
        let reached = self.reached(|| {
            for _ in 0..3 {
                let (header, value) = self.servers[0].accounts().login("alice").header(Kind::Bearer, "");
                send(&nginx, Wire::Http1, Request::get("/").header(header, value));
                for server in &self.servers {
                    server.close_idle_connections();
                }
            }
        });
        nginx.finish();
        reached
    }

    /// Who was connected to meanwhile.
    fn reached(&self, during: impl FnOnce()) -> Hosts {
        self.servers.iter().for_each(Resolver::reset_counters);
        during();
        self.servers
            .iter()
            .filter(|server| server.connections() > 0)
            .map(|server| server.addr().ip())
            .collect()
    }
}

fn start((names, others): &Says) -> NameServer {
    let server = NameServer::start(Reply::Silence).expect("our own network");
    server.say_of(names.clone(), others.clone());
    server
}
