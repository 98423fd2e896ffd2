use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use auth::Tenant;
use model::{Delivery, Incident, IncidentId, Outgoing, Revision};
use parking_lot::Mutex;
use tokio::sync::broadcast;

/// Changes that are kept for subscribers that come back with a token.
const KEPT_MAX: usize = 10_000;
/// Incidents that are over and still told; the oldest leave first. The journal has their revisions.
const ENDED_MAX: usize = 2_000;
/// Changes that a subscriber may lag behind before it is cut.
const LAG_MAX: usize = 1_000;

/// All committed incidents, and their changes as they are committed.
#[derive(Debug)]
pub struct Feed {
    epoch: u32,
    state: Mutex<State>,
    live: broadcast::Sender<FeedItem>,
}

#[derive(Debug)]
struct State {
    incidents: BTreeMap<(Tenant, IncidentId), Arc<Incident>>,
    kept: VecDeque<FeedItem>,
    next: u64,
}

/// One committed change.
#[derive(Clone, Debug)]
pub struct FeedItem {
    /// Position in the feed; counts from 1.
    pub offset: u64,
    /// Whose.
    pub tenant: Tenant,
    /// What changed.
    pub revision: Arc<Revision>,
    /// The pages and tickets that it asks for.
    pub deliveries: Arc<[Delivery]>,
}

/// Where a subscriber was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    /// Names the run of the daemon: offsets of another run mean nothing.
    pub epoch: u32,
    /// The last change that was seen.
    pub offset: u64,
}

/// A subscriber cannot go on where it was: it must take a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResumeError;

/// What a subscriber gets: where the feed stands, what it missed, and what comes.
#[derive(Debug)]
pub struct Subscription {
    /// Incidents of the tenant as they are now.
    pub snapshot: Vec<Arc<Incident>>,
    /// The feed's position at this moment.
    pub position: Resume,
    /// Changes after the resume token, oldest first.
    pub missed: Vec<FeedItem>,
    /// Changes from now on, of all tenants.
    pub live: broadcast::Receiver<FeedItem>,
}

impl Feed {
    /// A feed that begins with these incidents. `epoch` differs in each run of the daemon.
    #[must_use]
    pub fn new(epoch: u32, incidents: impl IntoIterator<Item = Arc<Incident>>) -> Arc<Self> {
        let incidents = incidents.into_iter().map(|i| ((Arc::clone(&i.tenant), i.id), i)).collect();
        let state = State { incidents, kept: VecDeque::new(), next: 1 };
        let (live, _) = broadcast::channel(LAG_MAX);
        Arc::new(Self { epoch, state: Mutex::new(state), live })
    }

    /// Tells of a committed change.
    pub fn publish(&self, revision: Revision, outgoing: &[Outgoing]) {
        let incident = Arc::clone(&revision.incident);
        let deliveries = outgoing
            .iter()
            .filter(|out| out.incident_id() == incident.id)
            .filter(|out| out.incident().revision == incident.revision)
            .filter_map(|out| match out {
                Outgoing::Delivery(delivery) => Some(delivery.clone()),
                Outgoing::Snapshot(_) | Outgoing::Event(..) => None,
            })
            .collect();
        let mut state = self.state.lock();
        let item = FeedItem {
            offset: state.next,
            tenant: Arc::clone(&incident.tenant),
            revision: Arc::new(revision),
            deliveries,
        };
        state.next += 1;
        let _ = state.incidents.insert((Arc::clone(&incident.tenant), incident.id), incident);
        state.forget_ended();
        if state.kept.len() == KEPT_MAX {
            let _ = state.kept.pop_front();
        }
        state.kept.push_back(item.clone());
        // Sent under the lock, so that a new subscriber misses none and sees none twice. An error
        // only says that nobody listens.
        let _ = self.live.send(item);
    }

    /// The incidents of a tenant, by id.
    #[must_use]
    pub fn incidents(&self, tenant: &Tenant) -> Vec<Arc<Incident>> {
        self.state.lock().of(tenant)
    }

    /// The newest revision of an incident.
    #[must_use]
    pub fn get(&self, tenant: &Tenant, id: IncidentId) -> Option<Arc<Incident>> {
        self.state.lock().incidents.get(&(Arc::clone(tenant), id)).cloned()
    }

    /// How many subscribers there are.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.live.receiver_count()
    }

    /// Subscribes, from a position or from now.
    ///
    /// # Errors
    /// If the position is of another run, or its successor is no longer kept.
    pub fn subscribe(
        &self,
        tenant: &Tenant,
        resume: Option<Resume>,
    ) -> Result<Subscription, ResumeError> {
        let state = self.state.lock();
        let newest = state.next - 1;
        let missed = match resume {
            None => Vec::new(),
            Some(Resume { epoch, offset }) => {
                let oldest = state.kept.front().map_or(state.next, |item| item.offset);
                if epoch != self.epoch || offset > newest || offset + 1 < oldest {
                    return Err(ResumeError);
                }
                let after = state.kept.iter().filter(|item| item.offset > offset);
                after.filter(|item| item.tenant == *tenant).cloned().collect()
            }
        };
        let position = Resume { epoch: self.epoch, offset: newest };
        Ok(Subscription {
            snapshot: state.of(tenant),
            position,
            missed,
            live: self.live.subscribe(),
        })
    }

    /// Names the run of the daemon.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }
}

