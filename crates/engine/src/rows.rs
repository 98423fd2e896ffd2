//! Checkpoints, and what a restart makes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use alert::AlertRow;
use borsh::{BorshDeserialize, BorshSerialize};
use correlate::Correlator;
use dispatch::Routes;
use model::{BadEvent, Incident, Row, SeriesKey, Service, Timestamp};
use slo::judge::Held;
use slo::slices::{Slices, SlicesSnapshot};
use slo::stream::{StreamRow, StreamRowKind};
use slo::window::{SeriesWindows, WindowsSnapshot};

use crate::command::count;
use crate::engine::slow;
use crate::persist::{LogEntry, Table, delete, put, read};
use crate::refresh::Refresh;
use crate::series::Series;
use crate::services::ServiceState;
use crate::{Engine, EngineOptions};

/// Series that one checkpoint writes whole, and the bytes from which on it writes no more of them:
/// the engine stands still meanwhile, some 10 us for a series with full rings, and may for 10 ms.
pub(crate) const SERIES_PER_CHECKPOINT: usize = 250;
const SERIES_BYTES_PER_CHECKPOINT: usize = 1 << 20;
/// How often presences and alerts' numbers are written, and stale streams are let go.
const SLOW_ROWS_EVERY: Duration = Duration::from_secs(10);
/// How often what the correlator has learnt is written.
const CORRELATOR_ROW_EVERY: Duration = Duration::from_secs(60);

#[derive(BorshSerialize, BorshDeserialize)]
struct SeriesRow {
    /// The first entry of the log that is not in here.
    next_seq: u64,
    key: SeriesKey,
    windows: WindowsSnapshot,
    good_total: i64,
    bad_total: i64,
    least_bad_ratio: Option<f64>,
    exemplars: Vec<BadEvent>,
}

/// The verdicts on the slices of a series.
#[derive(BorshSerialize, BorshDeserialize)]
struct SlicesRow {
    /// That of the [`SeriesRow`] whose events they are on.
    next_seq: u64,
    slices: SlicesSnapshot,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct PresenceRow {
    anything: ServiceState,
    services: Vec<(Arc<Service>, ServiceState)>,
}

/// What came back from the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// Rows that were read.
    pub rows: usize,
    /// Rows that could not be read, by version or damage.
    pub unreadable: usize,
    /// Series that are judged again.
    pub series: usize,
    /// Incidents that are known again.
    pub incidents: usize,
}

impl Engine {
    /// Writes down what was counted since the last checkpoint, and a slice of the rest.
    pub(crate) fn checkpoint(&mut self) {
        let mut rows = Vec::new();
        self.log.born = self.series.take_born();
        let next_seq = self.log_seq + 1;
        if !self.log.is_empty() {
            let entry = std::mem::take(&mut self.log);
            rows.push(put(Table::Log.key_of(self.log_seq), &entry));
            self.log_seq = next_seq;
            self.write_absorbed(&entry, &mut rows);
        }
        self.write_series(&mut rows);
        self.write_held(&mut rows);
        self.write_changes(&mut rows);
        self.write_maintenance(&mut rows);
        rows.extend(self.streams.take_rows().into_iter().map(row_of_streams));
        rows.extend(self.pairings.take_rows());
        if self.now.since(self.slow_rows_at) >= SLOW_ROWS_EVERY {
            self.slow_rows_at = self.now;
            self.streams.evict(self.now);
            self.write_slow_rows(&mut rows);
            self.forget_routes(&mut rows);
            self.forget_hidden();
        }
        if self.now.since(self.correlator_row_at) >= CORRELATOR_ROW_EVERY {
            self.correlator_row_at = self.now;
            rows.push(put(Table::Correlator.key(), &self.correlator.snapshot()));
        }
        self.cut_log(&mut rows);
        self.persist(rows);
    }

    /// The alerts that have changed since they were written down.
    pub(crate) fn alert_rows(&mut self) -> impl Iterator<Item = Row> {
        self.alerts.take_changed().into_iter().map(|(fingerprint, row)| {
            let key = Table::Alert.key_of(fingerprint.0);
            row.map_or_else(|| delete(key.clone()), |row| put(key.clone(), &row))
        })
    }

