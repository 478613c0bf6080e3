//! The manual and the code say the same: README.md lists what there is, in the same order.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

use std::fs;
use std::path::Path;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// What stands between two marks, wherever they occur.
fn between<'a>(text: &'a str, start: &'a str, end: &'a str) -> Vec<&'a str> {
    text.split(start).skip(1).filter_map(|rest| rest.split(end).next()).collect()
}

#[test]
fn the_manual_lists_every_directive_in_the_order_of_the_command_table() {
    let readme = read("README.md");
    let headings: Vec<_> = readme.lines().filter_map(|line| line.strip_prefix("### authgear_")).collect();
    let source = read("src/nginx/directives.rs");
    assert_eq!(headings, between(&source, "ngx_string!(\"authgear_", "\""));
}

#[test]
fn every_directive_has_its_syntax_default_and_context() {
    for section in read("README.md").split("\n### ").skip(1) {
        let name = section.lines().next().unwrap();
        for row in [&format!("| Syntax: | **`{name}`** "), "| Default: | ", "| Context: | `http`"] {
            assert!(section.contains(row), "{name} lacks {row:?}");
        }
    }
}

#[test]
fn the_manual_lists_every_variable_in_the_order_of_the_table() {
    let readme = read("README.md");
    let listed: Vec<_> =
        readme.lines().filter_map(|line| line.strip_prefix("| `$authgear_")?.split('`').next()).collect();
    let source = read("src/nginx/variables.rs");
    let table =
        between(&source, "static VARIABLES", "];")[0].replace("NAME_PREFIX", "\"authgear_header_NAME\"");
    assert_eq!(listed, between(&table, "(\"authgear_", "\""));
}

#[test]
fn the_manual_explains_every_reason() {
    let readme = read("README.md");
    let reasons = |path: &str, start: &str, end: &str| -> Vec<String> {
        let source = read(path);
        let body = between(&source, start, end)[0];
        between(body, "=> \"", "\"").into_iter().map(str::to_owned).collect()
    };
    let mut words = reasons("src/access.rs", "pub fn as_str(self)", "\n    }\n");
    words.extend(reasons("src/resolver/error.rs", "pub fn reason(&self)", "\n    }\n"));
    words.extend(reasons("src/policy.rs", "pub fn reason(self)", "\n    }\n"));
    assert!(words.len() > 10, "{words:?}");
    for word in words {
        assert!(readme.contains(&format!("\n| `{word}` | ")), "{word} is not explained");
    }
}
