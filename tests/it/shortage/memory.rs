//! A request whose pool is out of memory, at each place where the module takes some: `AUTHGEAR_NO_MEMORY=3` makes the third
//! time fail in a worker, and `3+` all from there on. The module is the one for fault injection.
//!
//! It costs that request: 500. No request gets to the backend with an identity header of the client's, with another
//! identity than its own, or without the one that it has.

use super::super::harness::{Nginx, Request, Response, Wire, for_each_wire, send};
use super::super::stage::{LAX, Pairs, Stage, by, identity, identity_of, pairs};
use crate::panics::fault_module;

/// What nginx is asked, and what must come of it where there is memory.
struct Step {
    request: Request,
    status: u16,
    /// What the backend gets, if it gets the request.
    passes: Option<Pairs>,
    /// A line that the client must get.
    line: Option<(&'static str, String)>,
}

/// Forged headers at several places, between others.
fn forged(path: &str) -> Request {
    let names = ["X-Authgear-User-Id", "X-Authgear-User-Roles", "x_authgear_user_id", "X-Authgear-Some-Day"];
    names.into_iter().fold(Request { target: path.into(), ..Request::get("/") }, |request, name| {
        request.header("X-Kept", "1").header(name, "forged")
    })
}

fn steps() -> Vec<Step> {
    let step = |request, status, passes, line| Step { request, status, passes, line };
    let invalid = || Some(pairs(&[("x-authgear-session-valid", "false")]));
    let alice = || Some(identity_of("alice"));
    let cleared = "session=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax";
    vec![
        step(by("alice", forged("/")), 200, alice(), None),
        step(forged("/"), 200, Some(vec![]), None),
        step(forged("/open/"), 200, Some(vec![]), None),
        step(
            forged("/required"),
            401,
            None,
            Some(("www-authenticate", "Bearer realm=\"authgear\"".to_owned())),
        ),
        step(by("alice", forged("/required")), 200, alice(), None),
        step(
            forged("/cookie").header("Cookie", "session=bad"),
            200,
            invalid(),
            Some(("set-cookie", cleared.to_owned())),
        ),
        step(by("alice", forged("/shown")), 200, alice(), None),
        step(by("bob", forged("/any")), 200, Some(identity_of("bob")), None),
        step(forged("/any"), 401, None, None),
        // Twice: an internal redirect has it resolved again.
        step(by("alice", forged("/redirect")), 200, alice(), None),
    ]
}

fn start(stage: &Stage, no_memory: &str) -> Nginx {
    let pass = stage.pass();
    let server = format!(
        "{resolve}
         error_page 500 = @broken;
         location / {{ {pass} }}
         location /open/ {{ authgear_resolve off; {pass} }}
         location /required {{ authgear_require valid; {pass} }}
         location /cookie {{ authgear_pass_set_cookie on; {pass} }}
         location /shown {{ add_header X-User $authgear_user_id; add_header X-Id $http_x_authgear_user_id; {pass} }}
         location /any {{ satisfy any; deny all; authgear_require valid; {pass} }}
         location /redirect {{ try_files /nothing /; }}
         location @broken {{ authgear_resolve off; add_header X-Broken 1; {pass} }}",
        resolve = stage.resolve(),
    );
    Nginx::builder()
        .module_path(fault_module())
        .main(format!("env AUTHGEAR_NO_MEMORY={no_memory};"))
        .http(LAX)
        .server(server)
        .start()
}

/// Whether the step came to what it must where there is memory; it must be that, or a 500. The backend of the page for that
/// may be told who it is, or nothing.
#[track_caller]
fn went_well(step: &Step, response: &Response, seen: &[Pairs], what: &str) -> bool {
    // Where another module's 403 stands, nginx remembers it on the way to the error page.
    if response.status == 500 || response.status == 403 {
        assert_eq!(seen, [] as [Pairs; 0], "{what}: {response:?}");
        return false;
    }
    if response.header("x-broken").is_some() {
        let is_true = |seen: &Pairs| seen.is_empty() || Some(seen) == step.passes.as_ref();
        assert!(seen.iter().all(is_true), "{what}: {seen:?}");
        return false;
    }
    assert_eq!(response.status, step.status, "{what}: {response:?}");
    assert_eq!(seen, step.passes.as_slice(), "{what}");
    if let Some((name, value)) = &step.line {
        assert_eq!(response.all(name), [value.as_str()], "{what}");
    }
    true
}

/// How many of the steps failed, and what `$authgear_user_id` was.
fn run(stage: &Stage, nginx: &Nginx, wire: Wire, what: &str) -> (usize, Vec<Option<String>>) {
    let (mut failed, mut shown) = (0, Vec::new());
    for step in steps() {
        let what = format!("{what}: {}", String::from_utf8_lossy(&step.request.target));
        stage.echo.clear();
        let response = send(nginx, wire, &step.request);
        let seen: Vec<Pairs> = stage.echo.requests().iter().map(identity).collect();
        let is_well = went_well(&step, &response, &seen, &what);
        failed += usize::from(!is_well);
        if is_well && step.request.target == b"/shown" {
            shown.push(response.header("x-user"));
            assert_eq!(response.header("x-id"), Some(super::super::stage::user_id("alice")), "{what}");
        }
    }
    (failed, shown)
}

/// Runs all steps for each place where memory can be missing, until no place is left.
fn for_each_place(suffix: &str, check: impl Fn(usize, &[Option<String>])) {
    for_each_wire(|wire| {
        let stage = Stage::start();
        for place in 1.. {
            let no_memory = format!("{place}{suffix}");
            let nginx = start(&stage, &no_memory);
            let (failed, shown) = run(&stage, &nginx, wire, &no_memory);
            let was_missing = nginx.error_log().contains("out of memory, as injected");
            nginx.finish();
            if !was_missing {
                assert_eq!((failed, shown), (0, vec![Some(super::super::stage::user_id("alice"))]));
                // Two or more for each step.
                assert!(place > 2 * steps().len(), "only {place} places");
                println!("{place} places");
                return;
            }
            check(failed, &shown);
        }
    });
}

#[test]
fn each_place_without_memory_costs_one_request_a_500() {
    for_each_place("", |failed, shown| {
        // A variable for which there is no memory is unset.
        let is_unset = shown == [None];
        assert_eq!(failed + usize::from(is_unset), 1);
    });
}

#[test]
fn without_any_memory_no_request_passes_as_another() {
    for_each_place("+", |failed, shown| assert!(failed + usize::from(shown == [None]) >= 1));
}
