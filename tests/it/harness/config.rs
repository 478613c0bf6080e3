//! The configuration of one instance: the test's fragments, within a frame that isolates the instance.

use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::ports::free_port;
use super::process::{mounting, nginx_under, nginx_version, runner};

/// What to start. Fragments are nginx configuration text; calls of the same kind append.
#[derive(Clone, Debug)]
pub(crate) struct Builder {
    module: Module,
    main: Vec<String>,
    events: Vec<String>,
    http: Vec<String>,
    default_server: Vec<String>,
    named_servers: Vec<(String, String)>,
    certificate: Option<(String, String)>,
    error_log_level: String,
    pub(super) workers: usize,
    connections: usize,
    pub(super) upgradable: bool,
    runner: Option<Vec<String>>,
    /// Files, and the system files that they replace for nginx.
    mounts: Vec<(PathBuf, String)>,
    pub(super) allowed: Vec<String>,
    /// For the master: nginx clears the environment of its workers.
    pub(super) environment: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
enum Module {
    Stock,
    FromEnvironment,
    At(PathBuf),
}

/// The ports of one instance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) http: u16,
    pub(crate) h2: u16,
    pub(crate) tls: u16,
}

impl Ports {
    pub(super) fn allocate() -> Self {
        Self { http: free_port(), h2: free_port(), tls: free_port() }
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            module: Module::FromEnvironment,
            main: Vec::new(),
            events: Vec::new(),
            http: Vec::new(),
            default_server: Vec::new(),
            named_servers: Vec::new(),
            certificate: None,
            error_log_level: "info".into(),
            workers: 1,
            connections: 2048,
            upgradable: false,
            runner: None,
            mounts: Vec::new(),
            allowed: Vec::new(),
            environment: Vec::new(),
        }
    }
}

impl Builder {
    /// Whether to load the module that `AUTHGEAR_MODULE` names (the default), or to run stock nginx.
    pub(crate) fn module(mut self, load: bool) -> Self {
        self.module = if load { Module::FromEnvironment } else { Module::Stock };
        self
    }

