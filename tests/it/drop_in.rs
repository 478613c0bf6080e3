//! The module in the place of the `auth_request` configuration that Authgear's guide gives: what a backend gets
//! through the one it gets through the other.
//!
//! Both are sent the same requests, before the same resolver and the same backend. What they give the backend is
//! compared as sets of identity headers, empty ones left out (`proxy_set_header` drops those), the header of the roles
//! apart (it is not among the guide's). Every other difference has a test of its own in [`differences`].

mod combinations;
mod departures;
mod differences;

use combinations::Case;

use crate::harness::{
    Builder, Http1, Nginx, Request, Response, Wire, burst, documented_auth_request, for_each_wire, send,
};
use crate::stage::{Pairs, Stage, identity_told};

const ROLES: &str = "x-authgear-user-roles";

/// Both configurations, each in an nginx of its own.
struct Sites {
    stage: Stage,
    documented: Nginx,
    module: Nginx,
}

impl Sites {
    fn start() -> Self {
        Self::start_with("")
    }

    /// With these lines at the level http in both.
    fn start_with(http: &str) -> Self {
        let stage = Stage::start();
        let documented = documented_auth_request(stage.resolver.url(), stage.echo.addr());
        let start = |builder: Builder| builder.http(http).start();
        Self { documented: start(documented.builder()), module: start(stage.site()), stage }
    }

    fn finish(self) {
        self.documented.finish();
        self.module.finish();
    }
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
struct Fate {
    status: u16,
    /// Names in lower case, in order; empty where the backend wasn't asked.
    identity: Pairs,
    roles: Vec<String>,
}

impl Fate {
    fn of(response: &Response) -> Self {
        if response.status != 200 {
            return Self { status: response.status, identity: Vec::new(), roles: Vec::new() };
        }
        let mut identity = identity_told(response);
        identity.retain(|(_, value)| !value.is_empty());
        let (roles, identity): (Pairs, Pairs) = identity.into_iter().partition(|(name, _)| name == ROLES);
        Self { status: 200, identity, roles: roles.into_iter().map(|(_, value)| value).collect() }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.identity.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// Sends all cases to both, and compares. The number of those that were let in as somebody.
fn compare(sites: &Sites, cases: &[Case], answer: impl Fn(&Nginx) -> Vec<Response>) -> usize {
    let (documented, module) = (answer(&sites.documented), answer(&sites.module));
    let mut valid = 0;
    for ((case, documented), module) in cases.iter().zip(&documented).zip(&module) {
        let (documented, module) = (Fate::of(documented), Fate::of(module));
        assert_eq!(module.status, documented.status, "{case}");
        assert_eq!(module.identity, documented.identity, "{case}");
        assert_roles(sites, case, &module);
        valid += usize::from(module.get("x-authgear-session-valid") == Some("true"));
    }
    valid
}

/// The guide has no word on roles, so they are compared with the account.
fn assert_roles(sites: &Sites, case: &Case, module: &Fate) {
    let accounts = sites.stage.accounts();
    let id = module.get("x-authgear-user-id");
    let roles = accounts.names().iter().map(|name| accounts.user(name)).find(|user| Some(&*user.id) == id);
    let roles = roles.map_or_else(String::new, |user| user.roles.join(","));
    let expected: Vec<String> = if roles.is_empty() { Vec::new() } else { vec![roles] };
    assert_eq!(module.roles, expected, "{case}");
}

fn answers(
    nginx: &Nginx,
    wire: Wire,
    cases: &[Case],
    change: impl Fn(Request) -> Request + Sync,
) -> Vec<Response> {
    let results = burst(nginx, wire, cases.len(), 4, |i| change(cases[i].request()));
    let all = results.into_iter().zip(cases);
    all.map(|(result, case)| result.unwrap_or_else(|error| panic!("over {wire:?}: {case}: {error}")))
        .collect()
}

#[test]
fn every_combination_of_credentials_gives_the_same_identity() {
    let sites = Sites::start();
    let cases = combinations::all(&sites.stage);
    assert!(cases.len() > 1000, "{} combinations", cases.len());
    for_each_wire(|wire| {
        let valid = compare(&sites, &cases, |nginx| answers(nginx, wire, &cases, |request| request));
        // Were they all strangers, the comparison would show nothing.
        assert!(valid > cases.len() / 3 && valid < cases.len(), "{valid} of {}", cases.len());
    });
    sites.finish();
}

#[test]
fn http_1_0_gives_the_same_identity() {
    let sites = Sites::start();
    let cases = combinations::all(&sites.stage);
    compare(&sites, &cases, |nginx| answers(nginx, Wire::Http1, &cases, Request::http10));
    sites.finish();
}

#[test]
fn forged_headers_change_nothing_in_either() {
    let sites = Sites::start();
    let cases = combinations::pairs(&sites.stage);
    // Those that the guide lists: the module's own tests forge many more.
    let forge = |request: Request| {
        let forged = crate::harness::documented::LISTED;
        forged.iter().fold(request, |request, name| request.header(format!("X-Authgear-{name}"), "forged"))
    };
    for_each_wire(|wire| {
        let valid = compare(&sites, &cases, |nginx| answers(nginx, wire, &cases, forge));
        assert!(valid > 0);
    });
    sites.finish();
}

#[test]
fn every_method_gives_the_same_identity() {
    let sites = Sites::start();
    let cases = combinations::of_one_kind(&sites.stage);
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "M-SEARCH"] {
        let with_method = |request: Request| {
            let request = Request { method: method.into(), ..request };
            if matches!(method, "POST" | "PUT" | "PATCH") { request.body("a body") } else { request }
        };
        for_each_wire(|wire| {
            println!("{method}");
            compare(&sites, &cases, |nginx| answers(nginx, wire, &cases, with_method));
        });
    }
    sites.finish();
}

/// An answer to HEAD has no body to show what the backend got, so the backend is asked.
#[test]
fn head_gives_the_same_identity() {
    let sites = Sites::start();
    let seen = |nginx: &Nginx, wire, case: &Case| {
        let request = Request { method: "HEAD".into(), ..case.request() };
        assert_eq!(send(nginx, wire, &request).status, 200, "{case}");
        let seen = sites.stage.echo.last().expect("the backend was asked");
        assert_eq!(seen.method, "HEAD");
        let mut headers = seen.headers;
        headers.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
        headers.retain(|(name, value)| {
            name.starts_with(b"x-authgear-") && name != ROLES.as_bytes() && !value.is_empty()
        });
        headers.sort();
        headers
    };
    for_each_wire(|wire| {
        for case in combinations::of_one_kind(&sites.stage) {
            assert_eq!(seen(&sites.module, wire, &case), seen(&sites.documented, wire, &case), "{case}");
        }
    });
    sites.finish();
}

#[test]
fn requests_of_one_connection_do_not_mix() {
    let sites = Sites::start();
    let cases = combinations::of_one_kind(&sites.stage);
    compare(&sites, &cases, |nginx| {
        let requests: Vec<Request> = cases.iter().map(Case::request).collect();
        let mut connection = Http1::connect(nginx.port()).expect("nginx accepts");
        connection.pipeline(&requests).expect("an answer for each")
    });
    sites.finish();
}
