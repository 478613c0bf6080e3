use super::*;
use proptest::prelude::*;

#[test]
fn an_endpoint_without_a_path_is_authgears_resolver() {
    for (text, expected) in [
        ("https://myapp.authgear.cloud", "https://myapp.authgear.cloud/_resolver/resolve"),
        ("https://myapp.authgear.cloud/", "https://myapp.authgear.cloud/_resolver/resolve"),
        ("http://10.0.0.5:3001/resolve", "http://10.0.0.5:3001/resolve"),
        ("HTTP://Example.COM:80", "http://example.com/_resolver/resolve"),
        ("http://[::1]:3001/a/b", "http://[::1]:3001/a/b"),
    ] {
        assert_eq!(endpoint(text).unwrap().url().as_str(), expected, "{text}");
    }
}

#[test]
fn urls_that_could_be_misread_are_refused() {
    for (text, complaint) in [
        ("", "it must begin with \"http://\" or \"https://\""),
        ("myapp.authgear.cloud", "it must begin with \"http://\" or \"https://\""),
        ("ftp://a", "it must begin with \"http://\" or \"https://\""),
        ("http:a", "it must begin with \"http://\" or \"https://\""),
        ("unix:/run/authgear.sock", "a Unix domain socket is not supported here"),
        ("http://unix:/run/authgear.sock", "a Unix domain socket is not supported here"),
        ("https://$host", "it can't contain variables"),
        ("https://u@a", "it can't have a user name or a password"),
        ("https://u:p@a/", "it can't have a user name or a password"),
        ("https://a?x=1", "it can't have a query or a fragment"),
        ("https://a/#x", "it can't have a query or a fragment"),
        ("https://", "it has no host"),
        ("https:///path", "it has no host"),
        ("https://:443", "it has no host"),
        ("https://a:0", "port 0 can't be connected to"),
        ("https://a:65536", "its port must be a number up to 65535"),
        ("https://a:x", "its port must be a number up to 65535"),
        ("https://1.2.3.256", "its host is no valid IPv4 address"),
        ("https://[::g]", "its host is no valid IPv6 address"),
        ("https://a b", "it may contain visible ASCII only, and no backslash"),
        ("https://a\\b", "it may contain visible ASCII only, and no backslash"),
        ("https://ex\u{e4}mple", "it may contain visible ASCII only, and no backslash"),
        ("https://a%00b", "its host is no valid name"),
        ("https://a:", "its port must be a number up to 65535"),
        ("https://127.1", "its host is not a valid name or address"),
        ("https://2130706433", "its host is not a valid name or address"),
        ("https://0x7f.0.0.1", "its host is not a valid name or address"),
        ("https://a%41", "its host is not a valid name or address"),
        ("https://a..b", "its host is not a valid name or address"),
        ("https://.a", "its host is not a valid name or address"),
        ("https://a,b", "its host is not a valid name or address"),
        ("https://a;b", "its host is not a valid name or address"),
        ("https://{a}", "its host is not a valid name or address"),
        ("https://a/../b", "its path must not have \"..\" or \".\" in it, or characters that need escapes"),
        ("https://a/b/./c", "its path must not have \"..\" or \".\" in it, or characters that need escapes"),
    ] {
        assert_eq!(endpoint(text), Err(complaint), "{text}");
        assert_eq!(origin(text), Err(complaint), "{text}");
    }
}

#[test]
fn an_origin_is_scheme_host_and_port() {
    for (text, expected) in [
        ("https://auth.example.com", "https://auth.example.com"),
        ("https://auth.example.com:443/", "https://auth.example.com"),
        ("http://auth.example.com:8080", "http://auth.example.com:8080"),
        ("http://[2001:DB8::1]:8080", "http://[2001:db8::1]:8080"),
    ] {
        assert_eq!(origin(text).unwrap().to_string(), expected);
    }
    assert_eq!(origin("https://a/b"), Err("an origin has no path"));
}

proptest! {
    /// An accepted URL is used unchanged: no part of it may turn into another part.
    #[test]
    fn an_accepted_endpoint_keeps_its_host_and_path(host in "[a-z][a-z0-9-]{0,10}[a-z0-9](\\.[a-z]{2,5})?", path in "(/[a-z0-9]{1,5}){1,3}") {
        let endpoint = endpoint(&format!("http://{host}:3001{path}")).unwrap();
        prop_assert_eq!(endpoint.url().as_str(), format!("http://{host}:3001{path}"));
    }
}
