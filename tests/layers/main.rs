//! The rules of ARCHITECTURE.md that a compiler doesn't hold: which module may use which, and where unsafe code is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that meets the unexpected fails"
)]

mod imports;
mod manifest;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};

use imports::{circle, imports};
use sources::Source;

/// The modules in the order of dependency: each may use the ones before it, and itself.
const ORDER: [&str; 20] = [
    "identity_header",
    "session",
    "credentials",
    "cache_key",
    "endpoint",
    "policy",
    "freshness",
    "client",
    "links",
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
    "nginx",
];

/// The same for the modules of the edge.
const EDGE_ORDER: [&str; 6] = ["ffi", "zones", "conf", "worker", "request", "module"];

/// Crates, and parts of the standard library, that the edge alone may name: nginx, C, and the clock (the resolver's thread
/// has tokio's).
const EDGE_ONLY: [&[&str]; 5] =
    [&["ngx"], &["nginx_sys"], &["libc"], &["std", "time", "Instant"], &["std", "time", "SystemTime"]];

#[test]
fn imports_go_down_the_order() {
    let lib = sources::read().into_iter().find(|source| source.module.is_empty()).unwrap();
    assert_eq!(declared(&lib), ORDER);
    for source in sources::read() {
        assert_goes_down(&source, &[], &ORDER);
    }
}

#[test]
fn imports_of_the_edge_go_down_its_order() {
    let edge = sources::read().into_iter().find(|source| source.module == ["nginx"]).unwrap();
    assert_eq!(declared(&edge), EDGE_ORDER);
    for source in sources::read() {
        assert_goes_down(&source, &["nginx"], &EDGE_ORDER);
    }
}

/// The modules that a file declares, in their order.
fn declared(source: &Source) -> Vec<String> {
    let modules = source.syntax.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() => Some(module.ident.to_string()),
        _ => None,
    });
    modules.collect()
}

/// Of the modules below `root` none uses one that comes after it.
fn assert_goes_down(source: &Source, root: &[&str], order: &[&str]) {
    let place = |path: &[String]| {
        let below =
            path.iter().zip(root).all(|(part, root)| part == root).then(|| path.get(root.len()))??;
        order.iter().position(|module| module == below)
    };
    let Some(own) = place(&source.module) else { return };
    for name in &source.names {
        let used = place(name).unwrap_or(0);
        assert!(used <= own, "{} uses {}, which comes after it", source.path, name.join("::"));
    }
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let circle = circle(&imports(&sources::read()));
    assert!(circle.is_none(), "a circle of imports: {:#?}", circle.unwrap());
}

#[test]
fn a_circle_is_found() {
    let uses = |pairs: &[(&str, &[&str])]| -> BTreeMap<String, BTreeSet<String>> {
        let set = |files: &[&str]| files.iter().map(|file| (*file).to_owned()).collect();
        pairs.iter().map(|(file, used)| ((*file).to_owned(), set(used))).collect()
    };
    let line = uses(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])]);
    assert_eq!(circle(&line), None);
    let round = uses(&[("a", &["b"]), ("b", &["c"]), ("c", &["d"]), ("d", &["b"])]);
    assert_eq!(circle(&round).unwrap(), ["b", "c", "d"]);
}

#[test]
fn only_the_edge_knows_nginx() {
    for source in sources::read() {
        if source.module.first().is_none_or(|module| module == "nginx") {
            continue;
        }
        for name in &source.names {
            // Names of other crates come after an empty segment. Those of errors and flags are no C code.
            let is_constant = name[1..].first().is_some_and(|name| name == "libc")
                && name.get(2).is_some_and(|name| name.starts_with('E') || name.starts_with("AI_"));
            let is_of = |root: &[&str]| {
                name.len() > root.len() && name[1..].iter().zip(root).all(|(part, root)| part == root)
            };
            let is_edge_only = EDGE_ONLY.iter().any(|root| is_of(root)) && name[0].is_empty() && !is_constant;
            assert!(!is_edge_only, "{} names {}", source.path, name[1..].join("::"));
        }
        let mut finder = FindUnsafe { path: &source.path };
        finder.visit_file(&source.syntax);
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
    for source in sources::read() {
        for name in BIT_FIELDS {
            for accessor in [format!(".{name}()"), format!(".set_{name}(")] {
                assert!(!source.text.contains(&accessor), "{} has {accessor:?}", source.path);
            }
        }
    }
}

/// A client chooses what a token says of its end: up to 12 KB of JSON. The resolver's thread reads it.
#[test]
fn the_event_loop_reads_no_claims() {
    let mut sources = sources::read();
    sources.retain(|source| source.text.contains(".expires("));
    let readers: Vec<_> = sources.iter().map(|source| source.path.as_str()).collect();
    assert_eq!(readers, ["src/resolver/call.rs"]);
}

/// Fails at unsafe code and at types of raw pointers.
struct FindUnsafe<'a> {
    path: &'a str,
}

impl<'ast> Visit<'ast> for FindUnsafe<'_> {
    fn visit_expr_unsafe(&mut self, _: &'ast syn::ExprUnsafe) {
        panic!("{} has an unsafe block", self.path);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        let name = &signature.ident;
        let is_unsafe = matches!(signature.safety, syn::Safety::Unsafe(_));
        assert!(!is_unsafe, "{} has an unsafe function, {name}", self.path);
        visit::visit_signature(self, signature);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        assert!(item.unsafety.is_none(), "{} has an unsafe impl", self.path);
        visit::visit_item_impl(self, item);
    }

    fn visit_item_foreign_mod(&mut self, _: &'ast syn::ItemForeignMod) {
        panic!("{} declares foreign functions", self.path);
    }

    fn visit_type_ptr(&mut self, _: &'ast syn::TypePtr) {
        panic!("{} has a raw pointer", self.path);
    }
}
