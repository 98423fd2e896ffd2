//! How far a source's events have come by their own time, how late they come, and how far its clock
//! is ahead.

use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use model::{EventTimes, Timestamp};

use crate::rhythm::Rhythm;

/// What was measured is forgotten after one to two of these.
pub const MEASURED_FOR: Duration = Duration::from_secs(300);
/// A source is late whose newest events are older than this whenever they come. It is above the
/// minute that batching exporters and scrapes may take.
pub const LATE_AFTER: Duration = Duration::from_secs(120);
/// A clock is ahead from here on: its events fall into panes that have not begun.
pub const AHEAD_AFTER: Duration = Duration::from_secs(5);

/// The event time of one signal of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SourceClock {
    rhythm: Rhythm,
    watermark: Timestamp,
    now: Measured,
    before: Measured,
}

/// What was measured in a stretch of [`MEASURED_FOR`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Measured {
    /// Which stretch, counted from the Unix epoch.
    stretch: u32,
    /// Whether any event was taken in it, and whether any came, taken or too far in the future.
    any: bool,
    came: bool,
    /// How old the oldest event was when it came.
    lateness_ns: u64,
    /// The least age of what was the newest event of a hand-over.
    lag_min_ns: u64,
    /// How far an event lay in the future when it came.
    ahead_ns: u64,
    /// The least of what was that of the newest event of a hand-over.
    ahead_min_ns: u64,
}

/// What can be said of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceState {
    /// It was never heard.
    #[default]
    Unheard,
    /// It sends what has just happened.
    Live,
    /// It sends what happened long ago, and nothing newer.
    Late,
    /// Its clock is ahead.
    Ahead,
    /// It sends nothing, as it is used to.
    Idle,
    /// It sends nothing for longer than it is used to.
    Absent,
}

impl SourceState {
    /// Whether it sends something, whatever that is worth.
    #[must_use]
    pub const fn speaks(self) -> bool {
        matches!(self, Self::Live | Self::Late | Self::Ahead)
    }

    /// The word in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unheard => "unheard",
            Self::Live => "live",
            Self::Late => "late",
            Self::Ahead => "ahead",
            Self::Idle => "idle",
            Self::Absent => "absent",
        }
    }
}

impl SourceClock {
    /// Takes the times of events that arrived at `now`; without any, only that the source spoke.
    pub fn hear(&mut self, times: EventTimes, now: Timestamp) {
        self.rhythm.hear(now);
        if times.is_empty() {
            return;
        }
        // A clock that is ahead says nothing of what is yet to come.
        self.watermark = self.watermark.max(times.newest.min(now));
        let stretch = stretch_of(now);
        if stretch > self.now.stretch {
            self.before = self.now;
            self.now = Measured { stretch, ..Measured::default() };
        }
        self.now.add(times, now);
    }

    /// Nobody could listen until this moment.
    pub fn listen_since(&mut self, at: Timestamp) {
        self.rhythm.listen_since(at);
    }

    /// How it is used to speak.
    #[must_use]
    pub const fn rhythm(&self) -> &Rhythm {
        &self.rhythm
    }

    /// Up to which event time its events have arrived, but for late ones; zero = none has. A source
    /// that is idle holds nothing up: who waits for the watermark asks for its silence, too.
    #[must_use]
    pub const fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// How old its oldest event was on arrival, of the last 5 to 10 minutes.
    #[must_use]
    pub fn lateness(&self, now: Timestamp) -> Duration {
        let late = self.measured(now).map(|measured| measured.lateness_ns).max();
        Duration::from_nanos(late.unwrap_or_default())
    }

    /// How far its clock is ahead, at least, by the last 5 to 10 minutes. A clock that is behind
    /// cannot be told from events that come late.
    #[must_use]
    pub fn clock_ahead(&self, now: Timestamp) -> Duration {
        let ahead = self.measured(now).map(|measured| measured.ahead_ns).max();
        Duration::from_nanos(ahead.unwrap_or_default())
    }

    /// How old even the newest of its events were on arrival, at the least; `None` if nothing came
    /// in the last 5 minutes.
    #[must_use]
    pub fn lag(&self, now: Timestamp) -> Option<Duration> {
        let lag = self.measured(now).filter(|measured| measured.any).map(|m| m.lag_min_ns).min();
        lag.map(Duration::from_nanos)
    }

    /// What can be said of it. A silence of up to `silence_after` is none.
    #[must_use]
    pub fn state(&self, silence_after: Duration, now: Timestamp) -> SourceState {
        if self.rhythm.last_heard().is_none() {
            SourceState::Unheard
        } else if self.rhythm.is_strange(now) && !self.rhythm.is_over(now) {
            SourceState::Absent
        } else if self.rhythm.silence(now) > silence_after {
            SourceState::Idle
        } else if self.is_ahead(now) {
            SourceState::Ahead
        } else if self.is_late(now) {
            SourceState::Late
        } else {
            SourceState::Live
        }
    }

    /// Whether whatever came was old, for a whole stretch at least.
    fn is_late(&self, now: Timestamp) -> bool {
        let spans_a_stretch = self.before.any && self.before.stretch + 1 == stretch_of(now);
        spans_a_stretch && self.lag(now).is_some_and(|lag| lag > LATE_AFTER)
    }

