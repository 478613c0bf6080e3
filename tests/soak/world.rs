//! Who can log in, with what, at which of two resolvers, and what each answer owes to them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::names::{self, Names};
use crate::standin::accounts::User;
use crate::standin::{Accounts, Credentials, Kind, Leaf, Pki, Resolver};

/// More sessions than the zone holds: of each user four kinds, at two resolvers.
pub(crate) const USERS: usize = 3000;

/// The last users log out while the soak runs, one credential after the other.
pub(crate) const FIRST_LEAVER: usize = USERS - 300;

/// Resolvers with the same credentials, which are different users' there: an answer that one of them gave must not be
/// taken for the other's.
pub(crate) const RESOLVERS: usize = 2;

/// How long a credential that was revoked may still be taken for good: fresh, then stale, then some for the call.
pub(crate) const FRESH: Duration = Duration::from_secs(4);
pub(crate) const STALE: Duration = Duration::from_secs(8);
const SLACK: Duration = Duration::from_secs(4);

/// What becomes of a request's credentials, as the backend is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owed {
    None,
    Invalid,
    /// The user of that number.
    Valid(usize),
}

/// What a request presents as one kind.
#[derive(Clone, Debug)]
pub(crate) enum Presented {
    /// The credential of the user of that number.
    Of(usize),
    /// Nobody's.
    Bad(String),
}

pub(crate) struct World {
    pub(crate) resolvers: [Resolver; RESOLVERS],
    /// Where the first of them has a name.
    pub(crate) names: Option<Names>,
    started: Instant,
    credentials: Vec<Credentials>,
    /// The lines that the backend writes for each user, by resolver.
    lines: [Vec<Vec<u8>>; RESOLVERS],
    /// By leaver and kind: when the credential was about to be revoked, and when it was, in ms from the start, or 0.
    revoked: Vec<[(AtomicU64, AtomicU64); 4]>,
}

impl World {
    /// With a name for the first resolver, if there is a folder for what that takes.
    pub(crate) fn start(folder: Option<&Path>) -> Self {
        let address = if folder.is_some() { names::HERE } else { IpAddr::V4(Ipv4Addr::LOCALHOST) };
        let resolvers = [
            Resolver::builder().keep_calls(0).listen(SocketAddr::new(address, 0)).start(),
            Resolver::builder()
                .keep_calls(0)
                .tls(Pki::shared().server(Leaf::Good))
                .alpn(&["h2", "http/1.1"])
                .start(),
        ];
        for (number, resolver) in resolvers.iter().enumerate() {
            (0..USERS).for_each(|n| resolver.accounts().add(user(number, n)));
        }
        let lines = |resolver| (0..USERS).map(|n| lines_of(&user(resolver, n))).collect();
        let accounts: &Accounts = resolvers[0].accounts();
        Self {
            credentials: (0..USERS).map(|n| accounts.login(&user(0, n).name)).collect(),
            lines: [lines(0), lines(1)],
            names: folder.and_then(|folder| Names::start(&resolvers[0], folder)),
            revoked: (FIRST_LEAVER..USERS).map(|_| Default::default()).collect(),
            started: Instant::now(),
            resolvers,
        }
    }

