//! Who is hurt, and by which way the fault reaches them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{Hop, ServiceHop, SpanKind};

use crate::case::{Case, reach};
use crate::count::OperationCount;
use crate::diagnosis::Judged;
use crate::facts::{share, stands_out};
use crate::names::{ServiceId, WordId};
use crate::ring::Tally;
use crate::series::{Bucket, buckets_in};
use crate::shared_cause::SharedCause;
use crate::votes::Suspect;

/// How far back the share of bad requests looks.
const RATIO_OVER: Duration = Duration::from_secs(300);
/// An entry operation with fewer bad requests is not hurt.
const BAD_MIN: u64 = 3;
/// How many entry operations and how many services are named.
const OPERATIONS_MAX: usize = 20;
const SERVICES_MAX: usize = 100;
/// How many services a title names.
const NAMES_MAX: usize = 3;
/// A service is hit from this share of bad requests on.
const HIT_SHARE: f64 = 0.005;

/// Who is hurt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Impact {
    pub(crate) path: Vec<Hop>,
    pub(crate) services: Vec<ServiceHop>,
    pub(crate) entry_operations: Vec<String>,
    /// What fails, for the title: the operation, or the service if there are several.
    pub(crate) subject: String,
    /// Whether they fail, rather than being late.
    pub(crate) fails: bool,
    pub(crate) bad_ratio: f64,
    pub(crate) bad_events: u64,
    pub(crate) users: u64,
}

pub(crate) fn of(case: &Case<'_>, first: Option<&Judged>, shared: Option<&SharedCause>) -> Impact {
    let suspect = first.map(|judged| judged.hypothesis.suspect);
    let origin = first.and_then(|judged| judged.hypothesis.service());
    let hurt = hurt(case, suspect, origin);
    let mut impact = Impact {
        path: origin.map_or_else(Vec::new, |origin| path(case, suspect, origin)),
        services: services(case, suspect, origin, shared),
        ..Impact::default()
    };
    let recent = case.from.max(case.until.less(buckets_in(RATIO_OVER)));
    let (mut ratio, mut since) = (OperationCount::default(), OperationCount::default());
    // Names as they are hurt, the worst first.
    let (mut entries, mut names) = (BTreeSet::new(), Vec::new());
    for (id, word, _) in &hurt {
        let key = (*id, SpanKind::Server, *word);
        let Some(operation) = case.correlator.facts.operations.get(&key) else { continue };
        ratio.add(&operation.counts.sum(recent, case.until));
        since.add(&operation.counts.sum(case.from, case.until));
        if entries.insert(*id) {
            names.push(case.label(*id));
        }
        if impact.entry_operations.len() < OPERATIONS_MAX {
            impact.entry_operations.push(format!("{} {}", case.label(*id), case.word(*word)));
        }
    }
    impact.bad_ratio = bad_ratio(&ratio);
    impact.bad_events = bad(&since);
    impact.fails = since.errors >= since.slow;
    impact.subject = match impact.entry_operations.as_slice() {
        [one] => one.clone(),
        _ => listed(names),
    };
    impact.users = users(case, &entries);
    if impact.subject.is_empty() {
        within(case, &mut impact, recent);
    }
    impact
}

/// Where no entry traffic is hurt, the members themselves are the subject.
fn within(case: &Case<'_>, impact: &mut Impact, recent: Bucket) {
    let mut sum = OperationCount::default();
    let mut names = Vec::new();
    for id in &case.members {
        sum.add(&case.correlator.facts.served(*id, recent, case.until));
        names.push(case.label(*id));
    }
    impact.subject = listed(names);
    impact.fails = sum.errors >= sum.slow;
    impact.bad_ratio = share(sum.bad(), sum.total);
}

/// `a, b, c and 2 more`.
fn listed(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(NAMES_MAX);
    names.truncate(NAMES_MAX);
    let listed = names.join(", ");
    if more > 0 { format!("{listed} and {more} more") } else { listed }
}

fn bad(count: &OperationCount) -> u64 {
    if count.entry_total > 0 { count.entry_bad } else { count.bad() }
}

fn bad_ratio(count: &OperationCount) -> f64 {
    if count.entry_total > 0 {
        share(count.entry_bad, count.entry_total)
    } else {
        share(count.bad(), count.total)
    }
}

/// Entry operations with more bad requests than usual, the most bad requests first; where traces
/// tell which of them lead to the cause, only those.
fn hurt(
    case: &Case<'_>,
    suspect: Option<Suspect>,
    origin: Option<ServiceId>,
) -> Vec<(ServiceId, WordId, u64)> {
    let facts = &case.correlator.facts;
    let concerned: Option<BTreeSet<ServiceId>> =
        origin.map(|origin| reach([origin], |id| facts.callers(id)).into_keys().collect());
    let leads = |id: ServiceId, word: WordId| {
        suspect.is_some_and(|suspect| case.poll.entries.contains_key(&(suspect, id, word)))
    };
    let mut hurt = Vec::new();
    for ((id, kind, word), operation) in &facts.operations {
        let may_concern = concerned.as_ref().is_none_or(|concerned| concerned.contains(id));
        if *kind != SpanKind::Server || !may_concern || !case.correlator.is_entry_id(*id) {
            continue;
        }
        let now = operation.counts.sum(case.from, case.until);
        let usual = bad_ratio(&operation.counts.sum(Bucket::default(), case.from));
        if bad(&now) >= BAD_MIN && stands_out(bad_ratio(&now), usual) {
            hurt.push((*id, *word, bad(&now)));
        }
    }
    if hurt.iter().any(|(id, word, _)| leads(*id, *word)) {
        hurt.retain(|(id, word, _)| leads(*id, *word));
    }
    hurt.sort_by(|a, b| b.2.cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1))));
    hurt
}

