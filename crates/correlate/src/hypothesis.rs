//! Hypotheses: each suspect with the share of the bad traces that it explains.

use std::collections::BTreeMap;

use model::TraceId;

use crate::case::Case;
use crate::flow;
use crate::names::{PeerId, ServiceId, WordId};
use crate::series::TimeSeries;
use crate::votes::{Mode, Suspect, VOTE_TRACES_MAX};

/// This many bad traces make half of full confidence in what they say.
pub(crate) const HALF_TRACES: f64 = 3.0;
/// From this share of late or unanswered targets on, the caller is at fault and not they.
const MOST: f64 = 0.6;
/// A caller with fewer targets cannot be told from them.
const TARGETS_MIN: usize = 3;
/// A target is late beyond this many spreads and this many times the median.
const LATE_SPREADS: f64 = 3.0;
const LATE_RATIO: f64 = 1.5;
const LATE_SAMPLES_MIN: u32 = 3;
/// Share of calls without an answer from which on a target counts as not reached.
const UNREACHED: f64 = 0.2;
const CALLS_MIN: u64 = 5;

/// Part of the word of many traces, by one suspect, mode, speaker and operation.
#[derive(Clone, Debug)]
pub(crate) struct Ballot {
    pub(crate) suspect: Suspect,
    pub(crate) mode: Mode,
    pub(crate) by: ServiceId,
    pub(crate) operation: WordId,
    /// Share of all bad traces that it explains.
    pub(crate) share: f64,
    /// How many traces that is.
    pub(crate) mass: f64,
    pub(crate) trace_ids: Vec<TraceId>,
}

/// A suspect with all that speaks against it.
#[derive(Clone, Debug)]
pub(crate) struct Hypothesis {
    pub(crate) suspect: Suspect,
    pub(crate) ballots: Vec<Ballot>,
    /// Share of all bad traces that it explains.
    pub(crate) share: f64,
    /// How far as many traces can be trusted, 0..1.
    pub(crate) confidence: f64,
    /// Who calls the suspect, where no ballot says so.
    pub(crate) caller: Option<ServiceId>,
}

impl Hypothesis {
    /// One of which nothing is known but the name.
    pub(crate) fn bare(suspect: Suspect) -> Self {
        Self { suspect, ballots: Vec::new(), share: 0.0, confidence: 0.0, caller: None }
    }

    /// Called by a service, if no ballot says by whom.
    pub(crate) fn called_by(mut self, caller: Option<ServiceId>) -> Self {
        self.caller = caller;
        self
    }

    pub(crate) fn share_of(&self, modes: &[Mode]) -> f64 {
        let of_modes = self.ballots.iter().filter(|ballot| modes.contains(&ballot.mode));
        of_modes.map(|ballot| ballot.share).sum()
    }

    /// The speaker and operation with the largest share, of some modes.
    pub(crate) fn main(&self, modes: &[Mode]) -> Option<(ServiceId, WordId)> {
        let mut shares: BTreeMap<(ServiceId, WordId), f64> = BTreeMap::new();
        for ballot in self.ballots.iter().filter(|ballot| modes.contains(&ballot.mode)) {
            *shares.entry((ballot.by, ballot.operation)).or_default() += ballot.share;
        }
        largest(shares)
    }

    /// What is said in some of the modes alone.
    pub(crate) fn only(mut self, modes: &[Mode]) -> Self {
        self.ballots.retain(|ballot| modes.contains(&ballot.mode));
        self.share = self.share_of(modes).min(1.0);
        self
    }

    /// Who speaks most, and so the service of the cause where the suspect is a peer.
    pub(crate) fn service(&self) -> Option<ServiceId> {
        match self.suspect {
            Suspect::Service(id) => Some(id),
            Suspect::Peer(_) => {
                let mut shares: BTreeMap<ServiceId, f64> = BTreeMap::new();
                for ballot in &self.ballots {
                    *shares.entry(ballot.by).or_default() += ballot.share;
                }
                largest(shares).or(self.caller)
            }
        }
    }

    pub(crate) fn traces(&self, modes: &[Mode]) -> Vec<TraceId> {
        let mut ids = Vec::new();
        for ballot in self.ballots.iter().filter(|ballot| modes.contains(&ballot.mode)) {
            for id in &ballot.trace_ids {
                if ids.len() < VOTE_TRACES_MAX && !ids.contains(id) {
                    ids.push(*id);
                }
            }
        }
        ids
    }
}

/// The key of the largest value; the first of equal ones.
pub(crate) fn largest<K: Copy + Ord>(shares: BTreeMap<K, f64>) -> Option<K> {
    let mut best: Option<(K, f64)> = None;
    for (key, share) in shares {
        if best.is_none_or(|(_, most)| share > most) {
            best = Some((key, share));
        }
    }
    best.map(|(key, _)| key)
}

