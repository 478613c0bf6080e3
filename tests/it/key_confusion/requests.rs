//! The requests of the matrix: sets of credentials, and the tricks by which a parser or a key may take one for another.

use crate::harness::Request;
use crate::standin::{Accounts, Kind};

/// The authority that tokens shaped as JWTs are for, and another.
pub(super) const ORIGINS: [&str; 2] = ["https://auth.example.com", "https://other.example.com"];

/// Prefixes of cookie names that some locations have. `app_` makes `session` of one location `app_session` of another.
pub(super) const PREFIXES: [&str; 4] = ["", "a", "app_", "__Host-"];

/// One request, to be sent to every location.
#[derive(Clone)]
pub(super) struct Case {
    /// Whose credentials.
    pub(super) set: String,
    pub(super) trick: &'static str,
    authorization: Vec<u8>,
    cookies: Vec<Vec<u8>>,
    /// Whether the server's own parser would find the same in it: not where the module lets nothing through that HTTP
    /// forbids, or sends less than a bound of the server's counts.
    pub(super) as_the_server_reads: bool,
}

impl Case {
    pub(super) fn request(&self, target: &str) -> Request {
        let authorization = std::iter::once(&self.authorization).filter(|value| !value.is_empty());
        let request = authorization.fold(Request::get(target), |r, value| r.header("Authorization", value));
        self.cookies.iter().fold(request, |request, value| request.header("Cookie", value))
    }

    fn line(self, cookie: String) -> Self {
        self.lines([cookie])
    }

    fn lines(self, cookies: impl IntoIterator<Item = String>) -> Self {
        let lines = cookies.into_iter().filter(|line| !line.is_empty());
        Self { cookies: lines.map(String::into_bytes).collect(), ..self }
    }

    fn bearer(self, authorization: String) -> Self {
        Self { authorization: authorization.into_bytes(), ..self }
    }

    fn odd(self) -> Self {
        Self { as_the_server_reads: false, ..self }
    }
}

/// A set of credentials, and beside each the other user's of the same kind.
#[derive(Clone, Default)]
struct Set {
    name: String,
    bearer: Option<[String; 2]>,
    /// Name, value, and the other's value.
    pairs: Vec<[String; 3]>,
}

impl Set {
    fn of(accounts: &Accounts, prefix: &str, parts: &[(Kind, &str)]) -> Self {
        let mut set = Self::default();
        for (kind, user) in parts {
            let value = |user| accounts.login(user).of(*kind).to_owned();
            let values = [value(user), value(if *user == "alice" { "bob" } else { "alice" })];
            let [own, other] = values.clone();
            match kind.cookie() {
                None => set.bearer = Some(values),
                Some(cookie) => set.pairs.push([format!("{prefix}{cookie}"), own, other]),
            }
            set.name += &format!("{prefix}{kind:?} of {user}, ");
        }
        set
    }

    /// None, each kind, and all pairs of kinds, of one user and of two.
    fn all(accounts: &Accounts, prefix: &str) -> Vec<Self> {
        const USERS: [&str; 2] = ["alice", "bob"];
        let mut sets = vec![Self::default()];
        for (place, first) in Kind::ALL.iter().enumerate() {
            for user in USERS {
                sets.push(Self::of(accounts, prefix, &[(*first, user)]));
                for second in &Kind::ALL[place + 1..] {
                    sets.extend(
                        USERS.map(|other| Self::of(accounts, prefix, &[(*first, user), (*second, other)])),
                    );
                }
            }
        }
        sets
    }

    fn pairs(&self) -> Vec<String> {
        self.pairs.iter().map(|[name, value, _]| format!("{name}={value}")).collect()
    }

    /// As any client would send it.
    fn plain(&self, trick: &'static str) -> Case {
        let bearer = self.bearer.as_ref().map_or_else(String::new, |[token, _]| format!("Bearer {token}"));
        let case = Case {
            set: self.name.clone(),
            trick,
            authorization: bearer.into_bytes(),
            cookies: Vec::new(),
            as_the_server_reads: true,
        };
        case.line(self.pairs().join("; "))
    }

