//! Ports for nginx to listen on.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the kernel's range for port 0 and for outgoing connections: between the check and nginx's bind, no client or
/// stand-in of another test can take a port from this range.
const RANGE: Range<u32> = 12_000..32_000;

/// A port that nobody listens on, and that this process has never returned before.
pub(crate) fn free_port() -> u16 {
    static NEXT: OnceLock<AtomicU32> = OnceLock::new();
    // Test programs that run at the same time start at different positions.
    let next = NEXT.get_or_init(|| AtomicU32::new(std::process::id().wrapping_mul(613)));
    let size = RANGE.end - RANGE.start;
    for _ in 0..size {
        let offset = next.fetch_add(1, Ordering::Relaxed) % size;
        let port = u16::try_from(RANGE.start + offset).expect("the range fits");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port in {RANGE:?}");
}
