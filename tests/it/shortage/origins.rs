//! More resolvers than a worker has descriptors.

use std::fmt::Write as _;

use super::super::harness::process;
use super::{Http1, Live, Request, Resolver, assert_ending};

const ORIGINS: usize = 400;
const DESCRIPTORS: usize = 240;

/// Each origin has a pool of connections of its own, and each call leaves one behind that is kept.
#[test]
fn resolvers_without_number_leave_a_worker_descriptors() {
    let mut lines = String::new();
    for n in 0..ORIGINS {
        let origin = format!("authgear_origin https://o{n}.example;");
        writeln!(lines, "location = /{n} {{ {origin} try_files \"\" =204; }}").expect("a string");
    }
    let live = Live::build(Resolver::start(), &lines, |builder| {
        builder.main(format!("worker_rlimit_nofile {DESCRIPTORS};")).worker_connections(64)
    });
    let mut client = Http1::connect(live.nginx.port()).expect("nginx accepts");
    for _ in 0..2 {
        for n in 0..ORIGINS {
            let request = Request { target: format!("/{n}").into(), ..live.unique() };
            let response = client.exchange(&request).expect("an answer");
            assert_ending(&response, 204, "valid", "resolved");
        }
    }
    // A newcomer is served as well.
    assert_eq!(
        Http1::connect(live.nginx.port()).unwrap().exchange(&Request::get("/counters")).unwrap().status,
        200
    );
    let open = process::open_fds(live.nginx.worker_pids()[0]);
    assert!(open < DESCRIPTORS - 40, "{open} descriptors are in use");
    drop(client);
    live.finish();
}
