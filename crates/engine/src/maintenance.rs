//! Maintenance: time that counts toward no budget, announced or told afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Change, Maintenance, Row, Service, Timestamp};
use slo::window::{Exclusions, WINDOW_MAX};

use crate::Engine;
use crate::persist::{Table, put};
use crate::series::{Series, Slo};

/// Maintenance that people told of, besides what is declared; beyond that the one that ended first
/// is forgotten.
pub const MAINTENANCE_MAX: usize = 1000;
/// The kind of change that it is.
const CHANGE_KIND: &str = "maintenance";

/// What is announced or was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct MaintenanceBook {
    declared: Vec<Arc<Maintenance>>,
    told: BTreeMap<String, Arc<Maintenance>>,
    is_dirty: bool,
    /// Begun stretches that were told of as changes.
    begun: BTreeSet<(String, Timestamp)>,
}

/// One of them, as it is looked at.
#[derive(Clone, Debug)]
pub struct MaintenanceStatus {
    /// What was said.
    pub maintenance: Arc<Maintenance>,
    /// Whether it stands in the configuration, and not told of by somebody.
    pub declared: bool,
    /// Whether it lasts.
    pub active: bool,
}

impl MaintenanceBook {
    pub(crate) fn declare(&mut self, declared: &[Maintenance]) {
        self.declared = declared.iter().cloned().map(Arc::new).collect();
    }

    fn iter(&self) -> impl Iterator<Item = (&Arc<Maintenance>, bool)> {
        let declared = self.declared.iter().map(|maintenance| (maintenance, true));
        declared.chain(self.told.values().map(|maintenance| (maintenance, false)))
    }

    /// The times that count not for an SLO.
    pub(crate) fn times_of(&self, slo: &Slo, service: Option<&Service>) -> Exclusions {
        let of_slo = self.iter().filter(|(maintenance, _)| concerns(maintenance, slo, service));
        Exclusions::new(of_slo.flat_map(|(maintenance, _)| maintenance.stretches.iter().copied()))
    }

    /// Whether one lasts for a service, whatever its SLO; `None` stands for one that nobody knows.
    fn holds_for(&self, service: Option<&Service>, at: Timestamp) -> bool {
        let named = |maintenance: &Maintenance| {
            let is_it = |service: &Service| {
                maintenance.services.iter().any(|name| is_called(name, service))
            };
            maintenance.services.is_empty() || service.is_some_and(is_it)
        };
        self.iter().any(|(m, _)| m.slos.is_empty() && m.holds(at) && named(m))
    }

    /// Takes one in, in place of the one of its name, or lets it go.
    fn set(&mut self, name: String, maintenance: Option<Maintenance>) {
        self.is_dirty = true;
        match maintenance {
            Some(maintenance) => drop(self.told.insert(name, Arc::new(maintenance))),
            None => drop(self.told.remove(&name)),
        }
    }

    /// Forgets what no window reaches back to, and what there is no room for.
    fn prune(&mut self, now: Timestamp) {
        let horizon = now.before(WINDOW_MAX);
        let ends = |maintenance: &Maintenance| {
            maintenance.stretches.last().map_or(Timestamp::ZERO, |(_, until)| *until)
        };
        self.told.retain(|_, maintenance| ends(maintenance) > horizon);
        while self.told.len() > MAINTENANCE_MAX {
            let first = self.told.iter().min_by_key(|(_, maintenance)| ends(maintenance));
            let Some(name) = first.map(|(name, _)| name.clone()) else { break };
            let _ = self.told.remove(&name);
        }
        self.begun.retain(|(_, from)| *from > horizon);
    }
}

impl Engine {
    /// Takes maintenance that somebody tells of; `None` takes the one of the name back. Budgets are
    /// as if it had always been known, as far as panes are held.
    pub(crate) fn maintain(&mut self, name: String, maintenance: Option<Maintenance>) {
        let book = &mut self.series.maintenance;
        let before = book.told.get(&name).cloned();
        let after = maintenance.clone();
        book.set(name, maintenance);
        book.prune(self.now);
        self.exclude_where(|series| {
            let (slo, service) = (&series.slo, series.service.as_deref());
            before.as_ref().is_some_and(|before| concerns(before, slo, service))
                || after.as_ref().is_some_and(|after| concerns(after, slo, service))
        });
        self.note_maintenance();
    }

