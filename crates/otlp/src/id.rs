//! Trace and span ids.

/// An id of exactly `N` bytes that is not all zero.
#[inline(always)]
pub(crate) fn valid<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    <[u8; N]>::try_from(bytes).ok().filter(|id| *id != [0; N])
}

/// As [`valid`], with all zero for what is not: for ids that may be missing.
#[inline(always)]
pub(crate) fn valid_or_zero<const N: usize>(bytes: &[u8]) -> [u8; N] {
    valid(bytes).unwrap_or([0; N])
}
