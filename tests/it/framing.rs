//! Bodies, methods, connections: resolving changes nothing of how requests are framed.

mod bodies;
mod connections;
mod refusals;
mod spellings;
mod upgrade;

use super::harness::Builder;
use super::stage::Stage;
use super::standin::echo::Seen;

/// A server that takes bodies of any size.
fn builder(stage: &Stage) -> Builder {
    stage.builder().http("client_max_body_size 0;").server(format!(
        "location /unbuffered {{ proxy_request_buffering off; proxy_http_version 1.1; {} }}",
        stage.pass()
    ))
}

/// No two places of it look the same.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0_u64..).flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).take(length).collect()
}

#[track_caller]
pub(crate) fn assert_body(seen: &Seen, body: &[u8]) {
    let hash = blake3::hash(body).to_hex().to_string();
    assert_eq!((seen.body_len, &seen.body_hash), (body.len() as u64, &hash));
}
