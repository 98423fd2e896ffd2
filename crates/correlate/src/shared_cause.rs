//! What several services share and none of them is: a region, a zone, a node.
//!
//! Each service alone may have few bad events, so that they are judged together: a stratum for
//! each service, since services differ in how much of their traffic is where (as Mantel and
//! Haenszel, 1959, pool four-fold tables). In a stratum, a share `p` of the traffic has the tag.
//! If the tag has nothing to do with the fault, so do `p` of the bad events; if it explains a
//! share `a` of them, `a + (1 - a) p` do.

mod strata;

use std::collections::{BTreeMap, BTreeSet};

use model::{Cause, CauseKind, Signal, Timestamp};

use crate::case::{Case, reach};
use crate::evidence::{ALL_MODES, Found, best_lift, noisy_or, percent, weighed};
use crate::hypothesis::Hypothesis;
use crate::names::{ServiceId, WordId};
use crate::tags::{SeenTags, TagClass};
use crate::votes::Suspect;
use strata::{Strata, Stratum};

/// How far a tag that explains many services at once convinces.
const RELIABILITY: f64 = 0.9;
/// Fewer services than this share nothing that is not their own.
const SERVICES_MIN: usize = 3;
/// How many services are looked at, and how many tags of them; of more, those with the most bad
/// events.
const SERVICES_MAX: usize = 200;
const TAGS_MAX: usize = 100;
/// Blame that is spread this widely (Simpson's index) is spread in full: five equal suspects.
const SPREAD_FULL: f64 = 0.6;

/// The tag that explains the bad events of the most services.
#[derive(Clone, Debug)]
pub(crate) struct SharedCause {
    pub(crate) cause: Cause,
    pub(crate) services: Vec<ServiceId>,
}

/// A region, zone or node as cause, if blame is spread over many services and one of these
/// explains them: where one service is to blame, the tag is that service's own.
pub(crate) fn find(case: &Case<'_>, hypotheses: &[Hypothesis]) -> Option<SharedCause> {
    let spread = (spread(hypotheses) / SPREAD_FULL).min(1.0);
    if spread <= 0.0 {
        return None;
    }
    let (tags, values) = tags(case, hypotheses);
    // The more values a key has, the likelier one of them fits by chance.
    let luck = |key: WordId| (values.get(&key).map_or(1, BTreeSet::len) as f64).ln();
    // Two tags are compared over the services that tell of both. Of equal ones the first is taken,
    // which is of the widest class.
    let is_better = |(next_tag, next): &Told<'_>, (best_tag, best): &Told<'_>| {
        let (next_seen, best_seen) = (next.services().collect(), best.services().collect());
        let weight =
            |key, strata: &Strata, both| strata.within(both).log_likelihood_ratio() - luck(key);
        weight(next_tag.1, next, &best_seen) > weight(best_tag.1, best, &next_seen)
    };
    let (tag, strata) =
        tags.iter().reduce(|best, next| if is_better(&next, &best) { next } else { best })?;
    let left = rivals(hypotheses, strata)
        .into_iter()
        .map(|rival| strata.without(&explained(case, rival)).log_likelihood_ratio())
        .fold(f64::INFINITY, f64::min);
    let confidence = 1.0 - (luck(tag.1) - left).min(0.0).exp();
    let strength = strata.explained() * confidence * spread;
    (strength > 0.0).then(|| shared_cause(case, hypotheses, (tag.1, tag.2), strata, strength))
}

/// Services and peers that may each be at fault alone.
fn rivals(hypotheses: &[Hypothesis], strata: &Strata) -> BTreeSet<Suspect> {
    let suspects = hypotheses.iter().map(|hypothesis| hypothesis.suspect);
    suspects.chain(strata.services().map(Suspect::Service)).collect()
}

/// The services whose bad events one suspect can explain: itself and whoever depends on it.
fn explained(case: &Case<'_>, rival: Suspect) -> BTreeSet<ServiceId> {
    let facts = &case.correlator.facts;
    let starts: Vec<ServiceId> = match rival {
        Suspect::Service(id) => vec![id],
        Suspect::Peer(peer) => {
            let callers = facts.edges.keys().filter(|(_, called)| *called == peer);
            callers.map(|(caller, _)| *caller).collect()
        }
    };
    reach(starts, |id| facts.callers(id)).into_keys().collect()
}

type Tag = (TagClass, WordId, WordId);
type Told<'a> = (&'a Tag, &'a Strata);
type Values = BTreeMap<WordId, BTreeSet<WordId>>;

