//! docs/migration.md: the configurations that it gives do what it says.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::documents::piece;
use crate::harness::{
    Builder, EchoReply, Http1, Nginx, PATIENCE, Request, Response, Wire, burst, documented_auth_request,
    for_each_wire, free_port, poll, send,
};
use crate::stage::{Stage, with_bearer};
use crate::standin::{Call, Fault, Kind, Resolver};

const GUIDE: &str = "docs/migration.md";

/// A site of the guide's, on ports of its own.
struct Site {
    stage: Stage,
    nginx: Nginx,
    port: u16,
}

impl Site {
    /// The piece with this text.
    fn of_guide(text: &str) -> Self {
        let (stage, port) = (Stage::start(), free_port());
        let mut piece = piece(GUIDE, text)
            .replace("https://myapp.authgear.cloud", &stage.resolver.url())
            .replace("http://app", &format!("http://{}", stage.echo.addr()))
            .replace("listen 80;", &format!("listen 127.0.0.1:{port};"));
        if piece.text.contains("127.0.0.1:8081") {
            piece = piece.replace("127.0.0.1:8081", &format!("127.0.0.1:{}", free_port()));
        }
        Self { stage, nginx: piece.builder().start(), port }
    }

    fn ask(&self, request: &Request) -> Response {
        Http1::connect(self.port).and_then(|mut connection| connection.exchange(request)).expect("an answer")
    }

