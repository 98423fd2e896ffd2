//! What operations no longer do as they did: calls that they leave out, and what they log.

use std::collections::{BTreeMap, BTreeSet};

use model::Signal;

use super::Finding;
use super::contrast::{Contrast, sureness};
use crate::evidence::Found;
use crate::facts::share;
use crate::habits::{Doing, Lines, Runs, Steps};
use crate::names::{ServiceId, WordId};
use crate::votes::Suspect;

/// How far full strength convinces.
const RELIABILITY: f64 = 0.75;
/// Standard errors from which on a change of a rate counts, and counts in full.
const CHANGE_NONE: f64 = 3.0;
const CHANGE_FULL: f64 = 7.0;
/// What is added tells less than what is gone: retries and fall-backs are symptoms.
const ADDED: f64 = 0.5;
/// How far one caller that goes no further than a call convinces of what it calls.
const ENDED: f64 = 0.5;
/// An error that was never logged before needs less of a deviation.
const NEW_ERROR_NONE: f64 = 1.5;
const NEW_ERROR_FULL: f64 = 3.5;
/// What is taken off where something below has changed as well: who is given a wrong answer does
/// other things with it.
const EXPLAINED_BELOW: f64 = 0.7;

/// One thing that an operation does more or less often.
#[derive(Clone)]
struct Change {
    strength: f64,
    signal: Signal,
    doing: Doing,
    what: What,
    /// Per run.
    was: f64,
    is: f64,
}

#[derive(Clone, Copy)]
enum What {
    Step(Doing),
    /// It ends with the call of a service.
    EndsAt,
    Line(WordId),
}

/// The strongest change of each service, less what is explained by changes below it.
pub(crate) fn weigh(contrast: &Contrast<'_>) -> Vec<Finding> {
    let mut changes = Changes::default();
    changes.count_steps(contrast);
    changes.count_lines(contrast);
    let strengths: BTreeMap<ServiceId, f64> =
        changes.strongest.iter().map(|(id, change)| (*id, change.strength)).collect();
    let finding = |(service, change): (ServiceId, Change)| {
        let below = strongest_below(contrast, service, &strengths);
        let explained = (below / change.strength).min(1.0) * EXPLAINED_BELOW;
        tell(contrast, service, &change, change.strength * (1.0 - explained))
    };
    changes.strongest.into_iter().map(finding).collect()
}

#[derive(Default)]
struct Changes {
    strongest: BTreeMap<ServiceId, Change>,
}

impl Changes {
    fn add(&mut self, service: ServiceId, change: Change) {
        let held = self.strongest.get(&service).map_or(0.0, |held| held.strength);
        if change.strength > held {
            let _ = self.strongest.insert(service, change);
        }
    }

    /// Steps that are left out, or added. What replaces another one is no loss: the input may be
    /// another.
    fn count_steps(&mut self, contrast: &Contrast<'_>) {
        let habits = &contrast.correlator.habits;
        let mut ended: BTreeMap<ServiceId, BTreeMap<Doing, Change>> = BTreeMap::new();
        for (doing, runs) in &habits.runs {
            let (before, after) = contrast.of(runs);
            if before.total == 0 || after.total == 0 {
                continue;
            }
            let steps = StepRates::of(contrast, *doing, before, after);
            for (step, (was, is)) in &steps.rates {
                let Some(change) = steps.change(*doing, *step, *was, *is) else { continue };
                if was > is
                    && let Some(at) = steps.ends_at(*doing)
                {
                    let ended = ended.entry(at).or_default().entry(*doing);
                    let held = ended.or_insert_with(|| change.clone());
                    if change.strength >= held.strength {
                        *held = Change { what: What::EndsAt, ..change.clone() };
                    }
                }
                self.add(doing.0, change);
            }
        }
        for (service, changes) in ended {
            let doubt: f64 = changes.values().map(|c| 1.0 - ENDED * c.strength).product();
            let first = changes.into_values().next();
            if let Some(change) = first {
                self.add(service, Change { strength: 1.0 - doubt, ..change });
            }
        }
    }

