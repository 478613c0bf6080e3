//! With `satisfy`, `allow`, `deny` and `auth_basic`: nginx's own matrix, in which a requirement is an access check like
//! any other.

use crate::harness::{Nginx, Request, Wire, for_each_wire, send};
use crate::stage::Stage;

/// `deny all`, `auth_basic` with a wrong password, and a requirement: each allows or not.
#[derive(Clone, Copy, Debug)]
struct Case {
    any: bool,
    address: Option<bool>,
    basic: Option<bool>,
    /// 200: met; 401: no session; 403: the wrong role.
    session: u16,
}

impl Case {
    fn all() -> impl Iterator<Item = Self> {
        let checks = [None, Some(true), Some(false)];
        [true, false].into_iter().flat_map(move |any| {
            checks.into_iter().flat_map(move |address| {
                checks.into_iter().flat_map(move |basic| {
                    [200, 401, 403].into_iter().map(move |session| Self { any, address, basic, session })
                })
            })
        })
    }

    /// What nginx does: of all, the first that refuses; of any, 200 if one allows, and else 401 if one said that.
    fn expected(self) -> u16 {
        // The order in which nginx asks: address, password, session.
        let address = self.address.map(|met| if met { 200 } else { 403 });
        let basic = self.basic.map(|met| if met { 200 } else { 401 });
        let verdicts: Vec<u16> = [address, basic, Some(self.session)].into_iter().flatten().collect();
        let refusals = || verdicts.iter().copied().filter(|status| *status != 200);
        if !self.any {
            return refusals().next().unwrap_or(200);
        }
        if verdicts.contains(&200) {
            return 200;
        }
        if refusals().any(|status| status == 401) { 401 } else { 403 }
    }

    fn location(self, path: &str, pass: &str) -> String {
        let satisfy = if self.any { "any" } else { "all" };
        let address = self.address.map_or("", |met| if met { "allow all;" } else { "deny all;" });
        let basic = if self.basic.is_some() { "auth_basic x; auth_basic_user_file users;" } else { "" };
        format!(
            "location = {path} {{ satisfy {satisfy}; {address} {basic} authgear_require role=editor; {pass} }}\n"
        )
    }

    /// The session is in a cookie: `Authorization` is the password's.
    fn request(self, stage: &Stage, path: &str) -> Request {
        let user = match self.session {
            200 => Some("alice"),
            403 => Some("norole"),
            _ => None,
        };
        let mut request = Request::get(path);
        if let Some(user) = user {
            let session = stage.accounts().login(user).session;
            request = request.header("Cookie", format!("session={session}"));
        }
        // "u:p" and "u:x".
        match self.basic {
            Some(true) => request.header("Authorization", "Basic dTpw"),
            Some(false) => request.header("Authorization", "Basic dTp4"),
            None => request,
        }
    }
}

#[test]
fn the_matrix_is_nginxs_own() {
    let stage = Stage::start();
    let (resolve, pass) = (stage.resolve(), stage.pass());
    let cases: Vec<_> = Case::all().collect();
    let locations: String =
        cases.iter().enumerate().map(|(index, case)| case.location(&format!("/{index}"), &pass)).collect();
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    std::fs::write(&users, "u:{PLAIN}p\n").unwrap();
    let locations =
        locations.replace("auth_basic_user_file users", &format!("auth_basic_user_file {}", users.display()));
    let nginx = Nginx::builder().server(format!("{resolve} {locations}")).start();
    for_each_wire(|wire| {
        for (index, case) in cases.iter().enumerate() {
            let response = send(&nginx, wire, case.request(&stage, &format!("/{index}")));
            assert_eq!(response.status, case.expected(), "{case:?}");
        }
    });
    nginx.finish();
}

/// nginx takes challenges back where another check lets the request in.
#[test]
fn a_request_that_is_let_in_carries_no_challenge() {
    let stage = Stage::start();
    let (resolve, pass) = (stage.resolve(), stage.pass());
    let nginx = Nginx::builder()
        .server(format!("{resolve} location / {{ satisfy any; allow all; authgear_require valid; {pass} }}"))
        .start();
    let response = send(&nginx, Wire::Http1, Request::get("/"));
    assert_eq!((response.status, response.all("www-authenticate").len()), (200, 0));
    assert_eq!(stage.resolver.call_count(), 0);
    let response = send(&nginx, Wire::Http1, stage.alice());
    assert_eq!(
        (response.status, stage.resolver.call_count()),
        (200, 0),
        "let in before, and so not resolved"
    );
    nginx.finish();
}
