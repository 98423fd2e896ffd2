use super::Batch;
use crate::random::Random;

/// Width of a trace id's randomness, which sampling thresholds are compared with.
const RANDOM_BITS: u32 = 56;

/// What is wrong with the telemetry of a drill.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Degradation {
    /// Share of spans that are lost, 0..1.
    pub missing_spans: f64,
    /// Neither status nor status codes nor types of errors are recorded.
    pub no_status: bool,
    /// How far clocks of services are off at most, either way, in milliseconds.
    pub clock_skew_ms: u64,
    /// Share of traces that are sampled at their head, 0..=1; their spans say so in `tracestate`.
    pub sampling: f64,
}

/// Degrades what pods send.
#[derive(Debug)]
pub(super) struct Degrader {
    options: Degradation,
    /// By service, in nanoseconds.
    skews: Vec<i64>,
}

impl Default for Degradation {
    fn default() -> Self {
        Self { missing_spans: 0.0, no_status: false, clock_skew_ms: 0, sampling: 1.0 }
    }
}

impl Degradation {
    pub(super) const fn sampled(&self) -> f64 {
        self.sampling.clamp(0.0, 1.0)
    }

    /// The rejection threshold of OpenTelemetry's consistent sampling; none if all are sampled.
    fn threshold(&self) -> Option<u64> {
        let rejected = 1.0 - self.sampled();
        (rejected > 0.0).then_some((rejected * (1_u64 << RANDOM_BITS) as f64) as u64)
    }

    /// A trace id that would have been sampled.
    pub(super) fn trace_id(&self, random: &mut Random) -> [u8; 16] {
        let mut id = random.trace_id();
        if let Some(threshold) = self.threshold() {
            let room = (1_u64 << RANDOM_BITS).saturating_sub(threshold).max(1);
            let randomness = threshold + random.below(room);
            let kept = u64::from(id[8]) << RANDOM_BITS;
            id[8..].copy_from_slice(&(kept | randomness).to_be_bytes());
        }
        id
    }
}

impl Degrader {
    pub(super) fn new(options: &Degradation, services: usize, random: &mut Random) -> Self {
        let most_ns = options.clock_skew_ms as f64 * 1e6;
        let skews = (0..services).map(|_| random.between(-most_ns, most_ns) as i64).collect();
        Self { options: *options, skews }
    }

    pub(super) const fn options(&self) -> &Degradation {
        &self.options
    }

    pub(super) fn skewed(&self, service: usize, at_ns: u64) -> u64 {
        at_ns.saturating_add_signed(self.skews.get(service).copied().unwrap_or_default())
    }

    pub(super) fn degrade(&self, service: usize, mut batch: Batch, random: &mut Random) -> Batch {
        batch.spans.retain(|_| !random.chance(self.options.missing_spans));
        let threshold = self.options.threshold();
        for span in &mut batch.spans {
            span.start_time_unix_nano = self.skewed(service, span.start_time_unix_nano);
            span.end_time_unix_nano = self.skewed(service, span.end_time_unix_nano);
            if self.options.no_status {
                span.status = None;
                span.events.clear();
                let tells = ["error.type", "http.response.status_code"];
                span.attributes.retain(|attribute| !tells.contains(&attribute.key.as_str()));
            }
            if let Some(threshold) = threshold {
                let hex = format!("{threshold:014x}");
                span.trace_state = format!("ot=th:{}", hex.trim_end_matches('0'));
            }
        }
        for record in &mut batch.records {
            record.time_unix_nano = self.skewed(service, record.time_unix_nano);
            record.observed_time_unix_nano = record.time_unix_nano;
        }
        batch
    }
}
