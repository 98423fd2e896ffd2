//! Evidence: each kind looks at one hypothesis and says how strongly it speaks for it.

mod position;

use model::{CauseKind, Evidence, Signal, Timestamp, TraceId};

use crate::case::Case;
use crate::explain::Finding;
use crate::facts::share;
use crate::habits::Doing;
use crate::hypothesis::Hypothesis;
use crate::names::{ServiceId, WordId};
use crate::series::{Bucket, Times};
use crate::tags::{Lift, TagClass};
use crate::votes::{Mode, Suspect};

/// How far full strength of a kind of evidence convinces by itself. Direct observation of the
/// failing part counts most; what merely goes along with it, or comes before it, counts little.
const DEEPEST_ERROR: f64 = 0.85;
const EXCLUSIVE_TIME: f64 = 0.8;
const CALLEE_GAP: f64 = 0.75;
const SILENCE: f64 = 0.6;
const TAG_LIFT: f64 = 0.5;
const CHANGE: f64 = 0.2;
const SPECTRUM: f64 = 0.1;
const ALERT_COUNT: f64 = 0.1;

/// Strengths below this are not mentioned.
const STRENGTH_MIN: f64 = 0.05;
/// A tag below this tells nothing.
const LIFT_MIN: f64 = 0.3;
/// Tags within this of the best are as good, and the more telling class wins.
pub(crate) const LIFT_TIE: f64 = 0.1;
/// Fewer calls than this cannot show that a service is silent.
const SILENT_CALLS_MIN: u64 = 10;
/// Spans of a service per call of it that were usual: with fewer its spans do not tell of its
/// calls, and with more most of them tell of other callers.
const SEEN_MIN: f64 = 0.2;
const SEEN_MAX: f64 = 1.25;
/// Calls that take this many times less than before are no answers.
const SOONER: f64 = 2.0;
/// How many buckets before the fault a change may lie, and how many after its first sign.
const CHANGE_BEFORE: u32 = 60;
const CHANGE_AFTER: u32 = 6;

pub(crate) const ERROR_MODES: [Mode; 3] = [Mode::Error, Mode::Throttled, Mode::Unanswered];
pub(crate) const ALL_MODES: [Mode; 5] =
    [Mode::Error, Mode::Throttled, Mode::Unanswered, Mode::Slow, Mode::Gap];

/// One observation and how strongly it speaks.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) signal: Signal,
    /// 0..1.
    pub(crate) strength: f64,
    /// How far full strength convinces, 0..1.
    pub(crate) reliability: f64,
    pub(crate) subject: String,
    pub(crate) observed: f64,
    pub(crate) baseline: f64,
    pub(crate) unit: &'static str,
    pub(crate) since: Timestamp,
    pub(crate) trace_ids: Vec<TraceId>,
}

/// All that speaks for a hypothesis, and the tag that tells its bad events from the good ones.
pub(crate) struct Findings {
    pub(crate) found: Vec<Found>,
    pub(crate) lift: Option<Lift>,
    /// How silent the service is, 0..1.
    pub(crate) silence: f64,
    /// The operation that evidence without a bad trace was seen in.
    pub(crate) doing: Option<Doing>,
    /// The instance that such evidence was seen of.
    pub(crate) instance: Option<WordId>,
    /// What kind of change came shortly before.
    pub(crate) change: Option<CauseKind>,
}

impl Found {
    pub(crate) fn conviction(&self) -> f64 {
        (self.strength * self.reliability).clamp(0.0, 1.0)
    }
}

/// Independent evidence adds up as a noisy-or (Pearl, 1988): the cause is not believed only as far
/// as every piece fails to convince. 0..1.
pub(crate) fn noisy_or(found: &[Found]) -> f64 {
    1.0 - found.iter().map(|found| 1.0 - found.conviction()).product::<f64>()
}

/// With each piece's share of the score, strongest first.
pub(crate) fn weighed(mut found: Vec<Found>) -> Vec<Evidence> {
    found.sort_by(|a, b| b.conviction().total_cmp(&a.conviction()).then(a.signal.cmp(&b.signal)));
    let total: f64 = found.iter().map(Found::conviction).sum();
    let evidence = |found: Found| Evidence {
        weight: if total > 0.0 { found.conviction() / total } else { 0.0 },
        signal: found.signal,
        subject: found.subject,
        observed: found.observed,
        baseline: found.baseline,
        unit: found.unit.to_owned(),
        since: found.since,
        trace_ids: found.trace_ids,
    };
    found.into_iter().map(evidence).collect()
}

