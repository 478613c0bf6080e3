//! What look-ups cost a worker.

use super::super::harness::{Request, Wire, process, send};
use super::{Names, Reply, Resolver, assert_ending, in_network};

const NAMES: usize = 7;

/// As some block lists have it. The C library reads the file line by line.
#[test]
fn a_hosts_file_of_200_000_lines_costs_a_worker_no_memory() {
    in_network(|| {
        let mut hosts: String = (0..200_000).map(|n| format!("0.0.0.0 blocked-{n}.example\n")).collect();
        hosts += "127.0.0.1";
        (0..NAMES).for_each(|n| hosts += &format!(" resolver-{n}.test"));
        let Some(names) = Names::with_hosts(Reply::NoSuchName, &hosts) else { return };
        let resolver = Resolver::start();
        let port = resolver.addr().port();
        let location =
            |n| format!("location /{n}/ {{ authgear_resolve http://resolver-{n}.test:{port}; {{pass}} }}\n");
        let lines: String = (0..NAMES).map(location).collect();
        let live = names.live_at("127.0.0.1", resolver, &lines);
        live.assert_resolves(Wire::Http1);
        let worker = live.nginx.worker_pids()[0];
        let before = process::rss(worker);
        for n in 0..NAMES {
            let request = Request { target: format!("/{n}/").into(), ..live.unique() };
            assert_ending(&send(&live.nginx, Wire::Http1, request), 200, "valid", "resolved");
        }
        let more = process::rss(worker).saturating_sub(before);
        println!("{more} bytes more");
        assert!(more < 8 << 20, "{more} bytes more");
        live.finish();
    });
}
