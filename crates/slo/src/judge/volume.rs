use std::time::Duration;

use model::Timestamp;

use super::heard::Heard;
use crate::window::SeriesWindows;

/// The usual volume of a series is known once it was heard for this long; before that, what was
/// seen is all there is.
pub const VOLUME_KNOWN_AFTER: Duration = Duration::from_secs(24 * 3600);
const NS_PER_MS: u64 = 1_000_000;

/// Whether few events are measured against the volume that is usual for the series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VolumeCorrection {
    /// burn = bad / (budget x max(total, expected total)).
    #[default]
    Expected,
    /// burn = bad / (budget x total).
    Off,
}

/// The mean rate of a series over the part of the last seven days for which it was heard, from its
/// own panes: late events count, and nothing besides the panes has to survive a restart.
pub(super) struct UsualVolume {
    total: u64,
    /// Zero: not known.
    covered_ms: u64,
}

impl UsualVolume {
    pub(super) fn of(
        series: &SeriesWindows,
        heard: impl Heard,
        correction: VolumeCorrection,
        now: Timestamp,
    ) -> Self {
        let unknown = Self { total: 0, covered_ms: 0 };
        if correction == VolumeCorrection::Off {
            return unknown;
        }
        let volume = series.volume();
        let covered_ns = heard.covered_ns(volume.from, now);
        if u128::from(covered_ns) < VOLUME_KNOWN_AFTER.as_nanos() {
            return unknown;
        }
        Self { total: volume.count.total, covered_ms: covered_ns.div_ceil(NS_PER_MS) }
    }

    /// Rounded down, so that steady traffic is never short of what is expected of it.
    pub(super) fn expected(&self, covered_ns: u64) -> u64 {
        if self.covered_ms == 0 {
            return 0;
        }
        let covered_ms = covered_ns / NS_PER_MS;
        // A division in 128 bits costs ten times as much.
        if let Some(scaled) = self.total.checked_mul(covered_ms) {
            return scaled / self.covered_ms;
        }
        let scaled = u128::from(self.total) * u128::from(covered_ms);
        u64::try_from(scaled / u128::from(self.covered_ms)).unwrap_or(u64::MAX)
    }
}
