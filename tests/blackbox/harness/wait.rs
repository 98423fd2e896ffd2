//! Waiting with a deadline, and the runtime for what is asynchronous.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

const PROBE_EVERY: Duration = Duration::from_millis(20);

/// The runtime that all tests share; it lives as long as the process.
pub(crate) static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Runtime::new().expect("starts a tokio runtime"));

/// Probes until there is an answer; none within `limit` fails the test with `what` was awaited.
#[track_caller]
pub(crate) fn until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(PROBE_EVERY);
    }
}
