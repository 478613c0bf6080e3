//! An outage from beginning to end.

use std::time::{Duration, Instant};

use super::{
    Fault, Http1, LONG, Live, PATIENCE, REALIP, Request, Resolver, Wire, assert_ending, ending, fail, open,
    poll, send, with_old_answers,
};

const BRIEF: &str = "authgear_breaker max_fails=3 fail_timeout=500ms;";

#[test]
fn one_call_at_a_time_finds_out_whether_it_works_again() {
    let live = Live::with(Resolver::start(), BRIEF);
    fail(&live);
    let calls = live.resolver.call_count();
    // Requests come all the time; few of them make calls.
    let called = poll(PATIENCE, || {
        assert_eq!(send(&live.nginx, Wire::Http1, live.unique()).status, 502);
        (live.resolver.call_count() == calls + 3).then_some(())
    });
    assert!(called.is_some() && live.resolver.max_in_flight() == 1);
    live.resolver.clear_faults();
    let answered = || (send(&live.nginx, Wire::Http1, live.unique()).status == 200).then_some(());
    assert!(poll(PATIENCE, answered).is_some());
    live.assert_resolves(Wire::Http1);
    let line = live.nginx.wait_for_log("works again", PATIENCE);
    assert!(line.contains("[notice]") && line.contains(&live.resolver.url()), "{line}");
    assert!(
        line.contains("calls had failed") && line.contains("requests were decided without one"),
        "{line}"
    );
    live.finish();
}

#[test]
fn while_one_call_finds_out_the_others_do_not_wait() {
    let live = Live::with(Resolver::start(), LONG);
    let mut probe = open(&live);
    for _ in 0..3 {
        assert_ending(&send(&live.nginx, Wire::Http1, live.unique()), 502, "error", "breaker");
    }
    live.resolver.clear_faults();
    assert_ending(&probe.receive(b"GET").expect("an answer"), 200, "valid", "resolved");
    live.assert_resolves(Wire::Http1);
    live.finish();
}

#[test]
fn a_resolver_that_hangs_holds_nobody_up_for_long() {
    let live = Live::with(Resolver::start(), "authgear_breaker max_fails=3; authgear_timeout 1s;");
    live.resolver.set_fault(Some(Fault::Hang));
    let began = Instant::now();
    let mut waiting: Vec<_> = (0..3).map(|_| live.begin(&live.unique())).collect();
    for connection in &mut waiting {
        assert_eq!(connection.receive(b"GET").expect("an answer").status, 504);
    }
    let hung = began.elapsed();
    let began = Instant::now();
    for _ in 0..100 {
        let (_, result, reason) = ending(&send(&live.nginx, Wire::Http1, live.unique()));
        // The second is a probe's.
        assert!(result == "error" && ["breaker", "timeout"].contains(&reason.as_str()), "{reason}");
    }
    assert!(began.elapsed() < 4 * hung, "100 requests took {:?}, one call {hung:?}", began.elapsed());
    live.finish();
}

/// In turn with requests that nginx refuses by itself, on the same connection: the machine is as busy for these as for those.
#[test]
fn a_resolver_that_is_down_costs_a_request_no_time() {
    const TIMES: usize = 300;
    let live = Live::with(Resolver::start(), &format!("{LONG}\nlocation /refused {{ return 502; }}"));
    let _probe = open(&live);
    let mut connection = Http1::connect(live.nginx.port()).expect("nginx accepts");
    let mut time = |request: Request| {
        let began = Instant::now();
        assert_eq!(connection.exchange(&request).expect("an answer").status, 502);
        began.elapsed()
    };
    let pair = |_| (time(live.unique()), time(Request::get("/refused")));
    let (mut ours, mut its): (Vec<_>, Vec<_>) = (0..TIMES).map(pair).unzip();
    for times in [&mut ours, &mut its] {
        times.sort();
    }
    let (ours, its) = (ours[TIMES / 2], its[TIMES / 2]);
    assert!(ours < 3 * its, "a median of {ours:?}, and nginx itself takes {its:?}");
    live.resolver.clear_faults();
    live.finish();
}

#[test]
fn sessions_that_are_known_go_on_without_calls() {
    let live = with_old_answers(&format!("{REALIP}{LONG}"), "10m");
    let known = live.alice();
    assert_ending(&send(&live.nginx, Wire::Http1, &known), 200, "valid", "resolved");
    std::thread::sleep(Duration::from_millis(10));
    live.resolver.set_fault(Some(Fault::Status(503)));
    for client in 1..6 {
        let request = live.unique().header("X-Client", format!("192.0.2.{client}"));
        assert_ending(&send(&live.nginx, Wire::Http1, request), 502, "error", "status");
    }
    let _probe = live.hold_probe(|| live.unique());
    let calls = live.resolver.call_count();
    for _ in 0..10 {
        assert_ending(&send(&live.nginx, Wire::Http1, &known), 200, "valid", "stale");
    }
    assert_eq!(live.resolver.call_count(), calls);
    let line = live.nginx.wait_for_log("no calls for 250ms", PATIENCE);
    assert!(line.contains("requests get 502, known sessions their last answer for 600s more"), "{line}");
    live.resolver.clear_faults();
    live.finish();
}

#[test]
fn nobody_with_an_old_answer_waits_for_the_call_that_finds_out() {
    let live = with_old_answers(BRIEF, "10m");
    let known = live.alice();
    assert_ending(&send(&live.nginx, Wire::Http1, &known), 200, "valid", "resolved");
    fail(&live);
    live.resolver.set_fault(Some(Fault::Gate));
    let calls = live.resolver.call_count();
    let asked = || {
        assert_ending(&send(&live.nginx, Wire::Http1, &known), 200, "valid", "stale");
        (live.resolver.call_count() > calls).then_some(())
    };
    assert!(poll(PATIENCE, asked).is_some(), "the resolver is not asked again");
    for _ in 0..5 {
        assert_ending(&send(&live.nginx, Wire::Http1, &known), 200, "valid", "stale");
    }
    assert_eq!(live.resolver.call_count(), calls + 1);
    live.resolver.clear_faults();
    let works = || (ending(&send(&live.nginx, Wire::Http1, live.unique())).2 == "resolved").then_some(());
    assert!(poll(PATIENCE, works).is_some());
    live.finish();
}

/// A session whose end the resolver would tell of is bounded by the window still, breaker or not.
#[test]
fn the_window_of_old_answers_is_a_bound_all_the_same() {
    let live = with_old_answers(LONG, "500ms");
    let known = live.alice();
    assert_ending(&send(&live.nginx, Wire::Http1, &known), 200, "valid", "resolved");
    let _probe = open(&live);
    std::thread::sleep(Duration::from_millis(600));
    assert_ending(&send(&live.nginx, Wire::Http1, &known), 502, "error", "breaker");
    live.resolver.clear_faults();
    live.finish();
}

#[test]
fn a_request_that_is_redirected_asks_once() {
    let live = Live::with(Resolver::start(), &format!("{LONG}\nerror_page 502 /sorry;"));
    let _probe = open(&live);
    let calls = live.resolver.call_count();
    let request = Request { target: "/any".into(), ..live.unique() };
    let (status, _, reason) = ending(&send(&live.nginx, Wire::Http1, &request));
    assert_eq!((status, reason.as_str()), (502, "breaker"));
    assert_eq!(live.resolver.call_count(), calls);
    live.resolver.clear_faults();
    live.finish();
}
