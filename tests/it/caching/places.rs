//! Where the cache's directives may stand, how many arguments they take, and how often.

use super::super::harness::{Nginx, Place};

const ZONE: &str = "authgear_cache_zone zone=sessions:1m;";
const ANYWHERE: [&str; 3] =
    ["authgear_cache sessions;", "authgear_cache_valid 1m;", "authgear_cache_use_stale error=1m;"];

fn name(directive: &str) -> &str {
    directive.split(' ').next().unwrap_or_default()
}

#[track_caller]
fn assert_refused(place: Place, fragment: &str, sentence: &str, line: usize) {
    println!("{place:?}: {fragment}");
    place
        .put(Nginx::builder().http("authgear_cache_zone zone=z:1m;"), fragment)
        .check()
        .assert_refused(fragment, sentence, line);
}

#[test]
fn a_zone_is_declared_in_http_alone() {
    let sentence = "\"authgear_cache_zone\" directive is not allowed here";
    for place in [Place::Main, Place::Server, Place::Location] {
        assert_refused(place, ZONE, sentence, 1);
    }
    assert_refused(Place::Server, &format!("if ($uri) {{\n{ZONE}\n}}"), sentence, 2);
}

#[test]
fn the_others_stand_in_http_server_and_location() {
    let lines = ANYWHERE.join("\n").replace("sessions", "z");
    for place in [Place::Http, Place::Server, Place::Location] {
        place.put(Nginx::builder().http("authgear_cache_zone zone=z:1m;"), &lines).check().assert_ok();
    }
    for directive in ANYWHERE {
        let sentence = format!("\"{}\" directive is not allowed here", name(directive));
        assert_refused(Place::Main, directive, &sentence, 1);
        for place in [Place::Server, Place::Location] {
            assert_refused(place, &format!("if ($uri = /x) {{\n{directive}\n}}"), &sentence, 2);
            assert_refused(Place::Location, &format!("limit_except GET {{\n{directive}\n}}"), &sentence, 2);
        }
    }
}

#[test]
fn each_takes_so_many_arguments() {
    for fragment in [
        "authgear_cache_zone;",
        "authgear_cache_zone zone=sessions:1m more;",
        "authgear_cache_zone zone=sessions:1m inactive=1m;",
        "authgear_cache;",
        "authgear_cache sessions more;",
        "authgear_cache_valid;",
        "authgear_cache_use_stale;",
        "authgear_cache_use_stale error=1m updating=1m error=1m;",
    ] {
        let directive = name(fragment).trim_end_matches(';');
        let sentence = format!("invalid number of arguments in \"{directive}\" directive");
        assert_refused(Place::Http, fragment, &sentence, 1);
    }
}

#[test]
fn these_stand_once_at_a_level() {
    for (first, second) in [
        ("authgear_cache z;", "authgear_cache z;"),
        ("authgear_cache off;", "authgear_cache z;"),
        ("authgear_cache z;", "authgear_cache off;"),
        ("authgear_cache_use_stale off;", "authgear_cache_use_stale off;"),
        ("authgear_cache_use_stale error=1m;", "authgear_cache_use_stale updating=1m;"),
    ] {
        let sentence = format!("\"{}\" directive is duplicate", name(first));
        for place in [Place::Http, Place::Server, Place::Location] {
            assert_refused(place, &format!("{first}\n{second}"), &sentence, 2);
        }
    }
}

#[test]
fn the_manual_s_example_is_accepted() {
    let fragment = "authgear_cache_valid 10m;\nauthgear_cache_valid invalid none 30s;";
    Place::Http.put(Nginx::builder(), fragment).check().assert_ok();
    let server = "authgear_resolve http://127.0.0.1:1;\nauthgear_cache sessions;\nauthgear_cache_valid 10m;\n\
                  location /admin/ { authgear_require valid role=admin; }";
    Nginx::builder().http("authgear_cache_zone zone=sessions:10m;").server(server).check().assert_ok();
}
