//! Blame without traces: errors and time that arise in a service and not in what it calls.

use crate::case::Case;
use crate::count::EdgeCount;
use crate::hypothesis::Ballot;
use crate::names::{ServiceId, WordId};
use crate::series::Bucket;
use crate::votes::{Mode, Suspect};

/// This many unexplained events make half of full confidence: counters cannot tell a retry or a
/// fallback from a failure, so that they count for less than traces.
const HALF_EVENTS: f64 = 20.0;
/// Fewer unexplained errors than this leave the word to the times.
const ERRORS_MIN: f64 = 3.0;
/// A mean must rise by this many spreads to count.
const RISE_SPREADS: f64 = 2.0;

struct Draft {
    suspect: Suspect,
    mode: Mode,
    by: ServiceId,
    amount: f64,
    events: f64,
}

/// What the counters say, with the number of events that make half of full confidence.
pub(crate) fn ballots(case: &Case<'_>) -> (Vec<Ballot>, f64) {
    let services: Vec<ServiceId> = case.downstream().into_keys().collect();
    let mut drafts: Vec<Draft> =
        services.iter().flat_map(|service| errors_of(case, *service)).collect();
    if drafts.iter().map(|draft| draft.amount).sum::<f64>() < ERRORS_MIN {
        drafts = services.iter().flat_map(|service| times_of(case, *service)).collect();
    }
    let total: f64 = drafts.iter().map(|draft| draft.amount).sum();
    let ballots = drafts.into_iter().filter(|draft| draft.amount > 0.0).map(|draft| Ballot {
        suspect: draft.suspect,
        mode: draft.mode,
        by: draft.by,
        operation: worst_operation(case, draft.by),
        share: draft.amount / total,
        mass: draft.events,
        trace_ids: Vec::new(),
    });
    (ballots.collect(), HALF_EVENTS)
}

fn errors_of(case: &Case<'_>, service: ServiceId) -> Vec<Draft> {
    let facts = &case.correlator.facts;
    let served = facts.served(service, case.from, case.until);
    let before = facts.served(service, Bucket::default(), case.from);
    let usual = served.total as f64 * crate::facts::share(before.errors, before.total);
    let mut own = served.errors as f64 - usual;
    let mut drafts = Vec::new();
    let draft =
        |suspect, mode, amount: f64| Draft { suspect, mode, by: service, amount, events: amount };
    for ((_, peer), edge) in facts.edges_of(service) {
        let EdgeCount { calls, errors, throttled, unanswered } =
            edge.counts.sum(case.from, case.until);
        let before = edge.counts.sum(Bucket::default(), case.from);
        let usual = calls as f64 * crate::facts::share(before.errors, before.calls);
        let failed = (errors as f64 - usual).max(0.0);
        own -= failed;
        let mode = if throttled * 2 > errors { Mode::Throttled } else { Mode::Error };
        match facts.service_behind(*peer) {
            None => drafts.push(draft(Suspect::Peer(*peer), mode, failed)),
            Some(callee) => {
                let lost = (unanswered as f64).min(failed);
                drafts.push(draft(Suspect::Service(callee), Mode::Unanswered, lost));
            }
        }
    }
    drafts.push(draft(Suspect::Service(service), Mode::Error, own));
    drafts.retain(|draft| draft.amount >= 1.0);
    drafts
}

fn times_of(case: &Case<'_>, service: ServiceId) -> Vec<Draft> {
    let facts = &case.correlator.facts;
    let before = case.from.min(case.correlator.normal_before());
    let added = |series: &crate::series::TimeSeries| -> (f64, f64) {
        let times = series.sum(case.from, case.until);
        let Some((mean, norm)) = times.mean_ms().zip(series.norm(before)) else {
            return (0.0, 0.0);
        };
        let rise = mean - norm.median_ms;
        let rise = if rise > RISE_SPREADS * norm.spread_ms { rise } else { 0.0 };
        (rise * f64::from(times.count), f64::from(times.count))
    };
    let (mut own, mut events) = (0.0, 0.0);
    for ((_, kind, _), operation) in facts.operations_of(service) {
        if kind.serves() {
            let (ms, count) = added(&operation.times);
            own += ms;
            events += count;
        }
    }
    let mut drafts = Vec::new();
    for ((_, peer), edge) in facts.edges_of(service) {
        let (ms, count) = added(&edge.times);
        own -= ms;
        if facts.service_behind(*peer).is_none() {
            let suspect = Suspect::Peer(*peer);
            drafts.push(Draft {
                suspect,
                mode: Mode::Slow,
                by: service,
                amount: ms,
                events: count,
            });
        }
    }
    let suspect = Suspect::Service(service);
    drafts.push(Draft { suspect, mode: Mode::Slow, by: service, amount: own, events });
    drafts.retain(|draft| draft.amount > 0.0);
    drafts
}

fn worst_operation(case: &Case<'_>, service: ServiceId) -> WordId {
    let operations = case.correlator.facts.operations_of(service);
    let bad =
        operations.filter(|((_, kind, _), _)| kind.serves()).map(|((_, _, word), operation)| {
            (operation.counts.sum(case.from, case.until).bad(), std::cmp::Reverse(*word))
        });
    bad.max().map_or(WordId(u32::MAX), |(_, word)| word.0)
}
