//! `nginx -t`: which configurations are rejected, and with which messages.

use std::fs;
use std::path::PathBuf;

use super::config::{Builder, Ports};
use super::log;
use super::nginx::Nginx;

/// The result of `nginx -t`.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) ok: bool,
    pub(crate) stderr: String,
    config: String,
    path: PathBuf,
}

/// The level of the configuration that contains a fragment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Main,
    Http,
    Server,
    Location,
}

impl Place {
    pub(crate) fn put(self, builder: Builder, fragment: &str) -> Builder {
        match self {
            Self::Main => builder.main(fragment),
            Self::Http => builder.http(fragment),
            Self::Server => builder.server(fragment),
            Self::Location => builder.server(format!("location /checked/ {{\n{fragment}\n}}")),
        }
    }
}

/// Checks that the module rejects this fragment with exactly this sentence, naming that line of it (the first is 1).
#[track_caller]
pub(crate) fn assert_refused(place: Place, fragment: &str, sentence: &str, line: usize) {
    place.put(Nginx::builder(), fragment).check().assert_refused(fragment, sentence, line);
}

impl Builder {
    /// Runs `nginx -t` on this configuration.
    pub(crate) fn check(&self) -> Check {
        let folder = tempfile::Builder::new().prefix("authgear-it-").tempdir().expect("a temporary folder");
        let config = self.render(folder.path(), &Ports::allocate());
        let path = folder.path().join("nginx.conf");
        fs::write(&path, &config).expect("the folder is writable");
        let mut command = self.command();
        command
            .envs(self.environment.iter().cloned())
            .arg("-t")
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(&path)
            // With this, stderr has what an administrator sees, "nginx: [emerg] ...", instead of log lines.
            .arg("-e")
            .arg(folder.path().join("startup.log"));
        let output = command.output().expect("nginx can be run");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!log::has_finding(&stderr), "{stderr}");
        Check { ok: output.status.success(), stderr, config, path }
    }
}

impl Check {
    #[track_caller]
    pub(crate) fn assert_ok(&self) {
        assert!(self.ok, "refused:\n{}", self.stderr);
    }

    /// The messages at a level, in order, without nginx's preamble.
    pub(crate) fn messages(&self, level: &str) -> Vec<&str> {
        let preamble = format!("nginx: [{level}] ");
        self.stderr.lines().filter_map(|line| line.strip_prefix(&preamble)).collect()
    }

    /// The warnings. They don't make a configuration invalid.
    pub(crate) fn warnings(&self) -> Vec<&str> {
        self.messages("warn")
    }

    /// Checks that the configuration is rejected with exactly this sentence, the file, and that line of the fragment.
    #[track_caller]
    pub(crate) fn assert_refused(&self, fragment: &str, sentence: &str, line: usize) {
        self.assert_first_refusal(&format!("{sentence} in {}", self.place(fragment, line)));
    }

    /// File and line, as nginx names them, of that line of the fragment (the first is 1).
    #[track_caller]
    pub(crate) fn place(&self, fragment: &str, line: usize) -> String {
        let before = self.config.find(fragment).expect("the fragment is in the configuration");
        let line = self.config[..before].matches('\n').count() + line;
        format!("{}:{line}", self.path.display())
    }

    /// Checks for this sentence, whatever the line: for errors that nginx finds at the end of a block.
    #[track_caller]
    pub(crate) fn assert_refused_somewhere(&self, sentence: &str) {
        let found = self.messages("emerg").first().is_some_and(|message| message.starts_with(sentence));
        assert!(!self.ok && found, "expected {sentence:?}, got:\n{}", self.stderr);
    }

    #[track_caller]
    fn assert_first_refusal(&self, message: &str) {
        assert!(!self.ok, "accepted, but should be refused with {message:?}\n{}", self.stderr);
        assert_eq!(self.messages("emerg").first().copied(), Some(message), "in all:\n{}", self.stderr);
    }
}
