//! The arguments of directives. Input: the arguments, joined by spaces; single ones are read as a whole too.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use nginx_authgear::endpoint::{Origin, endpoint, origin};
use nginx_authgear::freshness::Millis;
use nginx_authgear::resolver::target::{Target, TlsTarget};
use nginx_authgear::settings::parse::{
    cache, cache_use_stale, cache_valid, cache_zone, cookie_prefix, max_inflight, on_error, realm, ssl_name,
};
use nginx_authgear::settings::{CacheIn, OnError, TimesWritten};

pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let arguments: Vec<&str> = text.split(' ').collect();
    for text in arguments.iter().copied().chain([&*text]) {
        check_urls(text);
        check_words(text);
        check_name(text);
    }
    check_times(&arguments);
    check_stale(&arguments);
}

/// A time, roughly as nginx reads it: the edge does that with nginx's own function.
#[must_use]
pub fn seconds(text: &str) -> Option<u64> {
    let (number, factor) = match text.as_bytes().last()? {
        b's' => (&text[..text.len() - 1], 1),
        b'm' => (&text[..text.len() - 1], 60),
        b'h' => (&text[..text.len() - 1], 3600),
        _ => (text, 1),
    };
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| number.parse::<u64>().ok()?.checked_mul(factor))?
}

fn millis(text: &str) -> Option<Millis> {
    seconds(text)?.checked_mul(1000)
}

/// What passes is what is asked: scheme, host, port and path are what stands there, and there is nothing else.
fn check_urls(text: &str) {
    let (endpoint, origin) = (endpoint(text), origin(text));
    let Ok(endpoint) = endpoint else { return assert!(origin.is_err(), "{text}") };
    let url = endpoint.url();
    assert!(matches!(url.scheme(), "http" | "https"));
    assert_eq!((url.username(), url.password(), url.query(), url.fragment()), ("", None, None, None));
    assert!(url.host_str().is_some_and(|host| !host.is_empty()));
    assert_ne!(url.port(), Some(0));
    assert!(!text.contains(['$', '?', '#', '\\', ' ']), "{text}");
    let (scheme, rest) = text.split_once("://").expect("a scheme");
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    assert!(!authority.starts_with("unix:") && !authority.contains('@'), "{text}");
    let scheme = scheme.to_ascii_lowercase();
    let authority = plain(&scheme, authority);
    let default = if matches!(path, "" | "/") { "/_resolver/resolve" } else { path };
    // Of IPv6 addresses the parser has a spelling of its own.
    if !authority.contains('[') {
        assert_eq!(url.as_str(), format!("{scheme}://{authority}{default}"));
        assert_eq!(endpoint.origin(), Origin { scheme, authority });
    }
    let Origin { scheme, authority } = endpoint.origin();
    assert!(HeaderValue::from_str(&authority).is_ok() && !authority.contains(['/', '@', ',', ' ']));
    assert_eq!(endpoint.is_https(), scheme == "https");
    assert_eq!(nginx_authgear::endpoint::endpoint(url.as_str()).as_ref(), Ok(&endpoint), "read again");
    assert_eq!(origin.is_ok(), matches!(path, "" | "/"), "{text}");
    assert!(origin.is_err() || origin == Ok(endpoint.origin()));
}

/// The authority in small letters, without the scheme's own port, and without zeros before any other.
fn plain(scheme: &str, authority: &str) -> String {
    let authority = authority.to_ascii_lowercase();
    let Some((host, port)) = authority.rsplit_once(':').filter(|(_, port)| !port.contains(']')) else {
        return authority;
    };
    let port: u16 = port.parse().expect("a port");
    let own = if scheme == "http" { 80 } else { 443 };
    if port == own { host.to_owned() } else { format!("{host}:{port}") }
}