/// Looks at everything that may speak for a hypothesis.
pub(crate) fn examine(
    case: &Case<'_>,
    hypothesis: &Hypothesis,
    mut more: Vec<Finding>,
) -> Findings {
    let silence = silence(case, hypothesis);
    let silent = silence.as_ref().map_or(0.0, |found| found.strength);
    let (lift, tag) = tag_lift(case, hypothesis);
    let direct = [
        deepest_error(case, hypothesis),
        exclusive_time(case, hypothesis),
        callee_gap(case, hypothesis),
        silence,
        tag,
    ];
    more.sort_by(|a, b| b.found.conviction().total_cmp(&a.found.conviction()));
    let doing = more.iter().find_map(|finding| finding.doing);
    let instance = more.iter().find_map(|finding| finding.instance);
    let mut found: Vec<Found> = direct.into_iter().flatten().collect();
    // Bad traces that tell where the time went tell the same thing better.
    let is_timed =
        |found: &Found| matches!(found.signal, Signal::ExclusiveTime | Signal::CalleeGap);
    let told = found.iter().any(is_timed);
    let more = more.into_iter().map(|finding| finding.found);
    found.extend(more.filter(|more| !(told && is_timed(more))));
    let mut changed = None;
    if !found.is_empty() {
        // Priors and tie-breaks speak only where something was observed.
        if let Some((kind, change)) = change(case, hypothesis, &found) {
            changed = Some(kind);
            found.push(change);
        }
        found.extend(spectrum(case, hypothesis));
    }
    found.extend(alert_count(case, hypothesis));
    found.extend(position::of(case, hypothesis));
    found.retain(|found| found.conviction() >= STRENGTH_MIN * found.reliability);
    Findings { found, lift, silence: silent, doing, instance, change: changed }
}

fn deepest_error(case: &Case<'_>, hypothesis: &Hypothesis) -> Option<Found> {
    let part = hypothesis.share_of(&ERROR_MODES);
    let (by, operation) = hypothesis.main(&ERROR_MODES)?;
    let name = case.suspect_label(hypothesis.suspect);
    let (by_name, word) = (case.label(by), case.word(operation));
    let percent = percent(part);
    let subject = match hypothesis.suspect {
        Suspect::Service(id) if id == by => {
            format!("{percent} of the bad traces end in an error of {name} {word}")
        }
        _ => format!("{percent} of the bad traces end in a failed call of {by_name} to {name}"),
    };
    Some(Found {
        signal: Signal::DeepestError,
        strength: part * hypothesis.confidence,
        reliability: DEEPEST_ERROR,
        subject,
        observed: part,
        baseline: 0.0,
        unit: "1",
        since: case.started_at(),
        trace_ids: hypothesis.traces(&ERROR_MODES),
    })
}

fn exclusive_time(case: &Case<'_>, hypothesis: &Hypothesis) -> Option<Found> {
    let part = hypothesis.share_of(&[Mode::Slow]);
    let (by, operation) = hypothesis.main(&[Mode::Slow])?;
    let facts = &case.correlator.facts;
    let word = case.word(operation);
    let (series, subject) = match hypothesis.suspect {
        Suspect::Service(id) => (
            facts.own.get(&(id, operation)),
            format!("time that {} {word} spends itself", case.label(id)),
        ),
        Suspect::Peer(peer) => (
            facts.peer_times.get(&(by, peer, operation)),
            format!(
                "time that {} takes for {} {word}",
                case.suspect_label(hypothesis.suspect),
                case.label(by)
            ),
        ),
    };
    let (observed, baseline) = series.map_or((0.0, 0.0), |series| {
        now_and_before(series.sum(case.from, case.until), series.norm(normal(case)))
    });
    Some(Found {
        signal: Signal::ExclusiveTime,
        strength: part * hypothesis.confidence,
        reliability: EXCLUSIVE_TIME,
        subject: format!("{subject} makes up {} of the time added", percent(part)),
        observed,
        baseline,
        unit: "ms",
        since: case.started_at(),
        trace_ids: hypothesis.traces(&[Mode::Slow]),
    })
}

