//! Keys and certificates of every kind that the program `openssl` makes, which knows more kinds than the module does.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A folder with `NAME.key` and `NAME.pem`.
pub(super) struct Openssl {
    folder: tempfile::TempDir,
    serial: Cell<u32>,
}

pub(super) const P256: &str = "EC -pkeyopt ec_paramgen_curve:P-256";
pub(super) const P384: &str = "EC -pkeyopt ec_paramgen_curve:P-384";
pub(super) const P521: &str = "EC -pkeyopt ec_paramgen_curve:P-521";
pub(super) const RSA: &str = "RSA -pkeyopt rsa_keygen_bits:2048";
pub(super) const RSA_PSS: &str = "RSA-PSS -pkeyopt rsa_keygen_bits:2048";

/// Extensions of an authority, and of a server with the name that is asked for.
pub(super) const CA: &str = "basicConstraints=critical,CA:TRUE";
pub(super) const SERVER: &str = "subjectAltName=DNS:auth.example.com";

impl Openssl {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("empty.cnf"), "[req]\ndistinguished_name=dn\n[dn]\n").expect("writable");
        Self { folder, serial: Cell::new(1) }
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub(super) fn text(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).expect("it was made")
    }

    pub(super) fn write(&self, file: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.path(file), contents).expect("writable");
    }

    /// Runs it, in the folder.
    #[track_caller]
    pub(super) fn run(&self, arguments: &str) -> String {
        self.finish(arguments, |command| command.env("OPENSSL_CONF", "empty.cnf"))
    }

    /// The same with the configuration that the machine has.
    #[track_caller]
    pub(super) fn run_plainly(&self, arguments: &str) -> String {
        self.finish(arguments, |command| command)
    }

    #[track_caller]
    fn finish(&self, arguments: &str, change: impl FnOnce(&mut Command) -> &mut Command) -> String {
        let mut command = Command::new("openssl");
        command.current_dir(self.folder.path()).args(arguments.split_whitespace());
        let output = change(&mut command).output().expect("the tests need openssl");
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A key, unless there is one of that name.
    pub(super) fn key(&self, name: &str, kind: &str) {
        if !self.path(&format!("{name}.key")).exists() {
            self.run(&format!("genpkey -algorithm {kind} -out {name}.key"));
        }
    }

    /// A certificate, signed by that one, or by itself. Without extensions it is of version 1. The options are those of `openssl x509`.
    /// Where a server's has no alternative name, the name that is asked for is its common name.
    pub(super) fn certificate(&self, name: &str, kind: &str, issuer: &str, extensions: &str, options: &str) {
        self.key(name, kind);
        let serial = self.serial.get();
        self.serial.set(serial + 1);
        let has_names = issuer == name || extensions.contains("AltName") || extensions.contains("CA:TRUE");
        let subject = if has_names { name } else { "auth.example.com" };
        self.run(&format!("req -new -key {name}.key -subj /CN={subject} -out {name}.csr"));
        let by = if issuer == name {
            format!("-signkey {name}.key")
        } else {
            format!("-CA {issuer}.pem -CAkey {issuer}.key")
        };
        self.write("extensions.cnf", extensions.replace("; ", "\n"));
        let extensions = if extensions.is_empty() { "" } else { "-extfile extensions.cnf" };
        let days = if options.contains("-days") { "" } else { "-days 30" };
        self.run(&format!(
            "x509 -req -in {name}.csr {by} -set_serial {serial} {days} {extensions} {options} -out {name}.pem"
        ));
    }
}
