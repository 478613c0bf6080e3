//! docs/messages.md has every message of the module, and no other.
//!
//! What is in no log is listed here, with the reason. A text that is new in the sources is in neither, and fails the test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that meets the unexpected fails"
)]

mod document;
mod lexer;
mod sources;

use std::collections::BTreeSet;

use lexer::Token;
use sources::{Texts, with_places};

/// Files whose texts are all for others than operators, and for whom.
const OTHER_READERS: [(&str, &str); 3] = [
    ("metrics/page.rs", "the page of `authgear_status html`"),
    ("metrics/render.rs", "what `authgear_status` answers"),
    ("nginx/request/status.rs", "the kinds of content that `authgear_status` answers"),
];

/// Texts that no line has, and why.
const NOT_PRINTED: [(&str, &str); 15] = [
    ("authgear: {line}", "the frame of every line"),
    ("{words} in {place}", "the frame of every message about a place"),
    ("{}ms", "a unit"),
    ("{}s", "a unit"),
    ("Bearer realm=\"{realm}\"", "a challenge, for clients"),
    ("Bearer realm=\"{realm}\", error=\"invalid_token\"", "a challenge, for clients"),
    (
        "Bearer realm=\"{realm}\", error=\"insufficient_user_authentication\", max_age={}",
        "a challenge, for clients",
    ),
    ("https://{text}/", "a URL that is only parsed"),
    ("CacheKey({self})", "for the messages of tests"),
    ("Credentials({})", "for the messages of tests"),
    ("too many calls are in flight", "there was no call, and other lines tell why"),
    ("it has failed before", "there was no call, and other lines tell why"),
    ("authgear names", "the name of threads"),
    ("failed to lookup address information: ", "taken off a library's text"),
    ("as told by another worker", "the other worker tells of the failure"),
];

/// The messages that the sources have, with `<>` for what differs.
fn printed(texts: &Texts) -> BTreeSet<String> {
    let is_for_operators = |file: &String| OTHER_READERS.iter().all(|(other, _)| file != other);
    let printed = texts.iter().filter(|(text, uses)| {
        uses.files.iter().any(is_for_operators) && NOT_PRINTED.iter().all(|(other, _)| text != other)
    });
    printed.map(|(text, _)| normal(&with_places(text))).collect()
}

/// Places beside each other are one: a part that may be absent is explained by itself.
fn normal(text: &str) -> String {
    text.replace("<><>", "<>").replace("<><>", "<>").trim().to_owned()
}

#[test]
fn every_message_is_in_the_document() {
    let documented: BTreeSet<_> = document::read().into_iter().map(|entry| normal(&entry.text)).collect();
    let missing: Vec<_> =
        printed(&sources::find()).into_iter().filter(|text| !documented.contains(text)).collect();
    assert!(missing.is_empty(), "docs/messages.md lacks these; see the head of this file: {missing:#?}");
}

#[test]
fn the_document_has_no_other_message_and_none_twice() {
    let (printed, mut seen) = (printed(&sources::find()), BTreeSet::new());
    for entry in document::read() {
        let text = normal(&entry.text);
        assert!(printed.contains(&text), "no line has {text:?}, which docs/messages.md explains");
        assert!(seen.insert(text), "{:?} is explained twice", entry.text);
    }
}

#[test]
fn each_message_is_explained_with_its_level() {
    let texts = sources::find();
    for entry in document::read() {
        assert!(entry.explanation.len() > 10, "{:?} is not explained", entry.text);
        let uses = texts.iter().filter(|(text, _)| normal(&with_places(text)) == normal(&entry.text));
        let levels: BTreeSet<_> = uses.flat_map(|(_, uses)| uses.levels.iter().copied()).collect();
        let agrees = levels.is_empty() || entry.level().is_some_and(|level| levels.contains(level));
        assert!(agrees, "{:?} is written at {levels:?}, and not {:?}", entry.text, entry.level());
    }
    let with_level = texts.values().filter(|uses| !uses.levels.is_empty()).count();
    assert!(with_level > 15, "levels are no longer found: {with_level}");
}

/// nginx's style: lower case, no full stop.
#[test]
fn messages_are_in_nginxs_style() {
    for text in printed(&sources::find()) {
        let first = text.chars().next().unwrap();
        assert!(!first.is_uppercase() || text.starts_with("HTTP/2"), "{text:?} begins with a capital letter");
        assert!(!text.ends_with('.'), "{text:?} ends with a full stop");
        assert!(!text.contains('\n'), "{text:?} has more than one line");
    }
}

#[test]
fn what_is_left_out_is_in_the_sources() {
    let texts = sources::find();
    for (text, why) in NOT_PRINTED {
        assert!(texts.contains_key(text), "{text:?}, {why}, is in the sources no more");
    }
    for (file, why) in OTHER_READERS {
        assert!(texts.values().any(|uses| uses.files.contains(file)), "{file}, {why}, has no texts any more");
    }
}

/// What writes by itself could write at another level, and without the module's name.
#[test]
fn one_file_writes_to_nginxs_log() {
    const FUNCTIONS: [&str; 9] = [
        "log_error",
        "log_debug",
        "ngx_log_error",
        "ngx_log_error_core",
        "ngx_log_debug_core",
        "ngx_conf_log_error",
        "ngx_log_stderr",
        "ngx_write_fd",
        "eprintln",
    ];
    let writes = |token: &Token| matches!(token, Token::Ident(name) if FUNCTIONS.contains(&name.as_str()));
    let files = sources::files().into_iter().filter(|(_, tokens)| tokens.iter().any(writes));
    let files: Vec<_> = files.map(|(name, _)| name).collect();
    assert_eq!(files, ["nginx/ffi/log.rs"]);
}
