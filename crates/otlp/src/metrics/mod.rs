//! Metrics and their data points.

mod exemplar;
mod histogram;
mod labels;
mod number;
mod numbers;
mod summary;

pub use exemplar::Exemplar;
pub use histogram::{Buckets, ExponentialHistogramPoint, HistogramPoint};
pub use number::{Number, NumberPoint};
pub use numbers::{Bounds, Counts};
pub use summary::{SummaryPoint, ValueAtQuantile};

use std::hint::black_box;

use crate::envelope::{self, Items, Resource, Scope, Tally};
use crate::outcome::{Malformed, Reject, Summary};
use crate::scratch::Scratch;
use crate::value::{Attributes, Value};
use crate::wire::{Fault, Frames, Reader, field_number};

/// The flag of a data point that stands for "no value was recorded" (Prometheus staleness).
pub const NO_RECORDED_VALUE: u32 = 1;

/// Receives what a metrics request holds, in this order: a resource, its scopes, the metrics of
/// each, the data points of each; before each point its attributes. All borrowed bytes live as
/// long as the request.
pub trait MetricsVisitor<'a> {
    /// Which point attributes are wanted at all, by the length of their keys: see
    /// [`key_length_bit`](crate::key_length_bit). Asked once a request.
    fn key_lengths(&self) -> u64 {
        u64::MAX
    }

    /// What follows belongs to this resource. Called for every resource, also an empty one.
    fn resource(&mut self, resource: Resource<'a>);

    /// What follows was made by this scope. Called for every scope, also an empty one.
    fn scope(&mut self, scope: Scope<'a>);

    /// The points that follow belong to this metric. Not called for a metric without data.
    fn metric(&mut self, metric: &Metric<'a>);

    /// Whether to visit the points of the metric just given. If not, they count as accepted and
    /// are not read.
    fn points_wanted(&self) -> bool {
        true
    }

    /// Whether the attributes of the point that comes next are known, by their bytes as on the
    /// wire: then they are not read. Only bytes may be known that were shown before and whose
    /// attributes could be read. Asked once a point, if all of them lie in one piece.
    fn knows(&mut self, attributes: &'a [u8]) -> bool {
        let _ = attributes;
        false
    }

    /// An attribute of the point that comes next.
    fn attribute(&mut self, key: &'a [u8], value: Value<'a>);

    /// A point of a gauge or sum.
    fn number(&mut self, point: &NumberPoint<'a>);

    /// A point of a histogram with explicit bounds.
    fn histogram(&mut self, point: &HistogramPoint<'a>);

    /// A point of an exponential histogram.
    fn exponential_histogram(&mut self, point: &ExponentialHistogramPoint<'a>);

    /// A point of a summary.
    fn summary(&mut self, point: &SummaryPoint<'a>);

    /// The attributes since the last point belong to a point that is left out.
    fn discard(&mut self);
}

/// What kind of data a metric holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// Values at moments.
    Gauge,
    /// Sums over time.
    Sum,
    /// Distributions over explicit buckets.
    Histogram,
    /// Distributions over exponential buckets.
    ExponentialHistogram,
    /// Quantiles computed by the sender.
    Summary,
}

/// What a sum or histogram is counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Temporality {
    /// Not given, or a number that is not defined.
    #[default]
    Unspecified,
    /// Since the last point.
    Delta,
    /// Since a fixed start.
    Cumulative,
}

impl Temporality {
    const fn from_number(number: i32) -> Self {
        match number {
            1 => Self::Delta,
            2 => Self::Cumulative,
            _ => Self::Unspecified,
        }
    }
}

/// One metric, without its points. Text is not checked for UTF-8.
#[derive(Debug, Clone, Copy)]
pub struct Metric<'a> {
    /// The metric's name.
    pub name: &'a [u8],
    /// The unit, in UCUM.
    pub unit: &'a [u8],
    /// What its points are.
    pub kind: MetricKind,
    /// Of sums and histograms; unspecified for others.
    pub temporality: Temporality,
    /// Whether a sum only grows; false for others.
    pub monotonic: bool,
    /// How many points follow, those included that will be left out.
    pub points: u64,
    /// How many occurrences of the data field to leave out: an occurrence of another member of
    /// the oneof has voided them.
    void: u32,
    bytes: &'a [u8],
}

impl<'a> Metric<'a> {
    /// Describes what the numbers mean; unused, hence looked up only when asked for.
    #[must_use]
    pub fn description(&self) -> &'a [u8] {
        Frames::new(self.bytes, 2).last().unwrap_or_default()
    }

    /// The metadata in wire order.
    #[must_use]
    pub const fn metadata(&self) -> Attributes<'a> {
        Attributes::new(self.bytes, 12)
    }

    /// Reads everything but the inside of the points. Nothing, if the metric has no data.
    fn read(bytes: &'a [u8]) -> Result<Option<Self>, Fault> {
        let (mut name, mut unit): (&[u8], &[u8]) = (&[], &[]);
        let mut data: Option<Data> = None;
        let mut seen = [0_u32; 5];
        let mut reader = Reader::new(bytes);
        while let Some(key) = reader.key()? {
            let kind = match key {
                0x0a => {
                    name = reader.bytes()?;
                    continue;
                }
                0x1a => {
                    unit = reader.bytes()?;
                    continue;
                }
                0x12 | 0x62 => {
                    reader.bytes()?;
                    continue;
                }
                0x2a => MetricKind::Gauge,
                0x3a => MetricKind::Sum,
                0x4a => MetricKind::Histogram,
                0x52 => MetricKind::ExponentialHistogram,
                0x5a => MetricKind::Summary,
                // Reserved, so unknown.
                _ if matches!(field_number(key), 4 | 6 | 8) => {
                    reader.skip(key)?;
                    continue;
                }
                _ => {
                    reader.skip_unknown(key, 1..=12)?;
                    continue;
                }
            };
            let Some(seen) = seen.get_mut(kind as usize) else { continue };
            let current = data.take().filter(|data| data.kind == kind);
            let mut current = current.unwrap_or(Data::new(kind, *seen));
            *seen += 1;
            current.merge(reader.bytes()?)?;
            data = Some(current);
        }
        Ok(data.map(|data| Self {
            name,
            unit,
            kind: data.kind,
            temporality: data.temporality,
            monotonic: data.monotonic,
            points: data.points,
            void: data.void,
            bytes,
        }))
    }

    /// The occurrences of the data field that count.
    fn data_frames(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let field = match self.kind {
            MetricKind::Gauge => 5,
            MetricKind::Sum => 7,
            MetricKind::Histogram => 9,
            MetricKind::ExponentialHistogram => 10,
            MetricKind::Summary => 11,
        };
        Frames::new(self.bytes, field).skip(self.void as usize)
    }
}

/// The member of the oneof that is set, merged from its occurrences so far.
struct Data {
    kind: MetricKind,
    void: u32,
    points: u64,
    temporality: Temporality,
    monotonic: bool,
}

impl Data {
    const fn new(kind: MetricKind, void: u32) -> Self {
        Self { kind, void, points: 0, temporality: Temporality::Unspecified, monotonic: false }
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let known = match self.kind {
            MetricKind::Gauge | MetricKind::Summary => 1,
            MetricKind::Histogram | MetricKind::ExponentialHistogram => 2,
            MetricKind::Sum => 3,
        };
        let mut reader = Reader::new(bytes);
        loop {
            let start = reader;
            let Some(key) = reader.key()? else { return Ok(()) };
            match key {
                0x0a => {
                    let point = reader.bytes()?;
                    self.points += 1 + reader.skip_alike(start, point.len());
                }
                0x10 if known >= 2 => self.temporality = Temporality::from_number(reader.int32()?),
                0x18 if known >= 3 => self.monotonic = reader.varint()? != 0,
                _ => reader.skip_unknown(key, 1..=known)?,
            }
        }
    }
}

/// Visits an `ExportMetricsServiceRequest` (or `MetricsData`, which has the same form). Items are
/// data points; a metric that cannot be read down to its points counts as one.
///
/// # Errors
///
/// If the request cannot be read down to its metrics; then the visitor has seen nothing. A point
/// that cannot be read inside is left out and counted in the summary.
pub fn metrics<'a, V: MetricsVisitor<'a>>(
    request: &'a [u8],
    scratch: &'a Scratch,
    visitor: &mut V,
) -> Result<Summary, Malformed> {
    let wanted = visitor.key_lengths();
    envelope::walk(request, scratch, &mut Metrics { visitor, wanted })
}

pub(crate) fn count(request: &[u8]) -> Result<u64, Malformed> {
    envelope::count::<Metrics<'_, Nobody>>(request)
}

/// Stands for the visitor where none is needed.
enum Nobody {}

impl MetricsVisitor<'_> for Nobody {
    fn resource(&mut self, _: Resource<'_>) {}
    fn scope(&mut self, _: Scope<'_>) {}
    fn metric(&mut self, _: &Metric<'_>) {}
    fn attribute(&mut self, _: &[u8], _: Value<'_>) {}
    fn number(&mut self, _: &NumberPoint<'_>) {}
    fn histogram(&mut self, _: &HistogramPoint<'_>) {}
    fn exponential_histogram(&mut self, _: &ExponentialHistogramPoint<'_>) {}
    fn summary(&mut self, _: &SummaryPoint<'_>) {}
    fn discard(&mut self) {}
}

/// What a core's nearest cache holds beside other things.
const TOUCHED_BYTES_MAX: usize = 16 << 10;
const CACHE_LINE_BYTES: usize = 64;

/// Reads a byte of each cache line, in order: at this, memory is several times as fast as at the
/// jumps from length to length that follow.
#[inline(always)]
fn touch(bytes: &[u8]) {
    black_box(bytes.iter().step_by(CACHE_LINE_BYTES).fold(0, |bits, byte| bits | byte));
}

struct Metrics<'v, V> {
    visitor: &'v mut V,
    wanted: u64,
}

impl<'a, V: MetricsVisitor<'a>> Metrics<'_, V> {
    #[inline(always)]
    fn point(&mut self, kind: MetricKind, bytes: &'a [u8]) -> Result<(), Reject> {
        let visitor = &mut *self.visitor;
        match kind {
            MetricKind::Gauge | MetricKind::Sum => {
                let point = NumberPoint::read(bytes, self.wanted, visitor)?;
                visitor.number(&point);
            }
            MetricKind::Histogram => {
                let point = HistogramPoint::read(bytes, self.wanted, visitor)?;
                visitor.histogram(&point);
            }
            MetricKind::ExponentialHistogram => {
                let point = ExponentialHistogramPoint::read(bytes, self.wanted, visitor)?;
                visitor.exponential_histogram(&point);
            }
            MetricKind::Summary => {
                let point = SummaryPoint::read(bytes, self.wanted, visitor)?;
                visitor.summary(&point);
            }
        }
        Ok(())
    }
}

impl<'a, V: MetricsVisitor<'a>> Items<'a> for Metrics<'_, V> {
    fn count(item: &[u8]) -> u64 {
        match Metric::read(item) {
            Ok(metric) => metric.map_or(0, |metric| metric.points),
            Err(_) => 1,
        }
    }

    fn resource(&mut self, resource: Resource<'a>) {
        self.visitor.resource(resource);
    }

    fn scope(&mut self, scope: Scope<'a>) {
        self.visitor.scope(scope);
    }

    fn item(&mut self, item: &'a [u8], tally: &mut Tally<'a>) {
        touch(item.get(..TOUCHED_BYTES_MAX).unwrap_or(item));
        let metric = match Metric::read(item) {
            Ok(Some(metric)) => metric,
            Ok(None) => return,
            Err(fault) => return tally.reject(1, fault.into(), item),
        };
        self.visitor.metric(&metric);
        if !self.visitor.points_wanted() {
            return tally.accept(metric.points);
        }
        for data in metric.data_frames() {
            let mut points = Frames::new(data, 1);
            while let Some(point) = points.take_next() {
                match self.point(metric.kind, point) {
                    Ok(()) => tally.accept(1),
                    Err(reject) => {
                        self.visitor.discard();
                        tally.reject(1, reject, point);
                    }
                }
            }
        }
    }
}
