use std::collections::BTreeMap;

use model::{Counted, PointKind, Timestamp};

use super::table::{CHUNK_SLOTS, Changes, Slot, Table};
use super::{Baseline, Feed};

/// A part of what [`super::Streams`] needs to go on after a restart.
///
/// Streams are stored in chunks of 64 slots. What they are called changes rarely and is long; where
/// they stand changes with each point and is short: each is a row of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRow {
    /// What it holds.
    pub kind: StreamRowKind,
    /// Which chunk.
    pub number: u32,
    /// Its content; `None` if the chunk has become empty and the row can go.
    pub bytes: Option<Vec<u8>>,
}

/// What a row holds of the streams of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StreamRowKind {
    /// Which streams they are, and what they count for.
    Identities,
    /// Their newest points.
    Baselines,
}

const KINDS: [PointKind; 5] = [
    PointKind::TotalAndBad,
    PointKind::Total,
    PointKind::Good,
    PointKind::Bad,
    PointKind::TotalBesideBad,
];
/// Of the ten numbers of a baseline, written as varints of mostly one to four bytes.
const BASELINE_BYTES: usize = 24;

pub(super) fn take(table: &mut Table) -> Vec<StreamRow> {
    let mut rows = Vec::new();
    let chunks = table.slots.chunks(CHUNK_SLOTS).zip(&mut table.changes);
    for (number, (slots, changes)) in (0..).zip(chunks) {
        let Changes { identities, baselines } = std::mem::take(changes);
        let is_empty = !slots.iter().any(|slot| slot.is_live);
        let mut row = |kind, write: fn(&[Slot]) -> Vec<u8>| {
            let bytes = (!is_empty).then(|| write(slots));
            rows.push(StreamRow { kind, number, bytes });
        };
        if identities {
            row(StreamRowKind::Identities, write_identities);
        }
        if baselines {
            row(StreamRowKind::Baselines, write_baselines);
        }
    }
    rows
}

pub(super) fn restore(table: &mut Table, rows: impl IntoIterator<Item = StreamRow>) -> usize {
    let (mut identities, mut baselines) = (BTreeMap::new(), BTreeMap::new());
    for StreamRow { kind, number, bytes } in rows {
        let by_number = match kind {
            StreamRowKind::Identities => &mut identities,
            StreamRowKind::Baselines => &mut baselines,
        };
        let _ = by_number.insert(number, bytes.unwrap_or_default());
    }
    let mut unreadable = 0;
    for (number, named) in identities {
        let standing = baselines.remove(&number).unwrap_or_default();
        let slots = read_slots(&named, &standing);
        unreadable += usize::from(slots.is_none());
        for (at, slot) in slots.unwrap_or_default() {
            table.restore(number * CHUNK_SLOTS as u32 + u32::from(at), slot);
        }
    }
    table.changes.fill(Changes::default());
    table.find_free();
    unreadable + baselines.len()
}

fn live(slots: &[Slot]) -> impl Iterator<Item = (u8, &Slot)> {
    (0..).zip(slots).filter(|(_, slot)| slot.is_live)
}

fn write_identities(slots: &[Slot]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(slots.len() * 22);
    for (at, slot) in live(slots) {
        bytes.push(at);
        bytes.extend(slot.stream.to_le_bytes());
        bytes.extend(slot.feed.series.to_le_bytes());
        bytes.push(slot.feed.kind as u8);
    }
    bytes
}

/// Times as differences from those of the slot before, since points come in batches.
fn write_baselines(slots: &[Slot]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(slots.len() * BASELINE_BYTES);
    let mut before = Baseline::default();
    for (at, slot) in live(slots) {
        let Baseline { start, time, taken_at, counted, beside, ended } = slot.baseline;
        bytes.push(at << 1 | u8::from(ended));
        put_change(&mut bytes, before.start.unix_ns(), start.unix_ns());
        put_change(&mut bytes, before.time.unix_ns(), time.unix_ns());
        put_change(&mut bytes, before.taken_at.unix_ns(), taken_at.unix_ns());
        put(&mut bytes, counted.total);
        put(&mut bytes, counted.bad);
        put(&mut bytes, counted.uncertain);
        put_change(&mut bytes, counted.total, beside.total);
        put(&mut bytes, beside.bad);
        put(&mut bytes, beside.uncertain);
        before = slot.baseline;
    }
    bytes
}

fn read_slots(identities: &[u8], baselines: &[u8]) -> Option<Vec<(u8, Slot)>> {
    let (mut identities, mut baselines) = (Bytes(identities), Bytes(baselines));
    let mut slots = Vec::with_capacity(CHUNK_SLOTS);
    let mut before = Baseline::default();
    while !identities.0.is_empty() {
        let at = identities.byte()?;
        let stream = u128::from_le_bytes(identities.array()?);
        let series = u32::from_le_bytes(identities.array()?);
        let kind = *KINDS.get(usize::from(identities.byte()?))?;
        let (standing_at, baseline) = read_baseline(&mut baselines, &before)?;
        let follows = slots.last().is_none_or(|(last, _)| *last < at);
        if standing_at != at || !follows || usize::from(at) >= CHUNK_SLOTS {
            return None;
        }
        before = baseline;
        slots.push((at, Slot::new(stream, Feed { series, kind }, baseline)));
    }
    baselines.0.is_empty().then_some(slots)
}

fn read_baseline(bytes: &mut Bytes<'_>, before: &Baseline) -> Option<(u8, Baseline)> {
    let head = bytes.byte()?;
    let mut time = |before: Timestamp| bytes.change(before.unix_ns()).map(Timestamp::from_unix_ns);
    let (start, newest) = (time(before.start)?, time(before.time)?);
    let taken_at = time(before.taken_at)?;
    let (total, bad, uncertain) = (bytes.number()?, bytes.number()?, bytes.number()?);
    let counted = Counted { total, bad, uncertain };
    let beside =
        Counted { total: bytes.change(total)?, bad: bytes.number()?, uncertain: bytes.number()? };
    let ended = head & 1 != 0;
    Some((head >> 1, Baseline { start, time: newest, taken_at, counted, beside, ended }))
}

/// Writes a number in groups of seven bits, the lowest first.
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Writes what leads from one number to another, small changes of either sign in few bytes.
fn put_change(bytes: &mut Vec<u8>, from: u64, to: u64) {
    let change = to.wrapping_sub(from) as i64;
    put(bytes, (change << 1 ^ change >> 63) as u64);
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (&first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn change(&mut self, from: u64) -> Option<u64> {
        let coded = self.number()?;
        let change = (coded >> 1) as i64 ^ -((coded & 1) as i64);
        Some(from.wrapping_add(change as u64))
    }
}