    /// Templates that are logged more or less often, and errors that were never logged before. What
    /// several services log at once tells of none of them.
    fn count_lines(&mut self, contrast: &Contrast<'_>) {
        let habits = &contrast.correlator.habits;
        let mut rates: BTreeMap<Doing, Vec<LineRate>> = BTreeMap::new();
        for ((doing, template), lines) in &habits.lines {
            let Some(runs) = habits.runs.get(doing) else { continue };
            let (runs_before, runs_after) = contrast.of(runs);
            if runs_before.total > 0 && runs_after.total > 0 {
                let (before, after) = contrast.of(lines);
                let runs = (runs_before.total, runs_after.total);
                rates.entry(*doing).or_default().push(LineRate {
                    template: *template,
                    before,
                    after,
                    runs,
                });
            }
        }
        let mut changed: Vec<(Doing, LineRate, f64)> = Vec::new();
        let mut alike: BTreeMap<WordId, BTreeSet<ServiceId>> = BTreeMap::new();
        for (doing, rates) in rates {
            let lost: f64 = rates.iter().map(|rate| rate.was() - rate.is()).sum();
            for rate in rates {
                let strength = rate.strength(lost);
                if strength > 0.0 {
                    let _ = alike.entry(rate.template).or_default().insert(doing.0);
                    changed.push((doing, rate, strength));
                }
            }
        }
        for (doing, rate, strength) in changed {
            let services = alike.get(&rate.template).map_or(1, BTreeSet::len);
            let strength = strength / services as f64;
            let (signal, what) = (Signal::LogTemplate, What::Line(rate.template));
            let (was, is) = (rate.was(), rate.is());
            self.add(doing.0, Change { strength, signal, doing, what, was, is });
        }
    }
}

/// How often an operation logged a template.
struct LineRate {
    template: WordId,
    before: Lines,
    after: Lines,
    runs: (u64, u64),
}

impl LineRate {
    fn was(&self) -> f64 {
        self.before.total as f64 / self.runs.0 as f64
    }

    fn is(&self) -> f64 {
        self.after.total as f64 / self.runs.1 as f64
    }

    /// `lost` is by how many records a run falls short of what was usual. More errors are no other
    /// way to say what was said before.
    fn strength(&self, lost: f64) -> f64 {
        let (was, is) = (self.was(), self.is());
        let (before, after) = ((self.before.total, self.runs.0), (self.after.total, self.runs.1));
        // What is logged once in a run, if at all, is a share of the runs.
        let is_share = before.0 <= before.1 && after.0 <= after.1;
        let deviation = if is_share { difference(before, after) } else { deviation(before, after) };
        let are_errors = self.after.errors > 0 && is > was;
        let (none, full) = if are_errors && self.before.total == 0 {
            (NEW_ERROR_NONE, NEW_ERROR_FULL)
        } else {
            (CHANGE_NONE, CHANGE_FULL)
        };
        let effect = if are_errors { (is - was).min(1.0) } else { effect(was, is, lost) };
        sureness(deviation, none, full) * effect.sqrt()
    }
}

/// What a change of a rate amounts to, 0..1: what replaces another thing is no loss, since the
/// input may be another.
fn effect(was: f64, is: f64, lost: f64) -> f64 {
    let effect = if was > is { (was - is).min(lost) } else { (is - was).min(-lost) * ADDED };
    effect.clamp(0.0, 1.0)
}

/// How often an operation took each of its steps, per run.
struct StepRates {
    runs: (Runs, Runs),
    rates: BTreeMap<Doing, (f64, f64)>,
    counts: BTreeMap<Doing, (Steps, Steps)>,
    /// By how many steps a run fell short of what was usual.
    lost: f64,
}

impl StepRates {
    fn of(contrast: &Contrast<'_>, doing: Doing, before: Runs, after: Runs) -> Self {
        let steps = contrast.correlator.habits.steps_of(doing);
        let counts: BTreeMap<Doing, (Steps, Steps)> =
            steps.map(|(step, ring)| (step, contrast.of(ring))).collect();
        let rate = |(was, is): &(Steps, Steps)| {
            (share(was.runs, before.total), share(is.runs, after.total))
        };
        let rates: BTreeMap<Doing, (f64, f64)> =
            counts.iter().map(|(step, counted)| (*step, rate(counted))).collect();
        let lost = rates.values().map(|(was, is)| was - is).sum();
        Self { runs: (before, after), rates, counts, lost }
    }

