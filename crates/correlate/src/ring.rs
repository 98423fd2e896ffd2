//! Counters in buckets of ten seconds, packed, since there are many.

use std::fmt::Debug;
use std::marker::PhantomData;

use crate::series::{BUCKETS_MAX, Bucket};

/// Bits that tell how many bytes a field takes: 0 to 4.
const LENGTH_BITS: usize = 3;
const LENGTH_MASK: u32 = (1 << LENGTH_BITS) - 1;
/// How many fields a tally has at most: with their lengths and one bit more, a head is two bytes.
const FIELDS_MAX: usize = 5;
const HEAD_BYTES_MAX: usize = 2;
/// Head, fields and the byte of a wide gap.
const ENTRY_BYTES_MAX: usize = HEAD_BYTES_MAX + FIELDS_MAX * size_of::<u32>() + 1;
/// After so many buckets it is known how many bytes one takes, and there is room for all of them at
/// once: memory is flat from then on, and nothing is moved about. A ring that holds little asks for
/// little.
const ROOM_KNOWN_BUCKETS: usize = 8;
/// Room is made in steps of this.
const ROOM_STEP_BYTES: usize = 32;
/// The share of the room that is added for counts that grow, as a divisor.
const ROOM_SPARE_SHARE: usize = 16;

/// What can be added up, and what a bucket holds of it: small numbers, of which it keeps the bytes
/// that are not zero.
pub(crate) trait Tally: Clone + Default {
    /// At most [`FIELDS_MAX`] of them.
    type Packed: Fields;

    fn add(&mut self, other: &Self);
    /// Saturates.
    fn pack(&self) -> Self::Packed;
    fn unpack(packed: &Self::Packed) -> Self;
}

/// An array of numbers.
pub(crate) trait Fields: Copy + Default + Debug + AsRef<[u32]> + AsMut<[u32]> {}

impl<const N: usize> Fields for [u32; N] where Self: Default {}

/// The last [`BUCKETS_MAX`] buckets, those alone that something was added to.
///
/// All but the newest are packed, one after the other: a head with the length of each field, in
/// [`LENGTH_BITS`] from the lowest on, and above them how many buckets after the one before it
/// lies, or 0 where that takes a byte behind the fields; then the fields, low byte first.
#[derive(Clone, Debug)]
pub(crate) struct Ring<T: Tally> {
    /// Of the first entry, whose own gap counts for nothing.
    first: Bucket,
    /// Of the last entry.
    last: Bucket,
    /// The bucket after the newest; zero = nothing was ever added.
    end: Bucket,
    newest: T::Packed,
    packed: Vec<u8>,
}

/// Reads packed buckets in order.
struct Entries<'a, P> {
    rest: &'a [u8],
    first: Bucket,
    before: Option<Bucket>,
    fields: PhantomData<P>,
}

impl<T: Tally> Default for Ring<T> {
    fn default() -> Self {
        const { assert!(size_of::<T::Packed>() <= FIELDS_MAX * size_of::<u32>()) };
        let (zero, newest) = (Bucket::default(), T::Packed::default());
        Self { first: zero, last: zero, end: zero, newest, packed: Vec::new() }
    }
}

impl<T: Tally> Ring<T> {
    /// Adds to a bucket; what is too old is dropped.
    pub(crate) fn add(&mut self, bucket: Bucket, more: &T) {
        if bucket >= self.end {
            self.begin(bucket);
        }
        if bucket.next() == self.end {
            self.newest = sum_of(&self.newest, more);
        } else if bucket >= self.oldest() {
            self.add_late(bucket, more);
        }
    }

    /// The sum over `from..until`.
    pub(crate) fn sum(&self, from: Bucket, until: Bucket) -> T {
        let mut sum = T::default();
        for (_, slot) in self.range(from, until) {
            sum.add(&slot);
        }
        sum
    }

    /// The buckets in `from..until` that something was added to, in order.
    pub(crate) fn range(&self, from: Bucket, until: Bucket) -> impl Iterator<Item = (Bucket, T)> {
        let newest = (self.end > Bucket::default()).then(|| (self.end.less(1), self.newest));
        self.entries()
            .chain(newest)
            .skip_while(move |(bucket, _)| *bucket < from)
            .take_while(move |(bucket, _)| *bucket < until)
            .map(|(bucket, packed)| (bucket, T::unpack(&packed)))
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.packed.capacity()
    }

    /// The bucket after the last one that was touched.
    pub(crate) fn end(&self) -> Bucket {
        self.end
    }

    fn oldest(&self) -> Bucket {
        self.end.less(BUCKETS_MAX as u32)
    }

