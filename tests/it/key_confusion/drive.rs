//! Many requests in a chosen order, over few connections.

use std::io;
use std::thread;

use crate::harness::{Http1, Http2, Nginx, Request, Response, Wire};

/// How many requests are under way on one connection: fewer than nginx allows, and than one address may cause calls for.
const AT_ONCE: usize = 32;

/// Two clients share the requests, one over HTTP/1.1 and one over HTTP/2; each sends its own in their order. The answers
/// are in the order of the requests.
pub(super) fn ask_all(nginx: &Nginx, requests: &[Request]) -> Vec<Response> {
    let (first, second) = requests.split_at(requests.len() / 3);
    thread::scope(|scope| {
        let over_http2 = scope.spawn(|| ask(nginx, Wire::Http2, second).expect("answers over HTTP/2"));
        let mut responses = ask(nginx, Wire::Http1, first).expect("answers over HTTP/1.1");
        responses.extend(over_http2.join().expect("no panic"));
        responses
    })
}

/// Over one connection after the other, so that every worker gets some.
fn ask(nginx: &Nginx, wire: Wire, requests: &[Request]) -> io::Result<Vec<Response>> {
    let mut responses = Vec::with_capacity(requests.len());
    for part in requests.chunks(8 * AT_ONCE) {
        match wire {
            Wire::Http1 => {
                let mut connection = Http1::connect(nginx.port())?;
                for batch in part.chunks(AT_ONCE) {
                    responses.extend(connection.pipeline(batch)?);
                }
            }
            _ => {
                let mut connection = Http2::connect(nginx.h2_port())?;
                for batch in part.chunks(AT_ONCE) {
                    let streams = batch.iter().map(|request| connection.send(request));
                    let streams: Vec<u32> = streams.collect::<io::Result<_>>()?;
                    for stream in streams {
                        responses.push(connection.receive(stream)?);
                    }
                }
            }
        }
    }
    Ok(responses)
}

/// Random enough for an order (SplitMix64), and the same for the same seed.
pub(super) struct Dice(u64);

impl Dice {
    /// Seeded by `AUTHGEAR_TEST_SEED`, or by the time; a test that fails shows the seed.
    pub(super) fn new() -> Self {
        let seed = std::env::var("AUTHGEAR_TEST_SEED").ok().map(|seed| seed.parse().expect("a number"));
        let seed = seed.unwrap_or_else(|| {
            let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
            now.as_nanos() as u64 & 0xffff_ffff
        });
        println!("AUTHGEAR_TEST_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("it is below a usize")
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