    /// Whether whatever came lay in the future, for a whole stretch at least: one odd event is no
    /// clock.
    fn is_ahead(&self, now: Timestamp) -> bool {
        let spans_a_stretch = self.before.came && self.before.stretch + 1 == stretch_of(now);
        let came = self.measured(now).filter(|measured| measured.came);
        let least = came.map(|measured| measured.ahead_min_ns).min();
        let least = Duration::from_nanos(least.unwrap_or_default());
        spans_a_stretch && least >= AHEAD_AFTER
    }

    fn measured(&self, now: Timestamp) -> impl Iterator<Item = &Measured> {
        let since = stretch_of(now).saturating_sub(1);
        [&self.now, &self.before].into_iter().filter(move |measured| measured.stretch >= since)
    }
}

impl Measured {
    fn add(&mut self, times: EventTimes, now: Timestamp) {
        let ns = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let ahead_ns = ns(times.newest.max(times.future).since(now));
        self.ahead_ns = self.ahead_ns.max(ahead_ns);
        self.ahead_min_ns = if self.came { self.ahead_min_ns.min(ahead_ns) } else { ahead_ns };
        self.came = true;
        if !times.newest.is_set() {
            return;
        }
        let lag_ns = ns(now.since(times.newest));
        self.lag_min_ns = if self.any { self.lag_min_ns.min(lag_ns) } else { lag_ns };
        self.lateness_ns = self.lateness_ns.max(ns(now.since(times.oldest)));
        self.any = true;
    }
}

fn stretch_of(at: Timestamp) -> u32 {
    u32::try_from(at.unix_s() / MEASURED_FOR.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::SILENCE_AFTER;
    use crate::rhythm::{KNOWN_AFTER, STRANGE_AFTER};

    const SECOND: Duration = Duration::from_secs(1);

    struct World {
        clock: SourceClock,
        now: Timestamp,
    }

    impl World {
        fn new() -> Self {
            let now = Timestamp::from_unix_s(1_795_400_000);
            Self { clock: SourceClock::default(), now }
        }

        /// Events of this age arrive each second.
        fn pass(&mut self, time: Duration, oldest: Duration, newest: Duration) {
            for _ in 0..time.as_secs() {
                self.now = self.now.after(SECOND);
                let (oldest, newest) = (self.now.before(oldest), self.now.before(newest));
                let times = EventTimes { oldest, newest, ..EventTimes::default() };
                self.clock.hear(times, self.now);
            }
        }

        fn state(&self) -> SourceState {
            self.clock.state(SILENCE_AFTER, self.now)
        }
    }

    #[test]
    fn the_watermark_follows_the_newest_event_and_never_the_future() {
        let mut world = World::new();
        assert_eq!(world.state(), SourceState::Unheard);
        world.pass(10 * SECOND, 8 * SECOND, 2 * SECOND);
        assert_eq!(world.clock.watermark(), world.now.before(2 * SECOND));
        assert_eq!(world.clock.lateness(world.now), 8 * SECOND);
        assert_eq!(world.clock.lag(world.now), Some(2 * SECOND));
        let ahead = world.now.after(30 * SECOND);
        world.clock.hear(EventTimes { oldest: ahead, newest: ahead, future: ahead }, world.now);
        assert_eq!(world.clock.watermark(), world.now);
        assert_eq!(world.clock.clock_ahead(world.now), 30 * SECOND);
        assert_eq!(world.state(), SourceState::Live, "one event is no clock");
        for _ in 0..2 * MEASURED_FOR.as_secs() {
            world.now = world.now.after(SECOND);
            let ahead = world.now.after(6 * SECOND);
            world.clock.hear(EventTimes { oldest: ahead, newest: ahead, future: ahead }, world.now);
        }
        assert_eq!(world.state(), SourceState::Ahead);
        world.pass(SECOND, SECOND, SECOND);
        assert_eq!(world.state(), SourceState::Live);
    }

    #[test]
    fn what_was_refused_as_future_tells_of_the_clock_and_moves_no_watermark() {
        let mut world = World::new();
        let future = world.now.after(3600 * SECOND);
        world.clock.hear(EventTimes { future, ..EventTimes::default() }, world.now);
        assert_eq!(world.clock.clock_ahead(world.now), 3600 * SECOND);
        assert_eq!(world.clock.watermark(), Timestamp::ZERO);
        assert_eq!(world.clock.lag(world.now), None);
    }

    #[test]
    fn one_old_event_makes_nobody_late_and_a_backlog_of_minutes_does() {
        let mut world = World::new();
        world.pass(2 * MEASURED_FOR, 600 * SECOND, SECOND);
        assert_eq!(world.state(), SourceState::Live);
        assert_eq!(world.clock.lateness(world.now), 600 * SECOND);
        world.pass(2 * MEASURED_FOR, 600 * SECOND, 500 * SECOND);
        assert_eq!(world.state(), SourceState::Late);
        world.pass(SECOND, SECOND, SECOND);
        assert_eq!(world.state(), SourceState::Live);
    }

    #[test]
    fn silence_is_idle_until_it_is_strange() {
        let mut world = World::new();
        world.pass(KNOWN_AFTER + SECOND, SECOND, SECOND);
        world.now = world.now.after(SILENCE_AFTER + SECOND);
        assert_eq!(world.state(), SourceState::Idle);
        world.now = world.now.after(STRANGE_AFTER);
        assert_eq!(world.state(), SourceState::Absent);
        world.now = world.now.after(Duration::from_secs(9 * 86_400));
        assert_eq!(world.state(), SourceState::Idle);
    }
}
