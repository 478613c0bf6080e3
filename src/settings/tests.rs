use super::parse::*;
use super::*;
use crate::endpoint::{endpoint, origin};
use proptest::prelude::*;

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
        assert!(matches!(Settings::new(&open, none), Err(SettingsError::RequireWithoutResolve)));
        let off = Overrides { require: Some(None), ..Overrides::default() };
        assert!(Settings::new(&off, none).unwrap().is_none());
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
    let settings = Settings::new(&inner, || Err(TlsError::NoSystemRoots)).unwrap().unwrap();
    assert_eq!(settings.timeout, Duration::from_secs(1));
    assert_eq!(settings.target.cookie_prefix(), "p_");
    assert_eq!((settings.on_error, settings.max_inflight), (OnError::Gateway, 512));

    let mut off = Overrides { resolve: Some(Resolve::Off), ..Overrides::default() };
    off.inherit(&outer);
    assert!(Settings::new(&off, || Err(TlsError::NoSystemRoots)).unwrap().is_none());
}

#[test]
fn https_needs_roots_and_http_does_not() {
    let at = |url| Overrides { resolve: Some(Resolve::At(endpoint(url).unwrap())), ..Overrides::default() };
    let none = || Err(TlsError::NoSystemRoots);
    assert!(Settings::new(&at("http://a"), none).is_ok());
    assert!(matches!(
        Settings::new(&at("https://a"), none),
        Err(SettingsError::Tls(TlsError::NoSystemRoots))
    ));
    let unverified = Overrides { ssl_verify: Some(false), ..at("https://a") };
    assert!(Settings::new(&unverified, none).is_ok());
}

proptest! {
    #[test]
    fn no_argument_makes_a_parser_panic(text in "\\PC{0,40}") {
        let _ = (endpoint(&text), origin(&text), cookie_prefix(&text), on_error(&text), ssl_name(&text), max_inflight(&text));
    }
}
