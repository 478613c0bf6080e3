//! Sends inputs side by side, each on a connection of its own, and has the oracle look at what came of them.

use std::collections::VecDeque;
use std::fmt;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::super::harness::http2::frame::{Frame, HEADERS};
use super::super::harness::stretched;
use super::super::standin::Accounts;
use super::mutate::{Mutator, corpus, dictionary};
use super::site::Site;
use super::{folder, grammar, oracle};

/// Most of the time goes by in waiting for what doesn't come.
const CONNECTIONS: u64 = 12;
/// How long nginx may be silent before the client ends its side, until it has said something and after.
const SILENCE: [Duration; 2] = [Duration::from_millis(40), Duration::from_millis(4)];
/// A connection that stays open beyond all of nginx's timeouts is stuck.
const STUCK: Duration = Duration::from_secs(30);
/// So many inputs are kept, for the one among them that was to blame.
const RECENT: usize = 64;

pub(super) struct Bounds {
    pub(super) seconds: Option<Duration>,
    pub(super) inputs: Option<u64>,
    pub(super) seed: u64,
}

/// What was done.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) inputs: u64,
    pub(super) backend: u64,
    pub(super) calls: u64,
    elapsed: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inputs, backend, calls, elapsed } = self;
        write!(
            f,
            "{inputs} inputs in {} s, {backend} requests at the backend, {calls} calls",
            elapsed.as_secs()
        )
    }
}

#[derive(Clone)]
struct Input {
    bytes: Vec<u8>,
    /// Which of the sites, and whether it is its port for HTTP/2.
    site: usize,
    http2: bool,
}

impl Input {
    fn seed(bytes: &[u8], site: usize) -> Self {
        Self { bytes: bytes.to_vec(), site, http2: bytes.starts_with(b"PRI ") }
    }
}

struct Run<'a> {
    site: &'a Site,
    accounts: Accounts,
    corpus: Vec<Vec<u8>>,
    /// What is sent before anything else: the corpus as it is, to both sites.
    first: Mutex<Vec<Input>>,
    words: Vec<Vec<u8>>,
    sent: AtomicU64,
    backend: AtomicU64,
    recent: Mutex<VecDeque<Input>>,
}

/// Sends inputs until there have been enough, or something is found.
pub(super) fn drive(site: &Site, bounds: &Bounds) -> Report {
    let start = Instant::now();
    let corpus = corpus(&folder("corpus").join("http"));
    assert!(corpus.len() > 2, "there is no corpus");
    let run = Run {
        site,
        accounts: Accounts::default(),
        first: Mutex::new(
            corpus.iter().flat_map(|bytes| [0, 1].map(|site| Input::seed(bytes, site))).collect(),
        ),
        corpus,
        words: dictionary(&folder("dictionaries").join("http.dict")),
        sent: AtomicU64::new(0),
        backend: AtomicU64::new(0),
        recent: Mutex::default(),
    };
    thread::scope(|scope| {
        for number in 0..CONNECTIONS {
            let run = &run;
            scope.spawn(move || {
                let mut by = Mutator::new(bounds.seed.wrapping_mul(1000) + number, run.words.clone());
                let goes_on = || {
                    let in_time = bounds.seconds.is_none_or(|seconds| start.elapsed() < seconds);
                    in_time && bounds.inputs.is_none_or(|most| run.sent.load(Ordering::Relaxed) < most)
                };
                while goes_on() && !site.has_findings() {
                    run.one(&run.next(&mut by));
                }
            });
        }
    });
    if site.has_findings() {
        run.keep_blame();
    }
    let (inputs, backend) = (run.sent.load(Ordering::Relaxed), run.backend.load(Ordering::Relaxed));
    Report { inputs, backend, calls: site.calls(), elapsed: start.elapsed() }
}

impl Run<'_> {
    fn next(&self, by: &mut Mutator) -> Input {
        if let Some(input) = self.first.lock().expect("no thread panics holding it").pop() {
            return input;
        }
        let http2 = by.below(3) == 0;
        let made = if http2 { grammar::http2(by) } else { grammar::http1(by) };
        let bytes = match by.below(4) {
            0 if !http2 => by.input(&self.corpus),
            1 => by.input(&[made]),
            _ => made,
        };
        Input { bytes, site: by.below(2), http2 }
    }

    fn one(&self, input: &Input) {
        {
            let mut recent = self.recent.lock().expect("no thread panics holding it");
            recent.truncate(RECENT - 1);
            recent.push_front(input.clone());
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        match self.exchange(input) {
            Ok(answer) if has_status_500(&answer, input.http2) => {
                self.site.report(format!("answered by 500: {}", input.bytes.escape_ascii()));
            }
            Err(error) => self.site.report(format!("{error}: {}", input.bytes.escape_ascii())),
            Ok(_) => {}
        }
        for seen in self.site.echo.take() {
            self.backend.fetch_add(1, Ordering::Relaxed);
            if let Some(finding) = oracle::wrong_request(&seen, &self.accounts) {
                self.site.report(finding);
            }
        }
    }

    /// Sends the bytes, and reads until nginx has ended the connection. An error is one that nginx must not cause.
    fn exchange(&self, input: &Input) -> Result<Vec<u8>, String> {
        let nginx = &self.site.nginx[input.site];
        let port = if input.http2 { nginx.h2_port() } else { nginx.port() };
        let mut stream =
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(|e| format!("connect: {e}"))?;
        let (start, mut answer, mut half_closed) = (Instant::now(), Vec::new(), false);
        stream.set_read_timeout(Some(SILENCE[0])).map_err(|e| e.to_string())?;
        // nginx may close before it has read everything.
        let _ = stream.write_all(&input.bytes);
        loop {
            let mut chunk = [0; 16 * 1024];
            match stream.read(&mut chunk) {
                Ok(0) => return Ok(answer),
                Ok(read) => {
                    answer.extend_from_slice(&chunk[..read]);
                    let _ = stream.set_read_timeout(Some(SILENCE[1]));
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if start.elapsed() > stretched(STUCK) {
                        return Err("the connection is stuck".to_owned());
                    }
                    if !half_closed {
                        half_closed = true;
                        let _ = stream.shutdown(Shutdown::Write);
                        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A reset, for bytes that nginx didn't want.
                Err(_) => return Ok(answer),
            }
        }
    }

    /// Keeps the inputs that may have been to blame.
    fn keep_blame(&self) {
        let kept = folder("artifacts").join("http").join(std::process::id().to_string());
        fs::create_dir_all(&kept).expect("the folder is writable");
        let recent = self.recent.lock().expect("no thread panics holding it");
        for (age, input) in recent.iter().enumerate() {
            let wire = if input.http2 { "http2" } else { "http1" };
            let file = kept.join(format!("{age:02}-{wire}-site{}", input.site));
            fs::write(file, &input.bytes).expect("the folder is writable");
        }
    }
}

/// HTTP/2's answers begin with a status, which nginx takes from the static table (RFC 7541, appendix A).
fn has_status_500(mut answer: &[u8], http2: bool) -> bool {
    const STATUS_500: u8 = 0x80 | 14;
    if !http2 {
        return answer.windows(12).any(|window| window == b"HTTP/1.1 500");
    }
    std::iter::from_fn(|| Frame::read(&mut answer).ok())
        .any(|frame| frame.kind == HEADERS && frame.payload.first() == Some(&STATUS_500))
}
