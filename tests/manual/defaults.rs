//! The manual's defaults are the code's: what is written as the manual says comes to the same settings as nothing.

use std::sync::OnceLock;
use std::time::Duration;

use nginx_authgear::cache_key::ResolverId;
use nginx_authgear::endpoint::{endpoint, origin};
use nginx_authgear::freshness::Millis;
use nginx_authgear::policy::Requirement;
use nginx_authgear::resolver::tls::{Roots, TlsError};
use nginx_authgear::settings::consequence::Consequence;
use nginx_authgear::settings::{Overrides, Resolve, Settings, ZoneId, parse};

use super::{read, row, sections};

const ENDPOINT: &str = "https://auth.example.com";

/// A level with a resolver and a cache, so that each setting counts.
fn level() -> Overrides {
    Overrides {
        resolve: Some(Resolve::At(endpoint(ENDPOINT).unwrap())),
        cache: Some(parse::cache("sessions").unwrap()),
        ..Overrides::default()
    }
}

/// The system's roots: any certificate will do.
fn system_roots() -> Result<Roots, TlsError> {
    // One for all, since it is part of a resolver's id.
    static PEM: OnceLock<String> = OnceLock::new();
    let names = vec!["ca.example.com".to_owned()];
    let pem = PEM.get_or_init(|| rcgen::generate_simple_self_signed(names).unwrap().cert.pem());
    Roots::from_pem(pem.as_bytes())
}

fn settings(level: &Overrides) -> Settings {
    Settings::new(level, |_| Some(ZoneId(0)), system_roots).unwrap().expect("it resolves")
}

/// Everything that can be seen of settings. The id of a resolver is of its URL, origin, cookie prefix and TLS.
#[derive(Debug, PartialEq)]
struct Seen {
    resolver: ResolverId,
    times: (Duration, Duration),
    /// In a failure, and in a timeout.
    on_error: (String, String),
    numbers: String,
    switches: (bool, bool),
    realm: String,
}

fn seen(level: &Overrides) -> Seen {
    let settings = settings(level);
    let consequence = Consequence::of(&settings);
    Seen {
        resolver: settings.target.id(),
        times: (settings.target.connect_timeout(), settings.timeout),
        on_error: (consequence.when(false), consequence.when(true)),
        numbers: format!("{:?} {:?} {:?}", settings.max_inflight, settings.breaker, settings.cache),
        switches: (settings.pass_set_cookie, settings.require.is_some()),
        realm: settings.realm,
    }
}

/// As nginx reads them; the manual's defaults have these units alone.
fn millis(text: &str) -> Option<Millis> {
    let number = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let factor = match &text[number.len()..] {
        "ms" => 1,
        "s" | "" => 1000,
        "m" => 60_000,
        _ => return None,
    };
    number.parse::<Millis>().ok().map(|number| number * factor)
}

fn switch(text: &str) -> bool {
    assert!(["on", "off"].contains(&text), "{text}");
    text == "on"
}

/// Writes a directive at a level, by the module's own reading of its arguments.
fn write(level: &mut Overrides, name: &str, arguments: &[&str]) {
    let [first, ..] = *arguments else { panic!("{name} has no argument") };
    let time = || Some(Duration::from_millis(millis(first).unwrap()));
    match name {
        "authgear_require" => level.require = Some(Requirement::parse(arguments, |_| None).unwrap()),
        "authgear_realm" => level.realm = Some(parse::realm(first).unwrap()),
        "authgear_cache_valid" => parse::cache_valid(&mut level.cache_valid, arguments, millis).unwrap(),
        "authgear_cache_use_stale" => {
            level.cache_use_stale = Some(parse::cache_use_stale(arguments, millis).unwrap());
        }
        "authgear_cookie_prefix" => {
            level.cookie_prefix = Some(parse::cookie_prefix(first.trim_matches('"')).unwrap());
        }
        "authgear_connect_timeout" => level.connect_timeout = time(),
        "authgear_timeout" => level.timeout = time(),
        "authgear_max_inflight" => level.max_inflight = Some(parse::max_inflight(first).unwrap()),
        "authgear_breaker" => level.breaker = Some(parse::breaker(arguments, millis).unwrap()),
        "authgear_ssl_verify" => level.ssl_verify = Some(switch(first)),
        "authgear_pass_set_cookie" => level.pass_set_cookie = Some(switch(first)),
        _ => panic!("this test doesn't know how {name} is read"),
    }
}

