//! All series of a tenant, and the definitions that make new ones.

use std::ops::Range;
use std::sync::Arc;

use ahash::{HashMap, RandomState};
use model::{AutomaticSli, AutomaticSource, Fingerprint, SeriesKey, Service, Timestamp};
use slo::judge::{AlertRule, JudgeOptions};
use slo::window::{Calendar, SeriesWindows, WindowPlan};

use super::{SKEW, Series, Slo, is_overflow};
use crate::judging::matching_labels;
use crate::maintenance::MaintenanceBook;
use crate::{EngineOptions, SloOptions};

/// All series. A series is known by its key, whatever source its events come from.
#[derive(Debug)]
pub(crate) struct SeriesTable {
    all: Vec<Series>,
    by_key: HashMap<SeriesKey, u32>,
    by_worker: HashMap<(u32, u32), (Arc<SeriesKey>, u32)>,
    by_ordinal: HashMap<u32, u32>,
    by_alert: HashMap<Fingerprint, u32>,
    /// Made since the last call of [`SeriesTable::take_born`].
    born: Vec<(u32, SeriesKey)>,
    composites: Vec<u32>,
    next_ordinal: u32,
    templates: Templates,
    series_max: usize,
    /// How many groups each declared SLO has, the one of all others aside.
    groups: HashMap<Arc<str>, usize>,
    groups_max: usize,
    refused: u64,
    pub(crate) maintenance: MaintenanceBook,
}

#[derive(Debug)]
struct Templates {
    declared: HashMap<Arc<str>, Arc<Slo>>,
    /// The same in the order in which they were declared.
    in_order: Vec<Arc<Slo>>,
    automatic: Option<Automatic>,
    /// Declared SLOs that alert when their source is silent, in their order.
    watched: Vec<Arc<Slo>>,
}

/// What all automatic SLOs share.
#[derive(Debug)]
struct Automatic {
    availability: (Arc<JudgeOptions>, Arc<WindowPlan>),
    latency: (Arc<JudgeOptions>, Arc<WindowPlan>),
}

impl SeriesTable {
    pub(crate) fn new(options: &EngineOptions, hasher: &RandomState) -> Self {
        let mut table = Self {
            all: Vec::new(),
            by_key: HashMap::with_hasher(hasher.clone()),
            by_worker: HashMap::with_hasher(hasher.clone()),
            by_ordinal: HashMap::with_hasher(hasher.clone()),
            by_alert: HashMap::with_hasher(hasher.clone()),
            born: Vec::new(),
            composites: Vec::new(),
            next_ordinal: 0,
            templates: Templates::new(options, hasher),
            series_max: options.series_max,
            groups: HashMap::with_hasher(hasher.clone()),
            groups_max: options.groups_max,
            refused: 0,
            maintenance: MaintenanceBook::default(),
        };
        table.maintenance.declare(&options.maintenance);
        table.declare(options);
        table
    }

    /// Declared SLOs without groups are there from the start: one that no event matches must show
    /// as one without data.
    fn declare(&mut self, options: &EngineOptions) {
        for slo in options.slos.iter().filter(|slo| slo.group_by.is_empty()) {
            let _ = self.index_of(&ungrouped(&slo.name));
        }
        self.link();
    }

    /// Notes where the parts of composites are.
    pub(crate) fn link(&mut self) {
        self.composites.clear();
        for index in 0..self.all.len() {
            let Some(series) = self.all.get(index).filter(|s| s.slo.composition.is_some()) else {
                continue;
            };
            let slo = Arc::clone(&series.slo);
            let found = slo.part_names.iter().filter_map(|part| self.by_key.get(&ungrouped(part)));
            let parts = found.copied().collect();
            if let (Some(series), Ok(index)) = (self.all.get_mut(index), u32::try_from(index)) {
                series.parts = parts;
                self.composites.push(index);
            }
        }
    }

    /// The composites, which are judged after their parts.
    pub(crate) fn composites(&self) -> &[u32] {
        &self.composites
    }

    /// The index of a series that a worker names; makes it if it is new. `None` if nobody judges
    /// it, or the table is full.
    pub(crate) fn resolve(&mut self, worker: u32, id: u32, key: &Arc<SeriesKey>) -> Option<u32> {
        if let Some((known, index)) = self.by_worker.get(&(worker, id))
            && Arc::ptr_eq(known, key)
        {
            return Some(*index);
        }
        let index = self.index_of(key)?;
        let _ = self.by_worker.insert((worker, id), (Arc::clone(key), index));
        Some(index)
    }

