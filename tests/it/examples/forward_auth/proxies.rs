//! Traefik, APISIX and Envoy as their documentation and sources describe them, each with its own file: what they ask of
//! the endpoint, and what they make of the answer. Whoever changes a file sees here what it leads to.

use std::fs;
use std::path::Path;

use yaml_rust2::{Yaml, YamlLoader};

use super::{Endpoint, FOLDER, Fault, Pairs, Request, Response, ask_plain, forged};
use crate::harness::message::{Body, Field};
use crate::stage::identity_among;

/// The address of the client, as the proxy sees it.
const CLIENT: &str = "198.51.100.7";

/// What becomes of a request: an answer for the client, or headers for the backend.
type Outcome = Result<Vec<Field>, Response>;

/// A proxy that asks at a port, as its file says.
type Proxy = fn(&Yaml, u16, &Request) -> Outcome;

/// With its ports for everyone and for users alone.
fn proxies(endpoint: &Endpoint) -> [(&'static str, Proxy, [u16; 2]); 3] {
    let ports = [endpoint.everyone, endpoint.users];
    [
        ("traefik.yml", traefik, ports),
        ("apisix.yml", apisix, ports),
        ("envoy.yml", envoy, [endpoint.envoy; 2]),
    ]
}

fn read(name: &str) -> Yaml {
    let text = fs::read_to_string(Path::new(FOLDER).join("forward-auth").join(name)).expect("a file");
    let mut documents = YamlLoader::load_from_str(&text).expect("YAML");
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

/// What is at a path of keys and indices.
fn at<'a>(value: &'a Yaml, path: &str) -> &'a Yaml {
    path.split('/').fold(value, |value, step| match step.parse::<usize>() {
        Ok(index) => &value[index],
        Err(_) => &value[step],
    })
}

