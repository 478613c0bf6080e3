//! Advice: what is accepted and yet hardly meant is said so as a warning, where it stands, once.

mod left_over;

use super::super::harness::{Check, Nginx};

/// `nginx -t` on these lines of `http` gives exactly this advice: what each begins with, and its line among them.
#[track_caller]
fn assert_advice(http: &str, expected: &[(&str, usize)]) {
    println!("{http}");
    let check = Nginx::builder().http(http).check();
    check.assert_ok();
    assert_warned(&check, http, expected);
}

#[track_caller]
fn assert_warned(check: &Check, fragment: &str, expected: &[(&str, usize)]) {
    let warnings = check.warnings();
    assert_eq!(warnings.len(), expected.len(), "{warnings:#?}");
    for (begin, line) in expected {
        let end = format!(" in {}", check.place(fragment, *line));
        let found = warnings.iter().any(|warning| warning.starts_with(begin) && warning.ends_with(&end));
        assert!(found, "no {begin:?} in line {line} among {warnings:#?}");
    }
}

const UNVERIFIED: &str = "anybody who answers in the place of \"https://a.example\" can say who users are";
const PLAINTEXT: &str = "credentials for \"http://a.example\" can be read on the way, and its answers forged";
const FRESHNESS: &str = "a session that was ended, or a role that was taken away, may be let in for";
const AMR: &str = "\"amr=\" in \"authgear_require\" directive can't be met and nobody is let in";
const UNUSED: &str = "nothing is kept in zone \"sessions\"";
const UNDERSCORES: &str =
    "clients can send other spellings of the headers that you set, such as \"x_real_ip\"";

/// Levels that inherit all from around.
const LEVELS: &str = "server { listen 127.0.0.1:1; location / { location /a/ { } } location /b/ { } }
    server { listen 127.0.0.1:1; server_name b; }";

#[test]
fn a_certificate_that_is_not_verified() {
    let lines = |verify: &str| format!("authgear_resolve https://a.example;\n{verify}\n{LEVELS}");
    assert_advice(&lines("authgear_ssl_verify off;"), &[(UNVERIFIED, 2)]);
    assert_advice(&lines("authgear_ssl_verify on;"), &[]);
    assert_advice(&lines(""), &[]);
    // Where there is nothing to verify, or nobody to ask.
    assert_advice(&format!("authgear_resolve http://10.0.0.5;\nauthgear_ssl_verify off;\n{LEVELS}"), &[]);
    assert_advice(&format!("authgear_ssl_verify off;\n{LEVELS}"), &[]);
    // The line that is in force, of each place that has one; the harness's own server has that of http.
    assert_advice(
        "authgear_resolve https://a.example;
         authgear_ssl_verify off;
         server { listen 127.0.0.1:1;
             authgear_ssl_verify on;
             location /off/ {
                 authgear_ssl_verify off; }
             location /on/ { } }",
        &[(UNVERIFIED, 2), (UNVERIFIED, 6)],
    );
}

#[test]
fn a_resolver_that_is_asked_without_tls() {
    for url in ["http://a.example", "HTTP://A.example:80", "http://a.example/resolve"] {
        let lines = format!("authgear_cookie_prefix a_;\nauthgear_resolve {url};\n{LEVELS}");
        assert_advice(&lines, &[(PLAINTEXT, 2)]);
    }
    let public = ["http://8.8.8.8", "http://[2001:db8::1]:3001", "http://auth.example.com:3001"];
    for url in public {
        let begin = format!("credentials for \"{url}\" can be read");
        assert_advice(&format!("authgear_resolve {url};\n{LEVELS}"), &[(&begin, 1)]);
    }
    let private = [
        "http://127.0.0.1:3001",
        "http://[::1]",
        "http://10.0.0.5:3001",
        "http://[fd00::1]",
        "http://100.64.0.1",
        "http://authgear:3001",
        "http://localhost",
        "http://authgear.prod.svc.cluster.local",
        "http://auth.internal",
    ];
    for url in private {
        assert_advice(&format!("authgear_resolve {url};\n{LEVELS}"), &[]);
    }
    let off = Nginx::builder().http("authgear_resolve http://a.example;").server("authgear_resolve off;");
    assert_eq!(off.check().warnings(), [""; 0], "nobody is asked there");
    // The origin is a name only.
    assert_advice(
        &format!("authgear_resolve http://10.0.0.5;\nauthgear_origin http://a.example;\n{LEVELS}"),
        &[],
    );
}

