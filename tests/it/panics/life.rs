//! Panics where a process starts, ends, or reads its configuration.

use super::{fault_module, finish, panicking};
use crate::harness::{
    Builder, EchoReply, Nginx, PATIENCE, Request, Signal, for_each_wire, in_background, log, process, send,
};
use crate::stage::Stage;
use crate::standin::Fault;

/// With the environment of the process that reads the configuration.
fn configured(stage: &Stage, site: &str, call: u32) -> Builder {
    stage
        .site()
        .module_path(fault_module())
        .env("AUTHGEAR_PANIC", format!("{site}:{call}"))
        .allow_log(format!("authgear: panic in {site} callback at "))
}

#[test]
fn a_panic_while_the_configuration_is_read_refuses_it() {
    let stage = Stage::start();
    for (site, calls) in [("Configuration", 2), ("Directive", 1)] {
        for call in 1..=calls {
            let check = configured(&stage, site, call).check();
            assert!(!check.ok, "{site}:{call} was accepted");
            let expected = format!("authgear: panic in {site} callback at src/nginx/ffi/callback.rs:");
            assert!(check.stderr.contains(&expected), "{site}:{call}\n{}", check.stderr);
            assert!(!check.stderr.contains("panicked"), "{}", check.stderr);
            if site == "Directive" {
                check.assert_refused_somewhere(
                    "internal error in the authgear module, see the [alert] line above in ",
                );
            }
        }
    }
}

/// What runs goes on running.
#[test]
fn a_panic_while_a_new_configuration_is_read_keeps_the_old_one() {
    let stage = Stage::start();
    for site in ["Configuration", "Directive"] {
        println!("{site}");
        let nginx = panicking_on_reload(&stage, site);
        nginx.allow_log("[emerg]");
        let worker = nginx.worker_pids();
        let mark = nginx.error_mark();
        nginx.signal(Signal::HUP);
        nginx.wait_for_log_since(mark, &format!("panic in {site} callback"), PATIENCE);
        stage.assert_serves(&nginx);
        assert_eq!(nginx.worker_pids(), worker);
        nginx.finish();
    }
}

/// The first call that the start doesn't reach is the reload's.
fn panicking_on_reload(stage: &Stage, site: &str) -> Nginx {
    let starts = (1..100).map(|call| configured(stage, site, call)).find(|builder| builder.check().ok);
    starts.expect("fewer than 100 calls a configuration").start()
}

#[test]
fn a_worker_that_could_not_be_set_up_lives_and_resolves_nothing() {
    for_each_wire(|wire| {
        let stage = Stage::start();
        let off = format!("location /off {{ authgear_resolve off; {} }}", stage.pass());
        let nginx = panicking(stage.site().server(off), "InitProcess", 1).start();
        for _ in 0..3 {
            assert_eq!(send(&nginx, wire, stage.unique()).status, 500);
        }
        assert_eq!((stage.resolver.call_count(), stage.echo.requests().len()), (0, 0));
        let open = Request { target: "/off".into(), ..stage.unique() };
        EchoReply::of(&send(&nginx, wire, open.header("X-Authgear-User-Id", "forged")));
        assert_eq!(stage.echo.last().expect("it was asked").header("x-authgear-user-id"), None);
        finish(nginx, "InitProcess");
    });
}

/// Not in a call, which is contained, but between calls: the thread is gone then.
#[test]
fn a_panic_that_ends_the_resolvers_thread_costs_the_calls_in_it_and_the_next_are_made() {
    for_each_wire(|wire| {
        let stage = Stage::start();
        let site = stage.site().module_path(fault_module()).main("env AUTHGEAR_PANIC=Thread:3;");
        let site = site.allow_log("panic in the resolver thread at ");
        let nginx = site.http("authgear_breaker off;").start();
        // The third of each thread.
        for round in 0..3 {
            let statuses = [(); 3].map(|()| send(&nginx, wire, stage.unique()).status);
            assert_eq!(statuses, [200, 200, 502], "{round}");
        }
        // Others are in flight when it ends: they fail at once, and don't wait for their timeouts.
        stage.assert_is("alice", &send(&nginx, wire, stage.unique()));
        stage.resolver.set_fault(Some(Fault::Gate));
        let waiting = in_background(&nginx, wire, stage.unique());
        assert!(stage.resolver.wait_for_gate(1, PATIENCE));
        assert_eq!(send(&nginx, wire, stage.unique()).status, 502);
        assert_eq!(waiting.join().expect("the client ends").expect("an answer").status, 502);
        stage.resolver.clear_faults();
        stage.assert_is("alice", &send(&nginx, wire, stage.unique()));
        assert_eq!(
            nginx.error_log().matches("the resolver thread has ended, and is started again").count(),
            4
        );
        assert_eq!(nginx.worker_pids().into_iter().map(process::threads).collect::<Vec<_>>(), [2]);
        nginx.finish();
    });
}

#[test]
fn a_panic_at_a_workers_end_lets_it_end() {
    let stage = Stage::start();
    let nginx = panicking(stage.site(), "ExitProcess", 1).start();
    stage.assert_serves(&nginx);
    nginx.reload();
    nginx.wait_for_old_workers();
    nginx.wait_for_log("panic in ExitProcess callback", PATIENCE);
    let left = log::started_workers(&nginx.error_log(), nginx.pid())[0];
    nginx.wait_for_log(&format!("worker process {left} exited with code 0"), PATIENCE);
    nginx.finish();
}
