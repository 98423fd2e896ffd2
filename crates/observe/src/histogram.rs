use model::LatencyBucket;

/// Durations below about 1 us share the lowest bucket.
const OCTAVE_FIRST: u16 = 10;
/// Durations above about 73 min share the highest bucket.
const OCTAVES: u16 = 32;
const BUCKETS: usize = (OCTAVES as usize) << 3;
const FIRST: u16 = OCTAVE_FIRST << 3;
/// Histograms of one allocation, 128 KiB.
const CHUNK: usize = 256;

/// Latency histograms by the ids of what they belong to, each over a part of [`LatencyBucket`]'s
/// range and small enough to have one per operation: two bytes a bucket, with what overflows them
/// put aside. They lie apart from the other counts, so that both are fetched at once.
#[derive(Debug, Default)]
pub(crate) struct Histograms {
    chunks: Vec<Box<[[u16; BUCKETS]]>>,
    /// Id and bucket of what was full, each entry standing for [`u16::MAX`] events.
    full: Vec<(u32, u16)>,
}

/// Which octaves of a histogram were touched: bit n = some bucket of octave n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Octaves(u32);

/// Where a duration is counted in [`Histograms`].
#[inline(always)]
pub(crate) const fn bucket_of(duration_ns: u64) -> u16 {
    let bucket = LatencyBucket::of(duration_ns).0.saturating_sub(FIRST);
    if bucket < BUCKETS as u16 { bucket } else { BUCKETS as u16 - 1 }
}

impl Histograms {
    /// Makes the histograms of all ids up to this one.
    pub(crate) fn reach(&mut self, id: u32) {
        while self.chunks.len() * CHUNK <= id as usize {
            self.chunks.push(vec![[0; BUCKETS]; CHUNK].into_boxed_slice());
        }
    }

    /// Counts a duration, by its bucket. Of an id that was not reached, nothing is counted.
    #[inline(always)]
    pub(crate) fn add(&mut self, id: u32, octaves: &mut Octaves, bucket: u16) {
        let bucket = usize::from(bucket) & (BUCKETS - 1);
        let at = id as usize;
        let Some(chunk) = self.chunks.get_mut(at / CHUNK) else { return };
        let Some(buckets) = chunk.get_mut(at % CHUNK) else { return };
        octaves.0 |= 1 << (bucket >> 3);
        let count = &mut buckets[bucket];
        match count.checked_add(1) {
            Some(more) => *count = more,
            None => {
                *count = 1;
                self.full.push((id, bucket as u16));
            }
        }
    }

    /// Hands over what was counted, by ascending bucket, and begins anew.
    pub(crate) fn drain(&mut self, id: u32, octaves: &mut Octaves) -> Vec<(LatencyBucket, u32)> {
        let mut out = Vec::with_capacity(octaves.0.count_ones() as usize * 2);
        let mut octaves = std::mem::take(octaves).0;
        let at = id as usize;
        let chunk = self.chunks.get_mut(at / CHUNK);
        let Some(buckets) = chunk.and_then(|chunk| chunk.get_mut(at % CHUNK)) else { return out };
        while octaves != 0 {
            let octave = octaves.trailing_zeros() as usize;
            octaves &= octaves - 1;
            let of_octave = octave << 3..(octave + 1) << 3;
            for (bucket, rest) in of_octave.clone().zip(&mut buckets[of_octave]) {
                if *rest == 0 {
                    continue;
                }
                let spilled = self.full.iter().filter(|full| **full == (id, bucket as u16)).count();
                let rest = u32::from(std::mem::take(rest));
                let count = rest + spilled as u32 * u32::from(u16::MAX);
                out.push((LatencyBucket(bucket as u16 + FIRST), count));
            }
        }
        self.full.retain(|(full, _)| *full != id);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_every_duration_in_its_bucket_and_the_extremes_at_the_edges() {
        let (mut histograms, mut octaves) = (Histograms::default(), Octaves::default());
        histograms.reach(300);
        for duration_ns in [0, 1_000_000, 1_000_001, 500_000_000, u64::MAX] {
            histograms.add(300, &mut octaves, bucket_of(duration_ns));
        }
        histograms.add(299, &mut Octaves::default(), bucket_of(1_000_000));
        let expected = [
            (LatencyBucket(FIRST), 1),
            (LatencyBucket::of(1_000_000), 2),
            (LatencyBucket::of(500_000_000), 1),
            (LatencyBucket(FIRST + BUCKETS as u16 - 1), 1),
        ];
        assert_eq!(histograms.drain(300, &mut octaves), expected);
        assert_eq!(histograms.drain(300, &mut octaves), []);
    }

    #[test]
    fn a_bucket_holds_more_than_sixteen_bits() {
        let mut histograms = Histograms::default();
        histograms.reach(1);
        let mut octaves = [Octaves::default(); 2];
        for _ in 0..200_000 {
            histograms.add(0, &mut octaves[0], bucket_of(5_000_000));
            histograms.add(1, &mut octaves[1], bucket_of(5_000_000));
        }
        for (id, octaves) in octaves.iter_mut().enumerate() {
            let expected = [(LatencyBucket::of(5_000_000), 200_000)];
            assert_eq!(histograms.drain(id as u32, octaves), expected);
        }
        assert_eq!(histograms.full, []);
    }
}