fn check_words(text: &str) {
    if let Ok(prefix) = cookie_prefix(text) {
        assert_eq!(prefix, text);
        assert!(text.is_empty() || HeaderName::from_bytes(text.as_bytes()).is_ok(), "{text} is no token");
    }
    match on_error(text) {
        Ok(OnError::Status(status)) => {
            assert!((400..600).contains(&status) && ![408, 444].contains(&status));
            assert!(!(494..500).contains(&status) && text.trim_start_matches('0') == status.to_string());
        }
        Ok(other) => assert_eq!((other, text), (OnError::Anonymous, "anonymous")),
        Err(complaint) => assert!(!complaint.is_empty()),
    }
    if let Ok(max) = max_inflight(text) {
        assert!((1..=1_000_000).contains(&max) && text.trim_start_matches('0') == max.to_string());
    }
    if let Ok(realm) = realm(text) {
        assert_eq!(realm, text);
        assert!(HeaderValue::from_str(text).is_ok() && text.is_ascii() && !text.contains(['"', '\\']));
    }
    match cache(text) {
        Ok(CacheIn::Off) => assert_eq!(text, "off"),
        Ok(CacheIn::Zone(name)) => assert!(name == text && text != "off" && !text.is_empty()),
        Err(_) => assert_eq!(text, ""),
    }
    match cache_zone(text) {
        Ok((name, size)) => {
            assert_eq!(format!("zone={name}:{size}"), text);
            assert!(!["", "off"].contains(&name) && !name.contains(':'));
        }
        Err(_) => assert!(
            ["", "off"].contains(&text.trim_start_matches("zone=").split(':').next().unwrap_or_default())
                || !text.starts_with("zone=")
                || !text.contains(':')
        ),
    }
}

/// A name that is accepted can be asked for, as itself.
fn check_name(text: &str) {
    let Ok(name) = ssl_name(text) else { return };
    assert!(name.eq_ignore_ascii_case(text) && name == name.to_ascii_lowercase());
    let tls = TlsTarget { roots: None, identity: None, name: Some(name.clone()) };
    let endpoint = endpoint("https://10.0.0.5").expect("an endpoint");
    let target = Target::new(&endpoint, None, "", Duration::from_secs(1), Some(tls)).expect("a target");
    assert_eq!((target.url().host_str(), target.dial_host()), (Some(&name[..]), "10.0.0.5"));
    assert!(std::net::IpAddr::V4([10, 0, 0, 5].into()).to_string() == target.origin().authority);
}

/// Each kind has the time that stands last, and no kind has two.
fn check_times(arguments: &[&str]) {
    let mut written = TimesWritten::default();
    let read = cache_valid(&mut written, arguments, millis);
    let Some((last, kinds)) = arguments.split_last() else { return };
    let kinds = if kinds.is_empty() { &["valid"][..] } else { kinds };
    let known = |kind: &&str| ["valid", "invalid", "none"].contains(kind);
    let twice = kinds.iter().any(|kind| kinds.iter().filter(|other| *other == kind).count() > 1);
    assert_eq!(read.is_ok(), millis(last).is_some() && kinds.iter().all(known) && !twice);
    match read {
        Ok(()) => {
            let time = |kind| millis(last).filter(|_| kinds.contains(&kind));
            let expected =
                TimesWritten { valid: time("valid"), invalid: time("invalid"), none: time("none") };
            assert_eq!(written, expected);
            assert!(cache_valid(&mut written, arguments, millis).is_err(), "the level has them already");
        }
        Err((argument, _)) => assert!(arguments.contains(&argument)),
    }
}

fn check_stale(arguments: &[&str]) {
    let read = cache_use_stale(arguments, millis);
    let window = |cause: &str| {
        let mut of_cause =
            arguments.iter().filter_map(|argument| argument.strip_prefix(cause)?.strip_prefix('='));
        (of_cause.next().map(|value| millis(value).unwrap_or(0)), of_cause.next().is_some())
    };
    let (error, updating) = (window("error"), window("updating"));
    let others = arguments
        .iter()
        .any(|argument| !argument.starts_with("error=") && !argument.starts_with("updating="));
    let good = !others && [error, updating].iter().all(|(window, twice)| *window != Some(0) && !twice);
    match read {
        Ok(windows) if arguments == ["off"] => assert_eq!((windows.error, windows.updating), (0, 0)),
        Ok(windows) => {
            assert!(good);
            assert_eq!((windows.error, windows.updating), (error.0.unwrap_or(0), updating.0.unwrap_or(0)));
        }
        Err((argument, _)) => assert!(!good && arguments.contains(&argument)),
    }
}
