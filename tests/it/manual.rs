//! The documents' pieces of configuration load as they stand, and the manual's directives are what nginx takes them for.

use crate::documents::{documents, pieces};
use crate::harness::{EchoReply, Nginx, Place, Request, for_each_wire, send};
use crate::standin::echo;

const README: &str = include_str!("../../README.md");

#[test]
fn every_piece_of_configuration_in_the_documents_loads() {
    let pieces = pieces();
    assert!(pieces.len() > 4, "{pieces:?}");
    assert!(documents().len() > 1, "{:?}", documents());
    for piece in pieces {
        println!("{}\n{}", piece.document, piece.text);
        let check = piece.builder().check();
        check.assert_ok();
        // The manual gives no reason for advice, but where old lines stand beside new ones, and for what it advises against.
        let is_advised = ["auth_request_set", "authgear_ssl_verify off"];
        let is_advised = is_advised.iter().any(|reason| piece.text.contains(reason));
        assert!(is_advised || check.warnings().is_empty(), "{:?}", check.warnings());
    }
}

/// The name of each directive, and its section in the manual.
fn sections() -> Vec<(&'static str, &'static str)> {
    let sections = README.split("\n### authgear_").skip(1);
    let body = |section: &'static str| section.split("\n## ").next().unwrap_or_default();
    sections.map(|section| (section.lines().next().expect("a heading"), body(section))).collect()
}

/// What stands in a row of a section's table.
#[track_caller]
fn row(section: &'static str, title: &str) -> &'static str {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let mut values = rows.filter_map(|row| row.strip_prefix(title)?.strip_prefix(": | "));
    values.next().unwrap_or_else(|| panic!("no {title} in {section}"))
}

/// What stands between back quotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// nginx tells a directive that may not stand in a place from one that has the wrong arguments.
#[test]
fn each_directive_stands_where_the_manual_says_and_nowhere_else() {
    let places = [(Place::Main, "main"), (Place::Http, "http"), (Place::Server, "server")];
    for (name, section) in sections() {
        let contexts = quoted(row(section, "Context"));
        for (place, context) in places.into_iter().chain([(Place::Location, "location")]) {
            let check = place.put(Nginx::builder(), &format!("authgear_{name};")).check();
            let refusal = format!("\"authgear_{name}\" directive is not allowed here");
            let is_refused = check.stderr.contains(&refusal);
            assert_eq!(is_refused, !contexts.contains(&context), "{name} in {context}: {}", check.stderr);
        }
    }
}

#[test]
fn each_default_is_written_as_nginx_takes_it() {
    let mut found = 0;
    for (name, section) in sections() {
        let is_directive = |text: &&str| text.ends_with(';');
        let lines: Vec<_> = quoted(row(section, "Default")).into_iter().filter(is_directive).collect();
        assert!(lines.iter().all(|line| line.starts_with(&format!("authgear_{name} "))), "{lines:?}");
        let place = if row(section, "Context") == "`location`" { Place::Location } else { Place::Http };
        place.put(Nginx::builder(), &lines.join("\n")).check().assert_ok();
        found += usize::from(!lines.is_empty());
    }
    assert!(found > 10, "{found} directives have a default");
}

/// The one default that isn't a location's: `tests/manual/defaults.rs` has the others.
#[test]
fn headers_are_stripped_where_nothing_is_said_as_where_the_default_is() {
    let backend = echo::Http::start();
    let (_, section) = *sections().iter().find(|(name, _)| *name == "strip_headers").expect("its section");
    let default = quoted(row(section, "Default"))[0];
    for (line, arrived) in [("", 0), (default, 0), ("authgear_strip_headers off;", 1)] {
        let pass = format!("location / {{ proxy_pass http://{}; }}", backend.addr());
        let nginx = Nginx::builder().http(line).server(pass).start();
        for_each_wire(|wire| {
            let request = Request::get("/").header("X-Authgear-User-Id", "sent");
            let reply = EchoReply::of(&send(&nginx, wire, request));
            assert_eq!(reply.all("x-authgear-user-id").len(), arrived, "{line:?}");
        });
        nginx.finish();
    }
}