    /// Loads another module file, such as one built with fault injection.
    pub(crate) fn module_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.module = Module::At(path.into());
        self
    }

    /// Lines outside `http`.
    pub(crate) fn main(mut self, lines: impl Into<String>) -> Self {
        self.main.push(lines.into());
        self
    }

    /// Lines in `events`.
    pub(crate) fn events(mut self, lines: impl Into<String>) -> Self {
        self.events.push(lines.into());
        self
    }

    /// Lines in `http`, before the servers.
    pub(crate) fn http(mut self, lines: impl Into<String>) -> Self {
        self.http.push(lines.into());
        self
    }

    /// Lines in the default server. Its `listen` lines are there already.
    pub(crate) fn server(mut self, lines: impl Into<String>) -> Self {
        self.default_server.push(lines.into());
        self
    }

    /// Adds a server block on the same ports.
    pub(crate) fn server_named(mut self, name: impl Into<String>, lines: impl Into<String>) -> Self {
        self.named_servers.push((name.into(), lines.into()));
        self
    }

    /// Adds a port with TLS, for HTTP/1.1 and HTTP/2; certificate chain and key as PEM text.
    pub(crate) fn tls(mut self, certificate: impl Into<String>, key: impl Into<String>) -> Self {
        self.certificate = Some((certificate.into(), key.into()));
        self
    }

    pub(crate) fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Includes those of nginx's own sockets: listening sockets, the master's channel, the module's eventfd.
    pub(crate) fn worker_connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// `master_process off`: a single process, without workers.
    pub(crate) fn single_process(mut self) -> Self {
        self.workers = 0;
        self
    }

    /// A command to start nginx under, instead of the one from the environment.
    pub(crate) fn runner<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.runner = Some(words.into_iter().map(Into::into).collect());
        self
    }

    pub(super) fn has_runner(&self) -> bool {
        self.runner.is_some()
    }

    /// Makes nginx see this file in place of that system file; only if [`may_mount`].
    pub(crate) fn in_place_of(mut self, system: &str, file: impl Into<PathBuf>) -> Self {
        self.mounts.push((file.into(), system.to_owned()));
        self
    }

    /// The command that starts this nginx, without arguments.
    pub(super) fn command(&self) -> Command {
        let mut words = mounting(&self.mounts);
        words.extend(self.runner.clone().unwrap_or_else(runner));
        nginx_under(&words)
    }

    /// The level inside `http`. Outside it is at least `info`, because the harness reads there when workers start and end.
    pub(crate) fn error_log_level(mut self, level: impl Into<String>) -> Self {
        self.error_log_level = level.into();
        self
    }

    /// Needed for [`super::Nginx::upgrade`]: nginx ignores USR2 until its parent has ended, as a daemon's has.
    pub(crate) fn upgradable(mut self) -> Self {
        self.upgradable = true;
        self
    }

    /// Allows lines with this text in the log: they don't make `finish` fail.
    pub(crate) fn allow_log(mut self, text: impl Into<String>) -> Self {
        self.allowed.push(text.into());
        self
    }

    /// Sets a variable in the environment that nginx is started in.
    pub(crate) fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Changes text in the fragments, for [`super::Nginx::reload_with`]; the text must occur.
    pub(crate) fn replace(mut self, from: &str, to: &str) -> Self {
        let mut found = false;
        let named = self.named_servers.iter_mut().map(|(_, lines)| lines);
        for lines in self.main.iter_mut().chain(&mut self.http).chain(&mut self.default_server).chain(named) {
            found |= lines.contains(from);
            *lines = lines.replace(from, to);
        }
        assert!(found, "no fragment holds {from:?}");
        self
    }

    pub(super) fn has_tls(&self) -> bool {
        self.certificate.is_some()
    }

    /// Writes the files that the configuration refers to, and returns its text. Every fragment starts on a new line.
    pub(super) fn render(&self, prefix: &Path, ports: &Ports) -> String {
        let mut text = String::new();
        self.render_main(&mut text, prefix);
        self.render_http(&mut text, prefix);
        let body = self.default_server.join("\n");
        self.render_server(&mut text, prefix, ports, "localhost", &body);
        for (name, body) in &self.named_servers {
            self.render_server(&mut text, prefix, ports, name, body);
        }
        text.push_str("}\n");
        text
    }

    fn render_main(&self, text: &mut String, prefix: &Path) {
        let prefix = prefix.display();
        if let Some(module) = self.module_file() {
            line(text, format_args!("load_module {};", module.display()));
        }
        if rustix::process::geteuid().is_root() {
            // Only the owner can read the folder.
            line(text, format_args!("user root;"));
        }
        let daemon = if self.upgradable { "on" } else { "off" };
        let level = if self.error_log_level.starts_with("debug") { "debug" } else { "info" };
        line(text, format_args!("daemon {daemon};"));
        match self.workers {
            0 => line(text, format_args!("master_process off;")),
            workers => line(text, format_args!("worker_processes {workers};")),
        }
        line(text, format_args!("pid {prefix}/nginx.pid;\nlock_file {prefix}/nginx.lock;"));
        line(text, format_args!("error_log {prefix}/error.log {level};"));
        self.main.iter().for_each(|lines| line(text, format_args!("{lines}")));
        let events = self.events.join("\n");
        line(text, format_args!("events {{ worker_connections {}; {events} }}", self.connections));
    }

    fn render_http(&self, text: &mut String, prefix: &Path) {
        let prefix = prefix.display();
        line(text, format_args!("http {{\ndefault_type text/plain;\naccess_log {prefix}/access.log;"));
        line(text, format_args!("error_log {prefix}/error.log {};", self.error_log_level));
        for (directive, folder) in [
            ("client_body_temp_path", "body"),
            ("proxy_temp_path", "proxy"),
            ("fastcgi_temp_path", "fastcgi"),
            ("uwsgi_temp_path", "uwsgi"),
            ("scgi_temp_path", "scgi"),
        ] {
            line(text, format_args!("{directive} {prefix}/{folder};"));
        }
        self.http.iter().for_each(|lines| line(text, format_args!("{lines}")));
    }

    fn render_server(&self, text: &mut String, prefix: &Path, ports: &Ports, name: &str, body: &str) {
        let directive = nginx_version() >= (1, 25, 1);
        let parameter = if directive { "" } else { " http2" };
        line(text, format_args!("server {{\nserver_name {name};"));
        line(
            text,
            format_args!("listen 127.0.0.1:{};\nlisten 127.0.0.1:{}{parameter};", ports.http, ports.h2),
        );
        if directive {
            line(text, format_args!("http2 on;"));
        }
        if let Some((certificate, key)) = &self.certificate {
            let (certificate_file, key_file) = (prefix.join("tls.crt"), prefix.join("tls.key"));
            std::fs::write(&certificate_file, certificate).expect("the folder is writable");
            std::fs::write(&key_file, key).expect("the folder is writable");
            line(text, format_args!("listen 127.0.0.1:{} ssl{parameter};", ports.tls));
            line(text, format_args!("ssl_certificate {};", certificate_file.display()));
            line(text, format_args!("ssl_certificate_key {};", key_file.display()));
        }
        line(text, format_args!("{body}\n}}"));
    }

    fn module_file(&self) -> Option<PathBuf> {
        match &self.module {
            Module::Stock => None,
            Module::At(path) => Some(path.clone()),
            Module::FromEnvironment => {
                let path = env::var_os("AUTHGEAR_MODULE").map(PathBuf::from).expect(
                    "AUTHGEAR_MODULE must name the module (.so) to test; build it for this nginx, with cargo build",
                );
                Some(
                    path.canonicalize().unwrap_or_else(|e| panic!("AUTHGEAR_MODULE {}: {e}", path.display())),
                )
            }
        }
    }
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    writeln!(text, "{content}").expect("writing to a String can't fail");
}
