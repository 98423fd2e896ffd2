//! Free ports on loopback.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

// Below the range from which Linux takes the source ports of connections (32768 and up). So a port
// stays free while its server is away and clients keep trying to connect.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static HANDED_OUT: AtomicU16 = AtomicU16::new(0);

/// A port on which nothing listens, never the same twice in one process.
pub(crate) fn free() -> u16 {
    // Test processes that run side by side start far apart.
    let start = u16::try_from(std::process::id() * 97 % u32::from(COUNT)).unwrap();
    for _ in 0..COUNT {
        let next = HANDED_OUT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (start + next) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port from {FIRST} on");
}
