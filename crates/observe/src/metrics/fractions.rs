use crate::arena::{Arena, Generation};
use crate::hash::Key;

/// What streams of increments have counted beyond whole events.
///
/// Ten increments of 0.4 are four events, as they are where the stream is cumulative. A sum of
/// increments is rounded, not each of them, so that what is left of a stream stays within half an
/// event. When full, increments of further streams are rounded one by one.
#[derive(Debug)]
pub(crate) struct Fractions {
    left: Arena<f64>,
}

impl Fractions {
    pub(crate) fn new(streams_max: usize) -> Self {
        Self { left: Arena::new(streams_max, usize::MAX) }
    }

    /// The whole events of an increment, after what was left of its stream.
    pub(crate) fn whole(&mut self, stream: Key, value: f64, now: Generation) -> u64 {
        let id = match self.left.find(stream, now) {
            Some(id) => id,
            None if self.left.has_room(0) => self.left.insert(stream, 0, now, 0.0),
            None => return value.round() as u64,
        };
        let left = self.left.get_mut(id);
        let sum = *left + value;
        let events = sum.round().max(0.0);
        *left = sum - events;
        events as u64
    }

    /// Lets go of what was last used before `since`.
    pub(crate) fn sweep(&mut self, since: Generation) {
        self.left.sweep(since);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_finds_no_room_is_rounded_by_itself() {
        let mut fractions = Fractions::new(1);
        let events = |fractions: &mut Fractions, stream| {
            (0..10).map(|_| fractions.whole(stream, 0.4, 1)).sum::<u64>()
        };
        assert_eq!(events(&mut fractions, 1), 4);
        assert_eq!(events(&mut fractions, 2), 0);
        fractions.sweep(2);
        assert_eq!(events(&mut fractions, 2), 4);
    }

    proptest! {
        #[test]
        fn increments_count_as_the_sum_does(sixteenths in prop::collection::vec(0..100_u32, 0..99)) {
            let mut fractions = Fractions::new(9);
            let (mut counted, mut sum) = (0, 0.0_f64);
            for value in sixteenths.into_iter().map(|part| f64::from(part) / 16.0) {
                sum += value;
                counted += fractions.whole(7, value, 1);
                prop_assert_eq!(counted, sum.round() as u64);
            }
        }
    }
}
