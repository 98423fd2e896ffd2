//! A small made-up system whose requests become spans and pane deltas.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use model::{
    Alert, Cause, EdgeDelta, LatencyBucket, LogLine, OperationDelta, PaneDelta, Peer, PeerKind,
    Service, ServiceDelta, SpanId, SpanKind, SpanRecord, TagDelta, TagPair, Timestamp, TraceId,
    TraceTree,
};

use crate::Correlator;

pub(super) const SLOW: Duration = Duration::from_millis(500);

/// What a service does on request.
#[derive(Clone)]
pub(super) struct Work {
    pub(super) service: &'static str,
    pub(super) operation: &'static str,
    pub(super) own_ms: u64,
    pub(super) error: Option<&'static str>,
    pub(super) tags: Vec<(&'static str, String)>,
    pub(super) calls: Vec<Call>,
    /// Templates that it logs, with their severity numbers.
    pub(super) logs: Vec<(&'static str, u8)>,
}

/// One call.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) address: &'static str,
    pub(super) kind: PeerKind,
    pub(super) operation: &'static str,
    /// Time on the way, or of a peer without spans.
    pub(super) gap_ms: u64,
    pub(super) error: Option<&'static str>,
    pub(super) callee: Option<Work>,
    pub(super) handled: bool,
}

pub(super) struct World {
    pub(super) correlator: Correlator,
    pub(super) now: Timestamp,
    /// Bad traces since the last call of `take_bad`.
    pub(super) bad: Vec<TraceTree>,
    pub(super) with_traces: bool,
    pub(super) with_status: bool,
    pub(super) with_messages: bool,
    traces: u64,
    spans: u64,
    lines: Vec<LogLine>,
}

pub(super) fn work(service: &'static str, own_ms: u64, calls: Vec<Call>) -> Work {
    let (tags, logs) = (Vec::new(), Vec::new());
    Work { service, operation: "op", own_ms, error: None, tags, calls, logs }
}

pub(super) fn call(callee: Work) -> Call {
    Call {
        address: callee.service,
        kind: PeerKind::Http,
        operation: "call",
        gap_ms: 2,
        error: None,
        callee: Some(callee),
        handled: false,
    }
}

pub(super) fn ask(address: &'static str, kind: PeerKind, operation: &'static str, ms: u64) -> Call {
    Call { address, kind, operation, gap_ms: ms, error: None, callee: None, handled: false }
}

impl Work {
    /// An error of its own.
    pub(super) fn failing(mut self, message: &'static str) -> Self {
        self.error = Some(message);
        self
    }

    pub(super) fn tagged(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.tags.push((key, value.into()));
        self
    }

    pub(super) fn logging(mut self, template: &'static str, severity: u8) -> Self {
        self.logs.push((template, severity));
        self
    }

    pub(super) fn named(mut self, operation: &'static str) -> Self {
        self.operation = operation;
        self
    }
}

impl Call {
    pub(super) fn failing(mut self, message: &'static str) -> Self {
        self.error = Some(message);
        self
    }

    /// Nothing answers: no span of the callee.
    pub(super) fn unanswered(mut self) -> Self {
        self.callee = None;
        self.failing("connection_refused")
    }

    /// Its failure is not its caller's.
    pub(super) fn or_without(mut self) -> Self {
        self.handled = true;
        self
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            correlator: Correlator::new(7, SLOW),
            // One second before a bucket, so that a run fills whole buckets.
            now: Timestamp::from_unix_s(999_999),
            bad: Vec::new(),
            with_traces: true,
            with_status: true,
            with_messages: true,
            traces: 0,
            spans: 0,
            lines: Vec::new(),
        }
    }

    /// Runs `request(n)` ten times a second for some seconds.
    pub(super) fn run(&mut self, seconds: u64, request: impl Fn(u64) -> Work) {
        for second in 0..seconds {
            let mut spans = Vec::new();
            for n in 0..10 {
                let trace = self.request(&request(second * 10 + n));
                spans.push(trace);
            }
            self.now = self.now.after(Duration::from_secs(1));
            let delta = delta_of(spans.iter().flatten());
            self.correlator.observe(&delta, self.now);
            let lines = std::mem::take(&mut self.lines);
            if self.with_traces {
                for spans in spans {
                    let tree = TraceTree::assemble(spans).expect("a request has spans");
                    let of_tree = lines.iter().filter(|line| line.trace_id == tree.trace_id());
                    let of_tree: Vec<LogLine> = of_tree.cloned().collect();
                    self.correlator.trace(&tree, &of_tree, self.now);
                    let slow = tree.span(tree.entry()).is_some_and(|s| s.duration_ns > ns(500));
                    if (slow || tree.has_error()) && self.bad.len() < 50 {
                        self.bad.push(tree);
                    }
                }
            } else {
                for of_trace in lines.chunk_by(|a, b| a.trace_id == b.trace_id) {
                    self.correlator.logged(of_trace, self.now);
                }
            }
            self.correlator.advance(self.now);
        }
    }

    pub(super) fn alert(&self, service: &str) -> Alert {
        let labels = model::Labels::from([("service".to_owned(), service.to_owned())]);
        Alert {
            fingerprint: model::Fingerprint::of(&labels),
            labels,
            annotations: model::Labels::new(),
            state: model::AlertState::Firing,
            urgency: model::Urgency::Page,
            severity: model::Severity::Error,
            service: Some(Arc::new(Service::named(service))),
            slo: None,
            first_at: self.now,
            last_at: self.now,
            repeats: 0,
            external: false,
            flapping: false,
        }
    }

