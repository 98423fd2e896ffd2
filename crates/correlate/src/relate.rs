//! Which alerts belong together, and why.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::{Alert, Timestamp};

use crate::case::{Case, HOPS_MAX};
use crate::correlator::Correlator;
use crate::facts::{share, stands_out};
use crate::names::ServiceId;
use crate::series::Bucket;
use crate::shared_cause;
use crate::votes::Suspect;

/// Bad traces of a service say who is to blame from this many on.
const TRACES_MIN: f64 = 1.0;
/// The main suspect of a service needs this share of its bad traces.
const SUSPECT_SHARE: f64 = 0.3;

/// What shows that a service is bad, where traces do not tell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Its counters.
    Counters,
    /// An alert about it will do: it may send no telemetry that fogbell can count.
    Alerts,
}

impl Correlator {
    /// Why two alerts belong to one incident; `None` if nothing says so.
    ///
    /// They do when they are about the same service, when the bad traces of both lead to the same
    /// suspect, when the same region, zone or node tells bad from good for both, or, where traces
    /// do not tell, when a chain of bad calls leads from one to the other. Where traces tell, and
    /// name different suspects, they stay apart, though the same users may be hurt by both.
    #[must_use]
    pub fn related(&self, a: &Alert, b: &Alert, now: Timestamp) -> Option<String> {
        let (of_a, of_b) = (self.id_of(a)?, self.id_of(b)?);
        if of_a == of_b {
            return Some(format!("both are about {}", self.names.label(of_a)));
        }
        let since = a.first_at.min(b.first_at);
        let case = Case::new(self, &[a, b], &[], since, now);
        let (main_a, main_b) = (main_suspect(&case, of_a), main_suspect(&case, of_b));
        if let (Some((first, part_a)), Some((second, part_b))) = (main_a, main_b)
            && first == second
        {
            return Some(format!(
                "the bad traces of both lead to {}: {} of those of {}, {} of those of {}",
                case.suspect_label(first),
                crate::evidence::percent(part_a),
                case.label(of_a),
                crate::evidence::percent(part_b),
                case.label(of_b)
            ));
        }
        for (main, from, to) in [(main_a, of_a, of_b), (main_b, of_b, of_a)] {
            if main.is_some_and(|(suspect, _)| suspect == Suspect::Service(to)) {
                let (from, to) = (case.label(from), case.label(to));
                return Some(format!("the bad traces of {from} lead to {to}"));
            }
        }
        if let Some(reason) = shared_cause::in_common(&case, of_a, of_b) {
            return Some(reason);
        }
        let trust = match (main_a, main_b) {
            (Some(_), Some(_)) => return None,
            (None, None) => Trust::Alerts,
            _ => Trust::Counters,
        };
        chain(&case, of_a, of_b, trust).or_else(|| chain(&case, of_b, of_a, trust))
    }
}

/// Whom most bad traces that passed a service blame, and how many of them do.
fn main_suspect(case: &Case<'_>, passed: ServiceId) -> Option<(Suspect, f64)> {
    let masses = case.poll.of_passed(passed);
    let total: f64 = masses.values().sum();
    let (suspect, mass) = masses.into_iter().reduce(|a, b| if b.1 > a.1 { b } else { a })?;
    (total >= TRACES_MIN && mass / total >= SUSPECT_SHARE).then_some((suspect, mass / total))
}

/// A chain of bad calls from a caller down to a callee, in words.
fn chain(case: &Case<'_>, from: ServiceId, to: ServiceId, trust: Trust) -> Option<String> {
    let facts = &case.correlator.facts;
    let mut parent: BTreeMap<ServiceId, ServiceId> = BTreeMap::new();
    let mut seen = BTreeSet::from([from]);
    let mut queue = VecDeque::from([(from, 0)]);
    while let Some((at, hops)) = queue.pop_front() {
        if at == to {
            break;
        }
        for callee in facts.callees(at) {
            if hops < HOPS_MAX && is_bad_call(case, at, callee, trust) && seen.insert(callee) {
                let _ = parent.insert(callee, at);
                queue.push_back((callee, hops + 1));
            }
        }
    }
    let mut way = vec![to];
    while let Some(caller) = way.last().and_then(|last| parent.get(last)) {
        way.push(*caller);
    }
    way.reverse();
    let names: Vec<String> = way.iter().map(|id| case.label(*id)).collect();
    (way.len() > 1).then(|| format!("bad calls lead from {}", names.join(" to ")))
}

/// Whether a fault of the callee can have come this way: its calls fail, or the callee is bad, or
/// it is an alert's own service.
fn is_bad_call(case: &Case<'_>, caller: ServiceId, callee: ServiceId, trust: Trust) -> bool {
    let facts = &case.correlator.facts;
    let (from, until) = (case.from, case.until);
    let calls = facts.between(caller, callee, from, until);
    let calls_before = facts.between(caller, callee, Bucket::default(), from);
    let served = facts.served(callee, from, until);
    let served_before = facts.served(callee, Bucket::default(), from);
    stands_out(share(calls.errors, calls.calls), share(calls_before.errors, calls_before.calls))
        || stands_out(
            share(served.bad(), served.total),
            share(served_before.bad(), served_before.total),
        )
        || (trust == Trust::Alerts && case.members.contains(&callee))
}
