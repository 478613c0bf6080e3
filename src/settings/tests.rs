use super::parse::*;
use super::*;
use crate::endpoint::{endpoint, origin};
use proptest::prelude::*;

fn no_zone(_: &str) -> Option<ZoneId> {
    None
}

#[test]
fn small_arguments_are_checked() {
    assert_eq!(on_error("anonymous"), Ok(OnError::Anonymous));
    assert_eq!((on_error("400"), on_error("599")), (Ok(OnError::Status(400)), Ok(OnError::Status(599))));
    for text in [
        "408",
        "444",
        "494",
        "499",
        "399",
        "600",
        "",
        "+503",
        "5 03",
        "Anonymous",
        "70000",
        "-1",
        "99999999999",
    ] {
        assert!(on_error(text).is_err(), "{text}");
    }
    assert_eq!((max_inflight("1"), max_inflight("1000000")), (Ok(1), Ok(1_000_000)));
    for text in ["0", "-1", "1000001", "1k", ""] {
        assert!(max_inflight(text).is_err(), "{text}");
    }
    assert_eq!((realm(""), realm("my app")), (Ok("".into()), Ok("my app".into())));
    for text in ["a\"b", "a\\b", "a\nb", "\u{e9}"] {
        assert!(realm(text).is_err(), "{text}");
    }
    assert_eq!((cookie_prefix(""), cookie_prefix("my_")), (Ok("".into()), Ok("my_".into())));
    for text in ["a;", "a=", "a b", "a,", "\"", "\u{e9}"] {
        assert!(cookie_prefix(text).is_err(), "{text}");
    }
    assert_eq!(ssl_name("Auth.example.com"), Ok("auth.example.com".into()));
    for text in
        ["", "a b", "10.0.0.5", "1.2", "::1", "a/b", "a:443", "u@a", "*.a", "-", "a?b", "ex\u{e4}mple"]
    {
        assert!(ssl_name(text).is_err(), "{text}");
    }
}

#[test]
fn a_requirement_needs_a_resolver() {
    let require = Requirement::parse(&["valid"], |_| None).unwrap();
    let none = || Err(TlsError::NoSystemRoots);
    for resolve in [None, Some(Resolve::Off)] {
        let open = Overrides { resolve, require: Some(require.clone()), ..Overrides::default() };
        assert!(matches!(Settings::new(&open, no_zone, none), Err(SettingsError::RequireWithoutResolve)));
        let off = Overrides { require: Some(None), ..Overrides::default() };
        assert!(Settings::new(&off, no_zone, none).unwrap().is_none());
    }
}

#[test]
fn inner_levels_override_outer_ones() {
    let outer = Overrides {
        resolve: Some(Resolve::At(endpoint("http://a").unwrap())),
        timeout: Some(Duration::from_secs(9)),
        cookie_prefix: Some("p_".into()),
        ..Overrides::default()
    };
    let mut inner = Overrides { timeout: Some(Duration::from_secs(1)), ..Overrides::default() };
    inner.inherit(&outer);
    let settings = Settings::new(&inner, no_zone, || Err(TlsError::NoSystemRoots)).unwrap().unwrap();
    assert_eq!(settings.timeout, Duration::from_secs(1));
    assert_eq!(settings.target.cookie_prefix(), "p_");
    assert_eq!((settings.on_error, settings.max_inflight), (OnError::Gateway, 512));
    assert_eq!(settings.breaker, Some(Breaker { max_fails: 5, fail_timeout: 10_000 }));

    let mut off = Overrides { resolve: Some(Resolve::Off), ..Overrides::default() };
    off.inherit(&outer);
    assert!(Settings::new(&off, no_zone, || Err(TlsError::NoSystemRoots)).unwrap().is_none());
}

#[test]
fn https_needs_roots_and_http_does_not() {
    let at = |url| Overrides { resolve: Some(Resolve::At(endpoint(url).unwrap())), ..Overrides::default() };
    let none = || Err(TlsError::NoSystemRoots);
    assert!(Settings::new(&at("http://a"), no_zone, none).is_ok());
    assert!(matches!(
        Settings::new(&at("https://a"), no_zone, none),
        Err(SettingsError::Tls(TlsError::NoSystemRoots))
    ));
    let unverified = Overrides { ssl_verify: Some(false), ..at("https://a") };
    assert!(Settings::new(&unverified, no_zone, none).is_ok());
}

proptest! {
    #[test]
    fn no_argument_makes_a_parser_panic(text in "\\PC{0,40}") {
        let _ = (endpoint(&text), origin(&text), cookie_prefix(&text), on_error(&text), ssl_name(&text), max_inflight(&text));
    }
}

/// Parses plain milliseconds, in place of nginx's parser.
fn millis(text: &str) -> Option<u64> {
    text.parse().ok()
}

#[test]
fn a_zone_has_a_name_and_a_size() {
    assert_eq!(cache_zone("zone=sessions:10m"), Ok(("sessions", "10m")));
    assert_eq!(cache_zone("zone=a:b:1"), Ok(("a", "b:1")));
    for text in ["sessions:10m", "zone=:10m", "zone=sessions", "zone=off:10m", "Zone=a:1m", ""] {
        assert!(cache_zone(text).is_err(), "{text}");
    }
    assert_eq!(
        (parse::cache("off"), parse::cache("Off")),
        (Ok(CacheIn::Off), Ok(CacheIn::Zone("Off".into())))
    );
    assert!(parse::cache("").is_err());
}

