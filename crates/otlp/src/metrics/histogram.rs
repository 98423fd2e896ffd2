//! Points of histograms.

use super::MetricsVisitor;
use super::exemplar::{Exemplar, exemplars};
use super::labels::Labels;
use super::numbers::{Bounds, Counts, FixedList, Place, count_varints};
use crate::outcome::{Reason, Reject};
use crate::value::Attributes;
use crate::wire::{Fault, Reader};

/// The field of a point's attributes.
const ATTRIBUTES: u8 = 9;
const EXPONENTIAL_ATTRIBUTES: u8 = 1;

/// A point of a histogram with explicit bounds.
#[derive(Debug, Clone, Copy)]
pub struct HistogramPoint<'a> {
    /// Since when it is counted, in nanoseconds since the Unix epoch; 0 if not given.
    pub start_unix_ns: u64,
    /// Nanoseconds since the Unix epoch, never 0.
    pub time_unix_ns: u64,
    /// How many observations there were. That the bucket counts add up to it is not checked.
    pub count: u64,
    /// Their sum, if it is given.
    pub sum: Option<f64>,
    /// The smallest observation, if it is given.
    pub min: Option<f64>,
    /// The largest observation, if it is given.
    pub max: Option<f64>,
    /// Observations per bucket: one more than there are bounds, or none at all.
    pub bucket_counts: Counts<'a>,
    /// The inclusive upper bounds of all buckets but the last.
    pub explicit_bounds: Bounds<'a>,
    /// See [`NO_RECORDED_VALUE`](super::NO_RECORDED_VALUE).
    pub flags: u32,
    has_exemplars: bool,
    bytes: &'a [u8],
}

impl<'a> HistogramPoint<'a> {
    /// All attributes, also those whose key lengths the visitor does not want.
    #[must_use]
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.bytes, ATTRIBUTES)
    }

    /// Whether there is any exemplar; cheaper than to look for one.
    #[must_use]
    pub const fn has_exemplars(&self) -> bool {
        self.has_exemplars
    }

    /// The exemplars; one that cannot be read is left out.
    pub fn exemplars(&self) -> impl Iterator<Item = Exemplar<'a>> + use<'a> {
        exemplars(self.bytes, 8)
    }

    #[inline(always)]
    pub(super) fn read<V: MetricsVisitor<'a>>(
        bytes: &'a [u8],
        wanted: u64,
        visitor: &mut V,
    ) -> Result<Self, Reject> {
        let mut point = Self::empty(bytes);
        let (mut counts, mut bounds) = (FixedList::EMPTY, FixedList::EMPTY);
        let mut labels = Labels::new(bytes, ATTRIBUTES);
        let mut reader = point.read_head(bytes);
        loop {
            let start = reader;
            let Some(key) = reader.key()? else { break };
            match key {
                0x11 => point.start_unix_ns = reader.fixed64()?,
                0x19 => point.time_unix_ns = reader.fixed64()?,
                0x21 => point.count = reader.fixed64()?,
                0x29 => point.sum = Some(reader.double()?),
                0x31 | 0x32 => counts.step_over(start, &mut reader, key == 0x32)?,
                0x39 | 0x3a => bounds.step_over(start, &mut reader, key == 0x3a)?,
                0x42 => {
                    reader.bytes()?;
                    point.has_exemplars = true;
                }
                0x4a => labels.step_over(start, &mut reader)?,
                0x50 => point.flags = reader.int32()? as u32,
                0x59 => point.min = Some(reader.double()?),
                0x61 => point.max = Some(reader.double()?),
                _ => reader.skip_unknown(key, 2..=12)?,
            }
        }
        point.bucket_counts = Counts::fixed(counts);
        point.explicit_bounds = Bounds { list: bounds };
        labels.show(wanted, visitor)?;
        if point.time_unix_ns == 0 {
            return Err(Reason::TimeMissing.into());
        }
        let (counts, bounds) = (point.bucket_counts.len(), point.explicit_bounds.len());
        if counts != bounds + 1 && (counts, bounds) != (0, 0) {
            return Err(Reason::BucketsInvalid.into());
        }
        Ok(point)
    }

    /// Reads times, count and sum in one step if they come first and in this order, as nearly every
    /// sender writes them. The reader goes on behind them.
    #[inline(always)]
    fn read_head(&mut self, bytes: &'a [u8]) -> Reader<'a> {
        let Some((head, rest)) = bytes.split_first_chunk::<36>() else { return Reader::new(bytes) };
        let ([[0x11, start @ ..], [0x19, time @ ..], [0x21, count @ ..], [0x29, sum @ ..]], []) =
            head.as_chunks::<9>()
        else {
            return Reader::new(bytes);
        };
        self.start_unix_ns = u64::from_le_bytes(*start);
        self.time_unix_ns = u64::from_le_bytes(*time);
        self.count = u64::from_le_bytes(*count);
        self.sum = Some(f64::from_le_bytes(*sum));
        Reader::new(rest)
    }

    const fn empty(bytes: &'a [u8]) -> Self {
        Self {
            start_unix_ns: 0,
            time_unix_ns: 0,
            count: 0,
            sum: None,
            min: None,
            max: None,
            bucket_counts: Counts::fixed(FixedList::EMPTY),
            explicit_bounds: Bounds { list: FixedList::EMPTY },
            flags: 0,
            has_exemplars: false,
            bytes,
        }
    }
}