    /// The index of a series by its key; makes it if it is new. Groups that there is no room for
    /// count as one, [`Service::OVERFLOW`], of which each SLO has its own: totals stay exact.
    pub(crate) fn index_of(&mut self, key: &SeriesKey) -> Option<u32> {
        let key = identity(key);
        if let Some(index) = self.by_key.get(&key) {
            return Some(*index);
        }
        let has_room = self.all.len() < self.series_max && self.has_room_for_group(&key);
        let key = if has_room { key } else { self.overflow_of(&key)? };
        if let Some(index) = self.by_key.get(&key) {
            return Some(*index);
        }
        let slo = self.templates.slo_of(&key)?;
        let ordinal = self.next_ordinal;
        self.born.push((ordinal, key.clone()));
        self.insert(Series::new(ordinal, key, slo))
    }

    fn has_room_for_group(&self, key: &SeriesKey) -> bool {
        let SeriesKey::Declared { slo, group } = key else { return true };
        let known = self.groups.get(slo).copied().unwrap_or_default();
        group.is_empty() || is_overflow(group) || known < self.groups_max
    }

    /// Where events of a group go that there is no room for. Events of a service that there is no
    /// room for go nowhere, and are counted.
    fn overflow_of(&mut self, key: &SeriesKey) -> Option<SeriesKey> {
        match key {
            SeriesKey::Declared { slo, group } if !group.is_empty() => Some(all_others(slo, group)),
            SeriesKey::Declared { .. } | SeriesKey::Automatic { .. } => {
                self.refused += 1;
                None
            }
        }
    }

    /// Puts a series back as the store holds it. `None` if nobody judges it any more.
    pub(crate) fn restore(&mut self, ordinal: u32, key: SeriesKey) -> Option<&mut Series> {
        self.next_ordinal = self.next_ordinal.max(ordinal.checked_add(1)?);
        let slo = self.templates.slo_of(&key)?;
        let series = Series::new(ordinal, key, slo);
        if let Some(index) = self.by_key.get(&*series.key).copied() {
            // Declared before the store was read: the store's number is the one that counts.
            self.born.retain(|(_, born)| *born != *series.key);
            let _ = self.by_ordinal.insert(ordinal, index);
            let declared = self.get_mut(index)?;
            *declared = series;
            return Some(declared);
        }
        let index = self.insert(series)?;
        self.get_mut(index)
    }

    fn insert(&mut self, mut series: Series) -> Option<u32> {
        let times = self.maintenance.times_of(&series.slo, series.service.as_deref());
        // It may hold events already, if its SLO was defined anew.
        let _ = series.exclude(&times, Timestamp::ZERO);
        let index = u32::try_from(self.all.len()).ok()?;
        self.next_ordinal = self.next_ordinal.max(series.ordinal.checked_add(1)?);
        if let SeriesKey::Declared { slo, group } = &*series.key
            && !group.is_empty()
            && !is_overflow(group)
        {
            *self.groups.entry(Arc::clone(slo)).or_default() += 1;
        }
        self.enter(&series, index);
        self.all.push(series);
        Some(index)
    }

    /// Lets a series be found at its place.
    fn enter(&mut self, series: &Series, index: u32) {
        let _ = self.by_key.insert(SeriesKey::clone(&series.key), index);
        let _ = self.by_ordinal.insert(series.ordinal, index);
        for alert in [series.page, series.ticket] {
            let _ = self.by_alert.insert(alert, index);
        }
    }

    /// Gives the place of a group to another of the same SLO. Gives back the series that was there,
    /// and the index of that of all others. `None` if there is no such place.
    pub(crate) fn replace(
        &mut self,
        index: u32,
        key: SeriesKey,
        now: Timestamp,
    ) -> Option<(Series, u32)> {
        let SeriesKey::Declared { slo, group } = &key else { return None };
        let rest = self.index_of(&all_others(slo, group))?;
        let before = self.swap(index, key, now)?;
        // What workers' numbers stood for may stand elsewhere now.
        self.by_worker.retain(|_, (_, known)| *known != index && *known != rest);
        Some((before, rest))
    }

