//! The program is replaced under load, as nginx's manual has it ("Upgrading Executable on the Fly"), and the replacement taken back, while
//! workers drain. Requests that nginx passes on without the module lose nothing then, so nothing may be lost with it.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{
    Builder, Http1, Nginx, PATIENCE, Request, Response, Signal, Wire, poll, process, stretched, try_send,
};
use crate::stage::{Stage, token_of};
use crate::standin::Fault;

const CLIENTS: usize = 6;

/// Requests that are to be answered after the last step.
const ENOUGH: usize = 400;

const TIMEOUT: Duration = Duration::from_secs(8);

fn site(stage: &Stage, workers: usize) -> Builder {
    let pass = stage.pass();
    stage
        .site()
        .upgradable()
        .workers(workers)
        .http(format!("authgear_timeout {}s; access_log off;", TIMEOUT.as_secs()))
        .server(format!(
            "location /plain {{ authgear_resolve off; {pass} }}
             location /download {{ authgear_resolve off; limit_rate 1k; alias download; }}"
        ))
}

/// A worker that drains: connections on which an answer comes slowly, one in each worker.
fn downloads(nginx: &Nginx) -> Vec<Http1> {
    let file = std::fs::File::create(nginx.prefix().join("download")).expect("the folder is writable");
    file.set_len(1 << 20).expect("a sparse file");
    let workers = nginx.worker_pids();
    let to = |worker: &i32| {
        let others: Vec<i32> = workers.iter().copied().filter(|pid| pid != worker).collect();
        others.iter().for_each(|pid| process::signal(*pid, Signal::STOP));
        let stopped = poll(PATIENCE, || others.iter().all(|pid| process::is_stopped(*pid)).then_some(()));
        assert!(stopped.is_some(), "a worker is not to be stopped");
        let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
        client.send(&Request::get("/download")).expect("sent");
        let begun = client.read_exactly(64);
        others.iter().for_each(|pid| process::signal(*pid, Signal::CONT));
        begun.expect("the answer begins");
        client
    };
    workers.iter().map(to).collect()
}

/// An answer, and how long it took.
type Answered = (io::Result<Response>, Duration);

#[derive(Default)]
struct Tally {
    resolved: Vec<Answered>,
    plain: Vec<Answered>,
}

impl Tally {
    /// Every request is answered, and soon; but for those that a worker had in hand when it was killed.
    #[track_caller]
    fn assert_sound(&self, stage: &Stage, killed: usize) {
        for (all, is_plain) in [(&self.plain, true), (&self.resolved, false)] {
            let (answered, lost): (Vec<_>, Vec<_>) = all.iter().partition(|(answer, _)| answer.is_ok());
            assert!(lost.len() <= killed * CLIENTS, "{} lost: {:?}", lost.len(), lost[0]);
            for (answer, took) in answered {
                let answer = answer.as_ref().expect("it is one");
                assert!(*took < stretched(TIMEOUT / 2), "late, after {took:?}: {answer:?}");
                if is_plain {
                    assert_eq!(answer.status, 200, "{answer:?}");
                } else {
                    stage.assert_is("alice", answer);
                }
            }
        }
        assert!(self.plain.len() >= ENOUGH && self.resolved.len() >= ENOUGH);
    }
}

/// Clients ask without a pause while these steps are taken, and for a while after. Some ask for the same at the same time.
fn under_load(stage: &Stage, nginx: &Nginx, steps: impl FnOnce()) -> Tally {
    stage.resolver.set_fault(Some(Fault::Delay(Duration::from_millis(5))));
    let (stop, asked, tally) = (AtomicBool::new(false), AtomicUsize::new(0), Mutex::new(Tally::default()));
    let client = || {
        while !stop.load(Ordering::Relaxed) {
            let n = asked.fetch_add(1, Ordering::Relaxed);
            let is_plain = n.is_multiple_of(3);
            let request = if is_plain { Request::get("/plain") } else { token_of("alice", n / 6) };
            let start = Instant::now();
            let answered = (try_send(nginx, Wire::Http1, request), start.elapsed());
            let mut tally = tally.lock().expect("no thread panics holding it");
            if is_plain { tally.plain.push(answered) } else { tally.resolved.push(answered) }
        }
    };
    std::thread::scope(|scope| {
        struct Stop<'a>(&'a AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        (0..CLIENTS).for_each(|_| drop(scope.spawn(client)));
        let _stop = Stop(&stop);
        steps();
        let until = asked.load(Ordering::Relaxed) + 3 * ENOUGH;
        let enough = || (asked.load(Ordering::Relaxed) >= until).then_some(());
        assert!(poll(6 * PATIENCE, enough).is_some(), "hardly anything is answered");
    });
    tally.into_inner().expect("no thread panics holding it")
}

