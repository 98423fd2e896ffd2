//! Histograms of HTTP servers, as many pods of a service export them and a batch collects them.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Histogram, HistogramDataPoint, Metric, ResourceMetrics, ScopeMetrics,
    metric::Data,
};

use crate::payload::attribute::{self, SCHEMA_URL, integer, resource, scope, service_name, text};
use crate::payload::identity::scatter;
use crate::payload::{Shape, points::VARIANTS};

/// Points of one metric: two methods with five status codes each.
const POINTS_PER_METRIC: usize = METHODS.len() * STATUS_CODES.len();
/// Metrics of one instance, each of a route of its own.
const METRICS_PER_INSTANCE: usize = 10;
pub(in crate::payload) const POINTS_PER_INSTANCE: usize = POINTS_PER_METRIC * METRICS_PER_INSTANCE;

const METHODS: [&str; 2] = ["GET", "POST"];
/// Those that are errors count one request in a few thousand.
const STATUS_CODES: [i64; 5] = [200, 201, 404, 500, 503];
/// The boundaries that the semantic conventions advise for `http.server.request.duration`, in
/// seconds.
const BOUNDS_S: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
pub(super) const BUCKETS: usize = BOUNDS_S.len() + 1;
/// Buckets that a request falls into: those above 0.5 s stay empty, so that nothing alerts.
const BUCKETS_USED: usize = 8;
/// Growth is kept in parts of a request, so that rare codes can count less than one a round.
const PARTS: u64 = 1024;
/// Parts of a request in a round that a failing point may count: with twenty points of good codes
/// beside it, each with hundreds of requests, fewer than one request in ten thousand fails.
const FAILED_PARTS: u64 = 8;

/// What a point counts in a round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Growth {
    /// In each bucket, in 1/[`PARTS`] of a request.
    parts: [u32; BUCKETS],
    mean_s: f64,
}

impl Growth {
    /// Of point `index` of a service's series.
    pub(super) fn of(service: usize, index: usize) -> Self {
        let mut parts = [0; BUCKETS];
        let failed = STATUS_CODES[index % STATUS_CODES.len()] >= 500;
        for (bucket, parts) in parts.iter_mut().take(BUCKETS_USED).enumerate() {
            let seed = (service * POINTS_PER_INSTANCE + index) as u64 * BUCKETS as u64;
            let parts_max = if failed { FAILED_PARTS } else { 16 * PARTS };
            // Below 2^14.
            *parts = (scatter(seed + bucket as u64) % parts_max) as u32;
        }
        Self { parts, mean_s: 0.05 }
    }

    /// In each bucket, since the stream began.
    pub(super) fn counts(&self, round: u64) -> impl Iterator<Item = u64> {
        self.parts.iter().map(move |parts| u64::from(*parts) * (round + 1) / PARTS)
    }

    pub(super) fn sum_s(&self, count: u64) -> f64 {
        count as f64 * self.mean_s
    }
}

pub(super) fn request(
    shape: &Shape,
    service: usize,
    variant: usize,
    began_unix_ns: u64,
) -> ExportMetricsServiceRequest {
    let instances = shape.batch / POINTS_PER_INSTANCE;
    let first = variant % VARIANTS * instances;
    let instances = first..first + instances;
    let resource_metrics = instances.map(|instance| ResourceMetrics {
        resource: Some(resource(service, instance)),
        scope_metrics: vec![ScopeMetrics {
            scope: Some(scope("io.opentelemetry.http-server")),
            metrics: (0..METRICS_PER_INSTANCE)
                .map(|number| (instance * METRICS_PER_INSTANCE + number) % shape.routes)
                .map(|route| metric(service, route, began_unix_ns))
                .collect(),
            schema_url: String::new(),
        }],
        schema_url: SCHEMA_URL.to_owned(),
    });
    ExportMetricsServiceRequest { resource_metrics: resource_metrics.collect() }
}

fn metric(service: usize, route: usize, began_unix_ns: u64) -> Metric {
    let points = METHODS
        .into_iter()
        .flat_map(|method| STATUS_CODES.map(|status_code| (method, status_code)))
        .map(|(method, status_code)| HistogramDataPoint {
            attributes: attributes(service, route, method, status_code),
            start_time_unix_nano: began_unix_ns.max(1),
            // Stamped on each copy; any value but zero, which is not written, holds the place.
            time_unix_nano: 1,
            count: 1,
            sum: Some(1.0),
            bucket_counts: vec![1; BUCKETS],
            explicit_bounds: BOUNDS_S.to_vec(),
            min: Some(0.002),
            max: Some(0.45),
            ..HistogramDataPoint::default()
        });
    Metric {
        name: "http.server.request.duration".to_owned(),
        description: "Duration of HTTP server requests.".to_owned(),
        unit: "s".to_owned(),
        data: Some(Data::Histogram(Histogram {
            data_points: points.collect(),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
        })),
        metadata: Vec::new(),
    }
}

fn attributes(service: usize, route: usize, method: &str, status_code: i64) -> Vec<KeyValue> {
    let mut attributes = vec![
        text("http.request.method", method.to_owned()),
        text("http.route", attribute::route(route)),
        integer("http.response.status_code", status_code),
        text("url.scheme", "https".to_owned()),
        text("network.protocol.version", "1.1".to_owned()),
        text("server.address", format!("{}.load.svc", service_name(service))),
        integer("server.port", 8443),
    ];
    if status_code >= 500 {
        attributes.push(text("error.type", status_code.to_string()));
    }
    attributes
}