/// The bad events of the services concerned by each shared tag that stands out in enough of them,
/// and the values of each key.
fn tags(case: &Case<'_>, hypotheses: &[Hypothesis]) -> (BTreeMap<Tag, Strata>, Values) {
    let mut tags: BTreeMap<Tag, Strata> = BTreeMap::new();
    let mut values = Values::new();
    let mut told: BTreeMap<WordId, Vec<(ServiceId, SeenTags)>> = BTreeMap::new();
    for (service, mut seen) in concerned(case, hypotheses) {
        seen.values.retain(|of| case.correlator.class_of(of.key).is_shared());
        let mut keys = BTreeSet::new();
        for of in &seen.values {
            let _ = values.entry(of.key).or_default().insert(of.value);
            let tag = (case.correlator.class_of(of.key), of.key, of.value);
            tags.entry(tag).or_default().extend(Stratum::of(service, of, &seen));
            let _ = keys.insert(of.key);
        }
        for key in keys {
            told.entry(key).or_default().push((service, SeenTags { values: Vec::new(), ..seen }));
        }
    }
    let mut most: Vec<(Tag, Strata)> =
        tags.into_iter().filter(|(_, strata)| strata.reached().count() >= SERVICES_MIN).collect();
    most.sort_by(|(a, left), (b, right)| right.beyond().total_cmp(&left.beyond()).then(a.cmp(b)));
    most.truncate(TAGS_MAX);
    for ((_, key, _), strata) in &mut most {
        // What is bad in a service that has nothing there is bad elsewhere.
        let here: BTreeSet<ServiceId> = strata.services().collect();
        let others = told.get(key).into_iter().flatten();
        let others = others.filter(|(service, _)| !here.contains(service));
        strata.extend(others.filter_map(|(service, seen)| Stratum::elsewhere(*service, seen)));
    }
    (most.into_iter().collect(), values)
}

fn shared_cause(
    case: &Case<'_>,
    hypotheses: &[Hypothesis],
    (key, value): (WordId, WordId),
    strata: &Strata,
    strength: f64,
) -> SharedCause {
    let services: Vec<ServiceId> = strata.reached().collect();
    let count = services.len();
    let (with, without) = strata.rates();
    let (key, value) = (case.word(key).to_owned(), case.word(value).to_owned());
    let first = hypotheses.iter().max_by(|a, b| a.share.total_cmp(&b.share));
    let found = vec![Found {
        signal: Signal::TagLift,
        strength,
        reliability: RELIABILITY,
        subject: format!("share of bad events with {key} {value}, over {count} services"),
        observed: with,
        baseline: without,
        unit: "1",
        since: case.started_at(),
        trace_ids: first.map(|first| first.traces(&ALL_MODES)).unwrap_or_default(),
    }];
    let summary = format!(
        "{count} services fail in {key} {value}: {} of their requests there are bad, {} elsewhere.",
        percent(with),
        percent(without)
    );
    let cause = Cause {
        kind: CauseKind::Infrastructure,
        tag_key: key,
        tag_value: value,
        score: noisy_or(&found),
        summary,
        evidence: weighed(found),
        ..Cause::default()
    };
    SharedCause { cause, services }
}

/// How widely blame is spread over services: Simpson's index of diversity, 0 for one service.
fn spread(hypotheses: &[Hypothesis]) -> f64 {
    let mut shares: BTreeMap<Option<ServiceId>, f64> = BTreeMap::new();
    for hypothesis in hypotheses {
        *shares.entry(hypothesis.service()).or_default() += hypothesis.share;
    }
    let total: f64 = shares.values().sum();
    if total <= 0.0 {
        return 0.0;
    }
    1.0 - shares.values().map(|share| (share / total).powi(2)).sum::<f64>()
}

/// The services with the most bad events of those that the alerts may have to do with.
fn concerned(case: &Case<'_>, hypotheses: &[Hypothesis]) -> Vec<(ServiceId, SeenTags)> {
    let mut services: BTreeSet<ServiceId> = case.downstream().into_keys().collect();
    services.extend(case.poll.votes.keys().map(|key| key.passed));
    services.extend(hypotheses.iter().filter_map(Hypothesis::service));
    let seen = |id| (id, case.correlator.tags.seen(id, case.from, case.until));
    let mut seen: Vec<(ServiceId, SeenTags)> = services.into_iter().map(seen).collect();
    seen.retain(|(_, seen)| seen.all_during.bad > 0);
    seen.sort_by_key(|(id, seen)| (std::cmp::Reverse(seen.all_during.bad), *id));
    seen.truncate(SERVICES_MAX);
    seen
}

/// Why two services fail for the same shared reason, if they do: the same region, zone or node
/// tells the bad events of both, and nothing narrower tells those of either as well.
pub(crate) fn in_common(case: &Case<'_>, a: ServiceId, b: ServiceId) -> Option<String> {
    let narrow = |class: TagClass| class < TagClass::Tenant;
    let (of_a, of_b) = (best_lift(case, a, narrow)?, best_lift(case, b, narrow)?);
    let same = (of_a.key, of_a.value) == (of_b.key, of_b.value) && of_a.class.is_shared();
    same.then(|| {
        format!(
            "{} and {} both fail in {} {}",
            case.label(a),
            case.label(b),
            case.word(of_a.key),
            case.word(of_a.value)
        )
    })
}

/// Whether a moment lies near the fault's beginning.
pub(crate) fn is_near(case: &Case<'_>, at: Timestamp) -> bool {
    let (after, before) = crate::evidence::change_window(case);
    (after..before).contains(&at)
}
