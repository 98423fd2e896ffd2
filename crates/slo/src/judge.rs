//! Burn-rate judgement of one SLI series.

mod rule;
mod volume;

use std::time::Duration;

use model::{Count, Timestamp};

pub use rule::{BurnRateRule, DEFAULT_RULES, Fraction, Objective};
pub use volume::{VOLUME_KNOWN_AFTER, VolumeCorrection};

use rule::Threshold;
use volume::UsualVolume;

use crate::budget::{budget_remaining_ratio, exhausted_at};
use crate::presence::{Presence, WindowState};
use crate::window::{SeriesWindows, WindowSum};

/// Windows that are always told, shortest first; the SLO's own comes last.
pub const STANDARD_WINDOWS: [Duration; 7] = [
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(3600),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(6 * 3600),
    Duration::from_secs(24 * 3600),
    Duration::from_secs(3 * 24 * 3600),
];
/// Bad events that the long window must hold, seen one by one, unless told otherwise.
pub const BAD_EVENTS_MIN: u64 = 10;
/// What the fastest row needs of its short window.
pub const FASTEST_ROW_COVERED_MIN: Duration = Duration::from_secs(30);
/// A short window counts as covered from 19 parts in 20 on, so that a restart of some seconds does
/// not stop the judgement of a whole window.
const COVERED_PARTS: u32 = 20;
/// The burn rate that the forecast goes on with is that of this window.
pub const FORECAST_WINDOW: Duration = Duration::from_secs(3600);

/// How one SLO is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgeOptions {
    objective: Objective,
    window: Duration,
    rules: Vec<Row>,
    bad_events_min: u64,
    volume: VolumeCorrection,
    /// All that are told, shortest first, the SLO's own last.
    windows: Vec<Duration>,
    forecast_at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    rule: BurnRateRule,
    threshold: Threshold,
    /// Where its windows lie among all.
    long_at: usize,
    short_at: usize,
    /// Its short window is the shortest of the table.
    is_fastest: bool,
}

/// What a row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its condition holds.
    Firing,
    /// It does not.
    Quiet,
    /// Nobody can tell: the source is silent, or its short window is not covered yet. An alert
    /// stays as it is.
    Frozen,
}

/// What was seen in one window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowFigures {
    /// Its length.
    pub window: Duration,
    /// Its events.
    pub count: Count,
    /// The edge that it reaches back to.
    pub from: Timestamp,
    /// The volume that would be usual for its covered part; zero where that is not known.
    pub expected_total: u64,
    /// How fast the budget burns; 1 = it lasts exactly for the SLO's window.
    pub burn_rate: f64,
    /// How much of it the source was heard for, at most its length.
    pub covered: Duration,
    /// What it can say.
    pub state: WindowState,
}

/// What one row of the table says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowVerdict {
    /// The row.
    pub rule: BurnRateRule,
    /// Over the long window.
    pub burn_long: f64,
    /// Over the short window.
    pub burn_short: f64,
    /// Events of the long window.
    pub count_long: Count,
    /// Events of the short window.
    pub count_short: Count,
    /// Whether both burn rates are above the row's, guards aside.
    pub is_above: bool,
    /// What follows for an alert that does not fire yet; for one that does, see
    /// [`RowVerdict::resolves`].
    pub holds: Verdict,
}

/// How far the events of a source have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// All events before this moment have arrived.
    Until(Timestamp),
    /// The source has nothing more to send.
    Idle,
}

/// What was found of one SLO at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// One for each rule, in their order.
    pub rows: Vec<RowVerdict>,
    /// Every window, shortest first, the SLO's own last.
    pub windows: Vec<WindowFigures>,
    /// Of the shortest window; `NoData` whenever the source is silent.
    pub state: WindowState,
    /// 1 = untouched, 0 = spent, below = overspent.
    pub budget_remaining_ratio: f64,
    /// When the budget is spent, if it goes on like this.
    pub exhausted_at_forecast: Option<Timestamp>,
}

impl JudgeOptions {
    /// For an SLO over `window` with these rules; those that do not fit the window are for the
    /// caller to leave out, by [`BurnRateRule::fits`].
    #[must_use]
    pub fn new(objective: Objective, window: Duration, rules: &[BurnRateRule]) -> Self {
        let mut windows = STANDARD_WINDOWS.to_vec();
        windows.extend(rules.iter().flat_map(|rule| [rule.short, rule.long]));
        windows.sort_unstable();
        windows.dedup();
        windows.retain(|&other| other != window);
        windows.push(window);
        let at = |window: Duration| windows.iter().position(|&other| other == window).unwrap_or(0);
        let shortest = rules.iter().map(|rule| rule.short).min();
        let rows = rules.iter().map(|&rule| Row {
            rule,
            threshold: objective.threshold(rule.burn_rate),
            long_at: at(rule.long),
            short_at: at(rule.short),
            is_fastest: Some(rule.short) == shortest,
        });
        Self {
            objective,
            window,
            rules: rows.collect(),
            bad_events_min: BAD_EVENTS_MIN,
            volume: VolumeCorrection::default(),
            forecast_at: at(FORECAST_WINDOW),
            windows,
        }
    }

    /// With another minimum of bad events.
    #[must_use]
    pub const fn with_bad_events_min(mut self, bad_events_min: u64) -> Self {
        self.bad_events_min = bad_events_min;
        self
    }

    /// With or without volume correction.
    #[must_use]
    pub const fn with_volume_correction(mut self, volume: VolumeCorrection) -> Self {
        self.volume = volume;
        self
    }

    /// What the SLO promises.
    #[must_use]
    pub const fn objective(&self) -> Objective {
        self.objective
    }

