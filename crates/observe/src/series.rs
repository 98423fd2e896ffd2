use std::sync::Arc;

use model::{BadEvent, Count, Pane, SeriesKey, SpanId, Timestamp, TraceId};
use slo::panes::PaneCounts;

/// One SLI series: what was counted since the last hand-over.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) key: Arc<SeriesKey>,
    pub(crate) touched: bool,
    pub(crate) panes: PaneCounts,
    exemplars: Vec<Exemplar>,
    /// Whether no exemplar without, and none with, a trace that is kept whole would be kept.
    is_closed: [bool; 2],
}

/// A bad event, names by their ids where there are such.
#[derive(Clone, Debug)]
pub(crate) struct Exemplar {
    pub(crate) at: Timestamp,
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
    pub(crate) duration_ns: u64,
    pub(crate) operation: Arc<str>,
    pub(crate) reason: Arc<str>,
    /// Whether its trace is kept whole.
    pub(crate) sampled: bool,
}

impl Series {
    pub(crate) fn new(key: SeriesKey) -> Self {
        Self {
            key: Arc::new(key),
            touched: false,
            panes: PaneCounts::default(),
            exemplars: Vec::new(),
            is_closed: [false; 2],
        }
    }

    #[inline]
    pub(crate) fn count(&mut self, pane: Pane, count: Count) {
        self.panes.add(pane, count);
    }

    /// Whether an exemplar might be kept, whatever its operation.
    #[inline]
    pub(crate) fn may_want(&self, sampled: bool) -> bool {
        !self.is_closed[usize::from(sampled)]
    }

    /// Whether an exemplar would be kept; cheaper than to make one for nothing.
    #[inline]
    pub(crate) fn wants(&self, operation: &Arc<str>, sampled: bool, max: usize) -> bool {
        self.exemplars.len() < max || self.displaced_by(operation, sampled).is_some()
    }

    /// Keeps an exemplar. When there are enough, one whose trace can be shown displaces one whose
    /// cannot, and the first one of its operation displaces a second one of another.
    pub(crate) fn keep(&mut self, exemplar: Exemplar, max: usize) {
        if self.exemplars.len() >= max {
            let Some(victim) = self.displaced_by(&exemplar.operation, exemplar.sampled) else {
                return;
            };
            self.exemplars.remove(victim);
        }
        self.exemplars.push(exemplar);
        if self.exemplars.len() >= max {
            self.is_closed = [false, true].map(|sampled| !self.displaces_any(sampled));
        }
    }

    /// Whether there is an operation whose exemplar would displace another one.
    fn displaces_any(&self, sampled: bool) -> bool {
        let unsampled = self.exemplars.iter().any(|kept| !kept.sampled);
        let mut all = 0..self.exemplars.len();
        (sampled && unsampled)
            || all.any(|at| self.repeats(at) && sampled >= self.exemplars[at].sampled)
    }

    /// Whether an earlier exemplar is of the same operation.
    fn repeats(&self, at: usize) -> bool {
        let own = &self.exemplars[at].operation;
        self.exemplars[..at].iter().any(|kept| kept.operation == *own)
    }

    fn displaced_by(&self, operation: &Arc<str>, sampled: bool) -> Option<usize> {
        let unsampled = self.exemplars.iter().position(|kept| !kept.sampled);
        if sampled && unsampled.is_some() {
            return unsampled;
        }
        if self.exemplars.iter().any(|kept| kept.operation == *operation) {
            return None;
        }
        let mut all = 0..self.exemplars.len();
        all.find(|&at| self.repeats(at) && sampled >= self.exemplars[at].sampled)
    }

    /// The bad events, newest last.
    pub(crate) fn drain_exemplars(&mut self) -> Vec<BadEvent> {
        self.is_closed = [false; 2];
        self.exemplars.sort_by_key(|exemplar| exemplar.at);
        let drained = self.exemplars.drain(..).map(|exemplar| BadEvent {
            at: exemplar.at,
            trace_id: TraceId(exemplar.trace_id),
            span_id: SpanId(exemplar.span_id),
            duration_ns: exemplar.duration_ns,
            operation: exemplar.operation,
            reason: exemplar.reason,
        });
        drained.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exemplar(at: u64, operation: &str, sampled: bool) -> Exemplar {
        Exemplar {
            at: Timestamp::from_unix_s(at),
            trace_id: [at as u8; 16],
            span_id: [1; 8],
            duration_ns: 0,
            operation: Arc::from(operation),
            reason: Arc::from("500"),
            sampled,
        }
    }

    fn kept(given: &[(u64, &str, bool)]) -> Vec<u64> {
        let service = Arc::new(model::Service::named("a"));
        let mut series = Series::new(SeriesKey::Automatic {
            service,
            sli: model::AutomaticSli::Availability,
            source: model::AutomaticSource::Spans,
        });
        for &(at, operation, sampled) in given {
            series.keep(exemplar(at, operation, sampled), 2);
        }
        series.drain_exemplars().iter().map(|event| event.at.unix_s()).collect()
    }

    #[test]
    fn exemplars_are_few_recallable_and_of_different_operations() {
        assert_eq!(kept(&[(2, "a", true), (1, "a", true), (3, "a", true)]), [1, 2]);
        assert_eq!(kept(&[(1, "a", true), (2, "a", true), (3, "b", true)]), [1, 3]);
        assert_eq!(kept(&[(1, "a", false), (2, "a", true), (3, "a", true)]), [2, 3]);
        assert_eq!(kept(&[(1, "a", true), (2, "a", true), (3, "b", false)]), [1, 2]);
    }
}
