//! Whoever makes up credentials, or varies a good one, costs others nothing: in a zone of a megabyte their sessions stay,
//! memory stays what it was, and the log stays quiet.
//!
//! `AUTHGEAR_TEST_GARBAGE=1000000` sends as many requests in each flood, rather than a few seconds' worth.

mod capacity;
mod flood;
mod memory;
mod resolver;

use std::time::Instant;

use crate::harness::{Builder, Http1, Nginx, Request, Wire, send};
use flood::flood;
use memory::{parts_found, shared};
use resolver::{Fast, good, random, user_id};

/// The sessions that are to stay.
const SESSIONS: usize = 100;
/// A user of their own, who has nothing to do with those.
const ATTACKER: usize = 900_000;

/// How much more memory a worker may have after the last third of a flood: what is left behind for each of the 20,000
/// requests that a test sends then would have to be smaller than 150 bytes not to be noticed.
const MOST_GROWTH: u64 = 3 * 1024 * 1024;

fn garbage() -> usize {
    std::env::var("AUTHGEAR_TEST_GARBAGE").map_or(60_000, |count| count.parse().expect("a number"))
}

/// nginx before a fast resolver, with a zone of a megabyte in which everything stays fresh.
struct Site {
    fast: Fast,
    nginx: Nginx,
    started: Instant,
}

