use std::sync::Arc;

use model::{
    EdgeDelta, LogTemplateDelta, OperationDelta, PaneDelta, SeriesDelta, ServiceDelta, SpanId,
    SpanRecord, TagDelta, TraceId,
};

use crate::arena::NONE;
use crate::recall::{Compact, NO_MESSAGE};
use crate::state::State;
use crate::tables::{Outcomes, Tables, Touched};

impl State {
    /// Hands over what was touched since the last time, and begins anew.
    pub(crate) fn flush(&mut self, worker: u32) -> PaneDelta {
        let (joined, sample_weight) = self.joined.drain();
        let spans = joined.iter().map(|record| self.tables.span_record(record)).collect();
        let tables = &mut self.tables;
        tables.spread_tags();
        let touched = std::mem::take(&mut tables.touched);
        let dropped = std::mem::take(&mut self.dropped);
        self.counters.late += dropped.late;
        self.counters.future += dropped.future;
        let delta = PaneDelta {
            worker,
            series: touched.series.iter().map(|&id| tables.drain_series(id)).collect(),
            points: std::mem::take(&mut self.points),
            services: touched.services.iter().map(|&id| tables.drain_service(id)).collect(),
            operations: touched.operations.iter().map(|&id| tables.drain_operation(id)).collect(),
            edges: touched.edges.iter().map(|&id| tables.drain_edge(id)).collect(),
            tags: touched.tags.iter().map(|&id| tables.drain_tag(id)).collect(),
            logs: touched.templates.iter().map(|&id| tables.drain_template(id)).collect(),
            spans,
            sample_weight,
            late_dropped: dropped.late,
            future_dropped: dropped.future,
        };
        tables.touched = touched.cleared();
        self.age();
        delta
    }

    pub(crate) fn span_records(&self, records: &[Compact]) -> Vec<SpanRecord> {
        records.iter().map(|record| self.tables.span_record(record)).collect()
    }
}

impl Touched {
    /// Empty, with the room that it had.
    fn cleared(mut self) -> Self {
        for list in [
            &mut self.services,
            &mut self.resources,
            &mut self.operations,
            &mut self.edges,
            &mut self.tags,
            &mut self.series,
            &mut self.templates,
        ] {
            list.clear();
        }
        self
    }
}

impl Tables {
    /// Adds what was counted per resource and operation to their tags.
    fn spread_tags(&mut self) {
        for id in std::mem::take(&mut self.touched.resources) {
            let resource = self.resources.get_mut(id);
            resource.touched = false;
            let outcomes = std::mem::take(&mut resource.outcomes);
            let tags = std::mem::take(&mut resource.tags);
            tags.iter().for_each(|&tag| self.count_tag(tag, outcomes));
            self.resources.get_mut(id).tags = tags;
        }
        let operations = std::mem::take(&mut self.touched.operations);
        for &id in &operations {
            let operation = self.operations.get(id);
            if operation.route_tag != NONE {
                let (tag, outcomes) = (operation.route_tag, operation.outcomes);
                self.count_tag(tag, outcomes);
            }
        }
        self.touched.operations = operations;
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
            newest: std::mem::take(&mut entry.newest),
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
