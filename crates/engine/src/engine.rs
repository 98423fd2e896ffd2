use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;
use alert::AlertBook;
use correlate::Correlator;
use correlate::book::IncidentBook;
use enrich::TraceIndex;
use model::{Fingerprint, Incident, IncidentId, PaneDelta, Revision, Row, Service, Timestamp};
use slo::judge::WindowFigures;
use slo::stream::{StreamOptions, Streams};

use crate::command::carry_out;
use crate::crowd::Crowd;
use crate::hitters::Hitters;
use crate::homes::Homes;
use crate::opening::Openings;
use crate::pairings::Pairings;
use crate::persist::{LogEntry, incident_row, next_number_row};
use crate::raised::Raised;
use crate::refresh::Refresh;
use crate::requests::Requests;
use crate::routes::RouteBook;
use crate::series::SeriesTable;
use crate::services::{Overflow, ServiceState};
use crate::unwritten::Unwritten;
use crate::{Command, Dropped, Effect, EngineOptions, Input};

/// Alerts held per tenant.
pub(crate) const ALERTS_MAX: u32 = 100_000;
/// Streams of cumulative points held per tenant.
const STREAMS_MAX: usize = 500_000;
/// How far behind its time a cumulative stream's first point may lie and still count in full.
const LATENESS: Duration = Duration::from_secs(120);
/// Every series is judged at least this often, since windows move on without events, too.
pub(crate) const JUDGE_ALL_EVERY: Duration = Duration::from_secs(5);

/// The control plane of one tenant: a deterministic state machine from pane deltas, commands and
/// the passing of time to effects.
///
/// Invariants: it never waits, reads no clock and touches no IO; its time never steps back; the
/// same inputs with the same times and seed give the same effects, byte for byte; no input makes it
/// fail.
#[derive(Debug)]
pub struct Engine {
    pub(crate) options: EngineOptions,
    pub(crate) hasher: RandomState,
    pub(crate) now: Timestamp,
    /// When this engine was made: before that it could hear nobody.
    pub(crate) listens_since: Timestamp,
    /// When its SLOs were defined as they are.
    pub(crate) defined_at: Timestamp,
    pub(crate) series: SeriesTable,
    pub(crate) hitters: Hitters,
    pub(crate) services: BTreeMap<Arc<Service>, ServiceState>,
    /// Any telemetry at all: for SLOs whose service sends none under that name.
    pub(crate) anything: ServiceState,
    pub(crate) overflow: Overflow,
    pub(crate) streams: Streams,
    pub(crate) pairings: Pairings,
    pub(crate) alerts: AlertBook,
    pub(crate) raised: Raised,
    pub(crate) routes: RouteBook,
    pub(crate) correlator: Correlator,
    pub(crate) traces: TraceIndex,
    pub(crate) book: IncidentBook,
    pub(crate) openings: Openings,
    pub(crate) homes: Homes,
    pub(crate) crowd: Crowd,
    pub(crate) refresh: BTreeMap<IncidentId, Refresh>,
    /// Incidents a member of which changed in this turn.
    pub(crate) stirred: BTreeSet<IncidentId>,
    /// Alerts that join an incident in this turn, in the order in which they came, and why.
    pub(crate) joining: BTreeMap<IncidentId, Vec<(Fingerprint, String)>>,
    pub(crate) requests: Requests,
    pub(crate) log: LogEntry,
    pub(crate) log_seq: u64,
    pub(crate) log_oldest: u64,
    pub(crate) unwritten: Unwritten,
    pub(crate) judged_all_at: Timestamp,
    /// Room for the figures of a judgement, which no series holds.
    pub(crate) figures: Vec<WindowFigures>,
    pub(crate) slow_rows_at: Timestamp,
    pub(crate) correlator_row_at: Timestamp,
    /// Somebody told of a change since they were written down.
    pub(crate) changes_are_dirty: bool,
    pub(crate) dropped: Dropped,
    pub(crate) next_recall: u64,
    effects: VecDeque<Effect>,
}

impl Engine {
    /// A fresh engine that begins to listen at `now`.
    #[must_use]
    pub fn new(options: EngineOptions, now: Timestamp) -> Self {
        let hasher = hasher(options.seed);
        Self {
            series: SeriesTable::new(&options, &hasher),
            hitters: Hitters::default(),
            services: BTreeMap::new(),
            anything: ServiceState::new(),
            overflow: Overflow::new(),
            streams: Streams::new(stream_options(now), seeds(options.seed)),
            pairings: Pairings::default(),
            alerts: AlertBook::new(ALERTS_MAX),
            raised: Raised::default(),
            routes: RouteBook::default(),
            correlator: Correlator::new(options.seed, slow(&options)),
            traces: TraceIndex::new(slow(&options)),
            book: IncidentBook::new(options.epoch, Arc::clone(&options.tenant)),
            openings: Openings::default(),
            homes: Homes::default(),
            crowd: Crowd::default(),
            refresh: BTreeMap::new(),
            stirred: BTreeSet::new(),
            joining: BTreeMap::new(),
            requests: Requests::default(),
            log: LogEntry::default(),
            log_seq: 1,
            log_oldest: 1,
            unwritten: Unwritten::default(),
            judged_all_at: Timestamp::ZERO,
            figures: Vec::new(),
            slow_rows_at: Timestamp::ZERO,
            correlator_row_at: Timestamp::ZERO,
            changes_are_dirty: false,
            dropped: Dropped::default(),
            next_recall: 1,
            effects: VecDeque::new(),
            hasher,
            options,
            now,
            listens_since: now,
            defined_at: now,
        }
    }