    pub(super) fn diagnose(&self, services: &[&str]) -> crate::Diagnosis {
        let alerts: Vec<Alert> = services.iter().map(|service| self.alert(service)).collect();
        let alerts: Vec<&Alert> = alerts.iter().collect();
        self.correlator.diagnose(&alerts, &self.bad, self.now, self.now)
    }

    /// What changed since a moment.
    pub(super) fn explain(&self, since: Timestamp) -> Vec<Cause> {
        self.correlator.explain(since, self.now, None).causes
    }

    pub(super) fn related(&self, a: &str, b: &str) -> Option<String> {
        self.correlator.related(&self.alert(a), &self.alert(b), self.now)
    }

    fn request(&mut self, work: &Work) -> Vec<SpanRecord> {
        self.traces += 1;
        let mut spans = Vec::new();
        let start = self.now.unix_ns();
        let _ = self.serve(work, SpanId::NONE, start, &mut spans);
        if !self.with_status {
            spans.iter_mut().for_each(|span| (span.error, span.message) = (false, "".into()));
        }
        if !self.with_messages {
            spans.iter_mut().for_each(|span| span.message = "".into());
        }
        spans
    }

    /// Records a span that serves and all below it; says how long it took, and whether it failed.
    fn serve(
        &mut self,
        work: &Work,
        parent: SpanId,
        start: u64,
        spans: &mut Vec<SpanRecord>,
    ) -> (u64, bool) {
        let id = self.span_id();
        let mut at = start + ns(work.own_ms);
        let mut failed = work.error.is_some();
        for call in &work.calls {
            let client = self.span_id();
            let mut took = ns(call.gap_ms);
            let mut error = call.error.is_some();
            if let Some(callee) = &call.callee {
                let (callee_took, callee_failed) = self.serve(callee, client, at + took / 2, spans);
                took += callee_took;
                error |= callee_failed;
            }
            let peer =
                Peer { kind: call.kind, address: call.address.to_owned(), system: String::new() };
            let mut span = self.span(work.service, call.operation, SpanKind::Client, &work.tags);
            (span.span_id, span.parent_span_id) = (client, id);
            (span.start, span.duration_ns) = (Timestamp::from_unix_ns(at), took);
            (span.error, span.message) = (error, call.error.unwrap_or("").into());
            span.peer = Some(Arc::new(peer));
            spans.push(span);
            at += took;
            failed |= error && !call.handled;
        }
        let mut span = self.span(work.service, work.operation, SpanKind::Server, &work.tags);
        let line = |(template, severity): &(&str, u8)| LogLine {
            trace_id: span.trace_id,
            span_id: id,
            service: Arc::clone(&span.service),
            template: Arc::from(*template),
            severity: *severity,
        };
        self.lines.extend(work.logs.iter().map(line));
        (span.span_id, span.parent_span_id) = (id, parent);
        (span.start, span.duration_ns) = (Timestamp::from_unix_ns(start), at - start);
        (span.error, span.message) = (failed, work.error.unwrap_or("").into());
        spans.push(span);
        (at - start, failed)
    }

    fn span(
        &self,
        service: &str,
        operation: &str,
        kind: SpanKind,
        tags: &[(&'static str, String)],
    ) -> SpanRecord {
        let mut trace_id = [0; 16];
        trace_id[8..].copy_from_slice(&self.traces.to_be_bytes());
        let tags: Vec<TagPair> =
            tags.iter().map(|(key, value)| (Arc::from(*key), Arc::from(value.as_str()))).collect();
        SpanRecord {
            trace_id: TraceId(trace_id),
            span_id: SpanId::NONE,
            parent_span_id: SpanId::NONE,
            service: Arc::new(Service::named(service)),
            operation: operation.into(),
            kind,
            start: Timestamp::ZERO,
            duration_ns: 0,
            error: false,
            message: "".into(),
            peer: None,
            tags: tags.into(),
        }
    }

    fn span_id(&mut self) -> SpanId {
        self.spans += 1;
        SpanId(self.spans.to_be_bytes())
    }
}

fn ns(ms: u64) -> u64 {
    ms * 1_000_000
}

/// What the data plane would count of these spans.
fn delta_of<'a>(spans: impl Iterator<Item = &'a SpanRecord>) -> PaneDelta {
    let mut delta = PaneDelta::default();
    let mut heard = BTreeSet::new();
    for span in spans {
        let _ = heard.insert(Arc::clone(&span.service));
        let latency = vec![(LatencyBucket::of(span.duration_ns), 1)];
        let errors = u64::from(span.error);
        let slow = u64::from(u128::from(span.duration_ns) > SLOW.as_nanos());
        if span.kind == SpanKind::Server {
            let entry = u64::from(span.parent_span_id.is_none());
            delta.operations.push(OperationDelta {
                service: Arc::clone(&span.service),
                kind: span.kind,
                operation: Arc::clone(&span.operation),
                total: 1,
                errors,
                slow,
                entry_total: entry,
                entry_bad: entry * errors.max(slow),
                latency,
            });
            for (key, value) in span.tags.iter() {
                let (service, key, value) =
                    (Arc::clone(&span.service), Arc::clone(key), Arc::clone(value));
                delta.tags.push(TagDelta { service, key, value, total: 1, errors, slow });
            }
        } else if let Some(peer) = &span.peer {
            delta.edges.push(EdgeDelta {
                caller: Arc::clone(&span.service),
                peer: Arc::clone(peer),
                calls: 1,
                errors,
                throttled: u64::from(span.error && &*span.message == "429"),
                unanswered: u64::from(span.error && &*span.message == "connection_refused"),
                latency,
            });
        }
    }
    let service = |service| ServiceDelta {
        service,
        spans: 1,
        subjects: vec![1, 2],
        ..ServiceDelta::default()
    };
    delta.services = heard.into_iter().map(service).collect();
    delta
}
