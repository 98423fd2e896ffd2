//! Time that operations spend themselves, that passes between a call and its service, and that
//! peers take.

use std::collections::BTreeMap;

use model::Signal;

use super::Finding;
use super::contrast::{Contrast, SURE_SHARE, sureness};
use crate::evidence::{Found, percent};
use crate::names::{ServiceId, WordId};
use crate::series::{TimeSeries, Times};
use crate::votes::Suspect;

/// How far full strength convinces.
const RELIABILITY: f64 = 0.8;
/// Fewer durations on either side tell nothing.
const COUNT_MIN: u32 = 2;
/// Standard errors from which on a shift of the mean logarithm counts, and counts in full.
const SHIFT_NONE: f64 = 3.0;
const SHIFT_FULL: f64 = 8.0;
/// Variance that durations are taken to have beside what they show, and the same shared by all of
/// them: few look too steady.
const VARIANCE_MIN: f64 = 0.05;
const VARIANCE_OF_ONE: f64 = 0.2;
/// A change below this, in milliseconds, is no change of a mean.
const MEAN_FLOOR_MS: f64 = 0.5;
/// A caller with this many targets, of which this share is late, is to blame and not they.
const TARGETS_MIN: usize = 3;
const MOST: f64 = 0.6;
/// A target is late from this strength and this ratio of the means on.
const LATE_STRENGTH: f64 = 0.3;
const LATE_RATIO: f64 = 1.5;

/// What is timed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Own(ServiceId, WordId),
    Gap(ServiceId, ServiceId),
    Peer(ServiceId, Suspect, WordId),
}

/// How a series of durations changed.
struct Shift {
    part: Part,
    before: Times,
    after: Times,
    /// 0..1: whether it is slower, and how much.
    strength: f64,
    added_ms: f64,
}

/// Blames each service and peer by its share of the time that was added: slower work on itself,
/// time lost on the way on the callee, or on the caller where most of what it calls is late.
pub(crate) fn weigh(contrast: &Contrast<'_>) -> Vec<Finding> {
    let shifts = shifts(contrast);
    let late = late_callers(&shifts);
    let mut blamed: BTreeMap<Suspect, Vec<Shift>> = BTreeMap::new();
    for shift in shifts.into_iter().filter(|shift| shift.strength > 0.0) {
        let suspect = match shift.part {
            Part::Own(service, _) => Suspect::Service(service),
            Part::Gap(caller, _) | Part::Peer(caller, ..) if late.contains(&caller) => {
                Suspect::Service(caller)
            }
            Part::Gap(_, callee) => Suspect::Service(callee),
            Part::Peer(_, peer, _) => peer,
        };
        blamed.entry(suspect).or_default().push(shift);
    }
    let weight = |shifts: &[Shift]| shifts.iter().map(Shift::weight).sum::<f64>();
    let total: f64 = blamed.values().map(|shifts| weight(shifts)).sum();
    let finding = |(suspect, shifts): (Suspect, Vec<Shift>)| {
        let share = if total > 0.0 { weight(&shifts) / total } else { 0.0 };
        tell(contrast, suspect, &shifts, share)
    };
    blamed.into_iter().filter_map(finding).collect()
}

impl Shift {
    fn of(contrast: &Contrast<'_>, part: Part, series: &TimeSeries) -> Option<Self> {
        let (before, after) = contrast.of_times(series);
        if before.count < COUNT_MIN || after.count < COUNT_MIN {
            return None;
        }
        let mut shift = Self { part, before, after, strength: 0.0, added_ms: 0.0 };
        shift.strength = slower(before, after);
        shift.added_ms = added_ms(before, after);
        let sure = contrast.surely_before(series);
        if sure.count >= COUNT_MIN {
            let strength = slower(sure, after);
            if strength > shift.strength {
                shift.strength += SURE_SHARE * (strength - shift.strength);
                shift.added_ms = shift.added_ms.max(added_ms(sure, after));
                shift.before = sure;
            }
        }
        Some(shift)
    }

    /// Time added, as far as it is no chance.
    fn weight(&self) -> f64 {
        self.added_ms * self.strength * self.strength
    }

    fn is_late(&self) -> bool {
        let means = self.before.mean_ms().zip(self.after.mean_ms());
        self.strength > LATE_STRENGTH && means.is_some_and(|(was, is)| is > LATE_RATIO * was)
    }
}

