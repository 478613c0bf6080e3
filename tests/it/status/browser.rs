//! Chromium without a window, driven by the DevTools protocol over a pipe: JSON messages that end with a zero byte.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::harness::{PATIENCE, poll, stretched};

/// A browser needs longer than what it is asked for, on a machine that compiles.
const BROWSER_PATIENCE: Duration = Duration::from_secs(60);

/// Keep to the loopback: no updates, and no name is looked up. The sandbox doesn't start as root, nor in most containers; all that
/// is shown is our own.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
];

/// One browser with one page.
pub(super) struct Browser {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    session: String,
    sent: u64,
    /// What has happened in the page so far.
    events: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    /// `None` without a browser: the test says that it is skipped.
    pub(super) fn start() -> Option<Self> {
        let Some(program) = std::env::var_os("AUTHGEAR_CHROMIUM") else {
            eprintln!("skipped: AUTHGEAR_CHROMIUM names no Chromium");
            return None;
        };
        let profile = tempfile::tempdir().expect("a temporary folder");
        // The protocol is spoken over the descriptors 3 and 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh"])
            .arg(program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let commands = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, messages) = channel();
        thread::spawn(move || {
            for message in output.split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("JSON");
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let session = String::new();
        let mut browser =
            Self { child, commands, messages, session, sent: 0, events: Vec::new(), _profile: profile };
        browser.attach();
        Some(browser)
    }

    fn attach(&mut self) {
        let target = self.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.call("Target.attachToTarget", attach);
        self.session = attached["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
    }

    /// A command of the protocol, and what it returns.
    #[track_caller]
    pub(super) fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.sent += 1;
        let mut command = json!({ "id": self.sent, "method": method, "params": parameters });
        if !self.session.is_empty() {
            command["sessionId"] = json!(self.session);
        }
        let written = self.commands.write_all(format!("{command}\0").as_bytes());
        written.unwrap_or_else(|e| panic!("{method}: the browser is gone: {e}"));
        loop {
            let message = self.messages.recv_timeout(stretched(BROWSER_PATIENCE));
            let message = message.unwrap_or_else(|e| panic!("{method}: no answer from the browser: {e}"));
            if message["id"] == self.sent {
                assert_eq!(message["error"], Value::Null, "{method}");
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    /// Loads a page, and waits until it is there.
    #[track_caller]
    pub(super) fn open(&mut self, url: &str) {
        let done = self.call("Page.navigate", json!({ "url": url }));
        assert_eq!(done["errorText"], Value::Null, "{url}");
        self.wait_for("document.readyState === 'complete'");
    }

    /// What an expression of JavaScript comes to, in the page.
    #[track_caller]
    pub(super) fn eval(&mut self, expression: &str) -> Value {
        let ask = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true, "allowUnsafeEvalBlockedByCSP": false });
        let told = self.call("Runtime.evaluate", ask);
        assert_eq!(told["exceptionDetails"], Value::Null, "{expression}");
        told["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub(super) fn wait_for(&mut self, expression: &str) {
        let is_true = poll(PATIENCE * 3, || (self.eval(expression) == json!(true)).then_some(()));
        if is_true.is_none() {
            let text = self.eval("document.body.innerText");
            panic!(
                "never true: {expression}\n{}\n{:#?}",
                text.as_str().unwrap_or_default(),
                self.complaints()
            );
        }
    }

    /// The text of the first element that a selector finds, as it is seen.
    #[track_caller]
    pub(super) fn text(&mut self, selector: &str) -> String {
        let text = self.eval(&format!("document.querySelector({}).innerText", json!(selector)));
        text.as_str().unwrap_or_else(|| panic!("no text in {selector}")).to_owned()
    }

    /// What the browser has said about the page that nobody should have to read: errors, and refusals of its policy.
    pub(super) fn complaints(&mut self) -> Vec<Value> {
        self.eval("0");
        let kinds = ["Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"];
        let complaints = self.events.iter().filter(|event| kinds.iter().any(|kind| event["method"] == *kind));
        complaints.cloned().collect()
    }

    /// The URLs that the page has asked for, in order.
    pub(super) fn requests(&mut self) -> Vec<String> {
        self.eval("0");
        let requests = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        requests.map(|event| event["params"]["request"]["url"].as_str().expect("a URL").to_owned()).collect()
    }

    /// A screen of this size, bright or dark.
    pub(super) fn show_on(&mut self, width: u32, height: u32, scheme: &str) {
        let screen =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", screen);
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.call("Emulation.setEmulatedMedia", json!({ "features": [feature] }));
    }

    /// Ends it.
    #[track_caller]
    pub(super) fn close(mut self) {
        self.session.clear();
        self.call("Browser.close", json!({}));
        let ended = poll(BROWSER_PATIENCE, || self.child.try_wait().expect("a child"));
        assert!(ended.is_some(), "the browser stays");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
