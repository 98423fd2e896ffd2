use super::{Entry, SECOND_NS, START_NS, options, seen};
use crate::{Shop, ShopOptions};

#[test]
fn a_healthy_hour_stays_within_its_objectives() {
    let options = ShopOptions { requests_per_s: 10.0, ..options(None) };
    let mut shop = Shop::new(&options, START_NS);
    let mut hour = Entry::default();
    for minute in 1..=60 {
        let spans = seen(&shop.advance(START_NS + minute * 60 * SECOND_NS));
        let entry = Entry::of(spans.iter());
        assert!(entry.availability_burn() < 14.4, "minute {minute}: {entry:?}");
        assert!(entry.latency_burn() < 1.0, "minute {minute}: {entry:?}");
        hour.total += entry.total;
        hour.errors += entry.errors;
        hour.slow += entry.slow;
    }
    assert!((35_000..37_000).contains(&hour.total), "{hour:?}");
    assert!(hour.availability_burn() < 0.5, "{hour:?}");
    assert!(hour.latency_burn() < 0.1, "{hour:?}");
}

#[test]
fn the_rate_is_what_was_asked_for() {
    let mut shop = Shop::new(&options(None), START_NS);
    let spans = seen(&shop.advance(START_NS + 60 * SECOND_NS));
    let entries = Entry::of(spans.iter()).total;
    assert!((3_300..3_900).contains(&entries), "{entries} entry requests in a minute");
    let rate = spans.len() / 60;
    assert!((500..1_500).contains(&rate), "{rate} spans/s");
    assert!(
        Shop::new(&ShopOptions { requests_per_s: 0.0, ..options(None) }, START_NS)
            .advance(START_NS + 60 * SECOND_NS)
            .iter()
            .all(|export| export.spans().count() == 0)
    );
}
