use model::{AutomaticSli, AutomaticSource, Count, Pane, Timestamp};

use super::Judged;
use crate::arena::NONE;
use crate::state::State;
use crate::tables::{Outcomes, Tables};

/// Status codes that are told apart without a look-up.
const STATUS_TAGS: usize = 4;
/// Sets RPC status codes apart from HTTP ones.
const RPC_STATUS: u32 = 1 << 16;

/// Spans of one resource, one after the other: what they share is looked up once, and what they
/// add up to is added once.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) resource: u32,
    pub(super) service: u32,
    pub(super) outcomes: Outcomes,
    spans: u64,
    newest: Timestamp,
    pane: Pane,
    availability: Count,
    latency: Count,
    statuses: [(u32, u32); STATUS_TAGS],
    next_status: usize,
    pub(super) last_tag_set: (u32, u32),
}

impl Default for Run {
    fn default() -> Self {
        Self {
            resource: NONE,
            service: NONE,
            outcomes: Outcomes::default(),
            spans: 0,
            newest: Timestamp::ZERO,
            pane: Pane(0),
            availability: Count::ZERO,
            latency: Count::ZERO,
            statuses: [(NONE, NONE); STATUS_TAGS],
            next_status: 0,
            last_tag_set: (NONE, NONE),
        }
    }
}

impl Run {
    pub(super) fn of(tables: &Tables, resource: u32) -> Self {
        Self { resource, service: tables.resources.get(resource).service, ..Self::default() }
    }

    #[inline(always)]
    pub(super) fn heard(&mut self, end: Timestamp) {
        self.spans += 1;
        self.newest = self.newest.max(end);
    }

    /// Counts a span that serves under the automatic SLIs.
    #[inline(always)]
    pub(super) fn count(&mut self, state: &mut State, judged: &Judged) {
        let pane = judged.end.pane();
        if pane != self.pane {
            self.close_pane(state);
            self.pane = pane;
        }
        add(&mut self.availability, judged.error, judged.weight);
        add(&mut self.latency, judged.slow, judged.weight);
    }

    pub(super) fn automatic_series(&self, state: &mut State) -> [u32; 2] {
        [AutomaticSli::Availability, AutomaticSli::Latency]
            .map(|sli| state.tables.automatic_series(self.service, sli, AutomaticSource::Spans))
    }

    /// The tag of a span's status code.
    #[inline(always)]
    pub(super) fn status_tag(&mut self, tables: &mut Tables, http: u16, rpc: i8) -> u32 {
        let code = if rpc >= 0 { RPC_STATUS | rpc as u32 } else { u32::from(http) };
        match self.statuses.iter().find(|(known, _)| *known == code) {
            Some(&(_, tag)) => tag,
            None => self.new_status_tag(tables, code),
        }
    }

    #[cold]
    fn new_status_tag(&mut self, tables: &mut Tables, code: u32) -> u32 {
        let value = (code & !RPC_STATUS).to_string();
        let key = if code & RPC_STATUS == 0 {
            "http.response.status_code"
        } else {
            "rpc.response.status_code"
        };
        let tag = tables.tag(self.service, key, value.as_bytes());
        self.statuses[self.next_status % STATUS_TAGS] = (code, tag);
        self.next_status += 1;
        tag
    }

    fn close_pane(&mut self, state: &mut State) {
        let counts = [std::mem::take(&mut self.availability), std::mem::take(&mut self.latency)];
        if counts[0].total == 0 || state.automatic.is_none() {
            return;
        }
        for (series, count) in self.automatic_series(state).into_iter().zip(counts) {
            state.count(series, self.pane, count);
        }
    }

    pub(super) fn end(&mut self, state: &mut State) {
        if self.spans == 0 {
            return;
        }
        self.close_pane(state);
        let (spans, newest) = (std::mem::take(&mut self.spans), self.newest);
        state.counters.spans += spans;
        let service = state.tables.hear(self.service);
        service.spans += spans;
        service.newest = service.newest.max(newest);
        let outcomes = std::mem::take(&mut self.outcomes);
        let resource = state.tables.resources.get_mut(self.resource);
        if outcomes.total > 0 && !resource.tags.is_empty() {
            resource.outcomes.add_all(outcomes);
            if !resource.touched {
                resource.touched = true;
                state.tables.touched.resources.push(self.resource);
            }
        }
    }
}

#[inline(always)]
fn add(count: &mut Count, bad: bool, weight: u64) {
    *count += if bad { Count::one_bad(weight) } else { Count::one_good(weight) };
}
