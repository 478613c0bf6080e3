//! Memory, as valgrind sees it: a run with a bit of everything must end without an error or a definite leak, but nginx's
//! own and TLS's assembler's, which `memory/valgrind.supp` lists.
//!
//! The module is the one for fault injection, without a fault: it has its symbols, and checks of its own in addition.
//!
//! It takes a valgrind and some time, so it runs where `AUTHGEAR_VALGRIND` is set, as scripts/test does. Where it isn't,
//! that is said, past the test program's capture of output.

mod findings;
mod reloads;

use std::io::{self, Write};
use std::path::Path;

use crate::harness::{
    Builder, COUNTERS, EchoReply, Http1, Http2, Nginx, PATIENCE, Request, Wire, for_each_wire, send, try_send,
};
use crate::panics::{fault_module, panicking};
use crate::stage::Stage;
use crate::standin::{Fault, Leaf, Pki, Resolver, ServerTls};
use findings::Findings;

const SUPPRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/memory/valgrind.supp");

/// Patience for what takes ten times as long under valgrind. Small pools, so that memory is freed and reused often.
const SLOW: &str = "authgear_breaker max_fails=100; authgear_timeout 20s; authgear_connect_timeout 20s; keepalive_timeout 60s;
    connection_pool_size 256; request_pool_size 512; error_page 504 = @late;";

fn is_wanted() -> bool {
    let wanted = std::env::var_os("AUTHGEAR_VALGRIND").is_some();
    if !wanted {
        let _ = io::stderr()
            .write_all(b"skipped: AUTHGEAR_VALGRIND is not set, so nothing runs under valgrind\n");
    }
    wanted
}

/// Has nginx run under valgrind, which writes a report for each process into the folder.
fn watched(builder: Builder, reports: &Path) -> Builder {
    builder.runner([
        "valgrind".to_owned(),
        "--quiet".to_owned(),
        "--leak-check=full".to_owned(),
        "--show-leak-kinds=definite".to_owned(),
        "--num-callers=40".to_owned(),
        // Otherwise the event loop can keep the resolver's thread from running.
        "--fair-sched=yes".to_owned(),
        "--xml=yes".to_owned(),
        format!("--xml-file={}/%p.xml", reports.display()),
        format!("--suppressions={SUPPRESSIONS}"),
    ])
}

#[test]
fn valgrind_finds_nothing_in_a_run_with_everything() {
    if !is_wanted() {
        return;
    }
    let reports = tempfile::tempdir().expect("a temporary folder");
    let (stage, secure) = (Stage::start(), secure_resolver());
    let nginx = watched(everything(&stage, &secure, reports.path()), reports.path()).start();
    serve(&stage, &secure, &nginx);
    fail(&stage, &nginx);
    vanish(&stage, &nginx);
    nginx.reload();
    nginx.wait_for_old_workers();
    serve(&stage, &secure, &nginx);
    nginx.finish();
    let findings = Findings::read(reports.path());
    // The master, and a worker before and after the reload.
    assert_eq!(findings.processes, 3);
    assert!(findings.errors.is_empty(), "{findings}");
}

/// The check can fail: the payload of a panic is left behind on purpose, since its destructor could panic in turn.
#[test]
fn valgrind_finds_a_leak_of_the_module() {
    if !is_wanted() {
        return;
    }
    let reports = tempfile::tempdir().expect("a temporary folder");
    let stage = Stage::start();
    let nginx = watched(
        panicking(stage.site().http(SLOW).server("location @late { return 504; }"), "Access", 1),
        reports.path(),
    )
    .start();
    assert_eq!(send(&nginx, Wire::Http1, Request::get("/")).status, 500);
    nginx.finish();
    let findings = Findings::read(reports.path());
    let [leak] = &findings.errors[..] else { panic!("one leak: {findings}") };
    let module = fault_module();
    assert!(leak.contains("Leak_DefinitelyLost") && leak.contains(&module.display().to_string()), "{leak}");
}

fn secure_resolver() -> Resolver {
    let tls: ServerTls = Pki::shared().server(Leaf::Good);
    Resolver::builder().tls(tls).alpn(&["h2", "http/1.1"]).start()
}

