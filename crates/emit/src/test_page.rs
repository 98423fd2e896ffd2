use std::sync::Arc;
use std::time::Duration;

use journal::{EntryHead, OutboxEntry};
use model::{Delivery, Outgoing, Timestamp};
use tokio::time::timeout;

use crate::emitter::connect;
use crate::sink::{Answer, Attempt};
use crate::{EmitConfig, EmitError};

/// How long a sink has to answer a test page.
pub const TEST_PAGE_DEADLINE: Duration = Duration::from_secs(15);

/// What a sink said to a test page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkAnswer {
    /// The sink.
    pub sink: String,
    /// `Err` says why it does not have it.
    pub answer: Result<(), String>,
}

/// Sends a delivery, once and past the outbox, to each sink that takes its urgency.
///
/// # Errors
/// [`EmitError`] if the configuration cannot work.
pub async fn test_page(
    config: &EmitConfig,
    delivery: Delivery,
) -> Result<Vec<SinkAnswer>, EmitError> {
    config.check_names()?;
    let outgoing = Outgoing::Delivery(delivery);
    let head = EntryHead {
        kind: outgoing.kind(),
        seq: 0,
        enqueued_at: Timestamp::ZERO,
        incident_id: outgoing.incident_id(),
    };
    let takes = |kinds: &[_]| kinds.contains(&head.kind);
    let lanes = connect(config, &(Arc::new(|| 0.5) as _))?;
    let asked = lanes.into_iter().filter(|(_, kinds, _)| takes(kinds)).map(|(spec, _, sink)| {
        let entry = OutboxEntry { head, outgoing: outgoing.clone() };
        async move {
            let flights = sink.send(vec![Attempt { entry, failures: 0 }]);
            let flying = futures_util::future::join_all(flights);
            let answer = match timeout(TEST_PAGE_DEADLINE, flying).await {
                Ok(answers) => match answers.into_iter().flatten().next() {
                    Some((_, Answer::Accepted)) => Ok(()),
                    Some((_, Answer::Retry(reason) | Answer::Refused(reason))) => Err(reason),
                    None => Err("the sink sent nothing".to_owned()),
                },
                Err(_) => Err(format!("no answer within {} s", TEST_PAGE_DEADLINE.as_secs())),
            };
            // Dropping a Kafka producer waits for its threads.
            drop(tokio::task::spawn_blocking(move || drop(sink)));
            SinkAnswer { sink: spec.name, answer }
        }
    });
    Ok(futures_util::future::join_all(asked).await)
}
