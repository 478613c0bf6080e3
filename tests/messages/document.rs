//! Reads the document: its messages, and what it says of each.

use std::fs;
use std::path::Path;

pub(crate) struct Entry {
    /// With `<>` for what differs.
    pub(crate) text: String,
    pub(crate) explanation: String,
}

impl Entry {
    /// The level that the explanation begins with.
    pub(crate) fn level(&self) -> Option<&str> {
        self.explanation.strip_prefix("**")?.split_once("**").map(|(level, _)| level)
    }
}

pub(crate) fn read() -> Vec<Entry> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/messages.md");
    entries(&fs::read_to_string(path).unwrap())
}

/// A message is an item of a list that begins with a code span; what it means is in the lines below, which are indented.
fn entries(document: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut is_open = false;
    for line in document.lines() {
        if let Some(text) = line.strip_prefix("- ").and_then(code_span) {
            entries.push(Entry { text: with_places(text), explanation: String::new() });
            is_open = true;
        } else if let (true, Some(words), Some(entry)) =
            (is_open, line.strip_prefix("  "), entries.last_mut())
        {
            entry.explanation += words;
            entry.explanation.push(' ');
        } else {
            is_open = false;
        }
    }
    entries
}

/// The whole of an item.
fn code_span(item: &str) -> Option<&str> {
    let double = item.strip_prefix("`` ").and_then(|rest| rest.strip_suffix(" ``"));
    double.or_else(|| item.strip_prefix('`')?.strip_suffix('`').filter(|text| !text.contains('`')))
}

/// What stands between angle brackets is a name for what differs.
fn with_places(text: &str) -> String {
    let (mut rest, mut out) = (text, String::new());
    while let Some((before, after)) = rest.split_once('<') {
        let (_, after) = after.split_once('>').unwrap_or_else(|| panic!("no end of a place in {text:?}"));
        (out, rest) = (out + before + "<>", after);
    }
    out + rest
}

/// The names that GitHub gives to headings.
fn anchors(document: &str) -> Vec<String> {
    let headings = document.lines().filter_map(|line| line.strip_prefix('#'));
    let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
    let names = headings.map(|heading| heading.trim_start_matches('#').trim().to_lowercase());
    names.map(|name| name.chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

#[test]
fn links_lead_to_headings() {
    let read = |name: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let document = read("docs/messages.md");
    let links: Vec<_> = document.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 10, "{links:?}");
    for link in links {
        let (file, heading) = link.split_once('#').expect("a heading");
        let file = if file.is_empty() { "messages.md" } else { file };
        let anchors = anchors(&read(&format!("docs/{file}")));
        assert!(anchors.iter().any(|anchor| anchor == heading), "{link} leads nowhere");
    }
}

#[test]
fn an_item_that_is_code_is_a_message() {
    let entries = entries(
        "- `one <a>`\n  **warn**: means\n  this.\n\ntext\n- `` t`wo ``\n  That.\n- `no`: text\n- [no](#x)\n",
    );
    let all: Vec<_> = entries
        .iter()
        .map(|entry| (entry.text.as_str(), entry.explanation.as_str(), entry.level()))
        .collect();
    assert_eq!(all, [("one <>", "**warn**: means this. ", Some("warn")), ("t`wo", "That. ", None)]);
}
