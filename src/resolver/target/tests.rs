use std::sync::LazyLock;

use super::*;
use crate::cache_key::CacheKey;
use crate::credentials::{Presented, present};
use crate::endpoint::{endpoint, origin};
use proptest::prelude::*;
use proptest::sample::select;

fn target(url: &str, public: Option<&str>, prefix: &str, name: Option<&str>) -> Target {
    let tls = TlsTarget { roots: None, identity: None, name: name.map(str::to_owned) };
    let public = public.map(|public| origin(public).unwrap());
    Target::new(&endpoint(url).unwrap(), public.as_ref(), prefix, Duration::from_secs(1), Some(tls)).unwrap()
}

#[test]
fn every_part_is_part_of_the_identity() {
    let base = target("https://a", None, "", None).id();
    for other in [
        target("http://a", None, "", None),
        target("https://b", None, "", None),
        target("https://a/resolve", None, "", None),
        target("https://a", Some("https://b"), "", None),
        target("https://a", Some("http://a"), "", None),
        target("https://a", None, "p", None),
        target("https://a", None, "", Some("a.b")),
    ] {
        assert_ne!(base, other.id());
    }
    assert_eq!(base, target("https://a:443/", Some("https://a"), "", None).id());
}

#[test]
fn http2_is_offered_only_where_host_and_authority_agree() {
    for (url, public, name, agree) in [
        ("https://a", None, None, true),
        ("https://a:8443", None, None, true),
        ("https://a", Some("https://b"), None, false),
        ("https://10.0.0.5", Some("https://a"), Some("a"), true),
        ("https://10.0.0.5:8443", Some("https://a"), Some("a"), false),
        ("https://a", None, Some("b"), false),
    ] {
        let target = target(url, public, "", name);
        assert_eq!(!target.needs_host_header(), agree, "{url} {public:?} {name:?}");
        assert_eq!(target.tls().alpn_protocols.contains(&b"h2".to_vec()), agree);
    }
}

#[test]
fn the_tls_name_changes_what_is_asked_for_and_not_what_is_dialled() {
    let target = target("https://10.0.0.5:8443", None, "", Some("auth.example.com"));
    assert_eq!((target.url().host_str(), target.dial_host()), (Some("auth.example.com"), "10.0.0.5"));
    assert_eq!(target.origin().authority, "10.0.0.5:8443");
}

/// A client certificate that is renewed in place, and system roots that change with an update.
#[test]
fn certificates_that_are_replaced_change_connections_and_not_answers() {
    let endpoint = endpoint("https://a").unwrap();
    let target = |roots: &Roots, path: &str, place: usize| {
        let (certificate, key): &(String, String) = &PAIRS[place];
        let chain = CertificateChain::from_pem(certificate.as_bytes(), path).unwrap();
        let identity = Some((chain, PrivateKey::from_pem(key.as_bytes(), "a.key").unwrap()));
        let tls = TlsTarget { roots: Some(roots.clone()), identity, name: None };
        Target::new(&endpoint, None, "", Duration::from_secs(1), Some(tls)).unwrap()
    };
    let [one, two] = [0, 1].map(|place| Roots::from_pem(PAIRS[place].0.as_bytes()).unwrap());
    let base = target(&one, "a.pem", 0);
    for (other, same_answers, same_connections) in [
        (target(&one, "a.pem", 0), true, true),
        (target(&one, "a.pem", 1), true, false),
        (target(&one, "b.pem", 0), false, true),
        (target(&two, "a.pem", 0), false, false),
    ] {
        assert_eq!(base.id() == other.id(), same_answers);
        assert_eq!(base.tls_digest() == other.tls_digest(), same_connections);
    }
}

/// URLs and their complete forms.
const URLS: [(&str, &str); 10] = [
    ("http://a", "http://a/_resolver/resolve"),
    ("http://a:80/", "http://a/_resolver/resolve"),
    ("http://A/_resolver/resolve", "http://a/_resolver/resolve"),
    ("http://a/resolve", "http://a/resolve"),
    ("http://a/resolve/", "http://a/resolve/"),
    ("http://a:8080", "http://a:8080/_resolver/resolve"),
    ("http://b", "http://b/_resolver/resolve"),
    ("https://a", "https://a/_resolver/resolve"),
    ("https://a:443", "https://a/_resolver/resolve"),
    ("https://b/resolve", "https://b/resolve"),
];
/// Origins and what is sent for each. None is the origin of the URL.
const ORIGINS: [(Option<&str>, &str); 7] = [
    (None, ""),
    (Some("http://a"), "http://a"),
    (Some("http://A:80/"), "http://a"),
    (Some("https://a"), "https://a"),
    (Some("https://b"), "https://b"),
    (Some("http://a:8080"), "http://a:8080"),
    (Some("https://a:80"), "https://a:80"),
];
/// Prefixes that turn one cookie's name into another's.
const PREFIXES: [&str; 5] = ["", "a", "app_", "APP_", "__Host-"];
const COOKIE: &str = "(app_|a|__Host-)?(app_|APP_)?(app_session|app_access_token|session)=[ab]?";

