use std::sync::Arc;
use std::time::Duration;

use model::OutgoingKind;

const FIRST: Duration = Duration::from_millis(100);
const PAGE_MAX: Duration = Duration::from_secs(5);
const REST_MAX: Duration = Duration::from_secs(30);

/// Yields numbers in 0..1 that spread retries, so that those who failed together do not return
/// together.
pub type Jitter = Arc<dyn Fn() -> f64 + Send + Sync>;

/// How long to wait before the next attempt, after `failures` of them: doubles from 100 ms up to
/// 5 s for pages and 30 s for the rest, between half and all of it.
pub(crate) fn delay(kind: OutgoingKind, failures: u32, jitter: f64) -> Duration {
    let max = if kind == OutgoingKind::Page { PAGE_MAX } else { REST_MAX };
    let doublings = failures.saturating_sub(1).min(16);
    FIRST.saturating_mul(1 << doublings).min(max).mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}
