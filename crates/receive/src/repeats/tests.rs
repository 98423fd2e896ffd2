use super::*;

fn repeats() -> Repeats {
    Repeats::new(Arc::default())
}

fn look_up<'a>(repeats: &'a Repeats, request: &[u8]) -> Seen<'a> {
    repeats.look_up("default", Signal::Traces, request, Instant::now())
}

fn claim<'a>(repeats: &'a Repeats, request: &[u8]) -> Option<Claim<'a>> {
    match look_up(repeats, request) {
        Seen::Mine(claim) => Some(claim),
        Seen::Before { .. } | Seen::InFlight(_) => None,
    }
}

fn accept(repeats: &Repeats, request: &[u8]) {
    let mut claim = claim(repeats, request).expect("new");
    claim.observe(Summary::default());
    claim.accept();
}

#[test]
fn an_accepted_request_is_seen_again_and_a_refused_one_is_new() {
    let repeats = repeats();
    accept(&repeats, b"one");
    assert!(matches!(look_up(&repeats, b"one"), Seen::Before { rejected: 0 }));
    drop(claim(&repeats, b"two").expect("new"));
    let again = claim(&repeats, b"two").expect("a refusal removes it");
    assert_eq!(again.observed(), None);
}

#[test]
fn what_was_observed_but_not_accepted_is_not_observed_again() {
    let repeats = repeats();
    let mut first = claim(&repeats, b"one").expect("new");
    first.observe(Summary { items: 7, ..Summary::default() });
    drop(first);
    let again = claim(&repeats, b"one").expect("not accepted yet");
    assert_eq!(again.observed().map(|summary| summary.items), Some(7));
    drop(again);
    let third = claim(&repeats, b"one").expect("still not");
    third.accept();
    assert!(matches!(look_up(&repeats, b"one"), Seen::Before { .. }));
    assert_eq!(repeats.in_all.load(Ordering::Relaxed), 1, "it is remembered once");
}

#[test]
fn the_same_bytes_of_another_tenant_or_signal_are_new() {
    let repeats = repeats();
    accept(&repeats, b"one");
    let now = Instant::now();
    assert!(matches!(repeats.look_up("other", Signal::Traces, b"one", now), Seen::Mine(_)));
    assert!(matches!(repeats.look_up("default", Signal::Logs, b"one", now), Seen::Mine(_)));
}

#[tokio::test]
async fn a_retry_in_flight_waits_for_the_outcome() {
    let repeats = repeats();
    let mut first = claim(&repeats, b"one").expect("new");
    let Seen::InFlight(mut outcome) = look_up(&repeats, b"one") else { panic!("it is in flight") };
    assert_eq!(outcome.has_changed().ok(), Some(false));
    first.observe(Summary::default());
    first.accept();
    assert!(outcome.changed().await.is_err(), "the sender is gone");
    assert!(matches!(look_up(&repeats, b"one"), Seen::Before { .. }));
}

#[test]
fn a_difference_at_head_tail_length_or_stride_makes_another_request() {
    let repeats = repeats();
    let whole = vec![7u8; 3 * STRIDE_BYTES];
    accept(&repeats, &whole);
    for at in [0, EDGE_BYTES - 1, STRIDE_BYTES + 3, whole.len() - EDGE_BYTES, whole.len() - 1] {
        let mut other = whole.clone();
        other[at] = 8;
        assert!(claim(&repeats, &other).is_some(), "byte {at}");
    }
    assert!(claim(&repeats, &whole[1..]).is_some());
    let small = vec![7u8; WHOLE_BYTES_MAX];
    accept(&repeats, &small);
    let mut other = small;
    other[WHOLE_BYTES_MAX / 2] = 8;
    assert!(claim(&repeats, &other).is_some(), "small requests are hashed whole");
}

#[test]
fn a_request_is_forgotten_after_a_minute() {
    let repeats = repeats();
    let start = Instant::now();
    accept(&repeats, b"one");
    let at = |now| repeats.look_up("default", Signal::Traces, b"one", now);
    assert!(matches!(at(start + REMEMBERED - Duration::from_secs(1)), Seen::Before { .. }));
    assert!(matches!(at(start + REMEMBERED + Duration::from_secs(60)), Seen::Mine(_)));
    assert_eq!(repeats.in_all.load(Ordering::Relaxed), 0);
}

#[test]
fn a_tenant_remembers_at_most_so_many_and_fewer_where_all_remember_much() {
    let in_all = Arc::new(AtomicUsize::new(0));
    let repeats = Repeats::new(Arc::clone(&in_all));
    for number in 0..(REMEMBERED_MAX + 5000) as u64 {
        accept(&repeats, &number.to_le_bytes());
    }
    let held = in_all.load(Ordering::Relaxed);
    assert!((REMEMBERED_MAX - 2000..=REMEMBERED_MAX + SHARDS).contains(&held), "{held}");
    let _ = in_all.fetch_add(REMEMBERED_IN_ALL_MAX, Ordering::Relaxed);
    for number in 0..100u64 {
        accept(&repeats, &(u64::MAX - number).to_le_bytes());
    }
    let held = in_all.load(Ordering::Relaxed) - REMEMBERED_IN_ALL_MAX;
    assert!(held <= REMEMBERED_MIN + SHARDS, "{held}");
    drop(repeats);
    assert_eq!(in_all.load(Ordering::Relaxed), REMEMBERED_IN_ALL_MAX);
}
