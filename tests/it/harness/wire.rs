//! The same request over every version of HTTP, and many requests at once.

use std::borrow::Borrow;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use super::http1::Http1;
use super::http2::Http2;
use super::message::{Request, Response};
use super::nginx::Nginx;
use super::tls::Tls;

/// How a request is sent to nginx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Http1,
    Http2,
    /// HTTP/1.1 over TLS; like the next one, only if the instance has `.tls(..)`.
    Https1,
    Https2,
}

/// Runs a test over HTTP/1.1 and HTTP/2, both without TLS.
pub(crate) fn for_each_wire(mut test: impl FnMut(Wire)) {
    for wire in [Wire::Http1, Wire::Http2] {
        // cargo prints it if the test fails, to show which wire was used.
        println!("over {wire:?}");
        test(wire);
    }
}

/// Sends one request on a connection of its own.
#[track_caller]
pub(crate) fn send(nginx: &Nginx, wire: Wire, request: impl Borrow<Request>) -> Response {
    try_send(nginx, wire, request).unwrap_or_else(|e| panic!("over {wire:?}: {e}"))
}

/// Like [`send`], for requests that nginx may answer by closing the connection or resetting the stream.
pub(crate) fn try_send(nginx: &Nginx, wire: Wire, request: impl Borrow<Request>) -> io::Result<Response> {
    let (request, tls) = (request.borrow(), Tls::default());
    match wire {
        Wire::Http1 => Http1::connect(nginx.port())?.exchange(request),
        Wire::Http2 => Http2::connect(nginx.h2_port())?.exchange(request),
        Wire::Https1 => Http1::connect_tls(nginx.tls_port(), &tls)?.exchange(request),
        Wire::Https2 => Http2::connect_tls(nginx.tls_port(), &tls)?.exchange(request),
    }
}

/// Like [`try_send`] without TLS, on a thread of its own: for requests that have to wait.
pub(crate) fn in_background(nginx: &Nginx, wire: Wire, request: Request) -> JoinHandle<io::Result<Response>> {
    let (http1, http2) = (nginx.port(), nginx.h2_port());
    thread::spawn(move || match wire {
        Wire::Http1 => Http1::connect(http1)?.exchange(&request),
        Wire::Http2 => Http2::connect(http2)?.exchange(&request),
        Wire::Https1 | Wire::Https2 => panic!("not over {wire:?}"),
    })
}

/// Sends `total` requests, at most `concurrency` at the same time, each on a connection of its own. The answers are in the
/// order of the requests.
pub(crate) fn burst(
    nginx: &Nginx,
    wire: Wire,
    total: usize,
    concurrency: usize,
    request: impl Fn(usize) -> Request + Sync,
) -> Vec<io::Result<Response>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(total));
    thread::scope(|scope| {
        for _ in 0..concurrency.min(total) {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= total {
                        return;
                    }
                    let result = try_send(nginx, wire, request(i));
                    results.lock().expect("no thread panics holding it").push((i, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no thread panics holding it");
    results.sort_by_key(|(i, _)| *i);
    results.into_iter().map(|(_, result)| result).collect()
}
