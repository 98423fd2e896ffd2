use std::time::{Duration, Instant};

/// Timers of the runtime are this coarse; the rest of a wait is spent yielding.
const TIMER: Duration = Duration::from_millis(2);

/// When requests are meant to leave, and which of them count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    pub start: Instant,
    /// What is answered from here on counts.
    pub counted_from: Instant,
    /// No request leaves from here on.
    pub until: Instant,
    /// Seconds between requests in an open loop.
    pub interval_s: Option<f64>,
}

impl Schedule {
    pub(crate) fn new(warm_up: Duration, duration: Duration, interval_s: Option<f64>) -> Self {
        let start = Instant::now();
        let counted_from = start + warm_up;
        Self { start, counted_from, until: counted_from + duration, interval_s }
    }

    /// When request `n` is meant to leave in an open loop.
    pub(crate) fn intended(&self, n: u64) -> Option<Instant> {
        let offset = Duration::try_from_secs_f64(self.interval_s? * n as f64).ok()?;
        self.start.checked_add(offset)
    }

    /// How many requests are meant to leave in an open loop.
    pub(crate) fn intended_requests(&self) -> Option<u64> {
        Some(((self.until - self.start).as_secs_f64() / self.interval_s?).ceil() as u64)
    }

    /// Waits for request `n`'s turn. Gives the moment from which its latency counts: in an open
    /// loop the intended one, also where that has passed. None if its turn never comes.
    pub(crate) async fn turn(&self, n: u64) -> Option<Instant> {
        let now = Instant::now();
        if now >= self.until {
            return None;
        }
        if self.interval_s.is_none() {
            return Some(now);
        }
        let intended = self.intended(n).filter(|intended| *intended < self.until)?;
        if let Some(wait) = intended.checked_duration_since(now).and_then(|w| w.checked_sub(TIMER))
        {
            tokio::time::sleep(wait).await;
        }
        while Instant::now() < intended {
            tokio::task::yield_now().await;
        }
        Some(intended)
    }
}
