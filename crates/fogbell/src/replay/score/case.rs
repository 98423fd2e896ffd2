//! One case through a fresh engine.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use ::replay::score::{Telemetry, Told, rank_of, suspects};
use ::replay::{AFTERMATH, Happened, Replay};
use anyhow::bail;
use engine::Diagnosis;
use model::{Action, Cause, Incident, IncidentId, Outgoing, Status, Timestamp, Urgency};
use otlp::Signal;

use super::super::merge::Merge;
use super::super::parts::{Parts, Step};
use super::super::recording::{Position, Record, Recording};
use super::Scoring;
use super::heard::Heard;
use super::labels::Label;

/// What a case showed.
pub(super) struct Run {
    /// What changed from the injection to the end of the recording.
    pub(super) explained: Diagnosis,
    /// Each incident as it opened and as it stands.
    incidents: BTreeMap<IncidentId, (Timestamp, Arc<Incident>)>,
    /// When pages left.
    paged_at: Vec<Timestamp>,
}

impl Run {
    /// Replays the recording of a case.
    ///
    /// # Errors
    /// If it cannot be read, or holds nothing with a time.
    pub(super) fn of(label: &Label, scoring: &Scoring) -> anyhow::Result<Self> {
        let Scoring { observer, engine, heard, .. } = scoring;
        let mut replay: Option<Replay> = None;
        let mut run = Self {
            explained: Diagnosis::default(),
            incidents: BTreeMap::new(),
            paged_at: Vec::new(),
        };
        each(label, heard, |record| {
            let Some(at) = record.newest else { return };
            let replay = replay.get_or_insert_with(|| Replay::new(observer, engine.clone(), at));
            replay.advance(at);
            // A request that cannot be read costs itself, as it would the daemon.
            let _ = replay.offer(record.signal, &record.body);
            run.follow(replay);
        })?;
        let Some(mut replay) = replay else { bail!("the recording holds nothing with a time") };
        let end = replay.now();
        // What waits for more of its trace is counted, and what waits to open opens.
        replay.advance(end.after(AFTERMATH));
        run.follow(&mut replay);
        run.explained = replay.explain(label.truth.injected_at, end, None);
        Ok(run)
    }

    /// What incidents did about a fault of this moment, and the causes of the first one after it.
    pub(super) fn told(&self, injected_at: Timestamp) -> (Told, Vec<Cause>) {
        let is_fault = |at: Timestamp| at >= injected_at;
        let mut told = Told {
            false_pages: self.paged_at.iter().filter(|at| !is_fault(**at)).count() as u64,
            paged_after: self
                .paged_at
                .iter()
                .find(|at| is_fault(**at))
                .map(|at| at.since(injected_at)),
            ..Told::default()
        };
        let live = self.incidents.values().filter(|(_, i)| i.status != Status::Merged);
        let mut first: Option<&(Timestamp, Arc<Incident>)> = None;
        for entry in live {
            let (opened_at, incident) = entry;
            if is_fault(*opened_at) {
                told.opened += 1;
                first = first.filter(|first| first.0 <= *opened_at).or(Some(entry));
            }
            let of_fault = incident.members.iter().filter(|m| is_fault(m.first_at)).count() as u64;
            told.grouped.push(vec![of_fault]);
            told.of_none.push(incident.members.len() as u64 - of_fault);
        }
        told.faults_opened = u64::from(told.opened > 0);
        (told, first.map_or_else(Vec::new, |(_, incident)| incident.causes.clone()))
    }

    /// The causes of the incident after a moment that ranks one of these services highest; none if
    /// no incident names any.
    pub(super) fn causes_naming(&self, services: &[String], after: Timestamp) -> Vec<Cause> {
        let is_live = |i: &Incident| i.status != Status::Merged;
        let of_fault = self.incidents.values().filter(|(at, i)| *at >= after && is_live(i));
        let ranked = of_fault.filter_map(|(_, incident)| {
            Some((rank_of(services, &suspects(&incident.causes))?, incident))
        });
        let best = ranked.min_by_key(|(rank, _)| *rank);
        best.map_or_else(Vec::new, |(_, incident)| incident.causes.clone())
    }

    fn follow(&mut self, replay: &mut Replay) {
        let now = replay.now();
        for happened in replay.take_happened() {
            match happened {
                Happened::Revised(revision) => {
                    let incident = Arc::clone(&revision.incident);
                    match self.incidents.entry(incident.id) {
                        Entry::Vacant(vacant) => drop(vacant.insert((now, incident))),
                        Entry::Occupied(mut known) => known.get_mut().1 = incident,
                    }
                }
                Happened::Sent(outgoing) => {
                    if let Outgoing::Delivery(delivery) = &*outgoing
                        && delivery.urgency == Urgency::Page
                        && delivery.action == Action::Trigger
                    {
                        self.paged_at.push(now);
                    }
                }
            }
        }
    }
}

/// The telemetry of a case, summed up for the methods to compare with.
///
/// # Errors
/// If the recording cannot be read.
pub(super) fn telemetry(label: &Label, heard: &Heard) -> anyhow::Result<Telemetry> {
    let mut telemetry = Telemetry::new(label.truth.injected_at);
    each(label, heard, |record| {
        // What cannot be read was told by the replay.
        let _ = telemetry.take(record.signal, &record.body);
    })?;
    Ok(telemetry)
}

/// Each request of a case, as far as it is heard.
fn each(label: &Label, heard: &Heard, mut take: impl FnMut(&Record)) -> anyhow::Result<()> {
    let recording = Recording::open(label.recording()?, Signal::Traces, &Position::default())?;
    let mut parts = Parts::new(Merge::new(vec![recording]));
    while let Some(step) = parts.next()? {
        match step {
            Step::Record(record) => {
                if let Some(body) = heard.of(record.signal, record.body) {
                    take(&Record { body, ..record });
                }
            }
            Step::Broken(place, why) => crate::exit::note(&format!("{place}: {why}")),
            Step::Anew => bail!("the recording jumps by more than a week within the case"),
        }
    }
    Ok(())
}
