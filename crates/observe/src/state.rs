use std::sync::Arc;

use model::{Count, Pane, Telemetry, Timestamp};

use crate::declared::Tallies;
use crate::metrics::Fractions;
use crate::options::{
    AutomaticSettings, FUTURE_SKEW_MAX, GENERATION_S, IDLE_GENERATIONS, LATENCY_THRESHOLD_NS,
    ObserverOptions,
};
use crate::plan::SliPlan;
use crate::recall::{Joined, Recall};
use crate::spans::Stage;
use crate::streams::{Full, Streams};
use crate::tables::Tables;
use crate::usage::Usages;

/// All that an observer keeps between requests.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) tables: Tables,
    pub(crate) recall: Recall,
    pub(crate) joined: Joined,
    pub(crate) slis: Arc<SliPlan>,
    pub(crate) tallies: Tallies,
    pub(crate) automatic: Option<AutomaticSettings>,
    /// What takes longer is slow.
    pub(crate) slow_ns: u64,
    pub(crate) streams: Streams,
    pub(crate) fractions: Fractions,
    pub(crate) usages: Usages,
    pub(crate) dropped: Dropped,
    pub(crate) counters: Counters,
    /// The latest `now` that was given; it never steps back.
    pub(crate) now: Timestamp,
    /// Room for what the spans of a request come to.
    pub(crate) stage: Stage,
    /// Room for the template of a log record.
    pub(crate) masked: String,
}

/// What was dropped since the last hand-over.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dropped {
    pub(crate) late: u64,
    pub(crate) future: u64,
}

/// What an observer did since it was made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) spans: u64,
    pub(crate) points: u64,
    pub(crate) logs: u64,
    pub(crate) late: u64,
    pub(crate) future: u64,
    pub(crate) points_dropped: u64,
    pub(crate) points_ignored: u64,
}

/// The event times that are taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accepted {
    first_ns: u64,
    last_ns: u64,
}

/// Whether an event can be taken, by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    Current,
    /// Older than any window.
    Late,
    /// Further in the future than clocks differ.
    Future,
}

impl Accepted {
    #[inline(always)]
    pub(crate) const fn age_of(self, time_ns: u64) -> Age {
        if time_ns < self.first_ns {
            Age::Late
        } else if time_ns > self.last_ns {
            Age::Future
        } else {
            Age::Current
        }
    }
}

impl State {
    pub(crate) fn judge_by(&mut self, automatic: Option<AutomaticSettings>) {
        self.automatic = automatic;
        self.slow_ns = slow_ns(automatic);
    }

    /// Takes other SLIs; what the present ones have counted goes to their series.
    pub(crate) fn replace_slis(&mut self, slis: Arc<SliPlan>) {
        self.tallies.hand_over(&self.slis, &mut self.tables);
        self.tallies = Tallies::new(&slis);
        self.slis = slis;
    }

    pub(crate) fn new(options: &ObserverOptions) -> Self {
        let limits = options.limits;
        Self {
            tables: Tables::new(options.seed, limits, options.redactor.clone()),
            recall: Recall::new(limits.recall_bytes),
            joined: Joined::new(limits.joined_spans),
            tallies: Tallies::new(&options.slis),
            slis: options.slis.clone(),
            automatic: options.automatic,
            slow_ns: slow_ns(options.automatic),
            streams: Streams::new(limits.streams, limits.points),
            fractions: Fractions::new(limits.streams),
            usages: Usages::default(),
            dropped: Dropped::default(),
            counters: Counters::default(),
            now: Timestamp::ZERO,
            stage: Stage::default(),
            masked: String::new(),
        }
    }

    /// Takes up the time of a request; returns which event times it may hold.
    pub(crate) fn begin(&mut self, now: Timestamp) -> Accepted {
        if !self.now.is_set() {
            self.tables.generation = generation(now);
            self.recall.age(self.tables.generation);
        }
        self.now = self.now.max(now);
        Accepted {
            first_ns: now.before(self.tables.limits.event_age_max).unix_ns(),
            last_ns: now.after(FUTURE_SKEW_MAX).unix_ns(),
        }
    }

    /// Notes that a service was heard by a signal, and whether an event of this time is taken; if
    /// not, it is counted as dropped.
    #[inline(always)]
    pub(crate) fn hears(
        &mut self,
        (service, signal): (u32, Telemetry),
        accepted: Accepted,
        time_ns: u64,
    ) -> bool {
        let at = Timestamp::from_unix_ns(time_ns);
        let times = &mut self.tables.hear(service).times[signal as usize];
        match accepted.age_of(time_ns) {
            Age::Current => {
                times.note(at);
                return true;
            }
            Age::Future => {
                times.note_future(at);
                self.dropped.future += 1;
            }
            Age::Late => self.dropped.late += 1,
        }
        false
    }

    pub(crate) fn count(&mut self, series: u32, pane: Pane, count: Count) {
        self.tables.touch_series(series).count(pane, count);
    }

    /// Counts a cumulative point that found no room in the hand-over: the next one of its stream
    /// makes up for it.
    pub(crate) fn count_dropped(&mut self, taken: Result<(), Full>) {
        self.counters.points_dropped += u64::from(taken.is_err());
    }

    /// Begins the next generation if its time has come: lets go of what was idle for long.
    /// Everything must have been handed over before.
    pub(crate) fn age(&mut self) {
        self.recall.adapt(self.now.unix_ns());
        if self.is_generation_over() {
            let generation = generation(self.now);
            self.streams.keep(&mut self.tables.series);
            self.tables.sweep(generation);
            let since = generation.saturating_sub(IDLE_GENERATIONS);
            self.streams.sweep(since);
            self.fractions.sweep(since);
            self.recall.age(generation);
        }
    }

    pub(crate) fn is_generation_over(&self) -> bool {
        generation(self.now) > self.tables.generation
    }
}

fn generation(now: Timestamp) -> u32 {
    u32::try_from(now.unix_s() / GENERATION_S).unwrap_or(u32::MAX - 1)
}

fn slow_ns(automatic: Option<AutomaticSettings>) -> u64 {
    automatic.map_or(LATENCY_THRESHOLD_NS, |automatic| automatic.latency_ns)
}
