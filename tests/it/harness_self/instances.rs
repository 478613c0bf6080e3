//! Starting, changing and ending nginx; checking configurations.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;

use super::super::harness::{Builder, Check, Http1, Nginx, PATIENCE, Place, Request, Signal, http1, process};

/// Stock nginx that answers with this word.
fn saying(word: &str) -> Builder {
    Nginx::builder().module(false).server(format!("location / {{ return 200 {word}; }}"))
}

/// The message of the expected panic.
fn failure(fails: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(fails)).expect_err("it should have failed");
    let text = panic.downcast::<String>();
    *text.expect("a panic with a formatted message")
}

#[test]
fn an_instance_starts_serves_and_ends() {
    let nginx = saying("hello").workers(2).start();
    assert_eq!(http1::get(nginx.port(), "/").text(), "hello");
    let workers = nginx.worker_pids();
    assert_eq!(workers.len(), 2);
    assert!(nginx.rss() > 0 && nginx.open_fds() > 0);
    nginx.wait_for_access_log("GET / HTTP/1.1", PATIENCE);
    let (master, prefix) = (nginx.pid(), nginx.prefix().to_path_buf());
    nginx.finish();
    assert!(!process::is_running(master) && !workers.into_iter().any(process::is_running));
    assert!(!prefix.exists());
}

#[test]
fn an_instance_that_is_dropped_ends_as_well() {
    let nginx = saying("hello").start();
    let mut open = Http1::connect(nginx.port()).expect("nginx accepts");
    assert_eq!(open.exchange(&Request::get("/")).expect("an answer").status, 200);
    let master = nginx.pid();
    drop(nginx);
    assert!(!process::is_running(master));
    assert!(open.is_closed());
}

#[test]
fn instances_that_start_at_the_same_time_do_not_meet() {
    let barrier = Barrier::new(4);
    std::thread::scope(|scope| {
        for word in ["a", "b", "c", "d"] {
            let barrier = &barrier;
            scope.spawn(move || {
                let nginx = saying(word).start();
                barrier.wait();
                assert_eq!(http1::get(nginx.port(), "/").text(), word);
                nginx.finish();
            });
        }
    });
}

#[test]
fn an_instance_that_can_not_start_says_why() {
    let failed = failure(|| drop(saying("hello").http("no_such_directive;").start()));
    assert!(failed.contains("unknown directive \"no_such_directive\""), "{failed}");
}

#[test]
fn an_alert_fails_the_test() {
    let nginx = saying("hello").start();
    // Killed without the harness's knowledge, so the master's alert isn't expected.
    process::signal(nginx.worker_pids()[0], Signal::KILL);
    nginx.wait_for_log("exited on signal 9", PATIENCE);
    let failed = failure(|| nginx.finish());
    assert!(failed.contains("[alert]"), "{failed}");
}

#[test]
fn an_alert_that_was_announced_passes() {
    let nginx = saying("hello").start();
    nginx.allow_log("exited on signal 9");
    process::signal(nginx.worker_pids()[0], Signal::KILL);
    nginx.wait_for_log("exited on signal 9", PATIENCE);
    nginx.finish();
}

#[test]
fn a_killed_worker_is_replaced() {
    let nginx = saying("hello").start();
    let killed = nginx.kill_worker();
    nginx.wait_for_log(&format!("worker process {killed} exited on signal 9"), PATIENCE);
    assert!(!nginx.worker_pids().contains(&killed));
    assert_eq!(http1::get(nginx.port(), "/").text(), "hello");
    nginx.finish();
}

#[test]
fn after_a_reload_the_new_configuration_answers() {
    let nginx = saying("before").workers(2).start();
    let old = nginx.worker_pids();
    nginx.reload_with(|builder| builder.replace("before", "after"));
    assert_eq!(http1::get(nginx.port(), "/").text(), "after");
    nginx.wait_for_old_workers();
    assert!(!old.into_iter().any(process::is_running));
    nginx.finish();
}

#[test]
fn a_refused_reload_is_told_and_changes_nothing() {
    let nginx = saying("before").allow_log("[emerg]").start();
    let refusal = nginx.try_reload_with(|builder| builder.replace("return 200 before", "no_such_directive"));
    assert!(refusal.unwrap_err().starts_with("unknown directive \"no_such_directive\""));
    assert_eq!(http1::get(nginx.port(), "/").text(), "before");
    nginx.finish();
}

#[test]
fn an_upgrade_leaves_a_new_master_alone() {
    let nginx = saying("hello").upgradable().start();
    let old = nginx.pid();
    nginx.upgrade();
    assert!(nginx.pid() != old && !process::is_running(old));
    assert_eq!(http1::get(nginx.port(), "/").text(), "hello");
    nginx.finish();
}

#[test]
fn lines_before_a_mark_are_left_out() {
    let nginx = saying("hello").start();
    let mark = nginx.error_mark();
    nginx.signal(Signal::USR1);
    nginx.wait_for_log_since(mark, "reopening logs", PATIENCE);
    assert!(nginx.error_log().contains("start worker process"));
    assert!(!nginx.error_lines_since(mark).iter().any(|line| line.contains("start worker process")));
    nginx.finish();
}

#[test]
fn a_good_configuration_passes_the_check() {
    saying("hello").check().assert_ok();
}

#[test]
fn a_bad_configuration_is_refused_with_file_and_line() {
    for place in [Place::Main, Place::Http, Place::Server, Place::Location] {
        let fragment = "# fine\nno_such_directive;";
        let check: Check = place.put(saying("hello"), fragment).check();
        check.assert_refused(fragment, "unknown directive \"no_such_directive\"", 2);
    }
}

#[test]
fn a_module_that_is_not_there_is_told() {
    let check = saying("hello").module_path("no_such_module.so").check();
    check.assert_refused_somewhere("dlopen()");
}

#[test]
fn a_wrong_expectation_of_a_refusal_fails() {
    let fragment = "no_such_directive;";
    let check = saying("hello").http(fragment).check();
    failure(|| check.assert_refused(fragment, "unknown directive \"no_such_directive\"", 2));
    failure(|| check.assert_refused(fragment, "unknown directive", 1));
    failure(|| check.assert_ok());
    failure(|| saying("hello").http("gzip off;").check().assert_refused("gzip off;", "no", 1));
}
