//! Judgement of one SLI series: burn rates, forecasts, and the conditions that alert.

mod condition;
mod heard;
mod held;
mod policy;
mod rule;
mod volume;

use std::time::Duration;

use model::{Count, Timestamp};

pub use held::Held;
pub use policy::{
    AlertRule, CONDITIONS_MAX, Comparison, Condition, Measure, NoDataRule, NotificationTarget,
    Policy, TREND_PARTS,
};
pub use rule::{BurnRateRule, DEFAULT_RULES, Fraction, Objective};
pub use volume::{VOLUME_KNOWN_AFTER, VolumeCorrection};

use condition::{Evidence, Row};
use heard::{Heard, HeardLess};
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
/// The burn rate that the forecast goes on with is that of this window.
pub const FORECAST_WINDOW: Duration = Duration::from_secs(3600);

/// How one SLO is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgeOptions {
    objective: Objective,
    window: Duration,
    rules: Vec<AlertRule>,
    /// One for each rule.
    rows: Vec<Row>,
    /// Rules with conditions that must last, and what names them.
    lasting: Vec<(usize, u64)>,
    bad_events_min: u64,
    volume: VolumeCorrection,
    /// All that are told, shortest first, the SLO's own last.
    windows: Vec<Duration>,
    forecast_at: usize,
}

/// What a row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its conditions hold.
    Firing,
    /// They hold, but one of them not yet for as long as it must; see [`Held`].
    Waiting,
    /// They do not hold.
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
    /// How much of it has passed and counts: all of a window that rolls, less what is excluded.
    pub passed: Duration,
    /// When it ends and its budget begins anew; unset of a window that rolls.
    pub ends_at: Timestamp,
    /// How much of it the source was heard for, at most what has passed.
    pub covered: Duration,
    /// What it can say.
    pub state: WindowState,
}

/// What one rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowVerdict {
    /// Where the rule stands among [`JudgeOptions::rules`].
    pub rule: usize,
    /// The shortest window that it reads.
    pub short: Duration,
    /// Its conditions, one bit each, that hold, guards and durations aside.
    above: u8,
    /// Whether all of them do.
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

/// What is known of a source now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// It sends nothing.
    pub is_silent: bool,
    /// What it sends counts toward no budget.
    pub is_excluded: bool,
}

/// What was found of one SLO at one moment, with the figures that led to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// What was found.
    pub found: Found,
    /// Every window, shortest first, the SLO's own last.
    pub windows: Vec<WindowFigures>,
}

/// What was found of one SLO at one moment. The figures are a KiB, which a series need not hold
/// that can tell them again; see [`figures_of`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// One for each rule, in their order.
    pub rows: Vec<RowVerdict>,
    /// Of the shortest window; `NoData` whenever the source is silent.
    pub state: WindowState,
    /// 1 = untouched, 0 = spent, below = overspent.
    pub budget_remaining_ratio: f64,
    /// When the budget is spent, if it goes on like this.
    pub exhausted_at_forecast: Option<Timestamp>,
}