impl<'a> Counts<'a> {
    /// Notes `more` counts within a field of the point that begins at `field`.
    fn grow(&mut self, field: &'a [u8], more: usize) {
        if let Place::Varint { message, len, .. } = &mut self.place {
            if message.is_empty() {
                *message = field;
            }
            *len += more;
        }
    }
}

/// A point of an exponential histogram. Bucket i of the positive range holds the observations in
/// (base^(offset+i), base^(offset+i+1)] with base = 2^(2^-scale).
#[derive(Debug, Clone, Copy)]
pub struct ExponentialHistogramPoint<'a> {
    /// Since when it is counted, in nanoseconds since the Unix epoch; 0 if not given.
    pub start_unix_ns: u64,
    /// Nanoseconds since the Unix epoch, never 0.
    pub time_unix_ns: u64,
    /// How many observations there were. That the bucket counts add up to it is not checked.
    pub count: u64,
    /// Their sum, if it is given.
    pub sum: Option<f64>,
    /// The smallest observation, if it is given.
    pub min: Option<f64>,
    /// The largest observation, if it is given.
    pub max: Option<f64>,
    /// The resolution; any number as sent.
    pub scale: i32,
    /// Observations in the zero bucket.
    pub zero_count: u64,
    /// The half width of the zero bucket.
    pub zero_threshold: f64,
    /// Observations above zero.
    pub positive: Buckets<'a>,
    /// Observations below zero.
    pub negative: Buckets<'a>,
    /// See [`NO_RECORDED_VALUE`](super::NO_RECORDED_VALUE).
    pub flags: u32,
    bytes: &'a [u8],
}

/// The buckets of one side of an exponential histogram.
#[derive(Debug, Clone, Copy)]
pub struct Buckets<'a> {
    /// The index of the first bucket; any number as sent.
    pub offset: i32,
    /// Observations per bucket, from `offset` on.
    pub bucket_counts: Counts<'a>,
}

impl<'a> Buckets<'a> {
    const fn empty(within: u8) -> Self {
        Self { offset: 0, bucket_counts: Counts::within(within) }
    }

    /// Merges one more occurrence, which begins at `field` in the point.
    fn merge(&mut self, field: &'a [u8], bytes: &[u8]) -> Result<(), Fault> {
        let mut reader = Reader::new(bytes);
        while let Some(key) = reader.key()? {
            match key {
                0x08 => self.offset = reader.sint32()?,
                0x10 => {
                    reader.varint()?;
                    self.bucket_counts.grow(field, 1);
                }
                0x12 => {
                    let len = count_varints(reader.bytes()?)?;
                    self.bucket_counts.grow(field, len);
                }
                _ => reader.skip_unknown(key, 1..=2)?,
            }
        }
        Ok(())
    }
}

impl<'a> ExponentialHistogramPoint<'a> {
    /// All attributes, also those whose key lengths the visitor does not want.
    #[must_use]
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.bytes, EXPONENTIAL_ATTRIBUTES)
    }

    /// The exemplars; one that cannot be read is left out.
    pub fn exemplars(&self) -> impl Iterator<Item = Exemplar<'a>> + use<'a> {
        exemplars(self.bytes, 11)
    }

    #[inline(always)]
    pub(super) fn read<V: MetricsVisitor<'a>>(
        bytes: &'a [u8],
        wanted: u64,
        visitor: &mut V,
    ) -> Result<Self, Reject> {
        let mut point = Self::empty(bytes);
        let mut labels = Labels::new(bytes, EXPONENTIAL_ATTRIBUTES);
        let mut reader = Reader::new(bytes);
        loop {
            let start = reader;
            let Some(key) = reader.key()? else { break };
            match key {
                0x0a => labels.step_over(start, &mut reader)?,
                0x11 => point.start_unix_ns = reader.fixed64()?,
                0x19 => point.time_unix_ns = reader.fixed64()?,
                0x21 => point.count = reader.fixed64()?,
                0x29 => point.sum = Some(reader.double()?),
                0x30 => point.scale = reader.sint32()?,
                0x39 => point.zero_count = reader.fixed64()?,
                0x42 => point.positive.merge(start.rest(), reader.bytes()?)?,
                0x4a => point.negative.merge(start.rest(), reader.bytes()?)?,
                0x50 => point.flags = reader.int32()? as u32,
                0x5a => drop(reader.bytes()?),
                0x61 => point.min = Some(reader.double()?),
                0x69 => point.max = Some(reader.double()?),
                0x71 => point.zero_threshold = reader.double()?,
                _ => reader.skip_unknown(key, 1..=14)?,
            }
        }
        labels.show(wanted, visitor)?;
        if point.time_unix_ns == 0 {
            return Err(Reason::TimeMissing.into());
        }
        Ok(point)
    }

    const fn empty(bytes: &'a [u8]) -> Self {
        Self {
            start_unix_ns: 0,
            time_unix_ns: 0,
            count: 0,
            sum: None,
            min: None,
            max: None,
            scale: 0,
            zero_count: 0,
            zero_threshold: 0.0,
            positive: Buckets::empty(8),
            negative: Buckets::empty(9),
            flags: 0,
            bytes,
        }
    }
}
