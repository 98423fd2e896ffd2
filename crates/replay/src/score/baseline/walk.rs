use otlp::{
    ExponentialHistogramPoint, HistogramPoint, LogRecord, LogsVisitor, Metric, MetricKind,
    MetricsVisitor, Number, NumberPoint, Resource, Scope, Span, SummaryPoint, TraceVisitor, Value,
};

use super::{Measure, Telemetry};

/// OTLP severity number of ERROR.
const ERROR_SEVERITY_MIN: i32 = 17;
/// Words of a record that tells of an error, whatever its severity.
const ERROR_WORDS: [&str; 3] = ["error", "exception", "fail"];

/// Adds one request to the telemetry.
pub(super) struct Walk<'t> {
    telemetry: &'t mut Telemetry,
    service: String,
    metric: Option<String>,
}

impl<'t> Walk<'t> {
    pub(super) fn new(telemetry: &'t mut Telemetry) -> Self {
        Self { telemetry, service: String::new(), metric: None }
    }

    fn of_resource(&mut self, resource: Resource<'_>) {
        let (mut service, mut instance) = (String::new(), String::new());
        for (key, value) in resource.attributes() {
            let Value::Str(text) = value else { continue };
            match key {
                b"service.name" => service = String::from_utf8_lossy(text).into_owned(),
                b"k8s.pod.name" => instance = String::from_utf8_lossy(text).into_owned(),
                _ => {}
            }
        }
        if !instance.is_empty() {
            let _ = self.telemetry.instances.insert(service.clone(), instance);
        }
        self.service = service;
    }
}

impl<'a> TraceVisitor<'a> for Walk<'_> {
    fn wants(&self, _: &'a [u8]) -> bool {
        false
    }

    fn resource(&mut self, resource: Resource<'a>) {
        self.of_resource(resource);
    }

    fn scope(&mut self, _: Scope<'a>) {}

    fn attribute(&mut self, _: &'a [u8], _: Value<'a>) {}

    fn span(&mut self, span: &Span<'a>) {
        let duration_ns = span.end_unix_ns.saturating_sub(span.start_unix_ns);
        let (service, at) = (self.service.clone(), span.start_unix_ns);
        let operation = String::from_utf8_lossy(span.name).into_owned();
        self.telemetry.add_span(&service, operation, at, duration_ns);
    }

    fn discard(&mut self) {}

    fn settle(&mut self) {}

    fn forget(&mut self) {}
}

impl<'a> MetricsVisitor<'a> for Walk<'_> {
    fn key_lengths(&self) -> u64 {
        0
    }

    fn resource(&mut self, resource: Resource<'a>) {
        self.of_resource(resource);
    }

    fn scope(&mut self, _: Scope<'a>) {}

    fn metric(&mut self, metric: &Metric<'a>) {
        let is_gauge = metric.kind == MetricKind::Gauge;
        self.metric = is_gauge.then(|| String::from_utf8_lossy(metric.name).into_owned());
    }

    fn attribute(&mut self, _: &'a [u8], _: Value<'a>) {}

    fn number(&mut self, point: &NumberPoint<'a>) {
        let value = match point.value {
            Some(Number::Int(value)) => value as f64,
            Some(Number::Double(value)) if value.is_finite() => value,
            _ => return,
        };
        if let Some(name) = self.metric.clone() {
            let service = self.service.clone();
            self.telemetry.add(&service, Measure::Gauge(name), point.time_unix_ns, value);
        }
    }

    fn histogram(&mut self, _: &HistogramPoint<'a>) {}

    fn exponential_histogram(&mut self, _: &ExponentialHistogramPoint<'a>) {}

    fn summary(&mut self, _: &SummaryPoint<'a>) {}

    fn discard(&mut self) {}
}

impl<'a> LogsVisitor<'a> for Walk<'_> {
    fn key_lengths(&self) -> u64 {
        0
    }

    fn resource(&mut self, resource: Resource<'a>) {
        self.of_resource(resource);
    }

    fn scope(&mut self, _: Scope<'a>) {}

    fn attribute(&mut self, _: &'a [u8], _: Value<'a>) {}

    fn record(&mut self, record: &LogRecord<'a>) {
        let at = record.time_unix_ns.max(record.observed_time_unix_ns);
        let service = self.service.clone();
        self.telemetry.add(&service, Measure::Logs, at, 1.0);
        let says_so = match record.body {
            Value::Str(body) => {
                let body = String::from_utf8_lossy(body).to_lowercase();
                ERROR_WORDS.iter().any(|word| body.contains(word))
            }
            _ => false,
        };
        if record.severity_number >= ERROR_SEVERITY_MIN || says_so {
            self.telemetry.add(&service, Measure::Errors, at, 1.0);
        }
    }

    fn discard(&mut self) {}
}
