use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use model::{PANE_NS, Timestamp};

use crate::tier::start_of;

/// Stretches of time whose events count toward no budget, such as maintenance. Each is widened to
/// whole panes of 5 s.
///
/// Invariant: in order, none empty, and none touches the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Exclusions {
    /// Panes of 5 s, `first..end`.
    ranges: Arc<[(u32, u32)]>,
}

/// How much of a stretch is excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    None,
    Part,
    Whole,
}

impl Exclusions {
    /// Of stretches `from..until` in any order; they may overlap.
    #[must_use]
    pub fn new(stretches: impl IntoIterator<Item = (Timestamp, Timestamp)>) -> Self {
        let panes = stretches.into_iter().filter(|(from, until)| from < until);
        Self::of_panes(panes.map(|(from, until)| (from.pane().0, end_pane(until))).collect())
    }

    fn of_panes(mut panes: Vec<(u32, u32)>) -> Self {
        panes.sort_unstable();
        let mut ranges: Vec<(u32, u32)> = Vec::with_capacity(panes.len());
        for (first, end) in panes {
            match ranges.last_mut() {
                Some(last) if first <= last.1 => last.1 = last.1.max(end),
                _ => ranges.push((first, end)),
            }
        }
        Self { ranges: ranges.into() }
    }

    /// Whether nothing is excluded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The stretch that holds a moment.
    #[must_use]
    pub fn at(&self, moment: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let pane = moment.pane().0;
        let (first, end) = *self.ranges.get(self.after(pane))?;
        (first <= pane).then(|| (start_of(first), start_of(end)))
    }

    /// The parts of `from..until` that are excluded, in order.
    pub fn within(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let ranges = self.ranges.get(self.after(from.pane().0)..).unwrap_or_default();
        let begun = ranges.iter().map(|(first, end)| (start_of(*first), start_of(*end)));
        begun
            .take_while(move |(begin, _)| *begin < until)
            .map(move |(begin, end)| (begin.max(from), end.min(until)))
    }

    /// The same, each stretch widened to whole multiples of so many panes.
    pub(crate) fn widened(&self, panes: u32) -> Self {
        let widen = |(first, end): &(u32, u32)| {
            (first / panes * panes, end.div_ceil(panes).saturating_mul(panes))
        };
        Self::of_panes(self.ranges.iter().map(widen).collect())
    }

    pub(crate) fn contain(&self, pane: u32) -> bool {
        self.ranges.get(self.after(pane)).is_some_and(|(first, _)| *first <= pane)
    }

    /// How much of the panes `first..end` is excluded.
    pub(crate) fn share(&self, first: u32, end: u32) -> Share {
        match self.ranges.get(self.after(first)) {
            Some((from, until)) if *from <= first && end <= *until => Share::Whole,
            Some((from, _)) if *from < end => Share::Part,
            _ => Share::None,
        }
    }

    /// Whether the same of the panes `first..end` is excluded here as there.
    pub(crate) fn agree(&self, other: &Self, first: u32, end: u32) -> bool {
        self.clipped(first, end).eq(other.clipped(first, end))
    }

    /// The panes before `end` that are excluded here or there, but not in both.
    pub(crate) fn difference(&self, other: &Self, end: u32) -> Vec<(u32, u32)> {
        let edges = |of: &Self| of.clipped(0, end).flat_map(|(a, b)| [a, b]).collect::<Vec<_>>();
        let mut edges = [edges(self), edges(other)].concat();
        edges.sort_unstable();
        // At each edge one of the two turns over, so that between an odd and an even one they
        // differ; where both turn over, nothing lies between.
        let pairs = edges.chunks_exact(2).map(|pair| (pair[0], pair[1]));
        pairs.filter(|(first, end)| first < end).collect()
    }

    fn clipped(&self, first: u32, end: u32) -> impl Iterator<Item = (u32, u32)> {
        let ranges = self.ranges.get(self.after(first)..).unwrap_or_default();
        let begun = ranges.iter().take_while(move |(from, _)| *from < end);
        begun.map(move |(from, until)| ((*from).max(first), (*until).min(end)))
    }

    /// The first stretch that ends after a pane begins.
    fn after(&self, pane: u32) -> usize {
        self.ranges.partition_point(|(_, end)| *end <= pane)
    }
}

/// The pane at which a stretch has ended that ends at this moment.
fn end_pane(until: Timestamp) -> u32 {
    until.pane().0 + u32::from(!until.unix_ns().is_multiple_of(PANE_NS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Timestamp {
        Timestamp::from_unix_s(seconds)
    }

    #[test]
    fn stretches_are_widened_to_panes_and_joined() {
        let times =
            Exclusions::new([(s(101), s(112)), (s(20), s(30)), (s(30), s(41)), (s(9), s(9))]);
        assert_eq!(*times.ranges, [(4, 9), (20, 23)]);
        assert_eq!(times.at(s(44)), Some((s(20), s(45))));
        assert_eq!(times.at(s(45)), None);
        assert_eq!(
            times.within(s(22), s(102)).collect::<Vec<_>>(),
            [(s(22), s(45)), (s(100), s(102))]
        );
        assert_eq!(*times.widened(12).ranges, [(0, 24)]);
    }

    #[test]
    fn shares_and_differences() {
        let (a, b) = (Exclusions::new([(s(20), s(50))]), Exclusions::new([(s(30), s(70))]));
        assert_eq!(a.share(4, 10), Share::Whole);
        assert_eq!(a.share(0, 5), Share::Part);
        assert_eq!(a.share(10, 12), Share::None);
        assert_eq!(a.difference(&b, 100), [(4, 6), (10, 14)]);
        assert_eq!(a.difference(&b, 11), [(4, 6), (10, 11)]);
        assert!(a.agree(&b, 6, 10) && !a.agree(&b, 5, 10));
        assert!(a.difference(&a, 100).is_empty());
    }
}