    /// Leaves out of all sums what is to be left out.
    pub(crate) fn exclude_all(&mut self) {
        self.exclude_where(|_| true);
    }

    fn exclude_where(&mut self, is_meant: impl Fn(&Series) -> bool) {
        let book = self.series.maintenance.clone();
        for series in self.series.iter_mut().filter(|series| is_meant(series)) {
            let times = book.times_of(&series.slo, series.service.as_deref());
            if series.exclude(&times, self.now) {
                self.unwritten.note(series, self.log_seq);
            }
        }
    }

    /// What begins is a change, and may be behind a fault.
    pub(crate) fn note_maintenance(&mut self) {
        let now = self.now;
        let book = &mut self.series.maintenance;
        let lasting: Vec<_> =
            book.iter().map(|(m, _)| m).filter(|m| m.holds(now)).cloned().collect();
        for maintenance in lasting {
            let Some((from, until)) = maintenance.next(now) else { continue };
            let key = (maintenance.name.clone(), from);
            if !self.series.maintenance.begun.insert(key) {
                continue;
            }
            for service in &maintenance.services {
                self.correlator.change(Change {
                    id: format!("maintenance:{}:{service}:{}", maintenance.name, from.unix_s()),
                    kind: CHANGE_KIND.to_owned(),
                    service: service.clone(),
                    summary: format!("{}, until {until}", maintenance.summary()),
                    at: from,
                    url: String::new(),
                    source: maintenance.author.clone(),
                });
            }
        }
    }

    /// Whether work on a service goes on, so that alerts of others about it are to wait.
    pub(crate) fn is_maintained(&self, service: Option<&Service>) -> bool {
        self.series.maintenance.holds_for(service, self.now)
    }

    pub(crate) fn maintenance_status(&self) -> Vec<MaintenanceStatus> {
        let status = |(maintenance, declared): (&Arc<Maintenance>, bool)| MaintenanceStatus {
            active: maintenance.holds(self.now),
            maintenance: Arc::clone(maintenance),
            declared,
        };
        self.series.maintenance.iter().map(status).collect()
    }

    /// All that was told, if some of it is new.
    pub(crate) fn write_maintenance(&mut self, rows: &mut Vec<Row>) {
        let book = &mut self.series.maintenance;
        if std::mem::take(&mut book.is_dirty) {
            let told: Vec<&Maintenance> = book.told.values().map(Arc::as_ref).collect();
            rows.push(put(Table::Maintenance.key(), &told));
        }
    }

    pub(crate) fn restore_maintenance(&mut self, told: Vec<Maintenance>) {
        let named = told.into_iter().map(|m| (m.name.clone(), Arc::new(m)));
        self.series.maintenance.told = named.collect();
        self.series.maintenance.prune(self.now);
    }
}

impl Series {
    /// Leaves times out of all sums. Returns whether one may have changed.
    pub(crate) fn exclude(&mut self, times: &Exclusions, now: Timestamp) -> bool {
        self.windows.advance(now);
        let mut has_changed = self.windows.exclude(times);
        if let Some(slices) = &mut self.slices {
            has_changed |= slices.exclude(times);
        }
        self.touched |= has_changed;
        has_changed
    }

    /// Whether a moment counts toward no budget.
    pub(crate) fn is_excluded(&self, at: Timestamp) -> bool {
        self.windows.exclusions().is_some_and(|times| times.at(at).is_some())
    }
}

/// Whether the events of an SLO, or of a part of it, are meant.
fn concerns(maintenance: &Maintenance, slo: &Slo, service: Option<&Service>) -> bool {
    let Maintenance { services, slos, .. } = maintenance;
    let of_service = |name: &String| match service {
        Some(service) => is_called(name, service),
        None => **name == *slo.service_name,
    };
    let of_slo = |name: &String| {
        **name == *slo.name || slo.whole.as_ref().is_some_and(|whole| **name == **whole)
    };
    (services.is_empty() || services.iter().any(of_service))
        && (slos.is_empty() || slos.iter().any(of_slo))
}

fn is_called(name: &str, service: &Service) -> bool {
    let is_pair = |(namespace, name)| service.namespace == namespace && service.name == name;
    service.name == name || name.split_once('/').is_some_and(is_pair)
}
