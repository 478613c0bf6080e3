//! The configurations in nginx-conf: each one is loaded as it stands, but for names and places of the machine, and most
//! are run.

mod forward_auth;
mod login_redirect;
mod optional_login;
mod self_hosted;
mod several_apps;
mod single_page_app;
mod websocket;

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::{
    EchoReply, Http1, Http2, Nginx, PATIENCE, Request, Response, Tls, free_port, poll, process,
};
use crate::stage::{Pairs, Stage, identity_told, with_bearer};
use crate::standin::{Fault, Kind, Pki, Resolver, echo};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/nginx-conf");

/// An example, with what this machine has in the place of what the example's has.
struct Example {
    text: String,
    folder: tempfile::TempDir,
}

impl Example {
    fn read(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = fs::read_to_string(Path::new(FOLDER).join(name)).expect("an example");
        Pki::shared().write(folder.path()).expect("the folder is writable");
        // What fastcgi_params has that matters to the echo.
        let parameters =
            "fastcgi_param REQUEST_METHOD $request_method;\nfastcgi_param REQUEST_URI $request_uri;\n";
        fs::write(folder.path().join("fastcgi_params"), parameters).expect("the folder is writable");
        let mut example = Self { text, folder };
        let place = example.folder.path().display().to_string();
        let files: Vec<String> = example.words_with("/etc/nginx/tls/");
        for file in files {
            let kind = if file.ends_with(".key") { "key" } else { "pem" };
            example.put(&file, &format!("{place}/good.{kind}"));
        }
        example.put("/var/log/nginx/", &format!("{place}/"));
        example.put("/var/cache/nginx/", &format!("{place}/"));
        example.put("/srv/www", &place);
        example.put("include       fastcgi_params", &format!("include {place}/fastcgi_params"));
        example
    }

    fn words_with(&self, start: &str) -> Vec<String> {
        let words = self.text.split([' ', ';', '\n']).filter(|word| word.starts_with(start));
        words.map(str::to_owned).collect()
    }

    fn put(&mut self, from: &str, to: &str) {
        self.text = self.text.replace(from, to);
    }

    /// Text that must be there.
    #[track_caller]
    fn replace(mut self, from: &str, to: &str) -> Self {
        assert!(self.text.contains(from), "no {from:?} in\n{}", self.text);
        self.put(from, to);
        self
    }

    fn at(self, resolver: &Resolver) -> Self {
        self.replace("https://myapp.authgear.cloud", &resolver.url())
    }

    /// `nginx -t` on the whole file. Hosts have to be known to it, and folders writable.
    #[track_caller]
    fn assert_loads(mut self) {
        let module = std::env::var_os("AUTHGEAR_MODULE").map(PathBuf::from).expect("AUTHGEAR_MODULE is set");
        let module = module.canonicalize().expect("AUTHGEAR_MODULE names the module");
        self.put("modules/ngx_http_authgear_module.so", &module.display().to_string());
        self.put("proxy_pass              https://myapp.authgear.cloud", "proxy_pass https://127.0.0.1");
        self.listen(free_port(), free_port());
        for port in ["127.0.0.1:9000", "127.0.0.1:9001", "127.0.0.1:9002"] {
            self.put(port, &format!("127.0.0.1:{}", free_port()));
        }
        let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let folders = folders.map(|kind| format!("{kind}_temp_path {kind};")).concat();
        self.put("http {", &format!("http {{ access_log off; {folders}"));
        let path = self.folder.path().join("nginx.conf");
        fs::write(&path, &self.text).expect("the folder is writable");
        let mut command = process::nginx_command();
        command.arg("-t").arg("-p").arg(self.folder.path()).arg("-c").arg(&path);
        command.arg("-e").arg(self.folder.path().join("startup.log"));
        command.args(["-g", "pid nginx.pid;"]);
        let output = command.output().expect("nginx can be run");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        assert!(
            !stderr.contains("authgear_") && !stderr.contains("_set_header"),
            "there is advice: {stderr}"
        );
    }

