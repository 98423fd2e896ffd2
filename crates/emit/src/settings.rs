use config::{Emit, GrpcSink, KafkaSink};
use journal::SinkSpec;
use model::{OutgoingKind, Urgency};
use thiserror::Error;

/// The name of the Kafka sink in the outbox.
pub const KAFKA_SINK: &str = "kafka";

/// Where to send to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmitConfig {
    /// The `source` of all CloudEvents: a URI reference that names this fogbell, `/fogbell`.
    pub source: String,
    /// `emit` of the configuration.
    pub emit: Emit,
}

/// Why sending cannot start.
#[derive(Debug, Error)]
pub enum EmitError {
    /// librdkafka refuses the configuration.
    #[error("emit.kafka: {0}")]
    Kafka(#[source] rdkafka::error::KafkaError),
    /// The endpoint is not one, or needs what this build lacks.
    #[error("emit.grpc {name}: endpoint {endpoint}: {reason}")]
    Endpoint {
        /// The sink.
        name: String,
        /// Its endpoint.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Two sinks with one name would share their entries of the outbox.
    #[error("emit: two sinks are called {0}")]
    SameName(String),
}

impl EmitConfig {
    /// The sinks as the journal has to know them.
    #[must_use]
    pub fn sinks(&self) -> Vec<SinkSpec> {
        let kafka = self
            .kafka()
            .map(|_| SinkSpec { name: KAFKA_SINK.to_owned(), kinds: OutgoingKind::ALL.to_vec() });
        let grpc = self
            .emit
            .grpc
            .iter()
            .map(|sink| SinkSpec { name: sink.name.clone(), kinds: kinds(sink) });
        kafka.into_iter().chain(grpc).collect()
    }

    /// Kafka, if there are brokers.
    pub(crate) fn kafka(&self) -> Option<&KafkaSink> {
        Some(&self.emit.kafka).filter(|kafka| !kafka.brokers.is_empty())
    }

    pub(crate) fn check_names(&self) -> Result<(), EmitError> {
        let sinks = self.sinks();
        for (index, sink) in sinks.iter().enumerate() {
            if sinks.iter().take(index).any(|other| other.name == sink.name) {
                return Err(EmitError::SameName(sink.name.clone()));
            }
        }
        Ok(())
    }
}

/// The topic of a kind, with `{tenant}` where it stands for the tenant.
pub(crate) fn topic(kafka: &KafkaSink, kind: OutgoingKind) -> &str {
    match kind {
        OutgoingKind::Page => &kafka.topics.pages,
        OutgoingKind::Ticket => &kafka.topics.tickets,
        OutgoingKind::Incident => &kafka.topics.incidents,
        OutgoingKind::Event => &kafka.topics.events,
    }
}

fn kinds(sink: &GrpcSink) -> Vec<OutgoingKind> {
    let kind = |urgency| match urgency {
        Urgency::Page => OutgoingKind::Page,
        Urgency::Ticket => OutgoingKind::Ticket,
    };
    let mut kinds: Vec<_> = sink.urgencies.iter().copied().map(kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}