/// Each path has this word, number or truth.
#[track_caller]
fn assert_has(value: &Yaml, expected: &[(&str, &str)]) {
    for (path, word) in expected {
        let got = match at(value, path) {
            Yaml::String(text) | Yaml::Real(text) => text.clone(),
            Yaml::Integer(number) => number.to_string(),
            Yaml::Boolean(truth) => truth.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(got, *word, "{path}");
    }
}

fn list(value: &Yaml) -> Vec<String> {
    let words = value.as_vec().expect("a list").iter().map(|word| word.as_str().expect("a word"));
    words.map(str::to_lowercase).collect()
}

fn name(field: &Field) -> String {
    String::from_utf8_lossy(&field.0).to_lowercase()
}

/// The headers of these names.
fn only(headers: &[Field], names: &[String]) -> Vec<Field> {
    headers.iter().filter(|field| names.contains(&name(field))).cloned().collect()
}

/// The headers of an answer whose names are like that.
fn taken(answer: &Response, is_taken: impl Fn(&str) -> bool) -> Vec<Field> {
    let fields = answer.headers.iter().filter(|(name, _)| is_taken(&name.to_lowercase()));
    fields.map(|(name, value)| (name.clone().into_bytes(), value.clone())).collect()
}

/// What all of them say of the request, apart from its headers.
fn with_forwarded(request: Request, client: &Request) -> Request {
    let request = request.header("X-Forwarded-Method", &client.method).header("X-Forwarded-Proto", "https");
    let request = request.header("X-Forwarded-Host", client.host.as_deref().unwrap_or_default());
    request.header("X-Forwarded-Uri", &client.target).header("X-Forwarded-For", CLIENT)
}

/// Headers whose names match are removed, those of the answer are added. It goes by 2xx.
fn traefik(config: &Yaml, port: u16, client: &Request) -> Outcome {
    let auth = at(config, "http/middlewares/authgear/forwardAuth");
    assert_eq!(list(at(config, "http/routers/www/middlewares")), ["authgear"]);
    assert_has(
        auth,
        &[
            ("address", "http://127.0.0.1:9000/"),
            ("trustForwardHeader", "false"),
            ("authResponseHeadersRegex", "(?i)authgear"),
        ],
    );
    let matches = |name: &str| name.contains("authgear");
    let mut request = Request::get("/").host("127.0.0.1:9000");
    request.headers = only(&client.headers, &list(&auth["authRequestHeaders"]));
    let answer = ask_plain(port, &with_forwarded(request, client));
    if !(200..300).contains(&answer.status) {
        return Err(answer);
    }
    let mut headers = client.headers.clone();
    headers.retain(|field| !matches(&name(field)));
    headers.extend(taken(&answer, matches));
    Ok(headers)
}

/// Headers of the listed names are replaced, also by nothing. Names that nginx calls invalid never come in, with
/// underscores_in_headers off. It goes by less than 300, and the client gets the listed headers of any other answer.
fn apisix(config: &Yaml, port: u16, client: &Request) -> Outcome {
    let auth = at(config, "routes/0/plugins/forward-auth");
    // Longer than authgear_timeout, which is 3s.
    assert_has(auth, &[("uri", "http://127.0.0.1:9000/"), ("timeout", "4000"), ("status_on_error", "502")]);
    let is_valid = |field: &Field| field.0.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-');
    let mut headers: Vec<Field> = client.headers.iter().filter(|field| is_valid(field)).cloned().collect();
    let mut request = Request::get("/").host("127.0.0.1:9000");
    request.headers = only(&headers, &list(&auth["request_headers"]));
    let mut answer = ask_plain(port, &with_forwarded(request, client));
    if answer.status >= 300 {
        let passed = list(&auth["client_headers"]);
        answer.headers.retain(|(name, _)| passed.contains(&name.to_lowercase()));
        return Err(answer);
    }
    let replaced = list(&auth["upstream_headers"]);
    headers.retain(|field| !replaced.contains(&name(field)));
    headers.extend(taken(&answer, |name| replaced.iter().any(|listed| listed == name)));
    Ok(headers)
}

/// Headers are removed before all else. The request has the client's method, path and host. It goes by 200, and a 5xx
/// is an error.
fn envoy(config: &Yaml, port: u16, client: &Request) -> Outcome {
    let authz = checked_envoy(config);
    let mut headers = client.headers.clone();
    headers.retain(|field| !name(field).contains("authgear"));
    // By use_remote_address, and by the client that asks.
    headers.retain(|field| name(field) != "x-forwarded-for");
    headers.push((b"x-forwarded-for".to_vec(), format!("203.0.113.9, {CLIENT}, 127.0.0.1").into_bytes()));

    let patterns = at(authz, "allowed_headers/patterns").as_vec().expect("patterns").iter();
    let allowed = patterns.filter_map(|pattern| pattern["exact"].as_str()).chain(["authorization"]);
    let allowed: Vec<String> = allowed.map(str::to_owned).collect();
    let request = Request { body: Body::None, headers: only(&headers, &allowed), ..client.clone() };
    let mut answer = ask_plain(port, &request.header("Content-Length", "0"));
    if answer.status >= 500 {
        answer.status = 502;
    }
    if answer.status != 200 {
        return Err(answer);
    }
    let added = taken(&answer, |name| name.starts_with("x-authgear-"));
    headers.retain(|field| !added.iter().any(|add| name(add) == name(field)));
    headers.extend(added);
    Ok(headers)
}

/// The part of the filter that asks. All that the imitation takes for granted is there.
fn checked_envoy(config: &Yaml) -> &Yaml {
    let listener = at(config, "static_resources/listeners/0/filter_chains/0/filters/0/typed_config");
    let removal = "early_header_mutation_extensions/0/typed_config/mutations/0/remove_on_match/key_matcher";
    let headers = "http_service/authorization_response/allowed_upstream_headers/patterns/0/prefix";
    let address = "load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    assert_has(
        listener,
        &[
            ("use_remote_address", "true"),
            (&format!("{removal}/contains"), "authgear"),
            (&format!("{removal}/ignore_case"), "true"),
            ("http_filters/0/name", "envoy.filters.http.ext_authz"),
            ("http_filters/1/name", "envoy.filters.http.router"),
        ],
    );
    let authz = at(listener, "http_filters/0/typed_config");
    assert_has(
        authz,
        &[
            ("failure_mode_allow", "false"),
            ("status_on_error/code", "BadGateway"),
            ("http_service/path_prefix", "BadValue"),
            ("http_service/server_uri/cluster", "authgear"),
            // Longer than authgear_timeout, which is 3s.
            ("http_service/server_uri/timeout", "4s"),
            (headers, "x-authgear-"),
        ],
    );
    let cluster = at(config, "static_resources/clusters/0");
    assert_has(cluster, &[("name", "authgear"), (&format!("{address}/port_value"), "9002")]);
    authz
}

