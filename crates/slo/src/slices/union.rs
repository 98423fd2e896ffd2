use std::collections::BTreeSet;

use model::{Count, Pane, Timestamp};

use super::Slices;

impl Slices {
    /// The slice of a pane, if it was closed.
    #[must_use]
    pub fn closed_of(&self, pane: Pane) -> Option<u32> {
        let slice = pane.0 / self.slicing.panes;
        self.next.is_some_and(|next| slice < next).then_some(slice)
    }

    /// Closes the slices that all parts have closed, and judges those anew that were corrected in
    /// one of them: a slice is bad if it is bad in any part, and one that is no slice in any part
    /// is none. Returns whether a verdict changed.
    ///
    /// The parts have slices of the same length.
    pub fn unite(&mut self, parts: &[&Self], corrected: &BTreeSet<u32>, now: Timestamp) -> bool {
        let closed = parts.iter().map(|part| part.next).min().flatten();
        let Some(open) = closed else { return false };
        let oldest = || parts.iter().filter_map(|part| self.slicing.oldest_of(&part.verdicts));
        let first = self.next.unwrap_or_else(|| oldest().min().unwrap_or(open)).min(open);
        let again = corrected.iter().copied().filter(|slice| *slice < first);
        let mut has_changed = false;
        for slice in again.chain(first..open) {
            if let Some(verdict) = union(parts, slice) {
                has_changed |= self.correct(slice, verdict, now) == Some(true);
            }
        }
        has_changed |= self.next != Some(open);
        self.next = Some(open);
        has_changed
    }

    /// Nobody knows how far the verdicts follow those of the parts: after a restart they may have
    /// been written at different times. All that can be told apart are compared again.
    pub fn doubt(&mut self) {
        self.next = None;
    }
}

/// `None` if a part cannot tell the slice any more.
fn union(parts: &[&Slices], slice: u32) -> Option<Count> {
    let mut all = Count::ZERO;
    for part in parts {
        all += part.told(slice)?;
    }
    let (total, bad) = (all.total.min(1), all.bad().min(1));
    Some(Count { total, bad_signed: i64::from(bad > 0), ..all })
}