    /// Each pair as `spell` spells it, in one line.
    fn spelled(&self, trick: &'static str, spell: impl Fn(&str, &str, &str) -> String) -> Case {
        let pairs = self.pairs.iter().map(|[name, value, other]| spell(name, value, other));
        self.plain(trick).line(pairs.collect::<Vec<_>>().join("; "))
    }
}

/// What stands in the place of `name=value`; the other user's value for the same name is `other`.
type Spelling = fn(name: &str, value: &str, other: &str) -> String;

const SPELLINGS: &[(&str, Spelling)] = &[
    ("space around", |n, v, _| format!(" \t{n}={v} \t")),
    ("space before the equals sign", |n, v, _| format!("{n} \t={v}")),
    ("space after the equals sign", |n, v, _| format!("{n}= {v}")),
    ("the other's after it", |n, v, o| format!("{n}={v}; {n}={o}")),
    ("the other's before it", |n, v, o| format!("{n}={o}; {n}={v}")),
    ("an empty one before it", |n, v, _| format!("{n}=; {n}={v}")),
    ("an empty one after it", |n, v, _| format!("{n}={v}; {n}=")),
    ("no equals sign, before it", |n, v, _| format!("{n}; {n}={v}")),
    ("quoted", |n, v, _| format!("{n}=\"{v}\"")),
    ("half quoted", |n, v, _| format!("{n}=\"{v}")),
    ("a semicolon in quotes", |n, v, o| format!("{n}=\"{v};{n}={o}\"")),
    ("in another's quotes", |n, v, o| format!("x=\"; {n}={o}; y=\"; {n}={v}")),
    ("a backslash before the separator", |n, v, _| format!("{n}=x\\; {n}={v}")),
    ("a backslash after it", |n, v, o| format!("{n}={v}\\; {n}={o}")),
    ("no space between", |n, v, o| format!("{n}={v};{n}={o}")),
    ("a comma between", |n, v, o| format!("{n}={v}, {n}={o}")),
    ("upper case", |n, v, o| format!("{}={o}; {n}={v}", n.to_uppercase())),
    ("upper case alone", |n, v, _| format!("{}={v}", n.to_uppercase())),
    ("percent signs", |n, v, o| format!("%73{}={o}; {n}={v}", &n[1..])),
    ("names around it", |n, v, o| format!("x{n}={o}; {n}x={o}; my {n}={o}; {n}={v}")),
    ("$Version", |n, v, _| format!("$Version=1; {n}={v}; $Path=/; $Domain=x")),
    ("empty parts", |n, v, _| format!(";;; ;=;==;{n}={v};;")),
    ("long junk", |n, v, o| format!("junk={}; {n}={v}; {}={o}", "j".repeat(6000), "k".repeat(3000))),
    ("a long one before it", |n, v, _| format!("{n}={}; {n}={v}", "l".repeat(7000))),
    ("a header in it", |n, v, o| format!("{n}={v}\tAuthorization: Bearer {o}")),
    ("its end cut off", |n, v, _| format!("{n}={}; {n}={v}", &v[..v.len() - 1])),
    ("its end in another", |n, v, _| format!("{n}={}; x={}", &v[..v.len() - 1], &v[v.len() - 1..])),
];

/// Writes a token into a header, with another's in reach.
type BearerTrick = fn(token: &str, other: &str) -> String;

/// The same for `Authorization`.
const BEARERS: &[(&str, BearerTrick)] = &[
    ("lower case", |v, _| format!("bearer {v}")),
    ("mixed case", |v, _| format!("bEaReR {v}")),
    ("two spaces", |v, _| format!("Bearer  {v}")),
    ("space around", |v, _| format!(" \tBearer {v} \t")),
    ("a tab", |v, _| format!("Bearer\t{v}")),
    ("quoted", |v, _| format!("Bearer \"{v}\"")),
    ("a comma", |v, o| format!("Bearer {v}, Bearer {o}")),
    ("a cookie in it", |v, o| format!("Bearer {v}; session={o}")),
    ("a cookie line in it", |v, o| format!("Bearer {v} Cookie: session={o}")),
    ("Basic", |v, _| format!("Basic {v}")),
    ("no scheme", |v, _| v.to_owned()),
    ("no token", |_, _| "Bearer".to_owned()),
    ("its end cut off", |v, _| format!("Bearer {}", &v[..v.len() - 1])),
];

