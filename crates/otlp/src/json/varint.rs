//! Varints as they are written.

/// How many bytes a varint takes.
#[inline(always)]
pub(super) const fn bytes(value: u64) -> usize {
    (((value | 1).ilog2() + 7) / 7) as usize
}

#[inline(always)]
pub(super) fn push(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
