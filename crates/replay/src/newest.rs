use model::Timestamp;
use otlp::{
    ExponentialHistogramPoint, HistogramPoint, LogRecord, LogsVisitor, Malformed, Metric,
    MetricsVisitor, NumberPoint, Resource, Scope, Scratch, Signal, Span, SummaryPoint,
    TraceVisitor, Value,
};

/// The newest event time in a request: the moment at which it can have been sent. `None` if it
/// holds no event with a time.
///
/// # Errors
/// If the request cannot be read at all.
pub fn newest(signal: Signal, request: &[u8]) -> Result<Option<Timestamp>, Malformed> {
    let scratch = Scratch::default();
    let mut newest = Newest(0);
    let _ = match signal {
        Signal::Traces => otlp::traces(request, &scratch, &mut newest)?,
        Signal::Metrics => otlp::metrics(request, &scratch, &mut newest)?,
        Signal::Logs => otlp::logs(request, &scratch, &mut newest)?,
    };
    Ok((newest.0 > 0).then(|| Timestamp::from_unix_ns(newest.0)))
}

struct Newest(u64);

impl Newest {
    fn see(&mut self, unix_ns: u64) {
        self.0 = self.0.max(unix_ns);
    }
}

impl<'a> TraceVisitor<'a> for Newest {
    fn wants(&self, _: &'a [u8]) -> bool {
        false
    }

    fn resource(&mut self, _: Resource<'a>) {}

    fn scope(&mut self, _: Scope<'a>) {}

    fn attribute(&mut self, _: &'a [u8], _: Value<'a>) {}

    fn span(&mut self, span: &Span<'a>) {
        self.see(span.end_unix_ns);
    }

    fn discard(&mut self) {}

    fn settle(&mut self) {}

    fn forget(&mut self) {
        self.0 = 0;
    }
}

impl<'a> MetricsVisitor<'a> for Newest {
    fn key_lengths(&self) -> u64 {
        0
    }

    fn resource(&mut self, _: Resource<'a>) {}

    fn scope(&mut self, _: Scope<'a>) {}

    fn metric(&mut self, _: &Metric<'a>) {}

    fn attribute(&mut self, _: &'a [u8], _: Value<'a>) {}

    fn number(&mut self, point: &NumberPoint<'a>) {
        self.see(point.time_unix_ns);
    }

    fn histogram(&mut self, point: &HistogramPoint<'a>) {
        self.see(point.time_unix_ns);
    }

    fn exponential_histogram(&mut self, point: &ExponentialHistogramPoint<'a>) {
        self.see(point.time_unix_ns);
    }

    fn summary(&mut self, point: &SummaryPoint<'a>) {
        self.see(point.time_unix_ns);
    }

    fn discard(&mut self) {}
}

impl<'a> LogsVisitor<'a> for Newest {
    fn key_lengths(&self) -> u64 {
        0
    }

    fn resource(&mut self, _: Resource<'a>) {}

    fn scope(&mut self, _: Scope<'a>) {}

    fn attribute(&mut self, _: &'a [u8], _: Value<'a>) {}

    fn record(&mut self, record: &LogRecord<'a>) {
        self.see(record.time_unix_ns.max(record.observed_time_unix_ns));
    }

    fn discard(&mut self) {}
}
