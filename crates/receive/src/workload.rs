//! How much work waits for a worker, by estimate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use otlp::Signal;
use tokio::sync::Notify;

use crate::Packing;
use crate::answer::Encoding;
use crate::inflate::Compression;

/// What a request costs beside its bytes: framing, look-ups, its answer.
const REQUEST_NS: u64 = 20_000;
/// What a byte is taken to cost before anything was measured, in nanoseconds,
const BYTE_NS_GUESS: f64 = 2.0;
/// and of how many bytes that is taken to be known.
const GUESSED_BYTES: f64 = 65_536.0;
/// What is left of older measurements after each new one: the last sixteen requests decide.
const KEPT: f64 = 15.0 / 16.0;
/// How many times its estimate a measurement counts at most: whoever was interrupted by other
/// threads says little of the next. What has become dearer is believed step by step.
const SURPRISE_MAX: f64 = 4.0;

/// What decides what a byte costs: signal, compression, encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) signal: Signal,
    pub(crate) compression: Compression,
    pub(crate) encoding: Encoding,
}

const KINDS: usize = 3 * 4 * 2;

/// The work that one worker has taken on in this round.
///
/// A round is one pass over all that was ready when its first request was taken: its end stands in
/// the worker's queue behind all of these, as a task ([`Workload::rounds`]). Whatever is taken
/// within it waits for what was taken before, and so does everything else on this thread: ticks,
/// recalls. So a round may hold only so much, and the rest of it is refused; a client with few
/// requests in flight, however fast it is, never fills one.
///
/// Only one thread writes; others may look.
#[derive(Debug)]
pub(crate) struct Workload {
    ahead_max_ns: u64,
    /// Estimated; zero between rounds only.
    taken_ns: AtomicU64,
    began: Notify,
    rates: [Rate; KINDS],
}

/// What a byte costs: sums of cost and bytes in which older requests count ever less.
#[derive(Debug)]
struct Rate {
    ns: Real,
    bytes: Real,
}

#[derive(Debug)]
struct Real(AtomicU64);

/// A request that was taken on.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    workload: &'a Workload,
    rate: &'a Rate,
    bytes: usize,
    estimate_ns: u64,
}

impl Workload {
    /// Lets a round hold at most so much work, or one request that is larger.
    pub(crate) fn new(ahead_max: Duration) -> Self {
        Self {
            ahead_max_ns: u64::try_from(ahead_max.as_nanos()).unwrap_or(u64::MAX),
            taken_ns: AtomicU64::new(0),
            began: Notify::new(),
            rates: std::array::from_fn(|_| Rate::guessed()),
        }
    }

    /// Ends each round. Must run as a task of the worker's own, so that it gets its turn after all
    /// that was ready before.
    pub(crate) async fn rounds(&self) {
        loop {
            self.began.notified().await;
            self.taken_ns.store(0, Ordering::Relaxed);
        }
    }

    /// Whether nothing further can be taken in this round, however small it is.
    pub(crate) fn is_full(&self) -> bool {
        let taken = self.taken_ns.load(Ordering::Relaxed);
        taken > 0 && taken.saturating_add(REQUEST_NS) > self.ahead_max_ns
    }

    /// Takes a request of so many bytes, as they will be decompressed; nothing if this round cannot
    /// hold it. The first of a round is always taken.
    pub(crate) fn take(&self, kind: Kind, bytes: usize) -> Option<Work<'_>> {
        let rate = &self.rates[kind.index()];
        let estimate_ns = rate.estimate_ns(bytes);
        let taken = self.taken_ns.load(Ordering::Relaxed);
        if taken == 0 {
            self.began.notify_one();
        } else if taken.saturating_add(estimate_ns) > self.ahead_max_ns {
            return None;
        }
        self.taken_ns.store(taken.saturating_add(estimate_ns), Ordering::Relaxed);
        Some(Work { workload: self, rate, bytes, estimate_ns })
    }
}

impl Work<'_> {
    /// So many bytes it is in truth.
    pub(crate) fn inflated(&mut self, bytes: usize) {
        if bytes == self.bytes {
            return;
        }
        let estimate_ns = self.rate.estimate_ns(bytes);
        let taken = self.workload.taken_ns.load(Ordering::Relaxed);
        let corrected = taken.saturating_sub(self.estimate_ns).saturating_add(estimate_ns);
        self.workload.taken_ns.store(corrected, Ordering::Relaxed);
        (self.bytes, self.estimate_ns) = (bytes, estimate_ns);
    }

    /// It is done, and took so long: the next ones of its kind are estimated by that.
    pub(crate) fn done(self, took: Duration) {
        let took = took.as_nanos() as f64;
        self.rate.learn(self.bytes, took.min(self.estimate_ns as f64 * SURPRISE_MAX));
    }
}

impl Kind {
    const fn index(self) -> usize {
        let compression = match self.compression {
            Compression::None => 0,
            Compression::Packed(Packing::Gzip) => 1,
            Compression::Packed(Packing::Zstd) => 2,
            Compression::Packed(Packing::Deflate) => 3,
        };
        let encoding = match self.encoding {
            Encoding::Protobuf => 0,
            Encoding::Json => 1,
        };
        (self.signal as usize * 4 + compression) * 2 + encoding
    }
}

impl Rate {
    fn guessed() -> Self {
        Self { ns: Real::new(GUESSED_BYTES * BYTE_NS_GUESS), bytes: Real::new(GUESSED_BYTES) }
    }

    fn estimate_ns(&self, bytes: usize) -> u64 {
        let of_bytes = bytes as f64 * self.ns.get() / self.bytes.get();
        REQUEST_NS.saturating_add(of_bytes as u64)
    }

    fn learn(&self, bytes: usize, took_ns: f64) {
        // One byte more, so that the sum of bytes is never nothing.
        self.bytes.set(self.bytes.get() * KEPT + bytes as f64 + 1.0);
        self.ns.set(self.ns.get() * KEPT + took_ns);
    }
}

impl Real {
    fn new(value: f64) -> Self {
        Self(AtomicU64::new(value.to_bits()))
    }

    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
