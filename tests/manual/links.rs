//! Links between the documents lead to what is there.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{documents, read};

/// The text without blocks of code and what stands between back quotes: no links are meant there.
fn prose(text: &str) -> String {
    let outside = text.split("```").step_by(2).collect::<String>();
    outside.split('`').step_by(2).collect()
}

/// Where the links of a document lead: `path#anchor`, of which either part may be empty.
fn links(document: &str) -> Vec<String> {
    let text = prose(&read(document));
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).map(str::to_owned).collect()
}

/// The anchors that GitHub gives to headings: lower case, spaces to dashes, nothing but letters, digits, `-` and `_`. One that is
/// there already gets a number.
fn anchors(document: &str) -> Vec<String> {
    let text = read(document);
    let outside = text.split("```").step_by(2).collect::<String>();
    let headings = outside.lines().filter(|line| line.starts_with('#'));
    let mut seen: HashMap<String, usize> = HashMap::new();
    let anchor = |heading: &str| {
        let title = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let count = seen.entry(anchor.clone()).or_default();
        *count += 1;
        if *count == 1 { anchor } else { format!("{anchor}-{}", *count - 1) }
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = 0;
    for document in documents() {
        let folder = Path::new(&document).parent().map(Path::to_owned).unwrap_or_default();
        for link in links(&document) {
            found += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { PathBuf::from(&document) } else { folder.join(path) };
            assert!(root.join(&target).exists(), "{document} links {link}, which is not there");
            let target = target.to_string_lossy();
            let is_there = anchor.is_empty() || anchors(&target).contains(&anchor.to_owned());
            assert!(is_there, "{document} links {link}: there are {:?}", anchors(&target));
        }
    }
    assert!(found > 15, "{found} links");
}

#[test]
fn every_guide_is_in_the_manual_s_list() {
    let listed = links("README.md");
    for document in documents().into_iter().filter(|document| document.starts_with("docs/")) {
        assert!(listed.contains(&document), "{document} is not linked in README.md");
    }
}
