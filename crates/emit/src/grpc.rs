use std::collections::BTreeMap;
use std::time::Duration;

use contract::v1::deliver_response::result::Outcome;
use contract::v1::incident_sink_client::IncidentSinkClient;
use contract::v1::{DeliverRequest, DeliverResponse};
use journal::EntryHead;
use model::Outgoing;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};

use crate::EmitError;
use crate::sink::{Answer, Attempt, Flight, Sink};

/// Deliveries in one request.
const BATCH_MAX: usize = 32;
const DEADLINE: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Pushes deliveries to a `fogbell.v1.IncidentSink` of the user's.
pub(crate) struct GrpcSink {
    client: IncidentSinkClient<Channel>,
}

impl GrpcSink {
    /// Connects when there is something to send.
    pub(crate) fn connect(config: &config::GrpcSink) -> Result<Self, EmitError> {
        let invalid = |reason: String| EmitError::Endpoint {
            name: config.name.clone(),
            endpoint: config.endpoint.clone(),
            reason,
        };
        let endpoint = Endpoint::from_shared(config.endpoint.clone())
            .map_err(|error| invalid(error.to_string()))?;
        match endpoint.uri().scheme_str() {
            Some("http") => {}
            Some("https") => return Err(invalid("this build sends without TLS only".to_owned())),
            _ => return Err(invalid("it has to look like http://host:port".to_owned())),
        }
        let channel = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .connect_lazy();
        Ok(Self { client: IncidentSinkClient::new(channel) })
    }
}

impl Sink for GrpcSink {
    /// What failed before goes alone, so that one bad delivery does not hold up others.
    fn send(&self, attempts: Vec<Attempt>) -> Vec<Flight> {
        let (again, fresh): (Vec<_>, Vec<_>) =
            attempts.into_iter().partition(|attempt| attempt.failures > 0);
        let fresh = fresh.chunks(BATCH_MAX).map(<[Attempt]>::to_vec);
        let batches = fresh.chain(again.into_iter().map(|attempt| vec![attempt]));
        batches.map(|batch| Box::pin(deliver(self.client.clone(), batch)) as Flight).collect()
    }

    fn flush(&self, _deadline: Duration) {}
}

async fn deliver(
    mut client: IncidentSinkClient<Channel>,
    batch: Vec<Attempt>,
) -> Vec<(EntryHead, Answer)> {
    let mut answers = Vec::with_capacity(batch.len());
    let mut deliveries = Vec::with_capacity(batch.len());
    let mut heads = Vec::with_capacity(batch.len());
    for Attempt { entry, .. } in batch {
        match &entry.outgoing {
            Outgoing::Delivery(delivery) => {
                let delivery = contract::v1::Delivery::from(delivery);
                heads.push((entry.head, delivery.id.clone()));
                deliveries.push(delivery);
            }
            Outgoing::Snapshot(_) | Outgoing::Event(..) => {
                answers.push((entry.head, Answer::Refused("not a delivery".to_owned())));
            }
        }
    }
    let mut request = tonic::Request::new(DeliverRequest { deliveries });
    request.set_timeout(DEADLINE);
    match timeout(DEADLINE, client.deliver(request)).await {
        Ok(Ok(response)) => {
            let mut named = by_id(response.into_inner());
            let silent = || Answer::Retry("the response does not name the delivery".to_owned());
            answers.extend(
                heads
                    .into_iter()
                    .map(|(head, id)| (head, named.remove(&id).unwrap_or_else(silent))),
            );
        }
        Ok(Err(status)) => {
            let reason = format!("{}: {}", status.code(), status.message());
            answers
                .extend(heads.into_iter().map(|(head, _)| (head, Answer::Retry(reason.clone()))));
        }
        Err(_) => {
            let reason = format!("no answer within {} s", DEADLINE.as_secs());
            answers
                .extend(heads.into_iter().map(|(head, _)| (head, Answer::Retry(reason.clone()))));
        }
    }
    answers
}

fn by_id(response: DeliverResponse) -> BTreeMap<String, Answer> {
    let answer = |outcome: Outcome, message: String| match outcome {
        Outcome::Accepted => Answer::Accepted,
        Outcome::Refused => Answer::Refused(message),
        Outcome::Retry | Outcome::Unspecified => Answer::Retry(message),
    };
    let results = response.results.into_iter();
    results
        .map(|result| (result.delivery_id.clone(), answer(result.outcome(), result.message)))
        .collect()
}
