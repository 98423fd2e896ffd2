//! When a source was heard, so that silence never looks like health.

use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use model::Timestamp;

/// A source that sends nothing at all for longer than this is silent, unless told otherwise.
pub const SILENCE_AFTER: Duration = Duration::from_secs(90);
/// Absences that are kept; beyond them, the two with the least heard time between them become one,
/// so that coverage is never overstated.
pub const ABSENCES_MAX: usize = 64;

/// When a source was heard: from its first telemetry on, but for its absences.
///
/// Invariants: absences are in order, do not overlap, and lie after `first`.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Presence {
    silence_after_ns: u64,
    /// Zero: never heard.
    first: Timestamp,
    last: Timestamp,
    absences: Vec<Absence>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Absence {
    from: Timestamp,
    until: Timestamp,
    cause: AbsenceCause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
enum AbsenceCause {
    /// The source sent nothing.
    Silence,
    /// fogbell was down, refusing or behind: nobody knows what the source sent.
    Gap,
}

/// What a window can say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WindowState {
    /// There are events.
    Data,
    /// The source is alive, but nothing was asked of it.
    NoTraffic,
    /// The source is silent.
    #[default]
    NoData,
}

impl Default for Presence {
    fn default() -> Self {
        Self::new(SILENCE_AFTER)
    }
}

impl Presence {
    /// A source that was never heard, and that counts as silent after `silence_after` without
    /// telemetry.
    #[must_use]
    pub fn new(silence_after: Duration) -> Self {
        Self {
            silence_after_ns: u64::try_from(silence_after.as_nanos()).unwrap_or(u64::MAX),
            first: Timestamp::ZERO,
            last: Timestamp::ZERO,
            absences: Vec::new(),
        }
    }

    /// Telemetry of the source arrived, of whatever signal.
    pub fn heard(&mut self, at: Timestamp) {
        if !self.first.is_set() {
            (self.first, self.last) = (at, at);
            return;
        }
        if at <= self.last {
            return;
        }
        self.close_silence(at);
        self.last = at;
    }

    /// fogbell itself was down, refusing or behind. Counts toward no silence: that timer starts
    /// again at `until`. Stretches are told in order of their ends; one that begins where the last
    /// one ended extends it.
    pub fn gap(&mut self, from: Timestamp, until: Timestamp) {
        if !self.first.is_set() || until <= self.first {
            return;
        }
        let from = from.max(self.first);
        self.close_silence(from);
        let Some(newest) = self.absences.last_mut() else {
            self.push(Absence { from, until, cause: AbsenceCause::Gap });
            return;
        };
        if until <= newest.until {
            return;
        }
        if newest.cause == AbsenceCause::Gap && from <= newest.until {
            newest.until = until;
        } else {
            let from = from.max(newest.until);
            self.push(Absence { from, until, cause: AbsenceCause::Gap });
        }
    }

    /// When the source was first heard.
    #[must_use]
    pub fn first_heard(&self) -> Option<Timestamp> {
        self.first.is_set().then_some(self.first)
    }

    /// When the source was last heard.
    #[must_use]
    pub fn last_heard(&self) -> Option<Timestamp> {
        self.first.is_set().then_some(self.last)
    }

    /// How long the source may send nothing before it is silent.
    #[must_use]
    pub const fn silence_after(&self) -> Duration {
        Duration::from_nanos(self.silence_after_ns)
    }

    /// Whether the source sent nothing for too long, or was never heard.
    #[must_use]
    pub fn is_silent(&self, now: Timestamp) -> bool {
        !self.first.is_set() || now.since(self.alive_at()) > self.silence_after()
    }

    /// What a window that ends now and holds `total` events can say.
    #[must_use]
    pub fn state(&self, window: Duration, now: Timestamp, total: u64) -> WindowState {
        if total > 0 {
            WindowState::Data
        } else if self.covered(window, now).is_zero() {
            WindowState::NoData
        } else {
            WindowState::NoTraffic
        }
    }

    /// How much of a window that ends now the source was heard for.
    #[must_use]
    pub fn covered(&self, window: Duration, now: Timestamp) -> Duration {
        self.covered_between(now.before(window), now)
    }

    /// The share of a window that ends now for which the source was heard, 0..=1.
    #[must_use]
    pub fn coverage_ratio(&self, window: Duration, now: Timestamp) -> f64 {
        if window.is_zero() {
            return 0.0;
        }
        self.covered(window, now).as_secs_f64() / window.as_secs_f64()
    }

    /// How much of `from..until` the source was heard for, as known at `until`: less than
    /// [`Presence::silence_after`] without telemetry is not an absence.
    #[must_use]
    pub fn covered_between(&self, from: Timestamp, until: Timestamp) -> Duration {
        Duration::from_nanos(self.covered_ns(from, until))
    }

    /// As [`Presence::covered_between`], in nanoseconds.
    pub(crate) fn covered_ns(&self, from: Timestamp, until: Timestamp) -> u64 {
        if !self.first.is_set() {
            return 0;
        }
        let between =
            |from: Timestamp, until: Timestamp| until.unix_ns().saturating_sub(from.unix_ns());
        let alive_at = self.alive_at();
        let is_silent = between(alive_at, until) > self.silence_after_ns;
        let until = if is_silent { alive_at } else { until };
        let from = from.max(self.first);
        let mut covered = between(from, until);
        for absence in self.absences.iter().rev().take_while(|absence| absence.until > from) {
            let overlap = between(absence.from.max(from), absence.until.min(until));
            covered = covered.saturating_sub(overlap);
        }
        covered
    }

    /// The moment that silence counts from.
    #[must_use]
    pub fn alive_at(&self) -> Timestamp {
        self.absences.last().map_or(self.last, |absence| absence.until.max(self.last))
    }

    fn close_silence(&mut self, at: Timestamp) {
        let from = self.alive_at();
        if at.since(from) > self.silence_after() {
            self.push(Absence { from, until: at, cause: AbsenceCause::Silence });
        }
    }

    fn push(&mut self, absence: Absence) {
        if absence.from >= absence.until {
            return;
        }
        self.absences.push(absence);
        if self.absences.len() <= ABSENCES_MAX {
            return;
        }
        let heard_between = |at: &usize| self.absences[at + 1].from.since(self.absences[*at].until);
        if let Some(at) = (0..self.absences.len() - 1).min_by_key(heard_between) {
            let later = self.absences.remove(at + 1);
            let earlier = &mut self.absences[at];
            earlier.until = later.until;
            if later.cause == AbsenceCause::Silence {
                earlier.cause = AbsenceCause::Silence;
            }
        }
    }
}

#[cfg(test)]
mod tests;
