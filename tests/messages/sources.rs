//! Finds the texts in the sources: every string literal that could reach a log.
//!
//! Not by the functions that print, for a text may come a long way to them: any literal counts that has words in it; and of a single
//! word those that are an error's, a format's, or what a parser complains of.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::lexer::{Token, tokens};

/// What was found, by text.
pub(crate) type Texts = BTreeMap<String, Uses>;

#[derive(Debug, Default)]
pub(crate) struct Uses {
    pub(crate) files: BTreeSet<String>,
    /// Where it is a whole line: how it is written.
    pub(crate) levels: BTreeSet<&'static str>,
}

/// What writes a line, and at which level.
const WRITERS: [(&str, &str); 10] = [
    ("alert", "alert"),
    ("error", "error"),
    ("warn", "warn"),
    ("notice", "notice"),
    ("info", "info"),
    ("debug", "debug"),
    ("refuse_configuration", "emerg"),
    ("refuse_configuration_at", "emerg"),
    ("warn_of_configuration", "warn"),
    ("warn_of_configuration_at", "warn"),
];

/// What makes a message of its argument, be that a word only.
const MAKERS: [&str; 7] = ["Err", "ok_or", "refuse", "Malformed", "malformed", "Internal", "other"];

const FORMATS: [&str; 4] = ["format_args", "format", "write", "writeln"];

/// Every source file but those of tests and of the models that they compare with, by its path below src.
pub(crate) fn files() -> Vec<(String, Vec<Token>)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    let names = paths.iter().map(|path| path.strip_prefix(&root).unwrap().display().to_string());
    let is_test = |name: &String| name.split(['/', '.']).any(|part| part == "tests" || part == "model");
    let names = names.filter(|name| name.ends_with(".rs") && !is_test(name));
    names
        .map(|name| (name.clone(), without_tests(tokens(&fs::read_to_string(root.join(&name)).unwrap()))))
        .collect()
}

pub(crate) fn find() -> Texts {
    let mut texts = Texts::new();
    for (name, tokens) in files() {
        add(&name, &tokens, &mut texts);
    }
    texts
}

fn add(file: &str, tokens: &[Token], texts: &mut Texts) {
    for (place, token) in tokens.iter().enumerate() {
        let Token::Text(text) = token else { continue };
        let is_format = format_of(tokens, place).is_some();
        if says_something(text, is_format || is_made_a_message(tokens, place)) {
            let uses = texts.entry(text.clone()).or_default();
            uses.files.insert(file.to_owned());
            uses.levels.extend(level(tokens, place));
        }
    }
}

fn says_something(text: &str, is_message: bool) -> bool {
    let words = without_placeholders(text);
    let has_letters = words.chars().any(|c| c.is_ascii_alphabetic());
    has_letters && (words.trim().contains(' ') || is_message)
}

/// A text with `<>` in the places of a format's arguments.
pub(crate) fn with_places(text: &str) -> String {
    let (mut rest, mut out) = (text, String::new());
    while let Some((before, after)) = rest.split_once('{') {
        let (_, after) = after.split_once('}').unwrap_or_else(|| panic!("no placeholder in {text:?}"));
        (out, rest) = (out + before + "<>", after);
    }
    out + rest
}

fn without_placeholders(text: &str) -> String {
    if text.contains('{') && text.contains('}') {
        with_places(text).replace("<>", "")
    } else {
        text.to_owned()
    }
}

fn is_ident(token: Option<&Token>, names: &[&str]) -> bool {
    matches!(token, Some(Token::Ident(name)) if names.contains(&name.as_str()))
}

fn is(token: Option<&Token>, punct: char) -> bool {
    token == Some(&Token::Punct(punct))
}

/// Where the parenthesis opens that is around a token.
fn opening(tokens: &[Token], place: usize) -> Option<usize> {
    let mut depth = 0;
    for before in (0..place).rev() {
        match tokens[before] {
            Token::Punct(')' | ']' | '}') => depth += 1,
            Token::Punct('(' | '[' | '{') if depth > 0 => depth -= 1,
            Token::Punct('(') => return Some(before),
            Token::Punct('[' | '{') => return None,
            _ => {}
        }
    }
    None
}

/// Of a literal that is the first of a format macro: where that one's name stands. An attribute `#[error(...)]` is one too.
fn format_of(tokens: &[Token], place: usize) -> Option<usize> {
    let open = opening(tokens, place)?;
    let has_text_before = tokens[open..place].iter().any(|token| matches!(token, Token::Text(_)));
    let macro_name = open
        .checked_sub(2)
        .filter(|name| is_ident(tokens.get(*name), &FORMATS) && is(tokens.get(name + 1), '!'));
    let attribute = open
        .checked_sub(2)
        .filter(|bracket| is(tokens.get(*bracket), '[') && is_ident(tokens.get(bracket + 1), &["error"]));
    macro_name.or(attribute).filter(|_| !has_text_before)
}

