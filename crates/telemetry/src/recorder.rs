use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::{Counter, Gauge, Histogram};

/// Bounds of every histogram, in seconds: from what a turn takes to what nobody may wait.
const BOUNDS_S: [f64; 14] =
    [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// The process's metric store.
#[derive(Clone)]
pub struct Recorder {
    handle: PrometheusHandle,
}

/// The recorder could not be set up.
#[derive(Debug)]
pub struct RecorderError(String);

impl Recorder {
    /// Installs the store for this process.
    ///
    /// # Errors
    /// If one is installed already.
    pub fn install() -> Result<Self, RecorderError> {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Prefix("fogbell_".to_owned()), &BOUNDS_S)
            .map_err(|error| RecorderError(error.to_string()))?;
        let handle =
            builder.install_recorder().map_err(|error| RecorderError(error.to_string()))?;
        for counter in Counter::ALL {
            metrics::describe_counter!(counter.name(), counter.help());
        }
        for gauge in Gauge::ALL {
            metrics::describe_gauge!(gauge.name(), gauge.help());
        }
        for histogram in Histogram::ALL {
            metrics::describe_histogram!(histogram.name(), histogram.help());
        }
        Ok(Self { handle })
    }

    /// The exposition in the text format 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds buffered histogram samples; to be called every few seconds, else they pile up.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

impl std::fmt::Display for RecorderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot set up metrics: {}", self.0)
    }
}

impl std::error::Error for RecorderError {}
