//! Lines of the set-up that the module replaces, which would put something else into its headers.

use super::{LEVELS, assert_advice};

const PROXY: &str = "\"proxy_set_header\" overrides what the resolver says in \"x-authgear-user-id\", which the authgear module";
const RESOLVE: &str = "authgear_resolve http://10.0.0.5;";

/// A server with these lines in a location, the second one of all.
fn in_location(lines: &str) -> String {
    format!(
        "{RESOLVE} server {{ listen 127.0.0.1:1; set $x_authgear_user_id ''; set $x_authgear_user_roles ''; set $roles '';\n location / {{\n {lines} }} }}"
    )
}

#[test]
fn a_line_of_each_module_is_seen() {
    for directive in ["proxy_set_header", "grpc_set_header"] {
        let begin = PROXY.replace("proxy_set_header", directive);
        for value in
            ["$x_authgear_user_id", "${x_authgear_user_id}", "$upstream_http_x_authgear_user_id", "alice"]
        {
            assert_advice(&in_location(&format!("{directive} x-authgear-user-id {value};")), &[(&begin, 2)]);
        }
    }
    for directive in ["fastcgi_param", "uwsgi_param", "scgi_param"] {
        let begin = PROXY
            .replace("proxy_set_header", directive)
            .replace("x-authgear-user-id", "HTTP_X_AUTHGEAR_USER_ID");
        let line = format!("{directive} HTTP_X_AUTHGEAR_USER_ID $x_authgear_user_id;");
        assert_advice(&in_location(&line), &[(&begin, 2)]);
    }
}

#[test]
fn all_headers_of_a_block_are_in_one_line() {
    let lines = in_location(
        "proxy_set_header Host $host; proxy_set_header X-Authgear-User-Id $x_authgear_user_id;
         proxy_set_header x-authgear-xhr 1; proxy_set_header x_authgear_user_roles $x_authgear_user_roles;
         fastcgi_param HTTP_X_AUTHGEAR_USER_ID $x_authgear_user_id;",
    );
    let both = "\"proxy_set_header\" overrides what the resolver says in \"X-Authgear-User-Id\", \"x_authgear_user_roles\", which the authgear module";
    let parameter = "\"fastcgi_param\" overrides what the resolver says in \"HTTP_X_AUTHGEAR_USER_ID\", which the authgear module";
    assert_advice(&lines, &[(both, 2), (parameter, 2)]);
}

#[test]
fn what_is_meant_is_left_alone() {
    for line in [
        "proxy_set_header x-authgear-user-id '';",
        "proxy_set_header x-authgear-user-id $authgear_user_id;",
        "proxy_set_header x-authgear-user-id $http_x_authgear_user_id;",
        "proxy_set_header x-authgear-user-roles $roles;",
        "proxy_set_header x-authgear-xhr 1;",
        "proxy_set_header X-User $x_authgear_user_id;",
        "fastcgi_param X_AUTHGEAR_USER_ID $x_authgear_user_id;",
        "fastcgi_param HTTP_X_AUTHGEAR_USER_ID $authgear_user_id if_not_empty;",
        "authgear_resolve off; proxy_set_header x-authgear-user-id $x_authgear_user_id;",
    ] {
        assert_advice(&in_location(line), &[]);
    }
}

#[test]
fn the_block_that_has_the_lines_is_named_once() {
    let line = "proxy_set_header x-authgear-user-id alice;";
    // A block that resolves and one that doesn't inherit them from around.
    let servers = format!(
        "{RESOLVE}
         server {{ listen 127.0.0.1:1;
             {line} location / {{ location /a/ {{ }} }} location /b/ {{ authgear_resolve off; }} }}
         server {{ listen 127.0.0.1:1; server_name b; }}"
    );
    assert_advice(&servers, &[(PROXY, 2)]);
    let only_below = servers
        .replace(RESOLVE, "")
        .replace("location /a/ {", "location /a/ { authgear_resolve http://10.0.0.5;");
    assert_advice(&only_below, &[(PROXY, 2)]);
    // Lines of a level take the place of all those around.
    let replaced = format!(
        "server {{ listen 127.0.0.1:1; {line}
             location / {{ {RESOLVE} proxy_set_header Host $host; }}
             location /b/ {{ {RESOLVE} grpc_set_header Host $host;
                 location /b/c/ {{
                     {line} }} }} }}"
    );
    assert_advice(&replaced, &[(PROXY, 1), (PROXY, 4)]);
    // In http, which nothing else is around.
    let http = format!("{line} {RESOLVE} {LEVELS}");
    let check = super::Nginx::builder().http(&http).check();
    check.assert_ok();
    super::assert_warned(&check, "http {", &[(PROXY, 1)]);
}

/// The configuration that Authgear's guide gives, with the module put in and nothing taken away.
#[test]
fn the_documented_lines_are_seen() {
    let documented = include_str!("../../../../nginx-conf/auth_request.conf");
    let (_, location) = documented.split_once("location / {").expect("the location");
    let (lines, _) = location.split_once("proxy_pass").expect("what is left over, before the backend");
    let (_, lines) = lines.split_once("auth_request /_auth;").expect("what asked before");
    let http = format!("server {{ listen 127.0.0.1:1;\nlocation / {{ {RESOLVE} {lines} }} }}");
    let begin = "\"proxy_set_header\" overrides what the resolver says in \"x-authgear-session-valid\", \"x-authgear-user-id\", \"x-authgear-user-anonymous\", ";
    assert_advice(&http, &[(begin, 2)]);
}