    /// Puts a fresh series in the place of another, and gives that back.
    fn swap(&mut self, index: u32, key: SeriesKey, now: Timestamp) -> Option<Series> {
        let slo = self.templates.slo_of(&key)?;
        let ordinal = self.next_ordinal;
        let mut series = Series { named_at: now, ..Series::new(ordinal, key, slo) };
        let times = self.maintenance.times_of(&series.slo, None);
        let _ = series.exclude(&times, Timestamp::ZERO);
        let _ = self.get(index)?;
        self.next_ordinal = ordinal.checked_add(1)?;
        self.born.push((ordinal, SeriesKey::clone(&series.key)));
        self.enter(&series, index);
        let before = std::mem::replace(self.get_mut(index)?, series);
        let _ = self.by_key.remove(&*before.key);
        let _ = self.by_ordinal.remove(&before.ordinal);
        for alert in [before.page, before.ticket] {
            let _ = self.by_alert.remove(&alert);
        }
        Some(before)
    }

    /// Never lends a number of the store again.
    pub(crate) fn pass_over(&mut self, ordinal: u32) {
        self.next_ordinal = self.next_ordinal.max(ordinal.saturating_add(1));
    }

    /// The series that the store knows by this number.
    pub(crate) fn of_ordinal(&mut self, ordinal: u32) -> Option<&mut Series> {
        let index = self.index_of_ordinal(ordinal)?;
        self.get_mut(index)
    }

    pub(crate) fn index_of_ordinal(&self, ordinal: u32) -> Option<u32> {
        self.by_ordinal.get(&ordinal).copied()
    }

    /// The series whose alert it is.
    pub(crate) fn of_alert(&self, alert: Fingerprint) -> Option<&Series> {
        self.by_alert.get(&alert).and_then(|index| self.get(*index))
    }

