//! Rings of panes of one width.

mod cells;
mod packed;

use std::ops::Range;
use std::time::Duration;

use model::{Count, PANE_NS, Pane, Timestamp};

pub(crate) use cells::CELLS;
use cells::Cells;

/// Of the number of a chunk that is written.
const HAS_EXTRA: u32 = 1 << 31;

/// Width of the panes of a ring. Every tier is a whole multiple of the one before, and all are
/// aligned to the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// 5 s: windows below an hour.
    FiveSeconds,
    /// 1 min: windows from an hour on.
    Minute,
    /// 15 min: windows from 15 hours on.
    QuarterHour,
    /// 6 h: windows from 15 days on.
    SixHours,
    /// 1 d: windows from 60 days on.
    Day,
}

/// What one pane of a tier holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierPane {
    /// Its first moment.
    pub start: Timestamp,
    /// The width of its tier.
    pub width: Duration,
    /// What was counted in it.
    pub count: Count,
}

/// The panes of one tier, in chunks that exist only where something was counted.
///
/// Invariant: chunks are in order of their number, each at most once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ring {
    chunks: Vec<Chunk>,
    /// Index of the oldest pane that the ring knows; later than its reach only after the reach
    /// has grown.
    pub(crate) since: u32,
}

#[derive(Clone, Debug)]
struct Chunk {
    number: u32,
    /// Total and bad.
    main: Cells,
    /// Bad events less those that were seen one by one, and uncertain ones: both are zero for
    /// almost every series.
    extra: Option<Box<Cells>>,
}

impl Tier {
    /// All tiers, finest first.
    pub const ALL: [Self; 5] =
        [Self::FiveSeconds, Self::Minute, Self::QuarterHour, Self::SixHours, Self::Day];

    /// A window reaches back further than it should by at most one in this many parts of itself
    /// (windows below 5 min: by at most one pane of 5 s).
    pub const PANES_PER_WINDOW_MIN: u32 = 60;

    /// Width in panes of 5 s.
    #[must_use]
    pub const fn panes(self) -> u32 {
        match self {
            Self::FiveSeconds => 1,
            Self::Minute => 12,
            Self::QuarterHour => 180,
            Self::SixHours => 4320,
            Self::Day => 17_280,
        }
    }

    /// Width.
    #[must_use]
    pub const fn width(self) -> Duration {
        Duration::from_nanos(self.panes() as u64 * PANE_NS)
    }

    /// The index, in this tier, of the pane that holds a pane of 5 s.
    pub(crate) const fn index(self, pane: u32) -> u32 {
        // Divisors known to the compiler: no division instruction.
        match self {
            Self::FiveSeconds => pane,
            Self::Minute => pane / 12,
            Self::QuarterHour => pane / 180,
            Self::SixHours => pane / 4320,
            Self::Day => pane / 17_280,
        }
    }

    /// How many panes every ring of this tier holds before the open one, however short the
    /// windows: a window that is added later then finds its past.
    pub(crate) const fn reach_min(self) -> u32 {
        match self {
            Self::FiveSeconds | Self::Minute => 360,
            Self::QuarterHour => 288,
            Self::SixHours => 124,
            Self::Day => 0,
        }
    }

    /// The tier that a window of `span` panes of 5 s is summed in.
    pub(crate) fn of_window(span: u32) -> Self {
        let fits = |tier: &Self| tier.panes() * Self::PANES_PER_WINDOW_MIN <= span;
        Self::ALL.into_iter().rev().find(fits).unwrap_or(Self::FiveSeconds)
    }
}

impl Ring {
    /// Adds to a pane, by its index in the tier.
    pub(crate) fn add(&mut self, index: u32, count: Count) {
        let number = index / CELLS as u32;
        let at = match self.position(number) {
            Ok(at) => at,
            Err(at) => {
                if self.chunks.len() == self.chunks.capacity() {
                    // Growing by halves would leave much unused in every one of 100,000 series.
                    self.chunks.reserve_exact(2);
                }
                self.chunks.insert(at, Chunk::new(number));
                at
            }
        };
        if let Some(chunk) = self.chunks.get_mut(at) {
            chunk.add(index as usize % CELLS, count);
        }
    }