    /// The SLO's own window.
    #[must_use]
    pub const fn window(&self) -> Duration {
        self.window
    }

    /// Every window that is judged or told: what a [`crate::window::WindowPlan`] is made for.
    #[must_use]
    pub fn windows(&self) -> &[Duration] {
        &self.windows
    }

    /// The rules, in their order.
    pub fn rules(&self) -> impl Iterator<Item = &BurnRateRule> {
        self.rules.iter().map(|row| &row.rule)
    }
}

impl WindowFigures {
    /// Share of bad events, 0..=1; `None` without events.
    #[must_use]
    pub fn error_ratio(&self) -> Option<f64> {
        self.count.bad_ratio()
    }

    /// Share of the window for which the source was heard, 0..=1.
    #[must_use]
    pub fn coverage_ratio(&self) -> f64 {
        self.covered.as_secs_f64() / self.window.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    fn volume(&self) -> u64 {
        self.count.total.max(self.expected_total)
    }
}

impl RowVerdict {
    /// Whether an alert of this row that fires is over: either burn rate is at or below the row's,
    /// and no bad event of the short window can still be on its way.
    #[must_use]
    pub fn resolves(&self, arrival: Arrival, now: Timestamp) -> bool {
        let is_complete = match arrival {
            Arrival::Until(watermark) => watermark >= now.before(self.rule.short),
            Arrival::Idle => true,
        };
        self.holds == Verdict::Quiet && !self.is_above && is_complete
    }
}

impl Judgement {
    /// The first row that fires; tables begin with the most urgent.
    #[must_use]
    pub fn firing(&self) -> Option<&RowVerdict> {
        self.rows.iter().find(|row| row.holds == Verdict::Firing)
    }
}

/// Judges a series at a moment. Reads only running sums if the series' plan holds
/// [`JudgeOptions::windows`].
#[must_use]
pub fn judge(
    series: &mut SeriesWindows,
    presence: &Presence,
    options: &JudgeOptions,
    now: Timestamp,
) -> Judgement {
    let mut judgement = Judgement::default();
    judge_into(series, presence, options, now, &mut judgement);
    judgement
}

/// As [`judge`], into a judgement whose memory is used again.
pub fn judge_into(
    series: &mut SeriesWindows,
    presence: &Presence,
    options: &JudgeOptions,
    now: Timestamp,
    judgement: &mut Judgement,
) {
    let usual = UsualVolume::of(series, presence, options.volume, now);
    series.advance(now);
    let figures = |(at, &window): (usize, &Duration)| {
        figures(series.sum_guessed(window, at), presence, options, &usual, window, now)
    };
    judgement.windows.clear();
    judgement.windows.extend(options.windows.iter().enumerate().map(figures));
    let is_silent = presence.is_silent(now);
    judgement.state = match judgement.windows.first() {
        Some(shortest) if !is_silent => shortest.state,
        _ => WindowState::NoData,
    };
    judgement.rows.clear();
    for row in &options.rules {
        let windows = &judgement.windows;
        let (Some(long), Some(short)) = (windows.get(row.long_at), windows.get(row.short_at))
        else {
            continue;
        };
        judgement.rows.push(row_verdict(row, long, short, options, is_silent));
    }
    if let Some(own) = judgement.windows.last() {
        let recent = judgement.windows.get(options.forecast_at).unwrap_or(own);
        let remaining = budget_remaining_ratio(options.objective, own.count);
        judgement.budget_remaining_ratio = remaining;
        judgement.exhausted_at_forecast =
            exhausted_at(remaining, own.window, own.covered, recent.burn_rate, now);
    }
}

fn figures(
    sum: WindowSum,
    presence: &Presence,
    options: &JudgeOptions,
    usual: &UsualVolume,
    window: Duration,
    now: Timestamp,
) -> WindowFigures {
    // The sum reaches back to an edge: so does what is expected of it.
    let expected_total = usual.expected(presence.covered_ns(sum.from, now));
    let covered = presence.covered(window, now);
    let volume = sum.count.total.max(expected_total);
    WindowFigures {
        window,
        count: sum.count,
        from: sum.from,
        expected_total,
        burn_rate: options.objective.burn_rate(sum.count.bad(), volume),
        covered,
        state: match sum.count.total {
            0 if covered.is_zero() => WindowState::NoData,
            0 => WindowState::NoTraffic,
            _ => WindowState::Data,
        },
    }
}

fn row_verdict(
    row: &Row,
    long: &WindowFigures,
    short: &WindowFigures,
    options: &JudgeOptions,
    is_silent: bool,
) -> RowVerdict {
    let rule = row.rule;
    let burns =
        |figures: &WindowFigures| row.threshold.is_exceeded(figures.count.bad(), figures.volume());
    let is_above = burns(long) && burns(short);
    let is_covered = short.covered.saturating_mul(COVERED_PARTS)
        >= rule.short.saturating_mul(COVERED_PARTS - 1)
        || (row.is_fastest && short.covered >= FASTEST_ROW_COVERED_MIN.min(rule.short));
    let holds = if is_silent || !is_covered {
        Verdict::Frozen
    } else if is_above && bad_observed(long.count) >= options.bad_events_min {
        Verdict::Firing
    } else {
        Verdict::Quiet
    };
    RowVerdict {
        rule,
        burn_long: long.burn_rate,
        burn_short: short.burn_rate,
        count_long: long.count,
        count_short: short.count,
        is_above,
        holds,
    }
}

/// Where good and total come as two counters, no bad event is seen one by one, and none is
/// weighted either.
const fn bad_observed(count: Count) -> u64 {
    if count.bad_observed == 0 { count.bad() } else { count.bad_observed }
}

#[cfg(test)]
mod tests;
