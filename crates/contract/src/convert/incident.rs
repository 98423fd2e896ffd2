use std::time::Duration;

use model::{
    Actor, ActorKind, Change, Delivery, ExternalRef, Impact, Incident, IncidentEvent, Link,
    LogTemplate, Member, Ownership, ServiceHop, SloImpact,
};

use super::{duration, timestamp, timestamp_from};
use crate::v1;

impl From<&Incident> for v1::Incident {
    fn from(incident: &Incident) -> Self {
        Self {
            id: incident.id.to_string(),
            revision: incident.revision,
            tenant: incident.tenant.to_string(),
            status: v1::Status::from(incident.status).into(),
            urgency: v1::Urgency::from(incident.urgency).into(),
            severity: v1::Severity::from(incident.severity).into(),
            title: incident.title.clone(),
            started_at: timestamp(incident.started_at),
            detected_at: timestamp(incident.detected_at),
            acknowledged_at: timestamp(incident.acknowledged_at),
            resolved_at: timestamp(incident.resolved_at),
            updated_at: timestamp(incident.updated_at),
            impact: Some((&incident.impact).into()),
            causes: incident.causes.iter().map(Into::into).collect(),
            path: incident.path.iter().map(Into::into).collect(),
            members: incident.members.iter().map(Into::into).collect(),
            member_count: incident.member_count,
            traces: incident.traces.iter().map(Into::into).collect(),
            changes: incident.changes.iter().map(Into::into).collect(),
            logs: incident.logs.iter().map(Into::into).collect(),
            links: incident.links.iter().map(Into::into).collect(),
            ownership: Some((&incident.ownership).into()),
            grouping_reason: incident.grouping_reason.clone(),
            assignee: incident.assignee.as_ref().map(Into::into),
            merged_into: incident.merged_into.map(|id| id.to_string()).unwrap_or_default(),
            merged_from: incident.merged_from.iter().map(ToString::to_string).collect(),
            split_from: incident.split_from.map(|id| id.to_string()).unwrap_or_default(),
            snoozed_until: timestamp(incident.snoozed_until),
            flapping: incident.flapping,
            external_refs: incident.external_refs.iter().map(Into::into).collect(),
        }
    }
}

impl From<&IncidentEvent> for v1::IncidentEvent {
    fn from(event: &IncidentEvent) -> Self {
        Self {
            incident_id: event.incident_id.to_string(),
            revision: event.revision,
            tenant: event.tenant.to_string(),
            r#type: v1::incident_event::Type::from(event.kind).into(),
            at: timestamp(event.at),
            actor: Some((&event.actor).into()),
            reason: event.reason.clone(),
            changed: event.changed.clone(),
        }
    }
}

impl From<&Delivery> for v1::Delivery {
    fn from(delivery: &Delivery) -> Self {
        Self {
            id: delivery.id(),
            urgency: v1::Urgency::from(delivery.urgency).into(),
            route: delivery.route.clone(),
            action: v1::delivery::Action::from(delivery.action).into(),
            incident: Some(delivery.incident.as_ref().into()),
            test: delivery.test,
        }
    }
}

impl From<&Impact> for v1::Impact {
    fn from(impact: &Impact) -> Self {
        Self {
            entry_operations: impact.entry_operations.clone(),
            bad_ratio: impact.bad_ratio,
            bad_events: impact.bad_events,
            users: impact.users,
            services: impact.services.iter().map(Into::into).collect(),
            slos: impact.slos.iter().map(Into::into).collect(),
        }
    }
}

impl From<&ServiceHop> for v1::ServiceHop {
    fn from(hop: &ServiceHop) -> Self {
        Self { service: hop.service.clone(), hops: hop.hops }
    }
}

impl From<&SloImpact> for v1::SloImpact {
    fn from(slo: &SloImpact) -> Self {
        Self {
            name: slo.name.clone(),
            service: slo.service.clone(),
            burn_rate_long: slo.burn_rate_long,
            burn_rate_short: slo.burn_rate_short,
            long_window: Some(duration(Duration::from_secs(slo.long_window_s))),
            short_window: Some(duration(Duration::from_secs(slo.short_window_s))),
            budget_remaining_ratio: slo.budget_remaining_ratio,
            exhausted_at_forecast: timestamp(slo.exhausted_at_forecast),
            automatic: slo.automatic,
        }
    }
}

impl From<&Member> for v1::Member {
    fn from(member: &Member) -> Self {
        Self {
            fingerprint: member.fingerprint.to_string(),
            labels: member.labels.clone(),
            annotations: member.annotations.clone(),
            state: v1::member::State::from(member.state).into(),
            first_at: timestamp(member.first_at),
            last_at: timestamp(member.last_at),
            repeats: member.repeats,
            external: member.external,
        }
    }
}

impl From<&Change> for v1::Change {
    fn from(change: &Change) -> Self {
        Self {
            id: change.id.clone(),
            kind: change.kind.clone(),
            service: change.service.clone(),
            summary: change.summary.clone(),
            at: timestamp(change.at),
            url: change.url.clone(),
            source: change.source.clone(),
        }
    }
}

impl From<&LogTemplate> for v1::LogTemplate {
    fn from(log: &LogTemplate) -> Self {
        Self {
            service: log.service.clone(),
            template: log.template.clone(),
            count: log.count,
            novel: log.novel,
        }
    }
}

impl From<&Ownership> for v1::Ownership {
    fn from(ownership: &Ownership) -> Self {
        Self {
            team: ownership.team.clone(),
            tier: ownership.tier.clone(),
            contact: ownership.contact.clone(),
        }
    }
}

impl From<&Link> for v1::Link {
    fn from(link: &Link) -> Self {
        Self {
            kind: link.kind.clone(),
            title: link.title.clone(),
            url: link.url.clone(),
            reviewed_at: timestamp(link.reviewed_at),
        }
    }
}

impl From<&v1::Link> for Link {
    fn from(link: &v1::Link) -> Self {
        Self {
            kind: link.kind.clone(),
            title: link.title.clone(),
            url: link.url.clone(),
            reviewed_at: timestamp_from(link.reviewed_at.as_ref()),
        }
    }
}

impl From<&Actor> for v1::Actor {
    fn from(actor: &Actor) -> Self {
        Self { kind: v1::actor::Kind::from(actor.kind).into(), name: actor.name.clone() }
    }
}

/// Nobody outside can act as the engine: an actor that says so, or says nothing, is a person.
impl From<&v1::Actor> for Actor {
    fn from(actor: &v1::Actor) -> Self {
        let kind = match actor.kind() {
            v1::actor::Kind::Automation => ActorKind::Automation,
            v1::actor::Kind::Unspecified | v1::actor::Kind::Engine | v1::actor::Kind::Person => {
                ActorKind::Person
            }
        };
        Self { kind, name: actor.name.clone() }
    }
}

impl From<&ExternalRef> for v1::ExternalRef {
    fn from(external: &ExternalRef) -> Self {
        Self {
            system: external.system.clone(),
            id: external.id.clone(),
            url: external.url.clone(),
            state: external.state.clone(),
        }
    }
}

impl From<&v1::ExternalRef> for ExternalRef {
    fn from(external: &v1::ExternalRef) -> Self {
        Self {
            system: external.system.clone(),
            id: external.id.clone(),
            url: external.url.clone(),
            state: external.state.clone(),
        }
    }
}
