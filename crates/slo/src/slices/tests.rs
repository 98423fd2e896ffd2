use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const SKEW: Duration = Duration::from_secs(60);
/// A whole day.
const BASE_S: u64 = 19_676 * 86_400;

fn plan() -> Arc<WindowPlan> {
    let windows = [5 * MINUTE, HOUR, 6 * HOUR, 24 * HOUR, 720 * HOUR];
    Arc::new(WindowPlan::new(&windows, SKEW))
}

fn base() -> Timestamp {
    Timestamp::from_unix_s(BASE_S)
}

fn at(seconds: u64) -> Timestamp {
    base().after(Duration::from_secs(seconds))
}

fn slicing(minutes: u32, method: SliceMethod) -> Slicing {
    Slicing::new(minutes * MINUTE, method).expect("a length of slices")
}

fn at_least(numerator: u64, denominator: u64) -> SliceMethod {
    SliceMethod::Verdict(SliceTarget::AtLeast(Fraction::new(numerator, denominator)))
}

/// A sliced series beside the source that it counts for.
struct Sliced {
    slices: Slices,
    events: SeriesWindows,
    presence: Presence,
    now: Timestamp,
}

impl Sliced {
    fn new(slicing: Slicing) -> Self {
        let (slices, events) = (Slices::new(slicing, plan()), SeriesWindows::new(plan()));
        let mut new = Self { slices, events, presence: Presence::default(), now: base() };
        new.presence.heard(new.now);
        new.close();
        new
    }

    fn add(&mut self, at: Timestamp, count: Count) -> SliceDisposition {
        self.slices.add(&mut self.events, at.pane(), count, self.now)
    }

    /// The source is heard, and slices are closed.
    fn pass(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
        self.presence.heard(self.now);
        self.close();
    }

    fn close(&mut self) {
        let newest = self.presence.last_heard().unwrap_or_default();
        let _ = self.slices.close(&mut self.events, &self.presence, newest, self.now);
    }

    fn restart(&mut self) {
        let bytes = borsh::to_vec(&self.slices.snapshot()).unwrap();
        self.slices = Slices::restore(plan(), &borsh::from_slice(&bytes).unwrap()).unwrap();
        let bytes = borsh::to_vec(&self.events.snapshot()).unwrap();
        self.events = SeriesWindows::restore(plan(), &borsh::from_slice(&bytes).unwrap()).unwrap();
    }

    /// Slices and bad ones among them, within the last day.
    fn told(&mut self) -> (u64, u64) {
        let sum = self.slices.verdicts_mut().sum(24 * HOUR, self.now).count;
        (sum.total, sum.bad())
    }
}

#[test]
fn the_three_methods_differ_as_the_specification_says() {
    // Eleven minutes of one good event in two, and one of a thousand good events.
    let minutes = (0..12).map(|n| if n < 11 { (1, 1) } else { (1000, 0) });
    let of = |method| {
        let mut sliced = Sliced::new(slicing(1, method));
        for (good, bad) in minutes.clone() {
            let _ = sliced.add(sliced.now, Count::observed(good, bad));
            sliced.pass(60);
        }
        sliced.pass(10);
        let events = sliced.events.sum(24 * HOUR, sliced.now).count;
        assert_eq!((events.good(), events.total), (1011, 1022), "what Occurrences judges");
        sliced.told()
    };
    assert_eq!(of(at_least(99, 100)), (12, 11));
    assert_eq!(of(SliceMethod::Ratio), (12 * SLICE_PARTS, 11 * SLICE_PARTS / 2));
}