/// Whether it is an argument of one of [`MAKERS`], or in a tuple that is.
fn is_made_a_message(tokens: &[Token], place: usize) -> bool {
    let Some(open) = opening(tokens, place) else { return false };
    let before = |place: usize| place.checked_sub(1);
    let of_maker = |open: usize| before(open).is_some_and(|name| is_ident(tokens.get(name), &MAKERS));
    of_maker(open) || before(open).is_some_and(|outer| is(tokens.get(outer), '(') && of_maker(outer))
}

/// The level of a line whose format this is.
fn level(tokens: &[Token], place: usize) -> Option<&'static str> {
    let open = opening(tokens, format_of(tokens, place)?)?;
    let Some(Token::Ident(name)) = tokens.get(open.checked_sub(1)?) else { return None };
    WRITERS.iter().find(|(writer, _)| writer == name).map(|(_, level)| *level)
}

/// Leaves out attributes other than `#[error(...)]`, and what is part of no module that is released.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let (mut kept, mut place) = (Vec::new(), 0);
    while place < tokens.len() {
        let is_attribute =
            is(tokens.get(place), '#') && (is(tokens.get(place + 1), '[') || is(tokens.get(place + 2), '['));
        if !is_attribute {
            kept.push(tokens[place].clone());
            place += 1;
            continue;
        }
        let end = end_of_group(&tokens, place);
        let attribute = &tokens[place..end];
        if is_ident(attribute.get(2), &["error"]) {
            kept.extend_from_slice(attribute);
        }
        place = if is_left_out(attribute) { end_of_item(&tokens, end) } else { end };
    }
    kept
}

/// `#[cfg(test)]` and `#[cfg(feature = "fault-injection")]`.
fn is_left_out(attribute: &[Token]) -> bool {
    let is_plain = |condition: &Token| matches!(attribute, [_, _, Token::Ident(cfg), _, first, ..] if cfg == "cfg" && first == condition);
    let is_injected = attribute.contains(&Token::Text("fault-injection".to_owned()));
    is_plain(&Token::Ident("test".to_owned())) || is_plain(&Token::Ident("feature".to_owned())) && is_injected
}

/// Behind the bracket that closes the next one that opens.
fn end_of_group(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0;
    for (place, token) in tokens.iter().enumerate().skip(start) {
        match token {
            Token::Punct('(' | '[' | '{') => depth += 1,
            Token::Punct(')' | ']' | '}') => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return place + 1;
        }
    }
    tokens.len()
}

/// Behind an item, a statement or a variant.
fn end_of_item(tokens: &[Token], start: usize) -> usize {
    let mut place = start;
    while place < tokens.len() {
        match tokens[place] {
            Token::Punct(';' | ',') => return place + 1,
            Token::Punct('{') => return end_of_group(tokens, place),
            Token::Punct('(' | '[') => place = end_of_group(tokens, place),
            _ => place += 1,
        }
    }
    place
}

#[test]
fn a_text_is_found_wherever_it_stands() {
    let source = r##"
        #![doc = "no text"]
        #[derive(Error)] enum E {
            #[error("broken")] A,
            #[error("{} is wrong", show(.0))] B(String),
            #[allow(dead_code, reason = "no text")] C,
        }
        const WHY: &str = "out of paper";
        fn f(log: Log) -> Result<(), Complaint> {
            log.error(format_args!("tray {n} is {}", "empty"));
            log::cycle().notice(format_args!("full"));
            warn_of_configuration(cf, format_args!("odd tray"));
            let name = parse("word").ok_or((text, "short"))?;
            if name == "word" { return Err("bad"); }
            directive.refuse(&text, "unfit")
        }
        #[cfg(test)] mod tests { const A: &str = "no text"; }
        #[cfg(feature = "fault-injection")] fn g() { let a = "no text"; }
        #[cfg(feature = "fault-injection")] die("no text");
        #[cfg(not(feature = "fault-injection"))] fn h() { let a = "a text"; }
        fn i() { write!(f, "{}ms", 1); call("word"); b.insert("word", c"no, wait"); }
    "##;
    let mut texts = Texts::new();
    add("a.rs", &without_tests(tokens(source)), &mut texts);
    let found: Vec<_> = texts.keys().map(String::as_str).collect();
    let expected = [
        "a text",
        "bad",
        "broken",
        "full",
        "no, wait",
        "odd tray",
        "out of paper",
        "short",
        "tray {n} is {}",
        "unfit",
        "{} is wrong",
        "{}ms",
    ];
    assert_eq!(found, expected);
    let level = |text: &str| texts[text].levels.iter().copied().collect::<Vec<_>>();
    assert_eq!((level("tray {n} is {}"), level("full")), (vec!["error"], vec!["notice"]));
    assert_eq!((level("odd tray"), level("out of paper")), (vec!["warn"], vec![]));
}
