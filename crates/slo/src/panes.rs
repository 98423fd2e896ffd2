//! Counts that wait to be added to a series.

use model::{Count, Pane, PaneCount};

/// Counts by pane, in order of their panes.
///
/// Nearly all events fall into one or two panes, so the last one that was hit is tried first.
#[derive(Clone, Debug, Default)]
pub struct PaneCounts {
    panes: Vec<PaneCount>,
    last: usize,
}

impl PaneCounts {
    /// Adds to the count of a pane.
    #[inline]
    pub fn add(&mut self, pane: Pane, count: Count) {
        if let Some(last) = self.panes.get_mut(self.last)
            && last.pane == pane
        {
            last.count += count;
            return;
        }
        match self.panes.binary_search_by_key(&pane, |entry| entry.pane) {
            Ok(at) => {
                self.panes[at].count += count;
                self.last = at;
            }
            Err(at) => {
                self.panes.insert(at, PaneCount { pane, count });
                self.last = at;
            }
        }
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.panes.is_empty()
    }

    /// Adds everything to other counts, and keeps the room.
    pub fn move_to(&mut self, other: &mut Self) {
        self.panes.drain(..).for_each(|entry| other.add(entry.pane, entry.count));
        self.last = 0;
    }

    /// Forgets everything, and keeps the room.
    pub fn clear(&mut self) {
        self.panes.clear();
        self.last = 0;
    }

    /// Everything in order of the panes; nothing stays.
    pub fn drain(&mut self) -> Vec<PaneCount> {
        self.last = 0;
        std::mem::take(&mut self.panes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_come_in_order_and_each_once() {
        let mut counts = PaneCounts::default();
        for pane in [7, 3, 7, 9, 3] {
            counts.add(Pane(pane), Count::one_good(1));
        }
        let drained: Vec<_> = counts.drain().iter().map(|p| (p.pane.0, p.count.total)).collect();
        assert_eq!(drained, [(3, 2), (7, 2), (9, 1)]);
        assert!(counts.drain().is_empty());
    }
}
