use super::{Plan, SlotValue};

/// What is known of the event at hand: which of a plan's comparisons hold, each found out at most
/// once, when it is first asked for. What is asked of the resource or the scope alone is known
/// until the next one.
#[derive(Clone, Debug)]
pub struct Memo {
    /// Counts events, from 1.
    event: u32,
    /// The first event of the resource and scope at hand.
    scope: u32,
    /// For each comparison the event for which it was made, and in the lowest bit its outcome.
    known: Box<[u32]>,
}

/// Events are numbered up to here, since a number and an outcome share 32 bits.
const EVENT_MAX: u32 = u32::MAX >> 1;

impl Memo {
    /// Knows nothing. Takes four bytes for each comparison of the plan.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self { event: 1, scope: 1, known: vec![0; plan.comparisons()].into() }
    }

    /// The slots hold another event.
    #[inline]
    pub fn next_event(&mut self) {
        if self.event == EVENT_MAX {
            self.known.fill(0);
            (self.event, self.scope) = (0, 1);
        }
        self.event += 1;
    }

    /// The slots hold another resource or scope.
    pub fn next_scope(&mut self) {
        self.next_event();
        self.scope = self.event;
    }

    #[inline]
    pub(super) fn holds(&mut self, number: u32, plan: &Plan, slots: &[SlotValue<'_>]) -> bool {
        let at = number as usize;
        let (Some(test), Some(known)) = (plan.tests.get(at), self.known.get_mut(at)) else {
            return false;
        };
        let since = if test.lasts { self.scope } else { self.event };
        if *known >> 1 < since {
            *known = self.event << 1 | u32::from(test.passes(slots));
        }
        *known & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use model::Telemetry;

    use super::*;
    use crate::filter::Filter;

    #[test]
    fn outcomes_are_forgotten_with_the_event_or_the_scope_that_they_are_about() {
        let mut plan = Plan::new();
        let text = r#"{ resource.a = 1 && span.b = 1 }"#;
        let filter = Filter::parse(Telemetry::Traces, text).unwrap();
        let program = plan.compile(&filter).unwrap();
        let mut memo = Memo::new(&plan);
        let (one, two) = (SlotValue::Int(1), SlotValue::Int(2));
        let matches =
            |slots: [SlotValue<'_>; 2], memo: &mut Memo| program.matches(&plan, &slots, memo);
        assert!(matches([one, one], &mut memo));
        assert!(matches([one, two], &mut memo), "still the same event");
        memo.next_event();
        assert!(!matches([one, two], &mut memo));
        memo.next_event();
        assert!(matches([two, one], &mut memo), "still the same resource");
        memo.next_scope();
        assert!(!matches([two, one], &mut memo));
        memo.event = EVENT_MAX;
        memo.next_event();
        assert!(matches([one, one], &mut memo));
    }
}