    /// Those that have waited longest, as far as the checkpoint's share of the engine's time goes.
    /// Where more change than are written, the log grows until each has had its turn: entries are
    /// small, and a restart counts them again.
    fn write_series(&mut self, rows: &mut Vec<Row>) {
        let next_seq = self.log_seq;
        let (mut written, mut bytes) = (0, 0);
        while written < SERIES_PER_CHECKPOINT && bytes < SERIES_BYTES_PER_CHECKPOINT {
            let Some(series) = self.unwritten.pop(&mut self.series) else { break };
            let ordinal = u64::from(series.ordinal);
            let slices = series.slices.as_ref().map(|slices| {
                let row = SlicesRow { next_seq, slices: slices.snapshot() };
                put(Table::Slices.key_of(ordinal), &row)
            });
            let row = put(Table::Series.key_of(ordinal), &row_of(series, next_seq));
            for row in std::iter::once(row).chain(slices) {
                bytes += row.value.as_ref().map_or(0, Vec::len);
                rows.push(row);
            }
            written += 1;
        }
    }

    /// What was absorbed goes in the commit in which the one that has it is written.
    fn write_absorbed(&mut self, entry: &LogEntry, rows: &mut Vec<Row>) {
        for ordinal in &entry.absorbed {
            if let Some(series) = self.series.of_ordinal(*ordinal) {
                let row = row_of(series, self.log_seq);
                rows.push(put(Table::Series.key_of(u64::from(*ordinal)), &row));
            }
        }
        for ordinal in &entry.gone {
            for table in [Table::Series, Table::Held] {
                rows.push(delete(table.key_of(u64::from(*ordinal))));
            }
        }
    }

    fn write_held(&mut self, rows: &mut Vec<Row>) {
        for ordinal in self.unwritten.take_held() {
            let Some(series) = self.series.of_ordinal(ordinal) else { continue };
            series.held_is_dirty = false;
            let key = Table::Held.key_of(u64::from(series.ordinal));
            let row = if series.held.is_empty() { delete(key) } else { put(key, &series.held) };
            rows.push(row);
        }
    }

    fn write_slow_rows(&mut self, rows: &mut Vec<Row>) {
        rows.extend(self.alert_rows());
        let services = self.services.iter();
        let presence = PresenceRow {
            anything: self.anything.clone(),
            services: services.map(|(s, state)| (Arc::clone(s), state.clone())).collect(),
        };
        rows.push(put(Table::Presence.key(), &presence));
    }

    /// Lets go of the entries that nothing needs any more.
    fn cut_log(&mut self, rows: &mut Vec<Row>) {
        let needed = self.unwritten.oldest(&self.series).unwrap_or(self.log_seq);
        for seq in self.log_oldest..needed {
            rows.push(delete(Table::Log.key_of(seq)));
        }
        self.log_oldest = self.log_oldest.max(needed);
    }

