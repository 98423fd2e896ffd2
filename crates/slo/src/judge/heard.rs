use std::time::Duration;

use model::Timestamp;

use crate::presence::Presence;
use crate::window::Exclusions;

/// When a source was heard. Two kinds, as every series is judged every 5 s, and hardly any has
/// time that is excluded.
pub(super) trait Heard: Copy {
    /// How much of `from..now` it was heard for, in nanoseconds.
    fn covered_ns(self, from: Timestamp, now: Timestamp) -> u64;

    /// How much of a window that ends now counts.
    fn passed(self, window: Duration, now: Timestamp) -> Duration;
}

/// Less the time that is excluded.
#[derive(Clone, Copy)]
pub(super) struct HeardLess<'a> {
    pub(super) presence: &'a Presence,
    pub(super) excluded: &'a Exclusions,
}

impl Heard for &Presence {
    #[inline]
    fn covered_ns(self, from: Timestamp, now: Timestamp) -> u64 {
        Presence::covered_ns(self, from, now)
    }

    #[inline]
    fn passed(self, window: Duration, _: Timestamp) -> Duration {
        window
    }
}

impl Heard for HeardLess<'_> {
    fn covered_ns(self, from: Timestamp, now: Timestamp) -> u64 {
        let excluded = self.excluded.within(from, now);
        excluded.fold(self.presence.covered_ns(from, now), |covered, (from, until)| {
            covered.saturating_sub(self.presence.covered_ns(from, until))
        })
    }

    fn passed(self, window: Duration, now: Timestamp) -> Duration {
        let excluded = self.excluded.within(now.before(window), now);
        excluded.fold(window, |passed, (from, until)| passed.saturating_sub(until.since(from)))
    }
}