    /// Series that were made since the last call.
    pub(crate) fn take_born(&mut self) -> Vec<(u32, SeriesKey)> {
        std::mem::take(&mut self.born)
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Series> {
        self.all.get(index as usize)
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut Series> {
        self.all.get_mut(index as usize)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Series> {
        self.all.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Series> {
        self.all.iter_mut()
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Declared SLOs that alert when their source is silent.
    pub(crate) fn watched(&self) -> Vec<Arc<Slo>> {
        self.templates.watched.clone()
    }

    /// All declared SLOs, in their order.
    pub(crate) fn declared(&self) -> impl Iterator<Item = &Arc<Slo>> {
        self.templates.in_order.iter()
    }

    /// The series of an SLO without groups.
    pub(crate) fn ungrouped(&self, slo: &Slo) -> Option<&Series> {
        self.by_key.get(&ungrouped(&slo.name)).and_then(|index| self.get(*index))
    }

    /// Whether an event ever gave an SLO a group.
    pub(crate) fn has_groups(&self, slo: &Slo) -> bool {
        self.groups.contains_key(&slo.name)
    }

    /// These series.
    pub(crate) fn block_mut(&mut self, indices: Range<usize>) -> &mut [Series] {
        let end = indices.end.min(self.all.len());
        self.all.get_mut(indices.start..end).unwrap_or_default()
    }

    /// Reads early what judging these series will read.
    pub(crate) fn warm(&self, indices: Range<usize>, now: Timestamp) {
        let end = indices.end.min(self.all.len());
        let series = self.all.get(indices.start..end).unwrap_or_default().iter();
        SeriesWindows::warm(series.map(Series::judged), now);
    }

    /// How many series were not taken since the table is full.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// Takes new definitions: series of SLOs that are gone leave, the others keep what they
    /// counted. Indices change; ordinals do not.
    pub(crate) fn redefine(&mut self, options: &EngineOptions, hasher: &RandomState) {
        self.templates = Templates::new(options, hasher);
        self.series_max = options.series_max;
        self.groups_max = options.groups_max;
        self.maintenance.declare(&options.maintenance);
        self.groups.clear();
        let old = std::mem::take(&mut self.all);
        self.by_key.clear();
        self.by_worker.clear();
        self.by_ordinal.clear();
        self.by_alert.clear();
        for mut series in old {
            let Some(slo) = self.templates.slo_of(&series.key) else { continue };
            series.windows = series.windows.with_plan(Arc::clone(&slo.plan));
            series.slo = slo;
            series.reslice();
            series.touched = true;
            let _ = self.insert(series);
        }
        self.declare(options);
    }
}

impl Templates {
    fn new(options: &EngineOptions, hasher: &RandomState) -> Self {
        let defaults: Vec<AlertRule> = options.rules.iter().map(AlertRule::from).collect();
        let judging = |objective, window, calendar: Option<&Calendar>, rules: &[AlertRule]| {
            let rules = rules.iter().filter(|rule| rule.fits(window));
            let judging = JudgeOptions::new(objective, window, rules)
                .with_bad_events_min(options.bad_events_min);
            let plan = WindowPlan::new(judging.windows(), SKEW);
            let plan = plan.with_calendar(window, calendar.cloned());
            (Arc::new(judging), Arc::new(plan))
        };
        let mut declared = HashMap::with_hasher(hasher.clone());
        let (mut in_order, mut watched) = (Vec::new(), Vec::new());
        for slo in &options.slos {
            // A part is judged over the windows of its composite.
            let whole = slo.part_of.as_ref();
            let whole = whole.and_then(|name| options.slos.iter().find(|slo| slo.name == *name));
            let rules = whole.unwrap_or(slo).rules.as_ref().unwrap_or(&defaults);
            let judged = judging(slo.objective, slo.window, slo.calendar.as_ref(), rules);
            let slo = Arc::new(declared_slo(slo, judged));
            if !slo.no_data.is_empty() {
                watched.push(Arc::clone(&slo));
            }
            in_order.push(Arc::clone(&slo));
            let _ = declared.insert(Arc::clone(&slo.name), slo);
        }
        let automatic = options.automatic.map(|automatic| Automatic {
            availability: judging(automatic.availability, automatic.window, None, &defaults),
            latency: judging(automatic.latency, automatic.window, None, &defaults),
        });
        Self { declared, in_order, automatic, watched }
    }

    fn slo_of(&self, key: &SeriesKey) -> Option<Arc<Slo>> {
        match key {
            SeriesKey::Declared { slo, .. } => self.declared.get(slo).cloned(),
            SeriesKey::Automatic { service, sli, .. } => {
                let automatic = self.automatic.as_ref()?;
                let (judging, plan) = match sli {
                    AutomaticSli::Availability => &automatic.availability,
                    AutomaticSli::Latency => &automatic.latency,
                };
                Some(Arc::new(Slo {
                    name: format!("{service}:{}", sli.as_str()).into(),
                    service_name: service.to_string().into(),
                    service_first: Arc::clone(service),
                    signal: None,
                    judging: Arc::clone(judging),
                    plan: Arc::clone(plan),
                    slicing: None,
                    composition: None,
                    part_names: Vec::new(),
                    whole: None,
                    group_by: Vec::new(),
                    runbook: None,
                    automatic: Some(*sli),
                    no_data: Vec::new(),
                    mismatch: Fingerprint::default(),
                }))
            }
        }
    }
}

fn declared_slo(
    options: &SloOptions,
    (judging, plan): (Arc<JudgeOptions>, Arc<WindowPlan>),
) -> Slo {
    let parts = options.composite.iter().flat_map(|composite| &composite.parts);
    let slo = Slo {
        name: Arc::clone(&options.name),
        service_name: Arc::clone(&options.service),
        service_first: Arc::new(Service::named(&options.service)),
        signal: options.signal,
        judging,
        plan,
        slicing: options.slicing,
        composition: options.composite.as_ref().map(|composite| composite.composition.clone()),
        part_names: parts.map(|name| name.as_str().into()).collect(),
        whole: options.part_of.clone(),
        group_by: options.group_by.clone(),
        runbook: options.runbook.clone(),
        automatic: None,
        no_data: options.no_data.clone(),
        mismatch: Fingerprint::default(),
    };
    Slo { mismatch: Fingerprint::of(&matching_labels(&slo)), ..slo }
}

fn ungrouped(slo: &Arc<str>) -> SeriesKey {
    SeriesKey::Declared { slo: Arc::clone(slo), group: Vec::new() }
}

/// The key of all groups together that there is no room for.
fn all_others(slo: &Arc<str>, group: &[Arc<str>]) -> SeriesKey {
    let group = group.iter().map(|_| Arc::from(Service::OVERFLOW)).collect();
    SeriesKey::Declared { slo: Arc::clone(slo), group }
}

/// A series' key without its source: events of either source count in the same windows.
fn identity(key: &SeriesKey) -> SeriesKey {
    match key {
        SeriesKey::Automatic { service, sli, .. } => SeriesKey::Automatic {
            service: Arc::clone(service),
            sli: *sli,
            source: AutomaticSource::Spans,
        },
        SeriesKey::Declared { .. } => key.clone(),
    }
}
