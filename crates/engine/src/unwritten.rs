//! Series that changed since they were written down.

use std::collections::VecDeque;

use crate::series::{Series, SeriesTable};

/// What a checkpoint has to write, in the order in which it changed; each series once, so that
/// there are never more than there are series.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unwritten {
    /// By ordinal: indices change with definitions.
    series: VecDeque<u32>,
    /// Series since when whose conditions hold changed.
    held: Vec<u32>,
}

impl Unwritten {
    /// Notes that the counts of a series changed with the entry `seq` of the log, or before it.
    pub(crate) fn note(&mut self, series: &mut Series, seq: u64) {
        if series.dirty_from.is_none() {
            series.dirty_from = Some(seq);
            self.series.push_back(series.ordinal);
        }
    }

    /// Notes that it changed since when conditions hold.
    pub(crate) fn note_held(&mut self, series: &mut Series) {
        if !series.held_is_dirty {
            series.held_is_dirty = true;
            self.held.push(series.ordinal);
        }
    }

    /// The series that has waited longest, and is waited for no more.
    pub(crate) fn pop<'s>(&mut self, all: &'s mut SeriesTable) -> Option<&'s mut Series> {
        let _ = self.oldest(all)?;
        let series = all.of_ordinal(self.series.pop_front()?)?;
        series.dirty_from = None;
        Some(series)
    }

    /// The first entry of the log that some series needs.
    pub(crate) fn oldest(&mut self, all: &SeriesTable) -> Option<u64> {
        while let Some(ordinal) = self.series.front() {
            let series = all.index_of_ordinal(*ordinal).and_then(|index| all.get(index));
            match series.and_then(|series| series.dirty_from) {
                Some(seq) => return Some(seq),
                // Its definition is gone.
                None => drop(self.series.pop_front()),
            }
        }
        None
    }

    /// All whose conditions changed.
    pub(crate) fn take_held(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.held)
    }
}
