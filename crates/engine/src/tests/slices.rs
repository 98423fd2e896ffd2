//! SLOs whose budgets are counted in slices of time.

use slo::slices::{SliceMethod, SliceTarget, Slicing};

use super::*;
use crate::{SliceCount, SloOptions, SloStatus};

const MINUTE: Duration = Duration::from_secs(60);
/// Enough for a slice to be closed: its events have arrived, and all series were judged since.
const CLOSED_AFTER_S: u64 = 16;

/// A slice is good if 95 % of its events are.
fn verdict() -> SliceMethod {
    SliceMethod::Verdict(SliceTarget::AtLeast(Fraction::new(95, 100)))
}

/// One SLO of 99 % over 30 days, in slices of a minute if a method is given.
fn sliced(method: Option<SliceMethod>) -> EngineOptions {
    let slicing = method.and_then(|method| Slicing::new(MINUTE, method));
    let slo = SloOptions { slicing, ..declared("checkout", "0.99") };
    EngineOptions { slos: vec![slo], automatic: None, ..options() }
}

fn world(method: SliceMethod) -> World {
    let mut world = World::of(sliced(Some(method)));
    // Slices begin with the minute.
    world.now = start().before(Duration::from_millis(500));
    world.now = world.now.after(MINUTE - Duration::from_secs(world.now.unix_s() % 60));
    world
}

/// A second of the service's traffic that the SLO counts.
fn counted(traffic: Traffic, at: Timestamp) -> PaneDelta {
    let mut delta = delta("shop", traffic, at);
    let key = SeriesKey::Declared { slo: "checkout".into(), group: Vec::new() };
    delta.series[0].key = Arc::new(key);
    delta
}

impl World {
    /// Lets seconds pass, each with this traffic.
    fn serve(&mut self, seconds: u64, traffic: Traffic) {
        for _ in 0..seconds {
            self.handle(Input::Delta(Box::new(counted(traffic, self.now))));
            self.now = self.now.after(Duration::from_secs(1));
            self.handle(Input::Judge);
            self.handle(Input::Checkpoint);
        }
    }

    /// The service is heard, and nothing is asked of it.
    fn idle(&mut self, seconds: u64) {
        for _ in 0..seconds {
            let mut idle = counted(HEALTHY, self.now);
            idle.series.clear();
            self.handle(Input::Delta(Box::new(idle)));
            self.now = self.now.after(Duration::from_secs(1));
            self.handle(Input::Judge);
            self.handle(Input::Checkpoint);
        }
    }

    fn silent(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now = self.now.after(Duration::from_secs(1));
            self.handle(Input::Judge);
        }
    }

    fn slo(&self) -> SloStatus {
        self.engine.view().slos.into_iter().find(|slo| &*slo.name == "checkout").expect("the SLO")
    }

    /// Slices of the SLO's own window.
    fn slices(&self) -> SliceCount {
        self.slo().windows.last().and_then(|own| own.slices).expect("slices")
    }
}

fn slices(total: u64, bad: f64) -> SliceCount {
    SliceCount { total, bad }
}

#[test]
fn slices_are_judged_and_events_are_told() {
    let mut world = world(verdict());
    world.serve(60, Traffic { good: 95, bad: 5 });
    world.serve(60, Traffic { good: 94, bad: 6 });
    world.serve(CLOSED_AFTER_S, HEALTHY);
    assert_eq!(world.slices(), slices(2, 1.0));
    let slo = world.slo();
    let own = slo.windows.last().expect("a window");
    assert_eq!((own.total, own.bad), (13_600, 660));
    assert_eq!(own.error_ratio, Some(0.5));
    assert_eq!((slo.good_total, slo.bad_total), (12_940, 660));
}

#[test]
fn the_mean_of_ratios_is_that_of_all_slices_whatever_their_traffic() {
    let mut world = world(SliceMethod::Ratio);
    world.serve(60, Traffic { good: 1, bad: 1 });
    world.serve(60, Traffic { good: 1000, bad: 0 });
    world.serve(CLOSED_AFTER_S, HEALTHY);
    assert_eq!(world.slices(), slices(2, 0.5));
    assert_eq!(world.slo().windows.last().and_then(|own| own.error_ratio), Some(0.25));
}

