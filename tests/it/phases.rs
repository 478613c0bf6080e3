//! Ways through nginx other than straight to a backend.

mod after;
mod before;
mod early;
mod nested;
mod post_action;
mod redirects;
mod refused_requests;
mod replaced;
mod satisfy;
mod subrequests;

use super::harness::Request;

/// What most of these tests add to a request.
fn forged(request: Request) -> Request {
    ["x-authgear-user-id", "X_Authgear_User_Roles", "x-authgear-z"]
        .iter()
        .fold(request, |request, name| request.header(name, "forged"))
}