/// USR2, WINCH to the old master, HUP to it, QUIT to the new one.
fn roll_back(nginx: &Nginx, killed: bool) {
    let old = nginx.begin_upgrade();
    nginx.wind_down(old);
    let new = nginx.roll_back(old);
    if killed {
        // One that the old master has just started: its number has had three processes then, of which one drains.
        nginx.kill_worker_pid(newest_worker(nginx, old));
    }
    nginx.end_upgrade(new);
    if killed {
        nginx.kill_worker_pid(newest_worker(nginx, old));
    }
}

/// USR2, QUIT to the old master, which stays as long as its workers drain.
fn go_forward(nginx: &Nginx, killed: bool) {
    let old = nginx.begin_upgrade();
    if killed {
        nginx.kill_worker_pid(newest_worker(nginx, nginx.pid()));
    }
    process::signal(old, Signal::QUIT);
    if killed {
        nginx.kill_worker_pid(newest_worker(nginx, nginx.pid()));
    }
}

fn newest_worker(nginx: &Nginx, master: i32) -> i32 {
    let started = crate::harness::log::started_workers(&nginx.error_log(), master);
    *started.iter().rfind(|worker| process::is_child(**worker, master)).expect("it has a worker")
}

#[track_caller]
fn assert_loses_nothing(steps: fn(&Nginx, bool), killed: usize) {
    for workers in [1, 2] {
        let stage = Stage::start();
        let nginx = site(&stage, workers).start();
        let draining = (nginx.worker_pids(), downloads(&nginx));
        let tally = under_load(&stage, &nginx, || steps(&nginx, killed > 0));
        assert!(draining.0.iter().all(|worker| process::is_running(*worker)), "the old workers drain");
        tally.assert_sound(&stage, killed);
        drop(draining);
        stage.resolver.clear_faults();
        stage.assert_serves(&nginx);
        nginx.finish();
    }
}

#[test]
fn a_rollback_loses_no_request() {
    assert_loses_nothing(roll_back, 0);
}

#[test]
fn a_rollback_loses_no_request_but_those_of_workers_that_are_killed() {
    assert_loses_nothing(roll_back, 2);
}

#[test]
fn an_upgrade_loses_no_request() {
    assert_loses_nothing(go_forward, 0);
}

#[test]
fn an_upgrade_loses_no_request_but_those_of_workers_that_are_killed() {
    assert_loses_nothing(go_forward, 2);
}

/// A worker that drains makes a call. The one that has its number now is no successor: it leaves the call alone, and follows it.
#[test]
fn a_worker_follows_the_call_of_one_that_has_its_number_and_lives() {
    let stage = Stage::start();
    stage.resolver.set_fault(Some(Fault::Gate));
    let nginx = site(&stage, 1).start();
    let request = stage.unique();
    let mut leader = Http1::connect(nginx.port()).expect("nginx accepts");
    leader.send(&request).expect("sent");
    assert!(stage.resolver.wait_for_gate(1, PATIENCE));
    let old = nginx.begin_upgrade();
    nginx.wind_down(old);
    let new = nginx.roll_back(old);
    nginx.end_upgrade(new);
    let mut follower = Http1::connect(nginx.port()).expect("nginx accepts");
    follower.send(&request).expect("sent");
    // It is answered after what was sent before: the follower waits.
    assert_eq!(crate::harness::http1::get(nginx.port(), "/plain").status, 200);
    assert_eq!(stage.resolver.call_count(), 1);
    let opened = Instant::now();
    stage.resolver.clear_faults();
    for client in [&mut leader, &mut follower] {
        stage.assert_is("alice", &client.receive(b"GET").expect("an answer"));
    }
    assert!(opened.elapsed() < stretched(TIMEOUT / 2), "{:?}", opened.elapsed());
    assert_eq!(stage.resolver.call_count(), 1);
    nginx.finish();
}