#[test]
fn a_bad_slice_pages_once_it_is_closed_and_says_so() {
    let mut world = world(verdict());
    world.serve(600, Traffic { good: 95, bad: 5 });
    world.serve(60, Traffic { good: 90, bad: 10 });
    world.serve(60, Traffic { good: 90, bad: 10 });
    assert!(world.deliveries().is_empty(), "one slice of eleven is no 14.4 %");
    world.serve(CLOSED_AFTER_S + 2, Traffic { good: 90, bad: 10 });
    let [page] = world.deliveries().try_into().expect("one page");
    assert_eq!(page.urgency, Urgency::Page);
    let summary = &page.incident.members[0].annotations["summary"];
    assert!(summary.contains("% of time slices are bad"), "{summary}");
}

#[test]
fn a_restart_in_mid_slice_changes_no_number_later() {
    for method in [verdict(), SliceMethod::Ratio] {
        let mut whole = world(method);
        let mut broken = world(method);
        for n in 0..40 {
            let traffic = Traffic { good: 90, bad: n % 13 };
            whole.serve(17, traffic);
            broken.serve(17, traffic);
            broken.restart(Duration::ZERO);
        }
        whole.serve(1, HEALTHY);
        broken.serve(1, HEALTHY);
        let (whole, broken) = (whole.slo(), broken.slo());
        assert_eq!(whole.windows, broken.windows);
        assert_eq!(whole.budget_remaining_ratio, broken.budget_remaining_ratio);
        assert!(whole.windows.last().is_some_and(|own| own.slices.is_some_and(|s| s.total == 11)));
    }
}

#[test]
fn events_that_come_late_correct_their_slice_and_it_stays_corrected() {
    let mut world = world(verdict());
    world.serve(120, HEALTHY);
    world.serve(CLOSED_AFTER_S, HEALTHY);
    assert_eq!(world.slices(), slices(2, 0.0));
    let late = world.now.before(2 * MINUTE);
    world.handle(Input::Delta(Box::new(counted(Traffic { good: 0, bad: 2000 }, late))));
    world.handle(Input::Judge);
    assert_eq!(world.slices(), slices(2, 1.0));
    world.handle(Input::Checkpoint);
    world.restart(Duration::ZERO);
    world.handle(Input::Judge);
    assert_eq!(world.slices(), slices(2, 1.0));
    world.handle(Input::Delta(Box::new(counted(Traffic { good: 80_000, bad: 0 }, late))));
    world.handle(Input::Judge);
    assert_eq!(world.slices(), slices(2, 0.0));
    assert_eq!(world.engine.view().dropped.unjudged, 0);
}

#[test]
fn events_that_come_after_the_verdict_can_be_corrected_are_told() {
    let mut world = world(verdict());
    let first = world.now;
    world.serve(60, HEALTHY);
    for _ in 0..7 * 60 {
        world.now = world.now.after(MINUTE);
        world.serve(1, HEALTHY);
    }
    let before = world.slices();
    world.handle(Input::Delta(Box::new(counted(Traffic { good: 0, bad: 7 }, first))));
    world.handle(Input::Judge);
    assert_eq!(world.slices(), before);
    assert_eq!(world.slo().bad_total, 7, "among the events they count");
    assert_eq!(world.engine.view().dropped.unjudged, 7);
}

#[test]
fn an_idle_slice_is_good_and_a_silent_one_is_none() {
    let mut world = world(verdict());
    world.serve(60, BROKEN);
    world.idle(120);
    world.idle(CLOSED_AFTER_S);
    assert_eq!(world.slices(), slices(3, 1.0));
    world.silent(600);
    // The last minute in which it was heard is no silent one.
    assert_eq!(world.slices(), slices(4, 1.0));
    world.idle(70);
    assert!(world.slices().total <= 6, "the silence is no part of it: {:?}", world.slices());
}

#[test]
fn an_slo_that_gets_slices_judges_the_events_that_it_has() {
    let mut world = world(verdict());
    world.options = sliced(None);
    world.engine.redefine(world.options.clone());
    world.serve(60, BROKEN);
    world.serve(120, HEALTHY);
    world.serve(CLOSED_AFTER_S, HEALTHY);
    assert!(world.slo().windows.iter().all(|window| window.slices.is_none()));
    world.options = sliced(Some(verdict()));
    world.engine.redefine(world.options.clone());
    world.serve(5, HEALTHY);
    assert_eq!(world.slices(), slices(3, 1.0));
    // Over a restart, too; and verdicts of another kind are not taken for these.
    world.options = sliced(Some(SliceMethod::Ratio));
    world.restart(Duration::ZERO);
    world.serve(5, HEALTHY);
    assert_eq!(world.slices(), slices(3, 0.5));
}