    fn change(&self, doing: Doing, step: Doing, was: f64, is: f64) -> Option<Change> {
        let (before, after) = self.counts.get(&step)?;
        let effect = effect(was, is, self.lost);
        let deviation =
            difference((before.runs, self.runs.0.total), (after.runs, self.runs.1.total));
        let strength = sureness(deviation, CHANGE_NONE, CHANGE_FULL) * effect.sqrt();
        let (signal, what) = (Signal::CallPattern, What::Step(step));
        (strength > 0.0).then_some(Change { strength, signal, doing, what, was, is })
    }

    /// The service whose call is now the last thing that more runs do than any other: it may have
    /// given the answer that ends them. None where most end before anything else is done.
    fn ends_at(&self, doing: Doing) -> Option<ServiceId> {
        let (before, after) = self.runs;
        let rise = |was: u64, is: u64| share(is, after.total) - share(was, before.total);
        let bare = rise(before.bare, after.bare);
        let last = self.counts.iter().map(|(step, (was, is))| (rise(was.last, is.last), *step));
        let (most, step) = last.reduce(|a, b| if b.0 > a.0 { b } else { a })?;
        (bare < most && step.0 != doing.0).then_some(step.0)
    }
}

/// How far two shares lie apart, in standard errors: the signed root of the likelihood ratio
/// (Wilks, 1938), which holds for few events and for none too.
fn difference(before: (u64, u64), after: (u64, u64)) -> f64 {
    let missed = |(events, runs): (u64, u64)| (runs.saturating_sub(events), runs);
    (ratio(before, after) + ratio(missed(before), missed(after))).max(0.0).sqrt()
}

/// The same of two rates of events per run (Poisson).
pub(super) fn deviation(before: (u64, u64), after: (u64, u64)) -> f64 {
    ratio(before, after).max(0.0).sqrt()
}

/// Twice the logarithm of how much likelier the events are with a rate for each side than with
/// one for both.
fn ratio(before: (u64, u64), after: (u64, u64)) -> f64 {
    let pooled = (before.0 + after.0) as f64 / (before.1 + after.1) as f64;
    let side = |(events, runs): (u64, u64)| match events {
        0 => 0.0,
        _ => events as f64 * (events as f64 / (runs as f64 * pooled)).ln(),
    };
    2.0 * (side(before) + side(after))
}

/// The strongest change of any service that this one depends on.
fn strongest_below(
    contrast: &Contrast<'_>,
    service: ServiceId,
    strengths: &BTreeMap<ServiceId, f64>,
) -> f64 {
    let facts = &contrast.correlator.facts;
    let mut seen = BTreeSet::from([service]);
    let mut open = vec![service];
    let mut most = 0.0_f64;
    while let Some(at) = open.pop() {
        for callee in facts.callees(at) {
            if seen.insert(callee) {
                most = most.max(strengths.get(&callee).copied().unwrap_or(0.0));
                open.push(callee);
            }
        }
    }
    most
}

fn tell(contrast: &Contrast<'_>, service: ServiceId, change: &Change, strength: f64) -> Finding {
    let (by, operation) = (contrast.label(change.doing.0), contrast.word(change.doing.1));
    let subject = match change.what {
        What::Step((to, word)) if to == change.doing.0 => {
            format!("share of runs of {by} {operation} that come to {}", contrast.word(word))
        }
        What::Step((to, word)) => format!(
            "share of runs of {by} {operation} that call {} {}",
            contrast.label(to),
            contrast.word(word)
        ),
        What::EndsAt => {
            let name = contrast.label(service);
            format!("share of runs of {by} {operation} that go on after the call of {name}")
        }
        What::Line(template) if operation.is_empty() => {
            format!("log records of {by} per trace: {}", contrast.word(template))
        }
        What::Line(template) => {
            format!("log records per run of {by} {operation}: {}", contrast.word(template))
        }
    };
    let habits = &contrast.correlator.habits;
    let found = Found {
        signal: change.signal,
        strength,
        reliability: RELIABILITY,
        subject,
        observed: change.is,
        baseline: change.was,
        unit: "1",
        since: contrast.from.start(),
        trace_ids: habits.examples(change.doing, contrast.from, contrast.until),
    };
    let doing = (change.doing.0 == service).then_some(change.doing);
    Finding { suspect: Suspect::Service(service), doing, instance: None, found }
}
