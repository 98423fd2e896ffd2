//! How much HTTP/2 may hold of a connection before it is asked for.

use std::sync::Arc;

use crate::Roster;

/// The window of a connection while there are few: large batches arrive without waiting for it to
/// move.
const WINDOW_BYTES_MAX: usize = 24 << 20;
/// However many there are: less is not allowed at first (RFC 9113, 6.9.2).
const WINDOW_BYTES_MIN: usize = 64 << 10;

/// The HTTP/2 window of a connection: an even share of what all of them may have.
///
/// What has arrived of requests that are not whole is in nobody's budget until it is read. So all
/// windows together are bounded, and the more connections there are, the smaller each is. A peer may
/// use up a larger one that it was given while there were fewer; it is not given as much again.
#[derive(Debug)]
pub(crate) struct Window {
    roster: Arc<Roster>,
    worker: usize,
    bytes_max: usize,
}

impl Window {
    /// Of a connection of this worker, where all connections together may have `bytes_max`.
    pub(crate) fn new(roster: Arc<Roster>, worker: usize, bytes_max: usize) -> Self {
        Self { roster, worker, bytes_max }
    }

    /// What it is with as many connections as there are: a power of two, so that it seldom changes,
    /// or the largest.
    pub(crate) fn bytes(&self) -> u32 {
        share(self.bytes_max, self.roster.connections(self.worker))
    }
}

fn share(bytes_max: usize, connections: usize) -> u32 {
    let share = bytes_max / connections.max(1);
    let bytes = if share >= WINDOW_BYTES_MAX {
        WINDOW_BYTES_MAX
    } else {
        // The largest power of two that is not above it.
        (share / 2 + 1).next_power_of_two().max(WINDOW_BYTES_MIN)
    };
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_windows_together_stay_within_what_they_may_have() {
        const MIB: usize = 1 << 20;
        for connections in 0..2000 {
            let window = share(64 * MIB, connections) as usize;
            let is_smallest = window == WINDOW_BYTES_MIN;
            assert!(window * connections <= 64 * MIB || is_smallest, "{connections}: {window}");
            assert!(
                window * connections * 2 > 64 * MIB
                    || window == WINDOW_BYTES_MAX
                    || connections == 0
            );
        }
        let shares = [1, 2, 3, 4, 5, 64, 65, 1024, 1_000_000].map(|n| share(64 * MIB, n) as usize);
        let kib = |n: usize| n << 10;
        assert_eq!(
            shares,
            [24 * MIB, 24 * MIB, 16 * MIB, 16 * MIB, 8 * MIB, MIB, kib(512), kib(64), kib(64)]
        );
        assert_eq!(share(0, 1) as usize, WINDOW_BYTES_MIN);
    }
}
