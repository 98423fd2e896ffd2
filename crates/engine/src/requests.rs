use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use model::{IncidentId, Timestamp};

/// How long a request id is remembered (proto, `CommandRequest.request_id`).
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// How many are remembered; beyond that the oldest is forgotten early.
const REQUESTS_MAX: usize = 10_000;

/// Commands that were carried out, so that a repeat is not carried out again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    by_id: BTreeMap<String, IncidentId>,
    order: VecDeque<(Timestamp, String)>,
}

impl Requests {
    /// The incident that the command with this id went to, if it was carried out before.
    pub(crate) fn before(&mut self, request_id: &str, now: Timestamp) -> Option<IncidentId> {
        while let Some((at, _)) = self.order.front() {
            if now.since(*at) < REMEMBERED && self.order.len() <= REQUESTS_MAX {
                break;
            }
            if let Some((_, id)) = self.order.pop_front() {
                let _ = self.by_id.remove(&id);
            }
        }
        self.by_id.get(request_id).copied()
    }

    /// Remembers a command; one without an id cannot be told from others.
    pub(crate) fn remember(&mut self, request_id: String, id: IncidentId, now: Timestamp) {
        if !request_id.is_empty() && self.by_id.insert(request_id.clone(), id).is_none() {
            self.order.push_back((now, request_id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_remembered_for_a_day() {
        let mut requests = Requests::default();
        let id = IncidentId { epoch: 1, number: 2 };
        let at = |h: u64| Timestamp::from_unix_s(1_000_000 + h * 3600);
        requests.remember("a".to_owned(), id, at(0));
        requests.remember(String::new(), id, at(0));
        assert_eq!(requests.before("a", at(23)), Some(id));
        assert_eq!(requests.before("", at(0)), None);
        assert_eq!(requests.before("a", at(24)), None);
    }
}
