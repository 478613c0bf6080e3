use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose};

fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["auth.example.com".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn roots(pem: &str) -> Result<Roots, String> {
    Roots::from_pem(pem.as_bytes()).map_err(|error| error.to_string())
}

fn key(pem: &str) -> Result<PrivateKey, String> {
    PrivateKey::from_pem(pem.as_bytes(), "a.key").map_err(|error| error.to_string())
}

fn block(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn der(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

/// The OIDs `serverAuth` and `emailProtection`.
const SERVER: &[u8] = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01";
const MAIL: &[u8] = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x04";

/// OpenSSL's trust settings with these lists, followed by an alias.
fn settings(trusted: Option<&[u8]>, rejected: Option<&[u8]>) -> Vec<u8> {
    fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(contents.len()).unwrap()], contents].concat()
    }
    let lists = [trusted.map(|list| element(0x30, list)), rejected.map(|list| element(0xa0, list))];
    let lists: Vec<u8> = lists.into_iter().flatten().flatten().chain(element(0x0c, b"alias")).collect();
    element(0x30, &lists)
}

#[test]
fn files_that_hold_nothing_usable_are_refused() {
    let (certificate, private) = pair();
    for (pem, why) in [
        (String::new(), "there is no certificate in it"),
        (private.clone(), "there is no certificate in it"),
        (
            "-----BEGIN CERTIFICATE-----\n!\n".into(),
            "certificate 1 in it can't be read: its END line is missing",
        ),
        (
            block("CERTIFICATE", b"\0\0\0"),
            "certificate 1 in it can't be read: it is not an X.509 certificate",
        ),
        (certificate.replace("\nMII", "\n!!!"), "certificate 1 in it can't be read: it is not base64"),
        (
            format!("{certificate}{}{certificate}", "-----BEGIN CERTIFICATE-----\n"),
            "certificate 2 in it can't be read: its END line is missing",
        ),
    ] {
        assert_eq!(roots(&pem).err().as_deref(), Some(why), "{pem}");
        let chain = CertificateChain::from_pem(pem.as_bytes(), "a.pem");
        assert_eq!(chain.err().map(|error| error.to_string()).as_deref(), Some(why), "{pem}");
    }
    assert_eq!(key(&certificate).unwrap_err(), "there is no private key in it");
    assert!(key(&private).is_ok());
}

#[test]
fn certificates_are_found_however_openssl_writes_them() {
    let (certificate, private) = pair();
    let (bytes, plain) = (der(&certificate), roots(&certificate).unwrap());
    let trusted = |settings: Vec<u8>| block("TRUSTED CERTIFICATE", &[bytes.clone(), settings].concat());
    for pem in [
        format!("\u{feff}{certificate}"),
        certificate.replace('\n', "\r\n"),
        certificate.replace('\n', " \t\n"),
        format!("{}\u{1a}", certificate.trim_end()),
        format!("Certificate:\n    Data:\n        Version: 3 (0x2)\n{certificate}and more\n"),
        format!("{private}{certificate}"),
        block("X509 CERTIFICATE", &bytes),
        block("CERTIFICATE", &[&bytes, &b"\0\0"[..]].concat()),
        trusted(Vec::new()),
        trusted(settings(None, None)),
        trusted(settings(Some(SERVER), None)),
        trusted(settings(Some(&[MAIL, SERVER].concat()), Some(MAIL))),
    ] {
        assert_eq!(roots(&pem).map(|roots| roots.digest), Ok(plain.digest), "{pem}");
        let chain = CertificateChain::from_pem(pem.as_bytes(), "a.pem").unwrap();
        assert_eq!(chain.certificates.to_vec(), [CertificateDer::from(bytes.clone())], "{pem}");
    }
    for settings in [
        settings(Some(MAIL), None),
        settings(Some(b""), None),
        settings(None, Some(SERVER)),
        settings(Some(SERVER), Some(SERVER)),
        b"\x30\x7f".to_vec(),
    ] {
        let why = "certificate 2 in it can't be trusted: its trust settings leave TLS servers out";
        let pem = format!("{certificate}{}", trusted(settings));
        assert_eq!(roots(&pem).err().as_deref(), Some(why), "{pem}");
    }
}

