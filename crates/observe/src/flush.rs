use std::sync::Arc;

use model::{
    EdgeDelta, LogLine, LogTemplateDelta, OperationDelta, PaneDelta, SeriesDelta, ServiceDelta,
    SpanId, SpanRecord, TagDelta, TraceId,
};

use crate::arena::NONE;
use crate::recall::{Compact, Line, NO_MESSAGE};
use crate::state::State;
use crate::tables::{Outcomes, Tables, Touched};

impl State {
    /// Hands over what was touched since the last time; of operations, edges and tags at most
    /// `slice` each, bad ones first, and the others another time.
    pub(crate) fn flush(&mut self, worker: u32, slice: usize) -> PaneDelta {
        // What is idle is let go below, which must not meet counts that were left behind.
        let slice = if self.is_generation_over() { usize::MAX } else { slice };
        self.tallies.hand_over(&self.slis, &mut self.tables);
        let (joined, lines, sample_weight) = self.joined.drain();
        let spans = joined.iter().map(|record| self.tables.span_record(record)).collect();
        let lines = lines.iter().map(|line| self.tables.log_line(line)).collect();
        let usages = self.usages.hand_over(&self.tables);
        let tables = &mut self.tables;
        let touched = tables.take_touched(slice);
        let dropped = std::mem::take(&mut self.dropped);
        self.counters.late += dropped.late;
        self.counters.future += dropped.future;
        let delta = PaneDelta {
            worker,
            series: touched.series.iter().map(|&id| tables.drain_series(id)).collect(),
            points: self.streams.hand_over(&tables.series),
            services: touched.services.iter().map(|&id| tables.drain_service(id)).collect(),
            operations: touched.operations.iter().map(|&id| tables.drain_operation(id)).collect(),
            edges: touched.edges.iter().map(|&id| tables.drain_edge(id)).collect(),
            tags: touched.tags.iter().map(|&id| tables.drain_tag(id)).collect(),
            logs: touched.templates.iter().map(|&id| tables.drain_template(id)).collect(),
            spans,
            lines,
            usages,
            sample_weight,
            late_dropped: dropped.late,
            future_dropped: dropped.future,
        };
        self.age();
        delta
    }

    pub(crate) fn span_records(&self, records: &[Compact]) -> Vec<SpanRecord> {
        records.iter().map(|record| self.tables.span_record(record)).collect()
    }
}

impl Tables {
    /// What is to be handed over, with what was counted per resource and operation added to their
    /// tags.
    fn take_touched(&mut self, slice: usize) -> Touched {
        self.spread_resources();
        let mut touched = std::mem::take(&mut self.touched);
        let later = &mut self.touched;
        let operations = &self.operations;
        let is_bad = |id| operations.get(id).outcomes.is_bad();
        later.operations = leave(&mut touched.operations, slice, is_bad);
        let edges = &self.edges;
        later.edges = leave(&mut touched.edges, slice, |id| edges.get(id).errors > 0);
        self.touched.tags = std::mem::take(&mut touched.tags);
        self.spread_operations(&touched.operations);
        touched.tags = std::mem::take(&mut self.touched.tags);
        let tags = &self.tags;
        self.touched.tags = leave(&mut touched.tags, slice, |id| tags.get(id).outcomes.is_bad());
        touched
    }

    fn spread_resources(&mut self) {
        for id in std::mem::take(&mut self.touched.resources) {
            let resource = self.resources.get_mut(id);
            resource.touched = false;
            let outcomes = std::mem::take(&mut resource.outcomes);
            let tags = std::mem::take(&mut resource.tags);
            tags.iter().for_each(|&tag| self.count_tag(tag, outcomes));
            self.resources.get_mut(id).tags = tags;
        }
    }

    fn spread_operations(&mut self, operations: &[u32]) {
        for &id in operations {
            let operation = self.operations.get(id);
            if operation.route_tag != NONE {
                let (tag, outcomes) = (operation.route_tag, operation.outcomes);
                self.count_tag(tag, outcomes);
            }
        }
    }

    fn drain_series(&mut self, id: u32) -> SeriesDelta {
        let series = self.series.get_mut(id);
        series.touched = false;
        SeriesDelta {
            id,
            key: series.key.clone(),
            panes: series.panes.drain(),
            exemplars: series.drain_exemplars(),
        }
    }