impl JudgeOptions {
    /// For an SLO over `window` with these rules; those that do not fit the window are for the
    /// caller to leave out, by [`AlertRule::fits`].
    #[must_use]
    pub fn new(
        objective: Objective,
        window: Duration,
        rules: impl IntoIterator<Item = impl Into<AlertRule>>,
    ) -> Self {
        let rules: Vec<AlertRule> = rules.into_iter().map(Into::into).collect();
        let mut windows = STANDARD_WINDOWS.to_vec();
        windows.extend(rules.iter().flat_map(AlertRule::windows));
        windows.sort_unstable();
        windows.dedup();
        windows.retain(|&other| other != window);
        windows.push(window);
        let shortest = rules.iter().flat_map(AlertRule::windows).min();
        let lasts = |rule: &AlertRule| rule.conditions.iter().any(|c| !c.after.is_zero());
        let lasting = rules.iter().enumerate().filter(|(_, rule)| lasts(rule));
        Self {
            objective,
            window,
            rows: rules.iter().map(|rule| Row::new(rule, objective, &windows, shortest)).collect(),
            lasting: lasting.map(|(at, rule)| (at, rule.identity())).collect(),
            bad_events_min: BAD_EVENTS_MIN,
            volume: VolumeCorrection::default(),
            forecast_at: windows.iter().position(|&other| other == FORECAST_WINDOW).unwrap_or(0),
            windows,
            rules,
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
    #[must_use]
    pub fn rules(&self) -> &[AlertRule] {
        &self.rules
    }

    /// What a judgement by these options says of the longest and of the shortest window of a rule.
    #[must_use]
    pub fn figures<'j>(
        &self,
        judgement: &'j Judgement,
        rule: usize,
    ) -> Option<(&'j WindowFigures, &'j WindowFigures)> {
        let row = self.rows.get(rule)?;
        let windows = &judgement.windows;
        Some((windows.get(row.long_at)?, windows.get(row.short_at)?))
    }

    pub(crate) fn lasting(&self) -> &[(usize, u64)] {
        &self.lasting
    }
}

impl WindowFigures {
    /// Share of bad events, 0..=1; `None` without events.
    #[must_use]
    pub fn error_ratio(&self) -> Option<f64> {
        self.count.bad_ratio()
    }

    /// Share of what has passed of the window for which the source was heard, 0..=1.
    #[must_use]
    pub fn coverage_ratio(&self) -> f64 {
        self.covered.as_secs_f64() / self.passed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// How long it is: the period of a calendar window that lasts.
    #[must_use]
    pub fn length(&self) -> Duration {
        if self.ends_at.is_set() { self.ends_at.since(self.from) } else { self.window }
    }

    fn volume(&self) -> u64 {
        self.count.total.max(self.expected_total)
    }
}

impl RowVerdict {
    /// Whether an alert of this row that fires is over: a condition holds no more, and no bad
    /// event of the shortest window can still be on its way.
    #[must_use]
    pub fn resolves(&self, arrival: Arrival, now: Timestamp) -> bool {
        let is_complete = match arrival {
            Arrival::Until(watermark) => watermark >= now.before(self.short),
            Arrival::Idle => true,
        };
        self.holds == Verdict::Quiet && !self.is_above && is_complete
    }

