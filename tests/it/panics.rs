//! The panic boundary, with a module that panics on demand: `AUTHGEAR_PANIC=Access:2` makes the second call at that
//! site panic in each process. The module is another build, which `AUTHGEAR_FAULT_MODULE` names.
//!
//! A panic costs the one request: 500, never a way past the access phase. The worker lives, and what else is in flight
//! finishes.

mod life;
mod waiting;

use std::path::PathBuf;

use crate::harness::{
    Builder, EchoReply, Http2, Nginx, PATIENCE, Request, Wire, for_each_wire, in_background, log, send,
};
use crate::stage::Stage;
use crate::standin::Fault;

pub(crate) fn fault_module() -> PathBuf {
    let path = std::env::var_os("AUTHGEAR_FAULT_MODULE").expect(
        "AUTHGEAR_FAULT_MODULE must name the module built with the feature fault-injection, as scripts/test does",
    );
    let path = PathBuf::from(path);
    path.canonicalize().unwrap_or_else(|e| panic!("AUTHGEAR_FAULT_MODULE {}: {e}", path.display()))
}

/// Makes the `call`th call at a site panic, in each worker.
pub(crate) fn panicking(builder: Builder, site: &str, call: u32) -> Builder {
    builder
        .module_path(fault_module())
        .main(format!("env AUTHGEAR_PANIC={site}:{call};"))
        .allow_log(format!("authgear: panic in {site} callback at "))
}

/// One worker from beginning to end, and one line that tells of the panic: the place in the source, and no values.
#[track_caller]
fn finish(nginx: Nginx, site: &str) {
    nginx.wait_for_log(&format!("panic in {site} callback"), PATIENCE);
    let log = nginx.error_log();
    assert_eq!(log::started_workers(&log, nginx.pid()).len(), 1, "the worker died:\n{log}");
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("panic")).collect();
    let [line] = lines[..] else { panic!("one line: {lines:?}") };
    let (_, message) = line.split_once("authgear: ").expect("the module's line");
    let place = message.strip_prefix(&format!("panic in {site} callback at ")).expect("the site");
    let place = place.strip_suffix(": please report this bug").expect("the end of the line");
    assert!(place.starts_with("src/nginx/ffi/callback.rs:"), "{place:?}");
    assert!(place.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._:".contains(&b)), "{place:?}");
    nginx.finish();
}

#[test]
fn a_panic_in_a_phase_is_a_500_and_nothing_gets_past_it() {
    for site in ["PostRead", "Preaccess", "Access"] {
        for_each_wire(|wire| {
            let stage = Stage::start();
            // Without a credential each request passes each site once.
            let nginx = panicking(stage.site(), site, 2).start();
            let statuses = [(); 4].map(|()| send(&nginx, wire, Request::get("/")).status);
            assert_eq!(statuses, [200, 500, 200, 200], "{site}");
            assert_eq!(stage.echo.requests().len(), 3, "{site}: the backend saw the request");
            stage.assert_serves(&nginx);
            finish(nginx, site);
        });
    }
}

#[test]
fn requests_in_flight_outlive_the_panic_of_another() {
    for site in ["PostRead", "Preaccess", "Access"] {
        let stage = Stage::start();
        stage.resolver.set_fault(Some(Fault::Gate));
        let nginx = panicking(stage.site(), site, 5).start();
        let wires = [Wire::Http1, Wire::Http2, Wire::Http1, Wire::Http2];
        let waiting = wires.map(|wire| in_background(&nginx, wire, stage.unique()));
        assert!(stage.resolver.wait_for_gate(4, PATIENCE));
        assert_eq!(send(&nginx, Wire::Http1, stage.unique()).status, 500);
        stage.resolver.open_gate();
        for waiting in waiting {
            stage.assert_is("alice", &waiting.join().expect("the client ends").expect("an answer"));
        }
        finish(nginx, site);
    }
}

/// HTTP/1 connections end with a 500, by nginx's own rule.
#[test]
fn the_connection_of_a_panic_serves_other_streams() {
    let stage = Stage::start();
    let nginx = panicking(stage.site(), "Access", 2).start();
    let mut client = Http2::connect(nginx.h2_port()).expect("nginx accepts");
    let statuses = [(); 3].map(|()| client.exchange(&Request::get("/")).expect("an answer").status);
    assert_eq!(statuses, [200, 500, 200]);
    drop(client);
    finish(nginx, "Access");
}

/// A backend behind `error_page` must not see what could not be removed.
#[test]
fn an_error_page_of_a_panic_carries_no_forged_header() {
    for (site, call) in [("PostRead", 1), ("Preaccess", 1), ("Access", 1)] {
        let stage = Stage::start();
        let (resolve, pass) = (stage.resolve(), stage.pass());
        let server = format!(
            "error_page 500 = @broken;
             location / {{ {resolve} {pass} }}
             location @broken {{ {pass} }}"
        );
        let nginx = panicking(Nginx::builder(), site, call).server(server).start();
        let request = Request::get("/").header("X-Authgear-User-Id", "forged");
        let reply = EchoReply::of(&send(&nginx, Wire::Http1, request));
        assert_eq!(reply.all_folded("x-authgear-user-id"), Vec::<&str>::new(), "{site}");
        finish(nginx, site);
    }
}

#[test]
fn a_panic_under_satisfy_any_grants_nothing() {
    let stage = Stage::start();
    let server = format!("location / {{ {} satisfy any; deny all; {} }}", stage.resolve(), stage.pass());
    for site in ["PostRead", "Preaccess", "Access"] {
        let nginx = panicking(Nginx::builder(), site, 1).server(server.clone()).start();
        assert_eq!(send(&nginx, Wire::Http1, stage.unique()).status, 500, "{site}");
        finish(nginx, site);
    }
    assert_eq!(stage.echo.requests().len(), 0);
}

#[test]
fn a_panic_in_a_variable_leaves_it_unset() {
    let stage = Stage::start();
    let nginx = panicking(stage.site().server("add_header X-User $authgear_user_id;"), "Variable", 1).start();
    let id = stage.accounts().user("alice").id;
    let shown = [(); 3].map(|()| {
        let response = send(&nginx, Wire::Http1, stage.unique());
        stage.assert_is("alice", &response);
        response.header("x-user")
    });
    assert_eq!(shown, [None, Some(id.clone()), Some(id)]);
    finish(nginx, "Variable");
}
