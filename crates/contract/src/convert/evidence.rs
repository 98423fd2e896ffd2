use std::time::Duration;

use model::{Cause, CauseKind, Evidence, ExemplarTrace, Hop, TraceSpan};

use super::{duration, span_kind, timestamp};
use crate::v1;

impl From<CauseKind> for v1::cause::Kind {
    fn from(kind: CauseKind) -> Self {
        match kind {
            CauseKind::Unknown => Self::Unspecified,
            CauseKind::Code => Self::Code,
            CauseKind::Cpu => Self::Cpu,
            CauseKind::Memory => Self::Memory,
            CauseKind::Disk => Self::Disk,
            CauseKind::Network => Self::Network,
            CauseKind::Dependency => Self::Dependency,
            CauseKind::Quota => Self::Quota,
            CauseKind::Config => Self::Config,
            CauseKind::Infrastructure => Self::Infrastructure,
            CauseKind::Silence => Self::Silence,
        }
    }
}

impl From<&Cause> for v1::Cause {
    fn from(cause: &Cause) -> Self {
        Self {
            kind: v1::cause::Kind::from(cause.kind).into(),
            service: cause.service.clone(),
            instance: cause.instance.clone(),
            operation: cause.operation.clone(),
            tag_key: cause.tag_key.clone(),
            tag_value: cause.tag_value.clone(),
            score: cause.score,
            summary: cause.summary.clone(),
            evidence: cause.evidence.iter().map(Into::into).collect(),
        }
    }
}

impl From<&Evidence> for v1::Evidence {
    fn from(evidence: &Evidence) -> Self {
        Self {
            signal: evidence.signal.as_str().to_owned(),
            subject: evidence.subject.clone(),
            observed: evidence.observed,
            baseline: evidence.baseline,
            unit: evidence.unit.clone(),
            weight: evidence.weight,
            since: timestamp(evidence.since),
            trace_ids: evidence.trace_ids.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<&Hop> for v1::Hop {
    fn from(hop: &Hop) -> Self {
        Self {
            from_service: hop.from_service.clone(),
            to_service: hop.to_service.clone(),
            operation: hop.operation.clone(),
            bad_ratio: hop.bad_ratio,
        }
    }
}

impl From<&ExemplarTrace> for v1::ExemplarTrace {
    fn from(trace: &ExemplarTrace) -> Self {
        Self {
            trace_id: trace.trace_id.to_string(),
            url: trace.url.clone(),
            reason: trace.reason.clone(),
            duration: Some(duration(Duration::from_nanos(trace.duration_ns))),
            path: trace.path.iter().map(Into::into).collect(),
            complete: trace.complete,
        }
    }
}

impl From<&TraceSpan> for v1::TraceSpan {
    fn from(span: &TraceSpan) -> Self {
        let parent = span.parent_span_id;
        Self {
            span_id: span.span_id.to_string(),
            parent_span_id: if parent.is_none() { String::new() } else { parent.to_string() },
            service: span.service.clone(),
            operation: span.operation.clone(),
            kind: span_kind(span.kind).to_owned(),
            start: timestamp(span.start),
            duration: Some(duration(Duration::from_nanos(span.duration_ns))),
            exclusive: Some(duration(Duration::from_nanos(span.exclusive_ns))),
            error: span.error,
            message: span.message.clone(),
        }
    }
}
