//! HTTP/3, through a curl that supports it: a library would be larger than all that the tests depend on now.

use std::env;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use super::message::{Request, Response};
use super::process::nginx_command;
use super::stretched;

/// The client; each request uses a connection of its own.
#[derive(Clone, Debug)]
pub(crate) struct Http3 {
    curl: PathBuf,
}

impl Http3 {
    /// `None` if the nginx under test or the curl named by `AUTHGEAR_HTTP3_CURL` has no HTTP/3, which is printed.
    pub(crate) fn find() -> Option<Self> {
        let curl = env::var_os("AUTHGEAR_HTTP3_CURL").filter(|curl| !curl.is_empty()).map(PathBuf::from);
        let nginx = nginx_command().arg("-V").output().expect("nginx can be run");
        let has_http3 = String::from_utf8_lossy(&nginx.stderr).contains("--with-http_v3_module");
        match curl {
            Some(curl) if has_http3 => Some(Self { curl }),
            Some(_) => skipped("this nginx was built without HTTP/3"),
            None => skipped("AUTHGEAR_HTTP3_CURL names no curl that knows HTTP/3"),
        }
    }

    /// Sends a request without a body, and waits for the answer.
    pub(crate) fn exchange(&self, port: u16, request: &Request) -> io::Result<Response> {
        let output = self.command(port, request, Duration::from_secs(20)).output()?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(io::Error::other(format!("curl: {}: {words}", output.status)));
        }
        response(&output.stdout).ok_or_else(|| io::Error::other(format!("no answer in {output:?}")))
    }

    /// Sends a request, and leaves if there is no answer after this time; nginx is notified.
    pub(crate) fn send_and_leave(&self, port: u16, request: &Request, after: Duration) -> io::Result<Output> {
        self.command(port, request, after).output()
    }

    fn command(&self, port: u16, request: &Request, patience: Duration) -> Command {
        let target = String::from_utf8_lossy(&request.target);
        let mut command = Command::new(&self.curl);
        // Ignore the user's configuration and proxy settings.
        command.args([
            "--disable",
            "--noproxy",
            "*",
            "--http3-only",
            "--insecure",
            "--silent",
            "--show-error",
        ]);
        command.args(["--include", "--path-as-is", "--user-agent", "curl", "--max-time"]);
        command.arg(stretched(patience).as_secs_f64().to_string());
        command.arg("--request").arg(String::from_utf8_lossy(&request.method).into_owned());
        for (name, value) in &request.headers {
            let line = [name, &b": "[..], value].concat();
            command.arg("--header").arg(String::from_utf8_lossy(&line).into_owned());
        }
        command.arg(format!("https://127.0.0.1:{port}{target}"));
        command.stdin(Stdio::null());
        command
    }
}

fn skipped(why: &str) -> Option<Http3> {
    eprintln!("skipped: {why}");
    None
}

/// What `--include` prints: a status line, header lines, an empty line, the body.
fn response(text: &[u8]) -> Option<Response> {
    let end = text.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&text[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/3 ")?.trim().parse().ok()?;
    let field =
        |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let headers = lines.map(field).collect::<Option<_>>()?;
    Some(Response { status, headers, body: text[end + 4..].to_vec(), ..Response::default() })
}
