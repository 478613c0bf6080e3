//! A resolver that does nothing but answer, fast: the stand-in proper reads and remembers too much for millions of calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::standin::net::Server;

/// What the text of a good credential begins with; then comes the number of its user.
const GOOD: &[u8] = b"GOOD";

/// The text of a user's credential, whatever the kind.
pub(super) fn good(user: usize) -> String {
    format!("GOOD{user:06}{}", random(&format!("good {user}")))
}

/// Nobody's.
pub(super) fn random(seed: &str) -> String {
    blake3::hash(seed.as_bytes()).to_hex()[..32].to_owned()
}

/// Shaped as those of Authgear, so that an answer has the usual size.
pub(super) fn user_id(user: usize) -> String {
    let hex = random(&format!("user {user}"));
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[12..15], &hex[15..18], &hex[18..30])
}

/// Answers as Authgear does: *valid* for a good credential, *invalid* where there is a bad `session`, else *none*.
pub(super) struct Fast {
    server: Server,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    calls: AtomicU64,
    no_store: AtomicBool,
}

impl Fast {
    pub(super) fn start() -> Self {
        let state = Arc::<State>::default();
        let of_connections = Arc::clone(&state);
        let serve = move |stream| serve(stream, Arc::clone(&of_connections));
        let server = Server::start(([127, 0, 0, 1], 0).into(), serve).expect("a port");
        Self { server, state }
    }

    /// From now on no answer may be kept, so that looking for one changes nothing.
    pub(super) fn forbid_to_store(&self) {
        self.state.no_store.store(true, Ordering::SeqCst);
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.server.addr())
    }

    pub(super) fn calls(&self) -> u64 {
        self.state.calls.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let mut head = Vec::new();
    loop {
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        state.calls.fetch_add(1, Ordering::SeqCst);
        let answer = answer(&head, state.no_store.load(Ordering::SeqCst));
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        head.clear();
    }
}

fn answer(head: &[u8], no_store: bool) -> String {
    let find = |text: &[u8]| head.windows(text.len()).position(|window| window == text);
    let good = find(GOOD).and_then(|at| std::str::from_utf8(&head[at + 4..at + 10]).ok()?.parse().ok());
    let identity = match good {
        Some(user) => format!(
            "X-Authgear-Session-Authenticated-At: 1136171045\r\nX-Authgear-Session-Valid: true\r\n\
             X-Authgear-User-Anonymous: false\r\nX-Authgear-User-Can-Reauthenticate: true\r\n\
             X-Authgear-User-Id: {}\r\nX-Authgear-User-Roles: admin,editor\r\nX-Authgear-User-Verified: true\r\n",
            user_id(user)
        ),
        None if find(b" session=").is_some() => "X-Authgear-Session-Valid: false\r\n".to_owned(),
        None => String::new(),
    };
    let bound = if no_store { "Cache-Control: no-store\r\n" } else { "" };
    format!("HTTP/1.1 200 OK\r\n{identity}{bound}Content-Length: 0\r\n\r\n")
}
