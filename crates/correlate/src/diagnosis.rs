//! The answer: ranked causes with their evidence, the way from users to the cause, who is hurt.

use std::sync::Arc;

use model::{Alert, Cause, CauseKind, Change, Hop, Service, ServiceHop, Timestamp, TraceTree};

use crate::case::Case;
use crate::correlator::Correlator;
use crate::evidence::{ALL_MODES, Findings, examine, noisy_or, weighed};
use crate::explain::{self, Contrast, Finding};
use crate::hypothesis::{self, Hypothesis};
use crate::impact;
use crate::kind::{self, lone_instance};
use crate::names::ServiceId;
use crate::shared_cause::{self, SharedCause};
use crate::tags::{Lift, TagClass};
use crate::votes::Suspect;
use crate::words;

/// How many causes are named.
const CAUSES_MAX: usize = 5;
/// A cause below this share of the best one's score is left out.
const SCORE_SHARE_MIN: f64 = 0.1;
/// How many changes are told.
const CHANGES_MAX: usize = 10;

/// What the evidence says of an incident.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diagnosis {
    /// Ranked, best first; empty = unknown.
    pub causes: Vec<Cause>,
    /// The service of the first cause; none where it is not of one service.
    pub cause_service: Option<Arc<Service>>,
    /// From the user-facing service to the first cause.
    pub path: Vec<Hop>,
    /// All services that are hit, nearest to the first cause first.
    pub services: Vec<ServiceHop>,
    /// User-facing service and operation, the worst first; empty = no entry traffic is hurt.
    pub entry_operations: Vec<String>,
    /// Share of bad requests of these operations, 0..1, over the last five minutes of the fault.
    pub bad_ratio: f64,
    /// Bad requests of these operations since `started_at`.
    pub bad_events: u64,
    /// Distinct users or tenants in bad events since `started_at`; 0 = not known.
    pub users: u64,
    /// Event time of the first bad event that the evidence reaches back to.
    pub started_at: Timestamp,
    /// Changes near the start, newest first.
    pub changes: Vec<Change>,
    /// One line: `checkout fails for 12 % of requests: payment 2.4.0 returns errors`.
    pub title: String,
}

/// A cause before it is put into words.
pub(crate) struct Judged {
    pub(crate) hypothesis: Hypothesis,
    pub(crate) kind: CauseKind,
    pub(crate) findings: Findings,
    pub(crate) score: f64,
}

impl Correlator {
    /// Which cause explains these alerts. `traces` are bad traces that were recalled for them, and
    /// `since` is when they began at the latest; the way back to the beginning is found.
    ///
    /// Each bad trace says who is to blame: the service or peer of its deepest error, else where
    /// its time went beyond what is normal. A suspect's share is the mean over the members of the
    /// share of their bad traces that blame it. Strengths follow from shares, times how far so
    /// many traces can be trusted (n / (n + 3)); strength times the reliability of its kind is how
    /// far a piece of evidence convinces; all pieces are joined by noisy-or.
    #[must_use]
    pub fn diagnose(
        &self,
        alerts: &[&Alert],
        traces: &[TraceTree],
        since: Timestamp,
        now: Timestamp,
    ) -> Diagnosis {
        let case = Case::new(self, alerts, traces, since, now);
        let mut hypotheses = hypothesis::all(&case);
        let shared = shared_cause::find(&case, &hypotheses);
        add_bare(&case, &mut hypotheses);
        let contrast = Contrast::new(self, case.from.start(), case.until);
        let mut findings = explain::gather(&contrast);
        let judged = hypotheses.into_iter().map(|hypothesis| {
            let more = findings.remove(&hypothesis.suspect).unwrap_or_default();
            judge(&case, hypothesis, more)
        });
        put_together(&case, judged.collect(), shared)
    }
}

