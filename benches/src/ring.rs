//! Requests that come from beyond the nearest caches.

use std::time::Duration;

use load::{Content, LoadError, Requests, Shape};
use model::Timestamp;

/// The moment of a fixed request.
pub const FIXED_NOW: Timestamp = Timestamp::from_unix_s(1_800_000_000);
/// What a round of fifty requests of a thousand items takes at two million items a second.
const ROUND: Duration = Duration::from_millis(25);

/// One request of each service: for spans 24 MB, more than the caches next to a core hold.
#[derive(Debug)]
pub struct Ring {
    requests: Requests,
    next: u64,
    now: Timestamp,
    messages: Vec<Vec<u8>>,
}

impl Ring {
    /// The first round.
    ///
    /// # Errors
    /// If the shape makes no sense.
    pub fn new(content: Content, shape: Shape) -> Result<Self, LoadError> {
        let requests = requests(content, shape)?;
        let mut ring = Self { requests, next: 0, now: FIXED_NOW, messages: Vec::new() };
        ring.renew();
        Ok(ring)
    }

    /// Fresh ids and counts, and later times.
    pub fn renew(&mut self) {
        self.now = self.now.after(ROUND);
        let services = self.requests.shape().services as u64;
        let numbers = self.next..self.next + services;
        self.messages = numbers.map(|n| self.requests.message(n, self.now.unix_ns())).collect();
        self.next += services;
    }

    /// The requests of this round.
    #[must_use]
    pub fn messages(&self) -> &[Vec<u8>] {
        &self.messages
    }

    /// When they arrive.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }
}

/// The same ones in every run.
///
/// # Errors
/// If the shape makes no sense.
pub fn requests(content: Content, shape: Shape) -> Result<Requests, LoadError> {
    let began = FIXED_NOW.before(Duration::from_secs(600));
    Requests::new(content, shape, 1, began.unix_ns())
}
