//! `authgear_require` on answers from the cache: what is required is looked at with each request.

use super::super::harness::{for_each_wire, poll, send};
use super::super::stage::with_bearer;
use super::super::standin::Kind;
use super::{
    Live, MOMENT, PATIENCE, SHORT, ask, assert_asked, cached, fill, to, token_of, told, wait_until,
    with_headers,
};

fn live() -> Live {
    let conditions = [
        ("valid", "valid"),
        ("registered", "registered"),
        ("verified", "verified"),
        ("admin", "role=admin"),
        ("viewer", "role=nobody,viewer"),
        ("recent", "max_age=1s"),
        ("hour", "max_age=1h"),
    ];
    let location =
        |(name, condition)| format!("location /{name}/ {{ authgear_require {condition}; {{pass}} }}\n");
    let locations: String = conditions.map(location).concat();
    cached(&format!("{locations}location /short/ {{ {SHORT} authgear_require role=admin; {{pass}} }}"))
}

#[test]
fn each_location_requires_its_own_of_one_answer() {
    let live = live();
    for_each_wire(|wire| {
        for (user, expected) in [
            (
                "alice",
                [
                    "200 valid hit",
                    "200 valid hit",
                    "200 valid hit",
                    "200 valid hit",
                    "403 valid require_role",
                ],
            ),
            (
                "bob",
                [
                    "200 valid hit",
                    "200 valid hit",
                    "200 valid hit",
                    "403 valid require_role",
                    "200 valid hit",
                ],
            ),
            (
                "anonymous",
                [
                    "200 valid hit",
                    "403 valid require_registered",
                    "403 valid require_verified",
                    "403 valid require_role",
                    "403 valid require_role",
                ],
            ),
            ("disabled", ["401 invalid require_valid"; 5]),
            ("nobody", ["401 none require_valid"; 5]),
        ] {
            let request = token_of(user, wire as u64);
            fill(&live, &request);
            for (target, expected) in
                ["/valid/", "/registered/", "/verified/", "/admin/", "/viewer/"].iter().zip(expected)
            {
                let response = send(&live.nginx, wire, to(target, &request));
                assert_eq!(told(&response), format!("{expected} HIT"), "{user} at {target}");
                let challenge = response.header("www-authenticate").is_some();
                assert_eq!(challenge, response.status == 401, "{user} at {target}");
            }
        }
    });
    live.finish();
}

#[test]
fn what_is_refused_is_kept_as_well() {
    let live = live();
    for (target, request, refused) in [
        ("/admin/", token_of("bob", 1), "403 valid require_role"),
        ("/valid/", live.request_of("disabled", Kind::Bearer), "401 invalid require_valid"),
        ("/valid/", with_bearer("x"), "401 none require_valid"),
    ] {
        let before = live.resolver.call_count();
        for status in ["MISS", "HIT", "HIT"] {
            assert_asked(&live, &to(target, &request), &format!("{refused} {status}"));
        }
        assert_eq!(live.resolver.call_count(), before + 1);
    }
    live.finish();
}

#[test]
fn a_role_that_is_taken_away_counts_until_the_answer_is_old() {
    let live = live();
    let request = to("/short/", token_of("alice", 1));
    let at = fill(&live, &request);
    live.accounts().update("alice", |alice| alice.roles.clear());
    assert_asked(&live, &to("/admin/", &request), "200 valid hit HIT");
    wait_until(at, MOMENT);
    assert_asked(&live, &request, "403 valid require_role EXPIRED");
    assert_asked(&live, &to("/admin/", &request), "403 valid require_role HIT");
    live.finish();
}

#[test]
fn a_role_that_is_given_counts_when_the_answer_is_old() {
    let live = live();
    let request = to("/short/", token_of("norole", 1));
    assert_asked(&live, &request, "403 valid require_role MISS");
    let at = live.resolver.last_call().expect("a call").at;
    live.accounts().update("norole", |user| user.roles = vec!["admin".into()]);
    wait_until(at, MOMENT);
    assert_asked(&live, &request, "200 valid resolved EXPIRED");
    live.finish();
}

#[test]
fn how_long_ago_somebody_authenticated_is_counted_when_the_answer_is_read() {
    let live = live();
    let first = (0..10).find_map(|n| {
        let request = token_of("alice", n);
        let at = live.accounts().now().as_secs();
        live.resolver.push_fault(with_headers(&[("X-Authgear-Session-Authenticated-At", &at.to_string())]));
        let told = [ask(&live, &to("/recent/", &request)), ask(&live, &to("/recent/", &request))];
        let was_quick = live.accounts().now().as_secs() <= at + 1;
        assert!(!was_quick || told == ["200 valid resolved MISS", "200 valid hit HIT"], "{told:?}");
        was_quick.then_some(request)
    });
    let request = first.expect("the machine is quick enough once in ten times");
    let mut last = String::new();
    let refused = poll(PATIENCE, || {
        last = ask(&live, &to("/recent/", &request));
        (last != "200 valid hit HIT").then_some(())
    });
    assert!(refused.is_some(), "the answer got older");
    assert_eq!(last, "401 valid require_max_age HIT");
    assert_asked(&live, &to("/hour/", &request), "200 valid hit HIT");
    let response = send(&live.nginx, super::Wire::Http1, to("/recent/", &request));
    let challenge = response.header("www-authenticate").expect("a challenge");
    assert!(
        challenge.contains("insufficient_user_authentication") && challenge.contains("max_age=1"),
        "{challenge}"
    );
    live.finish();
}

#[test]
fn satisfy_any_lets_in_by_cached_answers_what_is_required_and_nothing_else() {
    let live = cached(
        "location /any/ { satisfy any; deny all; authgear_require role=admin; {pass} }\n\
         location /resolved/ { satisfy any; deny all; {pass} }",
    );
    for cache in ["resolved MISS", "hit HIT"] {
        assert_asked(&live, &to("/any/", live.alice()), &format!("200 valid {cache}"));
    }
    assert_asked(&live, &to("/any/", token_of("bob", 1)), "403 valid require_role MISS");
    assert_asked(&live, &to("/any/", token_of("bob", 1)), "403 valid require_role HIT");
    // Resolving alone lets nobody in, from the cache neither.
    for _ in 0..2 {
        let told = ask(&live, &to("/resolved/", live.alice()));
        assert!(told.starts_with("403 "), "{told}");
    }
    live.finish();
}