#[test]
fn a_freshness_above_an_hour() {
    let lines = |valid: &str| {
        format!(
            "authgear_resolve http://10.0.0.5;\nauthgear_cache_zone zone=sessions:1m;\nauthgear_cache sessions;\n{valid}\n{LEVELS}"
        )
    };
    for valid in [
        "authgear_cache_valid 61m;",
        "authgear_cache_valid valid 1d;",
        "authgear_cache_valid none valid 3601s;",
    ] {
        assert_advice(&lines(valid), &[(FRESHNESS, 4)]);
    }
    for valid in
        ["", "authgear_cache_valid 1h;", "authgear_cache_valid 60m;", "authgear_cache_valid invalid none 1d;"]
    {
        assert_advice(&lines(valid), &[]);
    }
    // The line that has it, and only where there is a cache.
    assert_advice(
        &lines("authgear_cache_valid none 1d;\nauthgear_cache_valid 2h;\nauthgear_cache_valid invalid 1d;"),
        &[(FRESHNESS, 5)],
    );
    assert_advice(
        &lines("authgear_cache_valid 2h;").replace(
            "authgear_cache sessions;",
            "server { listen 127.0.0.1:2; authgear_cache_valid 1h; authgear_cache sessions; }",
        ),
        &[],
    );
    assert_advice(&lines("authgear_cache_valid 2h;").replace("http://10.0.0.5", "off"), &[]);
}

#[test]
fn a_method_that_no_answer_names() {
    let lines = format!("authgear_resolve http://10.0.0.5;\nauthgear_require valid amr=mfa;\n{LEVELS}");
    assert_advice(&lines, &[(AMR, 2)]);
    assert_advice(&lines.replace("amr=mfa", "role=mfa"), &[]);
}

#[test]
fn a_zone_that_nobody_uses() {
    let zone = "authgear_resolve http://10.0.0.5;\nauthgear_cache_zone zone=sessions:1m;";
    assert_advice(&format!("{zone}\n{LEVELS}"), &[(UNUSED, 2)]);
    assert_advice(&format!("{zone}\nauthgear_cache sessions;\n{LEVELS}"), &[]);
    let in_location = "location / { authgear_resolve off; authgear_cache sessions; }";
    assert_advice(&format!("{zone}\nserver {{ listen 127.0.0.1:1; {in_location} }}"), &[]);
    let other = "authgear_cache_zone zone=others:1m;\nauthgear_cache others;";
    assert_advice(&format!("{zone}\n{other}\n{LEVELS}"), &[(UNUSED, 2)]);
}

#[test]
fn header_names_with_underscores() {
    let resolve = "authgear_resolve http://10.0.0.5;";
    // In http, whose block begins where the configuration's does.
    let check = Nginx::builder().http(format!("{resolve} underscores_in_headers on; {LEVELS}")).check();
    check.assert_ok();
    assert_warned(&check, "http {", &[(UNDERSCORES, 1)]);
    // In servers, of which one doesn't resolve.
    let servers = format!(
        "{resolve}
         server {{ listen 127.0.0.1:1; location / {{ }} }}
         server {{
             listen 127.0.0.1:1; server_name b; underscores_in_headers on; location / {{ }} location /b/ {{ }} }}
         server {{ listen 127.0.0.1:1; server_name c; underscores_in_headers on; authgear_resolve off; }}"
    );
    assert_advice(&servers, &[(UNDERSCORES, 3)]);
    assert_advice(&servers.replace("headers on", "headers off"), &[]);
    // The server's own word counts.
    let off = format!(
        "{resolve} underscores_in_headers on; server {{ listen 127.0.0.1:1; underscores_in_headers off; }}"
    );
    let check = Nginx::builder().http(off).server("underscores_in_headers off;").check();
    assert_eq!(check.warnings(), [""; 0]);
}

/// At the start where nginx's own warnings are, on stderr; at a reload in the log.
#[test]
fn advice_is_given_at_start_and_reload_too_and_refuses_nothing() {
    let lines = "authgear_resolve https://a.example; authgear_ssl_verify off;";
    let nginx =
        Nginx::builder().http(lines).server("location / { authgear_resolve off; return 204; }").start();
    let stderr = std::fs::read_to_string(nginx.prefix().join("stderr.log")).expect("the harness keeps it");
    assert_told_once(&stderr);
    assert_eq!(nginx.error_log().matches(UNVERIFIED).count(), 0);
    nginx.reload();
    assert_told_once(&nginx.error_log());
    nginx.finish();
}

#[track_caller]
fn assert_told_once(log: &str) {
    let told: Vec<_> = log.lines().filter(|line| line.contains(UNVERIFIED)).collect();
    assert!(told.len() == 1 && told[0].contains(" [warn] "), "{told:#?} in\n{log}");
}