    /// Takes an input at `now`. A time that lies before the engine's own is read as the engine's.
    pub fn handle(&mut self, input: Input, now: Timestamp) {
        self.now = self.now.max(now);
        match input {
            Input::Delta(delta) => self.take(&delta),
            Input::Judge => self.judge(),
            Input::Raised(alerts) => self.raise(alerts),
            Input::Changed(changes) => self.changed(changes),
            Input::Maintained(name, told) => self.maintain(name, told),
            Input::Recalled { request, spans } => self.recalled(request, spans),
            Input::Command(command) => self.command(command),
            Input::Gap { from, until } => self.gap(from, until),
            Input::Checkpoint => self.checkpoint(),
        }
    }

    /// The next effect, in the order in which they must be carried out.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When the engine wants to judge at the latest, though nothing may have come in.
    #[must_use]
    pub fn poll_timeout(&self) -> Timestamp {
        let all = self.judged_all_at.after(JUDGE_ALL_EVERY);
        self.openings.next_at().map_or(all, |opening| opening.min(all))
    }

    /// Takes new definitions; what was counted stays.
    pub fn redefine(&mut self, options: EngineOptions) {
        self.options = EngineOptions { epoch: self.options.epoch, ..options };
        self.defined_at = self.now;
        self.series.redefine(&self.options, &self.hasher);
        self.hitters = Hitters::default();
        self.retire_alerts();
        let series = &self.series;
        self.pairings.retain(|ordinal| series.index_of_ordinal(ordinal).is_some());
    }

    /// The engine's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// All incidents that it still knows, by id.
    pub fn incidents(&self) -> impl Iterator<Item = Arc<Incident>> {
        self.book.iter().map(Arc::clone)
    }

    /// Its tenant.
    #[must_use]
    pub fn tenant(&self) -> &Arc<str> {
        &self.options.tenant
    }

    pub(crate) fn emit(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    pub(crate) fn persist(&mut self, rows: Vec<Row>) {
        if !rows.is_empty() {
            self.emit(Effect::Persist(rows));
        }
    }

    /// Writes a revision down, sends what it asks for, and tells subscribers.
    pub(crate) fn announce(&mut self, revision: Revision) {
        let (before, routes, row) = self.route(&revision.incident);
        let mut rows =
            vec![incident_row(&revision.incident), next_number_row(self.book.next_number())];
        rows.extend(self.alert_rows());
        rows.extend(row);
        self.persist(rows);
        for outgoing in dispatch::outgoing(&revision, &before, &routes) {
            self.emit(Effect::Send(outgoing));
        }
        self.emit(Effect::Publish(revision));
    }

    fn command(&mut self, command: Command) {
        let reply_to = command.reply_to;
        let reply = match self.requests.before(&command.request_id, self.now) {
            // A command that was carried out before is answered with what is, and not repeated.
            Some(id) => self.book.get(id).cloned().ok_or(crate::Refusal::NotFound),
            None => {
                let (id, request_id) = (command.id, command.request_id.clone());
                let books = (&mut self.book, &mut self.crowd);
                let outcome = carry_out(books, command, self.now);
                if outcome.reply.is_ok() {
                    self.requests.remember(request_id, id, self.now);
                }
                for revision in outcome.revisions {
                    self.announce(revision);
                }
                outcome.reply
            }
        };
        self.emit(Effect::Reply { reply_to, reply });
    }

    fn take(&mut self, delta: &PaneDelta) {
        self.dropped.late += delta.late_dropped;
        self.dropped.future += delta.future_dropped;
        self.hear(delta);
        self.count(delta);
        self.difference(delta);
        self.correlator.observe(delta, self.now);
        self.traces.add(delta.spans.iter().cloned(), self.now);
        self.traces.add_lines(delta.lines.iter().cloned(), self.now);
    }
}

/// What is slow where nobody says so.
const SLOW: Duration = Duration::from_millis(500);

pub(crate) fn slow(options: &EngineOptions) -> Duration {
    options.automatic.map_or(SLOW, |automatic| automatic.latency_threshold)
}

fn stream_options(now: Timestamp) -> StreamOptions {
    StreamOptions {
        streams_max: STREAMS_MAX,
        accept_start_after: now.before(LATENESS),
        ..StreamOptions::default()
    }
}

fn hasher(seed: u64) -> RandomState {
    let [a, b, c, d] = seeds(seed);
    RandomState::with_seeds(a, b, c, d)
}

/// Four seeds from one; the constants are those of SplitMix64 and its finalizer.
const fn seeds(seed: u64) -> [u64; 4] {
    [
        seed,
        seed.rotate_left(16) ^ 0x9e37_79b9_7f4a_7c15,
        seed.rotate_left(32) ^ 0xbf58_476d_1ce4_e5b9,
        seed.rotate_left(48) ^ 0x94d0_49bb_1331_11eb,
    ]
}
