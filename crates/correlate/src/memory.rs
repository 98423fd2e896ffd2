//! How much room evidence takes.

use std::collections::BTreeMap;

use crate::correlator::Correlator;
use crate::ring::{Ring, Tally};
use crate::series::TimeSeries;

/// What the evidence of one operation of one service takes at most, with all that is told of it: its
/// counts and durations, its calls and the ways to its callees, its steps, what it logs, and its
/// share of the service's tags and gauges. A ring holds the last 20 minutes, some 30 to 60 bytes for
/// each series of durations and ten seconds in use.
pub const OPERATION_BYTES_MAX: usize = 10 * 1024;

impl Correlator {
    /// Bytes that the evidence of all services and operations takes, names and the votes of bad
    /// traces left out: those have limits of their own, whatever the number of operations.
    #[must_use]
    pub fn evidence_bytes(&self) -> usize {
        let facts = &self.facts;
        let timed = rings(&facts.gaps, TimeSeries::heap_bytes)
            + rings(&facts.own, TimeSeries::heap_bytes)
            + rings(&facts.peer_times, TimeSeries::heap_bytes)
            + rings(&facts.whole, TimeSeries::heap_bytes);
        let counted = rings(&facts.operations, |of| of.counts.heap_bytes() + of.times.heap_bytes())
            + rings(&facts.edges, |of| of.counts.heap_bytes() + of.times.heap_bytes());
        let habits = &self.habits;
        let done = tallies(&habits.runs) + tallies(&habits.steps) + tallies(&habits.lines);
        let logged = tallies(&self.records.templates) + tallies(&self.records.volumes);
        timed + counted + done + logged + tallies(&self.usages.gauges) + self.tags.heap_bytes()
    }

    /// How many operations of services are told apart.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.facts.operations.len()
    }
}

/// Entries of a map with what each has on the heap; a tree's nodes are two thirds full.
pub(crate) fn rings<K, V>(map: &BTreeMap<K, V>, heap: impl Fn(&V) -> usize) -> usize {
    let nodes = map.len() * (size_of::<K>() + size_of::<V>()) * 3 / 2;
    nodes + map.values().map(heap).sum::<usize>()
}

fn tallies<K, T: Tally>(map: &BTreeMap<K, Ring<T>>) -> usize {
    rings(map, Ring::heap_bytes)
}
