//! Bad arguments are refused with the file, the line and a sentence.

use super::{Place, assert_accepted, assert_refused, assert_says};

/// Arguments that are no URL of a resolver, and why.
const BAD_URLS: &[(&str, &str)] = &[
    ("", "it must begin with \"http://\" or \"https://\""),
    ("a.example", "it must begin with \"http://\" or \"https://\""),
    ("//a.example", "it must begin with \"http://\" or \"https://\""),
    ("http:a.example", "it must begin with \"http://\" or \"https://\""),
    ("http:/a.example", "it must begin with \"http://\" or \"https://\""),
    ("ftp://a.example", "it must begin with \"http://\" or \"https://\""),
    ("ws://a.example", "it must begin with \"http://\" or \"https://\""),
    ("file:///etc/passwd", "it must begin with \"http://\" or \"https://\""),
    ("on", "it must begin with \"http://\" or \"https://\""),
    ("http://", "it has no host"),
    ("http:///path", "it has no host"),
    ("http://:80", "it has no host"),
    ("http://a:x", "its port must be a number up to 65535"),
    ("http://a:-1", "its port must be a number up to 65535"),
    ("http://a:65536", "its port must be a number up to 65535"),
    ("http://a:0", "port 0 can't be connected to"),
    ("https://a:0/", "port 0 can't be connected to"),
    ("http://user@a", "it can't have a user name or a password"),
    ("http://user:password@a", "it can't have a user name or a password"),
    ("http://@a", "it can't have a user name or a password"),
    ("http://a?query", "it can't have a query or a fragment"),
    ("http://a/?", "it can't have a query or a fragment"),
    ("http://a/#fragment", "it can't have a query or a fragment"),
    ("http://$host/", "it can't contain variables"),
    ("http://a/$uri", "it can't contain variables"),
    ("unix:/run/authgear.sock", "a Unix domain socket is not supported here"),
    ("http://unix:/run/authgear.sock", "a Unix domain socket is not supported here"),
    ("http://unix:/run/authgear.sock:/path", "a Unix domain socket is not supported here"),
    ("http://a b/", "it may contain visible ASCII only, and no backslash"),
    ("http://a/\t", "it may contain visible ASCII only, and no backslash"),
    ("http://\u{e9}.example/", "it may contain visible ASCII only, and no backslash"),
    ("http://1.2.3.4.5", "its host is no valid IPv4 address"),
    ("http://256.1.1.1", "its host is no valid IPv4 address"),
    ("http://[::x]", "its host is no valid IPv6 address"),
    ("http://[::1", "its host is no valid IPv6 address"),
    ("http://a^b", "its host is no valid name"),
    ("http://a<b>", "its host is no valid name"),
];

#[test]
fn urls_that_cannot_be_a_resolver_s_are_refused() {
    for directive in ["authgear_resolve", "authgear_origin"] {
        for (url, why) in BAD_URLS {
            let sentence = format!("invalid value \"{url}\" in \"{directive}\" directive, {why}");
            assert_says(&format!("{directive} \"{url}\";"), &sentence);
        }
    }
    let backslash = "invalid value \"http://a\\b\" in \"authgear_resolve\" directive, \
                     it may contain visible ASCII only, and no backslash";
    assert_says(r"authgear_resolve http://a\\b;", backslash);
}

#[test]
fn hosts_that_would_be_read_as_another_are_refused() {
    for host in ["a..b", ".a", "0x7f.1", "2130706433", "017700000001", "127.1", "a%41", "%31%32%37.0.0.1"] {
        let check =
            super::Place::Http.put(super::Nginx::builder(), &format!("authgear_resolve http://{host};"));
        check
            .check()
            .assert_refused_somewhere(&format!("invalid value \"http://{host}\" in \"authgear_resolve\""));
    }
}