    fn log(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.nginx.prefix().join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The lines of a log, once there are as many: nginx writes one after its answer.
    #[track_caller]
    fn lines(&self, name: &str, count: usize) -> Vec<String> {
        let lines = poll(PATIENCE, || Some(self.log(name)).filter(|lines| lines.len() >= count));
        let lines = lines.unwrap_or_else(|| panic!("{count} lines in {name}: {:?}", self.log(name)));
        assert_eq!(lines.len(), count, "{lines:?}");
        lines
    }
}

/// `before="..."` and `now="..."` of a line.
fn results(line: &str) -> [&str; 2] {
    ["before=\"", "now=\""].map(|start| {
        let (_, rest) = line.split_once(start).expect("the result");
        rest.split('"').next().unwrap_or_default()
    })
}

/// Everybody there is, with each kind of credential, good and bad; and what both logs should say of each.
fn everybody(stage: &Stage) -> Vec<(Request, String)> {
    let accounts = stage.accounts();
    let mut all = vec![(Request::get("/"), "- -".to_owned())];
    for name in accounts.names() {
        let user = accounts.user(&name);
        let expected = if user.disabled { "false -".to_owned() } else { format!("true {}", user.id) };
        for kind in Kind::ALL {
            let (header, value) = accounts.login(&name).header(kind, "");
            all.push((Request::get("/").header(header, value), expected.clone()));
        }
    }
    all.push((with_bearer("bad"), "- -".into()));
    all.push((Request::get("/").header("Cookie", "session=bad"), "false -".into()));
    all.push((Request::get("/").header("Cookie", "app_session=bad"), "- -".into()));
    all
}

/// nginx writes `-` for an empty variable.
fn shown(result: &str) -> String {
    let (valid, id) = result.split_once(' ').expect("two words");
    let dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    format!("{} {}", dash(valid), dash(id))
}

#[test]
fn both_in_one_location_log_the_same_for_everybody() {
    let site = Site::of_guide("$differs");
    let everybody = everybody(&site.stage);
    for (request, _) in &everybody {
        assert_eq!(site.ask(request).status, 200);
    }
    let lines = site.lines("compare.log", everybody.len());
    for (line, (_, expected)) in lines.iter().zip(&everybody) {
        let [before, now] = results(line).map(shown);
        assert_eq!((&before, &now), (expected, expected), "{line}");
    }
    assert_eq!(site.log("differences.log"), [""; 0]);
    site.nginx.finish();
}

/// Of the two calls the module's is the one with the origin.
fn is_module_s(call: &Call) -> bool {
    call.header("x-forwarded-host").is_some()
}

#[test]
fn a_difference_is_logged_and_the_backend_gets_what_it_got_before() {
    let site = Site::of_guide("$differs");
    let bob = site.stage.accounts().user("bob").id;
    let other = vec![("X-Authgear-User-Id".to_owned(), bob.clone())];
    site.stage.resolver.set_rule(move |call| is_module_s(call).then(|| Fault::Headers(other.clone())));
    let response = site.ask(&site.stage.unique());
    site.stage.assert_is("alice", &response);
    assert_eq!(EchoReply::of(&response).header("x-authgear-user-roles"), None);
    let alice = site.stage.accounts().user("alice").id;
    let lines = site.lines("differences.log", 1);
    assert_eq!(results(&lines[0]), [format!("true {alice}"), format!("true {bob}")]);
    // Only one of them is a session.
    site.stage.resolver.set_rule(|call| is_module_s(call).then(|| Fault::ReplaceHeaders(Vec::new())));
    site.stage.assert_is("alice", &site.ask(&site.stage.unique()));
    let lines = site.lines("differences.log", 2);
    assert_eq!(results(&lines[1]).map(shown), [format!("true {alice}"), "- -".into()]);
    site.nginx.finish();
}

#[test]
fn a_failure_of_the_module_s_call_changes_nothing_for_the_client() {
    let site = Site::of_guide("$differs");
    for fault in [Fault::Status(500), Fault::CloseBeforeAnswer, Fault::Garbage(b"x".to_vec())] {
        site.stage.resolver.set_rule(move |call| is_module_s(call).then(|| fault.clone()));
        site.stage.assert_is("alice", &site.ask(&site.stage.unique()));
    }
    assert!(site.lines("differences.log", 3).iter().all(|line| line.contains("now=\"- -\"")));
    site.nginx.finish();
}

#[test]
fn a_copy_of_each_request_is_resolved_beside_it() {
    let site = Site::of_guide("mirror ");
    let everybody = everybody(&site.stage);
    for (count, (request, expected)) in everybody.iter().enumerate() {
        let request = Request { method: "POST".into(), ..request.clone() }.body("a body");
        let request = request.header("Compare-User-Id", "forged").header("X-Authgear-User-Id", "forged");
        let response = site.ask(&request);
        assert_eq!(EchoReply::of(&response).body_length, 6);
        let lines = site.lines("compare.log", count + 1);
        assert_eq!(results(&lines[count]).map(shown), [expected.clone(), expected.clone()]);
    }
    assert_eq!(site.stage.echo.requests().len(), everybody.len(), "the backend gets no copies");
    site.nginx.finish();
}

#[test]
fn a_request_that_is_refused_is_not_copied() {
    let site = Site::of_guide("mirror ");
    for (fault, status) in [(Some(Fault::Status(403)), 403), (Some(Fault::Status(500)), 500), (None, 200)] {
        site.stage.resolver.set_rule(move |call| fault.clone().filter(|_| !is_module_s(call)));
        assert_eq!(site.ask(&site.stage.unique()).status, status);
    }
    // The last one's.
    let lines = site.lines("compare.log", 1);
    assert!(results(&lines[0])[1].starts_with("true "), "{lines:?}");
    assert_eq!(site.stage.resolver.call_count(), 4);
    site.nginx.finish();
}

#[test]
fn the_answer_doesn_t_wait_for_the_copy_and_the_next_request_does() {
    let site = Site::of_guide("mirror ");
    site.stage.resolver.set_rule(|call| is_module_s(call).then_some(Fault::Gate));
    let mut connection = Http1::connect(site.port).expect("nginx accepts");
    site.stage.assert_is("alice", &connection.exchange(&site.stage.unique()).expect("an answer"));
    assert!(site.stage.resolver.wait_for_gate(1, PATIENCE));
    connection.send(&Request::get("/next")).expect("sent");
    connection.set_timeout(Duration::from_millis(300));
    connection.receive(b"GET").expect_err("the copy isn't done with");
    assert_eq!(site.stage.echo.requests().len(), 1);
    site.stage.resolver.clear_faults();
    connection.set_timeout(PATIENCE);
    assert_eq!(connection.receive(b"GET").expect("an answer").status, 200);
    drop(connection);
    site.nginx.finish();
}

/// The guide's table: names of before, and names of now.
fn variables() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(GUIDE);
    let text = fs::read_to_string(path).expect("the guide");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `$x_authgear_")?.strip_suffix("` |"));
    rows.map(|row| row.split_once("` | `$authgear_").expect("two names"))
        .map(|(before, now)| (format!("x_authgear_{before}"), format!("authgear_{now}")))
        .collect()
}

#[test]
fn the_variables_have_the_values_that_auth_request_set_had() {
    let stage = Stage::start();
    let documented = documented_auth_request(stage.resolver.url(), stage.echo.addr());
    let names = variables();
    assert_eq!(names.len(), crate::harness::documented::LISTED.len());
    let told: String = names
        .iter()
        .map(|(before, now)| {
            format!("add_header before-{before} <${before}> always; add_header now-{before} <${now}> always;")
        })
        .collect();
    let resolve = format!("location / {{\n{}\n{told}", stage.resolve());
    let nginx = Nginx::builder().server(documented.server.replacen("location / {", &resolve, 1)).start();
    let mut values = 0;
    for (request, _) in everybody(&stage) {
        let response = send(&nginx, Wire::Http1, &request);
        for (name, _) in &names {
            let [before, now] =
                ["before", "now"].map(|of| response.header(&format!("{of}-{name}")).expect("a header"));
            assert_eq!(now, before, "{name} for {request:?}");
            values += usize::from(before != "<>");
        }
    }
    assert!(values > 50, "{values}");
    nginx.finish();
}

