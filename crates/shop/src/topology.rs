//! What the shop is made of: services, their operations, and what each operation calls.

mod services;

pub use services::SERVICES;

/// One service of the shop; each of its pods exports telemetry of its own.
#[derive(Debug)]
pub struct ServiceSpec {
    /// `service.name`.
    pub name: &'static str,
    /// `service.version` in health.
    pub version: &'static str,
    /// `telemetry.sdk.language`.
    pub language: &'static str,
    /// Pods in health, spread over zones and regions in turn.
    pub pods: usize,
    /// `server.port`.
    pub port: u16,
    /// Everything it serves.
    pub operations: &'static [Operation],
}

/// Something that a service does on request.
#[derive(Debug)]
pub struct Operation {
    /// `GET /route`, `package.Service/Method` or the topic that is consumed.
    pub name: &'static str,
    /// How it is called.
    pub transport: Transport,
    /// Median of the time that it spends itself, without its steps, in milliseconds.
    pub own_ms: f64,
    /// What it calls, in order.
    pub steps: &'static [Step],
}

/// How an operation is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// HTTP/1.1; the name is method and route.
    Http,
    /// gRPC; the name is service and method.
    Grpc,
    /// A Kafka consumer; the name is the topic.
    Consumer,
}

/// One call of an operation.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Whom it calls.
    pub target: Target,
    /// When it starts.
    pub order: Order,
    /// What its failure means.
    pub on_failure: OnFailure,
    /// How often it is tried at most, at least once.
    pub attempts: u8,
}

/// Whom a step calls.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// An operation of another service.
    Call {
        /// `service.name` of the callee.
        service: &'static str,
        /// Name of the operation.
        operation: &'static str,
    },
    /// A statement at a database that sends no telemetry of its own.
    Database(&'static Statement),
    /// A partner outside that sends no telemetry of its own.
    Partner(&'static Partner),
    /// A message to a Kafka topic; what consumes it goes on in the same trace.
    Publish(&'static str),
}

/// When a step starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// After everything before it.
    Next,
    /// At the same time as the step before it.
    Together,
}

/// What the failure of a step means for its operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The operation fails.
    Fail,
    /// The operation goes on without.
    FallBack,
}

/// A database as its clients see it.
#[derive(Debug)]
pub struct Database {
    /// `server.address`.
    pub address: &'static str,
    /// `server.port`.
    pub port: u16,
    /// `db.system.name`.
    pub system: &'static str,
    /// `db.namespace`.
    pub namespace: &'static str,
}

/// A parameterised statement.
#[derive(Debug)]
pub struct Statement {
    /// Where it runs.
    pub database: &'static Database,
    /// `db.operation.name`.
    pub operation: &'static str,
    /// `db.collection.name`, where the system has one.
    pub collection: Option<&'static str>,
    /// `db.query.summary`, also the name of the span.
    pub summary: &'static str,
    /// `db.query.text`.
    pub text: &'static str,
    /// Median duration in milliseconds.
    pub median_ms: f64,
}

/// An HTTP API of somebody else.
#[derive(Debug)]
pub struct Partner {
    /// `server.address`; the port is 443.
    pub address: &'static str,
    /// Path of the POST request.
    pub path: &'static str,
    /// Median duration in milliseconds.
    pub median_ms: f64,
}

impl Step {
    const fn to(target: Target) -> Self {
        Self { target, order: Order::Next, on_failure: OnFailure::Fail, attempts: 1 }
    }

    pub(crate) const fn call(service: &'static str, operation: &'static str) -> Self {
        Self::to(Target::Call { service, operation })
    }

    pub(crate) const fn database(statement: &'static Statement) -> Self {
        Self::to(Target::Database(statement))
    }

    pub(crate) const fn partner(partner: &'static Partner) -> Self {
        Self::to(Target::Partner(partner))
    }

    pub(crate) const fn publish(topic: &'static str) -> Self {
        Self::to(Target::Publish(topic))
    }

    pub(crate) const fn together(mut self) -> Self {
        self.order = Order::Together;
        self
    }

    pub(crate) const fn or_without(mut self) -> Self {
        self.on_failure = OnFailure::FallBack;
        self
    }

    pub(crate) const fn twice(mut self) -> Self {
        self.attempts = 2;
        self
    }
}

impl ServiceSpec {
    /// `server.address` under which the others call it.
    pub fn address(&self) -> String {
        format!("{}.shop.svc", self.name)
    }

    /// The operation of that name.
    pub fn operation(&self, name: &str) -> Option<&'static Operation> {
        self.operations.iter().find(|operation| operation.name == name)
    }
}

impl Operation {
    /// Method and route, or service and method; the second is empty for a consumer.
    pub fn parts(&self) -> (&'static str, &'static str) {
        let separator = if self.transport == Transport::Grpc { '/' } else { ' ' };
        self.name.split_once(separator).unwrap_or((self.name, ""))
    }
}

/// Every service of the shop, the entry (`frontend`) first.
pub fn topology() -> &'static [ServiceSpec] {
    SERVICES
}

/// Position of a service in [`SERVICES`].
pub(crate) fn position(service: &str) -> Option<usize> {
    SERVICES.iter().position(|spec| spec.name == service)
}

/// Position and operation of whoever consumes a topic.
pub(crate) fn consumer(topic: &str) -> Option<(usize, &'static Operation)> {
    SERVICES.iter().enumerate().find_map(|(position, spec)| {
        let consumes = |op: &&Operation| op.transport == Transport::Consumer && op.name == topic;
        spec.operations.iter().find(consumes).map(|operation| (position, operation))
    })
}

#[cfg(test)]
mod tests {
    use super::{SERVICES, Target, consumer, position};

    #[test]
    fn every_step_leads_to_something_that_exists() {
        for step in SERVICES.iter().flat_map(|s| s.operations).flat_map(|o| o.steps) {
            match step.target {
                Target::Call { service, operation } => {
                    let spec = &SERVICES[position(service).expect(service)];
                    assert!(spec.operation(operation).is_some(), "{service} {operation}");
                }
                Target::Publish(topic) => assert!(consumer(topic).is_some(), "{topic}"),
                Target::Database(statement) => assert!(statement.median_ms > 0.0),
                Target::Partner(partner) => assert!(partner.median_ms > 0.0),
            }
        }
    }

    #[test]
    fn the_shop_has_at_least_ten_services_and_the_frontend_leads() {
        assert!(SERVICES.len() >= 10);
        assert_eq!(SERVICES[0].name, "frontend");
        assert!(SERVICES.iter().all(|spec| (2..=4).contains(&spec.pods)));
    }
}