    /// Makes a pane hold just this.
    pub(crate) fn set(&mut self, index: u32, count: Count) {
        let held = self.get(index);
        if held != count {
            self.add(index, count);
            if let Ok(at) = self.position(index / CELLS as u32)
                && let Some(chunk) = self.chunks.get_mut(at)
            {
                chunk.take(index as usize % CELLS, held);
            }
        }
    }

    /// What a pane holds.
    pub(crate) fn get(&self, index: u32) -> Count {
        let Ok(at) = self.position(index / CELLS as u32) else { return Count::ZERO };
        self.chunks.get(at).map_or(Count::ZERO, |chunk| chunk.get(index as usize % CELLS))
    }

    /// The number of the oldest chunk; 0 without any.
    pub(crate) fn first_chunk(&self) -> u32 {
        self.chunks.first().map_or(0, |chunk| chunk.number)
    }

    /// The number of the chunk that likely holds a pane, for who only wants it in the cache.
    #[inline]
    pub(crate) fn likely_chunk(&self, index: u32) -> u32 {
        self.likely(index).map_or(0, |chunk| chunk.number)
    }

    /// Something of where a pane's numbers lie, for who only wants them in the cache.
    #[inline]
    pub(crate) fn glance(&self, index: u32) -> u32 {
        self.likely(index).map_or(0, |chunk| chunk.main.glance(index as usize % CELLS))
    }

    /// The chunk of a pane, if there are no holes between chunks.
    #[inline]
    fn likely(&self, index: u32) -> Option<&Chunk> {
        let guess = (index / CELLS as u32).wrapping_sub(self.first_chunk()) as usize;
        self.chunks.get(guess)
    }

    /// What the panes `from..until` hold together; steps over what was never counted.
    pub(crate) fn sum(&self, from: u32, until: u32) -> Count {
        if until == from + 1 {
            return self.get(from);
        }
        let mut sum = Count::ZERO;
        let first = self.chunks.partition_point(|chunk| chunk.number < from / CELLS as u32);
        for chunk in self.chunks.iter().skip(first) {
            let start = chunk.number * CELLS as u32;
            if start >= until {
                break;
            }
            let begin = from.saturating_sub(start) as usize;
            let end = (until - start).min(CELLS as u32) as usize;
            sum += chunk.sum(begin.min(end)..end);
        }
        sum
    }

    /// The panes of `from..until` that hold something, oldest first.
    pub(crate) fn range(&self, from: u32, until: u32) -> impl Iterator<Item = (u32, Count)> {
        let first = self.chunks.partition_point(|chunk| chunk.number < from / CELLS as u32);
        self.chunks
            .iter()
            .skip(first)
            .take_while(move |chunk| chunk.number * (CELLS as u32) < until)
            .flat_map(|chunk| {
                let start = chunk.number * CELLS as u32;
                (0..CELLS).map(move |cell| (start + cell as u32, chunk.get(cell)))
            })
            .filter(move |(index, count)| (from..until).contains(index) && !count.is_zero())
    }

    /// Appends the chunks, but for panes before `oldest`. Equal panes have equal bytes, whatever
    /// was counted on the way to them.
    pub(crate) fn write(&self, oldest: u32, bytes: &mut Vec<u8>) {
        for chunk in &self.chunks {
            let from = oldest.saturating_sub(chunk.number * CELLS as u32) as usize;
            let extra = chunk.extra.as_ref().filter(|extra| !extra.is_zero(from));
            if extra.is_none() && chunk.main.is_zero(from) {
                continue;
            }
            // Bits above those of any number: chunks are numbers of panes over their cells.
            let flag = if extra.is_some() { HAS_EXTRA } else { 0 };
            bytes.extend_from_slice(&(chunk.number | flag).to_le_bytes());
            chunk.main.write(from, bytes);
            extra.iter().for_each(|extra| extra.write(from, bytes));
        }
    }

    /// How much [`Ring::write`] appends where chunks are full of small numbers.
    pub(crate) fn written_bytes_likely(&self) -> usize {
        self.chunks.len() * (2 * CELLS + 9)
    }

