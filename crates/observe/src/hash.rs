/// Identity of interned bytes: so many bits that the bytes themselves need not be kept to
/// compare with. Keys stay secret with their seed; two different texts of one process share a fingerprint
/// with a probability far below that of a memory error.
pub(crate) type Key = u128;

/// Hashes borrowed bytes by folded 64 x 64 bit multiplications, two lanes at a time
/// (the construction of wyhash, <https://github.com/wangyi-fudan/wyhash>).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed {
    keys: [u64; 4],
}

/// A hash of several parts, in order, each with its length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hash128 {
    keys: [u64; 4],
    low: u64,
    high: u64,
}

const PI_DIGITS: [u64; 4] =
    [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0, 0x082e_fa98_ec4e_6c89];

impl Seed {
    /// The seed whose hashes mean the same in every worker and every process.
    pub(crate) const COMMON: Self = Self { keys: PI_DIGITS };

    pub(crate) fn new(seed: u64) -> Self {
        let mut state = seed;
        // SplitMix64 (Steele, Lea, Flood, 2014) spreads one seed over four keys.
        let keys = PI_DIGITS.map(|digits| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            digits ^ z ^ (z >> 31)
        });
        Self { keys }
    }

    #[inline(always)]
    pub(crate) fn start(self, purpose: u64) -> Hash128 {
        let [a, b, ..] = self.keys;
        Hash128 { keys: self.keys, low: a ^ purpose, high: b.wrapping_add(purpose) }
    }

    /// The hash of one text.
    #[inline(always)]
    pub(crate) fn of(self, purpose: u64, bytes: &[u8]) -> Key {
        self.start(purpose).bytes(bytes).finish()
    }
}

impl Hash128 {
    #[inline(always)]
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        let length = bytes.len() as u64;
        let (mut first, mut second) = (0, 0);
        if let (Some(head), Some(tail)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
            let mut rest = bytes;
            while rest.len() > 16
                && let Some((block, after)) = rest.split_first_chunk::<16>()
            {
                let both = u128::from_le_bytes(*block);
                self.mix(both as u64, (both >> 64) as u64);
                rest = after;
            }
            // What is left may overlap the last block; the length tells such texts apart.
            first = rest
                .first_chunk::<8>()
                .map_or(u64::from_le_bytes(*head), |chunk| u64::from_le_bytes(*chunk));
            second = u64::from_le_bytes(*tail);
        } else if let (Some(head), Some(tail)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>())
        {
            first = u64::from(u32::from_le_bytes(*head));
            second = u64::from(u32::from_le_bytes(*tail));
        } else {
            for &byte in bytes {
                first = first << 8 | u64::from(byte);
            }
        }
        self.mix(first ^ length.rotate_left(48), second ^ length);
        self
    }

    /// As [`Self::bytes`] with another value, in about half the time if they are many. Each half of
    /// a block goes into one lane: two texts that differ in one word alone are told apart by 64
    /// bits.
    #[inline(always)]
    pub(crate) fn many_bytes(mut self, bytes: &[u8]) -> Self {
        let [a, b, c, d] = self.keys;
        let mut rest = bytes;
        while rest.len() > 32
            && let Some((block, after)) = rest.split_first_chunk::<32>()
            && let ([first, second, third, fourth], []) = block.as_chunks::<8>()
        {
            let [first, second, third, fourth] =
                [first, second, third, fourth].map(|word| u64::from_le_bytes(*word));
            let low = fold(first ^ a ^ self.low, second ^ b);
            let high = fold(third ^ c, fourth ^ d ^ self.high);
            self.low = low.wrapping_add(self.low.rotate_left(23));
            self.high = high.wrapping_add(self.high.rotate_left(29));
            rest = after;
        }
        self.bytes(rest)
    }

    /// Continues otherwise for each tag. Cheaper than [`Self::number`], and only good for a few
    /// values and before something else is hashed.
    #[inline(always)]
    pub(crate) fn tagged(self, tag: u64) -> Self {
        Self { low: self.low ^ tag, high: self.high.wrapping_add(tag), ..self }
    }

    #[inline(always)]
    pub(crate) fn number(mut self, number: u64) -> Self {
        self.mix(number, !number);
        self
    }

    #[inline(always)]
    pub(crate) fn finish(self) -> Key {
        let low = fold(self.low ^ self.keys[2], self.high ^ self.keys[0]);
        let high = fold(self.high ^ self.keys[3], self.low ^ self.keys[1]);
        u128::from(high) << 64 | u128::from(low)
    }

    #[inline(always)]
    fn mix(&mut self, first: u64, second: u64) {
        let [a, b, c, d] = self.keys;
        self.low = fold(first ^ a ^ self.low, second ^ b).wrapping_add(self.low.rotate_left(23));
        self.high = fold(first ^ c, second ^ d ^ self.high).wrapping_add(self.high.rotate_left(29));
    }
}

#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn texts_of_every_length_and_every_single_change_differ() {
        let seed = Seed::new(7);
        let text: Vec<u8> = (0..140).collect();
        for hash in [Hash128::bytes, Hash128::many_bytes] {
            let of = |text: &[u8]| hash(seed.start(0), text).finish();
            let mut seen = HashSet::new();
            for length in 0..=text.len() {
                assert!(seen.insert(of(&text[..length])), "length {length}");
                for at in 0..length {
                    let mut changed = text[..length].to_vec();
                    changed[at] ^= 0x80;
                    assert!(seen.insert(of(&changed)), "length {length}, byte {at}");
                }
            }
        }
    }

    #[test]
    fn parts_do_not_run_together() {
        let start = Seed::COMMON.start(1);
        assert_ne!(
            start.bytes(b"ab").bytes(b"c").finish(),
            start.bytes(b"a").bytes(b"bc").finish()
        );
        assert_ne!(Seed::new(1).of(0, b"x"), Seed::new(2).of(0, b"x"));
        assert_ne!(Seed::COMMON.of(0, b"x"), Seed::COMMON.of(1, b"x"));
    }
}
