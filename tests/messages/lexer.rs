//! Rust's tokens, as far as string literals and what stands around them are concerned.

/// Comments, white space, lifetimes and literals of other kinds are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Ident(String),
    /// A string or a C string, raw or not: what it says.
    Text(String),
    Punct(char),
}

pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let (mut rest, mut tokens) = (source, Vec::new());
    while let Some(first) = rest.chars().next() {
        let token;
        (token, rest) = next(first, rest);
        tokens.extend(token);
    }
    tokens
}

fn next(first: char, rest: &str) -> (Option<Token>, &str) {
    if rest.starts_with("//") {
        return (None, rest.find('\n').map_or("", |end| &rest[end..]));
    }
    if rest.starts_with("/*") {
        return (None, rest.find("*/").map_or("", |end| &rest[end + 2..]));
    }
    if first == '\'' {
        return (None, after_quote(rest));
    }
    let (prefix, string) = rest.split_at(rest.find(|c: char| !is_name(c)).unwrap_or(rest.len()));
    if is_string(prefix, string) {
        let (text, rest) = string_literal(prefix, string);
        return (if prefix.contains('b') { None } else { Some(Token::Text(text)) }, rest);
    }
    if !prefix.is_empty() {
        let is_number = first.is_ascii_digit();
        return (if is_number { None } else { Some(Token::Ident(prefix.to_owned())) }, string);
    }
    let token = (!first.is_whitespace()).then_some(Token::Punct(first));
    (token, &rest[first.len_utf8()..])
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_string(prefix: &str, rest: &str) -> bool {
    match prefix {
        "" | "b" | "c" => rest.starts_with('"'),
        "r" | "br" | "cr" => rest.trim_start_matches('#').starts_with('"'),
        _ => false,
    }
}

/// A character, or a lifetime.
fn after_quote(rest: &str) -> &str {
    let inner = &rest[1..];
    if let Some(escaped) = inner.strip_prefix('\\') {
        // The escaped character itself may be a quote.
        let end = escaped.char_indices().skip(1).find(|(_, c)| *c == '\'').expect("the end of a character");
        return &escaped[end.0 + 1..];
    }
    let mut chars = inner.chars();
    let first = chars.next().expect("a character or a lifetime");
    let after = chars.as_str();
    after.strip_prefix('\'').unwrap_or(if is_name(first) { after } else { inner })
}

fn string_literal<'s>(prefix: &str, rest: &'s str) -> (String, &'s str) {
    if prefix.contains('r') {
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(hashes));
        let (text, rest) = rest[hashes + 1..].split_once(&end).expect("the end of a raw string");
        return (text.to_owned(), rest);
    }
    let (mut text, mut chars) = (String::new(), rest[1..].chars());
    loop {
        match chars.next().expect("the end of a string") {
            '"' => return (text, chars.as_str()),
            '\\' => match chars.next().expect("an escaped character") {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                '\n' => chars = chars.as_str().trim_start().chars(),
                // A character by its number: which one doesn't matter here.
                'u' | 'x' => text.push('?'),
                itself => text.push(itself),
            },
            c => text.push(c),
        }
    }
}

#[test]
fn strings_are_found_and_nothing_else_is() {
    let source = r###"
        // "no" /* "no" */
        /* "no" */ fn a<'a>(b: &'a str) -> char { '"' } '\'' '\\' "one" b"no" c"two"
        r"thr\ee" r#"fo"ur"# br"no" "fi\"ve \
            lines" 1_000u32 'x' "" x.y("six")
    "###;
    let texts: Vec<_> = tokens(source)
        .into_iter()
        .filter_map(|token| if let Token::Text(text) = token { Some(text) } else { None })
        .collect();
    assert_eq!(texts, ["one", "two", "thr\\ee", "fo\"ur", "fi\"ve lines", "", "six"]);
    let idents = tokens("let r = b.c(1, 'a', \"t\");");
    assert_eq!(idents.len(), 12, "{idents:?}");
}
