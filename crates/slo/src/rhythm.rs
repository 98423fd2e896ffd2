//! How long a source is used to be silent, so that a silence is told from a habit.

use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use model::Timestamp;

/// Days of which the longest silence is remembered: a week, so that a job of each Monday is a
/// habit, and one more.
pub const RHYTHM_DAYS: usize = 8;
/// A silence that is not longer than this is never strange: pods are replaced, exporters batch.
pub const STRANGE_AFTER: Duration = Duration::from_secs(300);
/// A source has no habits before it was heard for this long.
pub const KNOWN_AFTER: Duration = Duration::from_secs(3600);
/// A silence is strange from this many times the longest one on that the source was used to.
const HABIT_FACTOR: u32 = 2;
const DAY_S: u64 = 86_400;

/// When a source was heard, and how long it was silent in between.
///
/// Invariant: `longest_s[day % RHYTHM_DAYS]` is of the day `day`, for the days up to `day`.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Rhythm {
    first: Timestamp,
    last: Timestamp,
    /// When the silence at hand begins, at the earliest: nobody could listen before.
    listens_since: Timestamp,
    /// The newest day that has a place, in days since the Unix epoch.
    day: u32,
    longest_s: [u32; RHYTHM_DAYS],
}

impl Rhythm {
    /// The source was heard.
    pub fn hear(&mut self, at: Timestamp) {
        if !self.first.is_set() {
            self.first = at;
            self.day = day_of(at);
        } else if at > self.last {
            self.turn_to(day_of(at));
            let silence_s = u32::try_from(self.silence(at).as_secs()).unwrap_or(u32::MAX);
            let longest_s = &mut self.longest_s[self.day as usize % RHYTHM_DAYS];
            *longest_s = silence_s.max(*longest_s);
        }
        self.last = self.last.max(at);
    }

    /// Nobody could listen until this moment: what was silent meanwhile is not known to have been.
    pub fn listen_since(&mut self, at: Timestamp) {
        self.listens_since = self.listens_since.max(at);
    }

    /// When it was first heard; `None` = never.
    #[must_use]
    pub fn first_heard(&self) -> Option<Timestamp> {
        self.first.is_set().then_some(self.first)
    }

    /// When it was last heard; `None` = never.
    #[must_use]
    pub fn last_heard(&self) -> Option<Timestamp> {
        self.first.is_set().then_some(self.last)
    }

    /// For how long it has been silent, as far as somebody listened.
    #[must_use]
    pub fn silence(&self, now: Timestamp) -> Duration {
        now.since(self.last.max(self.listens_since))
    }

    /// The longest silence that it was used to in the last [`RHYTHM_DAYS`] days.
    #[must_use]
    pub fn longest_silence(&self) -> Duration {
        Duration::from_secs(self.longest_s.iter().copied().max().unwrap_or_default().into())
    }

    /// How long it may be silent before that is strange; `None` while it is too young to tell.
    #[must_use]
    pub fn strange_after(&self) -> Option<Duration> {
        let is_known = self.last.since(self.first) >= KNOWN_AFTER;
        is_known.then(|| STRANGE_AFTER.max(self.longest_silence() * HABIT_FACTOR))
    }

    /// Whether it has been silent for longer than it is used to.
    #[must_use]
    pub fn is_strange(&self, now: Timestamp) -> bool {
        self.strange_after().is_some_and(|after| self.silence(now) > after)
    }

    /// Whether it has been silent for longer than anything is remembered of it.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.silence(now).as_secs() > RHYTHM_DAYS as u64 * DAY_S
    }

    fn turn_to(&mut self, day: u32) {
        let passed = day.saturating_sub(self.day) as usize;
        for ahead in 1..=passed.min(RHYTHM_DAYS) {
            self.longest_s[(self.day as usize + ahead) % RHYTHM_DAYS] = 0;
        }
        if passed > RHYTHM_DAYS {
            self.longest_s = [0; RHYTHM_DAYS];
        }
        self.day = self.day.max(day);
    }
}

fn day_of(at: Timestamp) -> u32 {
    u32::try_from(at.unix_s() / DAY_S).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn start() -> Timestamp {
        Timestamp::from_unix_s(1_795_400_000)
    }

    /// Heard every `every` for `long`; returns the last time.
    fn heard(rhythm: &mut Rhythm, from: Timestamp, every: Duration, long: Duration) -> Timestamp {
        let mut at = from;
        while at.since(from) <= long {
            rhythm.hear(at);
            at = at.after(every);
        }
        rhythm.last_heard().expect("heard")
    }

    #[test]
    fn a_young_source_has_no_habits() {
        let mut rhythm = Rhythm::default();
        let last = heard(&mut rhythm, start(), Duration::from_secs(10), HOUR / 2);
        assert!(!rhythm.is_strange(last.after(48 * HOUR)));
    }

    #[test]
    fn what_never_pauses_is_strange_after_five_minutes() {
        let mut rhythm = Rhythm::default();
        let last = heard(&mut rhythm, start(), Duration::from_secs(10), HOUR);
        assert!(!rhythm.is_strange(last.after(STRANGE_AFTER)));
        assert!(rhythm.is_strange(last.after(STRANGE_AFTER + Duration::from_secs(1))));
    }

    #[test]
    fn a_nightly_job_is_strange_after_two_days_and_over_after_eight() {
        let mut rhythm = Rhythm::default();
        let last = heard(&mut rhythm, start(), 24 * HOUR, 7 * 24 * HOUR);
        assert_eq!(rhythm.longest_silence(), 24 * HOUR);
        assert!(!rhythm.is_strange(last.after(47 * HOUR)));
        assert!(rhythm.is_strange(last.after(49 * HOUR)));
        assert!(!rhythm.is_over(last.after(8 * 24 * HOUR)));
        assert!(rhythm.is_over(last.after(8 * 24 * HOUR + HOUR)));
    }

    #[test]
    fn a_pause_is_forgotten_after_eight_days() {
        let mut rhythm = Rhythm::default();
        let _ = heard(&mut rhythm, start(), Duration::from_secs(60), HOUR);
        let back = start().after(5 * HOUR);
        let _ = heard(&mut rhythm, back, Duration::from_secs(60), 6 * 24 * HOUR);
        assert!(rhythm.longest_silence() >= 3 * HOUR);
        let later = rhythm.last_heard().expect("heard").after(Duration::from_secs(60));
        let _ = heard(&mut rhythm, later, Duration::from_secs(60), 3 * 24 * HOUR);
        assert_eq!(rhythm.longest_silence(), Duration::from_secs(60));
    }

    #[test]
    fn while_nobody_listened_nothing_was_silent() {
        let mut rhythm = Rhythm::default();
        let last = heard(&mut rhythm, start(), Duration::from_secs(10), HOUR);
        let back = last.after(HOUR);
        rhythm.listen_since(back);
        assert!(!rhythm.is_strange(back.after(STRANGE_AFTER)));
        rhythm.hear(back.after(Duration::from_secs(20)));
        assert_eq!(rhythm.longest_silence(), Duration::from_secs(20));
    }
}
