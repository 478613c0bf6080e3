//! The rules of ARCHITECTURE.md that a compiler doesn't hold: which module may use which, and where unsafe code is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that meets the unexpected fails"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules in the order of dependency: each may use the ones before it, and itself.
const ORDER: [&str; 18] = [
    "identity_header",
    "session",
    "credentials",
    "cache_key",
    "endpoint",
    "policy",
    "freshness",
    "client",
    "blocks",
    "store",
    "claims",
    "breaker",
    "single_flight",
    "resolver",
    "cache",
    "settings",
    "access",
    "metrics",
];

/// What belongs to the edge alone: nginx, C, raw pointers, and the clock (the resolver's thread has tokio's).
const EDGE_ONLY: [&str; 8] =
    ["ngx::", "nginx_sys", "libc::", "unsafe ", "*mut ", "*const ", "std::time::Instant", "SystemTime"];

/// Every source file below src, by its path from there, without comments and tests.
fn sources() -> BTreeMap<PathBuf, String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    files
        .into_iter()
        .filter(|path| {
            path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs")
        })
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            (path.strip_prefix(&root).unwrap().to_owned(), lines.collect::<Vec<_>>().join("\n"))
        })
        .collect()
}

/// The module at the root of src that a file belongs to.
fn module(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules that a file names by `crate::`.
fn uses(code: &str) -> impl Iterator<Item = &str> {
    code.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

#[test]
fn imports_go_one_way() {
    let place = |name: &str| ORDER.iter().position(|module| *module == name);
    for (path, code) in sources() {
        let from = module(&path);
        for to in uses(&code) {
            match (place(&from), place(to)) {
                (Some(from), Some(to)) => assert!(to <= from, "{} uses {to:?}", path.display()),
                (Some(_), None) => panic!("{} uses {to}, which is not below it", path.display()),
                (None, _) => {
                    assert!(from == "nginx" || from == "lib", "{} has no place in the order", path.display())
                }
            }
        }
    }
}

#[test]
fn only_the_edge_knows_nginx() {
    for (path, code) in sources() {
        if ["nginx", "lib"].contains(&module(&path).as_str()) {
            continue;
        }
        // The names of errors and flags are no C code.
        let code = code.replace("libc::E", "").replace("libc::AI_", "");
        for word in EDGE_ONLY {
            assert!(!code.contains(word), "{} has {word:?}", path.display());
        }
    }
}

#[test]
fn the_order_names_every_module() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let declared: Vec<_> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(declared, [&ORDER[..], &["nginx"]].concat());
}

#[test]
fn files_can_be_taken_in_at_a_glance() {
    for (path, code) in sources() {
        assert!(code.lines().count() <= 300, "{} is long", path.display());
    }
}

/// Bit-fields of a request: nginx-sys looks for them in the wrong place in some versions of nginx, see `bit_fields.c`.
const BIT_FIELDS: [&str; 14] = [
    "discard_body",
    "error_page",
    "filter_finalize",
    "header_only",
    "header_sent",
    "internal",
    "keepalive",
    "limit_rate_set",
    "main_filter_need_in_memory",
    "post_action",
    "request_complete",
    "request_output",
    "terminated",
    "uri_changed",
];

#[test]
fn bit_fields_of_a_request_are_read_in_c() {
    for (path, code) in sources() {
        for name in BIT_FIELDS {
            for accessor in [format!(".{name}()"), format!(".set_{name}(")] {
                assert!(!code.contains(&accessor), "{} has {accessor:?}", path.display());
            }
        }
    }
}

/// What the project depends on is written down with its reason, right above it.
#[test]
fn each_dependency_says_why() {
    let manifest = include_str!("../Cargo.toml");
    for table in ["[dependencies]", "[build-dependencies]", "[dev-dependencies]"] {
        let (_, lines) = manifest.split_once(table).unwrap();
        let lines: Vec<_> = lines.lines().skip(1).take_while(|line| !line.starts_with('[')).collect();
        assert!(lines.first().unwrap().starts_with('#'), "{table} {lines:#?}");
        for pair in lines.windows(2) {
            let has_reason = pair[0].starts_with('#') || pair[1].starts_with('#') || pair[1].is_empty();
            assert!(has_reason, "no reason above the second: {pair:#?}");
        }
    }
}
