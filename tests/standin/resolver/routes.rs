//! Paths and methods as in Authgear's router (httprouter 1.3), and the lookup of the app by host.

use super::answer::Answer;
use super::call::Call;
use super::session;
use super::settings::Settings;
use crate::standin::accounts::Accounts;

const RESOLVE: [&str; 2] = ["/resolve", "/_resolver/resolve"];
const HEALTHZ: &str = "/healthz";

/// The answer of a healthy server.
pub fn answer(accounts: &Accounts, settings: &Settings, call: &Call) -> Answer {
    let (path, query) = match call.target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (call.target.as_str(), None),
    };
    match (call.method.as_str(), path) {
        ("GET" | "HEAD", path) if RESOLVE.contains(&path) => resolve(accounts, settings, call),
        // Not part of the app, so without its headers.
        ("GET", HEALTHZ) => {
            Answer::new(200).with("Content-Type", "text/plain; charset=utf-8").with_body(b"OK".into())
        }
        (_, path) if RESOLVE.contains(&path) => not_allowed("GET, HEAD, OPTIONS"),
        (_, HEALTHZ) => not_allowed("GET, OPTIONS"),
        (method @ ("GET" | "HEAD"), path) => match fixed_path(method, path) {
            Some(fixed) => redirect(method, fixed, query),
            None => not_found(),
        },
        _ => not_found(),
    }
}

/// Whether the call is for the resolver itself.
pub fn is_resolve(call: &Call) -> bool {
    matches!(call.method.as_str(), "GET" | "HEAD")
        && RESOLVE.contains(&call.target.split('?').next().unwrap_or_default())
}

fn resolve(accounts: &Accounts, settings: &Settings, call: &Call) -> Answer {
    if !settings.has_app(call) {
        return Answer::app(404).error("app not found");
    }
    let resolution = session::resolve(accounts, settings, call);
    Answer::of(&resolution, settings, settings.proto(call) == "https")
}

fn not_allowed(methods: &str) -> Answer {
    Answer::new(405).with("Allow", methods).error("Method Not Allowed")
}

fn not_found() -> Answer {
    Answer::new(404).error("404 page not found")
}

/// The route for this path without superfluous slashes or dots and in the right case, if there is one.
fn fixed_path(method: &str, path: &str) -> Option<&'static str> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let clean = format!("/{}", parts.join("/"));
    let healthz = (method == "GET").then_some(HEALTHZ);
    RESOLVE.into_iter().chain(healthz).find(|route| route.eq_ignore_ascii_case(&clean))
}

fn redirect(method: &str, path: &str, query: Option<&str>) -> Answer {
    let status = if method == "GET" { 301 } else { 307 };
    let location = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let answer =
        Answer::new(status).with("Content-Type", "text/html; charset=utf-8").with("Location", &location);
    if method != "GET" {
        return answer;
    }
    let escaped = location.replace('&', "&amp;").replace('"', "&#34;");
    answer.with_body(format!("<a href=\"{escaped}\">Moved Permanently</a>.\n\n").into_bytes())
}