#[test]
fn an_origin_is_nothing_but_an_origin() {
    for (value, why) in [
        ("https://a/path", "an origin has no path"),
        ("https://a//", "an origin has no path"),
        ("off", "it must begin with \"http://\" or \"https://\""),
    ] {
        let sentence = format!("invalid value \"{value}\" in \"authgear_origin\" directive, {why}");
        assert_says(&format!("authgear_origin {value};"), &sentence);
    }
}

#[test]
fn good_urls_are_accepted() {
    for url in [
        "http://a",
        "HTTP://A",
        "https://a.example",
        "http://a.example:8080",
        "https://a/",
        "http://a/resolve",
        "http://127.0.0.1:3001",
        "http://[::1]:3001/_resolver/resolve",
        "https://xn--bcher-kva.example",
        "http://a_b",
    ] {
        assert_accepted(&format!("authgear_resolve {url};\nauthgear_ssl_verify off;"));
    }
    assert_accepted("authgear_resolve off;");
    for origin in ["https://a", "http://a:8080", "https://a/"] {
        assert_accepted(&format!("authgear_origin {origin};"));
    }
}

#[test]
fn a_cookie_prefix_is_made_of_what_cookie_names_are_made_of() {
    let why = "a cookie's name is made of letters, digits and \"!#$%&'*+-.^_`|~\"";
    for prefix in ["a b", "a=", "a;b", "a,b", "a/b", "(a)", "\u{e9}", "a@"] {
        let sentence = format!("invalid value \"{prefix}\" in \"authgear_cookie_prefix\" directive, {why}");
        assert_says(&format!("authgear_cookie_prefix \"{prefix}\";"), &sentence);
    }
    for prefix in ["", "acme_", "__Host-", "a.b", "!#%&'*+-.^_`|~"] {
        assert_accepted(&format!("authgear_cookie_prefix \"{prefix}\";"));
    }
}

#[test]
fn an_error_s_end_is_a_status_or_anonymous() {
    let why = "it must be \"anonymous\" or a status between 400 and 599, other than 408, 444 and 494 to 499";
    for value in [
        "",
        "399",
        "600",
        "200",
        "302",
        "0",
        "-502",
        "+502",
        "5xx",
        "502.0",
        "408",
        "444",
        "494",
        "499",
        "Anonymous",
        "off",
        "99999999999",
    ] {
        let sentence = format!("invalid value \"{value}\" in \"authgear_on_error\" directive, {why}");
        assert_says(&format!("authgear_on_error \"{value}\";"), &sentence);
    }
    for value in ["400", "401", "503", "599", "anonymous"] {
        assert_accepted(&format!("authgear_on_error {value};"));
    }
}

#[test]
fn a_bound_is_a_number() {
    let why = "it must be a number from 1 to 1000000";
    for value in ["", "0", "-1", "+1", "1.5", "many", "1k", "1000001", "99999999999999999999"] {
        let sentence = format!("invalid value \"{value}\" in \"authgear_max_inflight\" directive, {why}");
        assert_says(&format!("authgear_max_inflight \"{value}\";"), &sentence);
    }
    assert_accepted("authgear_max_inflight 1;");
    assert_accepted("authgear_max_inflight 1000000;");
}