    fn entries(&self) -> Entries<'_, T::Packed> {
        Entries::of(&self.packed, self.first)
    }

    /// Packs the newest bucket and drops what is too old beside the one that begins.
    fn begin(&mut self, bucket: Bucket) {
        if self.end > Bucket::default() {
            let newest = self.newest;
            self.append(self.end.less(1), &newest);
        }
        self.end = bucket.next();
        self.newest = T::Packed::default();
        let oldest = self.oldest();
        if self.first >= oldest {
            return;
        }
        let mut entries = self.entries();
        let mut passed = 0;
        while let Some((at, _)) = entries.next() {
            if at >= oldest {
                self.first = at;
                break;
            }
            passed = self.packed.len() - entries.rest.len();
        }
        drop(self.packed.drain(..passed));
    }

    /// Latecomers are few, so that all may be packed anew.
    fn add_late(&mut self, bucket: Bucket, more: &T) {
        let mut slots: Vec<(Bucket, T::Packed)> = self.entries().collect();
        let place = slots.partition_point(|(at, _)| *at < bucket);
        match slots.get_mut(place) {
            Some((at, slot)) if *at == bucket => *slot = sum_of(slot, more),
            _ => slots.insert(place, (bucket, more.pack())),
        }
        self.packed.clear();
        for (at, slot) in &slots {
            self.append(*at, slot);
        }
    }

    fn append(&mut self, bucket: Bucket, slot: &T::Packed) {
        if self.packed.is_empty() {
            self.first = bucket;
            self.last = bucket;
        }
        let gap = bucket.0.saturating_sub(self.last.0);
        let mut entry = [0; ENTRY_BYTES_MAX];
        let length = encode(gap, slot.as_ref(), &mut entry);
        let entry = entry.get(..length).unwrap_or(&entry);
        let needed = self.packed.len() + entry.len();
        if needed > self.packed.capacity() {
            let buckets = bucket.0.saturating_sub(self.first.0) as usize + 1;
            self.packed.reserve_exact(room(needed, buckets) - self.packed.len());
        }
        self.packed.extend_from_slice(entry);
        self.last = bucket;
    }
}

impl<'a, P: Fields> Entries<'a, P> {
    fn of(packed: &'a [u8], first: Bucket) -> Self {
        Self { rest: packed, first, before: None, fields: PhantomData }
    }
}

impl<P: Fields> Iterator for Entries<'_, P> {
    type Item = (Bucket, P);

    fn next(&mut self) -> Option<Self::Item> {
        let mut packed = P::default();
        let (head_bytes, _) = head(packed.as_ref().len());
        let (mut lengths, mut rest) = read(self.rest, head_bytes)?;
        for field in packed.as_mut() {
            (*field, rest) = read(rest, (lengths & LENGTH_MASK) as usize)?;
            lengths >>= LENGTH_BITS;
        }
        let mut gap = lengths;
        if gap == 0 {
            (gap, rest) = read(rest, 1)?;
        }
        self.rest = rest;
        let bucket = self.before.map_or(self.first, |before| Bucket(before.0.saturating_add(gap)));
        self.before = Some(bucket);
        Some((bucket, packed))
    }
}

/// A count as a bucket holds it.
pub(crate) fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn sum_of<T: Tally>(packed: &T::Packed, more: &T) -> T::Packed {
    let mut sum = T::unpack(packed);
    sum.add(more);
    sum.pack()
}

/// Bytes to make room for where `buckets` take `needed` of them.
fn room(needed: usize, buckets: usize) -> usize {
    if buckets < ROOM_KNOWN_BUCKETS {
        return needed + ROOM_STEP_BYTES;
    }
    let all = needed * BUCKETS_MAX / buckets;
    (all + all / ROOM_SPARE_SHARE).next_multiple_of(ROOM_STEP_BYTES).max(needed)
}

/// Bytes of the head, and the bits in it that are left for the gap.
const fn head(fields: usize) -> (usize, usize) {
    let bytes = (fields * LENGTH_BITS + 1).div_ceil(8);
    (bytes, bytes * 8 - fields * LENGTH_BITS)
}

/// Writes an entry; how long it is.
fn encode(gap: u32, fields: &[u32], entry: &mut [u8; ENTRY_BYTES_MAX]) -> usize {
    let (head_bytes, gap_bits) = head(fields.len());
    let is_wide = gap >> gap_bits != 0;
    let mut lengths = if is_wide { 0 } else { gap };
    let mut length = head_bytes;
    for field in fields.iter().rev() {
        lengths = lengths << LENGTH_BITS | bytes_of(*field) as u32;
    }
    for field in fields {
        // All four bytes are written; the next field goes over those that are zero.
        write(entry, length, &field.to_le_bytes());
        length += bytes_of(*field);
    }
    write(entry, 0, lengths.to_le_bytes().get(..head_bytes).unwrap_or_default());
    if lengths >> (fields.len() * LENGTH_BITS) == 0 {
        write(entry, length, &[gap as u8]);
        length += 1;
    }
    length
}

