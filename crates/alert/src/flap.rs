use borsh::{BorshDeserialize, BorshSerialize};
use model::Timestamp;

/// How many transitions between 21 states are remembered (Nagios, `base/flapping.c`).
const SLOTS: u32 = 20;
const MASK: u32 = (1 << SLOTS) - 1;
/// The weight of the oldest and the newest transition (Nagios, `base/flapping.c`).
const WEIGHT_OLDEST: f64 = 0.75;
const WEIGHT_NEWEST: f64 = 1.25;
/// Share of changes, in percent, at which flapping begins and ends.
const ON_PERCENT: f64 = 30.0;
const OFF_PERCENT: f64 = 20.0;
/// An alert is judged many times a second, so that a slot is a minute of event, not one check.
const SLOT_S: u64 = 60;

/// Whether an alert changes so often that its notifications help nobody.
///
/// The algorithm of Nagios with a slot a minute: the last 20 minutes, each changed or not, newer
/// ones weighing more, with a hysteresis between 30 % and 20 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Flap {
    changes: u32,
    slot: u64,
    flapping: bool,
}

impl Flap {
    /// Notes that the alert changed its state at `now`.
    pub fn changed(&mut self, now: Timestamp) {
        self.advance(now);
        self.changes |= 1;
        self.settle();
    }

    /// Lets time pass.
    pub fn advance(&mut self, now: Timestamp) {
        let slot = now.unix_s() / SLOT_S;
        let passed = slot.saturating_sub(self.slot);
        if passed == 0 {
            return;
        }
        self.slot = slot;
        let shift = u32::try_from(passed).unwrap_or(SLOTS).min(SLOTS);
        self.changes = (self.changes << shift) & MASK;
        self.settle();
    }

    /// Whether notifications should be held.
    #[must_use]
    pub fn is_flapping(&self) -> bool {
        self.flapping
    }

    /// Weighted share of changes, 0 to 100.
    #[must_use]
    pub fn percent(&self) -> f64 {
        let step = (WEIGHT_NEWEST - WEIGHT_OLDEST) / f64::from(SLOTS - 1);
        let weighted: f64 = (0..SLOTS)
            .filter(|age| self.changes & (1 << age) != 0)
            .map(|age| WEIGHT_NEWEST - f64::from(age) * step)
            .sum();
        weighted * 100.0 / f64::from(SLOTS)
    }

    fn settle(&mut self) {
        let percent = self.percent();
        self.flapping = percent >= ON_PERCENT || self.flapping && percent > OFF_PERCENT;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(n: u64) -> Timestamp {
        Timestamp::from_unix_s(n * SLOT_S)
    }

    #[test]
    fn all_slots_changed_is_a_hundred_percent() {
        let mut flap = Flap::default();
        (1..=20).for_each(|n| flap.changed(minute(n)));
        assert!((flap.percent() - 100.0).abs() < 1e-9);
    }

    #[test]
    fn turns_on_at_30_percent_and_off_at_20() {
        let mut flap = Flap::default();
        let mut at = 1;
        while !flap.is_flapping() {
            flap.changed(minute(at));
            at += 1;
        }
        assert!(flap.percent() >= ON_PERCENT);
        assert_eq!(at, 7, "five changes in a row weigh 29.9 %, six more than 30 %");
        while flap.is_flapping() {
            flap.advance(minute(at));
            at += 1;
        }
        assert!(flap.percent() <= OFF_PERCENT);
        assert!(at > 20, "hysteresis: it stays on while changes are remembered, until {at}");
    }

    #[test]
    fn one_change_an_hour_is_not_flapping() {
        let mut flap = Flap::default();
        for hour in 1..100 {
            flap.changed(minute(hour * 60));
            assert!(!flap.is_flapping());
        }
    }
}
