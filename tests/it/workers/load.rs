//! Clients that ask without a pause, and what is to hold for each of their answers, whatever happens to workers.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::super::harness::{EchoReply, Http1, Response};
use super::super::stage::token_of;
use super::{Crew, ending};

const USERS: [&str; 3] = ["alice", "bob", "norole"];

/// So many tokens each user has: few enough for clients to meet at them. Tests use other numbers.
const TOKENS: u64 = 2;
const FIRST_TOKEN: u64 = 1_000_000;

/// What the clients got.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// By `$authgear_reason`.
    pub(super) answered: BTreeMap<String, u64>,
    /// Answers that are not the asked user's.
    pub(super) wrong: Vec<String>,
    /// Requests whose connection ended without an answer.
    pub(super) lost: u64,
    /// Requests that nobody answered for ten seconds, and all else that went wrong.
    pub(super) stuck: Vec<String>,
}

impl Tally {
    fn of(&self, reason: &str) -> u64 {
        self.answered.get(reason).copied().unwrap_or_default()
    }

    /// Every answer was right, and none was missing unless its worker was killed.
    #[track_caller]
    pub(super) fn assert_sound(&self) {
        assert!(self.wrong.is_empty() && self.stuck.is_empty(), "{self:#?}");
        assert!(self.of("resolved") > 0, "nothing was resolved: {self:#?}");
    }

    /// Clients met: else the load shows little.
    #[track_caller]
    pub(super) fn assert_shared(&self) {
        assert!(self.of("hit") + self.of("coalesced") > 0, "{self:#?}");
    }

    fn count(&mut self, user: &str, id: &str, answer: io::Result<Response>) {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let kinds = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
                if kinds.contains(&error.kind()) {
                    self.lost += 1;
                } else {
                    self.stuck.push(format!("{user}: {error}"));
                }
                return;
            }
        };
        let (status, result, reason) = ending(&answer);
        let reply = (status == 200).then(|| EchoReply::of(&answer));
        let told = |name| reply.as_ref().map(|reply| reply.all(name)).unwrap_or_default();
        let (who, valid) = (told("x-authgear-user-id"), told("x-authgear-session-valid"));
        if (who == [id], valid == ["true"], result == "valid") == (true, true, true) {
            *self.answered.entry(reason).or_default() += 1;
        } else {
            let by = answer.header("x-pid");
            self.wrong.push(format!("{user} ({id}): {status} {result} {reason} {who:?} {valid:?} by {by:?}"));
        }
    }
}

/// Ends the clients, also where the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Has so many clients ask, each time over a new connection, until this returns.
pub(super) fn under_load(crew: &Crew, clients: u64, meanwhile: impl FnOnce()) -> Tally {
    let (stop, next, tally) = (AtomicBool::new(false), AtomicU64::new(0), Mutex::new(Tally::default()));
    let ids = USERS.map(|user| crew.live.accounts().user(user).id);
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let at = usize::try_from(n % 3).expect("below 3");
                    let answer = ask(crew, USERS[at], FIRST_TOKEN + n / 3 % TOKENS);
                    tally.lock().expect("no thread panics holding it").count(USERS[at], &ids[at], answer);
                }
            });
        }
        let _stop = Stop(&stop);
        meanwhile();
    });
    tally.into_inner().expect("no thread panics holding it")
}

fn ask(crew: &Crew, user: &str, token: u64) -> io::Result<Response> {
    Http1::connect(crew.port)?.exchange(&token_of(user, token))
}