fn everything(stage: &Stage, secure: &Resolver, folder: &Path) -> Builder {
    Pki::shared().write(folder).expect("the folder is writable");
    let (pass, folder) = (stage.pass(), folder.display());
    let tls = format!(
        "authgear_resolve {}; authgear_ssl_trusted_certificate {folder}/ca.pem;
         authgear_ssl_certificate {folder}/client.pem; authgear_ssl_certificate_key {folder}/client.key;",
        secure.url()
    );
    stage
        .site()
        .http(SLOW)
        .module_path(fault_module())
        .server(COUNTERS)
        .server(format!(
            "authgear_pass_set_cookie on; underscores_in_headers on; ignore_invalid_headers off;
             add_header X-Shown $authgear_user_id$authgear_header_user_roles$authgear_result$authgear_reason always;
             add_header X-Told $authgear_resolve_time$authgear_credential$http_x_authgear_user_id always;
             location /tls {{ {tls} {pass} }}
             location /off {{ authgear_resolve off; {pass} }}
             location /again {{ try_files /nothing /tls; }}
             location /named {{ try_files /nothing @named; }}
             location @named {{ {pass} }}
             location @late {{ authgear_resolve off; {pass} }}
             location /late {{ authgear_timeout 200ms; {pass} }}
             location /anonymous {{ authgear_on_error anonymous; {pass} }}
             location /crowded {{ authgear_max_inflight 1; {pass} }}"
        ))
}

/// Each location, with good, bad, oversized and missing credentials, and forged headers all over.
fn serve(stage: &Stage, secure: &Resolver, nginx: &Nginx) {
    let bob = secure.accounts().login("bob").bearer;
    for_each_wire(|wire| {
        for target in ["/", "/tls", "/off", "/again", "/named", "/anonymous"] {
            let to = |request: Request| Request { target: target.into(), ..request };
            let forged = |request: Request| {
                (0..60).fold(request, |request, i| match i % 3 {
                    0 => request.header("X-Authgear-User-Id", "forged"),
                    1 => request.header("x_authgear_user_id", "forged"),
                    _ => request.header(format!("X-Other-{i}"), "kept"),
                })
            };
            EchoReply::of(&send(nginx, wire, to(Request::get("/"))));
            EchoReply::of(&send(nginx, wire, to(forged(Request::get("/").header("Cookie", "session=bad")))));
            EchoReply::of(&send(nginx, wire, to(forged(stage.unique().header("Cookie", "app_session=x")))));
            EchoReply::of(&send(nginx, wire, to(crate::stage::with_bearer(&bob)).body("a body")));
        }
        stage.assert_is("alice", &send(nginx, wire, stage.unique()));
    });
}

/// Every failure of the resolver.
fn fail(stage: &Stage, nginx: &Nginx) {
    let challenge = || vec![("WWW-Authenticate".to_owned(), "Bearer".to_owned()); 3];
    for (fault, target, status) in [
        (Fault::Status(500), "/", 502),
        (Fault::Status(500), "/anonymous", 200),
        (Fault::Answer { status: 401, headers: challenge(), body: vec![] }, "/", 401),
        (Fault::Hang, "/late", 200),
        (Fault::HangInBody, "/late", 200),
        (Fault::ResetBeforeAnswer, "/", 502),
        (Fault::CloseInBody, "/", 502),
        (Fault::Garbage(b"garbage\r\n\r\n".into()), "/", 502),
        (Fault::HugeHeaders(100_000), "/", 502),
        (Fault::Chunked(vec![b'x'; 100_000]), "/", 200),
    ] {
        stage.resolver.set_fault(Some(fault));
        for_each_wire(|wire| {
            let response = send(nginx, wire, Request { target: target.into(), ..stage.unique() });
            assert_eq!(response.status, status, "{target}: {response:?}");
        });
    }
    stage.resolver.clear_faults();
}

/// Clients that leave while they wait, and others that wait for the same call.
fn vanish(stage: &Stage, nginx: &Nginx) {
    for answered in [true, false] {
        stage.resolver.set_fault(Some(Fault::Gate));
        let request = stage.unique();
        let mut stays = Http1::connect(nginx.port()).expect("nginx accepts");
        let leaves = Http1::connect(nginx.port()).and_then(|mut c| c.send(&request).map(|()| c));
        let mut streams = Http2::connect(nginx.h2_port()).expect("nginx accepts");
        let ids = [(); 5].map(|()| streams.send(&request).expect("sent"));
        stays.send(&request).expect("sent");
        nginx.wait_until_in_hand(7);
        if answered {
            stage.resolver.open_gate();
        }
        leaves.expect("sent").reset();
        ids[1..].iter().for_each(|id| streams.reset_stream(*id).expect("it is open"));
        if !answered {
            nginx.wait_until_in_hand(2);
            stage.resolver.open_gate();
        }
        stage.assert_is("alice", &stays.receive(b"GET").expect("an answer"));
        stage.assert_is("alice", &streams.receive(ids[0]).expect("an answer"));
        streams.reset();
        nginx.wait_until_in_hand(0);
    }
    stage.resolver.clear_faults();
    assert!(stage.resolver.wait_until_idle(PATIENCE));
    drop(try_send(nginx, Wire::Http1, Request { target: "/crowded".into(), ..stage.unique() }));
}
