use std::ops::Range;

/// Panes per chunk.
pub(crate) const CELLS: usize = 32;

/// Two integers per pane of a chunk, in the narrowest width that holds them all. Most series count
/// few events in 5 s. The two lie side by side, since they are always wanted together.
#[derive(Clone, Debug, Default)]
pub(super) enum Cells {
    #[default]
    Zero,
    I8(Box<[[i8; 2]; CELLS]>),
    I16(Box<[[i16; 2]; CELLS]>),
    I32(Box<[[i32; 2]; CELLS]>),
    I64(Box<[[i64; 2]; CELLS]>),
}

impl Cells {
    /// The sums over cells.
    pub(super) fn sum(&self, cells: Range<usize>) -> [i64; 2] {
        match self {
            Self::Zero => [0, 0],
            Self::I8(held) => sum(held, cells),
            Self::I16(held) => sum(held, cells),
            Self::I32(held) => sum(held, cells),
            Self::I64(held) => sum(held, cells),
        }
    }

    pub(super) fn get(&self, cell: usize) -> [i64; 2] {
        let cell = cell % CELLS;
        match self {
            Self::Zero => [0, 0],
            Self::I8(cells) => cells[cell].map(i64::from),
            Self::I16(cells) => cells[cell].map(i64::from),
            Self::I32(cells) => cells[cell].map(i64::from),
            Self::I64(cells) => cells[cell],
        }
    }

    /// A part of one of the integers.
    #[inline]
    pub(super) fn glance(&self, cell: usize) -> u32 {
        let cell = cell % CELLS;
        match self {
            Self::Zero => 0,
            Self::I8(cells) => cells[cell][0] as u32,
            Self::I16(cells) => cells[cell][0] as u32,
            Self::I32(cells) => cells[cell][0] as u32,
            Self::I64(cells) => cells[cell][0] as u32,
        }
    }

    pub(super) fn add(&mut self, cell: usize, values: [i64; 2]) {
        if values == [0, 0] {
            return;
        }
        let cell = cell % CELLS;
        let unfit = match self {
            Self::Zero => Some(values),
            Self::I8(cells) => bump(&mut cells[cell], values),
            Self::I16(cells) => bump(&mut cells[cell], values),
            Self::I32(cells) => bump(&mut cells[cell], values),
            Self::I64(cells) => bump(&mut cells[cell], values),
        };
        if let Some(sums) = unfit {
            *self = self.widened(sums);
            self.set(cell, sums);
        }
    }

    pub(super) const fn heap_bytes(&self) -> usize {
        match self {
            Self::Zero => 0,
            Self::I8(_) => 2 * CELLS,
            Self::I16(_) => 4 * CELLS,
            Self::I32(_) => 8 * CELLS,
            Self::I64(_) => 16 * CELLS,
        }
    }

    /// Puts in values that fit.
    fn set(&mut self, cell: usize, values: [i64; 2]) {
        match self {
            Self::Zero => {}
            Self::I8(cells) => cells[cell] = values.map(|value| value as i8),
            Self::I16(cells) => cells[cell] = values.map(|value| value as i16),
            Self::I32(cells) => cells[cell] = values.map(|value| value as i32),
            Self::I64(cells) => cells[cell] = values,
        }
    }

    /// The same integers in the narrowest width that also holds `values`. Only ever called with
    /// values that the present width does not hold, so that all others fit as well.
    fn widened(&self, values: [i64; 2]) -> Self {
        // Nothing but the sign is left of a number that fits.
        let fit = |bits: u32| values.iter().all(|value| matches!(value >> (bits - 1), -1 | 0));
        if fit(8) {
            Self::I8(Box::new(std::array::from_fn(|cell| self.get(cell).map(|n| n as i8))))
        } else if fit(16) {
            Self::I16(Box::new(std::array::from_fn(|cell| self.get(cell).map(|n| n as i16))))
        } else if fit(32) {
            Self::I32(Box::new(std::array::from_fn(|cell| self.get(cell).map(|n| n as i32))))
        } else {
            Self::I64(Box::new(std::array::from_fn(|cell| self.get(cell))))
        }
    }
}

/// Adds; the sums if they do not fit, and nothing is changed.
#[inline]
fn bump<T: Copy + Into<i64> + TryFrom<i64>>(
    slot: &mut [T; 2],
    [left, right]: [i64; 2],
) -> Option<[i64; 2]> {
    let sums = [slot[0].into().saturating_add(left), slot[1].into().saturating_add(right)];
    let (Ok(left), Ok(right)) = (T::try_from(sums[0]), T::try_from(sums[1])) else {
        return Some(sums);
    };
    *slot = [left, right];
    None
}

fn sum<T: Copy + Into<i64>>(held: &[[T; 2]; CELLS], cells: Range<usize>) -> [i64; 2] {
    let mut sums = [0_i64; 2];
    for cell in held.get(cells).unwrap_or_default() {
        for (sum, value) in sums.iter_mut().zip(cell) {
            *sum = sum.saturating_add((*value).into());
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widening_keeps_every_integer() {
        let mut cells = Cells::Zero;
        let values = [1, -128, 127, 128, -40_000, 70_000, i64::from(i32::MAX) + 1, i64::MIN, 0, -1];
        for (cell, value) in values.into_iter().enumerate() {
            cells.add(cell, [value, 0]);
            cells.add(cell, [0, value / 2]);
        }
        let kept: Vec<[i64; 2]> = (0..values.len()).map(|cell| cells.get(cell)).collect();
        assert_eq!(kept, values.map(|value| [value, value / 2]));
        assert_eq!(cells.get(CELLS - 1), [0, 0]);
    }

    #[test]
    fn small_integers_take_one_byte_each() {
        let mut cells = Cells::Zero;
        cells.add(3, [0, 0]);
        assert_eq!(cells.heap_bytes(), 0);
        cells.add(3, [100, -128]);
        assert_eq!(cells.heap_bytes(), 2 * CELLS);
        cells.add(3, [100, 0]);
        assert_eq!((cells.heap_bytes(), cells.get(3)), (4 * CELLS, [200, -128]));
    }
}
