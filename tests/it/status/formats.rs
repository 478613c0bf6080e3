//! What each format is sent as.

use serde_json::Value;

use super::super::harness::{Nginx, Request, Response, Wire, for_each_wire, free_port, http1, send};
use super::PLACES;

fn header(response: &Response, name: &str) -> String {
    assert!(response.all(name).len() <= 1, "{name}: {response:?}");
    response.header(name).unwrap_or_default()
}

#[test]
fn every_format_says_what_it_is_and_is_kept_by_nobody() {
    let nginx = Nginx::builder().server(PLACES).start();
    for_each_wire(|wire| {
        for (target, kind, has_policy) in [
            ("/status", "application/json", false),
            ("/metrics", "text/plain; version=0.0.4; charset=utf-8", false),
            ("/page", "text/html; charset=utf-8", true),
            ("/page?json", "application/json", false),
        ] {
            let head = Request { method: b"HEAD".to_vec(), ..Request::get(target) };
            for request in [Request::get(target), head] {
                let response = send(&nginx, wire, request);
                assert_eq!((response.status, header(&response, "content-type").as_str()), (200, kind));
                assert_eq!(header(&response, "cache-control"), "no-store");
                assert_eq!(header(&response, "x-content-type-options"), "nosniff");
                let policy = header(&response, "content-security-policy");
                assert_eq!(
                    policy.starts_with("default-src 'none'; script-src 'sha256-"),
                    has_policy,
                    "{policy}"
                );
                assert!(!policy.contains("unsafe"), "{policy}");
            }
        }
    });
    nginx.finish();
}

#[test]
fn a_page_gives_its_numbers_by_a_query_and_no_other() {
    let nginx = Nginx::builder().server(PLACES).start();
    let is_json =
        |target: &str| serde_json::from_str::<Value>(&http1::get(nginx.port(), target).text()).is_ok();
    assert!(is_json("/page?json"));
    for target in ["/page", "/page?", "/page?json=1", "/page?JSON", "/page?a&json", "/page?%6ason"] {
        assert!(!is_json(target), "{target}");
    }
    // Nor do the other formats become anything else.
    assert!(is_json("/status?html") && !is_json("/metrics?json"));
    nginx.finish();
}

#[test]
fn nginxs_own_filters_take_the_page_for_what_it_is() {
    let nginx = Nginx::builder()
        .http("gzip on; charset koi8-r; charset_types text/html application/json text/plain; expires 1h;")
        .server(PLACES)
        .start();
    let response = send(&nginx, Wire::Http1, Request::get("/page").header("Accept-Encoding", "gzip"));
    assert_eq!(header(&response, "content-encoding"), "gzip");
    assert_eq!(header(&response, "content-type"), "text/html; charset=utf-8");
    // Of two the stricter counts.
    assert!(response.all("cache-control").iter().any(|value| value == "no-store"), "{response:?}");
    nginx.finish();
}

#[test]
fn the_server_of_the_manual_tells_all() {
    let manual = include_str!("../../../docs/monitoring.md");
    let (_, rest) = manual.split_once("```nginx\n").expect("a configuration");
    let (server, rest) = rest.split_once("```").expect("its end");
    let port = free_port();
    let nginx = Nginx::builder().http(server.replace("8090", &port.to_string())).start();
    assert!(http1::get(port, "/authgear_status").text().starts_with("<!DOCTYPE html>"));
    // Prometheus is told of what is there.
    let (_, path) = rest.split_once("metrics_path: ").expect("a path for Prometheus");
    let metrics = http1::get(port, path.lines().next().expect("it"));
    assert!(metrics.text().contains("\nnginx_authgear_info{version="), "{metrics:?}");
    assert!(rest.contains("127.0.0.1:8090"));
    nginx.finish();
}

#[test]
fn a_policy_of_the_site_is_sent_beside_the_pages_unless_the_location_has_headers_of_its_own() {
    let location = "authgear_resolve off; authgear_status html;";
    let nginx = Nginx::builder()
        .server(format!(
            "add_header Content-Security-Policy \"default-src 'self'\";
             location = /both {{ {location} }}
             location = /own {{ {location} add_header X-Robots-Tag none; }}"
        ))
        .start();
    let policies = |target: &str| http1::get(nginx.port(), target).all("content-security-policy").len();
    assert_eq!((policies("/both"), policies("/own")), (2, 1));
    nginx.finish();
}