#[test]
fn a_breaker_has_a_number_and_a_time() {
    let refused = |arguments: &str, bad: &str, why: &str| {
        let sentence = format!("invalid parameter \"{bad}\" in \"authgear_breaker\" directive, {why}");
        assert_says(&format!("authgear_breaker {arguments};"), &sentence);
    };
    for bad in ["max_fails=", "max_fails=0", "max_fails=-1", "max_fails=x", "max_fails=1000001"] {
        refused(bad, bad, "it must be a number from 1 to 1000000");
    }
    for bad in ["fail_timeout=", "fail_timeout=0", "fail_timeout=x", "fail_timeout=-1s"] {
        refused(bad, bad, "it must be a time of more than 0");
    }
    for bad in ["on", "5", "fails=5", "\"\"", "max_fails"] {
        let word = bad.trim_matches('"');
        refused(bad, word, "it must be \"max_fails=\", \"fail_timeout=\" or \"off\"");
    }
    refused("max_fails=1 max_fails=2", "max_fails=2", "it is given twice");
    refused("fail_timeout=1s fail_timeout=1s", "fail_timeout=1s", "it is given twice");
    refused("off max_fails=1", "off", "\"off\" stands alone");
    refused("max_fails=1 off", "off", "\"off\" stands alone");
    assert_says("authgear_breaker off; authgear_breaker off;", "\"authgear_breaker\" directive is duplicate");
    assert_says("authgear_breaker;", "invalid number of arguments in \"authgear_breaker\" directive");
    for good in ["off", "max_fails=1", "fail_timeout=1ms", "fail_timeout=1h max_fails=1000000"] {
        assert_accepted(&format!("authgear_breaker {good};"));
    }
}

#[test]
fn times_are_more_than_nothing_and_less_than_an_age() {
    for directive in ["authgear_timeout", "authgear_connect_timeout"] {
        for value in ["x", "-1s", "1x", "1.5s", "9999999999999999999999s", "", "off"] {
            assert_says(
                &format!("{directive} \"{value}\";"),
                &format!("\"{directive}\" directive invalid value"),
            );
        }
        for value in ["0", "0s", "0ms", "86400001ms", "2d", "9223372036854775807ms"] {
            let sentence = format!(
                "invalid value \"{value}\" in \"{directive}\" directive, it must be more than 0, and a day at most"
            );
            assert_says(&format!("{directive} {value};"), &sentence);
        }
        for value in ["1ms", "500ms", "3", "3s", "1m", "1m30s", "1d"] {
            assert_accepted(&format!("{directive} {value};"));
        }
    }
}

#[test]
fn flags_are_on_or_off() {
    for directive in ["authgear_ssl_verify", "authgear_pass_set_cookie", "authgear_strip_headers"] {
        for value in ["", "yes", "1", "true", "optional"] {
            let sentence = format!(
                "invalid value \"{value}\" in \"{directive}\" directive, it must be \"on\" or \"off\""
            );
            assert_says(&format!("{directive} \"{value}\";"), &sentence);
        }
        assert_accepted(&format!("{directive} on;"));
        assert_accepted(&format!("{directive} off;"));
    }
}

#[test]
fn a_tls_name_is_a_dns_name() {
    for name in [
        "",
        "127.0.0.1",
        "::1",
        "[::1]",
        "a:443",
        "a b",
        "*.a",
        "a/b",
        "http://a",
        "u@a",
        "$host",
        "a?",
        "0x7f.1",
    ] {
        let sentence =
            format!("invalid value \"{name}\" in \"authgear_ssl_name\" directive, it must be a DNS name");
        assert_says(&format!("authgear_ssl_name \"{name}\";"), &sentence);
    }
    for name in ["a", "auth.example.com", "AUTH.example.com", "xn--bcher-kva.example"] {
        assert_accepted(&format!("authgear_ssl_name {name};"));
    }
}

#[test]
fn a_status_has_one_of_three_formats() {
    let says = |fragment: &str, sentence: &str| assert_refused(Place::Location, fragment, sentence, 1);
    for value in ["xml", "", "JSON", "on", "off", "HTML"] {
        let sentence = format!(
            "invalid value \"{value}\" in \"authgear_status\" directive, it must be \"json\", \"prometheus\" or \"html\""
        );
        says(&format!("authgear_status \"{value}\";"), &sentence);
    }
    for value in ["json", "prometheus", "html"] {
        assert_accepted(&format!("server {{ location / {{ authgear_status {value}; }} }}"));
    }
    says("authgear_status; authgear_status;", "\"authgear_status\" directive is duplicate");
    assert_says("authgear_status;", "\"authgear_status\" directive is not allowed here");
}
