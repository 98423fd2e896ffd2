//! Trace and span ids.

/// An id of exactly `N` bytes that is not all zero. By reference, since an array beside a flag is
/// put together byte by byte.
#[inline(always)]
pub(crate) fn valid<const N: usize>(bytes: &[u8]) -> Option<&[u8; N]> {
    const { assert!(N.is_multiple_of(8)) };
    let id = <&[u8; N]>::try_from(bytes).ok()?;
    // In words, since comparing arrays of bytes costs several times as much.
    let (words, _) = id.as_chunks::<8>();
    let set = words.iter().fold(0, |set, word| set | u64::from_le_bytes(*word));
    (set != 0).then_some(id)
}

/// As [`valid`], with all zero for what is not: for ids that may be missing.
#[inline(always)]
pub(crate) fn valid_or_zero<const N: usize>(bytes: &[u8]) -> [u8; N] {
    valid(bytes).copied().unwrap_or([0; N])
}
