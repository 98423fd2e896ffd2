//! Several recordings as one, in the order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use model::Timestamp;

use super::recording::{Item, Record, Recording};

/// Recordings that are read side by side, each of which is in the order of time itself. Holds one
/// request of each.
pub(super) struct Merge {
    files: Vec<File>,
    /// Which file's request is the oldest; of equals the first file's.
    order: BinaryHeap<Reverse<(Timestamp, usize)>>,
    /// Files whose next request is not known yet.
    unread: Vec<usize>,
}

struct File {
    recording: Recording,
    next: Option<Record>,
    /// The time of the last request: of one without a time of its own too.
    at: Timestamp,
}

impl Merge {
    pub(super) fn new(recordings: Vec<Recording>) -> Self {
        let file = |recording| File { recording, next: None, at: Timestamp::ZERO };
        let files: Vec<_> = recordings.into_iter().map(file).collect();
        let unread = (0..files.len()).rev().collect();
        Self { files, order: BinaryHeap::new(), unread }
    }

    /// What comes next, or something broken that was met on the way; `None` at the end of all.
    ///
    /// # Errors
    /// If a file cannot be read further.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Item>> {
        while let Some(index) = self.unread.pop() {
            let Some(file) = self.files.get_mut(index) else { continue };
            match file.recording.next()? {
                Some(Item::Record(record)) => {
                    file.at = record.newest.unwrap_or(file.at);
                    file.next = Some(record);
                    self.order.push(Reverse((file.at, index)));
                }
                Some(broken @ Item::Broken(..)) => {
                    self.unread.push(index);
                    return Ok(Some(broken));
                }
                None => {}
            }
        }
        let Some(Reverse((_, index))) = self.order.pop() else { return Ok(None) };
        self.unread.push(index);
        Ok(self.files.get_mut(index).and_then(|file| file.next.take()).map(Item::Record))
    }
}