impl State {
    /// Looks for what may leave only once the map has grown well beyond its bound, so that the
    /// cost of looking is spread over many changes.
    fn forget_ended(&mut self) {
        let is_over = |incident: &&Arc<Incident>| !incident.status.is_live();
        if self.incidents.len() <= ENDED_MAX + ENDED_MAX / 4 {
            return;
        }
        let surplus = self.incidents.values().filter(is_over).count().saturating_sub(ENDED_MAX);
        let over = self.incidents.iter().filter(|(_, incident)| !incident.status.is_live());
        let mut oldest: Vec<_> = over.map(|(key, i)| (i.updated_at, key.clone())).collect();
        oldest.sort_unstable();
        for (_, key) in oldest.into_iter().take(surplus) {
            let _ = self.incidents.remove(&key);
        }
    }

    fn of(&self, tenant: &Tenant) -> Vec<Arc<Incident>> {
        let first = (Arc::clone(tenant), IncidentId::default());
        let from = self.incidents.range(first..);
        from.take_while(|((t, _), _)| t == tenant).map(|(_, i)| Arc::clone(i)).collect()
    }
}

#[cfg(test)]
mod tests {
    use model::{Actor, EventType, IncidentEvent, Timestamp};

    use super::*;

    fn revision(tenant: &str, number: u64, revision: u64) -> Revision {
        let id = IncidentId { epoch: 1, number };
        let incident = Incident { id, revision, tenant: tenant.into(), ..Incident::default() };
        let event = IncidentEvent {
            incident_id: id,
            revision,
            tenant: tenant.into(),
            kind: EventType::Opened,
            at: Timestamp::ZERO,
            actor: Actor::engine(),
            reason: String::new(),
            changed: Vec::new(),
        };
        Revision { incident: Arc::new(incident), event }
    }

    #[test]
    fn a_subscriber_goes_on_where_it_was_and_sees_its_tenant_only() {
        let feed = Feed::new(7, []);
        let shop: Tenant = "shop".into();
        feed.publish(revision("shop", 1, 1), &[]);
        let position = feed.subscribe(&shop, None).expect("from now").position;
        feed.publish(revision("bank", 2, 1), &[]);
        feed.publish(revision("shop", 1, 2), &[]);
        let resumed = feed.subscribe(&shop, Some(position)).expect("kept");
        let missed: Vec<_> = resumed.missed.iter().map(|item| item.offset).collect();
        assert_eq!(missed, [3]);
        assert_eq!(resumed.snapshot.iter().map(|i| i.revision).collect::<Vec<_>>(), [2]);
        assert_eq!(resumed.position, Resume { epoch: 7, offset: 3 });
    }

    #[test]
    fn what_is_over_leaves_oldest_first_and_what_is_live_stays() {
        let feed = Feed::new(7, []);
        let tenant: Tenant = "shop".into();
        feed.publish(revision("shop", 1, 1), &[]);
        for number in 2..=ENDED_MAX as u64 * 2 {
            let mut ended = revision("shop", number, 1);
            let incident = Arc::make_mut(&mut ended.incident);
            incident.status = model::Status::Closed;
            incident.updated_at = Timestamp::from_unix_s(number);
            feed.publish(ended, &[]);
        }
        let kept = feed.incidents(&tenant);
        assert!(
            (ENDED_MAX..=ENDED_MAX + ENDED_MAX / 4 + 1).contains(&kept.len()),
            "{}",
            kept.len()
        );
        assert_eq!(kept[0].id.number, 1, "the live one stays");
        assert_eq!(kept.last().map(|i| i.id.number), Some(ENDED_MAX as u64 * 2));
    }

    #[test]
    fn a_position_of_another_run_or_too_old_or_not_yet_is_refused() {
        let feed = Feed::new(7, []);
        let tenant: Tenant = "shop".into();
        for number in 1..=KEPT_MAX as u64 + 2 {
            feed.publish(revision("shop", number, 1), &[]);
        }
        let resume = |epoch, offset| feed.subscribe(&tenant, Some(Resume { epoch, offset })).err();
        assert_eq!(resume(8, 5), Some(ResumeError));
        assert_eq!(resume(7, 1), Some(ResumeError));
        assert_eq!(resume(7, 2), None);
        assert_eq!(resume(7, KEPT_MAX as u64 + 3), Some(ResumeError));
    }
}