    fn holds_at(&self, condition: u8) -> bool {
        self.above & 1_u8.checked_shl(u32::from(condition)).unwrap_or(0) != 0
    }
}

impl Found {
    /// The first row that fires; tables begin with the most urgent.
    #[must_use]
    pub fn firing(&self) -> Option<&RowVerdict> {
        self.rows.iter().find(|row| row.holds == Verdict::Firing)
    }
}

/// As [`judge_into`], for tests.
#[cfg(test)]
pub(crate) fn judge(
    series: &mut SeriesWindows,
    presence: &Presence,
    options: &JudgeOptions,
    now: Timestamp,
) -> Judgement {
    let mut judgement = Judgement::default();
    judge_into(series, presence, options, now, &mut judgement);
    judgement
}

/// Judges a series at a moment, into a judgement whose memory is used again. Reads only running sums
/// if the series' plan holds [`JudgeOptions::windows`].
pub fn judge_into(
    series: &mut SeriesWindows,
    presence: &Presence,
    options: &JudgeOptions,
    now: Timestamp,
    judgement: &mut Judgement,
) {
    let is_silent = presence.is_silent(now);
    series.advance(now);
    figures_into(series, presence, options, now, &mut judgement.windows);
    let is_excluded = series.exclusions().is_some_and(|excluded| excluded.at(now).is_some());
    conclude(judgement, Standing { is_silent, is_excluded }, options, now);
}

/// The figures that a series was judged by at `now`, and what was counted since.
#[must_use]
pub fn figures_of(
    series: &SeriesWindows,
    presence: &Presence,
    options: &JudgeOptions,
    now: Timestamp,
) -> Vec<WindowFigures> {
    let mut windows = Vec::new();
    figures_into(series, presence, options, now, &mut windows);
    windows
}

fn figures_into(
    series: &SeriesWindows,
    presence: &Presence,
    options: &JudgeOptions,
    now: Timestamp,
    windows: &mut Vec<WindowFigures>,
) {
    match series.exclusions() {
        None => take_figures(series, presence, options, now, windows),
        Some(excluded) => {
            take_figures(series, HeardLess { presence, excluded }, options, now, windows);
        }
    }
}

/// The figures of each window of a series that has come to `now`.
fn take_figures(
    series: &SeriesWindows,
    heard: impl Heard,
    options: &JudgeOptions,
    now: Timestamp,
    windows: &mut Vec<WindowFigures>,
) {
    let usual = UsualVolume::of(series, heard, options.volume, now);
    let figures = |(at, &window): (usize, &Duration)| {
        figures(series.sum_guessed(window, at), heard, options, &usual, window, now)
    };
    windows.clear();
    windows.extend(options.windows.iter().enumerate().map(figures));
    if let (Some((sum, end)), Some(own)) = (series.period_sum(), windows.last_mut()) {
        *own = figures_of_period((sum, end), heard, options, &usual, now);
    }
}

/// Judges what was found in [`JudgeOptions::windows`], in their order.
#[must_use]
pub fn judge_figures(
    windows: Vec<WindowFigures>,
    standing: Standing,
    options: &JudgeOptions,
    now: Timestamp,
) -> Judgement {
    let mut judgement = Judgement { windows, ..Judgement::default() };
    conclude(&mut judgement, standing, options, now);
    judgement
}

/// From windows to all else.
fn conclude(judgement: &mut Judgement, standing: Standing, options: &JudgeOptions, now: Timestamp) {
    let Standing { is_silent, is_excluded } = standing;
    let Judgement { found, windows } = judgement;
    let windows = windows.as_slice();
    found.state = match windows.first() {
        Some(shortest) if !is_silent => shortest.state,
        _ => WindowState::NoData,
    };
    found.rows.clear();
    let evidence = Evidence {
        windows,
        objective: options.objective,
        bad_events_min: options.bad_events_min,
        is_silent,
        is_excluded,
        now,
    };
    let rows = options.rows.iter().enumerate();
    found.rows.extend(rows.filter_map(|(rule, row)| row.verdict(rule, evidence)));
    if let Some(own) = windows.last() {
        let recent = windows.get(options.forecast_at).unwrap_or(own);
        let remaining = budget_remaining_ratio(options.objective, own.count);
        found.budget_remaining_ratio = remaining;
        let exhausted_at =
            exhausted_at(remaining, own.length(), own.covered, recent.burn_rate, now);
        // With a new period comes a new budget.
        found.exhausted_at_forecast =
            exhausted_at.filter(|at| !own.ends_at.is_set() || *at < own.ends_at);
    }
}

/// Of a calendar window: as those of one that rolls and is as long as what has passed.
fn figures_of_period(
    (sum, end): (WindowSum, Timestamp),
    heard: impl Heard,
    options: &JudgeOptions,
    usual: &UsualVolume,
    now: Timestamp,
) -> WindowFigures {
    let passed = now.since(sum.from);
    let of_passed = figures(sum, heard, options, usual, passed, now);
    WindowFigures { window: options.window, ends_at: end, ..of_passed }
}

fn figures(
    sum: WindowSum,
    heard: impl Heard,
    options: &JudgeOptions,
    usual: &UsualVolume,
    window: Duration,
    now: Timestamp,
) -> WindowFigures {
    // The sum reaches back to an edge: so does what is expected of it.
    let expected_total = usual.expected(heard.covered_ns(sum.from, now));
    let covered = Duration::from_nanos(heard.covered_ns(now.before(window), now));
    let volume = sum.count.total.max(expected_total);
    WindowFigures {
        window,
        count: sum.count,
        from: sum.from,
        expected_total,
        burn_rate: options.objective.burn_rate(sum.count.bad(), volume),
        passed: heard.passed(window, now),
        ends_at: Timestamp::ZERO,
        covered,
        state: match sum.count.total {
            0 if covered.is_zero() => WindowState::NoData,
            0 => WindowState::NoTraffic,
            _ => WindowState::Data,
        },
    }
}

#[cfg(test)]
mod tests;
