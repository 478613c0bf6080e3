//! The manual's pieces of configuration load as they stand.

use crate::harness::Nginx;

const README: &str = include_str!("../../README.md");

/// The code blocks that are nginx's.
fn blocks() -> Vec<&'static str> {
    README.split("```nginx\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn every_piece_of_configuration_in_the_manual_loads() {
    let blocks = blocks();
    assert!(blocks.len() > 4, "{blocks:?}");
    for block in blocks {
        println!("{block}");
        // A whole file brings its own upstream; the harness has the rest of the frame.
        if let Some((_, http)) = block.split_once("http {") {
            let (http, _) = http.rsplit_once('}').unwrap();
            Nginx::builder().http(http.replace("listen 80;", "listen 127.0.0.1:1;")).check().assert_ok();
        } else if block.starts_with("load_module") {
            Nginx::builder().check().assert_ok();
        } else if block.starts_with("log_format") {
            Nginx::builder().http(block).check().assert_ok();
        } else {
            let needs_resolver = if block.contains("authgear_resolve") {
                ""
            } else {
                "authgear_resolve http://10.0.0.5:3001;"
            };
            let server = format!("{needs_resolver}\n{block}");
            Nginx::builder()
                .http("upstream app { server 127.0.0.1:8080; }")
                .server(server)
                .check()
                .assert_ok();
        }
    }
}