    /// Every server there is, also those at addresses that no name leads to now.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Resolver> {
        self.resolvers.iter().chain(self.names.iter().flat_map(Names::elsewhere))
    }

    pub(crate) fn is_away(&self, resolver: &Resolver) -> bool {
        self.names.as_ref().is_some_and(|names| names.is_away(resolver))
    }

    /// The URL of the resolver of that number.
    pub(crate) fn url(&self, number: usize) -> String {
        let resolver = &self.resolvers[number];
        match &self.names {
            Some(names) if number == 0 => names.url(resolver),
            _ => resolver.url(),
        }
    }

    /// The credential of a user, as it stands in its header line.
    pub(crate) fn credential<'a>(&'a self, kind: Kind, presented: &'a Presented) -> &'a str {
        match presented {
            Presented::Of(n) => self.credentials[*n].of(kind),
            Presented::Bad(text) => text,
        }
    }

    /// What the backend is to be told for this, by that resolver.
    pub(crate) fn lines(&self, resolver: usize, owed: Owed) -> &[u8] {
        match owed {
            Owed::None => b"",
            Owed::Invalid => b"x-authgear-session-valid: false\n",
            Owed::Valid(n) => &self.lines[resolver][n],
        }
    }

    /// What a request may be answered as that was sent then, and is answered now. There is more than one possibility
    /// only for as long as the end of a session may be unknown.
    pub(crate) fn owed(&self, presented: &[(Kind, Presented)], sent: Instant) -> Vec<Owed> {
        let mut owed = Vec::with_capacity(1);
        for kind in [Kind::Bearer, Kind::AppSession, Kind::AppAccessToken, Kind::Session] {
            let Some((_, Presented::Of(n))) = presented.iter().find(|(k, _)| *k == kind) else { continue };
            let (may_be_good, may_be_bad) = self.standing(*n, kind, sent);
            if may_be_good {
                owed.push(if is_disabled(*n) { Owed::Invalid } else { Owed::Valid(*n) });
            }
            if !may_be_bad {
                return owed;
            }
        }
        let session = presented.iter().any(|(kind, _)| *kind == Kind::Session);
        owed.push(if session { Owed::Invalid } else { Owed::None });
        owed
    }

    /// Whether the credential may be taken for good, and whether it may be taken for bad.
    fn standing(&self, n: usize, kind: Kind, sent: Instant) -> (bool, bool) {
        let Some((before, after)) = self.mark(n, kind) else { return (true, false) };
        let (before, after) = (before.load(Ordering::Acquire), after.load(Ordering::Acquire));
        let bound = u64::try_from((FRESH + STALE + SLACK).as_millis()).unwrap_or(u64::MAX);
        let known = after != 0 && self.ms(sent) >= after + bound;
        (!known, before != 0)
    }

    /// Ends one session of a leaver, the `turn`th of all; false when all have ended.
    pub(crate) fn revoke(&self, turn: usize) -> bool {
        let (n, kind) = (FIRST_LEAVER + turn / 4, Kind::ALL[turn % 4]);
        let Some((before, after)) = self.mark(n, kind).filter(|_| n < USERS) else { return false };
        before.store(self.ms(Instant::now()).max(1), Ordering::Release);
        for resolver in &self.resolvers {
            resolver.accounts().revoke(self.credentials[n].of(kind));
        }
        after.store(self.ms(Instant::now()).max(1), Ordering::Release);
        true
    }

    fn mark(&self, n: usize, kind: Kind) -> Option<&(AtomicU64, AtomicU64)> {
        let of = Kind::ALL.iter().position(|k| *k == kind)?;
        self.revoked.get(n.checked_sub(FIRST_LEAVER)?)?.get(of)
    }

    /// Since the start; the clock of all that is noted here.
    pub(crate) fn ms(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.started).as_millis()).unwrap_or(u64::MAX)
    }
}

fn is_disabled(n: usize) -> bool {
    n % 50 == 49
}

/// Whether `authgear_require registered role=writer` lets the user in.
pub(crate) fn is_registered_writer(n: usize) -> bool {
    !is_anonymous(n) && roles(n).contains(&"writer")
}

fn is_anonymous(n: usize) -> bool {
    n % 7 == 3
}

fn roles(n: usize) -> &'static [&'static str] {
    [&[][..], &["reader"], &["reader", "writer"]][n % 3]
}

/// Users of one number have the same name, and so the same credentials, at both resolvers.
fn user(resolver: usize, n: usize) -> User {
    User {
        name: format!("user-{n}"),
        id: format!("{}0000000-0000-4000-8000-{n:012}", ["a", "b"][resolver]),
        roles: roles(n).iter().map(|&role| role.to_owned()).collect(),
        amr: Vec::new(),
        anonymous: is_anonymous(n),
        verified: !n.is_multiple_of(5),
        can_reauthenticate: n.is_multiple_of(2),
        disabled: is_disabled(n),
        authenticated_at: (!n.is_multiple_of(11)).then_some(1_136_171_045 + n as u64),
    }
}

/// In the order of the names, as the backend writes them.
fn lines_of(user: &User) -> Vec<u8> {
    let mut lines = vec![
        "x-authgear-session-valid: true".to_owned(),
        format!("x-authgear-user-anonymous: {}", user.anonymous),
        format!("x-authgear-user-can-reauthenticate: {}", user.can_reauthenticate),
        format!("x-authgear-user-id: {}", user.id),
        format!("x-authgear-user-verified: {}", user.verified),
    ];
    if let Some(at) = user.authenticated_at {
        lines.push(format!("x-authgear-session-authenticated-at: {at}"));
    }
    if !user.roles.is_empty() {
        lines.push(format!("x-authgear-user-roles: {}", user.roles.join(",")));
    }
    lines.sort();
    lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect()
}