#[test]
fn times_are_for_the_kinds_before_them() {
    let read = |directives: &[&[&'static str]]| {
        let mut written = TimesWritten::default();
        let read = directives.iter().try_for_each(|arguments| cache_valid(&mut written, arguments, millis));
        read.map(|()| (written.valid, written.invalid, written.none)).map_err(|(argument, _)| argument)
    };
    assert_eq!(read(&[&["5"]]), Ok((Some(5), None, None)));
    assert_eq!(read(&[&["invalid", "none", "0"]]), Ok((None, Some(0), Some(0))));
    assert_eq!(read(&[&["5"], &["none", "6"], &["invalid", "7"]]), Ok((Some(5), Some(7), Some(6))));
    for (directives, bad) in [
        (&[&["valid"][..]][..], "valid"),
        (&[&["x", "5"]], "x"),
        (&[&["5", "valid"]], "valid"),
        (&[&["-5"]], "-5"),
        (&[&["valid", "valid", "5"]], "valid"),
        (&[&["5"], &["valid", "6"]], "valid"),
    ] {
        assert_eq!(read(directives), Err(bad));
    }
}

#[test]
fn stale_answers_have_a_window_for_each_cause() {
    let read =
        |arguments: &[&'static str]| cache_use_stale(arguments, millis).map_err(|(argument, _)| argument);
    assert_eq!(read(&["off"]), Ok(StaleWindows::default()));
    assert_eq!(read(&["error=5"]), Ok(StaleWindows { error: 5, updating: 0 }));
    assert_eq!(read(&["updating=6", "error=5"]), Ok(StaleWindows { error: 5, updating: 6 }));
    for (arguments, bad) in [
        (&["error=5", "off"][..], "off"),
        (&["error"], "error"),
        (&["error=0"], "error=0"),
        (&["error="], "error="),
        (&["timeout=5"], "timeout=5"),
        (&["error=5", "error=5"], "error=5"),
    ] {
        assert_eq!(read(arguments), Err(bad));
    }
}

#[test]
fn a_cache_is_inherited_piece_by_piece() {
    let at = |resolve: &str| Some(Resolve::At(endpoint(resolve).unwrap()));
    let outer = Overrides {
        resolve: at("http://a"),
        cache: Some(CacheIn::Zone("one".into())),
        cache_valid: TimesWritten { invalid: Some(3), ..TimesWritten::default() },
        cache_use_stale: Some(StaleWindows { error: 7, updating: 0 }),
        ..Overrides::default()
    };
    let mut inner = Overrides {
        cache_valid: TimesWritten { valid: Some(5), ..TimesWritten::default() },
        ..Overrides::default()
    };
    assert!(!inner.is_empty());
    inner.inherit(&outer);
    let zone = |name: &str| (name == "one").then_some(ZoneId(4));
    let settings = Settings::new(&inner, zone, || Err(TlsError::NoSystemRoots)).unwrap().unwrap();
    let times = Times { valid: 5, invalid: 3, none: defaults::NONE };
    let stale = StaleWindows { error: 7, updating: 0 };
    assert_eq!(settings.cache, Some(CacheSettings { zone: ZoneId(4), times, stale }));
    let unknown = Settings::new(&inner, no_zone, || Err(TlsError::NoSystemRoots));
    assert!(matches!(unknown, Err(SettingsError::UnknownZone(name)) if name == "one"));
    inner.cache = Some(CacheIn::Off);
    assert_eq!(Settings::new(&inner, no_zone, || Err(TlsError::NoSystemRoots)).unwrap().unwrap().cache, None);
}

#[test]
fn a_breaker_has_defaults_for_what_it_does_not_say() {
    let time = |text: &str| text.strip_suffix('s')?.parse::<u64>().ok().map(|seconds| seconds * 1000);
    let of = |arguments: &[&'static str]| breaker(arguments, time);
    let some = |max_fails, fail_timeout| Ok(Some(Breaker { max_fails, fail_timeout }));
    assert_eq!(of(&["off"]), Ok(None));
    assert_eq!(of(&["max_fails=3"]), some(3, 10_000));
    assert_eq!(of(&["fail_timeout=3s"]), some(5, 3_000));
    assert_eq!(of(&["fail_timeout=3s", "max_fails=7"]), some(7, 3_000));
    for bad in
        [&["off", "max_fails=3"][..], &["max_fails=0"], &["fail_timeout=0s"], &["max_fails=3", "max_fails=3"]]
    {
        assert!(of(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn what_requests_get_is_said_in_words() {
    let resolve = Some(Resolve::At(endpoint("http://a.example").unwrap()));
    let require = Requirement::parse(&["valid"], |_| None).unwrap();
    let zone = |_: &str| Some(ZoneId(0));
    let words = |overrides: Overrides| {
        let merged = Overrides { resolve: resolve.clone(), ..overrides };
        let settings = Settings::new(&merged, zone, || Err(TlsError::NoSystemRoots)).unwrap().unwrap();
        let consequence = consequence::Consequence::of(&settings);
        (consequence.when(false), consequence.when(true))
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(words(Overrides::default()), pair("requests get 502", "requests get 504"));
    let status = Overrides { on_error: Some(OnError::Status(429)), ..Overrides::default() };
    assert_eq!(words(status), pair("requests get 429", "requests get 429"));
    let anonymous = Overrides { on_error: Some(OnError::Anonymous), ..Overrides::default() };
    let passes = "requests go on without identity";
    assert_eq!(words(anonymous.clone()), pair(passes, passes));
    let required = Overrides { require: Some(require), ..anonymous };
    assert_eq!(words(required), pair("requests get 502", "requests get 504"));
    let stale = Overrides {
        cache: Some(CacheIn::Zone("a".into())),
        cache_use_stale: Some(StaleWindows { error: 1_500, updating: 0 }),
        ..Overrides::default()
    };
    let known = ", known sessions their last answer for 1500ms more";
    assert_eq!(words(stale), (format!("requests get 502{known}"), format!("requests get 504{known}")));
}
