//! Every way to present credentials, spelled out as header lines.

use std::fmt::{self, Display};

use crate::harness::Request;
use crate::stage::Stage;
use crate::standin::Kind;

const USERS: [&str; 5] = ["alice", "bob", "norole", "anonymous", "disabled"];

type Line = (&'static str, Vec<u8>);

/// Header lines that present credentials, good or bad.
#[derive(Clone, Debug, Default)]
pub(super) struct Case(Vec<Line>);

impl Case {
    pub(super) fn new(lines: impl IntoIterator<Item = Line>) -> Self {
        Self(lines.into_iter().collect())
    }

    pub(super) fn request(&self) -> Request {
        self.0.iter().fold(Request::get("/"), |request, (name, value)| request.header(name, value))
    }
}

impl Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |(name, value): &Line| format!("{name}: {}", value.escape_ascii());
        write!(f, "{:?}", self.0.iter().map(line).collect::<Vec<_>>())
    }
}

/// All of them.
pub(super) fn all(stage: &Stage) -> Vec<Case> {
    let mut cases = vec![Case::default()];
    for user in USERS {
        cases.extend(bearers(stage, user));
        for kind in [Kind::AppSession, Kind::AppAccessToken, Kind::Session] {
            cases.extend(cookies(stage, user, kind));
        }
    }
    cases.extend(jwts(stage));
    cases.extend(pairs(stage));
    cases.extend(all_kinds_at_once(stage));
    cases
}

/// One credential, good or bad, of each kind.
pub(super) fn of_one_kind(stage: &Stage) -> Vec<Case> {
    let presentations = Kind::ALL.into_iter().flat_map(|kind| presentations(stage, kind));
    presentations.map(|part| Case::new(part.lines())).chain([Case::default()]).collect()
}

fn bearers(stage: &Stage, user: &str) -> Vec<Case> {
    let token = stage.accounts().login(user).bearer;
    let spellings = [
        "Bearer T",
        "bearer T",
        "BEARER T",
        "bEaReR T",
        "Bearer  T",
        "Bearer\tT",
        "Bearer \tT",
        " \tBearer T",
        "Bearer T ",
        "Bearer T\t",
        "Bearer T x",
        "Bearer T,T",
        "Bearer \"T\"",
        "Bearer: T",
        "BearerT",
        "Bearer",
        "Bearer ",
        "",
        "T",
        "Basic T",
        "DPoP T",
        "Token T",
        "Bearer bad-T",
        "Bearer T\u{e9}",
        "Basic x, Bearer T",
    ];
    let lines = spellings.map(|spelling| Case::new([authorization(&spelling.replace('T', &token))]));
    // nginx answers 400 to two of them, before either configuration comes into it.
    let two = Case::new([authorization(&format!("Bearer {token}")), authorization("Bearer bad")]);
    lines.into_iter().chain([two]).collect()
}

fn authorization(value: &str) -> Line {
    ("Authorization", value.into())
}

/// `N` is the cookie's name, `V` a good value. `|` parts Cookie lines.
const COOKIES: [&str; 50] = [
    "N=V",
    "N=bad",
    "N=",
    "N",
    "N=\"V\"",
    "N=\"V",
    "N=V\"",
    "N=\"\"",
    "N=\"",
    "N= V",
    "N =V",
    " N=V",
    "\tN=V",
    "N\t=V",
    "N=V ",
    "N=V\t",
    "N=\tV",
    "N==V",
    "N=V=",
    "N=V,x",
    "x,N=V",
    "N=V, x=y",
    "N=V x",
    "N=V;",
    ";N=V",
    ";;N=V;;",
    "a=b;N=V;c=d",
    "a=b; N=V; c=d",
    "a=b,N=V",
    "n=V",
    "xN=V",
    "Nx=V",
    "__Host-N=V",
    "$N=V",
    "N=V; N=bad",
    "N=bad; N=V",
    "N=; N=V",
    "N; N=V",
    "N=V|N=bad",
    "N=bad|N=V",
    "N=\"V; N=V",
    "N=a\\b; N=V",
    "N=a\"b; N=V",
    "N=\u{e9}; N=V",
    "N=\tx; N=V",
    "UPPER=V",
    "UPPER=V; N=bad",
    "UPPER=; N=V",
    "N=V%20",
    "=N=V; N=V; =",
];

