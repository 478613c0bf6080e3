//! `authgear_status` as a part of another answer, and where nginx can't send all at once. nginx's own `stub_status` is asked
//! in the same places: what holds for it is to hold here.

use super::super::harness::{Http1, Nginx, Request, Response, Wire, for_each_wire, http1, send};
use super::PLACES;

const TARGETS: [&str; 4] = ["/stub", "/status", "/metrics", "/page"];

/// For each target a page that includes it, and one that it is put before and after.
fn site() -> Nginx {
    let lines: String = TARGETS
        .iter()
        .map(|target| {
            format!(
                "location = /ssi{target} {{ ssi on; ssi_types *; alias ssi{target}; }}
                 location = /framed{target} {{
                     add_before_body {target}; add_after_body {target}; addition_types *; alias framed;
                 }}"
            )
        })
        .collect();
    let nginx =
        Nginx::builder().server(PLACES).server("location = /stub { stub_status; }").server(lines).start();
    let write = |name: &str, text: &str| std::fs::write(nginx.prefix().join(name), text).expect("writable");
    std::fs::create_dir(nginx.prefix().join("ssi")).expect("writable");
    for target in TARGETS {
        let include = format!("<!--# include virtual=\"{target}\" -->");
        write(&format!("ssi{target}"), &format!("[first]{include}[middle]{include}[last]"));
    }
    write("framed", "[middle]");
    nginx
}

/// Begins and ends as what the target gives by itself: the numbers in between change.
#[track_caller]
fn assert_is_whole(part: &str, alone: &str, target: &str) {
    let is_number = |c: char| c.is_ascii_digit() || c.is_whitespace();
    let ends = |text: &str| (text.chars().next(), text.trim_end_matches(is_number).chars().last());
    assert_eq!(ends(part), ends(alone), "{target}: {part:?}");
    assert!(part.len() + 64 > alone.len(), "{target}: {part:?}");
}

#[track_caller]
fn assert_parts(nginx: &Nginx, answer: &Response, page: &str, target: &str) {
    let (text, alone) = (answer.text(), http1::get(nginx.port(), target).text());
    assert_eq!(answer.status, 200, "{text}");
    let (before, after) = text.split_once("[middle]").unwrap_or_else(|| panic!("{target}: {text:?}"));
    let (before, after) = match page {
        "/ssi" => (before.strip_prefix("[first]"), after.strip_suffix("[last]")),
        _ => (Some(before), Some(after)),
    };
    for part in [before, after] {
        assert_is_whole(part.unwrap_or_else(|| panic!("{target}: {text:?}")), &alone, target);
    }
}

#[test]
fn it_is_a_part_of_the_pages_that_include_it() {
    let nginx = site();
    for target in TARGETS {
        for page in ["/ssi", "/framed"] {
            let request = Request::get(format!("{page}{target}"));
            for_each_wire(|wire| assert_parts(&nginx, &send(&nginx, wire, &request), page, target));
        }
    }
    nginx.finish();
}

/// No byte is left on a connection that goes on, for the next answer to begin with.
#[test]
fn a_connection_serves_on_after_a_page_that_includes_it() {
    let nginx = site();
    for target in TARGETS {
        for page in ["/ssi", "/framed"] {
            let request = Request::get(format!("{page}{target}"));
            let head = Request { method: b"HEAD".to_vec(), ..request.clone() };
            let mut connection = Http1::connect(nginx.port()).expect("nginx accepts");
            for _ in 0..3 {
                let answer = connection.exchange(&request).expect("an answer");
                assert_parts(&nginx, &answer, page, target);
                assert_eq!(connection.exchange(&head).expect("an answer").status, 200);
            }
            for answer in connection.pipeline(&[request.clone(), request.clone()]).expect("answers") {
                assert_parts(&nginx, &answer, page, target);
            }
            let last = Request::get(target).header("Connection", "close");
            assert_is_whole(
                &connection.exchange(&last).expect("an answer").text(),
                &http1::get(nginx.port(), target).text(),
                target,
            );
            assert!(connection.is_closed(), "{page}{target}");
        }
    }
    nginx.finish();
}

/// nginx sends what of the header it may, and comes back for the rest.
#[test]
fn what_can_not_be_sent_at_once_is_sent_later() {
    let nginx = Nginx::builder()
        .http(format!("postpone_output 0; limit_rate 2k; add_header X-Long {};", "x".repeat(3000)))
        .server("location = /stub { stub_status; } location = /status { authgear_status; }")
        .start();
    for target in ["/stub", "/status"] {
        let answer = send(&nginx, Wire::Http1, Request::get(target));
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string()), "{target}");
        assert!(!answer.body.is_empty(), "{target}");
    }
    nginx.finish();
}
