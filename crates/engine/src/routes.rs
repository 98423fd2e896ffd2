//! Who is told of which alert and which incident.

use std::collections::BTreeMap;

use dispatch::{DEFAULT_ROUTE, Route, Routes};
use model::{Fingerprint, Incident, IncidentId, Row, Status, Urgency};
use slo::judge::Policy;

use crate::Engine;
use crate::persist::{Table, delete, put};

/// Routes beside the alerts and incidents that they are of.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouteBook {
    /// Of alerts that fire, or did when they were last seen, by those of their rules that held.
    /// An alert without an entry is told over the default route.
    alerts: BTreeMap<Fingerprint, Routes>,
    /// What was triggered, as long as the incident is known.
    incidents: BTreeMap<IncidentId, Routes>,
}

/// The routes of policies that hold, each with what it asks for.
pub(crate) fn routes_of<'a>(policies: impl Iterator<Item = (&'a Policy, Urgency)>) -> Routes {
    let mut routes = Routes::default();
    for (policy, urgency) in policies {
        let tells_resolved = policy.tells_resolved;
        let names = policy.targets.iter().map(|target| target.name.as_str());
        let default = policy.targets.is_empty().then_some(DEFAULT_ROUTE);
        for name in names.chain(default) {
            routes.add(Route { name: name.to_owned(), urgency, tells_resolved });
        }
    }
    routes
}

impl Engine {
    /// Notes who is to be told of an alert that holds; what was told before stays, unless it has
    /// only just fired. Says whether anybody new is among them.
    pub(crate) fn tell(&mut self, fingerprint: Fingerprint, wanted: Routes, fired: bool) -> bool {
        let known = self.routes.alerts.get(&fingerprint);
        if known.is_none() && wanted.is_default() {
            return false;
        }
        let before = match known {
            _ if fired => Routes::default(),
            Some(known) => known.clone(),
            None => Routes::of_default(self.alert_urgency(fingerprint)),
        };
        let mut after = before.clone();
        after.extend(&wanted);
        if known == Some(&after) {
            return false;
        }
        let widens = after.exceeds(&before);
        self.persist(vec![put(Table::AlertRoutes.key_of(fingerprint.0), &after)]);
        let _ = self.routes.alerts.insert(fingerprint, after);
        widens
    }

    /// Whether an incident is to be told to somebody who was not told yet.
    pub(crate) fn widens(&self, incident: &Incident) -> bool {
        let known = self.routes.incidents.get(&incident.id);
        known.is_some_and(|known| self.routes_after(incident).exceeds(known))
    }

    /// Who was told of an incident before this revision of it, and who is told with it; with the
    /// row that a restart needs.
    pub(crate) fn route(&mut self, incident: &Incident) -> (Routes, Routes, Option<Row>) {
        let before = self.routes.incidents.get(&incident.id).cloned().unwrap_or_default();
        let after = self.routes_after(incident);
        if after == before {
            return (before, after, None);
        }
        let row = put(Table::IncidentRoutes.key_of(incident.id.number), &after);
        let _ = self.routes.incidents.insert(incident.id, after.clone());
        (before, after, Some(row))
    }

    /// Lets go of what belongs to alerts and incidents that are forgotten.
    pub(crate) fn forget_routes(&mut self, rows: &mut Vec<Row>) {
        let (alerts, book) = (&self.alerts, &self.book);
        self.routes.alerts.retain(|fingerprint, _| {
            let is_known = alerts.get(*fingerprint).is_some();
            if !is_known {
                rows.push(delete(Table::AlertRoutes.key_of(fingerprint.0)));
            }
            is_known
        });
        self.routes.incidents.retain(|id, _| {
            let is_known = book.get(*id).is_some();
            if !is_known {
                rows.push(delete(Table::IncidentRoutes.key_of(id.number)));
            }
            is_known
        });
    }

    pub(crate) fn restore_alert_routes(&mut self, fingerprint: u64, routes: Routes) {
        let _ = self.routes.alerts.insert(Fingerprint(fingerprint), routes);
    }

    pub(crate) fn restore_incident_routes(&mut self, number: u64, routes: Routes) {
        let id = IncidentId { epoch: self.options.epoch, number };
        let _ = self.routes.incidents.insert(id, routes);
    }

    /// Incidents that the store holds without routes were told over the default one.
    pub(crate) fn complete_routes(&mut self) {
        for incident in self.book.live() {
            let routes = self.routes.incidents.entry(incident.id);
            let _ = routes.or_insert_with(|| Routes::of_default(incident.urgency));
        }
    }

    /// While an incident flaps or sleeps nobody new is told of it, but once it does not any more.
    fn routes_after(&self, incident: &Incident) -> Routes {
        let known = self.routes.incidents.get(&incident.id);
        let is_held = incident.flapping || incident.status == Status::Snoozed;
        if let (true, Some(known)) = (is_held, known) {
            return known.clone();
        }
        let mut routes = known.cloned().unwrap_or_default();
        for member in &incident.members {
            match self.routes.alerts.get(&member.fingerprint) {
                Some(own) => routes.extend(own),
                None if self.alerts.get(member.fingerprint).is_none() => {}
                None => routes.extend(&Routes::of_default(self.alert_urgency(member.fingerprint))),
            }
        }
        // Of those that are not shown only what is their own adds anything: the default route is told.
        let hidden = self.crowd.firing(incident.id);
        for own in hidden.filter_map(|fingerprint| self.routes.alerts.get(&fingerprint)) {
            routes.extend(own);
        }
        if routes.is_empty() || routes.has_default_alone() {
            routes.extend(&Routes::of_default(incident.urgency));
        }
        routes
    }

    fn alert_urgency(&self, fingerprint: Fingerprint) -> Urgency {
        self.alerts.get(fingerprint).map_or(Urgency::Ticket, |alert| alert.urgency)
    }
}
