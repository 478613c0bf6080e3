//! The checker of the matrix finds what it is to find: told of each kind of confusion, and against a cache that has one.

use super::drive::ask_all;
use super::*;
use crate::harness::{Response, send};

/// The answer that this set has had at this location, the cache off, and what is true of it.
fn asked(world: &World, nginx: &Nginx, ledger: &Ledger, place: &str, set: &str) -> (Place, Truth, Response) {
    let place = world.places.iter().find(|of| of.name == place).expect("there is one").clone();
    let cases = requests::all(world.accounts());
    let case = cases.iter().find(|case| case.set == set && case.trick == PLAIN).expect("there is one");
    let response = send(nginx, Wire::Http1, case.request(&place.plain()));
    let truth = ledger.learn(&response).expect("an answer");
    (place, truth, response)
}

#[test]
fn it_tells_each_kind_of_confusion() {
    let world = World::start();
    let nginx = world.nginx(1);
    let mut ledger = Ledger::new(&world.calls);
    let (alice, bob, both) =
        ("Bearer of alice, ", "Bearer of bob, ", "Bearer of alice, AppSession of alice, ");
    let ask = |ledger: &Ledger, place, set| asked(&world, &nginx, ledger, place, set);
    let (a, truth, right) = ask(&ledger, "a", alice);
    let mut assert_found = |place: &Place, response: &Response, kind: &str| {
        let found = ledger.check(place, &truth, response);
        assert!(found.as_ref().is_err_and(|how| how.starts_with(kind)), "{kind:?} expected: {found:?}");
    };
    let of = |place, set| asked(&world, &nginx, &Ledger::new(&world.calls), place, set).2;
    assert_found(&a, &of("a", bob), "another identity");
    assert_found(&a, &of("a", ""), "another identity");
    assert_found(&a, &of("b", alice), "another identity");
    assert_found(&a, &of("tls-other-ca", alice), "status");
    // The same user, by other credentials, another path, another origin, another way to the same server.
    assert_found(&a, &of("a", both), "the answer for other credentials");
    assert_found(&a, &of("path", alice), "the answer for other credentials");
    assert_found(&a, &of("origin-0", alice), "the answer for other credentials");
    assert_eq!(ledger.check(&a, &truth, &right), Ok(()));
    // The server can't tell these two apart; what the client trusts differs.
    let (unverified, truth, right) = ask(&ledger, "tls-unverified", alice);
    let (verified, ..) = ask(&ledger, "tls", alice);
    assert_eq!(ledger.check(&unverified, &truth, &right), Ok(()));
    let found = ledger.check(&verified, &truth, &right);
    assert!(found.is_err_and(|how| how.starts_with("the answer of another location")));
    nginx.finish();
}

/// What `auth_request` and `proxy_cache` do with the same requests: an honest key passes, one that leaves out a credential
/// is found out.
#[test]
fn it_finds_a_cache_whose_key_leaves_out_a_credential() {
    for (key, is_sound) in [
        ("$http_authorization|$http_cookie", true),
        ("$http_authorization", false),
        ("$http_authorization|$cookie_session|$cookie_app_session", false),
    ] {
        let world = World::start();
        let nginx = documented(&world, key);
        let cases = requests::all(world.accounts());
        let cases: Vec<&Case> = cases.iter().filter(|case| case.trick == PLAIN).collect();
        let place = world.places.iter().find(|place| place.name == "a").expect("there is one");
        let mut ledger = Ledger::new(&world.calls);
        let requests =
            |kind| cases.iter().map(|case| case.request(&format!("/{kind}/a"))).collect::<Vec<Request>>();
        let truths = ask_all(&nginx, &requests("plain"));
        let truths: Vec<Truth> =
            truths.iter().map(|answer| ledger.learn(answer).expect("an answer")).collect();
        let mut wrong = Vec::new();
        for _ in 0..2 {
            for (truth, answer) in truths.iter().zip(ask_all(&nginx, &requests("cached"))) {
                wrong.extend(ledger.check(place, truth, &answer).err());
            }
        }
        assert_eq!(wrong.is_empty(), is_sound, "{key}: {wrong:?}");
        let users = wrong.iter().any(|how| how.starts_with("another identity"));
        assert_eq!(users, !is_sound, "{key}");
        nginx.finish();
    }
}

/// Authgear's documented set-up, with and without a cache that has this key.
fn documented(world: &World, key: &str) -> Nginx {
    let (resolver, backend) = (world.resolver("A").url(), world.backend.addr());
    let location = |kind: &str, cache: &str| {
        format!(
            "location = /{kind}/a {{
                 auth_request /auth/{kind};
                 auth_request_set $user $upstream_http_x_authgear_user_id;
                 auth_request_set $valid $upstream_http_x_authgear_session_valid;
                 proxy_set_header x-authgear-user-id $user;
                 proxy_set_header x-authgear-session-valid $valid;
                 proxy_pass http://{backend};
             }}
             location = /auth/{kind} {{ internal; {cache} proxy_pass {resolver}/_resolver/resolve; }}"
        )
    };
    let cache = format!("proxy_cache answers; proxy_cache_valid 200 1h; proxy_cache_key \"{key}\";");
    Nginx::builder()
        .module(false)
        .http(
            "proxy_cache_path cache keys_zone=answers:10m; proxy_ignore_headers Set-Cookie; access_log off;",
        )
        .server(location("plain", "") + &location("cached", &cache))
        .start()
}
