//! Incidents that are about to open: they wait a moment for recall and for their kin.

use std::time::Duration;

use model::{Fingerprint, Timestamp, TraceTree, Urgency};

/// How long a page waits for recall and for the alerts of its tick (design, section 6).
pub const PAGE_WAIT: Duration = Duration::from_millis(300);
/// How long a ticket waits: nobody is woken by it, and a symptom that grows into a page within
/// half a minute is better told as one page than as a ticket and a page.
pub const TICKET_WAIT: Duration = Duration::from_secs(30);
/// How many may wait at once; beyond that the oldest opens with what is known.
const OPENINGS_MAX: usize = 1000;

/// An incident that is about to open.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    /// Tells it from others; given when it begins to wait.
    pub(crate) number: u64,
    /// Its alerts, in the order in which they came.
    pub(crate) fingerprints: Vec<Fingerprint>,
    /// Why they are together, for all but the first.
    pub(crate) reasons: Vec<String>,
    /// When the alert that decided its urgency fired.
    pub(crate) detected_at: Timestamp,
    /// What its alerts ask for.
    pub(crate) urgency: Urgency,
    /// The recall that it waits for.
    pub(crate) recall: Option<u64>,
    /// What was recalled.
    pub(crate) trees: Vec<TraceTree>,
    opens_at: Timestamp,
}

/// All of them, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Openings {
    waiting: Vec<Opening>,
    numbers: u64,
}

impl Opening {
    /// Begins with its first alert.
    pub(crate) fn new(fingerprint: Fingerprint, urgency: Urgency, now: Timestamp) -> Self {
        Self {
            number: 0,
            fingerprints: vec![fingerprint],
            reasons: Vec::new(),
            detected_at: now,
            urgency,
            recall: None,
            trees: Vec::new(),
            opens_at: now.after(wait(urgency)),
        }
    }

    /// Takes another alert in. What asks for a page shortens the wait.
    pub(crate) fn join(
        &mut self,
        fingerprint: Fingerprint,
        urgency: Urgency,
        reason: String,
        now: Timestamp,
    ) {
        if self.fingerprints.contains(&fingerprint) {
            return;
        }
        self.fingerprints.push(fingerprint);
        self.reasons.push(reason);
        self.raise(urgency, now);
    }

    /// Asks for at least `urgency`.
    pub(crate) fn raise(&mut self, urgency: Urgency, now: Timestamp) {
        if urgency > self.urgency {
            // What decides is the alert that asks for the most.
            self.detected_at = now;
        }
        self.urgency = self.urgency.max(urgency);
        self.opens_at = self.opens_at.min(now.after(wait(urgency)));
    }

    /// A page need not wait any longer once its traces are here; a ticket goes on waiting.
    fn is_due(&self, now: Timestamp) -> bool {
        let recalled = self.recall.is_none() && self.urgency == Urgency::Page;
        recalled || self.opens_at <= now
    }
}

impl Openings {
    /// Adds one; its number.
    pub(crate) fn push(&mut self, opening: Opening) -> u64 {
        self.numbers += 1;
        self.waiting.push(Opening { number: self.numbers, ..opening });
        self.numbers
    }

    /// The one of a number, if it still waits.
    pub(crate) fn of_number(&mut self, number: u64) -> Option<&mut Opening> {
        self.waiting.iter_mut().find(|opening| opening.number == number)
    }

    /// All that wait, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Opening> {
        self.waiting.iter()
    }

    /// The one that an alert belongs to.
    pub(crate) fn of_member(&mut self, fingerprint: Fingerprint) -> Option<&mut Opening> {
        self.waiting.iter_mut().find(|opening| opening.fingerprints.contains(&fingerprint))
    }

    /// Takes an alert out again since it cleared; an opening without alerts vanishes unseen.
    pub(crate) fn leave(&mut self, fingerprint: Fingerprint) {
        for opening in &mut self.waiting {
            opening.fingerprints.retain(|member| *member != fingerprint);
        }
        self.waiting.retain(|opening| !opening.fingerprints.is_empty());
    }

    /// Gives an answer to whom it concerns.
    pub(crate) fn recalled(&mut self, request: u64, trees: &[TraceTree]) {
        for opening in &mut self.waiting {
            if opening.recall == Some(request) {
                opening.recall = None;
                opening.trees.extend_from_slice(trees);
            }
        }
    }

    /// Takes out what must open now.
    pub(crate) fn due(&mut self, now: Timestamp) -> Vec<Opening> {
        let mut surplus = self.waiting.len().saturating_sub(OPENINGS_MAX);
        let (due, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|opening| {
            let forced = surplus > 0;
            surplus = surplus.saturating_sub(1);
            forced || opening.is_due(now)
        });
        self.waiting = waiting;
        due
    }

    /// When the next one opens at the latest.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.waiting.iter().map(|opening| opening.opens_at).min()
    }
}

const fn wait(urgency: Urgency) -> Duration {
    match urgency {
        Urgency::Page => PAGE_WAIT,
        Urgency::Ticket => TICKET_WAIT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Fingerprint = Fingerprint(1);
    const B: Fingerprint = Fingerprint(2);

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_unix_ms(1_000_000 + ms)
    }

    #[test]
    fn a_page_opens_with_its_traces_or_after_300_ms() {
        let mut openings = Openings::default();
        let mut opening = Opening::new(A, Urgency::Page, at(0));
        opening.recall = Some(7);
        let _ = openings.push(opening);
        assert!(openings.due(at(299)).is_empty());
        assert_eq!(openings.next_at(), Some(at(300)));
        let mut answered = openings.clone();
        answered.recalled(7, &[]);
        assert_eq!(answered.due(at(10)).len(), 1);
        assert_eq!(openings.due(at(300)).len(), 1);
    }

    #[test]
    fn a_ticket_waits_and_a_page_that_joins_it_shortens_the_wait() {
        let mut openings = Openings::default();
        let _ = openings.push(Opening::new(A, Urgency::Ticket, at(0)));
        assert!(openings.due(at(29_999)).is_empty());
        if let Some(opening) = openings.of_member(A) {
            opening.recall = Some(1);
            opening.join(B, Urgency::Page, "same service".to_owned(), at(10_000));
        }
        assert!(openings.due(at(10_299)).is_empty());
        let due = openings.due(at(10_300));
        assert_eq!(due[0].fingerprints, [A, B]);
        assert_eq!((due[0].urgency, due[0].detected_at), (Urgency::Page, at(10_000)));
    }

    #[test]
    fn what_clears_while_it_waits_is_never_told() {
        let mut openings = Openings::default();
        let _ = openings.push(Opening::new(A, Urgency::Ticket, at(0)));
        openings.leave(A);
        assert!(openings.due(at(60_000)).is_empty());
    }

    #[test]
    fn a_full_queue_opens_the_oldest() {
        let mut openings = Openings::default();
        for number in 0..=OPENINGS_MAX as u64 {
            let _ = openings.push(Opening::new(Fingerprint(number), Urgency::Ticket, at(number)));
        }
        let due = openings.due(at(2000));
        assert_eq!(due.iter().map(|o| o.fingerprints[0]).collect::<Vec<_>>(), [Fingerprint(0)]);
    }
}
