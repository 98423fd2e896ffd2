use borsh::{BorshDeserialize, BorshSerialize};

const SUB_BITS: u32 = 3;

/// A bucket of a log-linear latency histogram: eight buckets an octave of nanoseconds, so that a
/// bucket's middle is at most 6.25 % off any value in it. The same layout everywhere, so that
/// histograms merge by addition.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct LatencyBucket(pub u16);

impl LatencyBucket {
    /// How many buckets there are.
    pub const COUNT: usize = (64 << SUB_BITS) as usize;

    /// The bucket that holds a duration in nanoseconds.
    #[must_use]
    pub const fn of(duration_ns: u64) -> Self {
        let value = if duration_ns < (1 << SUB_BITS) { 1 << SUB_BITS } else { duration_ns };
        let octave = 63 - value.leading_zeros();
        let sub = (value >> (octave - SUB_BITS)) & ((1 << SUB_BITS) - 1);
        Self(((octave << SUB_BITS) as u64 + sub) as u16)
    }

    /// The least duration in the bucket, in nanoseconds.
    #[must_use]
    pub const fn floor_ns(self) -> u64 {
        let octave = (self.0 as u32) >> SUB_BITS;
        if octave < SUB_BITS {
            return 0;
        }
        let sub = (self.0 as u64) & ((1 << SUB_BITS) - 1);
        ((1 << SUB_BITS) + sub) << (octave - SUB_BITS)
    }

    /// The middle of the bucket, in nanoseconds.
    #[must_use]
    pub const fn middle_ns(self) -> u64 {
        let octave = (self.0 as u32) >> SUB_BITS;
        if octave < SUB_BITS {
            return 0;
        }
        self.floor_ns() + (1u64 << (octave - SUB_BITS)) / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_and_near_its_middle() {
        for exponent in 4..63 {
            for offset in [0, 1, 12_345] {
                let value = (1u64 << exponent) + offset;
                let bucket = LatencyBucket::of(value);
                assert!(bucket.floor_ns() <= value);
                assert!(LatencyBucket(bucket.0 + 1).floor_ns() > value, "{value}");
                let error = bucket.middle_ns().abs_diff(value) as f64 / value as f64;
                assert!(error <= 0.0625, "{value}: {error}");
            }
        }
        assert!((LatencyBucket::of(u64::MAX).0 as usize) < LatencyBucket::COUNT);
        assert_eq!(LatencyBucket::of(0), LatencyBucket::of(8));
    }
}
