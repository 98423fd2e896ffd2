use super::*;

/// Two periods of a day, then ones that grow, from before the base on.
fn calendar() -> Calendar {
    let days = [-3_i64, -1, 0, 1, 3, 8, 20, 51];
    let start = |day: i64| {
        // Not at the edge of any tier but the finest: a start time of 00:20:05.
        let s = i64::try_from(BASE_S / 86_400 * 86_400).unwrap() + day * 86_400 + 1_205;
        Timestamp::from_unix_s(u64::try_from(s).unwrap())
    };
    Calendar::new(days.map(start)).unwrap()
}

fn with_calendar() -> Arc<WindowPlan> {
    let plan = WindowPlan::new(&usual_windows(), SKEW);
    Arc::new(plan.with_calendar(30 * DAY, Some(calendar())))
}

#[test]
fn periods_are_those_that_hold_a_moment() {
    let calendar = calendar();
    let (first, second) = calendar.period(base());
    assert!(first <= base() && base() < second);
    assert_eq!(calendar.period(second), (second, second.after(2 * DAY)));
    let (begins, _) = calendar.period(Timestamp::from_unix_s(1));
    assert_eq!(calendar.period(begins).0, begins, "before the first, the first is meant");
    let last = second.after(100 * DAY);
    assert!(calendar.period(last).1 > last.after(1_000 * DAY));
    assert_eq!(Calendar::new([base()]), None);
    assert_eq!(Calendar::new([base(), base()]), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_calendar_window_holds_the_events_of_its_period(
        acts in prop::collection::vec(any_act(), 1..120),
    ) {
        let calendar = calendar();
        let mut series = SeriesWindows::new(with_calendar());
        let mut reference = Reference::default();
        let mut now = base();
        for act in acts {
            match act {
                Act::Add(back, count) => {
                    let at = i64::try_from(now.unix_s()).unwrap() - back;
                    let pane = Timestamp::from_unix_s(u64::try_from(at).unwrap()).pane();
                    match series.add(pane, count, now) {
                        Disposition::Fresh | Disposition::Late => {
                            reference.events.push((pane, count));
                        }
                        Disposition::TooOld | Disposition::Future => {}
                    }
                }
                Act::Pass(duration) => now = now.after(duration / 100),
                Act::PassToMultipleOf(width) => {
                    let width = width.as_nanos() as u64;
                    now = Timestamp::from_unix_ns(now.unix_ns().next_multiple_of(width));
                }
                Act::Restart => series = restarted(&series),
            }
            let (from, ends_at) = calendar.period(now);
            let until = Timestamp::from_unix_ns(now.unix_ns().next_multiple_of(PANE_NS));
            let expected = WindowSum { count: reference.sum(from, until.min(ends_at)), from, until };
            prop_assert_eq!(series.sum(30 * DAY, now), expected);
            prop_assert_eq!(series.ends_at(30 * DAY), Some(ends_at));
            prop_assert_eq!(series.ends_at(3 * DAY), None);
        }
    }
}

#[test]
fn another_calendar_begins_with_what_the_panes_tell() {
    let mut series = SeriesWindows::new(plan(&usual_windows()));
    let mut now = base();
    for _ in 0..1_000 {
        series.add(now.pane(), Count::observed(9, 1), now);
        now = now.after(Duration::from_secs(300));
    }
    let mut series = series.with_plan(with_calendar());
    let (from, _) = calendar().period(now);
    let count = series.sum(30 * DAY, now).count;
    let exact = now.since(from).as_secs() / 300 * 10;
    // The beginning straddles panes of at most 6 hours.
    assert!((exact..=exact + 6 * 12 * 10).contains(&count.total), "{} for {exact}", count.total);
    let again = series.with_plan(with_calendar());
    assert_eq!(again.clone().sum(30 * DAY, now).count, count, "the same calendar keeps its sum");
}
