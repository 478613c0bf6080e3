//! How soon requests are answered again after an outage, and what finding that out costs the resolver.

use std::thread;
use std::time::{Duration, Instant};

use super::{Fault, LONG, Live, PATIENCE, REALIP, Request, Resolver, Wire, fail, poll, send};
use crate::stage::token_of;

/// Between two requests.
const PACE: Duration = Duration::from_millis(5);

/// What became of a request, and when.
struct Ended {
    sent: Instant,
    is_answered: bool,
}

/// The module, and nginx's own `auth_request` beside it.
fn beside_auth_request() -> Live {
    let resolver = Resolver::start();
    let url = resolver.url();
    Live::with(
        resolver,
        &format!(
            "{REALIP}
             location /auth-request/ {{ authgear_resolve off; auth_request /ask; {{pass}} }}
             location = /ask {{
                 internal;
                 authgear_resolve off;
                 proxy_pass {url}/_resolver/resolve;
                 proxy_pass_request_body off;
                 proxy_set_header Content-Length \"\";
             }}"
        ),
    )
}

/// Sends 200 requests a second there, each with a credential of its own, one of so many clients': until some have failed, and a
/// second has passed since then.
fn visit(live: &Live, target: &str, clients: u64) -> Vec<Ended> {
    let (mut all, mut due) = (Vec::<Ended>::new(), Instant::now());
    let until = due + 3 * PATIENCE;
    while due < until && (all.iter().all(|ended| ended.is_answered) || answered(&all) < 200) {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        due = Instant::now() + PACE;
        let n = all.len() as u64;
        let request = Request { target: target.into(), ..token_of("alice", format_args!("{target}-{n}")) }
            .header("X-Client", format!("192.0.2.{}", n % clients));
        let sent = Instant::now();
        let status = send(&live.nginx, Wire::Http1, request).status;
        assert!([200, 500, 502].contains(&status), "{status}");
        all.push(Ended { sent, is_answered: status == 200 });
    }
    all
}

/// For how many requests in a row, at the end, all have been answered.
fn answered(all: &[Ended]) -> usize {
    all.iter().rev().take_while(|ended| ended.is_answered).count()
}

/// A resolver is restarted, and nobody listens for half a second. In requests of 200 a second, half a second is 100.
#[test]
fn a_restart_of_half_a_second_costs_half_a_second_more_at_most() {
    // One client, and so many that none of them can be at fault.
    for clients in [1, 20] {
        let live = beside_auth_request();
        let (ours, its, returned) = thread::scope(|scope| {
            let visit = |target| visit(&live, target, clients);
            let ours = scope.spawn(move || visit("/"));
            let its = scope.spawn(move || visit("/auth-request/"));
            assert!(live.resolver.wait_for_calls(100, PATIENCE));
            live.resolver.stop_listening();
            live.resolver.restart();
            thread::sleep(Duration::from_millis(500));
            live.resolver.resume_listening();
            let returned = Instant::now();
            (ours.join().expect("no panic"), its.join().expect("no panic"), returned)
        });
        let late = |all: &[Ended]| {
            assert!(answered(all) >= 200, "{clients} clients: it doesn't recover");
            all.iter().filter(|ended| ended.sent > returned && !ended.is_answered).count()
        };
        let (ours, its) = (late(&ours), late(&its));
        assert!(
            ours <= its + 100,
            "{clients} clients: {ours} requests failed after its return, and {its} of auth_request's"
        );
        live.finish();
    }
}

/// Requests come all the time. The waits between calls double up to `fail_timeout`, and each begins when the call before it has ended.
#[test]
fn in_the_long_run_there_is_one_probe_a_fail_timeout() {
    let live = Live::with(Resolver::start(), "authgear_breaker max_fails=3 fail_timeout=1s;");
    fail(&live);
    let opened = live.resolver.call_count();
    let called = poll(2 * PATIENCE, || {
        assert_eq!(send(&live.nginx, Wire::Http1, live.unique()).status, 502);
        (live.resolver.call_count() >= opened + 6).then_some(())
    });
    assert!(called.is_some(), "{} calls", live.resolver.call_count() - opened);
    let calls = live.resolver.calls();
    let gaps: Vec<Duration> = calls[2..].windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    for (gap, wait) in gaps.iter().zip([250, 500, 1_000, 1_000, 1_000, 1_000]) {
        // nginx's clock counts whole milliseconds.
        assert!(*gap >= Duration::from_millis(wait - 1), "{gaps:?}");
    }
    live.finish();
}

/// The wait doubles no further than while an outage lasts: the next one begins with a quarter of a second.
#[test]
fn an_answer_has_the_next_outage_begin_anew() {
    let live = Live::with(Resolver::start(), LONG);
    for _ in 0..3 {
        fail(&live);
        // Three probes, after 0.25, 0.5 and 1 s, the last of which is answered.
        live.resolver.clear_faults();
        for _ in 0..2 {
            live.resolver.push_fault(Fault::Status(503));
        }
        let before = live.resolver.call_count();
        let works = || (send(&live.nginx, Wire::Http1, live.unique()).status == 200).then_some(());
        assert!(poll(PATIENCE, works).is_some());
        assert_eq!(live.resolver.call_count() - before, 3);
        live.assert_resolves(Wire::Http1);
    }
    live.finish();
}