fn users(case: &Case<'_>, entries: &BTreeSet<ServiceId>) -> u64 {
    let subjects = case.correlator.facts.subjects.iter();
    let since = subjects.filter(|(at, id, _)| *at >= case.from && entries.contains(id));
    since.map(|(_, _, subject)| subject).collect::<BTreeSet<_>>().len() as u64
}

/// Services that bad traces passed on their way to the cause, and those that call it and are bad.
fn services(
    case: &Case<'_>,
    suspect: Option<Suspect>,
    origin: Option<ServiceId>,
    shared: Option<&SharedCause>,
) -> Vec<ServiceHop> {
    let facts = &case.correlator.facts;
    let mut hops: BTreeMap<ServiceId, u32> = BTreeMap::new();
    if let Some(origin) = origin {
        let distance = reach([origin], |id| facts.callers(id));
        let voted = case.poll.votes.keys().filter(|key| Some(key.suspect) == suspect);
        let passed: BTreeSet<ServiceId> = voted.map(|key| key.passed).collect();
        for (id, hop) in distance {
            let served = facts.served(id, case.from, case.until);
            let is_hit = share(served.bad(), served.total) >= HIT_SHARE;
            let known = passed.contains(&id) || case.members.contains(&id);
            if id == origin || known || (passed.is_empty() && is_hit) {
                let _ = hops.insert(id, hop);
            }
        }
    }
    for id in shared.iter().flat_map(|shared| &shared.services).chain(&case.members) {
        let _ = hops.entry(*id).or_insert(0);
    }
    let mut services: Vec<ServiceHop> =
        hops.into_iter().map(|(id, hops)| ServiceHop { service: case.label(id), hops }).collect();
    services.sort_by(|a, b| a.hops.cmp(&b.hops).then_with(|| a.service.cmp(&b.service)));
    services.truncate(SERVICES_MAX);
    services
}

/// The way that a bad trace took, else the shortest from a user-facing service through the graph.
fn path(case: &Case<'_>, suspect: Option<Suspect>, origin: ServiceId) -> Vec<Hop> {
    let facts = &case.correlator.facts;
    let told = case
        .blames
        .iter()
        .filter(|blame| Some(blame.suspect) == suspect)
        .filter(|blame| blame.chain.first().is_some_and(|id| case.correlator.is_entry_id(*id)))
        .max_by(|a, b| a.mass.total_cmp(&b.mass).then_with(|| b.trace_id.cmp(&a.trace_id)));
    let mut way: Vec<ServiceId> = match told {
        Some(blame) => blame.chain.clone(),
        None => {
            let distance = reach([origin], |id| facts.callers(id));
            let entry = distance
                .iter()
                .filter(|(id, _)| case.correlator.is_entry_id(**id))
                .max_by_key(|(id, hops)| {
                    let served = facts.served(**id, case.from, case.until);
                    (served.bad(), std::cmp::Reverse(**hops))
                })
                .map(|(id, _)| *id);
            let Some(entry) = entry else { return Vec::new() };
            descend(case, entry, &distance)
        }
    };
    if let Some(end) = way.iter().position(|id| *id == origin) {
        way.truncate(end + 1);
    }
    way.windows(2)
        .filter_map(|pair| Some((*pair.first()?, *pair.get(1)?)))
        .map(|(from, to)| hop(case, from, to))
        .collect()
}

/// From the entry, always to a callee that is one call nearer to the cause, the worst first.
fn descend(
    case: &Case<'_>,
    entry: ServiceId,
    distance: &BTreeMap<ServiceId, u32>,
) -> Vec<ServiceId> {
    let facts = &case.correlator.facts;
    let mut way = vec![entry];
    let mut at = entry;
    while let Some(hops) = distance.get(&at).filter(|hops| **hops > 0) {
        let nearer =
            facts.callees(at).into_iter().filter(|id| distance.get(id) == Some(&(hops - 1)));
        let worst = nearer.max_by_key(|id| {
            let calls = facts.between(at, *id, case.from, case.until);
            (calls.errors, std::cmp::Reverse(*id))
        });
        let Some(next) = worst else { break };
        way.push(next);
        at = next;
    }
    way
}

fn hop(case: &Case<'_>, from: ServiceId, to: ServiceId) -> Hop {
    let facts = &case.correlator.facts;
    let served = facts.served(to, case.from, case.until);
    let calls = facts.between(from, to, case.from, case.until);
    let worst = facts
        .operations_of(to)
        .filter(|((_, kind, _), _)| kind.serves())
        .map(|((_, _, word), operation)| {
            (operation.counts.sum(case.from, case.until).bad(), std::cmp::Reverse(*word))
        })
        .max();
    let operation = worst.map_or(String::new(), |(_, word)| case.word(word.0).to_owned());
    let by_calls = share(calls.errors, calls.calls);
    let bad_ratio = by_calls.max(share(served.bad(), served.total));
    Hop { from_service: case.label(from), to_service: case.label(to), operation, bad_ratio }
}
