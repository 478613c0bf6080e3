//! Blocks inside a location are no way around resolving.

use super::super::harness::{Request, for_each_wire};
use super::super::stage::{Stage, by, identity, identity_of};
use super::forged;

#[test]
fn blocks_inside_a_location_resolve_as_it_does() {
    let stage = Stage::start();
    let pass = stage.pass();
    let nginx = stage.start_lax(format!(
            "location /if {{ if ($arg_a) {{ {pass} }} {pass} }}
             location /ifs {{ if ($arg_a) {{ set $x 1; }} if ($arg_b) {{ add_header x-b 1; }} {pass} }}
             location /limited {{ limit_except GET {{ allow all; }} {pass} }}
             location /outer/ {{ location /outer/inner {{ {pass} }} location ~ /deep/ {{ {pass} }} {pass} }}
             location = /exact {{ {pass} }} location ^~ /prefix {{ {pass} }} location ~* \\.php$ {{ {pass} }}"
        ));
    let targets = [
        "/if",
        "/if?a=1",
        "/ifs?a=1&b=1",
        "/limited",
        "/outer/",
        "/outer/inner",
        "/outer/deep/",
        "/exact",
        "/prefix",
        "/x.PHP",
    ];
    for_each_wire(|wire| {
        for target in targets {
            for method in ["GET", "POST"] {
                let request = || forged(Request::new(method, target));
                let (seen, calls) = stage.calls_of(|| stage.ask(&nginx, wire, by("alice", request())));
                assert_eq!((identity(&seen), calls), (identity_of("alice"), 1), "{method} {target}");
                assert_eq!(identity(&stage.ask(&nginx, wire, request())), [], "{method} {target}");
            }
        }
    });
    nginx.finish();
}

#[test]
fn blocks_inside_a_location_without_resolving_carry_nothing_forged() {
    let stage = Stage::start();
    let pass = stage.pass();
    let nginx = stage.start_lax(format!(
            "location /off/ {{ authgear_resolve off; if ($arg_a) {{ {pass} }} location /off/on/ {{ {} {pass} }} {pass} }}",
            stage.resolve()
        ));
    for_each_wire(|wire| {
        for (target, expected) in [("/off/", vec![]), ("/off/?a=1", vec![]), ("/off/on/", identity_of("bob"))]
        {
            let seen = stage.ask(&nginx, wire, forged(by("bob", Request::get(target))));
            assert_eq!(identity(&seen), expected, "{target}");
        }
    });
    nginx.finish();
}
