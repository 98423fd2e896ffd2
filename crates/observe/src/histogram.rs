use model::LatencyBucket;

/// Durations below about 1 us share the lowest bucket.
const OCTAVE_FIRST: u16 = 10;
/// Durations above about 73 min share the highest bucket.
const OCTAVES: u16 = 32;
const BUCKETS: usize = (OCTAVES as usize) << 3;
const FIRST: u16 = OCTAVE_FIRST << 3;

/// A latency histogram over a part of [`LatencyBucket`]'s range, small enough to have one per
/// operation: two bytes a bucket, with what overflows them put aside.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    /// Bit n = some bucket of octave n was touched.
    octaves: u32,
    counts: Box<Counts>,
}

#[derive(Clone, Debug)]
struct Counts {
    buckets: [u16; BUCKETS],
    /// Buckets that were full, each entry standing for [`u16::MAX`] events.
    full: Vec<u16>,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { octaves: 0, counts: Box::new(Counts { buckets: [0; BUCKETS], full: Vec::new() }) }
    }

    #[inline(always)]
    pub(crate) fn add(&mut self, duration_ns: u64) {
        let bucket = LatencyBucket::of(duration_ns).0.max(FIRST) - FIRST;
        let bucket = usize::from(bucket).min(BUCKETS - 1);
        self.octaves |= 1 << (bucket >> 3);
        let count = &mut self.counts.buckets[bucket];
        if *count == u16::MAX {
            *count = 0;
            self.counts.full.push(bucket as u16);
        }
        self.counts.buckets[bucket] += 1;
    }

    /// Hands over what was counted, by ascending bucket, and begins anew.
    pub(crate) fn drain(&mut self) -> Vec<(LatencyBucket, u32)> {
        let mut out = Vec::new();
        let Counts { buckets, full } = &mut *self.counts;
        let mut octaves = std::mem::take(&mut self.octaves);
        while octaves != 0 {
            let octave = octaves.trailing_zeros() as usize;
            octaves &= octaves - 1;
            for bucket in octave << 3..(octave + 1) << 3 {
                let rest = std::mem::take(&mut buckets[bucket]);
                if rest == 0 {
                    continue;
                }
                let spilled = full.iter().filter(|&&full| usize::from(full) == bucket).count();
                let count = u32::from(rest) + spilled as u32 * u32::from(u16::MAX);
                out.push((LatencyBucket(bucket as u16 + FIRST), count));
            }
        }
        full.clear();
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_every_duration_in_its_bucket_and_the_extremes_at_the_edges() {
        let mut histogram = Histogram::new();
        for duration_ns in [0, 1_000_000, 1_000_001, 500_000_000, u64::MAX] {
            histogram.add(duration_ns);
        }
        let expected = [
            (LatencyBucket(FIRST), 1),
            (LatencyBucket::of(1_000_000), 2),
            (LatencyBucket::of(500_000_000), 1),
            (LatencyBucket(FIRST + BUCKETS as u16 - 1), 1),
        ];
        assert_eq!(histogram.drain(), expected);
        assert_eq!(histogram.drain(), []);
    }

    #[test]
    fn a_bucket_holds_more_than_sixteen_bits() {
        let mut histogram = Histogram::new();
        for _ in 0..200_000 {
            histogram.add(5_000_000);
        }
        assert_eq!(histogram.drain(), [(LatencyBucket::of(5_000_000), 200_000)]);
    }
}