fn shifts(contrast: &Contrast<'_>) -> Vec<Shift> {
    let facts = &contrast.correlator.facts;
    let own = facts.own.iter().map(|((service, word), s)| (Part::Own(*service, *word), s));
    let gaps = facts.gaps.iter().map(|((caller, callee), s)| (Part::Gap(*caller, *callee), s));
    let peers =
        facts.peer_times.iter().filter(|((_, peer, _), _)| facts.service_behind(*peer).is_none());
    let peers =
        peers.map(|((by, peer, word), s)| (Part::Peer(*by, Suspect::Peer(*peer), *word), s));
    let all = own.chain(gaps).chain(peers);
    all.filter_map(|(part, series)| Shift::of(contrast, part, series)).collect()
}

/// How surely, and how much, durations grew: the shift of the mean logarithm in standard errors
/// (Welch, 1947), times the larger of what geometric and arithmetic mean show. A few that take
/// very long move the latter alone.
fn slower(before: Times, after: Times) -> f64 {
    let Some(((was, was_variance), (is, is_variance))) = before.logs().zip(after.logs()) else {
        return 0.0;
    };
    let Some((was_ms, is_ms)) = before.mean_ms().zip(after.mean_ms()) else { return 0.0 };
    let of_mean =
        |variance: f64, count: f64| (variance + VARIANCE_MIN + VARIANCE_OF_ONE / count) / count;
    let error =
        of_mean(was_variance, before.count.into()) + of_mean(is_variance, after.count.into());
    let grown = |by: f64| 1.0 - (-by.max(0.0)).exp();
    let means = ((is_ms + MEAN_FLOOR_MS) / (was_ms + MEAN_FLOOR_MS)).ln();
    sureness((is - was) / error.sqrt(), SHIFT_NONE, SHIFT_FULL) * grown(is - was).max(grown(means))
}

fn added_ms(before: Times, after: Times) -> f64 {
    let by = after.mean_ms().unwrap_or_default() - before.mean_ms().unwrap_or_default();
    by.max(0.0) * f64::from(after.count)
}

/// Callers most of whose calls are late, whomever they call.
fn late_callers(shifts: &[Shift]) -> Vec<ServiceId> {
    let mut targets: BTreeMap<ServiceId, BTreeMap<Suspect, bool>> = BTreeMap::new();
    for shift in shifts {
        let (caller, target) = match shift.part {
            Part::Own(..) => continue,
            Part::Gap(caller, callee) => (caller, Suspect::Service(callee)),
            Part::Peer(caller, peer, _) => (caller, peer),
        };
        *targets.entry(caller).or_default().entry(target).or_default() |= shift.is_late();
    }
    let mostly = |late: &BTreeMap<Suspect, bool>| {
        let hit = late.values().filter(|late| **late).count();
        late.len() >= TARGETS_MIN && hit as f64 >= MOST * late.len() as f64
    };
    targets.into_iter().filter(|(_, late)| mostly(late)).map(|(caller, _)| caller).collect()
}

fn tell(
    contrast: &Contrast<'_>,
    suspect: Suspect,
    shifts: &[Shift],
    share: f64,
) -> Option<Finding> {
    let main = shifts.iter().max_by(|a, b| a.weight().total_cmp(&b.weight()))?;
    let surest = shifts.iter().map(|shift| shift.strength).fold(0.0, f64::max);
    let name = contrast.suspect_label(suspect);
    let (signal, doing, what) = match main.part {
        Part::Own(service, word) => {
            let what = format!("time that {name} {} spends itself", contrast.word(word));
            (Signal::ExclusiveTime, Some((service, word)), what)
        }
        Part::Gap(caller, callee) => {
            let (caller, callee) = (contrast.label(caller), contrast.label(callee));
            (Signal::CalleeGap, None, format!("time lost between {caller} and {callee}"))
        }
        Part::Peer(by, _, word) => {
            let (by_name, word_name) = (contrast.label(by), contrast.word(word));
            let what = format!("time that {name} takes for {by_name} {word_name}");
            (Signal::ExclusiveTime, Some((by, word)), what)
        }
    };
    let examples = doing
        .map(|doing| contrast.correlator.habits.examples(doing, contrast.from, contrast.until));
    let found = Found {
        signal,
        strength: surest * share.sqrt(),
        reliability: RELIABILITY,
        subject: format!(
            "{what}; all that is slower at {name} makes up {} of the time added",
            percent(share)
        ),
        observed: main.after.mean_ms().unwrap_or_default(),
        baseline: main.before.mean_ms().unwrap_or_default(),
        unit: "ms",
        since: contrast.from.start(),
        trace_ids: examples.unwrap_or_default(),
    };
    Some(Finding { suspect, doing, instance: None, found })
}
