mod automatic;
mod declared;
mod split;
mod value;

use model::{Count, PointKind, StreamPoint, Timestamp};
use otlp::{
    ExponentialHistogramPoint, HistogramPoint, Metric, MetricKind, MetricsVisitor, NumberPoint,
    Resource, Scope, SummaryPoint, Temporality, Value,
};
use slo::stream::Increment;

use crate::declared::Slots;
use crate::fields::Fields;
use crate::hash::Seed;
use crate::plan::MetricPlan;
use crate::state::{Accepted, State};
use crate::tables::attributes_hash;
use automatic::ServerHistogram;
use value::{Histogram, PointView};

const STREAM: u64 = 40;
const POINT_ATTRIBUTES: u64 = 41;
const NO_RECORDED_VALUE: u32 = otlp::NO_RECORDED_VALUE;

/// Walks the points of one request.
#[derive(Debug)]
pub(crate) struct MetricWalk<'o, 'a> {
    state: &'o mut State,
    plan: &'o MetricPlan,
    accepted: Accepted,
    service: u32,
    resource_hash: u128,
    scope: (&'a [u8], &'a [u8]),
    slots: Slots<'a>,
    fields: Fields<'a>,
    metric: Option<Metric<'a>>,
    /// Set if the metric at hand feeds automatic SLIs.
    server: Option<ServerHistogram>,
    /// Whether some declared SLI may select the metric at hand.
    declares: bool,
}

impl<'o> MetricWalk<'o, '_> {
    pub(crate) fn new(state: &'o mut State, plan: &'o MetricPlan, accepted: Accepted) -> Self {
        let slots = Slots::new(&plan.fields);
        let service = state.tables.overflow_service;
        Self {
            state,
            plan,
            accepted,
            service,
            resource_hash: 0,
            scope: (&[], &[]),
            slots,
            fields: Fields::new(),
            metric: None,
            server: None,
            declares: false,
        }
    }
}

impl<'a> MetricWalk<'_, 'a> {
    fn histogram_point(&mut self, view: &PointView<'a>, histogram: Histogram<'_, 'a>) {
        if !self.accepts(view) {
            return;
        }
        if let Some(server) = self.server {
            self.automatic(server, view, histogram);
        }
        if self.declares {
            self.declared_histogram(view, histogram);
        }
    }

    /// Whether the point's time is taken; the service is heard in any case.
    fn accepts(&mut self, view: &PointView<'a>) -> bool {
        let accepted = self.state.accepts(self.accepted, view.time_unix_ns);
        if accepted {
            let service = self.state.tables.hear(self.service);
            service.newest = service.newest.max(Timestamp::from_unix_ns(view.time_unix_ns));
        }
        accepted
    }

    /// Adds what a point of an unsampled series counts: at once if it is an increment, as a point
    /// of its stream if it is cumulative.
    fn add(&mut self, series: u32, view: &PointView<'a>, kind: PointKind, count: Count) {
        match view.temporality {
            Temporality::Delta if view.flags & NO_RECORDED_VALUE == 0 => {
                let until = Timestamp::from_unix_ns(view.time_unix_ns);
                let from =
                    if view.start_unix_ns == 0 { view.time_unix_ns } else { view.start_unix_ns };
                let from = Timestamp::from_unix_ns(from);
                let count = increment_of(kind, count);
                for share in (Increment { from, until, count }).spread() {
                    self.state.count(series, share.pane, share.count);
                }
            }
            Temporality::Cumulative => self.push_point(series, view, kind, count),
            Temporality::Delta => {}
            Temporality::Unspecified => self.state.counters.points_ignored += 1,
        }
    }

    fn push_point(&mut self, series: u32, view: &PointView<'a>, kind: PointKind, count: Count) {
        if self.state.points.len() >= self.state.tables.limits.points {
            self.state.counters.points_dropped += 1;
            return;
        }
        let point = StreamPoint {
            id: series,
            key: self.state.tables.series.get(series).key.clone(),
            stream: self.stream(view),
            kind,
            start: Timestamp::from_unix_ns(view.start_unix_ns),
            time: Timestamp::from_unix_ns(view.time_unix_ns),
            total: count.total,
            bad: count.bad(),
            uncertain: count.uncertain,
            ended: view.flags & NO_RECORDED_VALUE != 0,
        };
        self.state.points.push(point);
    }

    /// The identity of the point's stream, equal in every worker: resource, scope, metric and
    /// attributes, the attributes in any order.
    fn stream(&self, view: &PointView<'a>) -> u128 {
        let metric = self.metric.as_ref();
        let (name, unit) = metric.map_or((&b""[..], &b""[..]), |metric| (metric.name, metric.unit));
        let hash = Seed::COMMON.start(STREAM).bytes(self.scope.0).bytes(self.scope.1);
        let hash = hash.bytes(name).bytes(unit).finish();
        let attributes = attributes_hash(POINT_ATTRIBUTES, view.attributes.clone());
        let parts = [hash, self.resource_hash, attributes];
        let bytes = parts.map(u128::to_le_bytes);
        Seed::COMMON.of(STREAM, bytes.as_flattened())
    }

    fn unit(&self) -> &'a str {
        let unit = self.metric.as_ref().map_or(&b""[..], |metric| metric.unit);
        std::str::from_utf8(unit).unwrap_or_default()
    }

    fn temporality(&self) -> Temporality {
        self.metric.as_ref().map_or(Temporality::Unspecified, |metric| metric.temporality)
    }
}

