use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use model::{Count, Pane, PaneCount};

use super::calendar::Period;
use super::excluded::{Excluded, UnsurePane};
use super::{Exclusions, SeriesWindows, WindowPlan};
use crate::tier::{Ring, Tier};

const HAS_BAD: u64 = 1;
const HAS_EXTRA: u64 = 2;
const FLAG_BITS: u32 = 2;

/// The panes of a series that hold something, in 3 to 5 bytes each; equal panes have equal bytes.
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
    /// Varints: index less the one before, with two flags; total; bad and the rest where flagged.
    panes: Vec<u8>,
}

/// Why a snapshot cannot be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The bytes of a tier end within a pane.
    #[error("snapshot of windows ends within a pane")]
    Truncated,
    /// An index, a time or a number of tiers that no snapshot has.
    #[error("snapshot of windows has a pane out of range")]
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
            ring.since = held.since;
            let mut panes = Panes { bytes: &held.panes, index: 0 };
            while let Some((index, count)) = panes.next()? {
                if index > newest {
                    return Err(RestoreError::OutOfRange);
                }
                ring.add(index, count);
            }
        }
        let mut series = series.with_plan(Arc::clone(&plan));
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
        let mut panes = Vec::new();
        let mut before = 0;
        // Chunks may hold more than the ring promises: that is not written.
        let oldest = tier.index(self.floor).saturating_sub(reach);
        for (index, count) in ring.range(oldest, u32::MAX) {
            write_pane(&mut panes, index - before, count);
            before = index;
        }
        TierSnapshot { reach, since: ring.since, panes }
    }
}

fn write_pane(bytes: &mut Vec<u8>, step: u32, count: Count) {
    let unobserved = count.bad_signed.wrapping_sub(count.bad_observed as i64);
    let has_extra = unobserved != 0 || count.uncertain != 0;
    let flags = if count.bad_signed != 0 { HAS_BAD } else { 0 };
    let flags = if has_extra { flags | HAS_EXTRA } else { flags };
    write_varint(bytes, (u64::from(step) << FLAG_BITS) | flags);
    write_varint(bytes, count.total);
    if flags & HAS_BAD != 0 {
        write_varint(bytes, zigzag(count.bad_signed));
    }
    if has_extra {
        write_varint(bytes, zigzag(unobserved));
        write_varint(bytes, count.uncertain);
    }
}

struct Panes<'a> {
    bytes: &'a [u8],
    index: u32,
}

impl Panes<'_> {
    fn next(&mut self) -> Result<Option<(u32, Count)>, RestoreError> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let head = self.varint()?;
        let step = u32::try_from(head >> FLAG_BITS).map_err(|_| RestoreError::OutOfRange)?;
        self.index = self.index.checked_add(step).ok_or(RestoreError::OutOfRange)?;
        let total = self.varint()?;
        let bad_signed = if head & HAS_BAD != 0 { unzigzag(self.varint()?) } else { 0 };
        let (unobserved, uncertain) =
            if head & HAS_EXTRA != 0 { (unzigzag(self.varint()?), self.varint()?) } else { (0, 0) };
        let bad_observed = bad_signed.wrapping_sub(unobserved) as u64;
        Ok(Some((self.index, Count { total, bad_signed, bad_observed, uncertain })))
    }

    fn varint(&mut self) -> Result<u64, RestoreError> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let (&byte, rest) = self.bytes.split_first().ok_or(RestoreError::Truncated)?;
            self.bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(RestoreError::OutOfRange)
    }
}

fn write_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

const fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
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
