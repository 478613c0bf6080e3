//! What valgrind reports, an XML file for each process.

use std::fmt::{self, Display};
use std::fs;
use std::path::Path;

#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) processes: usize,
    /// The text of each error: its kind, and a line for each frame, the innermost first.
    pub(super) errors: Vec<String>,
}

impl Findings {
    /// Of all reports in a folder. Each must be complete: a process that was killed under valgrind shows nothing.
    #[track_caller]
    pub(super) fn read(folder: &Path) -> Self {
        let files = fs::read_dir(folder).expect("the folder is there").flatten().map(|entry| entry.path());
        let mut findings = Self::default();
        for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "xml")) {
            let xml = fs::read_to_string(&file).expect("valgrind writes text");
            assert!(xml.trim_end().ends_with("</valgrindoutput>"), "{} is not complete", file.display());
            assert!(xml.contains("<state>FINISHED</state>"), "{} has no end", file.display());
            findings.processes += 1;
            findings.errors.extend(elements(&xml, "error").map(describe));
        }
        findings
    }
}

impl Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} processes\n{}", self.errors.len(), self.processes, self.errors.join("\n\n"))
    }
}

/// `kind: what`, and where.
fn describe(error: &str) -> String {
    let text = |of: &str, name: &str| elements(of, name).next().unwrap_or_default().to_owned();
    let what = [text(error, "what"), text(error, "text")].concat();
    let frames = elements(error, "frame")
        .map(|frame| format!("\n    {} {} {}", text(frame, "obj"), text(frame, "fn"), text(frame, "line")));
    format!("{}: {what}{}", text(error, "kind"), frames.collect::<String>())
}

/// The contents of all elements of this name, which valgrind writes without attributes and never nests.
fn elements<'x>(xml: &'x str, name: &str) -> impl Iterator<Item = &'x str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = xml;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&open)?;
        let (inner, after) = after.split_once(&close)?;
        rest = after;
        Some(inner)
    })
}

#[test]
fn an_error_is_described_by_its_frames() {
    let xml = "<error><kind>InvalidRead</kind><what>Invalid read of size 8</what><stack><frame><obj>/a.so</obj>\
               <fn>f</fn><line>3</line></frame><frame><obj>/b</obj></frame></stack></error><error></error>";
    let errors: Vec<String> = elements(xml, "error").map(describe).collect();
    assert_eq!(errors, ["InvalidRead: Invalid read of size 8\n    /a.so f 3\n    /b  ", ": "]);
}
