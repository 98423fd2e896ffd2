use std::sync::Arc;

use model::{PaneDelta, SpanRecord, Timestamp, TraceId};
use otlp::{Malformed, Scratch, Summary};

use crate::logs::LogWalk;
use crate::metrics::MetricWalk;
use crate::options::{AutomaticSettings, HANDED_OVER_MAX, ObserverOptions};
use crate::plan::SliPlan;
use crate::recall::RecallReach;
use crate::spans::SpanWalk;
use crate::state::State;

/// The data plane of one tenant on one worker: takes OTLP requests, gives pane deltas.
///
/// Deltas add up: what a request is cut into, or which observer takes which part, does not change
/// the sum of their counts.
#[derive(Debug)]
pub struct Observer {
    worker: u32,
    state: State,
}

/// What an observer did and holds, for fogbell's own metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObserverStats {
    /// Spans that were counted.
    pub spans: u64,
    /// Metric points that were heard, whether an SLI selects them or not.
    pub points: u64,
    /// Log records that were counted.
    pub logs: u64,
    /// Events that were older than any window.
    pub late_dropped: u64,
    /// Events that were too far in the future.
    pub future_dropped: u64,
    /// Cumulative points that found no room in their hand-over.
    pub points_dropped: u64,
    /// Points of selected metrics that cannot be counted: no temporality, falling sums, summaries
    /// against a bound.
    pub points_ignored: u64,
    /// Entries that are alive.
    pub held: Entries,
    /// Look-ups that ended in an overflow entry, or in none.
    pub overflowed: Entries,
    /// What can be recalled.
    pub recall: RecallReach,
}

/// Figures per kind of interned entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// Services.
    pub services: u64,
    /// Resources.
    pub resources: u64,
    /// SLI series.
    pub series: u64,
    /// Cumulative streams.
    pub streams: u64,
    /// Operations.
    pub operations: u64,
    /// Edges.
    pub edges: u64,
    /// Tag values.
    pub tags: u64,
    /// Log templates.
    pub templates: u64,
    /// Messages.
    pub messages: u64,
}

impl Observer {
    /// An observer that has seen nothing.
    #[must_use]
    pub fn new(options: &ObserverOptions) -> Self {
        Self { worker: options.worker, state: State::new(options) }
    }

    /// Takes an `ExportTraceServiceRequest`.
    ///
    /// # Errors
    /// If it cannot be read; then nothing of it was counted.
    pub fn traces(&mut self, request: &[u8], now: Timestamp) -> Result<Summary, Malformed> {
        let scratch = Scratch::new();
        let accepted = self.state.begin(now);
        let slis = self.state.slis.clone();
        let mut walk = SpanWalk::new(&mut self.state, &slis.traces, accepted);
        let summary = otlp::traces(request, &scratch, &mut walk);
        walk.end();
        summary
    }

    /// Takes an `ExportMetricsServiceRequest`.
    ///
    /// # Errors
    /// If it cannot be read; then nothing of it was counted.
    pub fn metrics(&mut self, request: &[u8], now: Timestamp) -> Result<Summary, Malformed> {
        let scratch = Scratch::new();
        let accepted = self.state.begin(now);
        let slis = self.state.slis.clone();
        let mut walk = MetricWalk::new(&mut self.state, &slis.metrics, accepted);
        otlp::metrics(request, &scratch, &mut walk)
    }

    /// Takes an `ExportLogsServiceRequest`.
    ///
    /// # Errors
    /// If it cannot be read; then nothing of it was counted.
    pub fn logs(&mut self, request: &[u8], now: Timestamp) -> Result<Summary, Malformed> {
        let scratch = Scratch::new();
        let accepted = self.state.begin(now);
        let slis = self.state.slis.clone();
        let mut walk = LogWalk::new(&mut self.state, &slis.logs, accepted);
        let summary = otlp::logs(request, &scratch, &mut walk);
        walk.end();
        summary
    }

    /// Hands over what was counted since the last time. Its cost follows what was touched: of
    /// operations, edges and tags, which explain and do not decide, at most
    /// [`crate::HANDED_OVER_MAX`] each, those with bad events first; the others come next time. Once
    /// in [`crate::GENERATION_S`] idle entries are let go as well. Ids in the delta may then come
    /// to stand for another series: whoever caches by them compares the keys.
    pub fn flush(&mut self) -> PaneDelta {
        self.state.flush(self.worker, HANDED_OVER_MAX)
    }

    /// As [`Observer::flush`], and leaves nothing behind.
    pub fn flush_all(&mut self) -> PaneDelta {
        self.state.flush(self.worker, usize::MAX)
    }

    /// The spans of some traces that are still held, by trace and start. Reads through all that
    /// is held: some milliseconds at 48 MiB.
    #[must_use]
    pub fn recall(&self, trace_ids: &[TraceId]) -> Vec<SpanRecord> {
        let mut wanted = trace_ids.to_vec();
        wanted.sort_unstable();
        let mut records = self.state.recall.of_traces(&wanted);
        records.sort_by_key(|record| (record.trace_id, record.start_unix_ns, record.span_id));
        self.state.span_records(&records)
    }

    /// How far back [`Observer::recall`] reaches.
    #[must_use]
    pub fn recall_reach(&self) -> RecallReach {
        self.state.recall.reach()
    }

    /// Judges what comes from now on by other SLIs.
    pub fn replace_slis(&mut self, slis: Arc<SliPlan>) {
        self.state.replace_slis(slis);
    }

    /// Judges automatic SLIs by another threshold from now on, or makes none any more.
    pub fn replace_automatic(&mut self, automatic: Option<AutomaticSettings>) {
        self.state.judge_by(automatic);
    }

    /// What it did and holds.
    #[must_use]
    pub fn stats(&self) -> ObserverStats {
        let State { counters, dropped, tables, streams, .. } = &self.state;
        ObserverStats {
            spans: counters.spans,
            points: counters.points,
            logs: counters.logs,
            late_dropped: counters.late + dropped.late,
            future_dropped: counters.future + dropped.future,
            points_dropped: counters.points_dropped,
            points_ignored: counters.points_ignored,
            held: Entries {
                services: tables.services.len() as u64,
                resources: tables.resources.len() as u64,
                series: tables.series.len() as u64,
                streams: streams.len() as u64,
                operations: tables.operations.len() as u64,
                edges: tables.edges.len() as u64,
                tags: tables.tags.len() as u64,
                templates: tables.templates.len() as u64,
                messages: tables.texts.len() as u64,
            },
            overflowed: Entries {
                services: tables.services.refused(),
                resources: tables.resources.refused(),
                series: tables.series.refused(),
                streams: streams.refused(),
                operations: tables.operations.refused(),
                edges: tables.edges.refused(),
                tags: tables.tags.refused(),
                templates: tables.templates.refused(),
                messages: tables.texts.refused(),
            },
            recall: self.state.recall.reach(),
        }
    }
}