const fn bytes_of(field: u32) -> usize {
    4 - field.leading_zeros() as usize / 8
}

fn write(entry: &mut [u8; ENTRY_BYTES_MAX], at: usize, bytes: &[u8]) {
    if let Some(room) = entry.get_mut(at..at + bytes.len()) {
        room.copy_from_slice(bytes);
    }
}

/// The number of up to four bytes, low byte first, and what follows them.
fn read(bytes: &[u8], length: usize) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_at_checked(length)?;
    Some((number.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)), rest))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::count::OperationCount;
    use crate::series::Times;

    const ALL: (Bucket, Bucket) = (Bucket(0), Bucket(u32::MAX));

    #[test]
    fn a_ring_keeps_the_last_buckets_and_takes_late_ones() {
        let mut ring: Ring<Times> = Ring::default();
        let one = Times::of(1, 2.0);
        for bucket in [1000, 1001, 998, 1119] {
            ring.add(Bucket(bucket), &one);
        }
        assert_eq!(ring.sum(Bucket(0), Bucket(2000)).count, 3, "998 left when 1119 came");
        ring.add(Bucket(998), &one);
        assert_eq!(ring.sum(Bucket(0), Bucket(2000)).count, 3, "too old to be taken");
        assert_eq!(ring.sum(Bucket(1001), Bucket(1119)).count, 1);
        ring.add(Bucket(9000), &one);
        assert_eq!(ring.sum(Bucket(0), Bucket(9001)).count, 1);
    }

    /// What a ring must hold: every bucket with its fields.
    #[derive(Default)]
    struct Plain(BTreeMap<Bucket, [u32; 5]>);

    impl Plain {
        fn add(&mut self, bucket: Bucket, more: &OperationCount) {
            let newest = self.0.keys().next_back().copied().unwrap_or(bucket).max(bucket);
            self.0.retain(|at, _| at.0 + BUCKETS_MAX as u32 > newest.0);
            if bucket.0 + BUCKETS_MAX as u32 > newest.0 {
                let slot = self.0.entry(bucket).or_default();
                *slot = sum_of(slot, more);
            }
        }
    }

    fn count(step: u64) -> OperationCount {
        // Fields of every length, zero and saturated ones among them.
        let field = |n: u64| (step * 0x9e37_79b9 + n * 0x85eb_ca6b) >> ((step + n) % 5 * 8);
        OperationCount {
            total: field(0),
            errors: field(1),
            slow: if step.is_multiple_of(3) { 0 } else { field(2) },
            entry_total: field(3) & 0xffff,
            entry_bad: step % 2,
        }
    }

    #[test]
    fn a_packed_ring_holds_what_plain_buckets_would() {
        for pace in [1, 2, 7, 40] {
            let (mut ring, mut plain) = (Ring::<OperationCount>::default(), Plain::default());
            let mut now = 1000;
            for step in 0..2000 {
                let jump = if step % 500 == 499 { 300 } else { 0 };
                now += u32::try_from(step % pace).unwrap() / (pace as u32 / 2 + 1) + jump;
                let bucket = Bucket(now - if step % 11 == 0 { step as u32 % 130 } else { 0 });
                ring.add(bucket, &count(step));
                plain.add(bucket, &count(step));
                let held = ring.range(ALL.0, ALL.1).map(|(at, sum)| (at, sum.pack()));
                assert!(held.eq(plain.0.iter().map(|(at, slot)| (*at, *slot))), "step {step}");
            }
            let (from, until) = (Bucket(now - 50), Bucket(now - 3));
            let inside: u64 = plain.0.range(from..until).map(|(_, slot)| u64::from(slot[0])).sum();
            assert_eq!(ring.sum(from, until).total, inside);
        }
    }

    #[test]
    fn room_for_all_buckets_is_made_once_and_fits() {
        let mut ring: Ring<OperationCount> = Ring::default();
        let mut rooms = Vec::new();
        for bucket in 0..1000 {
            let few = OperationCount { total: 900, errors: 1, ..OperationCount::default() };
            ring.add(Bucket(bucket), &few);
            rooms.push(ring.packed.capacity());
        }
        assert_eq!(ring.packed.len(), (BUCKETS_MAX - 1) * 5);
        assert!(ring.packed.capacity() <= ring.packed.len() * 6 / 5);
        rooms.dedup();
        assert!(rooms.len() <= 4, "{rooms:?}");
        let mut seldom: Ring<OperationCount> = Ring::default();
        for bucket in 0..4 {
            seldom.add(Bucket(bucket * 29), &OperationCount::default());
        }
        assert!(seldom.packed.capacity() <= ENTRY_BYTES_MAX + ROOM_STEP_BYTES);
    }
}
