//! What an incident says.

use std::sync::Arc;

use correlate::Diagnosis;
use correlate::book::MEMBERS_MAX;
use enrich::ExemplarQuery;
use model::{
    Alert, AlertState, Incident, Link, Member, MemberState, Service, Severity, SloImpact, Status,
    Timestamp, TraceTree, Urgency,
};

use crate::Engine;

impl Engine {
    /// A new incident of these alerts, in the light of the traces that were recalled.
    pub(crate) fn describe(
        &self,
        alerts: &[Alert],
        trees: &[TraceTree],
        since: Timestamp,
    ) -> Incident {
        let refs: Vec<_> = alerts.iter().collect();
        let diagnosis = self.correlator.diagnose(&refs, trees, since, self.now);
        let mut incident = Incident { status: Status::Open, ..Incident::default() };
        self.fill(&mut incident, alerts, diagnosis);
        incident
    }

    /// The incident as it is now: what has cleared stays a member, what was found stays found
    /// unless better knowledge replaces it.
    pub(crate) fn describe_again(&self, before: &Incident, alerts: &[Alert]) -> Incident {
        let mut after = before.clone();
        let firing: Vec<_> =
            alerts.iter().filter(|alert| alert.state != AlertState::Inactive).collect();
        if firing.is_empty() {
            after.members = members(alerts);
            return after;
        }
        let ids: Vec<_> = before.traces.iter().map(|trace| trace.trace_id).collect();
        let trees: Vec<_> = ids.iter().filter_map(|id| self.traces.get(*id)).cloned().collect();
        let mut diagnosis = self.correlator.diagnose(&firing, &trees, before.started_at, self.now);
        let known = before.causes.first().map_or(0.0, |cause| cause.score);
        let found = diagnosis.causes.first().map_or(0.0, |cause| cause.score);
        if found < known {
            // The evidence fades with the fault; what was proved before stays.
            diagnosis.causes.clone_from(&before.causes);
            diagnosis.path.clone_from(&before.path);
            diagnosis.title.clone_from(&before.title);
        }
        self.fill(&mut after, alerts, diagnosis);
        after
    }

    fn fill(&self, incident: &mut Incident, alerts: &[Alert], diagnosis: Diagnosis) {
        let firing = || alerts.iter().filter(|alert| alert.state != AlertState::Inactive);
        let urgency = firing().map(|alert| alert.urgency).max().unwrap_or_default();
        // A page does not turn into a ticket again: someone is awake already.
        incident.urgency = incident.urgency.max(urgency);
        incident.severity = firing().map(|alert| alert.severity).max().unwrap_or(Severity::Warning);
        incident.title = diagnosis.title;
        if !incident.started_at.is_set() || diagnosis.started_at < incident.started_at {
            incident.started_at = diagnosis.started_at;
        }
        incident.impact.entry_operations = diagnosis.entry_operations;
        incident.impact.bad_ratio = diagnosis.bad_ratio;
        incident.impact.bad_events = incident.impact.bad_events.max(diagnosis.bad_events);
        incident.impact.users = incident.impact.users.max(diagnosis.users);
        incident.impact.services = diagnosis.services;
        incident.impact.slos = slos(firing());
        incident.causes = diagnosis.causes;
        incident.path = diagnosis.path;
        incident.changes = diagnosis.changes;
        incident.members = members(alerts);
        let count = u32::try_from(alerts.len()).unwrap_or(u32::MAX);
        incident.member_count = count.saturating_add(self.crowd.count(incident.id));
        incident.flapping = firing().next().is_some() && firing().all(|alert| alert.flapping);
        incident.links = links(alerts, &incident.links);
        self.exemplify(incident, alerts, diagnosis.cause_service.as_deref());
        settle(incident);
    }

    /// Adds traces; those that an incident carries already stay.
    fn exemplify(&self, incident: &mut Incident, alerts: &[Alert], cause: Option<&Service>) {
        let services: Vec<_> =
            alerts.iter().filter_map(|alert| self.correlator.service_of(alert)).collect();
        let services: Vec<&Service> = services.iter().map(Arc::as_ref).collect();
        let fingerprints: Vec<_> = alerts.iter().map(|alert| alert.fingerprint).collect();
        let query = ExemplarQuery {
            trace_ids: &self.bad_traces(&fingerprints),
            cause,
            services: &services,
            since: incident.started_at,
            url_template: self.options.trace_url.as_deref().unwrap_or_default(),
        };
        let found = self.traces.exemplars(&query);
        let complete =
            |traces: &[model::ExemplarTrace]| traces.iter().filter(|t| t.complete).count();
        if incident.traces.is_empty() || complete(&found) > complete(&incident.traces) {
            incident.traces = found;
        }
    }
}

/// Puts zero for numbers that are none: no store and no consumer takes them, and one of them must
/// not hold a page up.
fn settle(incident: &mut Incident) {
    let settle = |value: &mut f64| {
        if !value.is_finite() {
            *value = 0.0;
        }
    };
    settle(&mut incident.impact.bad_ratio);
    for slo in &mut incident.impact.slos {
        settle(&mut slo.burn_rate_long);
        settle(&mut slo.burn_rate_short);
        settle(&mut slo.budget_remaining_ratio);
    }
    incident.path.iter_mut().for_each(|hop| settle(&mut hop.bad_ratio));
    for cause in &mut incident.causes {
        settle(&mut cause.score);
        for evidence in &mut cause.evidence {
            settle(&mut evidence.observed);
            settle(&mut evidence.baseline);
            settle(&mut evidence.weight);
        }
    }
}

fn members(alerts: &[Alert]) -> Vec<Member> {
    let member = |alert: &Alert| Member {
        fingerprint: alert.fingerprint,
        labels: alert.labels.clone(),
        annotations: alert.annotations.clone(),
        state: match alert.state {
            AlertState::Inactive => MemberState::Cleared,
            AlertState::Pending => MemberState::Pending,
            AlertState::Firing => MemberState::Firing,
            AlertState::NoData => MemberState::NoData,
        },
        first_at: alert.first_at,
        last_at: alert.last_at,
        repeats: alert.repeats,
        external: alert.external,
    };
    alerts.iter().take(MEMBERS_MAX).map(member).collect()
}

/// One entry an SLO, the most urgent first.
fn slos<'a>(firing: impl Iterator<Item = &'a Alert>) -> Vec<SloImpact> {
    let mut all: Vec<(Urgency, SloImpact)> =
        firing.filter_map(|alert| Some((alert.urgency, alert.slo.clone()?))).collect();
    all.sort_by(|(a, left), (b, right)| {
        b.cmp(a).then_with(|| right.burn_rate_short.total_cmp(&left.burn_rate_short))
    });
    let mut out: Vec<SloImpact> = Vec::new();
    for (_, slo) in all {
        if !out.iter().any(|known| known.name == slo.name) {
            out.push(slo);
        }
    }
    out
}

/// Runbooks of the members, beside what people added.
fn links(alerts: &[Alert], before: &[Link]) -> Vec<Link> {
    let mut links = before.to_vec();
    for alert in alerts {
        let Some(url) = alert.annotations.get("runbook_url") else { continue };
        if !links.iter().any(|link| link.url == *url) {
            let title = alert.labels.get("slo").cloned().unwrap_or_else(|| "runbook".to_owned());
            let kind = "runbook".to_owned();
            links.push(Link { kind, title, url: url.clone(), reviewed_at: Timestamp::ZERO });
        }
    }
    links
}
