//! Workers of an old and a new configuration at the same time.

use super::super::harness::EchoReply;
use super::{
    Crew, Fault, Http1, Kind, PATIENCE, PATIENT, Request, Resolver, answers, assert_is, assert_one_led,
    ending,
};

/// What waits over several configurations gets the answer of one call.
#[track_caller]
fn assert_one_call_for_all(crew: Crew, waiting: Vec<Http1>) {
    assert_eq!(crew.resolver().call_count(), 1);
    crew.resolver().clear_faults();
    assert_one_led(&answers(waiting), &crew.live, "alice");
    assert_eq!(crew.resolver().call_count(), 1);
    crew.live.nginx.wait_for_old_workers();
    crew.finish();
}

#[test]
fn new_workers_follow_the_call_of_an_old_one() {
    for crew in [Crew::start(2, PATIENT), Crew::cached(2, PATIENT)] {
        let old = crew.workers();
        let request = crew.live.alice();
        let mut waiting = crew.flock(&[old[0], old[1], old[0]], &request);
        crew.live.nginx.reload();
        let new = crew.workers();
        assert!(new.iter().all(|worker| !old.contains(worker)), "{new:?}");
        waiting.extend(new.iter().chain(&new).map(|worker| crew.begin(*worker, &request)));
        crew.wait_for_suspended(7);
        assert_one_call_for_all(crew, waiting);
    }
}

/// Three configurations at a time: each asks the resolver about nothing that is being asked already.
#[test]
fn workers_of_several_configurations_follow_one_call() {
    let crew = Crew::start(2, PATIENT);
    let request = crew.live.alice();
    let mut waiting = crew.flock(&crew.workers(), &request);
    for reloads in 1..=3 {
        crew.live.nginx.reload();
        waiting.extend(crew.workers().iter().map(|worker| crew.begin(*worker, &request)));
        crew.wait_for_suspended(2 + 2 * reloads);
    }
    assert_one_call_for_all(crew, waiting);
}

/// What old workers still have to do may need a call: one more resolver, to which the backend redirects.
#[test]
fn an_old_worker_follows_the_call_of_a_new_one() {
    let second = Resolver::start();
    let lines = format!(
        "{PATIENT}\nlocation /second {{ authgear_resolve {}; rewrite_log on; rewrite ^/nowhere$ /x;\n\
         proxy_pass http://BACKEND; }}",
        second.url()
    );
    let backend = super::super::standin::echo::Http::start();
    let crew = Crew::start(2, &lines.replace("BACKEND", &backend.addr().to_string()));
    let old = crew.workers();
    let alice = crew.live.alice();
    let to = |target: &[u8]| Request { target: target.to_vec(), ..alice.clone() };
    let followers = crew.flock(&[old[0], old[1]], &to(b"/redirect-internal?/second"));
    crew.live.nginx.reload();
    let mark = crew.live.nginx.error_mark();
    second.set_fault(Some(Fault::Gate));
    let new = crew.workers();
    let leader = crew.begin(new[0], &to(b"/second"));
    assert!(second.wait_for_gate(1, PATIENCE));
    crew.resolver().clear_faults();
    // The rewrite is looked at just before the request comes to wait.
    for worker in [new[0], old[0], old[1]] {
        let line = format!("{worker}#{worker}: ");
        super::poll(PATIENCE, || {
            let lines = crew.live.nginx.error_lines_since(mark);
            let found = lines.iter().any(|l| l.contains(&line) && l.contains("does not match \"/second\""));
            found.then_some(())
        })
        .unwrap_or_else(|| panic!("{worker} doesn't come to /second"));
    }
    crew.wait_for_suspended(3);
    assert_eq!(second.call_count(), 1);
    second.clear_faults();
    let answers = answers(std::iter::once(leader).chain(followers).collect());
    assert_eq!(ending(&answers[0]), (200, "valid".into(), "resolved".into()));
    for answer in &answers {
        let id = crew.live.accounts().user("alice").id;
        assert_eq!(EchoReply::of(answer).header("x-authgear-user-id"), Some(id.as_str()));
        assert_eq!(ending(answer).0, 200);
    }
    assert_eq!(answers[1..].iter().map(|answer| ending(answer).2).collect::<Vec<_>>(), ["coalesced"; 2]);
    assert_eq!(second.call_count(), 1);
    crew.live.nginx.wait_for_old_workers();
    crew.finish();
}

