use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn at(second: u64) -> Timestamp {
    Timestamp::from_unix_s(1_000_000 + second)
}

fn heard_each_10_s(presence: &mut Presence, seconds: std::ops::Range<u64>) {
    for second in seconds.step_by(10) {
        presence.heard(at(second));
    }
}

#[test]
fn a_source_that_was_never_heard_covers_nothing() {
    let presence = Presence::default();
    assert!(presence.is_silent(at(0)));
    assert_eq!(presence.covered(MINUTE, at(0)), Duration::ZERO);
    assert_eq!(presence.state(MINUTE, at(0), 0), WindowState::NoData);
}

#[test]
fn a_young_source_covers_what_came_after_its_first_telemetry() {
    let mut presence = Presence::default();
    heard_each_10_s(&mut presence, 0..31);
    assert_eq!(presence.covered(5 * MINUTE, at(35)), Duration::from_secs(35));
    assert_eq!(presence.covered(Duration::from_secs(20), at(35)), Duration::from_secs(20));
    assert_eq!(presence.state(MINUTE, at(35), 0), WindowState::NoTraffic);
    assert_eq!(presence.state(MINUTE, at(35), 1), WindowState::Data);
}

#[test]
fn a_pause_below_the_limit_is_not_a_silence() {
    let mut presence = Presence::default();
    presence.heard(at(0));
    assert!(!presence.is_silent(at(90)));
    presence.heard(at(90));
    assert_eq!(presence.covered(5 * MINUTE, at(100)), Duration::from_secs(100));
}

#[test]
fn silence_counts_from_the_last_telemetry_until_the_next() {
    let mut presence = Presence::default();
    heard_each_10_s(&mut presence, 0..601);
    assert!(presence.is_silent(at(691)));
    assert_eq!(presence.covered(5 * MINUTE, at(720)), Duration::from_secs(180));
    assert_eq!(presence.state(MINUTE, at(720), 0), WindowState::NoData);
    presence.heard(at(720));
    assert!(!presence.is_silent(at(720)));
    assert_eq!(presence.covered(5 * MINUTE, at(780)), Duration::from_secs(120 + 60));
    assert!((presence.coverage_ratio(5 * MINUTE, at(780)) - 0.6).abs() < 1e-9);
}

#[test]
fn a_gap_of_ones_own_lowers_coverage_and_counts_toward_no_silence() {
    let mut presence = Presence::default();
    heard_each_10_s(&mut presence, 0..301);
    presence.gap(at(310), at(3000));
    assert!(!presence.is_silent(at(3090)), "the timer starts again on recovery");
    assert_eq!(presence.covered(MINUTE, at(3030)), Duration::from_secs(30));
    assert!(presence.is_silent(at(3091)));
    assert_eq!(presence.covered(2 * MINUTE, at(3091)), Duration::ZERO);
    presence.heard(at(3100));
    assert_eq!(presence.covered(2 * MINUTE, at(3110)), Duration::from_secs(10));
}

#[test]
fn gaps_that_are_told_bit_by_bit_are_one() {
    let mut presence = Presence::default();
    presence.heard(at(0));
    for second in 0..200 {
        presence.gap(at(10 + second), at(11 + second));
        presence.heard(at(11 + second));
    }
    assert_eq!(presence.absences.len(), 1);
    assert_eq!(presence.covered(5 * MINUTE, at(211)), Duration::from_secs(11));
}

#[test]
fn a_gap_within_a_silence_does_not_count_twice() {
    let mut presence = Presence::default();
    heard_each_10_s(&mut presence, 0..101);
    presence.gap(at(300), at(320));
    presence.heard(at(500));
    assert_eq!(presence.covered(10 * MINUTE, at(510)), Duration::from_secs(110));
}

#[test]
fn absences_are_bounded_and_never_overstate_coverage() {
    let mut presence = Presence::default();
    for round in 0..1000 {
        heard_each_10_s(&mut presence, round * 300..round * 300 + 101);
    }
    assert_eq!(presence.absences.len(), ABSENCES_MAX);
    let covered = presence.covered(Duration::from_secs(300_000), at(299_800));
    assert!(covered <= Duration::from_secs(100_000));
    assert!(covered >= Duration::from_secs(100 * ABSENCES_MAX as u64));
    let bytes = borsh::to_vec(&presence).unwrap();
    assert_eq!(borsh::from_slice::<Presence>(&bytes).unwrap(), presence);
}
