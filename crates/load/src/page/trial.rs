//! Faults, one after the other, each in a service of its own, and each made by one request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::client::{Connection, Outcome, Target};
use crate::error::LoadError;
use crate::feed::{now_unix_ns, prefix};
use crate::options::LoadOptions;
use crate::payload::{Lone, Verdict};

/// A page needs ten bad events; so many at once are beyond doubt, and half of all in the window.
const SPANS: usize = 20;
/// The fastest row of the burn-rate table judges a service once it was heard for 30 s.
pub(super) const HEARD_FOR: Duration = Duration::from_secs(32);
/// Between one fault and the next. Prime to the daemon's tick of 200 ms, so that faults fall into
/// every part of it.
pub(super) const EVERY: Duration = Duration::from_millis(437);
/// The last fault begins before its service counts as silent, which it does after 90 s.
pub(super) const TRIALS_MAX: usize = 120;
/// A deciding request that is refused is sent again for this long, as an exporter would.
const RETRY_FOR: Duration = Duration::from_secs(30);

/// What became of one fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trial {
    pub service: String,
    /// When the request that was taken left: the first one when it was meant to.
    pub decided: Option<Instant>,
    /// When the daemon had answered that it took it.
    pub answered: Option<Instant>,
    /// Refusals before that.
    pub refusals: u64,
}

/// Sends what makes faults to one daemon, over a connection of its own.
#[derive(Debug)]
pub(super) struct Trials {
    connection: Connection,
    lone: Lone,
    count: usize,
    /// Spans that the daemon took.
    spans_accepted: u64,
}

impl Trials {
    pub(super) fn new(grpc: SocketAddr, count: usize, seed: u64) -> Result<Self, LoadError> {
        let endpoint = format!("http://{grpc}");
        let target = Target::new(&LoadOptions { endpoint, ..LoadOptions::default() })?;
        Ok(Self {
            connection: Connection::to(Arc::new(target)),
            lone: Lone::new(seed ^ now_unix_ns()),
            count,
            spans_accepted: 0,
        })
    }

    pub(super) const fn spans_accepted(&self) -> u64 {
        self.spans_accepted
    }

    /// How long [`run`](Self::run) sends.
    pub(super) fn last_for(count: usize) -> Duration {
        EVERY * u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Shows the daemon each service while all is well.
    pub(super) async fn introduce(&mut self) -> Result<(), LoadError> {
        let mut sender = self.connection.sender();
        for service in 0..self.count {
            match sender.send(self.body(service, Verdict::Good)).await {
                Outcome::Accepted { items_rejected: 0 } => self.spans_accepted += SPANS as u64,
                other => {
                    let server = "an idle daemon".to_owned();
                    return Err(LoadError::NothingAccepted {
                        server,
                        reason: format!("{other:?}"),
                    });
                }
            }
        }
        Ok(())
    }

    /// Makes one fault after the other, whether or not the one before was answered.
    pub(super) async fn run(&mut self) -> Result<Vec<Trial>, LoadError> {
        let start = Instant::now();
        let mut sent = JoinSet::new();
        for service in 0..self.count {
            let intended = start + Self::last_for(service);
            tokio::time::sleep_until(intended.into()).await;
            let body = self.body(service, Verdict::Bad);
            sent.spawn(decide(self.connection.clone(), service, body, intended));
        }
        let mut trials = Vec::with_capacity(self.count);
        while let Some(trial) = sent.join_next().await {
            let trial = trial.map_err(|_| LoadError::ThreadEnded)?;
            self.spans_accepted += if trial.decided.is_some() { SPANS as u64 } else { 0 };
            trials.push(trial);
        }
        Ok(trials)
    }

    fn body(&mut self, service: usize, verdict: Verdict) -> Bytes {
        let message = self.lone.request(service, SPANS, verdict, now_unix_ns());
        let mut body = prefix(0, message.len()).to_vec();
        body.extend(message);
        body.into()
    }
}

/// Sends one request until it is taken; each time from the moment at which it left.
async fn decide(connection: Connection, service: usize, body: Bytes, intended: Instant) -> Trial {
    let mut sender = connection.sender();
    let mut trial =
        Trial { service: Lone::service(service), decided: None, answered: None, refusals: 0 };
    let mut left = intended;
    loop {
        let outcome = sender.send(body.clone()).await;
        let now = Instant::now();
        match outcome {
            Outcome::Accepted { items_rejected: 0 } => {
                (trial.decided, trial.answered) = (Some(left), Some(now));
                return trial;
            }
            Outcome::Accepted { .. } => return trial,
            Outcome::Refused(refusal) => {
                trial.refusals += 1;
                let again = refusal.retry_after.map(|wait| now + wait);
                let Some(again) = again.filter(|again| *again < intended + RETRY_FOR) else {
                    return trial;
                };
                tokio::time::sleep_until(again.into()).await;
                left = Instant::now();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{EVERY, HEARD_FOR, SPANS, TRIALS_MAX, Trials};
    use crate::limit::walk;
    use crate::payload::{Lone, Verdict};

    #[test]
    fn the_last_fault_comes_before_its_service_is_silent() {
        let silent_after = std::time::Duration::from_secs(90);
        assert!(HEARD_FOR + Trials::last_for(TRIALS_MAX) < silent_after);
        // Twenty faults see twenty different parts of a tick.
        let parts: std::collections::BTreeSet<_> =
            (0..20).map(|n| (EVERY * n).as_millis() % 200).collect();
        assert_eq!(parts.len(), 20);
    }

    #[test]
    fn a_request_holds_spans_of_one_service_and_no_two_are_equal() {
        let mut lone = Lone::new(7);
        let now = 1_700_000_000_000_000_000;
        let bad = lone.request(3, SPANS, Verdict::Bad, now);
        let good = lone.request(3, SPANS, Verdict::Good, now);
        let totals = |request: &[u8]| walk(request).unwrap();
        assert_eq!((totals(&bad).spans, totals(&good).spans), (20, 20));
        assert_ne!(bad, lone.request(3, SPANS, Verdict::Bad, now));
        let name = Lone::service(3);
        assert!(bad.windows(name.len()).any(|part| part == name.as_bytes()));
    }
}
