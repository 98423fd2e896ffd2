use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use model::{Count, Pane, PaneCount};

use super::calendar::Period;
use super::excluded::{Excluded, UnsurePane};
use super::{Exclusions, SeriesWindows, WindowPlan};
use crate::tier::{Ring, Tier};

/// The panes of a series that hold something, in 2 to 5 bytes each where they lie together; equal panes have equal bytes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct WindowsSnapshot {
    floor: u32,
    end: u32,
    pending: Vec<PaneCount>,
    tiers: Vec<TierSnapshot>,
    /// First pane of the period of a calendar window, the pane after it, and its events.
    period: Option<(u32, u32, Count)>,
    excluded: Option<Box<ExcludedSnapshot>>,
}

#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct ExcludedSnapshot {
    times: Exclusions,
    counts: WindowsSnapshot,
    /// First pane of 5 s, the pane after the last, and what they hold.
    unsure: Vec<(u32, u32, Count)>,
}

#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct TierSnapshot {
    /// Panes that the ring was to hold before the open one.
    reach: u32,
    since: u32,
    /// As [`Ring::write`] writes them.
    panes: Vec<u8>,
}

/// Why a snapshot cannot be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Panes that no ring writes.
    #[error("snapshot of windows has panes that cannot be read")]
    Damaged,
    /// A time or a number of tiers that no snapshot has.
    #[error("snapshot of windows has a time out of range")]
    OutOfRange,
}

impl SeriesWindows {
    /// What is needed to go on after a restart.
    #[must_use]
    pub fn snapshot(&self) -> WindowsSnapshot {
        let tiers = self.rings.iter().zip(Tier::ALL).zip(self.plan.reach);
        WindowsSnapshot {
            floor: self.floor,
            end: self.end,
            pending: self.pending.clone(),
            period: self.period.map(|sum| (sum.period.first, sum.period.end, sum.count)),
            excluded: self.excluded.as_ref().map(|excluded| {
                let unsure = excluded.unsure.iter().map(|pane| (pane.first, pane.end, pane.count));
                Box::new(ExcludedSnapshot {
                    times: excluded.times.clone(),
                    counts: excluded.counts.snapshot(),
                    unsure: unsure.collect(),
                })
            }),
            tiers: tiers
                .map(|((ring, tier), reach)| self.tier_snapshot(ring, tier, reach))
                .collect(),
        }
    }

    /// Goes on from a snapshot, with the same windows or with others.
    ///
    /// # Errors
    /// If the snapshot was not written by [`SeriesWindows::snapshot`].
    pub fn restore(plan: Arc<WindowPlan>, from: &WindowsSnapshot) -> Result<Self, RestoreError> {
        let last_pane = model::Timestamp::MAX.pane().0;
        let minimum = Tier::SixHours as usize + 1;
        if !(minimum..=Tier::ALL.len()).contains(&from.tiers.len())
            || from.floor > last_pane
            || !(from.floor..=from.floor.saturating_add(1)).contains(&from.end)
        {
            return Err(RestoreError::OutOfRange);
        }
        // The plan that wrote it differs at most in what it reached; its windows do not matter.
        let mut writer = WindowPlan::clone(&plan);
        writer.windows.clear();
        writer.calendar = None;
        writer.reach = [0; Tier::ALL.len()];
        for (reach, tier) in writer.reach.iter_mut().zip(&from.tiers) {
            *reach = tier.reach.max(1);
        }
        let mut series = Self::new(Arc::new(writer));
        (series.floor, series.end) = (from.floor, from.end);
        series.pending.clone_from(&from.pending);
        for ((ring, tier), held) in series.rings.iter_mut().zip(Tier::ALL).zip(&from.tiers) {
            let newest = tier.index(from.end);
            if held.since > newest {
                return Err(RestoreError::OutOfRange);
            }
            let read = Ring::read(&held.panes, held.since, newest);
            *ring = read.ok_or(RestoreError::Damaged)?;
        }
        let mut series = series.into_plan(Arc::clone(&plan));
        // What was counted to the pane is better than what coarse panes tell.
        if let (Some(sum), Some((first, end, count))) = (&mut series.period, from.period)
            && sum.period == (Period { first, end })
        {
            sum.count = count;
        }
        if let Some(excluded) = &from.excluded {
            let unsure = excluded.unsure.iter();
            let unsure = unsure.map(|(first, end, count)| UnsurePane {
                first: *first,
                end: *end,
                count: *count,
            });
            series.excluded = Some(Box::new(Excluded {
                times: excluded.times.clone(),
                counts: Self::restore(plan, &excluded.counts)?,
                unsure: unsure.collect(),
            }));
        }
        Ok(series)
    }

    fn tier_snapshot(&self, ring: &Ring, tier: Tier, reach: u32) -> TierSnapshot {
        let mut panes = Vec::with_capacity(ring.written_bytes_likely());
        // Chunks may hold more than the ring promises: that is not written.
        ring.write(tier.index(self.floor).saturating_sub(reach), &mut panes);
        TierSnapshot { reach, since: ring.since, panes }
    }
}

impl WindowsSnapshot {
    /// Whether the snapshot holds no events.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.tiers.iter().all(|tier| tier.panes.is_empty())
    }

    /// The open pane when it was taken.
    #[must_use]
    pub const fn pane(&self) -> Pane {
        Pane(self.floor)
    }
}