/// Whether it follows from what is written, or from what is not.
#[test]
fn a_line_that_is_left_takes_its_header_away() {
    let stage = Stage::start();
    let (resolve, pass) = (stage.resolve(), stage.pass());
    let left = "auth_request_set $x_authgear_user_id $upstream_http_x_authgear_user_id;
                proxy_set_header x-authgear-user-id $x_authgear_user_id;";
    let nginx = Nginx::builder()
        .server(format!("{resolve} location / {{ {pass} }} location /left {{ {left} {pass} }}"))
        .start();
    for_each_wire(|wire| {
        for (target, expected) in [("/", Some(stage.accounts().user("alice").id)), ("/left", None)] {
            let request = Request { target: target.into(), ..stage.unique() };
            let reply = EchoReply::of(&send(&nginx, wire, request));
            assert_eq!(reply.header("x-authgear-user-id").map(str::to_owned), expected, "{target}");
            assert_eq!(reply.header("x-authgear-session-valid"), Some("true"));
        }
    });
    nginx.finish();
}

#[test]
fn under_satisfy_any_a_requirement_lets_in_and_resolving_alone_does_not() {
    let stage = Stage::start();
    let (resolve, pass) = (stage.resolve(), stage.pass());
    let nginx = Nginx::builder()
        .server(format!(
            "satisfy any; deny all; {resolve} location /resolved {{ {pass} }}
             location /required {{ authgear_require valid; {pass} }}"
        ))
        .start();
    for_each_wire(|wire| {
        for (target, alice, stranger) in [("/resolved", 403, 403), ("/required", 200, 401)] {
            let to = |request: Request| Request { target: target.into(), ..request };
            assert_eq!(send(&nginx, wire, to(stage.unique())).status, alice, "{target}");
            assert_eq!(send(&nginx, wire, to(Request::get("/"))).status, stranger, "{target}");
        }
    });
    nginx.finish();
}

/// The set-up of the guide that is replaced, beside a location that is switched.
#[test]
fn locations_can_be_switched_one_by_one() {
    let stage = Stage::start();
    let documented = documented_auth_request(stage.resolver.url(), stage.echo.addr());
    let nginx = Nginx::builder()
        .server(documented.server)
        .server(format!("location /switched {{ {} {} }}", stage.resolve(), stage.pass()))
        .start();
    for_each_wire(|wire| {
        for (target, is_module) in [("/", false), ("/switched", true)] {
            let request = Request { target: target.into(), ..stage.unique() };
            stage.assert_is("alice", &send(&nginx, wire, request));
            assert_eq!(stage.resolver.last_call().as_ref().is_some_and(is_module_s), is_module, "{target}");
        }
    });
    nginx.finish();
}

#[test]
fn a_reload_goes_to_the_module_and_back_and_loses_no_request() {
    let stage = Stage::with(Resolver::builder().keep_calls(20).start());
    let before = || documented_auth_request(stage.resolver.url(), stage.echo.addr()).builder().workers(2);
    let now = || stage.site().workers(2);
    let steps: [(&dyn Fn() -> Builder, bool); 5] = [
        (&now, true),
        // With the line that loads the module, and without it.
        (&|| before().module(true), false),
        (&now, true),
        (&before, false),
        (&now, true),
    ];
    let nginx = before().start();
    std::thread::scope(|scope| {
        let requests = scope.spawn(|| burst(&nginx, Wire::Http1, 3000, 4, |_| stage.unique()));
        for (builder, is_module) in steps {
            nginx.reload_with(|_| builder());
            nginx.wait_for_old_workers();
            let calls = || {
                stage.assert_is("alice", &send(&nginx, Wire::Http1, stage.unique()));
                let last = stage.resolver.calls();
                last.iter().all(|call| is_module_s(call) == is_module).then_some(())
            };
            assert!(poll(PATIENCE, calls).is_some(), "it isn't in effect: {is_module}");
        }
        for response in requests.join().expect("the clients end") {
            stage.assert_is("alice", &response.expect("an answer"));
        }
    });
    nginx.finish();
}
