//! What is slow by a guess wakes nobody where it always was so.

use super::*;

/// As [`delta`], of the latency SLI.
fn slow(name: &str, traffic: Traffic, at: Timestamp) -> PaneDelta {
    let mut delta = delta(name, traffic, at);
    for series in &mut delta.series {
        series.key = Arc::new(SeriesKey::Automatic {
            service: service(name),
            sli: AutomaticSli::Latency,
            source: AutomaticSource::Spans,
        });
    }
    delta
}

impl World {
    fn be_slow(&mut self, seconds: u64, traffic: Traffic) {
        for _ in 0..seconds {
            self.now = self.now.after(Duration::from_secs(1));
            let delta = slow("shop", traffic, self.now);
            self.handle(Input::Delta(Box::new(delta)));
            self.handle(Input::Judge);
            self.handle(Input::Checkpoint);
        }
    }

    /// Pages and tickets that were raised.
    fn raised(&self) -> (usize, usize) {
        let count = |urgency| {
            let raised = self.deliveries().into_iter().filter(|delivery| {
                delivery.action == Action::Trigger && delivery.urgency == urgency
            });
            raised.count()
        };
        (count(Urgency::Page), count(Urgency::Ticket))
    }
}

const ALWAYS: Traffic = Traffic { good: 80, bad: 20 };
const MORE: Traffic = Traffic { good: 72, bad: 28 };
const MOST: Traffic = Traffic { good: 40, bad: 60 };

#[test]
fn a_service_that_was_never_fast_makes_a_ticket_until_it_is_slower_than_ever() {
    let mut world = World::new();
    world.be_slow(600, ALWAYS);
    assert_eq!(world.raised(), (0, 1));
    world.be_slow(300, MORE);
    assert_eq!(world.raised(), (0, 1), "by eight of a hundred, which is no change");
    world.restart(Duration::from_secs(5));
    world.be_slow(300, MOST);
    assert_eq!(world.raised(), (1, 1), "what was usual is known after a restart");
}

#[test]
fn a_service_that_was_fast_pages_at_once() {
    let mut world = World::new();
    world.be_slow(600, HEALTHY);
    world.be_slow(240, MOST);
    assert_eq!(world.raised().0, 1);
}

#[test]
fn errors_are_no_guess() {
    let mut world = World::new();
    world.pass(120, &[("shop", ALWAYS)]);
    assert_eq!(world.raised().0, 1);
}
