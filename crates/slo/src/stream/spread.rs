use borsh::{BorshDeserialize, BorshSerialize};
use model::{Count, PANE_NS, Pane, Timestamp};

use crate::panes::PaneCounts;

/// Panes that one increment is spread over at most; over a longer time each share stands for
/// several panes, and lies in the last of them.
pub const SPREAD_PANES_MAX: usize = 720;

/// What a stream counted over `(from, until]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Increment {
    /// Before the first event.
    pub from: Timestamp,
    /// At or after the last event.
    pub until: Timestamp,
    /// The events.
    pub count: Count,
}

impl Increment {
    /// Shares the events out over the panes of `(from, until]`, in proportion to the time that each
    /// has of it, by the method of largest remainders: the panes hold whole events, and together
    /// exactly what was counted. Up to the width of a pane, all lie in the pane of `until`.
    pub fn spread(&self, panes: &mut PaneCounts) {
        let (from, until) = (self.from.unix_ns(), self.until.unix_ns());
        let span = until.saturating_sub(from);
        if span <= PANE_NS {
            // The stretch is open at its start and closed at its end.
            let last = Timestamp::from_unix_ns(if span == 0 { until } else { until - 1 });
            return panes.add(last.pane(), self.count);
        }
        let slots = slots(from, until);
        let widths: Vec<u64> = slots.iter().map(|&(_, width)| width).collect();
        let counts = shares_of(self.count, &widths);
        for (&(pane, _), count) in slots.iter().zip(counts).filter(|(_, count)| !count.is_zero()) {
            panes.add(pane, count);
        }
    }

    /// Shares the events out in the same way over what comes up to `at`, within the time of the
    /// increment, and what comes after.
    #[must_use]
    pub fn cut(self, at: Timestamp) -> (Self, Self) {
        let at = at.clamp(self.from, self.until.max(self.from));
        let widths = [at.unix_ns() - self.from.unix_ns(), self.until.since(at).as_nanos() as u64];
        let counts = shares_of(self.count, &widths);
        (Self { until: at, count: counts[0], ..self }, Self { from: at, count: counts[1], ..self })
    }
}

/// The panes to fill, each with the nanoseconds that it stands for.
fn slots(from: u64, until: u64) -> Vec<(Pane, u64)> {
    let first = from / PANE_NS;
    let last = (until - 1) / PANE_NS;
    let stride = (last - first + 1).div_ceil(SPREAD_PANES_MAX as u64);
    let mut slots = Vec::with_capacity(SPREAD_PANES_MAX.min((last - first + 1) as usize));
    let mut begin = first;
    while begin <= last {
        let end = (begin + stride).min(last + 1);
        let width = end.saturating_mul(PANE_NS).min(until) - (begin * PANE_NS).max(from);
        slots.push((Pane(u32::try_from(end - 1).unwrap_or(u32::MAX)), width));
        begin = end;
    }
    slots
}

fn shares_of(count: Count, widths: &[u64]) -> Vec<Count> {
    let total = i128::from(count.total);
    let bad = i128::from(count.bad_signed);
    // Good and bad are shared out each on their own, so that no pane has more bad than total;
    // where bad is a correction, its total is its own affair.
    let corrects = bad < 0 || bad > total;
    let rest = shares(if corrects { total } else { total - bad }, widths);
    let bad = shares(bad, widths);
    let observed = shares(i128::from(count.bad_observed), widths);
    let uncertain = shares(i128::from(count.uncertain), widths);
    let share = |at: usize| Count {
        total: unsigned(if corrects { rest[at] } else { rest[at] + bad[at] }),
        bad_signed: i64::try_from(bad[at]).unwrap_or(i64::MAX),
        bad_observed: unsigned(observed[at]),
        uncertain: unsigned(uncertain[at]),
    };
    (0..widths.len()).map(share).collect()
}

/// `value` in proportion to `widths`, by largest remainders; ties go to the earlier one.
fn shares(value: i128, widths: &[u64]) -> Vec<i128> {
    if value == 0 {
        return vec![0; widths.len()];
    }
    let sum: u128 = widths.iter().map(|&width| u128::from(width)).sum();
    let magnitude = value.unsigned_abs();
    let mut shares = Vec::with_capacity(widths.len());
    let mut remainders = Vec::with_capacity(widths.len());
    let mut left = magnitude;
    for (at, &width) in widths.iter().enumerate() {
        // At most 2^64 x 2^64.
        let scaled = magnitude * u128::from(width);
        shares.push(scaled / sum);
        remainders.push((std::cmp::Reverse(scaled % sum), at));
        left -= scaled / sum;
    }
    remainders.sort_unstable();
    for (_, at) in remainders.into_iter().take(left as usize) {
        shares[at] += 1;
    }
    shares.into_iter().map(|share| share as i128 * value.signum()).collect()
}

fn unsigned(value: i128) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