#[test]
fn keys_that_cannot_be_used_are_told_apart() {
    let (_, private) = pair();
    let encrypted = "the private key in it is encrypted; take the password off";
    let traditional = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n\
                       -----END RSA PRIVATE KEY-----\n";
    let bad = "the private key in it is damaged, or of a kind that isn't supported";
    for (pem, why) in [
        (block("ENCRYPTED PRIVATE KEY", b"abc"), encrypted),
        (traditional.to_owned(), encrypted),
        (block("PRIVATE KEY", b"abc"), bad),
        (block("EC PRIVATE KEY", b"abc"), bad),
        (private.replace("-----END PRIVATE KEY-----", ""), bad),
        ("hello".to_owned(), "there is no private key in it"),
    ] {
        assert_eq!(key(&pem).unwrap_err(), why, "{pem}");
    }
    for pem in [
        format!("\u{feff}{private}"),
        private.replace('\n', "\r\n"),
        format!("{}{private}", block("EC PARAMETERS", b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07")),
        format!("{}{private}", pair().0),
    ] {
        assert!(key(&pem).is_ok(), "{pem}");
    }
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let ((certificate, private), (_, other)) = (pair(), pair());
    let config = |private: &str| {
        let chain = CertificateChain::from_pem(certificate.as_bytes(), "a.pem").unwrap();
        client_config(None, Some((chain, key(private).unwrap())), true).map_err(|error| error.to_string())
    };
    assert!(config(&private).is_ok());
    let why = "the private key in \"a.key\" belongs to another certificate than the first one in \"a.pem\"";
    assert_eq!(config(&other).unwrap_err(), why);
}

#[test]
fn sets_of_roots_are_told_apart() {
    let (one, two) = (pair().0, pair().0);
    let digest = |pem: &str| roots(pem).unwrap().digest;
    assert_ne!(digest(&one), digest(&two));
    assert_ne!(digest(&one), digest(&format!("{one}{two}")));
    assert_eq!(digest(&one), digest(&one));
}

/// Matches OpenSSL's `X509_check_ca`.
#[test]
fn only_certificates_of_authorities_may_sign_others() {
    use KeyUsagePurpose::{DigitalSignature, KeyCertSign};
    let ca = || IsCa::Ca(BasicConstraints::Unconstrained);
    for (is_ca, usages, expected) in [
        (ca(), vec![], true),
        (IsCa::Ca(BasicConstraints::Constrained(0)), vec![], true),
        (ca(), vec![KeyCertSign], true),
        (ca(), vec![DigitalSignature], false),
        (IsCa::NoCa, vec![], false),
        (IsCa::NoCa, vec![KeyCertSign], true),
        (IsCa::NoCa, vec![DigitalSignature], false),
        (IsCa::ExplicitNoCa, vec![KeyCertSign], false),
    ] {
        let mut params = CertificateParams::new(["a".to_owned()]).unwrap();
        (params.is_ca, params.key_usages) = (is_ca, usages.clone());
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let parts = der::Parts::read(made.der()).unwrap();
        assert_eq!(parts.is_ca, expected, "{is_ca:?} {usages:?}");
        assert_eq!((parts.whole, parts.rest), (&made.der()[..], &b""[..]));
    }
}

#[test]
fn no_bytes_that_are_cut_off_or_changed_make_a_reader_panic() {
    let bytes = der(&pair().0);
    for end in 0..bytes.len() {
        assert!(der::Parts::read(&bytes[..end]).is_none());
        for value in [0, 0x7f, 0x80, 0x83, 0x84, 0xff] {
            let mut changed = bytes.clone();
            changed[end] = value;
            if let Some(parts) = der::Parts::read(&changed) {
                let _ = (der::algorithm(parts.key), der::rsa_bits(parts.key));
            }
        }
        let _ = der::vouches_for_servers(&bytes[end..]);
    }
}