/// Those that are no settings of a location, or whose default is to be without any; they have tests of their own.
const ELSEWHERE: [&str; 4] =
    ["authgear_resolve", "authgear_cache", "authgear_strip_headers", "authgear_status"];

#[test]
fn what_the_manual_gives_as_the_default_is_what_nothing_comes_to() {
    let (readme, nothing) = (read("README.md"), seen(&level()));
    let mut tried = Vec::new();
    for section in sections(&readme) {
        let lines = row(section, "Default").split('`').filter_map(|text| text.strip_suffix(';'));
        let lines: Vec<Vec<&str>> = lines.map(|line| line.split(' ').collect()).collect();
        let mut written = level();
        for line in lines.iter().filter(|line| !ELSEWHERE.contains(&line[0])) {
            write(&mut written, line[0], &line[1..]);
            tried.push(line[0]);
        }
        assert_eq!(seen(&written), nothing, "{lines:?}");
    }
    tried.dedup();
    assert_eq!(tried.len(), 11, "{tried:?}");
}

/// The same the other way: were a setting not looked at, whatever the manual says of it would pass.
#[test]
fn every_other_value_than_the_default_is_seen() {
    let nothing = seen(&level());
    for (name, arguments) in [
        ("authgear_require", "valid"),
        ("authgear_realm", "other"),
        ("authgear_cache_valid", "61s"),
        ("authgear_cache_valid", "invalid 11s"),
        ("authgear_cache_valid", "none 11s"),
        ("authgear_cache_use_stale", "error=1s"),
        ("authgear_cache_use_stale", "updating=1s"),
        ("authgear_cookie_prefix", "a"),
        ("authgear_connect_timeout", "999ms"),
        ("authgear_timeout", "2999ms"),
        ("authgear_max_inflight", "511"),
        ("authgear_breaker", "max_fails=4"),
        ("authgear_breaker", "fail_timeout=9s"),
        ("authgear_ssl_verify", "off"),
        ("authgear_pass_set_cookie", "on"),
    ] {
        let mut written = level();
        write(&mut written, name, &arguments.split(' ').collect::<Vec<_>>());
        assert_ne!(seen(&written), nothing, "{name} {arguments}");
    }
}

/// What the manual gives in words.
#[test]
fn defaults_in_words_are_what_nothing_comes_to() {
    let readme = read("README.md");
    let default = |name: &str| {
        let heading = format!("{name}\n");
        row(sections(&readme).into_iter().find(|section| section.starts_with(&heading)).unwrap(), "Default")
    };
    let nothing = settings(&level());

    assert_eq!(default("authgear_on_error"), "502, and 504 for a timeout");
    let consequence = Consequence::of(&nothing);
    assert_eq!(
        (consequence.when(false).as_str(), consequence.when(true).as_str()),
        ("requests get 502", "requests get 504")
    );

    assert_eq!(default("authgear_origin"), "the origin of `authgear_resolve`");
    assert_eq!(nothing.target.origin(), &origin(ENDPOINT).unwrap());

    assert_eq!(default("authgear_ssl_name"), "the host of `authgear_resolve`");
    assert_eq!(nothing.target.url().host_str(), Some("auth.example.com"));

    assert_eq!(default("authgear_ssl_trusted_certificate"), "the system's root certificates");
    let no_roots = Settings::new(&level(), |_| Some(ZoneId(0)), || Err(TlsError::NoSystemRoots));
    assert!(matches!(no_roots, Err(nginx_authgear::settings::SettingsError::Tls(TlsError::NoSystemRoots))));

    for name in ["authgear_resolve", "authgear_cache"] {
        assert_eq!(default(name), format!("`{name} off;`"));
    }
    assert!(Settings::new(&Overrides::default(), |_| None, system_roots).unwrap().is_none());
    let no_cache = Overrides { cache: None, ..level() };
    assert_eq!(settings(&no_cache).cache, None);
}
