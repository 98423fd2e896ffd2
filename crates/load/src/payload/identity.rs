//! Ids that no two requests share.

/// Steps between unrelated values of [`scatter`] (the golden ratio in 64 bits, as in SplitMix64).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The ids of one call: a trace, the span that calls, the span that serves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ids {
    pub trace: [u8; 16],
    pub client: u64,
    pub server: u64,
}

impl Ids {
    #[inline]
    pub(super) fn of(key: u64, call: u64) -> Self {
        let base = key.wrapping_add(call.wrapping_mul(STEP << 2));
        let word = |n: u64| scatter(base.wrapping_add(STEP.wrapping_mul(n)));
        let mut trace = [0; 16];
        let (high, low) = trace.split_at_mut(8);
        high.copy_from_slice(&word(0).to_le_bytes());
        low.copy_from_slice(&word(1).to_le_bytes());
        // An id of zeros is invalid; the lowest bit keeps the one unlucky value away.
        Self { trace, client: word(2) | 1, server: word(3) | 1 }
    }
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): a bijection that spreads every bit.
#[inline]
pub(super) const fn scatter(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
