//! Bytes at random at a running nginx, over HTTP/1.1 and HTTP/2: no worker ends, no request is answered by 500, the backend
//! gets no identity but what the resolver says of the credentials beside it, and the resolver gets nothing else.
//!
//! `scripts/fuzz http` runs it for as long as it is told, with the module under AddressSanitizer. Inputs are made from
//! `fuzz/corpus/http` and from a grammar; `AUTHGEAR_FUZZ_SECONDS` or `AUTHGEAR_FUZZ_INPUTS` says how many,
//! `AUTHGEAR_TEST_SEED` which. What is found is kept in `fuzz/artifacts/http`.

use std::path::PathBuf;
use std::time::Duration;

use drive::{Bounds, drive};
use site::Site;

mod drive;
mod grammar;
mod oracle;
mod site;

#[path = "../fuzz/mutate.rs"]
mod mutate;

/// Where corpora, dictionaries and findings are.
fn folder(kind: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fuzz", kind].iter().collect()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn no_bytes_break_nginx_or_forge_an_identity() {
    let seconds = number("AUTHGEAR_FUZZ_SECONDS").map(Duration::from_secs);
    let inputs = number("AUTHGEAR_FUZZ_INPUTS").or_else(|| seconds.is_none().then_some(1_500));
    let bounds = Bounds { seconds, inputs, seed: number("AUTHGEAR_TEST_SEED").unwrap_or(1) };
    let site = Site::start();
    let report = drive(&site, &bounds);
    println!("http: {report}");
    let findings = site.findings();
    findings.iter().for_each(|finding| println!("{finding}"));
    site.finish();
    assert!(findings.is_empty(), "{} findings", findings.len());
    assert!(report.backend > report.inputs / 20 && report.calls > 0, "little of it got anywhere: {report}");
}