    fn drain_service(&mut self, id: u32) -> ServiceDelta {
        let entry = self.services.get_mut(id);
        entry.touched = false;
        ServiceDelta {
            service: entry.service.clone(),
            spans: std::mem::take(&mut entry.spans),
            points: std::mem::take(&mut entry.points),
            logs: std::mem::take(&mut entry.logs),
            error_logs: std::mem::take(&mut entry.error_logs),
            times: std::mem::take(&mut entry.times),
            subjects: std::mem::take(&mut entry.subjects),
        }
    }

    fn drain_operation(&mut self, id: u32) -> OperationDelta {
        let operation = self.operations.get_mut(id);
        operation.touched = false;
        let Outcomes { total, errors, slow } = std::mem::take(&mut operation.outcomes);
        OperationDelta {
            service: self.services.get(operation.service).service.clone(),
            kind: operation.kind,
            operation: operation.name.clone(),
            total: u64::from(total),
            errors: u64::from(errors),
            slow: u64::from(slow),
            entry_total: u64::from(std::mem::take(&mut operation.entry_total)),
            entry_bad: u64::from(std::mem::take(&mut operation.entry_bad)),
            latency: self.operation_latencies.drain(id, &mut operation.latency),
        }
    }

    fn drain_edge(&mut self, id: u32) -> EdgeDelta {
        let edge = self.edges.get_mut(id);
        edge.touched = false;
        EdgeDelta {
            caller: self.services.get(edge.caller).service.clone(),
            peer: edge.peer.clone(),
            calls: u64::from(std::mem::take(&mut edge.calls)),
            errors: u64::from(std::mem::take(&mut edge.errors)),
            throttled: u64::from(std::mem::take(&mut edge.throttled)),
            unanswered: u64::from(std::mem::take(&mut edge.unanswered)),
            latency: self.edge_latencies.drain(id, &mut edge.latency),
        }
    }

    fn drain_tag(&mut self, id: u32) -> TagDelta {
        let tag = self.tags.get_mut(id);
        tag.touched = false;
        let Outcomes { total, errors, slow } = std::mem::take(&mut tag.outcomes);
        let (key, value) = tag.pair.clone();
        let service = self.services.get(tag.service).service.clone();
        let [total, errors, slow] = [total, errors, slow].map(u64::from);
        TagDelta { service, key, value, total, errors, slow }
    }

    fn drain_template(&mut self, id: u32) -> LogTemplateDelta {
        let template = self.templates.get_mut(id);
        template.touched = false;
        LogTemplateDelta {
            service: self.services.get(template.service).service.clone(),
            template: template.text.clone(),
            count: std::mem::take(&mut template.count),
            severity: std::mem::take(&mut template.severity),
        }
    }

    fn log_line(&self, line: &Line) -> LogLine {
        let template = self.templates.get(line.template);
        LogLine {
            trace_id: TraceId(line.trace_id),
            span_id: SpanId(line.span_id),
            service: self.services.get(template.service).service.clone(),
            template: template.text.clone(),
            severity: line.severity,
        }
    }

    fn span_record(&self, record: &Compact) -> SpanRecord {
        let operation = self.operations.get(record.operation);
        let message = match record.message() {
            NO_MESSAGE => Arc::from(""),
            id => self.texts.get(id).clone(),
        };
        let edge = (record.edge != NONE).then(|| self.edges.get(record.edge));
        SpanRecord {
            trace_id: TraceId(record.trace_id),
            span_id: SpanId(record.span_id),
            parent_span_id: SpanId(record.parent_span_id),
            service: self.services.get(operation.service).service.clone(),
            operation: operation.name.clone(),
            kind: operation.kind,
            start: model::Timestamp::from_unix_ns(record.start_unix_ns),
            duration_ns: record.duration_ns,
            error: record.is_error(),
            message,
            peer: edge.map(|edge| edge.peer.clone()),
            tags: self.tag_sets.get(record.tag_set).clone(),
        }
    }
}

/// Takes out of the list what is beyond `most`; bad ones stay before others.
fn leave(touched: &mut Vec<u32>, most: usize, is_bad: impl Fn(u32) -> bool) -> Vec<u32> {
    if touched.len() <= most {
        return Vec::new();
    }
    let (mut first, good): (Vec<u32>, Vec<u32>) = touched.drain(..).partition(|&id| is_bad(id));
    first.extend(good);
    let left = first.split_off(most);
    *touched = first;
    left
}
