//! Variables across internal redirects and named locations.

use super::super::harness::{Request, for_each_wire, send};
use super::super::stage::{Stage, by};
use super::super::standin::{Fault, Resolver};
use super::{NOTHING, answer_of, assert_told, builder};

#[test]
fn they_keep_their_value_across_redirects() {
    let stage = Stage::start();
    let pass = stage.pass();
    let nginx = builder(&stage)
        .server(format!(
            "root .;
             location /uri/ {{ error_page 404 =200 /open/; }}
             location /named/ {{ try_files /missing @open; }}
             location /twice/ {{ try_files /missing /named/x; }}
             location @open {{ authgear_resolve off; {pass} }}
             location /again/ {{ try_files /missing /x; }}"
        ))
        .start();
    for_each_wire(|wire| {
        for target in ["/uri/", "/named/x", "/twice/x", "/again/x", "/redirect-internal?/open/"] {
            for (user, decision) in
                [("alice", "valid|resolved|BYPASS|bearer"), ("disabled", "invalid|resolved|BYPASS|bearer")]
            {
                let response = send(&nginx, wire, by(user, Request::get(target)));
                let seen = stage.echo.last().expect("the backend was asked");
                assert_told(&response, Some(&seen), &answer_of(user), decision);
            }
            let response = send(&nginx, wire, Request::get(target));
            assert_told(&response, stage.echo.last().as_ref(), NOTHING, "none|no_credential|-|-");
        }
    });
    nginx.finish();
}

#[test]
fn an_error_page_tells_why_there_is_no_identity() {
    let stage = Stage::start();
    stage.resolver.set_fault(Some(Fault::Status(500)));
    let pass = stage.pass();
    let nginx = builder(&stage)
        .server(format!(
            "location /uri {{ error_page 502 /open/; {pass} }} location /named {{ error_page 502 @open; {pass} }}
             location @open {{ authgear_resolve off; {pass} }}"
        ))
        .start();
    for_each_wire(|wire| {
        for target in ["/uri", "/named"] {
            stage.echo.clear();
            let response = send(&nginx, wire, by("alice", Request::get(target)));
            assert_eq!(response.status, 502);
            assert_told(&response, Some(&stage.only_request()), NOTHING, "error|status|BYPASS|bearer");
        }
    });
    nginx.finish();
}

#[test]
fn another_resolver_replaces_them_also_by_nothing() {
    let (stage, second) = (Stage::start(), Resolver::start());
    second.set_fault(Some(Fault::NoHeadersFor200));
    let pass = stage.pass();
    let nginx = builder(&stage)
        .server(format!("location /then {{ authgear_resolve {}; {pass} }}", second.url()))
        .server(format!(
            "location /prefixed {{ authgear_cookie_prefix x_; authgear_origin http://a; {pass} }}"
        ))
        .start();
    for_each_wire(|wire| {
        let response = send(&nginx, wire, by("alice", Request::get("/redirect-internal?/then")));
        let seen = stage.echo.last().expect("the backend was asked");
        assert_told(&response, Some(&seen), NOTHING, "none|resolved|BYPASS|bearer");

        let request =
            Request::get("/redirect-internal?/prefixed").header("Cookie", "app_session=user:alice:1");
        let response = send(&nginx, wire, request);
        assert_told(&response, stage.echo.last().as_ref(), NOTHING, "none|no_credential|-|-");
    });
    nginx.finish();
}

#[test]
fn subrequests_read_those_of_the_request() {
    let stage = Stage::start();
    let pass = stage.pass();
    let nginx = builder(&stage)
        .server(format!("location = /page {{ ssi on; ssi_types *; root .; }} location /part {{ {pass} }}"))
        .start();
    std::fs::write(nginx.prefix().join("page"), "<!--# include virtual=\"/part\" -->").expect("writable");
    for_each_wire(|wire| {
        stage.echo.clear();
        let response = send(&nginx, wire, by("alice", Request::get("/page")));
        let seen = stage.only_request();
        assert_told(&response, Some(&seen), &answer_of("alice"), "valid|resolved|BYPASS|bearer");
    });
    nginx.finish();
}
