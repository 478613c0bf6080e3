//! Where the module differs from the configuration that it replaces, and why it should.

use super::{Fate, Sites};
use crate::harness::{EchoReply, Request, for_each_wire, send};
use crate::stage::with_bearer;
use crate::standin::Fault;

/// nginx's own limits moved out of the way.
const LARGE_HEADERS: &str =
    "large_client_header_buffers 8 64k; http2_max_field_size 64k; http2_max_header_size 256k;";

impl Sites {
    /// What becomes of a request in the documented configuration, and in the module.
    fn fates(&self, wire: crate::harness::Wire, request: &Request) -> [Fate; 2] {
        [&self.documented, &self.module].map(|nginx| Fate::of(&send(nginx, wire, request)))
    }

    fn good_session(&self) -> String {
        format!("session={}", self.stage.accounts().login("alice").session)
    }
}

fn session_valid(fate: &Fate) -> Option<&str> {
    fate.get("x-authgear-session-valid")
}

/// Go reads no cookie at all of a request with more than 3000. The module sends those it is for alone.
#[test]
fn a_session_among_more_than_3000_cookies_is_found() {
    let sites = Sites::start_with(LARGE_HEADERS);
    for_each_wire(|wire| {
        let others = "a=b; ".repeat(2999);
        let line = format!("{others}{}", sites.good_session());
        let [documented, module] = sites.fates(wire, &Request::get("/").header("Cookie", &line));
        assert_eq!((session_valid(&documented), session_valid(&module)), (Some("true"), Some("true")));
        let [documented, module] =
            sites.fates(wire, &Request::get("/").header("Cookie", format!("c=d; {line}")));
        assert_eq!((session_valid(&documented), session_valid(&module)), (None, Some("true")));
    });
    sites.finish();
}

/// Go refuses a whole request for such a byte, and `auth_request` makes a 500 of that: anyone who can set a cookie for
/// the domain takes the site away. The module leaves the credential out that has the byte.
#[test]
fn a_forbidden_byte_costs_its_own_credential_alone() {
    let sites = Sites::start();
    let good = sites.good_session();
    let token = sites.stage.accounts().login("alice").bearer;
    for_each_wire(|wire| {
        for byte in [b"\x01", b"\x7f"] {
            let bytes = |before: &str, after: &str| [before.as_bytes(), byte, after.as_bytes()].concat();
            for (name, value, expected) in [
                ("Cookie", bytes("other=", &format!("; {good}")), Some("true")),
                ("Cookie", bytes("app_session=x", &format!("; {good}")), Some("true")),
                ("Cookie", bytes("app_session=x", ""), None),
                ("Authorization", bytes(&format!("Bearer {token}"), ""), None),
            ] {
                println!("{}", value.escape_ascii());
                let [documented, module] = sites.fates(wire, &Request::get("/").header(name, &value));
                assert_eq!(documented.status, 500);
                assert_eq!((module.status, session_valid(&module)), (200, expected));
            }
        }
    });
    sites.finish();
}

/// Credentials of more than 16 KiB are nobody's, so there is no call for them. Go takes a megabyte.
#[test]
fn oversized_credentials_are_invalid_without_a_call() {
    let sites = Sites::start_with(LARGE_HEADERS);
    for_each_wire(|wire| {
        let request = with_bearer(&"x".repeat(17 * 1024));
        sites.stage.resolver.reset_counters();
        let [documented, module] = sites.fates(wire, &request);
        assert_eq!((session_valid(&documented), session_valid(&module)), (None, Some("false")));
        assert_eq!(sites.stage.resolver.call_count(), 1, "the documented configuration's");
    });
    sites.finish();
}

/// So that headers which Authgear adds in future need no new release.
#[test]
fn headers_that_the_guide_does_not_list_pass_the_module_alone() {
    let sites = Sites::start();
    let added = vec![("X-Authgear-Future".to_owned(), "yes".to_owned())];
    sites.stage.resolver.set_fault(Some(Fault::Headers(added)));
    for_each_wire(|wire| {
        let fates = sites.fates(wire, &sites.stage.unique());
        assert_eq!(fates.each_ref().map(|fate| fate.get("x-authgear-future")), [None, Some("yes")]);
        assert_eq!(fates.each_ref().map(session_valid), [Some("true"); 2]);
    });
    sites.finish();
}

/// A server's hiccup is no fault of the site's: `auth_request` says 500 to every failure.
#[test]
fn a_failing_resolver_is_a_bad_gateway() {
    let sites = Sites::start();
    for (fault, expected) in
        [(Fault::PanicJson500, 502), (Fault::Status(404), 502), (Fault::Redirect("/".into()), 502)]
    {
        sites.stage.resolver.set_fault(Some(fault));
        for_each_wire(|wire| {
            let statuses = sites.fates(wire, &sites.stage.unique()).map(|fate| fate.status);
            assert_eq!(statuses, [500, expected]);
        });
    }
    sites.finish();
}

/// No difference: both hand on the resolver's refusal, challenge and all.
#[test]
fn a_refusal_of_the_resolver_is_the_same_in_both() {
    let sites = Sites::start();
    for status in [401, 403] {
        let headers = vec![("WWW-Authenticate".to_owned(), "Bearer realm=\"x\"".to_owned())];
        sites.stage.resolver.set_fault(Some(Fault::Answer { status, headers, body: Vec::new() }));
        for_each_wire(|wire| {
            let request = sites.stage.unique();
            let [documented, module] =
                [&sites.documented, &sites.module].map(|nginx| send(nginx, wire, &request));
            assert_eq!((documented.status, module.status), (status, status));
            // On a 401 alone, in nginx's own module; the challenge of a 403 is there for whoever can use it.
            if status == 401 {
                assert_eq!(documented.all("www-authenticate"), ["Bearer realm=\"x\""]);
            }
            assert_eq!(module.all("www-authenticate"), ["Bearer realm=\"x\""]);
        });
    }
    sites.finish();
}

/// The documented configuration asks the resolver about strangers too.
#[test]
fn strangers_cost_the_module_no_call() {
    let sites = Sites::start();
    for_each_wire(|wire| {
        sites.stage.resolver.reset_counters();
        EchoReply::of(&send(&sites.documented, wire, Request::get("/")));
        assert_eq!(sites.stage.resolver.call_count(), 1);
        EchoReply::of(&send(&sites.module, wire, Request::get("/")));
        assert_eq!(sites.stage.resolver.call_count(), 1);
    });
    sites.finish();
}
