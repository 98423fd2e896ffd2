//! Where the alerts lie on the graph, when nothing else tells.

use std::collections::{BTreeMap, BTreeSet};

use model::{Signal, Timestamp};

use super::Found;
use crate::alert_kind::AlertKind;
use crate::case::{Case, reach};
use crate::hypothesis::Hypothesis;
use crate::names::ServiceId;
use crate::votes::Suspect;

/// How far full strength convinces: alerts say that something is wrong, and little of why.
const RELIABILITY: f64 = 0.5;
/// The same where the service's own telemetry shows that it serves well.
const RELIABILITY_DOUBTED: f64 = 0.1;
/// What an alert of each kind says of its own service, and what a service is given for explaining
/// the alerts of all others.
const OF_HEALTH: f64 = 0.6;
const OF_REQUESTS: f64 = 0.45;
const OF_ABSENCE: f64 = 0.15;
const EXPLAINS: f64 = 0.4;

/// Failures travel from the called to the caller, so that of services with alerts the one furthest
/// down explains the others. Speaks only where no trace says anything: what they show is better.
pub(super) fn of(case: &Case<'_>, hypothesis: &Hypothesis) -> Option<Found> {
    let Suspect::Service(id) = hypothesis.suspect else { return None };
    let kind = *case.kinds.get(&id)?;
    if !case.poll.votes.is_empty() {
        return None;
    }
    let bad = case.kinds.iter().filter(|(_, kind)| **kind > AlertKind::Absence);
    let bad: BTreeSet<ServiceId> = bad.map(|(id, _)| *id).collect();
    let deeper = below(case, id, &bad).len();
    let others = bad.iter().filter(|other| **other != id);
    let explained = others.filter(|other| below(case, **other, &bad).contains_key(&id)).count();
    let own = match kind {
        AlertKind::Health => OF_HEALTH,
        AlertKind::Requests => OF_REQUESTS,
        AlertKind::Absence => OF_ABSENCE,
    };
    let share = explained as f64 / (bad.len().max(2) - 1) as f64;
    let served = case.correlator.facts.served(id, case.from, case.until);
    let doubted = served.total > 0 && served.bad() == 0;
    Some(Found {
        signal: Signal::AlertCount,
        strength: (own + EXPLAINS * share) / (1 + deeper) as f64,
        reliability: if doubted { RELIABILITY_DOUBTED } else { RELIABILITY },
        subject: format!("services with alerts whose calls lead to {}", case.label(id)),
        observed: explained as f64,
        baseline: 0.0,
        unit: "{service}",
        since: Timestamp::ZERO,
        trace_ids: Vec::new(),
    })
}

/// Bad services that calls lead to, over bad ones alone.
fn below(case: &Case<'_>, from: ServiceId, bad: &BTreeSet<ServiceId>) -> BTreeMap<ServiceId, u32> {
    let facts = &case.correlator.facts;
    let callees = |at| facts.callees(at).into_iter().filter(|id| bad.contains(id)).collect();
    let mut below = reach([from], callees);
    let _ = below.remove(&from);
    below
}