    /// An engine that goes on from the store's rows. Time between the last commit and `now` is
    /// marked as a gap. What cannot be read is left out and told.
    #[must_use]
    pub fn restore(
        options: EngineOptions,
        rows: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
        last_commit_at: Timestamp,
        now: Timestamp,
    ) -> (Self, RestoreReport) {
        let mut engine = Self::new(options, now);
        let mut report = RestoreReport::default();
        let mut log = BTreeMap::new();
        let mut whole_after = BTreeMap::new();
        let (mut streams, mut held, mut slices) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut changes = Vec::new();
        for (key, value) in rows {
            report.rows += 1;
            let done = match Table::parse(&key) {
                Some((Table::Log, Some(seq))) => {
                    read::<LogEntry>(&value).map(|entry| drop(log.insert(seq, entry)))
                }
                Some((Table::Series, Some(ordinal))) => {
                    engine.restore_series(ordinal, &value).map(|next_seq| {
                        let _ = whole_after.insert(ordinal, next_seq);
                    })
                }
                Some((Table::Slices, Some(ordinal))) => {
                    read::<SlicesRow>(&value).map(|row| drop(slices.insert(ordinal, row)))
                }
                Some((table @ (Table::Baselines | Table::Streams), Some(number))) => {
                    stream_row(table, number, &value).map(|row| streams.push(row))
                }
                Some((Table::Changes, None)) => read(&value).map(|told| changes = told),
                Some((Table::Maintenance, None)) => {
                    read(&value).map(|told| engine.restore_maintenance(told))
                }
                Some((Table::Pairings, Some(ordinal))) => engine.restore_pairing(ordinal, &value),
                Some((Table::Held, Some(ordinal))) => {
                    read::<Held>(&value).map(|conditions| held.push((ordinal, conditions)))
                }
                Some((Table::AlertRoutes, Some(fingerprint))) => read::<Routes>(&value)
                    .map(|routes| engine.restore_alert_routes(fingerprint, routes)),
                Some((Table::IncidentRoutes, Some(number))) => read::<Routes>(&value)
                    .map(|routes| engine.restore_incident_routes(number, routes)),
                Some((table, _)) => engine.restore_row(table, &value, &mut report),
                None => None,
            };
            report.unreadable += usize::from(done.is_none());
        }
        report.unreadable += engine.streams.restore(streams);
        for (ordinal, next_seq) in &whole_after {
            let row = slices.remove(ordinal).filter(|row| row.next_seq == *next_seq);
            engine.restore_slices(*ordinal, row.map(|row| row.slices));
        }
        engine.series.link();
        // Before the log, so that what it holds is told apart to the pane.
        engine.exclude_all();
        let gone: BTreeSet<u32> = log.values().flat_map(|entry| &entry.gone).copied().collect();
        gone.iter().for_each(|ordinal| engine.series.pass_over(*ordinal));
        for (seq, mut entry) in log {
            entry.born.retain(|(ordinal, _)| !gone.contains(ordinal));
            engine.replay(seq, entry, &whole_after);
        }
        engine.restore_held(held);
        engine.restore_changes(changes);
        engine.complete_routes();
        engine.resume(last_commit_at, now);
        report.series = engine.series.len();
        (engine, report)
    }

    fn restore_row(
        &mut self,
        table: Table,
        value: &[u8],
        report: &mut RestoreReport,
    ) -> Option<()> {
        match table {
            Table::Alert => self.alerts.restore(read::<AlertRow>(value)?),
            Table::Incident => {
                self.book.restore(read::<Incident>(value)?);
                report.incidents += 1;
            }
            Table::NextNumber => self.book.continue_from(read::<u64>(value)?),
            Table::Presence => {
                let row = read::<PresenceRow>(value)?;
                self.anything = row.anything;
                self.services = row.services.into_iter().collect();
            }
            Table::Correlator => {
                let (seed, slow) = (self.options.seed, slow(&self.options));
                let bytes = read::<Vec<u8>>(value)?;
                self.correlator = Correlator::restore(seed, slow, &bytes).ok()?;
            }
            Table::AlertRoutes
            | Table::Baselines
            | Table::Changes
            | Table::Held
            | Table::IncidentRoutes
            | Table::Log
            | Table::Maintenance
            | Table::Pairings
            | Table::Series
            | Table::Slices
            | Table::Streams => return None,
        }
        Some(())
    }

    /// `None` if the row cannot be read; a series that nobody judges any more is no error.
    fn restore_series(&mut self, ordinal: u64, value: &[u8]) -> Option<u64> {
        let row = read::<SeriesRow>(value)?;
        let ordinal = u32::try_from(ordinal).ok()?;
        if let Some(series) = self.series.restore(ordinal, row.key) {
            let plan = Arc::clone(&series.slo.plan);
            series.windows = SeriesWindows::restore(plan, &row.windows).ok()?;
            series.good_total = row.good_total;
            series.bad_total = row.bad_total;
            series.least_bad_ratio = row.least_bad_ratio;
            series.exemplars = row.exemplars.into();
        }
        Some(row.next_seq)
    }

    fn restore_pairing(&mut self, ordinal: u64, value: &[u8]) -> Option<()> {
        let ordinal = u32::try_from(ordinal).ok()?;
        self.pairings.restore(ordinal, read(value)?);
        Some(())
    }

