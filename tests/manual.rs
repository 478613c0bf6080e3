//! The manual and the code say the same: README.md lists what there is, in the same order, and the documents name what is
//! there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that meets the unexpected fails, and says what it met"
)]

#[path = "manual/defaults.rs"]
mod defaults;
#[path = "manual/links.rs"]
mod links;
#[path = "manual/sizes.rs"]
mod sizes;

use std::fs;
use std::path::Path;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Every document by its path, the folders' own ones among them.
fn documents() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["", "docs/", "nginx-conf/", "fuzz/", "tests/", "tests/bench/", "tests/soak/"] {
        let entries = fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
        let names = entries.map(|entry| format!("{folder}{}", entry.file_name().to_string_lossy()));
        found.extend(names.filter(|name| Path::new(name).extension().is_some_and(|kind| kind == "md")));
    }
    found.sort();
    found
}

/// The manual's sections on directives; each begins with the name.
fn sections(readme: &str) -> Vec<&str> {
    let sections = readme.split("\n### ").filter(|section| section.starts_with("authgear_"));
    sections.map(|section| section.split("\n## ").next().unwrap_or_default()).collect()
}

/// What stands in a row of a section's table.
fn row<'a>(section: &'a str, title: &str) -> &'a str {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let mut values = rows.filter_map(|row| row.strip_prefix(title)?.strip_prefix(": | "));
    values.next().unwrap_or_else(|| panic!("no {title} in {section}"))
}

/// What stands between two marks, wherever they occur.
fn between<'a>(text: &'a str, start: &'a str, end: &'a str) -> Vec<&'a str> {
    text.split(start).skip(1).filter_map(|rest| rest.split(end).next()).collect()
}

#[test]
fn the_manual_lists_every_directive_in_the_order_of_the_command_table() {
    let readme = read("README.md");
    let headings: Vec<_> = readme.lines().filter_map(|line| line.strip_prefix("### authgear_")).collect();
    let source = read("src/nginx/module/commands.rs");
    assert_eq!(headings, between(&source, "ngx_string!(\"authgear_", "\""));
}

#[test]
fn every_directive_has_its_syntax_default_and_context() {
    for section in sections(&read("README.md")) {
        let name = section.lines().next().unwrap();
        for row in [&format!("| Syntax: | **`{name}`** "), "| Default: | "] {
            assert!(section.contains(row), "{name} lacks {row:?}");
        }
        let contexts = ["| Context: | `http`", "| Context: | `location` |"];
        assert!(contexts.iter().any(|row| section.contains(row)), "{name} lacks its context");
    }
}

#[test]
fn every_directive_has_an_example_of_its_own() {
    for section in sections(&read("README.md")) {
        let name = section.lines().next().unwrap();
        let examples = between(section, "```nginx\n", "```");
        let is_used =
            |example: &&str| example.lines().any(|line| line.trim_start().starts_with(&format!("{name} ")));
        assert!(examples.iter().any(is_used), "{name} has no example");
    }
}

#[test]
fn the_manual_lists_every_variable_in_the_order_of_the_table() {
    let readme = read("README.md");
    let listed: Vec<_> =
        readme.lines().filter_map(|line| line.strip_prefix("| `$authgear_")?.split('`').next()).collect();
    let source = read("src/nginx/request/variables.rs");
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

/// The files that a document names by their paths, each with the test in it that it names.
fn named(document: &str) -> Vec<(String, Option<String>)> {
    let text = read(document);
    let words = text.split('`').skip(1).step_by(2);
    let paths = words.filter(|word| word.starts_with("tests/") || word.starts_with("src/"));
    let parts = paths.map(|path| match path.split_once("::") {
        Some((file, test)) => (file.to_owned(), Some(test.to_owned())),
        None => (path.to_owned(), None),
    });
    parts.collect()
}

/// Whether a source file has that function, and it is a test.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
    let is_it = |line: &str| {
        line.trim_start_matches("async ")
            .strip_prefix("fn ")
            .is_some_and(|rest| rest.starts_with(&format!("{name}(")))
    };
    lines.iter().position(|line| is_it(line)).is_some_and(|place| {
        let before =
            lines[..place].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("///"));
        before.into_iter().any(|line| ["#[test]", "#[tokio::test]"].contains(line))
    })
}