/// Sets without any trick: the others are as many as a run has time for.
pub(super) const PLAIN: &str = "plain";

/// Every set plainly, single credentials under each prefix too, and every set with each trick.
pub(super) fn all(accounts: &Accounts) -> Vec<Case> {
    let sets = Set::all(accounts, "");
    let mut cases: Vec<Case> = sets.iter().map(|set| set.plain(PLAIN)).collect();
    for prefix in PREFIXES {
        let trick = |set: &Set| if set.pairs.len() == 1 && set.bearer.is_none() { PLAIN } else { "prefixed" };
        cases.extend(Set::all(accounts, prefix).iter().map(|set| set.plain(trick(set))));
    }
    for set in &sets {
        cases.extend(spellings(set));
        cases.extend(lines(set));
        cases.extend(bearers(set));
    }
    cases.extend(texts(accounts));
    cases.sort_by(|a, b| (&a.authorization, &a.cookies).cmp(&(&b.authorization, &b.cookies)));
    cases.dedup_by(|a, b| (&a.authorization, &a.cookies) == (&b.authorization, &b.cookies));
    cases
}

fn spellings(set: &Set) -> Vec<Case> {
    if set.pairs.is_empty() {
        return Vec::new();
    }
    let mut cases: Vec<Case> = SPELLINGS.iter().map(|(trick, spell)| set.spelled(trick, spell)).collect();
    for (trick, byte) in [("a control byte", "\x01"), ("DEL", "\x7f")] {
        cases.push(set.spelled(trick, |n, v, o| format!("{n}={v}{byte}; {n}={o}")).odd());
    }
    for (trick, junk) in
        [("too many for Go", "a;".repeat(3001)), ("too large", format!("session={};", "s".repeat(16_400)))]
    {
        cases.push(set.plain(trick).line(junk + &set.pairs().join("; ")).odd());
    }
    cases
}

/// In another order, or in several lines.
fn lines(set: &Set) -> Vec<Case> {
    if set.pairs.is_empty() {
        return Vec::new();
    }
    let pairs = set.pairs();
    let others: Vec<String> = set.pairs.iter().map(|[name, _, other]| format!("{name}={other}")).collect();
    let turned: Vec<String> = pairs.iter().rev().cloned().collect();
    vec![
        set.plain("another order").line(turned.join("; ")),
        set.plain("a line each").lines(pairs.clone()),
        set.plain("a line each, the other's after them").lines([pairs.clone(), others.clone()].concat()),
        set.plain("a line each, the other's before them").lines([others, pairs].concat()),
    ]
}

fn bearers(set: &Set) -> Vec<Case> {
    let Some([token, other]) = &set.bearer else { return Vec::new() };
    let mut cases: Vec<Case> =
        BEARERS.iter().map(|(trick, spell)| set.plain(trick).bearer(spell(token, other))).collect();
    cases.push(set.plain("a control byte in the token").bearer(format!("Bearer {token}\x02")).odd());
    cases
}

/// The same text in the places of all kinds, and tokens that are good for one origin.
fn texts(accounts: &Accounts) -> Vec<Case> {
    let far = accounts.now().as_secs() + 86_400;
    let mut values: Vec<String> = Kind::ALL.map(|kind| accounts.login("alice").of(kind).to_owned()).into();
    for user in ["alice", "bob"] {
        values.extend(ORIGINS.map(|origin| accounts.jwt(user, origin, far)));
    }
    values.push("user:alice:session=1".to_owned());
    let placed = |value: &String, kind: Kind| {
        let mut set = Set { name: format!("{value:?} as {kind:?}"), ..Set::default() };
        match kind.cookie() {
            None => set.bearer = Some([value.clone(), String::new()]),
            Some(name) => set.pairs.push([name.to_owned(), value.clone(), String::new()]),
        }
        set.plain("a text")
    };
    values.iter().flat_map(|value| Kind::ALL.map(|kind| placed(value, kind))).collect()
}
