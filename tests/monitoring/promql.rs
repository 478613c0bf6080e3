//! PromQL, as far as it takes to see which metrics and labels an expression names.

use std::collections::{BTreeMap, BTreeSet};

/// What a metric's labels can be, by their names.
pub(crate) type Labels = BTreeMap<String, BTreeSet<String>>;

/// A metric that an expression names, and what it wants of its labels.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) metric: String,
    /// Label, operator, and the text in quotes.
    pub(crate) matchers: Vec<(String, String, String)>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Expression {
    pub(crate) selectors: Vec<Selector>,
    /// What follows `by`, `on` and their like.
    pub(crate) groups: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

/// Words, texts in quotes, and signs. A `#` begins no comment in any expression of ours.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (token, length) = if first == '"' || first == '\'' {
            let length = rest[1..].find(first).expect("the end of a text");
            (Some(Token::Text(rest[1..=length].to_owned())), length + 2)
        } else if first.is_alphabetic() || first == '_' {
            let length =
                rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(rest.len());
            (Some(Token::Word(rest[..length].to_owned())), length)
        } else {
            ((!first.is_whitespace()).then_some(Token::Sign(first)), first.len_utf8())
        };
        tokens.extend(token);
        rest = &rest[length..];
    }
    tokens
}

pub(crate) fn read(text: &str) -> Expression {
    let mut expression = Expression::default();
    let mut tokens = tokens(text).into_iter().peekable();
    while let Some(token) = tokens.next() {
        let Token::Word(word) = token else { continue };
        let opens = |sign| move |token: &Token| *token == Token::Sign(sign);
        if ["by", "without", "on", "ignoring", "group_left", "group_right"].contains(&word.as_str()) {
            assert!(tokens.next_if(opens('(')).is_some(), "no list after {word} in {text}");
            let inside = tokens.by_ref().take_while(|token| *token != Token::Sign(')'));
            expression.groups.extend(inside.filter_map(|token| match token {
                Token::Word(label) => Some(label),
                _ => None,
            }));
        } else if word.starts_with("nginx_authgear_") {
            let matchers = if tokens.next_if(opens('{')).is_some() {
                matchers(tokens.by_ref().take_while(|token| *token != Token::Sign('}')))
            } else {
                Vec::new()
            };
            expression.selectors.push(Selector { metric: word, matchers });
        }
    }
    expression
}

fn matchers(tokens: impl Iterator<Item = Token>) -> Vec<(String, String, String)> {
    let mut matchers = Vec::new();
    let (mut label, mut operator) = (String::new(), String::new());
    for token in tokens {
        match token {
            Token::Word(word) => (label, operator) = (word, String::new()),
            Token::Sign(',') => {}
            Token::Sign(sign) => operator.push(sign),
            Token::Text(text) => matchers.push((label.clone(), operator.clone(), text)),
        }
    }
    matchers
}

/// The metrics of a text in the format of Prometheus.
pub(crate) fn exposed(text: &str) -> BTreeMap<String, Labels> {
    let mut metrics: BTreeMap<String, Labels> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Selector { metric, matchers } = read(line).selectors.remove(0);
        let labels = metrics.entry(metric).or_default();
        for (label, _, value) in matchers {
            labels.entry(label).or_default().insert(value);
        }
    }
    metrics
}

#[test]
fn names_are_found_wherever_they_stand() {
    let read =
        read("sum by (le) (rate(nginx_authgear_a_total{b=~\"c|d\", e!='f'}[5m])) / nginx_authgear_g > 0.1");
    let matcher = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    let matchers = vec![matcher("b", "=~", "c|d"), matcher("e", "!=", "f")];
    let first = Selector { metric: "nginx_authgear_a_total".to_owned(), matchers };
    let second = Selector { metric: "nginx_authgear_g".to_owned(), matchers: Vec::new() };
    assert_eq!(read.selectors, [first, second]);
    assert_eq!(read.groups, BTreeSet::from(["le".to_owned()]));
}
