//! Identity headers that a client sends never reach a backend, and everything else that it sends does.

mod answers;
mod exempt;
mod positions;
mod spellings;
mod strip_off;

use super::harness::Request;

/// Names of identity headers: those that Authgear sends, and those that only the prefix tells.
const NAMES: [&str; 9] = [
    "x-authgear-user-id",
    "x-authgear-user-roles",
    "x-authgear-session-valid",
    "x-authgear-session-acr",
    "x-authgear-some-day",
    "x-authgear-",
    "x-authgear--",
    "x-authgear-xhr2",
    "x-authgear-body-signatures",
];

fn with_all(request: Request, names: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Request {
    names.into_iter().fold(request, |request, name| request.header(name, "forged"))
}