impl Site {
    fn start(change: impl FnOnce(Builder) -> Builder) -> Self {
        let fast = Fast::start();
        let builder = Nginx::builder()
            .http(format!(
                "authgear_resolve {}; authgear_cache_zone zone=sessions:1m; authgear_cache sessions;
                 authgear_cache_valid valid invalid none 1h; authgear_timeout 30s; authgear_connect_timeout 30s;
                 access_log off; keepalive_requests 100000000;",
                fast.url()
            ))
            .server(
                "location / { try_files \"\" =204; }
                 location = /told { add_header X-Cache $authgear_cache_status always; try_files \"\" =204; }",
            );
        Self { fast, nginx: change(builder).start(), started: Instant::now() }
    }

    /// Asks with each of these header lines in turn, and tells what the cache had.
    fn statuses(&self, lines: impl IntoIterator<Item = (&'static str, String)>) -> Vec<String> {
        let mut connection = Http1::connect(self.nginx.port()).expect("nginx accepts");
        let mut ask = |(name, value): (&str, String)| {
            let response =
                connection.exchange(&Request::get("/told").header(name, value)).expect("an answer");
            assert_eq!(response.status, 204);
            response.header("x-cache").unwrap_or_default()
        };
        lines.into_iter().map(&mut ask).collect()
    }

    /// How many of these users' sessions are found in the cache; what is not found is kept afterwards.
    fn hits(&self, users: impl IntoIterator<Item = usize>) -> usize {
        let statuses = self.statuses(users.into_iter().map(bearer));
        statuses.iter().filter(|status| *status == "HIT").count()
    }

    /// Workers that have nothing of their own, so that what they find is in the zone.
    fn renew_workers(&self) {
        self.nginx.reload();
        self.nginx.wait_for_old_workers();
    }

    /// The module's lines that an administrator would have to look at.
    fn complaints(&self) -> Vec<String> {
        let log = self.nginx.error_log();
        let is_one =
            |line: &&str| line.contains("authgear") && !line.contains("[info]") && !line.contains("[notice]");
        log.lines().filter(is_one).map(str::to_owned).collect()
    }

    #[track_caller]
    fn assert_quiet(&self) {
        let (complaints, minutes) = (self.complaints(), self.started.elapsed().as_secs() / 60);
        assert!(complaints.len() as u64 <= minutes + 1, "in {minutes} minutes: {complaints:#?}");
    }
}

fn bearer(user: usize) -> (&'static str, String) {
    ("Authorization", format!("Bearer {}", good(user)))
}

/// Fills the zone with the sessions, lets the flood in, and looks for them. `sent` are the secrets of a request.
#[track_caller]
fn assert_sessions_outlast(
    name: &str,
    lines: impl Fn(usize) -> String + Sync,
    sent: impl Fn(usize) -> Vec<String>,
) {
    let (site, count) = (Site::start(|builder| builder), garbage());
    assert_eq!((site.hits(0..SESSIONS), site.hits(0..SESSIONS)), (0, SESSIONS));
    // By then the worker's own cache, which holds some 30,000 answers, is full.
    let warm_up = count * 2 / 3;
    flood(&site.nginx, 0..warm_up, &lines);
    let before = site.nginx.rss();
    flood(&site.nginx, warm_up..count, &lines);
    let (after, calls) = (site.nginx.rss(), site.fast.calls());
    assert_eq!(calls, (SESSIONS + count) as u64, "each is another credential");

    assert_eq!(site.hits(0..SESSIONS), SESSIONS, "from the worker that had them");
    site.renew_workers();
    assert_eq!(site.hits(0..SESSIONS), SESSIONS, "from the zone");
    assert_eq!(site.fast.calls(), calls, "for none of them the resolver was asked again");
    println!(
        "{name}: {count} requests, {calls} calls, {SESSIONS} sessions hit; resident memory {} KB after {warm_up}, \
         {} KB in the end; {:?}; log: {:?}",
        before / 1024,
        after / 1024,
        site.started.elapsed(),
        site.complaints()
    );
    assert!(after < before + MOST_GROWTH, "memory grew from {before} to {after} bytes");
    site.assert_quiet();
    let secrets: Vec<String> = (0..SESSIONS).map(good).chain((count - 200..count).flat_map(sent)).collect();
    assert_no_secrets(&site, &secrets);
    site.nginx.finish();
}

/// Neither in shared memory nor in the log. That the memory is searched is shown by the users' ids, which are there.
#[track_caller]
fn assert_no_secrets(site: &Site, secrets: &[String]) {
    let memory = shared(&site.nginx);
    let users: Vec<String> = (0..SESSIONS).map(user_id).collect();
    assert_eq!(parts_found(&memory, &users).len(), SESSIONS, "the users of the sessions are in the zone");
    let none: Vec<&String> = Vec::new();
    let found =
        |bytes: &[u8]| parts_found(bytes, secrets).into_iter().map(|n| &secrets[n]).collect::<Vec<_>>();
    assert_eq!(found(&memory), none, "in shared memory");
    assert_eq!(found(site.nginx.error_log().as_bytes()), none, "in the log");
}

#[test]
fn made_up_credentials_displace_no_session() {
    let token = |n: usize| random(&format!("garbage {n}"));
    let lines = |n: usize| match n % 4 {
        0 => format!("Authorization: Bearer {}\r\n", token(n)),
        1 => format!("Cookie: x=y; session={}\r\n", token(n)),
        2 => format!("Cookie: app_session={}\r\n", token(n)),
        _ => format!("Cookie: app_access_token={}\r\n", token(n)),
    };
    assert_sessions_outlast("garbage", lines, |n| vec![token(n)]);
}

#[test]
fn variants_of_a_good_credential_displace_no_session_of_others() {
    let token = |n: usize| random(&format!("variant {n}"));
    let own = good(ATTACKER);
    let lines = |n: usize| {
        let random = token(n);
        match n % 6 {
            0 => format!("Cookie: session={own}; app_session={random}\r\n"),
            1 => format!("Cookie: app_session={random}; session={own}\r\n"),
            2 => format!("Cookie: session={own}; session={random}\r\n"),
            3 => format!("Authorization: Bearer {own}\r\nCookie: app_access_token={random}\r\n"),
            4 => format!("Authorization: Bearer {random}\r\nCookie: session={own}\r\n"),
            _ => format!("Authorization: Bearer {own}\r\nCookie: session={random}; app_session={random}\r\n"),
        }
    };
    assert_sessions_outlast("variants", lines, |n| vec![token(n), good(ATTACKER)]);
}

#[test]
fn one_user_has_16_entries_and_the_oldest_go_first() {
    let site = Site::start(|builder| builder);
    let cookie =
        |n: usize| ("Cookie", format!("session={}; app_session={}", good(ATTACKER), random(&n.to_string())));
    site.statuses((0..100).map(cookie));
    site.renew_workers();
    let statuses = site.statuses((0..100).rev().map(cookie));
    let hits = statuses.iter().take_while(|status| *status == "HIT").count();
    assert_eq!(hits, 16, "{statuses:?}");
    site.nginx.finish();
}

/// Also at the level debug: of its own lines, for nginx prints requests there.
#[test]
fn no_line_of_the_module_holds_a_credential() {
    let small = |builder: Builder| builder.replace("sessions:1m", "sessions:32k").error_log_level("debug");
    let site = Site::start(|builder| {
        small(builder).server(
            "location = /failing {
                 authgear_resolve http://127.0.0.1:1; authgear_on_error anonymous; try_files \"\" =204;
             }",
        )
    });
    let token = |n: usize| random(&format!("line {n}"));
    let (kept, garbage) = (0..300, 0..300);
    for _ in 0..2 {
        site.hits(kept.clone());
        site.statuses(garbage.clone().map(|n| ("Cookie", format!("session={}", token(n)))));
    }
    let (name, value) = bearer(0);
    assert_eq!(send(&site.nginx, Wire::Http1, Request::get("/failing").header(name, value)).status, 204);
    let secrets: Vec<String> = kept.map(good).chain(garbage.map(token)).collect();
    let log = site.nginx.error_log();
    let own: Vec<&str> = log.lines().filter(|line| line.contains("authgear: ")).collect();
    for told in ["is full", "connect failed"] {
        assert!(own.iter().any(|line| line.contains(told)), "{told:?}: {own:#?}");
    }
    let own: String = own.into_iter().map(without_fingerprint).collect();
    assert_eq!(parts_found(own.as_bytes(), &secrets).len(), 0);
    // The search finds what nginx itself has printed, if it was built to.
    let printed = log.contains("http header: \"Authorization");
    assert_eq!(parts_found(log.as_bytes(), &secrets).len(), if printed { secrets.len() } else { 0 });
    site.nginx.finish();
}

/// Eight hexadecimal digits are part of one of so many tokens once in a hundred runs.
fn without_fingerprint(line: &str) -> String {
    let Some((before, after)) = line.split_once("fingerprint") else { return line.to_owned() };
    let digits = after.get(1..9).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    format!("{before}{}", after.get(digits.map_or(0, |_| 9)..).unwrap_or_default())
}