    /// Has these ports in the place of 80 and 443.
    fn listen(&mut self, http: u16, https: u16) {
        let changed = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["listen", "80;"] => format!("listen 127.0.0.1:{http};"),
                ["listen", "443", ..] => line.replace("443", &format!("127.0.0.1:{https}")),
                _ => line.to_owned(),
            }
        };
        let lines: Vec<String> = self.text.lines().map(changed).collect();
        let elsewhere = self.text.contains("listen 127.0.0.1:");
        assert!(elsewhere || lines.join("\n") + "\n" != self.text, "nothing listens");
        self.text = lines.join("\n") + "\n";
    }

    /// What is in `http`, in the harness's frame.
    fn start(&mut self, http: u16, https: u16) -> Nginx {
        self.listen(http, https);
        let (_, body) = self.text.split_once("http {").expect("a block http");
        let (body, _) = body.rsplit_once('}').expect("the end of it");
        Nginx::builder().http(body).start()
    }
}

/// One request to a server of an example, over TLS.
fn ask(port: u16, request: &Request) -> Response {
    ask_at(port, "www.example.com", request)
}

/// The same of the server of that name.
fn ask_at(port: u16, name: &str, request: &Request) -> Response {
    let connection = Http1::connect_tls(port, &Tls::default().name(name));
    let request = request.clone().host(name);
    connection.and_then(|mut connection| connection.exchange(&request)).expect("an answer")
}

/// One request to a server of an example, without TLS.
fn ask_plain(port: u16, request: &Request) -> Response {
    Http1::connect(port).and_then(|mut connection| connection.exchange(request)).expect("an answer")
}

/// The names of the files below nginx-conf, in order.
fn files(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).expect("nginx-conf is there").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            names.extend(files(&entry.path()).into_iter().map(|file| format!("{name}/{file}")));
        } else {
            names.push(name);
        }
    }
    names.sort();
    names
}

#[test]
fn every_example_loads() {
    let mut names = files(Path::new(FOLDER));
    names.retain(|name| name.ends_with(".conf"));
    let expected = [
        "auth_request.conf",
        "drop-in.conf",
        "forward-auth/nginx.conf",
        "grpc.conf",
        "login-redirect.conf",
        "minimal.conf",
        "optional-login.conf",
        "php-fastcgi.conf",
        "self-hosted.conf",
        "several-apps.conf",
        "single-page-app.conf",
        "websocket.conf",
    ];
    assert_eq!(names, expected);
    for name in names {
        println!("{name}");
        Example::read(&name).assert_loads();
    }
}

#[test]
fn the_index_has_a_line_for_each_file() {
    let index = fs::read_to_string(Path::new(FOLDER).join("README.md")).expect("an index");
    for name in files(Path::new(FOLDER)).iter().filter(|name| *name != "README.md") {
        let lines = index.lines().filter(|line| line.contains(&format!("]({name})"))).count();
        assert_eq!(lines, 1, "{name} in nginx-conf/README.md");
    }
    for link in index.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(Path::new(FOLDER).join(link).exists(), "nginx-conf/README.md links to {link}");
    }
}

