//! The engine's rows: what a restart needs.
//!
//! Counts go into a log, one entry a checkpoint, and each series is written whole now and then, a
//! slice of the changed ones at a time, so that no checkpoint is large. An entry of the log leaves
//! once every series in it has been written whole after it; the verdicts on its slices of time are
//! written with it, so that they go with the events that they are on. Baselines of streams are written whole
//! with the log entry whose counts led up to them, those that have changed.

use borsh::{BorshDeserialize, BorshSerialize};
use model::{Count, Incident, Pane, Row, SeriesKey};

/// In front of every value: rows of another version are not read.
const VERSION: u8 = 3;

/// What a row holds, by the first byte of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Table {
    Alert = b'a',
    Baselines = b'b',
    Changes = b'c',
    IncidentRoutes = b'd',
    Held = b'h',
    Incident = b'i',
    Correlator = b'k',
    Log = b'l',
    Pairings = b'm',
    Maintenance = b'w',
    NextNumber = b'n',
    AlertRoutes = b'o',
    Presence = b'p',
    Series = b's',
    Streams = b't',
    Slices = b'v',
}

/// Counts since the checkpoint before.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub(crate) struct LogEntry {
    /// Series that were made, by ordinal.
    pub(crate) born: Vec<(u32, SeriesKey)>,
    /// Series that others have absorbed, by ordinal: those were written whole with this entry.
    pub(crate) gone: Vec<u32>,
    /// The series that have absorbed them; only what is yet to be written asks.
    #[borsh(skip)]
    pub(crate) absorbed: Vec<u32>,
    /// What was counted, by ordinal and pane.
    pub(crate) counts: Vec<(u32, Pane, Count)>,
}

impl LogEntry {
    pub(crate) fn is_empty(&self) -> bool {
        self.born.is_empty() && self.gone.is_empty() && self.counts.is_empty()
    }
}

impl Table {
    const ALL: [Self; 16] = [
        Self::Alert,
        Self::Baselines,
        Self::Changes,
        Self::IncidentRoutes,
        Self::Held,
        Self::Incident,
        Self::Correlator,
        Self::Log,
        Self::Pairings,
        Self::Maintenance,
        Self::NextNumber,
        Self::AlertRoutes,
        Self::Presence,
        Self::Series,
        Self::Streams,
        Self::Slices,
    ];

    /// The key of the only row of a table.
    pub(crate) fn key(self) -> Vec<u8> {
        vec![self as u8]
    }

    /// The key of a numbered row; rows sort by number.
    pub(crate) fn key_of(self, number: u64) -> Vec<u8> {
        let mut key = self.key();
        key.extend_from_slice(&number.to_be_bytes());
        key
    }

    /// Which table a key is of, and its number if it has one.
    pub(crate) fn parse(key: &[u8]) -> Option<(Self, Option<u64>)> {
        let (first, rest) = key.split_first()?;
        let table = Self::ALL.into_iter().find(|table| *table as u8 == *first)?;
        let number = <[u8; 8]>::try_from(rest).ok().map(u64::from_be_bytes);
        Some((table, number))
    }
}

/// A row that holds `value`.
pub(crate) fn put(key: Vec<u8>, value: &impl BorshSerialize) -> Row {
    let mut bytes = vec![VERSION];
    // Writing to a vector cannot fail, and no value here refuses to be written.
    let written = value.serialize(&mut bytes);
    debug_assert!(written.is_ok(), "a row must be writable");
    Row { key, value: Some(bytes) }
}

/// A row that is no more.
pub(crate) fn delete(key: Vec<u8>) -> Row {
    Row { key, value: None }
}

/// What a row holds; `None` if it is of another version or damaged.
pub(crate) fn read<T: BorshDeserialize>(bytes: &[u8]) -> Option<T> {
    let (version, rest) = bytes.split_first()?;
    if *version != VERSION {
        return None;
    }
    T::try_from_slice(rest).ok()
}

/// The row of an incident.
pub(crate) fn incident_row(incident: &Incident) -> Row {
    put(Table::Incident.key_of(incident.id.number), incident)
}

/// The row of the number that the next incident gets.
pub(crate) fn next_number_row(number: u64) -> Row {
    put(Table::NextNumber.key(), &number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_and_sort_by_number() {
        for table in Table::ALL {
            assert_eq!(Table::parse(&table.key()), Some((table, None)));
            assert_eq!(Table::parse(&table.key_of(300)), Some((table, Some(300))));
        }
        assert!(Table::Log.key_of(255) < Table::Log.key_of(256));
        assert_eq!(Table::parse(b""), None);
        assert_eq!(Table::parse(b"?x"), None);
    }

    #[test]
    fn a_row_of_another_version_is_not_read() {
        let row = put(Table::NextNumber.key(), &7u64);
        let mut bytes = row.value.expect("a value");
        assert_eq!(read::<u64>(&bytes), Some(7));
        bytes[0] = VERSION + 1;
        assert_eq!(read::<u64>(&bytes), None);
        assert_eq!(read::<u64>(&[VERSION, 1]), None);
    }
}