#[test]
fn every_file_and_test_that_a_document_names_is_there() {
    for document in documents() {
        for (file, test) in named(&document) {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
            assert!(path.exists(), "{document} names {file}, which is not there");
            if let Some(test) = test {
                assert!(has_test(&read(&file), &test), "{document} names {file}::{test}, which is no test");
            }
        }
    }
}

/// The claims of a section of a document: the first cells of its table, or the items of its list.
fn claims(document: &str, heading: &str) -> Vec<String> {
    let text = read(document);
    let start = format!("\n## {heading}\n");
    let section = between(&text, &start, "\n## ")[0];
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next()).skip(1);
    let items = section.lines().filter_map(|line| line.strip_prefix("- "));
    rows.chain(items).map(str::to_owned).collect()
}

/// The claims that PROOFS.md has of such a section, each with its tests.
fn proofs(document: &str, heading: &str) -> Vec<(String, usize)> {
    let text = read("tests/PROOFS.md");
    let (of_document, of_section) = (format!("\n## [{document}]"), format!("\n### {heading}\n"));
    let of_document = between(&text, &of_document, "\n## ")[0];
    let of_section = between(of_document, &of_section, "\n### ")[0];
    let claims = of_section.split("\n- ").skip(1);
    let pairs =
        claims.map(|claim| (claim.lines().next().unwrap().to_owned(), claim.matches(".rs::").count()));
    pairs.collect()
}

#[test]
fn every_promise_and_every_failure_has_its_tests() {
    const PHASES: &str = "docs/before-authentication.md";
    const FAILURES: &str = "docs/failures.md";
    for (document, heading, least) in [
        ("SECURITY.md", "Promises, one by one", 25),
        (FAILURES, "Connections and time", 6),
        (FAILURES, "Answers", 6),
        (FAILURES, "TLS and certificates", 5),
        (FAILURES, "HTTP/2", 3),
        (FAILURES, "Names and addresses", 6),
        (FAILURES, "Outages and load", 7),
        (FAILURES, "Faults in the module, and restarts", 9),
        ("docs/migration.md", "What changes, and why", 15),
        (PHASES, "Before the access phase", 7),
        (PHASES, "In the access phase", 3),
        (PHASES, "After the access phase", 6),
        (PHASES, "Redirects, error pages and subrequests", 5),
    ] {
        let (claims, proofs) = (claims(document, heading), proofs(document, heading));
        assert!(claims.len() >= least, "{document}: {claims:?}");
        for claim in claims {
            let tests = proofs.iter().find(|(proven, _)| *proven == claim).map_or(0, |(_, tests)| *tests);
            assert!(tests > 0, "{document}: tests/PROOFS.md has no test of {claim:?}");
        }
    }
}

#[test]
fn documents_for_users_name_no_tests() {
    for document in documents().iter().filter(|document| *document != "tests/PROOFS.md") {
        assert!(!read(document).contains(".rs::"), "{document} names a test");
    }
}

/// All sources of the crate, by their paths.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path.display().to_string());
        }
    }
}

#[test]
fn every_source_that_the_map_names_is_there_and_has_the_functions_that_it_names() {
    let mut paths = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut paths);
    let map = read("ARCHITECTURE.md");
    let mut functions = 0;
    for line in map.lines() {
        let words: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
        let mut files: Vec<&String> = Vec::new();
        for word in words {
            if word.ends_with(".rs") {
                files = paths.iter().filter(|path| path.ends_with(&format!("/{word}"))).collect();
                assert!(!files.is_empty() || Path::new(word).exists(), "no source {word}, see {line:?}");
            } else if word.starts_with("on_") {
                let has_it = |path: &&String| {
                    fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("fn {word}(")))
                };
                assert!(files.iter().any(has_it), "no {word} in {files:?}, see {line:?}");
                functions += 1;
            }
        }
    }
    assert!(functions > 5, "the entry points are named");
}
