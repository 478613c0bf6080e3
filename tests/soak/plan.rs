//! One request: where to, with which credentials, and which forged headers beside them.

use crate::standin::Kind;
use crate::world::{FIRST_LEAVER, Presented, USERS, World};

/// The locations of the site, and how a request there is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Resolved at the one resolver, over HTTP/1.1.
    A,
    /// Resolved at the other, over HTTP/2 with TLS.
    B,
    /// Needs a registered user with a role.
    Must,
    /// Not resolved at all.
    Off,
    /// Open to all where the resolver fails.
    Anonymous,
    /// Without a cache.
    Uncached,
    /// Its answers are fresh for a moment only.
    Brief,
}

/// With how many of a hundred requests go there.
const PLACES: [(Place, usize); 7] = [
    (Place::A, 50),
    (Place::B, 28),
    (Place::Must, 10),
    (Place::Off, 4),
    (Place::Anonymous, 4),
    (Place::Uncached, 2),
    (Place::Brief, 2),
];

impl Place {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::A => "/a/",
            Self::B => "/b/",
            Self::Must => "/must/",
            Self::Off => "/off/",
            Self::Anonymous => "/anonymous/",
            Self::Uncached => "/uncached/",
            Self::Brief => "/brief/",
        }
    }

    pub(crate) fn resolver(self) -> usize {
        usize::from(self == Self::B)
    }
}

/// Spellings that some server takes for an identity header. HTTP/2 has no capitals.
const FORGED: [(&str, &str); 8] = [
    ("X-Authgear-User-Id", "forged"),
    ("x_authgear_user_id", "forged"),
    ("x-authgear.user-id", "forged"),
    ("X-AUTHGEAR-SESSION-VALID", "true"),
    ("x-authgear-user-roles", "writer,admin"),
    ("x_authgear-User_Roles", "writer,admin"),
    ("x-authgear-user-verified", "true"),
    ("x-authgear-future", "forged"),
];

pub(crate) struct Plan {
    pub(crate) place: Place,
    /// Stands in the path: the backend says which request it answers.
    pub(crate) serial: u64,
    pub(crate) presented: Vec<(Kind, Presented)>,
    pub(crate) forged: Vec<(&'static str, &'static str)>,
    /// Whether the forged headers come before all others.
    pub(crate) forged_first: bool,
    pub(crate) body: Option<&'static [u8]>,
}

impl Plan {
    pub(crate) fn draw(random: &mut fastrand::Rng, serial: u64) -> Self {
        let forged = if random.u8(..4) == 0 { 1 + random.usize(..6) } else { 0 };
        Self {
            place: place(random.usize(..100)),
            serial,
            presented: presented(random, serial),
            forged: (0..forged).map(|_| FORGED[random.usize(..FORGED.len())]).collect(),
            forged_first: random.bool(),
            body: (random.u8(..32) == 0).then_some(&[b'b'; 200]),
        }
    }

    pub(crate) fn path(&self) -> String {
        format!("{}{}", self.place.path(), self.serial)
    }

    pub(crate) fn method(&self) -> &'static str {
        if self.body.is_some() { "POST" } else { "GET" }
    }

    /// The header lines in their order.
    pub(crate) fn headers(&self, world: &World) -> Vec<(&'static str, String)> {
        let mut lines = Vec::with_capacity(8);
        let forged = self.forged.iter().map(|(name, value)| (*name, (*value).to_owned()));
        if self.forged_first {
            lines.extend(forged.clone());
        }
        lines.push(("user-agent", "soak".to_owned()));
        for (kind, presented) in &self.presented {
            let value = world.credential(*kind, presented);
            lines.push(match kind.cookie() {
                None => ("authorization", format!("Bearer {value}")),
                Some(name) => ("cookie", format!("theme=dark; {name}={value}")),
            });
        }
        lines.push(("accept", "*/*".to_owned()));
        if !self.forged_first {
            lines.extend(forged);
        }
        lines
    }
}

fn place(mut of_hundred: usize) -> Place {
    for (place, share) in PLACES {
        if of_hundred < share {
            return place;
        }
        of_hundred -= share;
    }
    Place::A
}

fn presented(random: &mut fastrand::Rng, serial: u64) -> Vec<(Kind, Presented)> {
    let kind = Kind::ALL[random.usize(..4)];
    let bad = |text| Presented::Bad(text);
    match random.usize(..100) {
        0..60 => vec![(kind, Presented::Of(frequent(random)))],
        60..66 => vec![(kind, Presented::Of(random.usize(..USERS)))],
        66..69 => vec![(kind, Presented::Of(random.usize(FIRST_LEAVER..USERS)))],
        // Two users at once, or one twice.
        69..74 => {
            vec![
                (kind, Presented::Of(frequent(random))),
                (other(random, kind), Presented::Of(frequent(random))),
            ]
        }
        74..78 => {
            let rejected = bad(format!("bad-{}", random.u8(..32)));
            vec![(kind, rejected), (other(random, kind), Presented::Of(frequent(random)))]
        }
        78..84 => vec![(kind, bad(format!("bad-{}", random.u8(..64))))],
        84..87 => vec![(kind, bad(format!("never-seen-{serial}")))],
        _ => Vec::new(),
    }
}

/// Few users send most of the requests.
fn frequent(random: &mut fastrand::Rng) -> usize {
    let most = random.usize(..300);
    random.usize(..=most)
}

fn other(random: &mut fastrand::Rng, kind: Kind) -> Kind {
    loop {
        let other = Kind::ALL[random.usize(..4)];
        if other != kind {
            return other;
        }
    }
}
