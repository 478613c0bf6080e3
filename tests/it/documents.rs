//! The pieces of configuration in the documents, in a frame in which nginx takes them.
//!
//! A piece stands where its lines may: a whole file as it is, lines of the level `http` there, all others in a server. What it
//! doesn't say itself and needs (a resolver, a zone, a backend) the frame has.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::harness::{Builder, Nginx};
use crate::standin::Pki;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What can stand at the level `http` alone.
const OF_HTTP: [&str; 11] = [
    "authgear_cache_zone ",
    "geo ",
    "limit_conn_zone ",
    "limit_req_zone ",
    "log_format ",
    "map ",
    "proxy_cache_path ",
    "server {",
    "split_clients ",
    "upstream ",
    "variables_hash_",
];

/// Every document for users, by its path in the repository: the manual, the guides, and what stands beside the examples.
pub(crate) fn documents() -> Vec<String> {
    let mut found = vec!["README.md".to_owned()];
    for folder in ["docs", "nginx-conf"] {
        let entries = fs::read_dir(Path::new(ROOT).join(folder)).into_iter().flatten().flatten();
        let names = entries.map(|entry| format!("{folder}/{}", entry.file_name().to_string_lossy()));
        found.extend(names.filter(|name| Path::new(name).extension().is_some_and(|kind| kind == "md")));
    }
    found.sort();
    found
}

/// A block of nginx's configuration in a document.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) document: String,
    pub(crate) text: String,
}

/// All of them.
pub(crate) fn pieces() -> Vec<Piece> {
    let of = |document: String| {
        let text = fs::read_to_string(Path::new(ROOT).join(&document)).expect("a document");
        let blocks = text.split("```nginx\n").skip(1).filter_map(|rest| rest.split("```").next());
        blocks.map(|text| Piece { document: document.clone(), text: text.to_owned() }).collect::<Vec<_>>()
    };
    documents().into_iter().flat_map(of).collect()
}

/// The one piece of a document that has this text.
#[track_caller]
pub(crate) fn piece(document: &str, text: &str) -> Piece {
    let is_it = |piece: &Piece| piece.document == document && piece.text.contains(text);
    let mut found: Vec<_> = pieces().into_iter().filter(is_it).collect();
    assert_eq!(found.len(), 1, "pieces of {document} with {text:?}");
    found.remove(0)
}

impl Piece {
    /// Text that must be there.
    #[track_caller]
    pub(crate) fn replace(mut self, from: &str, to: &str) -> Self {
        assert!(self.text.contains(from), "no {from:?} in\n{}", self.text);
        self.text = self.text.replace(from, to);
        self
    }

    fn has(&self, directive: &str) -> bool {
        self.text.lines().any(|line| line.trim_start().starts_with(directive))
    }

    /// In its frame.
    pub(crate) fn builder(&self) -> Builder {
        let text = self.on_this_machine();
        if let Some((_, http)) = text.split_once("http {") {
            let (http, _) = http.rsplit_once('}').expect("the end of http");
            return Nginx::builder().http(http);
        }
        if self.has("load_module") {
            // The harness has this line itself.
            return Nginx::builder();
        }
        let mut builder = Nginx::builder();
        for (directive, lines) in [
            ("upstream app", "upstream app { server 127.0.0.1:8080; }"),
            ("authgear_cache_zone", "authgear_cache_zone zone=sessions:1m;"),
            ("proxy_cache_path", "proxy_cache_path answers keys_zone=answers:1m;"),
            ("authgear_resolve", "authgear_resolve http://10.0.0.5:3001;"),
        ] {
            // A zone that nothing uses is worth a warning.
            let is_used = directive != "authgear_cache_zone" || self.has("authgear_cache ");
            if is_used && !self.has(directive) {
                builder = builder.http(lines);
            }
        }
        let is_of_http = |line: &str| OF_HTTP.iter().any(|start| line.starts_with(start));
        if text.lines().any(is_of_http) { builder.http(text) } else { builder.server(text) }
    }

    /// Places and ports of the example's machine become such of this one.
    fn on_this_machine(&self) -> String {
        let folder = files().display();
        let mut text = self.text.clone();
        for word in self.text.split([' ', ';', '\n']).filter(|word| word.starts_with("/etc/nginx/tls/")) {
            let kind = if word.ends_with(".key") { "key" } else { "pem" };
            text = text.replace(&format!("{word};"), &format!("{folder}/good.{kind};"));
        }
        // A relative path is one in the folder of the instance.
        text = text.replace("/var/log/nginx/", "");
        // nginx itself looks a name up when it reads it.
        let known = |line: &str| match line.trim_start().starts_with("proxy_pass ") {
            true => line.replace("https://myapp.authgear.cloud", "https://127.0.0.1"),
            false => line.to_owned(),
        };
        text = text.lines().map(|line| known(line) + "\n").collect();
        // nginx opens its ports even if it is to check only; one that is taken is all right then.
        for port in ["80;", "443 ssl;", "443 ssl http2;"] {
            text = text.replace(&format!("listen {port}"), &format!("listen 127.0.0.1:{port}"));
        }
        text
    }
}

/// Certificates and keys, and room for logs; one folder for all tests of the process, in the build's own.
fn files() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("documents");
        fs::create_dir_all(&folder).expect("the build's folder is writable");
        Pki::shared().write(&folder).expect("the folder is writable");
        folder
    })
}
