//! SLOs that are made of others.

use slo::composite::Composition;
use slo::openslo::Composite;
use slo::slices::{SliceMethod, SliceTarget, Slicing};

use super::*;
use crate::{SloOptions, SloStatus};

const PARTS: [&str; 2] = ["journey/1", "journey/2"];
const GOOD: Traffic = Traffic { good: 100, bad: 0 };

fn slo(name: &str, method: Option<SliceMethod>) -> SloOptions {
    let slicing = method.and_then(|method| Slicing::new(Duration::from_secs(60), method));
    SloOptions { slicing, ..declared(name, "0.99") }
}

/// A composite of two parts of 99 % each.
fn journey(method: Option<SliceMethod>, composition: Composition) -> World {
    let part = |name: &&str| SloOptions {
        rules: Some(Vec::new()),
        part_of: Some("journey".into()),
        ..slo(name, method)
    };
    let parts = PARTS.iter().map(|part| (*part).to_owned()).collect();
    let composite = Some(Composite { parts, composition });
    let whole = SloOptions { composite, ..slo("journey", method) };
    let slos = PARTS.iter().map(part).chain([whole]).collect();
    let mut world = World::of(EngineOptions { slos, automatic: None, ..options() });
    let into_minute = world.now.unix_ns() % 60_000_000_000;
    world.now = world.now.after(Duration::from_nanos(60_000_000_000 - into_minute));
    world
}

impl World {
    /// Lets seconds pass, each with this traffic of both parts.
    fn travel(&mut self, seconds: u64, traffic: [Traffic; 2]) {
        for _ in 0..seconds {
            for (id, (name, traffic)) in PARTS.iter().zip(traffic).enumerate() {
                let mut delta = delta("shop", traffic, self.now);
                let slo = (*name).into();
                delta.series[0].key = Arc::new(SeriesKey::Declared { slo, group: Vec::new() });
                delta.series[0].id = id as u32;
                self.handle(Input::Delta(Box::new(delta)));
            }
            self.now = self.now.after(Duration::from_secs(1));
            self.handle(Input::Judge);
            self.handle(Input::Checkpoint);
        }
    }

    fn named(&self, name: &str) -> SloStatus {
        self.engine.view().slos.into_iter().find(|slo| &*slo.name == name).expect("the SLO")
    }

    /// The burn rate over the SLO's own window.
    fn burn(&self, name: &str) -> f64 {
        self.named(name).windows.last().expect("a window").burn_rate
    }
}

#[test]
fn a_composite_of_events_burns_as_its_parts_do_by_weight() {
    let weights = [Fraction::new(1, 1), Fraction::new(3, 1)];
    let parts = weights.map(|weight| (objective("0.99"), weight));
    let mut world = journey(None, Composition::of_events(objective("0.99"), &parts));
    world.travel(20, [Traffic { good: 98, bad: 2 }, Traffic { good: 199, bad: 1 }]);
    assert!((world.burn("journey/1") - 2.0).abs() < 1e-6);
    assert!((world.burn("journey/2") - 0.5).abs() < 1e-6);
    assert!((world.burn("journey") - 3.5).abs() < 1e-6);
    let whole = world.named("journey");
    assert_eq!((whole.good_total, whole.bad_total), (20 * 297, 20 * 3));
    assert!((whole.budget_remaining_ratio + 2.5).abs() < 1e-6);
    let own = whole.windows.last().expect("a window");
    assert_eq!((own.total, own.bad, own.slices), (20 * 300, 20 * 3, None));
}

#[test]
fn a_composite_pages_once_with_the_traces_of_its_parts_and_its_parts_do_not() {
    let parts = [(objective("0.99"), Fraction::new(1, 1)); 2];
    let mut world = journey(None, Composition::of_events(objective("0.99"), &parts));
    world.travel(60, [GOOD; 2]);
    world.travel(60, [BROKEN, GOOD]);
    let pages = world.deliveries();
    assert_eq!(pages.len(), 1);
    let incident = world.incident();
    let slos: Vec<_> = incident.members.iter().map(|member| &*member.labels["slo"]).collect();
    assert_eq!(slos, ["journey"]);
    let asked = world
        .effects
        .iter()
        .any(|effect| matches!(effect, Effect::Recall { trace_ids, .. } if !trace_ids.is_empty()));
    assert!(asked, "traces of the part's bad events are asked for");
    assert!(world.named("journey").exemplar.is_some());
}

#[test]
fn a_slice_that_is_bad_in_a_part_is_bad_in_the_composite_over_restarts_and_corrections() {
    let method = SliceMethod::Verdict(SliceTarget::AtLeast(Fraction::new(95, 100)));
    let mut whole = journey(Some(method), Composition::Any);
    let mut broken = journey(Some(method), Composition::Any);
    let minutes = [[BROKEN, GOOD], [GOOD, BROKEN], [BROKEN, BROKEN], [GOOD, GOOD]];
    for (n, minute) in minutes.into_iter().enumerate() {
        whole.travel(60, minute);
        broken.travel(13 + n as u64, minute);
        broken.restart(Duration::ZERO);
        broken.travel(47 - n as u64, minute);
    }
    for world in [&mut whole, &mut broken] {
        world.travel(11, [GOOD; 2]);
    }
    let slices = |world: &World, name: &str| {
        let own = world.named(name).windows.last().and_then(|own| own.slices);
        own.map(|slices| (slices.total, slices.bad))
    };
    for world in [&whole, &broken] {
        assert_eq!(slices(world, "journey/1"), Some((4, 2.0)));
        assert_eq!(slices(world, "journey/2"), Some((4, 2.0)));
        assert_eq!(slices(world, "journey"), Some((4, 3.0)));
    }
    assert_eq!(whole.named("journey").windows, broken.named("journey").windows);
    // A late event that makes the first slice good in the first part makes it good in the whole.
    for (world, restarts) in [(&mut whole, false), (&mut broken, true)] {
        let at = world.now.before(Duration::from_secs(11 + 3 * 60 + 30));
        let mut late = delta("shop", Traffic { good: 100_000, bad: 0 }, at);
        let slo = PARTS[0].into();
        late.series[0].key = Arc::new(SeriesKey::Declared { slo, group: Vec::new() });
        world.handle(Input::Delta(Box::new(late)));
        if restarts {
            world.handle(Input::Checkpoint);
            world.restart(Duration::ZERO);
        }
        world.handle(Input::Judge);
        assert_eq!(slices(world, "journey"), Some((4, 2.0)));
    }
}