    /// Verdicts that are missing, or were made by other slices, are made anew from the events.
    fn restore_slices(&mut self, ordinal: u64, snapshot: Option<SlicesSnapshot>) {
        let ordinal = u32::try_from(ordinal).ok();
        let Some(series) = ordinal.and_then(|ordinal| self.series.of_ordinal(ordinal)) else {
            return;
        };
        let plan = Arc::clone(&series.slo.plan);
        series.slices = snapshot.and_then(|snapshot| Slices::restore(plan, &snapshot).ok());
        series.reslice();
        if let (Some(slices), Some(_)) = (&mut series.slices, &series.slo.composition) {
            slices.doubt();
        }
    }

    /// Counts again what the log holds and no series row covers.
    fn replay(&mut self, seq: u64, entry: LogEntry, whole_after: &BTreeMap<u64, u64>) {
        self.log_seq = self.log_seq.max(seq + 1);
        for (ordinal, key) in entry.born {
            if !whole_after.contains_key(&u64::from(ordinal)) {
                let _ = self.series.restore(ordinal, key);
            }
        }
        let now = self.now;
        for (ordinal, pane, count) in entry.counts {
            let covered = whole_after.get(&u64::from(ordinal)).is_some_and(|next| seq < *next);
            if let Some(series) = self.series.of_ordinal(ordinal).filter(|_| !covered) {
                let _ = series.add(pane, count, now);
                self.unwritten.note(series, seq);
            }
        }
        self.log_oldest = if self.log_oldest == 1 { seq } else { self.log_oldest.min(seq) };
    }

    fn restore_held(&mut self, rows: Vec<(u64, Held)>) {
        for (ordinal, held) in rows {
            let series = u32::try_from(ordinal).ok().and_then(|o| self.series.of_ordinal(o));
            if let Some(series) = series {
                series.held = held;
            }
        }
    }

    /// Timers start again, and the time in between is a gap.
    fn resume(&mut self, last_commit_at: Timestamp, now: Timestamp) {
        if last_commit_at.is_set() {
            self.gap(last_commit_at, now);
            for series in self.series.iter_mut().filter(|series| !series.held.is_empty()) {
                series.held.skip(now.since(last_commit_at));
                self.unwritten.note_held(series);
            }
        }
        self.retire_alerts();
        self.resume_raised();
        for incident in self.book.iter() {
            let hidden = incident.member_count.saturating_sub(count(&incident.members));
            self.crowd.restore(incident.id, hidden);
        }
        let live: Vec<_> = self.book.live().map(|incident| incident.id).collect();
        for id in &live {
            let _ = self.refresh.insert(*id, Refresh::after_opening(now));
        }
        self.correlator.freeze(!live.is_empty());
        // Alerts that fire and have no incident were about to open one when the daemon ended.
        let orphans: Vec<_> = self
            .alerts
            .firing()
            .map(|alert| alert.fingerprint)
            .filter(|fingerprint| self.book.of_member(*fingerprint).is_none())
            .collect();
        self.crowd.expect(orphans.iter().copied());
        for fingerprint in orphans {
            self.fired(fingerprint);
        }
        for series in self.series.iter_mut() {
            series.touched = true;
            series.alerting =
                self.alerts.is_live(series.page) || self.alerts.is_live(series.ticket);
        }
    }
}

fn row_of_streams(row: StreamRow) -> Row {
    let table = match row.kind {
        StreamRowKind::Identities => Table::Streams,
        StreamRowKind::Baselines => Table::Baselines,
    };
    let key = table.key_of(u64::from(row.number));
    match row.bytes {
        Some(bytes) => put(key, &bytes),
        None => delete(key),
    }
}

fn stream_row(table: Table, number: u64, value: &[u8]) -> Option<StreamRow> {
    let kind = match table {
        Table::Streams => StreamRowKind::Identities,
        _ => StreamRowKind::Baselines,
    };
    let bytes = Some(read::<Vec<u8>>(value)?);
    Some(StreamRow { kind, number: u32::try_from(number).ok()?, bytes })
}

fn row_of(series: &Series, next_seq: u64) -> SeriesRow {
    SeriesRow {
        next_seq,
        key: SeriesKey::clone(&series.key),
        windows: series.windows.snapshot(),
        good_total: series.good_total,
        bad_total: series.bad_total,
        least_bad_ratio: series.least_bad_ratio,
        exemplars: series.exemplars.iter().cloned().collect(),
    }
}