/// All suspects, from traces; from counters along the graph where traces say too little.
pub(crate) fn all(case: &Case<'_>) -> Vec<Hypothesis> {
    let (mut ballots, mut half) = (from_traces(case), HALF_TRACES);
    let mass: f64 = ballots.iter().map(|ballot| ballot.mass).sum();
    if mass < 1.0 {
        (ballots, half) = flow::ballots(case);
    }
    for ballot in &mut ballots {
        correct(case, ballot);
    }
    let mut grouped: BTreeMap<Suspect, Vec<Ballot>> = BTreeMap::new();
    for ballot in ballots {
        grouped.entry(ballot.suspect).or_default().push(ballot);
    }
    let hypothesis = |(suspect, ballots): (Suspect, Vec<Ballot>)| {
        let share = ballots.iter().map(|ballot| ballot.share).sum::<f64>().min(1.0);
        let mass: f64 = ballots.iter().map(|ballot| ballot.mass).sum();
        Hypothesis { suspect, ballots, share, confidence: mass / (mass + half), caller: None }
    };
    grouped.into_iter().map(hypothesis).collect()
}

/// The mean over the members of what their bad traces say, each weighted by its confidence.
fn from_traces(case: &Case<'_>) -> Vec<Ballot> {
    let mut weights = BTreeMap::new();
    for passed in case.told_by() {
        let total: f64 = case.poll.of_passed(passed).values().sum();
        if total > 0.0 {
            let _ = weights.insert(passed, (total, total / (total + HALF_TRACES)));
        }
    }
    let all: f64 = weights.values().map(|(_, weight)| weight).sum();
    let mut ballots: BTreeMap<(Suspect, Mode, ServiceId, WordId), Ballot> = BTreeMap::new();
    for (key, vote) in &case.poll.votes {
        let Some((total, weight)) = weights.get(&key.passed) else { continue };
        let ballot =
            ballots.entry((key.suspect, key.mode, key.by, key.operation)).or_insert_with(|| {
                Ballot {
                    suspect: key.suspect,
                    mode: key.mode,
                    by: key.by,
                    operation: key.operation,
                    share: 0.0,
                    mass: 0.0,
                    trace_ids: Vec::new(),
                }
            });
        ballot.share += vote.mass / total * weight / all;
        ballot.mass = ballot.mass.max(vote.mass);
        for id in &vote.trace_ids {
            if ballot.trace_ids.len() < VOTE_TRACES_MAX && !ballot.trace_ids.contains(id) {
                ballot.trace_ids.push(*id);
            }
        }
    }
    ballots.into_values().collect()
}

/// Blames the caller where most of what it calls is late, or out of reach.
fn correct(case: &Case<'_>, ballot: &mut Ballot) {
    let is_own = ballot.suspect == Suspect::Service(ballot.by);
    let at_caller = match ballot.mode {
        Mode::Gap => !is_own && mostly_late(case, ballot.by),
        Mode::Slow => !is_own && mostly_late(case, ballot.by),
        Mode::Unanswered => !is_own && mostly_unreached(case, ballot.by),
        Mode::Error | Mode::Throttled => false,
    };
    if at_caller {
        ballot.suspect = Suspect::Service(ballot.by);
        ballot.mode = Mode::Gap;
    }
}

fn mostly_late(case: &Case<'_>, caller: ServiceId) -> bool {
    let facts = &case.correlator.facts;
    let mut targets: BTreeMap<Suspect, bool> = BTreeMap::new();
    let mut add = |target: Suspect, series: &TimeSeries| {
        let times = series.sum(case.from, case.until);
        let norm = series.norm(case.from.min(case.correlator.normal_before()));
        let Some((mean, norm)) = times.mean_ms().zip(norm) else { return };
        if times.count >= LATE_SAMPLES_MIN {
            let late = mean > norm.median_ms + LATE_SPREADS * norm.spread_ms
                && mean > norm.median_ms * LATE_RATIO;
            *targets.entry(target).or_default() |= late;
        }
    };
    let gaps = facts.gaps.range((caller, ServiceId(0))..=(caller, ServiceId(u32::MAX)));
    gaps.for_each(|((_, callee), series)| add(Suspect::Service(*callee), series));
    let peers = (caller, PeerId(0), WordId(0))..=(caller, PeerId(u32::MAX), WordId(u32::MAX));
    for ((_, peer, _), series) in facts.peer_times.range(peers) {
        if facts.service_behind(*peer).is_none() {
            add(Suspect::Peer(*peer), series);
        }
    }
    is_most(targets.values().copied())
}

fn mostly_unreached(case: &Case<'_>, caller: ServiceId) -> bool {
    let counts = case.correlator.facts.edges_of(caller).map(|(_, edge)| {
        let sum = edge.counts.sum(case.from, case.until);
        (sum.calls, sum.unanswered as f64 >= UNREACHED * sum.calls as f64)
    });
    is_most(counts.filter(|(calls, _)| *calls >= CALLS_MIN).map(|(_, unreached)| unreached))
}

fn is_most(targets: impl Iterator<Item = bool>) -> bool {
    let targets: Vec<bool> = targets.collect();
    let hit = targets.iter().filter(|hit| **hit).count();
    targets.len() >= TARGETS_MIN && hit as f64 >= MOST * targets.len() as f64
}
