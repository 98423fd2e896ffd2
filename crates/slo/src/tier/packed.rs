//! Chunks as bytes: a map of the cells that hold something, and their integers in the narrowest
//! width of all. Equal cells have equal bytes, whatever was counted on the way to them.

use super::cells::{CELLS, Cells};

/// An integer of one width.
trait Integer<const WIDTH: usize>: Copy + Default + Into<i64> {
    fn bytes(self) -> [u8; WIDTH];
    fn of(bytes: [u8; WIDTH]) -> Self;
}

macro_rules! integer {
    ($($name:ty, $width:literal;)*) => {$(
        impl Integer<$width> for $name {
            fn bytes(self) -> [u8; $width] {
                self.to_le_bytes()
            }

            fn of(bytes: [u8; $width]) -> Self {
                Self::from_le_bytes(bytes)
            }
        }
    )*};
}

integer!(i8, 1; i16, 2; i32, 4; i64, 8;);

impl Cells {
    /// Whether no cell from one on holds anything.
    pub(super) fn is_zero(&self, from: usize) -> bool {
        match self {
            Self::Zero => true,
            Self::I8(held) => map_of(held, from) == 0,
            Self::I16(held) => map_of(held, from) == 0,
            Self::I32(held) => map_of(held, from) == 0,
            Self::I64(held) => map_of(held, from) == 0,
        }
    }

    /// Appends the cells from one on.
    pub(super) fn write(&self, from: usize, bytes: &mut Vec<u8>) {
        match self {
            Self::Zero => bytes.extend_from_slice(&[0; 5]),
            Self::I8(held) => write(held, from, bytes),
            Self::I16(held) => write(held, from, bytes),
            Self::I32(held) => write(held, from, bytes),
            Self::I64(held) => write(held, from, bytes),
        }
    }

    /// What [`Cells::write`] wrote at the beginning of bytes, which are left behind it; `None` if
    /// it did not. Beside it the last cell that holds something, if one does.
    pub(super) fn read(bytes: &mut &[u8]) -> Option<(Self, Option<usize>)> {
        let (map, rest) = bytes.split_first_chunk::<4>()?;
        let (width, rest) = rest.split_first()?;
        *bytes = rest;
        let map = u32::from_le_bytes(*map);
        let cells = match width {
            0 => Self::Zero,
            1 => Self::I8(read(map, bytes)?),
            2 => Self::I16(read(map, bytes)?),
            4 => Self::I32(read(map, bytes)?),
            8 => Self::I64(read(map, bytes)?),
            _ => return None,
        };
        let last = (u32::BITS - map.leading_zeros()).checked_sub(1);
        Some((cells, last.map(|last| last as usize)))
    }
}

/// The cells from one on that hold something, one bit each.
fn map_of<T: Copy + Into<i64>>(held: &[[T; 2]; CELLS], from: usize) -> u32 {
    let mut map = 0;
    for (at, [a, b]) in held.iter().enumerate() {
        map |= u32::from((*a).into() | (*b).into() != 0) << at;
    }
    map & u32::MAX.checked_shl(u32::try_from(from).unwrap_or(u32::BITS)).unwrap_or(0)
}

fn write<T, const WIDTH: usize>(held: &[[T; 2]; CELLS], from: usize, bytes: &mut Vec<u8>)
where
    T: Integer<WIDTH>,
{
    let map = map_of(held, from);
    // Nothing but the sign is left of a number that fits.
    let is_held = |at: usize| map & (1 << at) != 0;
    let mut used = 0;
    for (at, [a, b]) in held.iter().enumerate() {
        let (a, b): (i64, i64) = ((*a).into(), (*b).into());
        if is_held(at) {
            used |= (a ^ (a >> 63)) | (b ^ (b >> 63));
        }
    }
    let values = held.as_flattened();
    match i64::BITS - used.leading_zeros() {
        _ if map == 0 => bytes.extend_from_slice(&[0; 5]),
        0..8 => append(values.iter().map(|value| (*value).into() as i8), map, bytes),
        8..16 => append(values.iter().map(|value| (*value).into() as i16), map, bytes),
        16..32 => append(values.iter().map(|value| (*value).into() as i32), map, bytes),
        _ => append(values.iter().map(|value| (*value).into()), map, bytes),
    }
}

/// Appends the map, the width, and the values of the cells in the map.
fn append<T, const WIDTH: usize>(values: impl Iterator<Item = T>, map: u32, bytes: &mut Vec<u8>)
where
    T: Integer<WIDTH>,
{
    bytes.extend_from_slice(&map.to_le_bytes());
    bytes.push(WIDTH as u8);
    // Written side by side first, so that a whole chunk, which is what nearly all are, is one copy.
    let mut packed = [[0; WIDTH]; 2 * CELLS];
    for (slot, value) in packed.iter_mut().zip(values) {
        *slot = value.bytes();
    }
    if map == u32::MAX {
        return bytes.extend_from_slice(packed.as_flattened());
    }
    for (at, pair) in packed.chunks_exact(2).enumerate() {
        if map & (1 << at) != 0 {
            bytes.extend_from_slice(pair.as_flattened());
        }
    }
}

fn read<T, const WIDTH: usize>(map: u32, bytes: &mut &[u8]) -> Option<Box<[[T; 2]; CELLS]>>
where
    T: Integer<WIDTH>,
{
    let (packed, rest) = bytes.split_at_checked(map.count_ones() as usize * 2 * WIDTH)?;
    *bytes = rest;
    let mut held = Box::new([[T::default(); 2]; CELLS]);
    let mut pairs = packed.chunks_exact(2 * WIDTH);
    for (at, cell) in held.iter_mut().enumerate() {
        if map & (1 << at) == 0 {
            continue;
        }
        let (a, b) = pairs.next()?.split_first_chunk::<WIDTH>()?;
        *cell = [T::of(*a), T::of(*b.first_chunk()?)];
    }
    Some(held)
}