#[test]
fn a_slice_at_its_target_is_good() {
    let good = |method, good, bad| {
        let verdict = slicing(1, method).judge(Count::observed(good, bad));
        (verdict.total, verdict.bad(), verdict.bad_observed)
    };
    assert_eq!(good(at_least(95, 100), 95, 5), (1, 0, 5));
    assert_eq!(good(at_least(95, 100), 94, 5), (1, 1, 5));
    assert_eq!(good(at_least(1, 1), 7, 0), (1, 0, 0));
    let above = SliceMethod::Verdict(SliceTarget::Above(Fraction::new(1, 100)));
    assert_eq!(good(above, 1, 99), (1, 1, 99));
    assert_eq!(good(above, 2, 98), (1, 0, 98));
    for method in [above, at_least(1, 1), SliceMethod::Ratio] {
        assert_eq!(slicing(1, method).judge(Count::ZERO).bad(), 0);
    }
    assert_eq!(good(SliceMethod::Ratio, 2, 1), (SLICE_PARTS, 333_333, 1));
    // Beyond what two words hold.
    assert_eq!(good(at_least(95, 100), u64::MAX / 2, 0).1, 0);
}

#[test]
fn lengths_that_cannot_be_kept_apart_are_none() {
    let length = |seconds| Slicing::new(Duration::from_secs(seconds), SliceMethod::Ratio);
    for good in [60, 420, 3600, 5 * 3600, 6 * 3600, 86_400] {
        assert_eq!(length(good).map(Slicing::length), Some(Duration::from_secs(good)));
    }
    for bad in [0, 30, 90, 301 * 60, 2 * 86_400] {
        assert_eq!(length(bad), None, "{bad}");
    }
}

#[test]
fn a_slice_closes_once_its_events_have_arrived() {
    let mut sliced = Sliced::new(slicing(1, at_least(1, 1)));
    let _ = sliced.add(at(59), Count::observed(0, 1));
    sliced.pass(69);
    assert_eq!(sliced.told(), (0, 0));
    sliced.pass(1);
    assert_eq!(sliced.told(), (1, 1));
}

#[test]
fn an_empty_slice_is_good_while_the_source_lives_and_none_while_it_is_silent() {
    let mut sliced = Sliced::new(slicing(1, at_least(1, 1)));
    for _ in 0..10 {
        sliced.pass(60);
    }
    sliced.pass(10);
    assert_eq!(sliced.told(), (10, 0));
    // Silence: of the slice in which it was last heard nothing bad is known.
    for _ in 0..60 {
        sliced.now = sliced.now.after(Duration::from_secs(10));
        sliced.close();
    }
    assert_eq!(sliced.told(), (11, 0));
    // What was sent in that time, and comes late, is judged.
    let silent = sliced.now.before(5 * MINUTE);
    let _ = sliced.add(silent, Count::observed(0, 3));
    assert_eq!(sliced.told(), (12, 1));
}

#[test]
fn a_late_event_corrects_its_slice_in_either_direction() {
    let mut sliced = Sliced::new(slicing(5, at_least(9, 10)));
    let _ = sliced.add(at(10), Count::observed(5, 1));
    sliced.pass(320);
    assert_eq!(sliced.told(), (1, 1));
    let _ = sliced.add(at(200), Count::observed(94, 0));
    assert_eq!(sliced.told(), (1, 0));
    let _ = sliced.add(at(290), Count::observed(0, 30));
    assert_eq!(sliced.told(), (1, 1));
    // Hours later, from panes of a minute.
    for _ in 0..300 {
        sliced.pass(60);
    }
    let told = sliced.told();
    assert_eq!(
        sliced.add(at(1), Count::observed(900, 0)),
        SliceDisposition::Judged(Disposition::Late)
    );
    assert_eq!(sliced.told(), (told.0, told.1 - 1));
}

#[test]
fn what_comes_too_late_to_tell_its_slice_counts_among_the_events_alone() {
    let mut sliced = Sliced::new(slicing(1, at_least(1, 1)));
    let _ = sliced.add(at(30), Count::observed(1, 0));
    for _ in 0..400 {
        sliced.pass(60);
    }
    let told = sliced.told();
    assert_eq!(sliced.add(at(31), Count::observed(0, 1)), SliceDisposition::Unjudged);
    assert_eq!(sliced.told(), told);
    assert_eq!(sliced.events.sum(24 * HOUR, sliced.now).count.bad(), 1);
}

