use std::time::Duration;

use model::Timestamp;

/// A young incident is looked at again soon: evidence comes in by the second. Later once a minute.
const STEPS_S: [u64; 5] = [5, 10, 15, 30, 60];

/// When an incident is diagnosed again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refresh {
    at: Timestamp,
    step: usize,
}

impl Refresh {
    pub(crate) fn after_opening(now: Timestamp) -> Self {
        Self { at: now.after(Duration::from_secs(STEPS_S[0])), step: 0 }
    }

    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.at <= now
    }

    pub(crate) fn next(self, now: Timestamp) -> Self {
        let step = (self.step + 1).min(STEPS_S.len() - 1);
        Self { at: now.after(Duration::from_secs(STEPS_S[step])), step }
    }
}