fn callee_gap(case: &Case<'_>, hypothesis: &Hypothesis) -> Option<Found> {
    let part = hypothesis.share_of(&[Mode::Gap]);
    let (by, _) = hypothesis.main(&[Mode::Gap])?;
    let Suspect::Service(id) = hypothesis.suspect else { return None };
    let series = case.correlator.facts.gaps.get(&(by, id));
    let (observed, baseline) = series.map_or((0.0, 0.0), |series| {
        now_and_before(series.sum(case.from, case.until), series.norm(normal(case)))
    });
    let subject = if by == id {
        format!("most calls that {} makes are late or lost, whomever it calls", case.label(id))
    } else {
        format!("time lost between {} and {}", case.label(by), case.label(id))
    };
    Some(Found {
        signal: Signal::CalleeGap,
        strength: part * hypothesis.confidence,
        reliability: CALLEE_GAP,
        subject,
        observed,
        baseline,
        unit: "ms",
        since: case.started_at(),
        trace_ids: hypothesis.traces(&[Mode::Gap]),
    })
}

/// Callers still call, and the service is seen on fewer of the calls than it used to be.
fn silence(case: &Case<'_>, hypothesis: &Hypothesis) -> Option<Found> {
    let Suspect::Service(id) = hypothesis.suspect else { return None };
    let facts = &case.correlator.facts;
    let called = facts.called(id, case.from, case.until);
    let before = facts.called(id, Bucket::default(), case.from);
    let per_call = |served: u64, calls: u64| served as f64 / calls.max(1) as f64;
    let seen = per_call(facts.served(id, case.from, case.until).total, called.calls);
    let usual = per_call(facts.served(id, Bucket::default(), case.from).total, before.calls);
    if called.calls < SILENT_CALLS_MIN {
        return None;
    }
    let unanswered =
        share(called.unanswered, called.calls) - share(before.unanswered, before.calls);
    // Spans that do not arrive are lost telemetry as long as callers get their answers; and what
    // looks to callers as if nobody answered is an answer where the service was seen to serve it.
    let errors = share(called.errors, called.calls);
    // Where no status is recorded, calls that end much sooner than any answer would come are ones
    // that nobody took.
    let took = |from, until| facts.call_times(id, from, until).mean_ms();
    let times = took(Bucket::default(), case.from).zip(took(case.from, case.until));
    let sooner = times.map_or(0.0, |(was, is)| 1.0 - SOONER * is / was).max(0.0);
    let strength = if (SEEN_MIN..=SEEN_MAX).contains(&usual) {
        (1.0 - seen / usual).min(errors.max(unanswered).max(sooner))
    } else {
        unanswered
    };
    let strength = strength.clamp(0.0, 1.0);
    let baseline = if usual > 0.0 { usual.min(1.0) } else { 1.0 };
    (strength >= STRENGTH_MIN).then(|| Found {
        signal: Signal::Silence,
        strength,
        reliability: SILENCE,
        subject: format!("share of calls to {} that it is seen to serve", case.label(id)),
        observed: baseline * (1.0 - strength),
        baseline,
        unit: "1",
        since: case.from.start(),
        trace_ids: hypothesis.traces(&[Mode::Unanswered]),
    })
}

/// The tag that tells the bad events of the cause's service from its good ones best.
fn tag_lift(case: &Case<'_>, hypothesis: &Hypothesis) -> (Option<Lift>, Option<Found>) {
    let Some(service) = hypothesis.service() else { return (None, None) };
    let Some(lift) = best_lift(case, service, |class| class < TagClass::Tenant) else {
        return (None, None);
    };
    let (key, value) = (case.word(lift.key), case.word(lift.value));
    let is_own = matches!(hypothesis.suspect, Suspect::Service(_));
    let found = Found {
        signal: Signal::TagLift,
        // A tag narrows down what the traces already suspect; it accuses nobody by itself.
        strength: lift.phi * hypothesis.share.sqrt() * hypothesis.confidence,
        reliability: if is_own { TAG_LIFT } else { TAG_LIFT / 2.0 },
        subject: format!("share of bad events of {} with {key} {value}", case.label(service)),
        observed: lift.bad_with,
        baseline: lift.bad_without,
        unit: "1",
        since: if lift.first_at >= case.from.less(CHANGE_BEFORE).start() {
            lift.first_at
        } else {
            case.from.start()
        },
        trace_ids: Vec::new(),
    };
    (is_own.then_some(lift), Some(found))
}

