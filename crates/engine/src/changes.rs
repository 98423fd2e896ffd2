//! Changes that people and pipelines tell of: what may be behind a fault.

use model::{Change, Row};

use crate::Engine;
use crate::persist::{Table, put};

impl Engine {
    /// Takes changes. One that lies ahead counts from now; one with the id of another takes its
    /// place.
    pub(crate) fn changed(&mut self, changes: Vec<Change>) {
        for change in changes {
            let at = if change.at.is_set() { change.at.min(self.now) } else { self.now };
            self.correlator.change(Change { at, ..change });
        }
        self.changes_are_dirty = true;
    }

    /// All changes that are remembered, if somebody told of one since they were written down.
    pub(crate) fn write_changes(&mut self, rows: &mut Vec<Row>) {
        if std::mem::take(&mut self.changes_are_dirty) {
            let changes: Vec<&Change> = self.correlator.changes().collect();
            rows.push(put(Table::Changes.key(), &changes));
        }
    }

    /// Takes changes as they were written down; what has been learnt since then stays.
    pub(crate) fn restore_changes(&mut self, changes: Vec<Change>) {
        changes.into_iter().for_each(|change| self.correlator.change(change));
    }
}