    /// The ring of bytes that [`Ring::write`] wrote; `None` if it did not, or a pane lies after
    /// `newest`.
    pub(crate) fn read(mut bytes: &[u8], since: u32, newest: u32) -> Option<Self> {
        let mut ring = Self { chunks: Vec::new(), since };
        while !bytes.is_empty() {
            let (head, rest) = bytes.split_first_chunk::<4>()?;
            bytes = rest;
            let head = u32::from_le_bytes(*head);
            let number = head & !HAS_EXTRA;
            let (main, mut last) = Cells::read(&mut bytes)?;
            let mut extra = None;
            if head & HAS_EXTRA != 0 {
                let (cells, last_extra) = Cells::read(&mut bytes)?;
                extra = Some(Box::new(cells));
                last = last.max(last_extra);
            }
            let last = number.checked_mul(CELLS as u32)?.checked_add(u32::try_from(last?).ok()?)?;
            let is_newer = ring.chunks.last().is_none_or(|before| before.number < number);
            if last > newest || !is_newer {
                return None;
            }
            ring.chunks.push(Chunk { number, main, extra });
        }
        ring.chunks.shrink_to_fit();
        Some(ring)
    }

    /// Forgets chunks that lie wholly before a pane.
    pub(crate) fn expire(&mut self, before: u32) {
        let number = before / CELLS as u32;
        if self.chunks.first().is_some_and(|chunk| chunk.number < number) {
            let expired = self.chunks.partition_point(|chunk| chunk.number < number);
            self.chunks.drain(..expired);
        }
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        let chunks = self.chunks.iter().map(Chunk::heap_bytes).sum::<usize>();
        chunks + self.chunks.capacity() * size_of::<Chunk>()
    }

    fn position(&self, number: u32) -> Result<usize, usize> {
        let first = self.chunks.first().map_or(number, |chunk| chunk.number);
        // A busy series has no holes between its chunks.
        let guess = number.wrapping_sub(first) as usize;
        if self.chunks.get(guess).is_some_and(|chunk| chunk.number == number) {
            return Ok(guess);
        }
        self.chunks.binary_search_by_key(&number, |chunk| chunk.number)
    }
}

impl Chunk {
    const fn new(number: u32) -> Self {
        Self { number, main: Cells::Zero, extra: None }
    }

    fn add(&mut self, cell: usize, count: Count) {
        self.main.add(cell, [signed(count.total), count.bad_signed]);
        let unobserved = count.bad_signed.saturating_sub(signed(count.bad_observed));
        if unobserved != 0 || count.uncertain != 0 {
            let extra = self.extra.get_or_insert_default();
            extra.add(cell, [unobserved, signed(count.uncertain)]);
        }
    }

    fn take(&mut self, cell: usize, count: Count) {
        self.main.add(cell, [-signed(count.total), count.bad_signed.saturating_neg()]);
        if let Some(extra) = &mut self.extra {
            let unobserved = count.bad_signed.saturating_sub(signed(count.bad_observed));
            extra.add(cell, [unobserved.saturating_neg(), -signed(count.uncertain)]);
        }
    }

    fn get(&self, cell: usize) -> Count {
        let extra = self.extra.as_ref().map_or([0, 0], |extra| extra.get(cell));
        count(self.main.get(cell), extra)
    }

    fn sum(&self, cells: Range<usize>) -> Count {
        let extra = self.extra.as_ref().map_or([0, 0], |extra| extra.sum(cells.clone()));
        count(self.main.sum(cells), extra)
    }

    fn heap_bytes(&self) -> usize {
        let extra = self.extra.as_ref().map_or(0, |extra| size_of::<Cells>() + extra.heap_bytes());
        self.main.heap_bytes() + extra
    }
}

fn count([total, bad_signed]: [i64; 2], [unobserved, uncertain]: [i64; 2]) -> Count {
    Count {
        total: unsigned(total),
        bad_signed,
        bad_observed: unsigned(bad_signed.saturating_sub(unobserved)),
        uncertain: unsigned(uncertain),
    }
}

/// The first moment of a pane of 5 s.
pub(crate) const fn start_of(pane: u32) -> Timestamp {
    Pane(pane).start()
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