/// The identity that a careless backend would read.
fn identity_at_backend(outcome: Outcome) -> Pairs {
    identity_among(&outcome.expect("it passes"))
}

#[test]
fn backends_get_the_true_identity_from_each_proxy() {
    let endpoint = Endpoint::start();
    for (file, proxy, [everyone, _]) in proxies(&endpoint) {
        let config = read(file);
        for (who, request, expected) in endpoint.cases() {
            for method in ["GET", "POST"] {
                let request = Request { method: method.into(), target: "/a?b=c".into(), ..request.clone() };
                let request =
                    forged(request.header("X-Forwarded-For", "203.0.113.9")).host("www.example.com");
                let got = identity_at_backend(proxy(&config, everyone, &request));
                assert_eq!(got, expected, "{file}, {who}");
            }
        }
        // By each of them Authgear hears of the client.
        let fresh = endpoint.stage.unique().header("User-Agent", "a browser");
        proxy(&config, everyone, &fresh).expect("it passes");
        let call = endpoint.stage.resolver.last_call().expect("it was asked");
        assert_eq!(
            (call.text("x-forwarded-for"), call.text("user-agent")),
            (Some(CLIENT), Some("a browser")),
            "{file}"
        );
    }
    endpoint.nginx.finish();
}

#[test]
fn clients_get_refusals_and_failures_from_each_proxy() {
    let endpoint = Endpoint::with("authgear_require valid;");
    for (file, proxy, [everyone, users]) in proxies(&endpoint) {
        let config = read(file);
        let refusal =
            |port: u16, request: Request| proxy(&config, port, &forged(request)).expect_err("it is refused");
        for (challenge, request) in
            [("authgear\"", Request::get("/")), ("invalid_token\"", super::with_bearer("bad"))]
        {
            let answer = refusal(users, request);
            assert_eq!(answer.status, 401, "{file}");
            assert!(
                answer.header("www-authenticate").is_some_and(|c| c.ends_with(challenge)),
                "{file}: {answer:?}"
            );
        }
        // None of these leads around what is required.
        for target in ["/../", "/..%2f", "//", "/%2e%2e/", "/a/../../b"] {
            let status = refusal(users, Request::get(target)).status;
            assert!([400, 401].contains(&status), "{file}: {target}: {status}");
        }
        endpoint.stage.resolver.set_fault(Some(Fault::Status(503)));
        assert_eq!(refusal(everyone, endpoint.stage.unique()).status, 502, "{file}");
        endpoint.stage.resolver.clear_faults();
    }
    endpoint.nginx.finish();
}

/// The lists of headers are nginx.conf's, and that one's are those of the manual.
#[test]
fn every_file_passes_all_headers_of_the_manual() {
    let manual = include_str!("../../../../README.md");
    let (_, table) = manual.split_once("Of the answer; an empty string").expect("the table");
    let (table, _) = table.split_once("authgear_header_NAME").expect("its end");
    let variables = table.split("| `$authgear_").skip(1).filter_map(|rest| rest.split('`').next());
    let mut headers: Vec<String> =
        variables.map(|name| format!("x-authgear-{}", name.replace('_', "-"))).collect();
    headers.sort();
    assert_eq!(headers.len(), 9);
    for file in ["nginx.conf", "apisix.yml", "Caddyfile"] {
        let text = fs::read_to_string(Path::new(FOLDER).join("forward-auth").join(file)).expect("a file");
        let text = text.to_lowercase();
        let words = text.split(|c: char| c.is_whitespace() || "{}\"`".contains(c));
        let words = words.map(|word| word.trim_start_matches("rp.header.").trim_end_matches(['.', ',']));
        let mut listed: Vec<&str> = words.filter(|word| word.starts_with("x-authgear-")).collect();
        listed.sort_unstable();
        listed.dedup();
        // "x-authgear-..." in a comment.
        listed.retain(|word| *word != "x-authgear-");
        assert_eq!(listed, headers, "{file}");
    }
}
