//! `authgear_status html`: a page that polls its own location for the numbers and draws them.
//!
//! Without JavaScript it shows the current numbers. Style and script are embedded; the page loads nothing else, and its
//! policy allows nothing else to run.

use std::fmt::{self, Display, Write};
use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::render::{Resolver, Status, Zone, codes};
use super::words::{Bytes, Count, Percent};
use super::{Skipped, Totals};
use crate::access::{CacheStatus, Ending};

/// [`Status::part`] replaces the names in double braces.
const TEMPLATE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = concat!(
    include_str!("page/numbers.js"),
    include_str!("page/charts.js"),
    include_str!("page/draw.js"),
    include_str!("page/page.js"),
);

/// The query string with which the page requests the numbers as JSON.
pub const QUERY: &[u8] = b"json";

/// The page's `Content-Security-Policy`: allows its own style and script by hash, and connections to its own server.
pub static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())));
    let (script, style) = (hash(SCRIPT), hash(STYLE));
    format!(
        "default-src 'none'; script-src {script}; style-src {style}; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    )
});

impl Status {
    /// `authgear_status html`.
    #[must_use]
    pub fn html(&self) -> String {
        let mut page = String::with_capacity(TEMPLATE.len() + STYLE.len() + SCRIPT.len() + 8192);
        let mut rest = TEMPLATE;
        while let Some((before, marked)) = rest.split_once("{{") {
            let (name, after) = marked.split_once("}}").unwrap_or((marked, ""));
            page.push_str(before);
            // Writing to a string can't fail.
            let _ = self.part(name, &mut page);
            rest = after;
        }
        page + rest
    }

    fn part(&self, name: &str, page: &mut String) -> fmt::Result {
        let Totals { requests, cache, codes: calls, skipped, .. } = &self.totals;
        match name {
            "style" => page.write_str(STYLE),
            "script" => page.write_str(SCRIPT),
            "version" => page.write_str(self.version),
            "requests" => counts(page, name, Ending::ALL.map(Ending::as_str), requests),
            "cache" => counts(page, name, CacheStatus::ALL.map(CacheStatus::as_str), cache),
            "resolver_requests" => counts(page, name, codes(), calls),
            "resolver_requests_skipped" => counts(page, name, Skipped::ALL.map(Skipped::as_str), skipped),
            "inflight" => write!(page, "{}", Count(self.inflight.into())),
            "resolvers" if self.resolvers.is_empty() => page.write_str("<li>No location resolves.</li>"),
            "resolvers" => self.resolvers.iter().try_for_each(|item| resolver(page, item)),
            "zones" if self.zones.is_empty() => page.write_str("<li>There is no cache.</li>"),
            "zones" => self.zones.iter().try_for_each(|item| zone(page, item)),
            _ => Ok(()),
        }
    }
}

/// The script finds each number by its `data-count` attribute.
fn counts(
    page: &mut String,
    kind: &str,
    names: impl IntoIterator<Item = &'static str>,
    counts: &[u64],
) -> fmt::Result {
    names.into_iter().zip(counts).try_for_each(|(name, count)| {
        let zero = if *count == 0 { " class=\"zero\"" } else { "" };
        let count = Count(*count);
        write!(page, "<div><dt>{name}</dt><dd data-count=\"{kind}.{name}\"{zero}>{count}</dd></div>")
    })
}

fn resolver(page: &mut String, ((url, origin), resolver): (&(String, String), &Resolver)) -> fmt::Result {
    let breaker = resolver.breaker();
    write!(page, "<li><h3>{}</h3><p class=\"breaker {breaker}\">breaker {breaker}</p>", Escaped(url))?;
    facts(page, &[("origin", origin), ("failures in a row", &Count(resolver.fails.into()))])
}

fn zone(page: &mut String, (name, zone): (&String, &Zone)) -> fmt::Result {
    let &Zone { bytes, used_bytes, valid, negative, evictions, negative_evictions } = zone;
    let filled = Percent(used_bytes, bytes);
    write!(page, "<li><h3>{}</h3>", Escaped(name))?;
    write!(
        page,
        "<svg class=\"bar\" viewBox=\"0 0 100 1\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
         <rect width=\"{}\" height=\"1\"/></svg>",
        filled.number()
    )?;
    let evicted = format!("{} valid, {} negative", Count(evictions), Count(negative_evictions));
    let memory = format!("{} of {}, {filled}", Bytes(used_bytes), Bytes(bytes));
    facts(
        page,
        &[
            ("memory in use", &memory),
            ("valid", &Count(valid.into())),
            ("negative", &Count(negative.into())),
            ("evicted", &evicted),
        ],
    )
}

/// Writes the facts of a list item and closes the item.
fn facts(page: &mut String, facts: &[(&str, &dyn Display)]) -> fmt::Result {
    page.write_str("<dl>")?;
    for (name, value) in facts {
        write!(page, "<div><dt>{name}</dt><dd>{}</dd></div>", Escaped(&value.to_string()))?;
    }
    page.write_str("</dl></li>")
}

/// Text from the configuration, escaped for HTML, including quoted attributes.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|char| match char {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            _ => f.write_char(char),
        })
    }
}

#[cfg(test)]
mod tests;
