//! What several services share and none of them is: a region, a zone, a node.

use std::collections::BTreeMap;

use model::{Cause, CauseKind, Signal, Timestamp};

use crate::case::Case;
use crate::evidence::{ALL_MODES, Found, best_lift, noisy_or, percent, weighed};
use crate::hypothesis::Hypothesis;
use crate::names::{ServiceId, WordId};
use crate::tags::{Lift, TagClass};

/// How far a tag that explains many services at once convinces.
const RELIABILITY: f64 = 0.9;
/// Fewer services than this share nothing that is not their own.
const SERVICES_MIN: usize = 3;
/// A service whose bad events the tag explains this well counts for it.
const PHI_MIN: f64 = 0.3;
/// Blame that is spread this widely (Simpson's index) is spread in full: five equal suspects.
const SPREAD_FULL: f64 = 0.6;

/// How well a tag tells bad from good in one service.
#[derive(Clone, Copy, Debug)]
struct Reached {
    service: ServiceId,
    phi: f64,
    bad_with: f64,
    bad_without: f64,
}

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
    let mut tags: BTreeMap<(TagClass, WordId, WordId), Vec<Reached>> = BTreeMap::new();
    let mut bad_services = 0_usize;
    for service in concerned(case, hypotheses) {
        if case.correlator.facts.served(service, case.from, case.until).bad() < 3 {
            continue;
        }
        bad_services += 1;
        let class_of = |key| case.correlator.class_of(key);
        for lift in case.correlator.tags.lifts(service, case.from, case.until, class_of) {
            if lift.class.is_shared() && lift.phi >= PHI_MIN && lift.bad_with > lift.bad_without {
                let Lift { phi, bad_with, bad_without, .. } = lift;
                let reached = Reached { service, phi, bad_with, bad_without };
                tags.entry((lift.class, lift.key, lift.value)).or_default().push(reached);
            }
        }
    }
    tags.retain(|_, services| services.len() >= SERVICES_MIN);
    let reach = |services: &[Reached]| {
        services.iter().map(|reached| reached.phi).sum::<f64>() / bad_services.max(1) as f64
    };
    // Of equal ones the first, which is of the widest class.
    let (tag, services) = tags
        .into_iter()
        .reduce(|best, next| if reach(&next.1) > reach(&best.1) { next } else { best })?;
    let strength = reach(&services).sqrt() * spread;
    Some(shared_cause(case, hypotheses, (tag.1, tag.2), &services, strength))
}

fn shared_cause(
    case: &Case<'_>,
    hypotheses: &[Hypothesis],
    (key, value): (WordId, WordId),
    services: &[Reached],
    strength: f64,
) -> SharedCause {
    let count = services.len() as f64;
    let mean = |pick: fn(&Reached) -> f64| services.iter().map(pick).sum::<f64>() / count;
    let (with, without) = (mean(|reached| reached.bad_with), mean(|reached| reached.bad_without));
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
    SharedCause { cause, services: services.iter().map(|reached| reached.service).collect() }
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

fn concerned(case: &Case<'_>, hypotheses: &[Hypothesis]) -> Vec<ServiceId> {
    let mut services: std::collections::BTreeSet<ServiceId> = case.members.clone();
    services.extend(case.poll.votes.keys().map(|key| key.passed));
    services.extend(hypotheses.iter().filter_map(Hypothesis::service));
    services.into_iter().collect()
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
