//! What an operator is told of a request: its line at the level debug, and the access log's.

mod access_log;
mod decisions;
mod failures;
mod fingerprints;
mod issuers;

use super::harness::{Builder, Mark, Request, Response, Wire, send, to};
use super::live::Live;
use super::standin::Resolver;

/// What the module says of a decision, from here to the end of the line.
const DECIDED: &str = "authgear: decided ";

/// A server that caches, and whose error log has the level debug.
fn debugged(lines: &str) -> Live {
    built(lines, |builder| builder.error_log_level("debug"))
}

fn built(lines: &str, change: impl FnOnce(Builder) -> Builder) -> Live {
    let zone = "authgear_cache_zone zone=sessions:1m;";
    let lines = format!("authgear_cache sessions; authgear_cache_valid 10m;\n{lines}");
    Live::build(Resolver::start(), &lines, |builder| change(builder.http(zone)))
}

/// Sends a request, and returns its answer with what the log says of its decisions.
fn ask(live: &Live, wire: Wire, request: &Request) -> (Response, Vec<String>) {
    let mark = live.nginx.error_mark();
    let response = send(&live.nginx, wire, request);
    (response, decided_since(live, mark))
}

/// They are written before the answer is sent.
fn decided_since(live: &Live, mark: Mark) -> Vec<String> {
    let lines = live.nginx.error_lines_since(mark);
    lines.iter().filter_map(|line| line.split_once(DECIDED)).map(|(_, words)| words.to_owned()).collect()
}

/// The value of a `name=value` in such a line.
#[track_caller]
fn value<'l>(line: &'l str, name: &str) -> &'l str {
    let of_name = |word: &'l str| word.strip_prefix(name)?.strip_prefix('=');
    line.split(' ').find_map(of_name).unwrap_or_else(|| panic!("no {name} in {line}"))
}