#[test]
fn the_drop_in_gives_what_it_replaces() {
    let stage = Stage::start();
    let (documented_port, port) = (free_port(), free_port());
    let run = |name: &str, port: u16| {
        let example = Example::read(name).at(&stage.resolver);
        let mut example = example.replace("127.0.0.1:8080", &stage.echo.addr().to_string());
        let nginx = example.start(free_port(), port);
        (example, nginx)
    };
    let (_files, documented) = run("auth_request.conf", documented_port);
    let (files, module) = run("drop-in.conf", port);
    let accounts = stage.accounts();
    let bad = Request::get("/").header("Cookie", "session=bad");
    for request in [
        Request::get("/"),
        stage.alice(),
        stage.request_of("norole", Kind::Bearer),
        with_bearer("bad"),
        Request::get("/").header("Cookie", format!("session={}", accounts.login("bob").session)),
        bad.clone(),
    ] {
        let [expected, got] = [documented_port, port].map(|port| compared(&ask(port, &request)));
        assert_eq!(got, expected, "{request:?}");
    }
    // What the drop-in has besides: roles, the clearing of a dead cookie, and a log that tells.
    let alice = EchoReply::of(&ask(port, &stage.alice()));
    assert_eq!(alice.header("x-authgear-user-roles"), Some("admin,editor"));
    // The answer to the first bad one is kept by now, and a cookie that it clears is not for others.
    let dead = Request::get("/").header("Cookie", "session=dead");
    assert!(ask(port, &dead).header("set-cookie").is_some_and(|cookie| cookie.starts_with("session=;")));
    assert_eq!(ask(port, &bad).header("set-cookie"), None);
    let id = accounts.user("alice").id;
    let expected = format!("user={id} result=valid reason=resolved cache=MISS credential=bearer time=");
    let log = || fs::read_to_string(files.folder.path().join("www.example.com.log")).unwrap_or_default();
    assert!(poll(PATIENCE, || log().contains(&expected).then_some(())).is_some(), "{}", log());
    documented.finish();
    module.finish();
}

/// The identity headers but for empty ones and roles.
fn compared(response: &Response) -> Pairs {
    let mut identity = identity_told(response);
    identity.retain(|(name, value)| name != "x-authgear-user-roles" && !value.is_empty());
    identity
}

#[test]
fn assets_of_the_drop_in_cost_no_call() {
    let stage = Stage::start();
    let port = free_port();
    let mut example = Example::read("drop-in.conf").at(&stage.resolver);
    let nginx = example.start(free_port(), port);
    let assets = example.folder.path().join("assets");
    fs::create_dir(&assets).expect("the folder is writable");
    fs::write(assets.join("a.css"), "a {}").expect("the folder is writable");
    let request = Request { target: "/assets/a.css".into(), ..stage.unique() };
    assert_eq!(ask(port, &request).text(), "a {}");
    assert_eq!(stage.resolver.call_count(), 0);
    nginx.finish();
}

#[test]
fn the_php_example_has_the_identity_among_its_parameters() {
    let (stage, php) = (Stage::start(), echo::FastCgi::start());
    let port = free_port();
    let example = Example::read("php-fastcgi.conf").at(&stage.resolver);
    let nginx = example.replace("127.0.0.1:9000", &php.addr().to_string()).start(port, free_port());
    // The second one comes to PHP through try_files.
    for target in ["/index.php", "/no/such/page"] {
        let request = Request { target: target.into(), ..stage.unique() };
        let request = request.header("x.authgear.user.id", "forged");
        let reply = EchoReply::of(&ask_plain(port, &request));
        assert_eq!(reply.all_folded("x-authgear-user-id"), [stage.accounts().user("alice").id], "{target}");
    }
    nginx.finish();
}

#[test]
fn the_grpc_example_passes_identity_and_tells_of_failures() {
    let (stage, service) = (Stage::start(), echo::Grpc::start());
    let port = free_port();
    let example = Example::read("grpc.conf").at(&stage.resolver);
    let nginx = example.replace("127.0.0.1:50051", &service.addr().to_string()).start(free_port(), port);
    let mut client =
        Http2::connect_tls(port, &Tls::default().name("grpc.example.com")).expect("nginx accepts");
    // A message of no bytes, uncompressed.
    let call = |request: Request| {
        let request = Request { method: "POST".into(), target: "/echo.Echo/Call".into(), ..request };
        request.header("Content-Type", "application/grpc").header("TE", "trailers").body([0; 5])
    };
    assert_eq!(client.exchange(&call(stage.unique())).expect("an answer").status, 200);
    let seen = service.last().expect("the service was called");
    assert_eq!(seen.text("x-authgear-user-id"), Some(stage.accounts().user("alice").id.as_str()));
    stage.resolver.set_fault(Some(Fault::Status(500)));
    let failed = client.exchange(&call(stage.unique())).expect("an answer");
    assert_eq!(failed.all("grpc-status"), ["14"]);
    drop(client);
    nginx.finish();
}
