mod automatic;
mod declared;
mod fractions;
mod split;
mod value;

use model::{Count, Counted, PointKind, Telemetry, Timestamp};
use otlp::{
    ExponentialHistogramPoint, HistogramPoint, Metric, MetricKind, MetricsVisitor, NumberPoint,
    Resource, Scope, SummaryPoint, Temporality, Value,
};
use slo::stream::Increment;

use crate::arena::NONE;
use crate::declared::Slots;
use crate::fields::Fields;
use crate::hash::{Hash128, Key, Seed};
use crate::plan::MetricPlan;
use crate::state::{Accepted, State};
use crate::streams::{NewStream, Sample};
use crate::tables::attributes_hash;
use crate::usage::{self, Gauge};
use automatic::ServerHistogram;
pub(crate) use fractions::Fractions;
use split::Boundary;
use value::{Histogram, PointView};

const STREAM: u64 = 40;
const POINT_ATTRIBUTES: u64 = 41;
const SCATTERED: u64 = 43;
const FED: u64 = 44;

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
    /// Of the histogram that was split last.
    boundary: Boundary<'a>,
    /// Set if the metric at hand feeds automatic SLIs.
    server: Option<ServerHistogram>,
    /// Set if the metric at hand tells how much of a resource is used.
    usage: Option<Gauge>,
    /// Tag set of the resource.
    tag_set: u32,
    /// Whether some declared SLI may select the metric at hand.
    declares: bool,
    /// What is hashed of a stream before its attributes, if the metric at hand is cumulative.
    before_attributes: Option<Hash128>,
    /// Of the stream of the point at hand, by the bytes of its attributes.
    key: Option<Key>,
    /// The stream of the point at hand, if its attributes need not be read.
    known: Option<u32>,
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
            boundary: Boundary::default(),
            server: None,
            usage: None,
            tag_set: NONE,
            declares: false,
            before_attributes: None,
            key: None,
            known: None,
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
        self.state.hears((self.service, Telemetry::Metrics), self.accepted, view.time_unix_ns)
    }

    /// Adds what a point of an unsampled series counts: at once if it is an increment of both sides
    /// of its SLI, else as a point of its stream.
    fn add(&mut self, series: u32, view: &PointView<'a>, kind: PointKind, count: Count) {
        match view.temporality {
            Temporality::Delta if view.has_value() && kind != PointKind::TotalAndBad => {
                self.push_increment(series, view, kind, count);
            }
            Temporality::Delta if view.has_value() => {
                let until = Timestamp::from_unix_ns(view.time_unix_ns);
                let from =
                    if view.start_unix_ns == 0 { view.time_unix_ns } else { view.start_unix_ns };
                let from = Timestamp::from_unix_ns(from);
                let panes = &mut self.state.tables.touch_series(series).panes;
                Increment { from, until, count }.spread(panes);
            }
            Temporality::Cumulative => self.push_point(series, view, kind, count),
            Temporality::Delta => {}
            Temporality::Unspecified => self.state.counters.points_ignored += 1,
        }
    }

    /// What one of two streams has counted, which the engine counts together.
    fn push_increment(&mut self, series: u32, view: &PointView<'a>, kind: PointKind, count: Count) {
        let (generation, seed) = (self.state.tables.generation, self.state.tables.seed);
        let feed = self.state.streams.feed(seed, (series, NONE), kind, generation);
        let new = NewStream { identity: self.stream(view), feed, failed: false };
        let counted = view.sample(value::counted(count), Counted::default());
        let sample = Sample { is_delta: true, ..counted };
        let taken = self.state.streams.take_loose(new, sample);
        self.state.count_dropped(taken);
    }

    /// A cumulative point that counts for one series.
    fn push_point(&mut self, series: u32, view: &PointView<'a>, kind: PointKind, count: Count) {
        let generation = self.state.tables.generation;
        let seed = self.state.tables.seed;
        let feed = self.state.streams.feed(seed, (series, NONE), kind, generation);
        let key = self.stream_key(view);
        let hash = seed.start(FED).number(key as u64).number((key >> 64) as u64);
        let key = hash.number(u64::from(feed)).finish();
        let sample = view.sample(value::counted(count), Counted::default());
        let known = self.state.streams.find(key, generation);
        self.push_sample(known, key, view, (feed, false), sample);
    }

    /// Takes a point of a stream that may be new.
    fn push_sample(
        &mut self,
        known: Option<u32>,
        key: Key,
        view: &PointView<'a>,
        (feed, failed): (u32, bool),
        sample: Sample,
    ) {
        let taken = match known {
            Some(stream) => self.state.streams.take(stream, sample),
            None => {
                let new = NewStream { identity: self.stream(view), feed, failed };
                let generation = self.state.tables.generation;
                match self.state.streams.insert(key, new, generation) {
                    Some(stream) => self.state.streams.take(stream, sample),
                    None => self.state.streams.take_loose(new, sample),
                }
            }
        };
        self.state.count_dropped(taken);
    }

    /// Under what the point's stream is remembered.
    fn stream_key(&self, view: &PointView<'a>) -> Key {
        self.key.unwrap_or_else(|| {
            let identity = self.stream(view).to_le_bytes();
            self.state.tables.seed.of(SCATTERED, &identity)
        })
    }

    /// The identity of the point's stream, equal in every worker: resource, scope, metric and
    /// attributes, the attributes in any order.
    fn stream(&self, view: &PointView<'a>) -> u128 {
        let metric = self.metric.as_ref();
        let (name, unit) = metric.map_or((&b""[..], &b""[..]), |metric| (metric.name, metric.unit));
        let hash = Seed::COMMON.start(STREAM).bytes(self.scope.0).bytes(self.scope.1);
        let hash = hash.bytes(name).bytes(unit).finish();
        let attributes = attributes_hash(POINT_ATTRIBUTES, view.attributes.clone());
        let parts = [hash, attributes].map(u128::to_le_bytes);
        let rest = Seed::COMMON.of(STREAM, parts.as_flattened());
        self.resource_hash << 64 | u128::from(rest as u64)
    }

    /// The part of a stream's key that all points of a metric have.
    fn before_attributes(&self, metric: &Metric<'a>) -> Hash128 {
        let hash = self.state.tables.seed.start(STREAM).number(u64::from(self.service));
        let hash = hash.bytes(&self.resource_hash.to_le_bytes());
        let hash = hash.bytes(self.scope.0).bytes(self.scope.1);
        hash.bytes(metric.name).bytes(metric.unit)
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
        self.tag_set = entry.tag_set;
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
        self.usage = (usage::is_usage(metric) && self.tag_set != NONE)
            .then(|| (self.service, self.tag_set, self.state.tables.text(metric.name)));
        self.declares = self.selects(metric);
        self.metric = Some(*metric);
        let is_remembered = metric.temporality == Temporality::Cumulative && self.points_wanted();
        self.before_attributes = is_remembered.then(|| self.before_attributes(metric));
    }

    fn points_wanted(&self) -> bool {
        self.server.is_some() || self.declares || self.usage.is_some()
    }

    #[inline(always)]
    fn knows(&mut self, attributes: &'a [u8]) -> bool {
        let Some(before) = self.before_attributes else { return false };
        let key = before.many_bytes(attributes).finish();
        self.key = Some(key);
        if self.server.is_some() {
            self.known = self.state.streams.find(key, self.state.tables.generation);
        }
        self.known.is_some() && !self.declares
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
        if (self.declares || self.usage.is_some()) && self.accepts(&view) {
            if let Some(gauge) = self.usage {
                self.state.usages.add(gauge, point.value);
            }
            if self.declares {
                self.declared_number(&view, point.value);
            }
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

    fn summary(&mut self, point: &SummaryPoint<'a>) {
        if self.declares {
            let view = PointView {
                start_unix_ns: point.start_unix_ns,
                time_unix_ns: point.time_unix_ns,
                flags: point.flags,
                // OTLP has no other: what summaries count only grows.
                temporality: Temporality::Cumulative,
                attributes: point.attributes(),
            };
            self.histogram_point(&view, Histogram::Summary(point.count));
        }
        self.discard();
    }

    fn discard(&mut self) {
        self.fields.clear();
        self.slots.clear();
        (self.key, self.known) = (None, None);
    }
}
