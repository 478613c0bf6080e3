//! Not one byte of a credential in what the module writes, at any level; and in nothing at all at the level info.
//!
//! Looked for is every run of [`WINDOW`] bytes of every credential that was sent, in the error log, the access log and
//! what nginx wrote to stderr. nginx itself prints requests at the level debug, so there it is the module's lines alone.

mod scenarios;

use std::fs;

use crate::harness::{Nginx, Request, Wire, burst, for_each_wire, send, try_send};
use crate::panics::panicking;
use crate::stage::Stage;
use crate::standin::{Fault, Kind};
use scenarios::Scenario;

/// Few enough to find a part that was cut out, enough not to meet one by chance.
const WINDOW: usize = 8;

/// What must not appear. Credentials are random letters and digits, so no window is a word.
#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    /// The part of a text that is a secret, if there is one.
    fn found_in<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        let known: std::collections::HashSet<&[u8]> =
            self.0.iter().flat_map(|secret| secret.as_bytes().windows(WINDOW)).collect();
        text.windows(WINDOW).find(|window| known.contains(window))
    }

    #[track_caller]
    fn assert_absent(&self, text: &str, place: &str) {
        // A line at a time, for a message that helps.
        for line in text.lines() {
            if let Some(part) = self.found_in(line.as_bytes()) {
                panic!("{:?} of a credential in {place}: {line}", part.escape_ascii().to_string());
            }
        }
    }
}

/// Presents one secret of each kind, made for this request.
fn presented(stage: &Stage, secrets: &mut Secrets) -> Request {
    let made = |kind| stage.accounts().mint("alice", kind);
    let values = Kind::ALL.map(made);
    let [bearer, app_session, app_access_token, session] = &values;
    let cookies =
        format!("app_session={app_session}; app_access_token=\"{app_access_token}\"; session={session}");
    let request =
        Request::get("/").header("Authorization", format!("Bearer {bearer}")).header("Cookie", cookies);
    secrets.0.extend(values);
    request
}

/// Runs a scenario over both wires, and looks for what it sent.
fn run(scenario: &Scenario, level: &str) {
    println!("{} at {level}", scenario.name);
    let (stage, mut secrets) = (scenario.stage(), Secrets::default());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let nginx = scenario.builder(&stage, &folder.path().join("ca.pem")).error_log_level(level).start();
    for_each_wire(|wire| {
        for _ in 0..2 {
            let request = scenario.request(presented(&stage, &mut secrets), &mut secrets);
            assert_eq!(send(&nginx, wire, request).status, scenario.status, "{}", scenario.name);
        }
    });
    assert_clean(&secrets, &nginx, level);
    scenario.assert_told(&nginx.error_log());
    if level == "debug" && scenario.is_decided() {
        assert!(nginx.error_log().contains("authgear: decided "), "{}", scenario.name);
    }
    nginx.finish();
}

fn assert_clean(secrets: &Secrets, nginx: &Nginx, level: &str) {
    assert!(secrets.0.len() >= 4);
    let log = nginx.error_log();
    if level == "info" {
        secrets.assert_absent(&log, "the error log");
    } else {
        let ours: Vec<&str> = log.lines().filter(|line| line.contains("authgear: ")).collect();
        secrets.assert_absent(&ours.join("\n"), "a line of the module's");
    }
    secrets.assert_absent(&nginx.access_log(), "the access log");
    let stderr = fs::read(nginx.prefix().join("stderr.log")).expect("the harness keeps it");
    secrets.assert_absent(&String::from_utf8_lossy(&stderr), "stderr");
}

#[test]
fn no_scenario_writes_a_credential_at_info() {
    scenarios::all().iter().for_each(|scenario| run(scenario, "info"));
}

#[test]
fn no_scenario_has_the_module_write_a_credential_at_debug() {
    scenarios::all().iter().for_each(|scenario| run(scenario, "debug"));
}

#[test]
fn a_panic_writes_no_credential() {
    for site in ["PostRead", "Access", "Variable", "Wake", "Resume", "Cleanup", "ExitProcess"] {
        for level in ["info", "debug"] {
            let (stage, mut secrets) = (Stage::start(), Secrets::default());
            let shown = "add_header X-User $authgear_user_id;";
            let builder = stage.site().http("authgear_timeout 1s;").server(shown);
            let nginx = panicking(builder, site, 1).error_log_level(level).start();
            for_each_wire(|wire| {
                drop(try_send(&nginx, wire, presented(&stage, &mut secrets)));
            });
            assert_clean(&secrets, &nginx, level);
            nginx.finish();
        }
    }
}

/// One call has all the room there is; the others are turned away.
#[test]
fn an_overload_writes_no_credential() {
    for level in ["info", "debug"] {
        let (stage, mut secrets) = (Stage::start(), Secrets::default());
        stage.resolver.set_fault(Some(Fault::Hang));
        let lines = "authgear_timeout 2s; authgear_max_inflight 1;";
        let nginx = stage.site().http(lines).error_log_level(level).start();
        let requests: Vec<Request> = (0..8).map(|_| presented(&stage, &mut secrets)).collect();
        let answers = burst(&nginx, Wire::Http1, requests.len(), requests.len(), |i| requests[i].clone());
        let turned_away = answers.iter().flatten().filter(|response| response.status == 502).count();
        assert_eq!(turned_away, 7);
        assert!(nginx.error_log().contains("calls are in flight"));
        assert_clean(&secrets, &nginx, level);
        nginx.finish();
    }
}

/// The search itself: what nginx prints of a request at debug is found, down to a part.
#[test]
fn the_search_finds_what_nginx_prints_at_debug() {
    let (stage, mut secrets) = (Stage::start(), Secrets::default());
    let nginx = stage.site().error_log_level("debug").start();
    let request = presented(&stage, &mut secrets);
    drop(try_send(&nginx, Wire::Http1, request));
    // Only where nginx was built with --with-debug, as Debian's is: otherwise it prints nothing.
    let log = nginx.error_log();
    let printed = log.contains("http header: \"Authorization");
    assert_eq!(secrets.found_in(log.as_bytes()).is_some(), printed);
    let part = &secrets.0[0][5..5 + WINDOW];
    assert!(secrets.found_in(format!("[error] {part}...").as_bytes()).is_some());
    assert!(secrets.found_in(&part.as_bytes()[1..]).is_none());
    nginx.finish();
}
