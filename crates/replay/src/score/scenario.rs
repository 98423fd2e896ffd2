//! Scenarios of alerts without telemetry: entities, how trouble spread between them, and which of
//! them began it. The schema is that of ITBench's incident scenarios.

mod run;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use run::run;

/// How many triples of scenarios are looked for, as a multiple of those wanted.
const TRIES: usize = 50;

/// A scenario of one fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// What took part.
    pub entities: Vec<Entity>,
    /// What was raised, in any order.
    pub alerts: Vec<ScenarioAlert>,
    /// From whom to whom trouble spread, by id.
    pub propagations: Vec<(String, String)>,
    /// Ids that stand for the same.
    pub aliases: Vec<Vec<String>>,
}

/// Something that took part in a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entity {
    /// Its id within the scenario.
    pub id: String,
    /// `Service`, `Pod`, `Deployment`, ...
    pub kind: String,
    /// Name of the service or workload that it is or belongs to.
    pub name: String,
    /// Its namespace; empty = not told.
    pub namespace: String,
    /// Whether the fault began with it.
    pub is_cause: bool,
}

/// An alert of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScenarioAlert {
    /// Of which entity, by id; empty = it names none.
    pub entity: String,
    /// Its `alertname`.
    pub alertname: String,
    /// What a person reads.
    pub description: String,
}

/// Kinds of entities that are services, or parts of one.
const OF_SERVICES: [&str; 8] = [
    "Service",
    "Pod",
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "Container",
    "ServiceOperation",
];

impl Scenario {
    pub(super) fn entity(&self, id: &str) -> Option<&Entity> {
        self.entities.iter().find(|entity| entity.id == id)
    }

    /// How far each entity is from those that the fault began with, along the way that it spread.
    fn distances(&self) -> BTreeMap<&str, usize> {
        let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (from, to) in &self.propagations {
            let _ = next.entry(from).or_default().insert(to);
        }
        for alias in &self.aliases {
            for one in alias {
                next.entry(one).or_default().extend(alias.iter().map(String::as_str));
            }
        }
        let causes = self.entities.iter().filter(|entity| entity.is_cause);
        let mut distances: BTreeMap<&str, usize> =
            causes.map(|entity| (entity.id.as_str(), 0)).collect();
        let mut open: VecDeque<&str> = distances.keys().copied().collect();
        while let Some(at) = open.pop_front() {
            let hops = distances.get(at).copied().unwrap_or_default() + 1;
            for to in next.get(at).into_iter().flatten() {
                if !distances.contains_key(to) {
                    let _ = distances.insert(to, hops);
                    open.push_back(to);
                }
            }
        }
        distances
    }

    /// Its alerts in the order in which trouble reached their entities.
    #[must_use]
    pub fn in_order(&self) -> Vec<&ScenarioAlert> {
        let distances = self.distances();
        let mut alerts: Vec<&ScenarioAlert> = self.alerts.iter().collect();
        alerts.sort_by_key(|alert| {
            distances.get(alert.entity.as_str()).copied().unwrap_or(usize::MAX)
        });
        alerts
    }

    /// Names that are right for the first cause: the entity that the fault began with, what stands
    /// for the same, and the alerting entities nearest to it on the way that it spread.
    #[must_use]
    pub fn right_causes(&self) -> BTreeSet<String> {
        let distances = self.distances();
        let mut ids: BTreeSet<&str> =
            self.entities.iter().filter(|e| e.is_cause).map(|e| e.id.as_str()).collect();
        for alias in &self.aliases {
            if alias.iter().any(|id| ids.contains(id.as_str())) {
                ids.extend(alias.iter().map(String::as_str));
            }
        }
        let reached = self.alerts.iter().filter_map(|alert| {
            Some((*distances.get(alert.entity.as_str())?, alert.entity.as_str()))
        });
        let reached: Vec<(usize, &str)> = reached.collect();
        let nearest = reached.iter().map(|(hops, _)| *hops).min();
        ids.extend(reached.iter().filter(|(hops, _)| Some(*hops) == nearest).map(|(_, id)| *id));
        ids.into_iter().filter_map(|id| self.entity(id)).map(|entity| entity.name.clone()).collect()
    }

    fn alerting(&self) -> BTreeSet<&str> {
        let entities = self.alerts.iter().filter_map(|alert| self.entity(&alert.entity));
        entities.map(|entity| entity.name.as_str()).collect()
    }

    /// Calls between services, by caller and callee: trouble spreads from the called to the
    /// caller, but to whom no longer receives anything it comes from the caller.
    fn calls(&self) -> impl Iterator<Item = (String, String)> {
        let service = |id: &str| {
            let entity = self.entity(id)?;
            OF_SERVICES.contains(&entity.kind.as_str()).then_some(entity)
        };
        let starves = |entity: &Entity| {
            let mut of_it = self.alerts.iter().filter(|alert| {
                self.entity(&alert.entity).is_some_and(|other| other.name == entity.name)
            });
            of_it.clone().next().is_some() && of_it.all(|alert| is_absence(&alert.alertname))
        };
        self.propagations.iter().filter_map(move |(from, to)| {
            let (from, to) = (service(from)?, service(to)?);
            let pair = if starves(to) { (from, to) } else { (to, from) };
            (from.name != to.name).then(|| (pair.0.name.clone(), pair.1.name.clone()))
        })
    }
}

/// By the naming of these scenarios: `NoRequestsReceived`.
fn is_absence(alertname: &str) -> bool {
    let rest = alertname.strip_prefix("No");
    rest.is_some_and(|rest| rest.starts_with(|letter: char| letter.is_uppercase()))
}

/// Calls between services over all scenarios; where they disagree on who calls, the more frequent
/// direction.
#[must_use]
pub fn graph(scenarios: &[Scenario]) -> Vec<(String, String)> {
    let mut counts: BTreeMap<(String, String), u32> = BTreeMap::new();
    for call in scenarios.iter().flat_map(Scenario::calls) {
        *counts.entry(call).or_default() += 1;
    }
    let back = |(caller, callee): &(String, String)| {
        counts.get(&(callee.clone(), caller.clone())).copied().unwrap_or_default()
    };
    let forward = counts.iter().filter(|(call, count)| **count >= back(call));
    forward.map(|(call, _)| call.clone()).collect()
}

/// Up to `most` triples of scenarios that share no alerting entity, by their places.
#[must_use]
pub fn triples(scenarios: &[Scenario], most: usize, seed: u64) -> Vec<[usize; 3]> {
    let alerting: Vec<BTreeSet<&str>> = scenarios.iter().map(Scenario::alerting).collect();
    let mut dice = Dice(seed);
    let mut found = BTreeSet::new();
    for _ in 0..most * TRIES {
        let mut places = [(); 3].map(|()| dice.below(scenarios.len()));
        places.sort_unstable();
        let [a, b, c] = places;
        let apart = |one: usize, other: usize| {
            one != other
                && alerting.get(one).zip(alerting.get(other)).is_some_and(|(a, b)| a.is_disjoint(b))
        };
        if found.len() < most && apart(a, b) && apart(b, c) && apart(a, c) {
            let _ = found.insert(places);
        }
    }
    found.into_iter().collect()
}

/// SplitMix64: the same seed gives the same order.
#[derive(Clone, Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^= value >> 31;
        usize::try_from(value % sides.max(1) as u64).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