/// Two certificates with their keys.
static PAIRS: LazyLock<[(String, String); 2]> = LazyLock::new(|| {
    ["a", "b"].map(|name| {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    })
});

/// A configuration and a request.
#[derive(Clone, Debug)]
struct Asked {
    url: (&'static str, &'static str),
    origin: (Option<&'static str>, &'static str),
    prefix: &'static str,
    /// Indexes of the trusted certificates. If empty, nothing is verified.
    roots: Vec<usize>,
    client: Option<usize>,
    name: Option<&'static str>,
    bearer: String,
    cookies: String,
}

prop_compose! {
    fn asked()(
        url in select(&URLS[..]),
        origin in select(&ORIGINS[..]),
        prefix in select(&PREFIXES[..]),
        roots in select(vec![vec![], vec![0], vec![1], vec![0, 1], vec![1, 0]]),
        client in select(vec![None, Some(0), Some(1)]),
        name in select(vec![None, Some("a"), Some("b")]),
        bearer in "(Bearer [ab])?",
        cookies in prop::collection::vec(COOKIE, 1..3),
    ) -> Asked {
        Asked { url, origin, prefix, roots, client, name, bearer, cookies: cookies.join("; ") }
    }
}

/// Two that differ in about one part.
fn two() -> impl Strategy<Value = (Asked, Asked)> {
    (asked(), asked(), prop::array::uniform8(0..7)).prop_map(|(one, other, dice)| {
        fn mix<T: Clone>(die: i32, one: &T, other: &T) -> T {
            if die == 0 { other.clone() } else { one.clone() }
        }
        let mixed = Asked {
            url: mix(dice[0], &one.url, &other.url),
            origin: mix(dice[1], &one.origin, &other.origin),
            prefix: mix(dice[2], &one.prefix, &other.prefix),
            roots: mix(dice[3], &one.roots, &other.roots),
            client: mix(dice[4], &one.client, &other.client),
            name: mix(dice[5], &one.name, &other.name),
            bearer: mix(dice[6], &one.bearer, &other.bearer),
            cookies: mix(dice[7], &one.cookies, &other.cookies),
        };
        (one, mixed)
    })
}

impl Asked {
    fn target(&self) -> Target {
        let pem: String = self.roots.iter().map(|place| PAIRS[*place].0.as_str()).collect();
        let roots = (!pem.is_empty()).then(|| Roots::from_pem(pem.as_bytes()).unwrap());
        let identity = self.client.map(|place| {
            let (certificate, key) = &PAIRS[place];
            let chain = CertificateChain::from_pem(certificate.as_bytes(), &format!("{place}.pem")).unwrap();
            (chain, PrivateKey::from_pem(key.as_bytes(), &format!("{place}.key")).unwrap())
        });
        let tls = TlsTarget { roots, identity, name: self.name.map(str::to_owned) };
        let public = self.origin.0.map(|public| origin(public).unwrap());
        let endpoint = endpoint(self.url.0).unwrap();
        Target::new(&endpoint, public.as_ref(), self.prefix, Duration::from_secs(1), Some(tls)).unwrap()
    }

    fn key(&self) -> Option<CacheKey> {
        let lines = [(&b"authorization"[..], self.bearer.as_bytes()), (b"cookie", self.cookies.as_bytes())];
        let Presented::Credentials(found) = present(lines, self.prefix.as_bytes()) else { return None };
        Some(self.target().keys(&Secret::new([0; 32])).key(&found))
    }

    /// Everything that the answer can depend on, combined in a different way than in a key.
    fn told(&self) -> String {
        let origin = match self.origin.1 {
            "" => self.url.1.split('/').take(3).collect::<Vec<_>>().join("/"),
            origin => origin.to_owned(),
        };
        let names =
            ["app_session", "app_access_token", "session"].map(|name| format!("{}{name}=", self.prefix));
        let is_sent = |pair: &&str| names.iter().any(|name| pair.starts_with(name.as_str()));
        let cookies: Vec<&str> = self.cookies.split("; ").filter(is_sent).collect();
        format!(
            "{:?}",
            (self.url.1, origin, self.prefix, &self.roots, self.client, self.name, &self.bearer, cookies)
        )
    }
}

proptest! {
    /// Two requests never share a key if a resolver could distinguish them or if their resolvers differ.
    #[test]
    fn what_is_asked_differently_is_keyed_differently((one, two) in two()) {
        if let (Some(first), Some(second)) = (one.key(), two.key()) {
            prop_assert_eq!(first == second, one.told() == two.told());
        }
    }
}