/// The most telling tag of a service, of the classes wanted.
pub(crate) fn best_lift(
    case: &Case<'_>,
    service: ServiceId,
    wanted: impl Fn(TagClass) -> bool,
) -> Option<Lift> {
    let correlator = case.correlator;
    let class_of = |key| correlator.class_of(key);
    let mut lifts = correlator.tags.lifts(service, case.from, case.until, class_of);
    lifts.retain(|lift| {
        lift.phi >= LIFT_MIN && wanted(lift.class) && lift.bad_with > lift.bad_without
    });
    // A process that is not cold is what most are.
    lifts.retain(|lift| {
        lift.class != TagClass::ColdStart || correlator.names.word_at(lift.value) == "true"
    });
    let best = lifts.iter().map(|lift| lift.phi).fold(0.0, f64::max);
    lifts.retain(|lift| lift.phi >= best - LIFT_TIE);
    lifts.into_iter().min_by(|a, b| a.class.cmp(&b.class).then(b.phi.total_cmp(&a.phi)))
}

/// The newest change of the service near the start: as strong as what it would explain.
fn change(case: &Case<'_>, hypothesis: &Hypothesis, found: &[Found]) -> Option<(CauseKind, Found)> {
    let Suspect::Service(id) = hypothesis.suspect else { return None };
    let label = case.label(id);
    let service = case.correlator.names.service_at(id)?;
    let (after, before) = change_window(case);
    let is_near = |at: Timestamp| (after..before).contains(&at);
    let change = case.correlator.changes.iter().rev().find(|change| {
        is_near(change.at) && (change.service == label || change.service == service.name)
    })?;
    let kind = match &*change.kind {
        "flag" | "config" => CauseKind::Config,
        "infrastructure" => CauseKind::Infrastructure,
        _ => CauseKind::Code,
    };
    let observed = found.iter().map(|found| found.strength).fold(0.0, f64::max);
    let found = Found {
        signal: Signal::Change,
        strength: hypothesis.share.max(observed),
        reliability: CHANGE,
        subject: change.summary.clone(),
        observed: case.started_at().since(change.at).as_secs_f64(),
        baseline: 0.0,
        unit: "s",
        since: change.at,
        trace_ids: Vec::new(),
    };
    Some((kind, found))
}

/// When a change must have come to have to do with the fault.
pub(crate) fn change_window(case: &Case<'_>) -> (Timestamp, Timestamp) {
    let last = Bucket(case.from.0.saturating_add(CHANGE_AFTER));
    (case.from.less(CHANGE_BEFORE).start(), last.start())
}

/// Ochiai's coefficient over traces: bad with it / sqrt(bad x all with it). Breaks ties.
fn spectrum(case: &Case<'_>, hypothesis: &Hypothesis) -> Option<Found> {
    let id = hypothesis.service()?;
    let (good, bad) = case.poll.spectrum.get(&id).copied()?;
    let all_bad = case.poll.spectrum.values().map(|(_, bad)| *bad).max()?;
    let (good, bad, all_bad) = (f64::from(good), f64::from(bad), f64::from(all_bad));
    let ochiai = if bad > 0.0 { bad / (all_bad * (good + bad)).sqrt() } else { 0.0 };
    Some(Found {
        signal: Signal::Spectrum,
        strength: ochiai * hypothesis.share.sqrt(),
        reliability: SPECTRUM,
        subject: format!("share of bad ones among traces that pass {}", case.label(id)),
        observed: bad / (good + bad).max(1.0),
        baseline: 0.0,
        unit: "1",
        since: Timestamp::ZERO,
        trace_ids: Vec::new(),
    })
}

fn alert_count(case: &Case<'_>, hypothesis: &Hypothesis) -> Option<Found> {
    let id = hypothesis.service()?;
    let alerts = case.alerts_on.get(&id).copied()?;
    Some(Found {
        signal: Signal::AlertCount,
        strength: share(u64::from(alerts), u64::from(case.alert_count)),
        reliability: ALERT_COUNT,
        subject: format!("alerts about {}", case.label(id)),
        observed: f64::from(alerts),
        baseline: 0.0,
        unit: "{alert}",
        since: Timestamp::ZERO,
        trace_ids: Vec::new(),
    })
}

pub(crate) fn normal(case: &Case<'_>) -> Bucket {
    case.from.min(case.correlator.normal_before())
}

fn now_and_before(times: Times, norm: Option<crate::series::Norm>) -> (f64, f64) {
    (times.mean_ms().unwrap_or(0.0), norm.map_or(0.0, |norm| norm.median_ms))
}

/// `94 %`, `0.4 %`.
pub(crate) fn percent(part: f64) -> String {
    let value = part.clamp(0.0, 1.0) * 100.0;
    if value > 0.0 && value < 9.95 && (value - value.round()).abs() > 0.05 {
        format!("{value:.1} %")
    } else {
        format!("{value:.0} %")
    }
}
