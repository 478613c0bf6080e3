//! The variables: their values for each outcome, and where they can be read.

mod places;
mod redirects;
mod values;

use super::harness::{Builder, Nginx, Response};
use super::stage::Stage;
use super::standin::Accounts;
use super::standin::echo::Seen;

/// What the answer said.
const ANSWER: [&str; 9] = [
    "session_valid",
    "user_id",
    "user_anonymous",
    "user_verified",
    "user_roles",
    "user_can_reauthenticate",
    "session_amr",
    "session_acr",
    "session_authenticated_at",
];

/// What was decided. `$authgear_resolve_time` is looked at where it is the subject.
const DECISION: [&str; 4] = ["result", "reason", "cache_status", "credential"];

fn list(prefix: &str, names: &[&str]) -> String {
    names.iter().map(|name| format!("${{{prefix}{name}}}")).collect::<Vec<_>>().join("|")
}

/// A server whose answers and backend requests tell all variables, whose `/early` answers before the access phase.
fn builder(stage: &Stage) -> Builder {
    let (answer, decision) = (list("authgear_", &ANSWER), list("authgear_", &DECISION));
    stage.builder().http(format!(
        "add_header x-answer \"{answer}\" always; add_header x-decision \"{decision}\" always;
         add_header x-time $authgear_resolve_time always;
         proxy_set_header x-answer \"{answer}\"; proxy_set_header x-decision \"{decision}\";"
    ))
}

fn start(stage: &Stage) -> Nginx {
    builder(stage).server("location /early { return 200; }").start()
}

/// Values of [`ANSWER`] for that user.
fn answer_of(user: &str) -> String {
    let user = Accounts::default().user(user);
    if user.disabled {
        return "false||||||||".to_owned();
    }
    let at = user.authenticated_at.map_or_else(String::new, |at| at.to_string());
    format!(
        "true|{}|{}|{}|{}|{}|||{at}",
        user.id,
        user.anonymous,
        user.verified,
        user.roles.join(","),
        user.can_reauthenticate
    )
}

const NOTHING: &str = "||||||||";

/// The client and the backend are told the same.
#[track_caller]
fn assert_told(response: &Response, seen: Option<&Seen>, answer: &str, decision: &str) {
    let header = |name| response.header(name).unwrap_or_default();
    assert_eq!((header("x-answer").as_str(), header("x-decision").as_str()), (answer, decision));
    if let Some(seen) = seen {
        assert_eq!((seen.text("x-answer"), seen.text("x-decision")), (Some(answer), Some(decision)));
    }
}
