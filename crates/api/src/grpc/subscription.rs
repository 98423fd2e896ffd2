use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use auth::Tenant;
use contract::v1;
use contract::v1::SubscribeResponse;
use contract::v1::subscribe_response::{Change, Heartbeat, Kind, SnapshotEnd};
use futures_util::stream::unfold;
use model::Incident;
use telemetry::Counter;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tonic::Status;

use crate::selection::Selection;
use crate::shared::stopped;
use crate::subscribers::Seat;
use crate::{FeedItem, Resume, Subscription};

/// How often a subscriber hears that all is well, and gets a token that is not too old.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// What a subscriber asked for.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) tenant: Tenant,
    pub(super) selection: Selection,
    pub(super) resume: Option<Resume>,
    pub(super) snapshot: bool,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) seat: Seat,
}

/// A subscription as it goes on. It is driven by its reader: who does not read, holds nothing up.
struct Run {
    tenant: Tenant,
    selection: Selection,
    stop: watch::Receiver<bool>,
    /// Incidents of the snapshot that were not sent yet. None carries a token: half a snapshot is
    /// nothing to go on from.
    snapshot: VecDeque<Arc<Incident>>,
    snapshot_end: bool,
    missed: VecDeque<FeedItem>,
    /// The rest of a change that asks for several deliveries.
    ready: VecDeque<SubscribeResponse>,
    live: broadcast::Receiver<FeedItem>,
    heartbeat: Interval,
    position: Resume,
    ended: bool,
    _seat: Seat,
}

impl Stream {
    /// The stream: the snapshot if it was asked for and its end, what was missed, what comes.
    pub(super) fn run(
        self,
        subscription: Subscription,
    ) -> impl futures_util::Stream<Item = Result<SubscribeResponse, Status>> + Send + 'static {
        let Self { tenant, selection, resume, snapshot, stop, seat } = self;
        let snapshot_incidents =
            if snapshot { subscription.snapshot.into() } else { VecDeque::new() };
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let run = Run {
            tenant,
            selection,
            stop,
            snapshot: snapshot_incidents,
            snapshot_end: snapshot,
            missed: subscription.missed.into(),
            ready: VecDeque::new(),
            live: subscription.live,
            heartbeat,
            position: resume.unwrap_or(subscription.position),
            ended: false,
            _seat: seat,
        };
        unfold(run, |mut run| async move {
            if run.ended {
                return None;
            }
            let next = run.next().await;
            run.ended = next.is_err();
            Some((next, run))
        })
    }
}

impl Run {
    async fn next(&mut self) -> Result<SubscribeResponse, Status> {
        loop {
            if *self.stop.borrow() {
                return Err(self.draining());
            }
            if let Some(response) = self.waiting() {
                return Ok(response);
            }
            tokio::select! {
                biased;
                () = stopped(self.stop.clone()) => return Err(self.draining()),
                _ = self.heartbeat.tick() => return Ok(self.with_token(Kind::Heartbeat(Heartbeat {}))),
                item = self.live.recv() => match item {
                    Ok(item) => self.take(&item),
                    Err(RecvError::Lagged(_)) => return Err(self.cut()),
                    Err(RecvError::Closed) => return Err(self.draining()),
                },
            }
        }
    }

    /// What needs no waiting for, in order.
    fn waiting(&mut self) -> Option<SubscribeResponse> {
        while let Some(incident) = self.snapshot.pop_front() {
            if self.selection.matches(&incident) {
                let change =
                    Change { event: None, incident: Some((&*incident).into()), delivery: None };
                return Some(SubscribeResponse {
                    token: String::new(),
                    kind: Some(Kind::Change(change)),
                });
            }
        }
        if self.snapshot_end {
            self.snapshot_end = false;
            return Some(self.with_token(Kind::SnapshotEnd(SnapshotEnd {})));
        }
        loop {
            if let Some(response) = self.ready.pop_front() {
                return Some(response);
            }
            let item = self.missed.pop_front()?;
            self.take(&item);
        }
    }

    /// Makes ready what this subscriber gets to see of a change: one response, or one for each
    /// delivery. Only the last carries the change's own token, so that whoever goes on from one
    /// before it gets them all again.
    fn take(&mut self, item: &FeedItem) {
        let before = self.position;
        self.position.offset = item.offset;
        let incident = &item.revision.incident;
        if item.tenant != self.tenant || !self.selection.matches(incident) {
            return;
        }
        let change = |delivery: Option<&model::Delivery>| Change {
            event: Some((&item.revision.event).into()),
            incident: Some((&**incident).into()),
            delivery: delivery.map(v1::Delivery::from),
        };
        let mut changes: Vec<_> = item.deliveries.iter().map(|d| change(Some(d))).collect();
        if changes.is_empty() {
            changes.push(change(None));
        }
        let last = changes.len() - 1;
        for (index, change) in changes.into_iter().enumerate() {
            let token = if index == last { self.position } else { before };
            let kind = Some(Kind::Change(change));
            self.ready.push_back(SubscribeResponse { token: token.to_string(), kind });
        }
    }

    fn with_token(&self, kind: Kind) -> SubscribeResponse {
        SubscribeResponse { token: self.position.to_string(), kind: Some(kind) }
    }

    fn draining(&self) -> Status {
        Status::unavailable(format!(
            "fogbell is shutting down; the last token was {}",
            self.position
        ))
    }

    fn cut(&self) -> Status {
        Counter::SubscribersCut.add(1, &[]);
        tracing::warn!(tenant = %self.tenant, "a subscriber reads too slowly and was cut");
        Status::resource_exhausted(format!(
            "changes come faster than they are read: go on with token {}",
            self.position
        ))
    }
}

#[cfg(test)]
mod tests;
