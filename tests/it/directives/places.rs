//! Where directives may stand, how many arguments they take, and how often.

use super::super::harness::{Nginx, Place, assert_refused};

/// A good use of each directive that may stand in http, server and location.
const ANYWHERE: [&str; 9] = [
    "authgear_resolve http://127.0.0.1:1;",
    "authgear_origin https://a;",
    "authgear_cookie_prefix a_;",
    "authgear_connect_timeout 1s;",
    "authgear_timeout 1s;",
    "authgear_on_error 503;",
    "authgear_max_inflight 7;",
    "authgear_ssl_verify off;",
    "authgear_pass_set_cookie on;",
];

const OTHERS: [&str; 5] = [
    "authgear_ssl_name a;",
    "authgear_ssl_trusted_certificate a.pem;",
    "authgear_ssl_certificate a.pem;",
    "authgear_ssl_certificate_key a.key;",
    "authgear_strip_headers on;",
];

fn name(directive: &str) -> &str {
    directive.split(' ').next().unwrap_or_default()
}

fn all() -> impl Iterator<Item = &'static str> {
    ANYWHERE.into_iter().chain(OTHERS)
}

#[test]
fn each_directive_stands_in_http_server_and_location() {
    for place in [Place::Http, Place::Server, Place::Location] {
        let lines =
            ANYWHERE.iter().fold("authgear_ssl_name a;".to_owned(), |all, line| format!("{all}\n{line}"));
        place.put(Nginx::builder(), &lines).check().assert_ok();
    }
    for place in [Place::Http, Place::Server] {
        place.put(Nginx::builder(), "authgear_strip_headers off;").check().assert_ok();
    }
}

#[test]
fn no_directive_stands_outside_of_http() {
    for directive in all() {
        let sentence = format!("\"{}\" directive is not allowed here", name(directive));
        assert_refused(Place::Main, directive, &sentence, 1);
        let events = format!("stream {{\n{directive}\n}}");
        let check = Place::Main.put(Nginx::builder(), &events).check();
        assert!(!check.ok, "{}", check.stderr);
    }
}

#[test]
fn stripping_is_a_server_s_affair() {
    let sentence = "\"authgear_strip_headers\" directive is not allowed here";
    assert_refused(Place::Location, "authgear_strip_headers on;", sentence, 1);
}

#[test]
fn no_directive_stands_in_an_if() {
    for directive in all() {
        let sentence = format!("\"{}\" directive is not allowed here", name(directive));
        let fragment = format!("if ($uri = /x) {{\n{directive}\n}}");
        for place in [Place::Server, Place::Location] {
            assert_refused(place, &fragment, &sentence, 2);
        }
    }
}

#[test]
fn each_directive_takes_one_argument() {
    for directive in all() {
        let sentence = format!("invalid number of arguments in \"{}\" directive", name(directive));
        assert_refused(Place::Http, &format!("{};", name(directive)), &sentence, 1);
        let two = directive.replace(';', " another;");
        assert_refused(Place::Http, &two, &sentence, 1);
    }
}

#[test]
fn each_directive_stands_once_at_a_level() {
    let others = ["authgear_ssl_name a;", "authgear_strip_headers on;"];
    for directive in ANYWHERE.into_iter().chain(others) {
        let sentence = format!("\"{}\" directive is duplicate", name(directive));
        let twice = format!("{directive}\n{directive}");
        for place in [Place::Http, Place::Server] {
            assert_refused(place, &twice, &sentence, 2);
        }
    }
    for (first, second) in [("off", "http://a"), ("http://a", "off"), ("off", "off")] {
        let twice = format!("authgear_resolve {first};\nauthgear_resolve {second};");
        assert_refused(Place::Location, &twice, "\"authgear_resolve\" directive is duplicate", 2);
    }
}

#[test]
fn the_line_is_told_in_every_place() {
    let fragment = "# one\n\nauthgear_on_error 200;";
    let sentence = "invalid value \"200\" in \"authgear_on_error\" directive, \
                    it must be \"anonymous\" or a status between 400 and 599, other than 408, 444 and 494 to 499";
    for place in [Place::Http, Place::Server, Place::Location] {
        assert_refused(place, fragment, sentence, 3);
    }
}

#[test]
fn an_unknown_directive_is_nginx_s_to_refuse() {
    assert_refused(Place::Http, "authgear_nothing on;", "unknown directive \"authgear_nothing\"", 1);
}