fn cookies(stage: &Stage, user: &str, kind: Kind) -> Vec<Case> {
    let name = kind.cookie().expect("it is a cookie");
    let value = stage.accounts().login(user).of(kind).to_owned();
    let upper = name.to_uppercase();
    let spelled = |template: &str| {
        // The names first: a value holds capitals too.
        let text = template.replace("UPPER", "\u{1}").replace('N', "\u{2}").replace('V', &value);
        text.replace('\u{1}', &upper).replace('\u{2}', name)
    };
    let lines = |template: &str| {
        let lines: Vec<Line> = spelled(template).split('|').map(|line| ("Cookie", line.into())).collect();
        Case::new(lines)
    };
    COOKIES.iter().map(|template| lines(template)).collect()
}

/// The origin is the one that both configurations ask for.
fn jwts(stage: &Stage) -> Vec<Case> {
    let (accounts, origin) = (stage.accounts(), stage.resolver.url());
    let now = accounts.now().as_secs();
    let tokens = [
        accounts.jwt("alice", &origin, now + 3600),
        accounts.jwt("disabled", &origin, now + 3600),
        accounts.jwt("alice", &origin, now - 10),
        accounts.jwt("alice", "https://elsewhere.example.com", now + 3600),
        accounts.jwt("alice", &origin, now + 3600) + "x",
    ];
    let bearers = tokens.iter().map(|token| Case::new([authorization(&format!("Bearer {token}"))]));
    let cookies = tokens.iter().map(|token| Case::new([cookie(&format!("app_access_token={token}"))]));
    bearers.chain(cookies).collect()
}

fn cookie(value: &str) -> Line {
    ("Cookie", value.into())
}

/// A credential of a kind, as a part of a request.
#[derive(Clone, Debug)]
struct Part {
    kind: Kind,
    value: String,
}

impl Part {
    fn lines(&self) -> Vec<Line> {
        match self.kind.cookie() {
            None => vec![authorization(&format!("Bearer {}", self.value))],
            Some(name) => vec![cookie(&format!("{name}={}", self.value))],
        }
    }
}

fn presentations(stage: &Stage, kind: Kind) -> Vec<Part> {
    let good = |user| stage.accounts().login(user).of(kind).to_owned();
    let quoted = format!("\"{}\"", good("alice"));
    let values = [good("alice"), good("bob"), good("disabled"), "bad".into(), String::new(), quoted];
    values.into_iter().map(|value| Part { kind, value }).collect()
}

/// Two credentials of different kinds, in both orders; cookies in one line and in two.
pub(super) fn pairs(stage: &Stage) -> Vec<Case> {
    let mut cases = Vec::new();
    for first in Kind::ALL {
        for second in Kind::ALL.into_iter().filter(|second| *second != first) {
            for a in presentations(stage, first) {
                for b in presentations(stage, second) {
                    cases.extend(together(&a, &b));
                }
            }
        }
    }
    cases
}

fn together(a: &Part, b: &Part) -> Vec<Case> {
    let apart: Vec<Line> = a.lines().into_iter().chain(b.lines()).collect();
    let mut cases = vec![Case::new(apart)];
    if let (Some(first), Some(second)) = (a.kind.cookie(), b.kind.cookie()) {
        cases.push(Case::new([cookie(&format!("{first}={}; other=1; {second}={}", a.value, b.value))]));
    }
    cases
}

/// One of each kind: which of them wins.
fn all_kinds_at_once(stage: &Stage) -> Vec<Case> {
    let value = |kind: Kind, user: &str| match user {
        "bad" => "bad".to_owned(),
        user => stage.accounts().login(user).of(kind).to_owned(),
    };
    let users = ["alice", "bob", "bad"];
    let mut cases = Vec::new();
    for number in 0..users.len().pow(4) {
        let parts = Kind::ALL.into_iter().enumerate().map(|(place, kind)| {
            let user = users[number / users.len().pow(u32::try_from(place).expect("below 4")) % users.len()];
            Part { kind, value: value(kind, user) }
        });
        cases.push(Case::new(parts.flat_map(|part| part.lines())));
    }
    cases
}