impl<'a> MetricsVisitor<'a> for MetricWalk<'_, 'a> {
    fn key_lengths(&self) -> u64 {
        automatic::KEY_LENGTHS | self.plan.fields.key_lengths
    }

    fn resource(&mut self, resource: Resource<'a>) {
        let id = self.state.tables.resource(resource);
        let entry = self.state.tables.resources.get(id);
        (self.service, self.resource_hash) = (entry.service, entry.common);
        let memo = &mut self.state.tallies.metrics;
        self.slots.resource(&self.plan.fields, memo, resource);
    }

    fn scope(&mut self, scope: Scope<'a>) {
        self.scope = (scope.name(), scope.version());
        let memo = &mut self.state.tallies.metrics;
        self.slots.scope(&self.plan.fields, memo, scope);
    }

    fn metric(&mut self, metric: &Metric<'a>) {
        self.state.counters.points += metric.points;
        self.state.tables.hear(self.service).points += metric.points;
        self.server = match (self.state.automatic, metric.kind) {
            (Some(_), MetricKind::Histogram | MetricKind::ExponentialHistogram) => {
                ServerHistogram::of(metric)
            }
            _ => None,
        };
        self.declares = self.selects(metric);
        self.metric = Some(*metric);
    }

    fn points_wanted(&self) -> bool {
        self.server.is_some() || self.declares
    }

    fn attribute(&mut self, key: &'a [u8], value: Value<'a>) {
        if self.server.is_some() {
            self.fields.read(key, value);
        }
        if self.declares
            && let Some(slot) = self.plan.fields.item(key)
        {
            self.slots.attribute(slot, value);
        }
    }

    fn number(&mut self, point: &NumberPoint<'a>) {
        let view = PointView {
            start_unix_ns: point.start_unix_ns,
            time_unix_ns: point.time_unix_ns,
            flags: point.flags,
            temporality: self.temporality(),
            attributes: point.attributes(),
        };
        if self.declares && self.accepts(&view) {
            self.declared_number(&view, point.value);
        }
        self.discard();
    }

    fn histogram(&mut self, point: &HistogramPoint<'a>) {
        let view = PointView {
            start_unix_ns: point.start_unix_ns,
            time_unix_ns: point.time_unix_ns,
            flags: point.flags,
            temporality: self.temporality(),
            attributes: point.attributes(),
        };
        self.histogram_point(&view, Histogram::Explicit(point));
        self.discard();
    }

    fn exponential_histogram(&mut self, point: &ExponentialHistogramPoint<'a>) {
        let view = PointView {
            start_unix_ns: point.start_unix_ns,
            time_unix_ns: point.time_unix_ns,
            flags: point.flags,
            temporality: self.temporality(),
            attributes: point.attributes(),
        };
        self.histogram_point(&view, Histogram::Exponential(point));
        self.discard();
    }

    fn summary(&mut self, _: &SummaryPoint<'a>) {
        self.state.counters.points_ignored += 1;
        self.discard();
    }

    fn discard(&mut self) {
        self.fields.clear();
        self.slots.clear();
    }
}

/// What an increment of a stream of this kind means for its series: as the engine reads the
/// difference of two cumulative points.
fn increment_of(kind: PointKind, count: Count) -> Count {
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let Count { total, uncertain, .. } = count;
    match kind {
        PointKind::TotalAndBad => count,
        PointKind::Total => Count { total, bad_signed: signed(total), ..Count::ZERO },
        PointKind::Good => Count { bad_signed: -signed(total), uncertain, ..Count::ZERO },
        PointKind::Bad => {
            Count { total: 0, bad_signed: signed(total), bad_observed: total, uncertain }
        }
        PointKind::TotalBesideBad => Count { total, ..Count::ZERO },
    }
}
