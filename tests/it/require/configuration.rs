//! The directive's grammar at `nginx -t`, and its inheritance.

use crate::harness::{Nginx, Place, Request, Wire, assert_refused, send};
use crate::stage::Stage;

#[test]
fn bad_conditions_are_refused() {
    let which =
        "it must be \"valid\", \"registered\", \"verified\", \"role=\", \"amr=\", \"max_age=\" or \"off\"";
    for (arguments, sentence) in [
        ("vaild", format!("invalid parameter \"vaild\" in \"authgear_require\" directive, {which}")),
        ("valid off", "invalid parameter \"off\" in \"authgear_require\" directive, \"off\" stands alone".into()),
        (
            "max_age=never",
            "invalid parameter \"max_age=never\" in \"authgear_require\" directive, it must be a time of a second or more"
                .into(),
        ),
        (
            "role=a role=b",
            "invalid parameter \"role=b\" in \"authgear_require\" directive, it is given twice; names are joined by commas"
                .into(),
        ),
    ] {
        assert_refused(Place::Location, &format!("authgear_resolve http://127.0.0.1:1; authgear_require {arguments};"), &sentence, 1);
    }
    assert_refused(
        Place::Http,
        "authgear_realm 'a\"b';",
        "invalid value \"a\"b\" in \"authgear_realm\" directive, quotes, backslashes and control characters are not allowed",
        1,
    );
    assert_refused(
        Place::Location,
        "authgear_resolve http://127.0.0.1:1;\nauthgear_require valid;\nauthgear_require valid;",
        "\"authgear_require\" directive is duplicate",
        3,
    );
}

#[test]
fn a_requirement_that_nobody_resolves_is_refused() {
    let sentence = "\"authgear_require\" needs \"authgear_resolve\"; write \"authgear_require off\" to open this location";
    assert_refused(Place::Location, "authgear_require valid;", sentence, 1);
    assert_refused(Place::Server, "authgear_require valid;", sentence, 1);
    let inherited = "authgear_resolve http://127.0.0.1:1;\nauthgear_require valid;\nlocation /open { authgear_resolve off; }";
    // The line that is to be mended.
    assert_refused(Place::Server, inherited, sentence, 3);
}

#[test]
fn methods_that_authgear_never_names_are_warned_of() {
    let check = Nginx::builder()
        .server("authgear_resolve http://127.0.0.1:1;\nlocation / { authgear_require amr=mfa; }")
        .check();
    check.assert_ok();
    let warnings = check.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("\"amr=\" in \"authgear_require\" directive can't be met"), "{warnings:?}");
}

#[test]
fn inner_levels_replace_outer_ones() {
    let stage = Stage::start();
    let (resolve, pass) = (stage.resolve(), stage.pass());
    let nginx = Nginx::builder()
        .http("authgear_require role=nobody;")
        .server(format!(
            "{resolve}
             location / {{ {pass} }}
             location /role {{ authgear_require role=editor; {pass} location /role/off {{ authgear_require off; {pass} }} }}"
        ))
        .start();
    for (path, status) in [("/", 403), ("/role", 200), ("/role/off", 200)] {
        let request = Request { target: path.into(), ..stage.alice() };
        assert_eq!(send(&nginx, Wire::Http1, request).status, status, "{path}");
    }
    nginx.finish();
}