#[test]
fn a_failure_reaches_the_followers_of_another_configuration() {
    let crew = Crew::cached(2, PATIENT);
    let request = crew.live.alice();
    crew.resolver().set_fault(Some(Fault::Gate.then(Fault::Status(500))));
    let mut waiting = crew.flock_at_gate(&crew.workers(), &request);
    crew.live.nginx.reload();
    waiting.extend(crew.workers().iter().map(|worker| crew.begin(*worker, &request)));
    crew.wait_for_suspended(4);
    crew.resolver().open_gate();
    for answer in answers(waiting) {
        super::assert_ending(&answer, 502, "error", "status");
    }
    assert_eq!(crew.resolver().call_count(), 1);
    crew.finish();
}

#[test]
fn the_cache_survives_reloads() {
    let crew = Crew::cached(2, "");
    let accounts = crew.live.accounts();
    let with = |name: &str, value: &str| Request::get("/").header(name, value);
    let mut known = vec![
        (with("Cookie", "session=dead"), "invalid"),
        (with("Authorization", "Bearer nobody"), "none"),
        (with("Cookie", "app_session=nobody"), "none"),
    ];
    for kind in Kind::ALL {
        for user in ["alice", "bob", "norole"] {
            let (name, value) = accounts.login(user).header(kind, "");
            known.push((with(&name, &value), "valid"));
        }
    }
    let before: Vec<_> = known.iter().map(|(request, _)| crew.ask(crew.workers()[0], request)).collect();
    let calls = crew.resolver().call_count();
    assert_eq!(calls, u64::try_from(known.len()).expect("small"));
    for _ in 0..3 {
        crew.live.nginx.reload();
        for worker in crew.workers() {
            for ((request, result), before) in known.iter().zip(&before) {
                let answer = crew.ask(worker, request);
                super::assert_ending(&answer, 200, result, "hit");
                assert_eq!(super::identity_told(&answer), super::identity_told(before));
            }
        }
    }
    assert_eq!(crew.resolver().call_count(), calls);
    crew.finish();
}

/// A worker's own first look is at the shared memory: the answer of a call that began before the reload is there.
#[test]
fn the_answer_to_an_old_worker_is_a_hit_in_the_new_ones() {
    let crew = Crew::cached(2, PATIENT);
    let request = crew.live.alice();
    let waiting = crew.flock(&crew.workers()[..1], &request);
    crew.live.nginx.reload();
    crew.resolver().clear_faults();
    assert_one_led(&answers(waiting), &crew.live, "alice");
    for worker in crew.workers() {
        assert_is(&crew.ask(worker, &request), &crew.live, "alice", "hit");
    }
    assert_eq!(crew.resolver().call_count(), 1);
    crew.finish();
}

#[test]
fn reloads_under_load_lose_no_request_and_mix_up_nobody() {
    let lines = "authgear_cache sessions;\nauthgear_cache_valid 100ms;";
    let crew = Crew::build(3, Resolver::start(), lines, |builder| builder.http(super::ZONE));
    crew.resolver().set_fault(Some(Fault::Delay(std::time::Duration::from_millis(10))));
    let tally = super::load::under_load(&crew, 6, || {
        for reload in 0..6 {
            if reload % 2 == 0 {
                crew.live.nginx.reload();
            } else {
                // An empty zone in the middle of it.
                let (from, to) = [("1m", "2m"), ("2m", "1m")][reload / 2 % 2];
                crew.live.nginx.reload_with(|builder| builder.replace(from, to));
            }
        }
    });
    println!("{tally:?}");
    tally.assert_sound();
    tally.assert_shared();
    assert_eq!(tally.lost, 0);
    crew.resolver().clear_faults();
    crew.live.nginx.wait_for_old_workers();
    crew.finish();
}