#[test]
fn events_that_were_counted_before_are_sliced_anew() {
    let mut events = SeriesWindows::new(plan());
    for minute in 0..120 {
        let bad = u64::from(minute % 4 == 0);
        let _ = events.add(at(minute * 60).pane(), Count::observed(1, bad), at(minute * 60 + 5));
    }
    let mut sliced = Sliced::new(slicing(1, at_least(1, 1)));
    sliced.slices = Slices::of_events(sliced.slices.slicing(), &events);
    sliced.events = events;
    sliced.now = at(7200);
    sliced.pass(10);
    assert_eq!(sliced.told(), (120, 30));
}

#[derive(Clone, Debug)]
enum Step {
    /// Seconds that an event lies back.
    Event {
        back: u64,
        good: u64,
        bad: u64,
    },
    Pass(u64),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let event = |back| {
        (back, 0..4_u64, 0..3_u64).prop_map(|(back, good, bad)| Step::Event { back, good, bad })
    };
    let step = prop_oneof![
        6 => event(0..30_u64),
        2 => event(0..3600_u64),
        1 => event(0..18_000_u64),
        4 => (1..90_u64).prop_map(Step::Pass),
        1 => (90..4000_u64).prop_map(Step::Pass),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..80)
}

fn method() -> impl Strategy<Value = SliceMethod> {
    prop_oneof![
        Just(at_least(1, 1)),
        Just(at_least(2, 3)),
        Just(SliceMethod::Verdict(SliceTarget::Above(Fraction::new(1, 2)))),
        Just(SliceMethod::Ratio),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Late, out of order and over restarts: the verdicts are those of one who kept every event
    /// and judged all slices at the end.
    #[test]
    fn verdicts_are_those_of_the_raw_events(
        steps in steps(),
        minutes in prop::sample::select(vec![1, 2, 5, 7, 30, 60]),
        method in method(),
    ) {
        let slicing = slicing(minutes, method);
        let mut sliced = Sliced::new(slicing);
        sliced.now = at(20_000);
        sliced.presence = Presence::default();
        sliced.slices = Slices::new(slicing, plan());
        sliced.pass(0);
        let first = sliced.now;
        let mut events: BTreeMap<u64, Count> = BTreeMap::new();
        let (mut closed, mut heard) = (first, vec![first.unix_s()]);
        for step in steps {
            match step {
                Step::Event { back, good, bad } => {
                    let at = sliced.now.before(Duration::from_secs(back + 1));
                    if good + bad > 0 {
                        let count = Count::observed(good, bad);
                        let taken = sliced.add(at, count);
                        prop_assert!(matches!(taken, SliceDisposition::Judged(_)));
                        *events.entry(at.unix_s()).or_default() += count;
                    }
                }
                Step::Pass(seconds) => {
                    sliced.pass(seconds);
                    closed = sliced.now.before(GRACE);
                    heard.push(sliced.now.unix_s());
                }
                Step::Restart => sliced.restart(),
            }
        }
        let width = slicing.length().as_secs();
        let lives = |from: u64, until: u64| {
            heard.windows(2).any(|w| w[1] - w[0] <= 90 && w[0].max(from) < w[1].min(until))
        };
        for window in [5 * MINUTE, HOUR, 6 * HOUR, 24 * HOUR] {
            let sum = sliced.slices.verdicts_mut().sum(window, sliced.now);
            let mut expected = Count::ZERO;
            let from = sum.from.unix_s() / width;
            for slice in from..=closed.unix_s() / width {
                let (begin, end) = (slice * width, (slice + 1) * width);
                // The verdict lies in the slice's last pane.
                if end - 5 < sum.from.unix_s() || end > closed.unix_s() {
                    continue;
                }
                let mut own = Count::ZERO;
                events.range(begin..end).for_each(|(_, count)| own += *count);
                let is_old = end <= first.before(GRACE).unix_s() / width * width;
                if !own.is_zero() || (!is_old && lives(begin, end)) {
                    expected += slicing.judge(own);
                }
            }
            prop_assert_eq!(sum.count, expected, "over {:?}", window);
        }
    }
}

/// A whole of parts that lie beside each other.
fn united(parts: &mut [Sliced], whole: &mut Slices, late: &[u64]) -> (u64, u64) {
    let now = parts.iter().map(|part| part.now).max().unwrap();
    let corrected: BTreeSet<u32> =
        late.iter().filter_map(|at_s| parts[0].slices.closed_of(at(*at_s).pane())).collect();
    let parts: Vec<&Slices> = parts.iter().map(|part| &part.slices).collect();
    let _ = whole.unite(&parts, &corrected, now);
    let sum = whole.verdicts_mut().sum(24 * HOUR, now).count;
    (sum.total, sum.bad())
}

#[test]
fn a_slice_that_is_bad_in_any_part_is_bad_in_the_whole() {
    let slicing = slicing(1, at_least(9, 10));
    let mut parts = [Sliced::new(slicing), Sliced::new(slicing)];
    let mut whole = Slices::new(slicing, plan());
    // Bad in the first, in both, in the second, in none.
    for bad in [[5, 0], [5, 5], [0, 5], [0, 0]] {
        for (part, bad) in parts.iter_mut().zip(bad) {
            let _ = part.add(part.now, Count::observed(10 - bad, bad));
            part.pass(60);
        }
    }
    assert_eq!(united(&mut parts, &mut whole, &[]), (3, 3), "the last is not closed");
    parts.iter_mut().for_each(|part| part.pass(10));
    assert_eq!(united(&mut parts, &mut whole, &[]), (4, 3));
    // What is corrected in a part is corrected in the whole, and nothing counts twice.
    let _ = parts[0].add(at(30), Count::observed(1000, 0));
    assert_eq!(united(&mut parts, &mut whole, &[30]), (4, 2));
    assert_eq!(united(&mut parts, &mut whole, &[30]), (4, 2));
    let _ = parts[1].add(at(200), Count::observed(0, 3));
    assert_eq!(united(&mut parts, &mut whole, &[200]), (4, 3));
}

#[test]
fn a_whole_waits_for_its_slowest_part() {
    let slicing = slicing(1, at_least(9, 10));
    let mut parts = [Sliced::new(slicing), Sliced::new(slicing)];
    let mut whole = Slices::new(slicing, plan());
    let _ = parts[1].add(at(5), Count::observed(0, 1));
    parts[0].pass(80);
    assert_eq!(united(&mut parts, &mut whole, &[]), (0, 0));
    parts[1].pass(80);
    assert_eq!(united(&mut parts, &mut whole, &[]), (1, 1));
}

#[test]
fn a_whole_in_doubt_makes_its_verdicts_anew_and_counts_none_twice() {
    let slicing = slicing(1, at_least(9, 10));
    let mut parts = [Sliced::new(slicing), Sliced::new(slicing)];
    let mut whole = Slices::new(slicing, plan());
    for minute in 0..30 {
        let _ = parts[0].add(parts[0].now, Count::observed(9, minute % 3));
        let _ = parts[1].add(parts[1].now, Count::observed(9, minute % 5));
        parts.iter_mut().for_each(|part| part.pass(60));
        let _ = united(&mut parts, &mut whole, &[]);
    }
    let older = whole.snapshot();
    let _ = parts[0].add(at(10), Count::observed(0, 9));
    parts.iter_mut().for_each(|part| part.pass(130));
    let expected = united(&mut parts, &mut whole, &[10]);
    let mut restored = Slices::restore(plan(), &older).unwrap();
    restored.doubt();
    assert_eq!(united(&mut parts, &mut restored, &[]), expected);
}