/// Ranks the causes and says whom they hurt.
pub(crate) fn put_together(
    case: &Case<'_>,
    mut judged: Vec<Judged>,
    shared: Option<SharedCause>,
) -> Diagnosis {
    judged.retain(|judged| judged.score > 0.0);
    judged.sort_by(|a, b| {
        b.score.total_cmp(&a.score).then(a.hypothesis.suspect.cmp(&b.hypothesis.suspect))
    });
    let shared =
        shared.filter(|shared| judged.first().is_none_or(|j| shared.cause.score > j.score));
    let first = if shared.is_some() { None } else { judged.first() };
    let impact = impact::of(case, first, shared.as_ref());
    let title = words::title(case, &impact, first, shared.as_ref());
    let cause_service = first
        .and_then(|judged| judged.hypothesis.service())
        .and_then(|id| case.correlator.names.service_at(id).cloned());
    let mut causes: Vec<Cause> = shared.into_iter().map(|shared| shared.cause).collect();
    causes.extend(judged.into_iter().map(|judged| cause(case, judged)));
    let best = causes.first().map_or(0.0, |cause| cause.score);
    causes.retain(|cause| cause.score >= best * SCORE_SHARE_MIN);
    causes.truncate(CAUSES_MAX);
    Diagnosis {
        causes,
        cause_service,
        path: impact.path,
        services: impact.services,
        entry_operations: impact.entry_operations,
        bad_ratio: impact.bad_ratio,
        bad_events: impact.bad_events,
        users: impact.users,
        started_at: case.started_at(),
        changes: changes(case),
        title,
    }
}

/// Suspects without a trace against them: members, and services below them that fell silent.
fn add_bare(case: &Case<'_>, hypotheses: &mut Vec<Hypothesis>) {
    for service in case.downstream().into_keys() {
        let suspect = Suspect::Service(service);
        if hypotheses.iter().all(|hypothesis| hypothesis.suspect != suspect) {
            hypotheses.push(Hypothesis::bare(suspect));
        }
    }
}

/// With `more` evidence, which needs no bad trace.
pub(crate) fn judge(case: &Case<'_>, hypothesis: Hypothesis, more: Vec<Finding>) -> Judged {
    let findings = examine(case, &hypothesis, more);
    let kind = match (kind::of(case, &hypothesis, &findings), findings.change) {
        (CauseKind::Unknown | CauseKind::Code, Some(change)) => change,
        (kind, _) => kind,
    };
    let score = noisy_or(&findings.found);
    Judged { hypothesis, kind, findings, score }
}

fn cause(case: &Case<'_>, judged: Judged) -> Cause {
    let summary = words::summary(case, &judged);
    let Judged { hypothesis, kind, findings, score } = judged;
    let operation = hypothesis.main(&ALL_MODES).or(findings.doing);
    let word = |id| case.word(id).to_owned();
    let (mut tag_key, mut tag_value) = (String::new(), String::new());
    let mut instance = String::new();
    if let Some(Lift { key, value, class, .. }) = findings.lift {
        (tag_key, tag_value) = (word(key), word(value));
        if class == TagClass::Instance {
            instance.clone_from(&tag_value);
        }
    }
    if let Some(one) = findings.lift.and_then(|lift| lone_instance(case, &hypothesis, &lift)) {
        instance = word(one.value);
    }
    if let (Suspect::Service(id), true) = (hypothesis.suspect, instance.is_empty()) {
        instance = sole_instance(case, id);
    }
    if let (true, Some(seen)) = (instance.is_empty(), findings.instance) {
        instance = word(seen);
    }
    if let Suspect::Peer(peer) = hypothesis.suspect {
        let address = case.correlator.names.peer_at(peer).map(|peer| peer.address.clone());
        (tag_key, tag_value) = ("server.address".to_owned(), address.unwrap_or_default());
    }
    Cause {
        kind,
        service: hypothesis.service().map_or(String::new(), |id| case.label(id)),
        instance,
        operation: operation.map_or(String::new(), |(_, op)| word(op)),
        tag_key,
        tag_value,
        score,
        summary,
        evidence: weighed(findings.found),
    }
}

/// The one instance that served while the fault went on; empty if there were several.
fn sole_instance(case: &Case<'_>, id: ServiceId) -> String {
    let seen = case.correlator.tags.seen(id, case.from, case.until);
    let is_instance = |key| case.correlator.class_of(key) == TagClass::Instance;
    let mut served = seen.values.iter().filter(|s| s.during.total > 0 && is_instance(s.key));
    let first = served.next();
    match first {
        Some(first) if served.all(|other| other.key != first.key) => {
            case.word(first.value).to_owned()
        }
        _ => String::new(),
    }
}

fn changes(case: &Case<'_>) -> Vec<Change> {
    let near = case.correlator.changes.iter().filter(|c| shared_cause::is_near(case, c.at));
    let mut near: Vec<Change> = near.cloned().collect();
    near.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.id.cmp(&b.id)));
    near.truncate(CHANGES_MAX);
    near
}
