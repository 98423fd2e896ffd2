use std::sync::Arc;

use super::*;

const PLAIN: Kind =
    Kind { signal: Signal::Traces, compression: Compression::None, encoding: Encoding::Protobuf };
const MS: u64 = 1_000_000;

fn workload() -> Workload {
    Workload::new(Duration::from_nanos(100 * MS))
}

/// So many requests as a round takes, of so many bytes each.
fn fill(workload: &Workload, kind: Kind, bytes: usize) -> usize {
    (0..1_000_000).take_while(|_| workload.take(kind, bytes).is_some()).count()
}

#[test]
fn a_round_takes_what_fits_and_one_request_whatever_it_is() {
    let workload = workload();
    assert!(!workload.is_full());
    // Two nanoseconds a byte are guessed: 10.02 ms each.
    assert_eq!(fill(&workload, PLAIN, 5_000_000), 9);
    assert!(!workload.is_full(), "smaller ones fit");
    assert_eq!(fill(&workload, PLAIN, 0), (100 * MS as usize - 9 * 10_020_000) / 20_000);
    assert!(workload.is_full());
    let other = self::workload();
    assert!(other.take(PLAIN, usize::MAX).is_some());
    assert!(other.is_full() && other.take(PLAIN, 0).is_none());
}

#[tokio::test]
async fn a_round_ends_once_all_that_was_ready_had_its_turn() {
    let workload = Arc::new(workload());
    let of_task = Arc::clone(&workload);
    let ending = tokio::spawn(async move { of_task.rounds().await });
    tokio::task::yield_now().await;
    let take_later = || {
        let workload = Arc::clone(&workload);
        tokio::spawn(async move { workload.take(PLAIN, 5_000_000).is_some() })
    };
    for _ in 0..3 {
        let ready_before = take_later();
        assert_eq!(fill(&workload, PLAIN, 5_000_000), 9);
        let ready_after = take_later();
        assert!(!ready_before.await.expect("no panic"), "it waited in the round that is full");
        assert!(ready_after.await.expect("no panic"), "it is of the next round");
        tokio::task::yield_now().await;
        assert_eq!(workload.taken_ns.load(Ordering::Relaxed), 0, "an idle worker is free");
    }
    ending.abort();
}

#[test]
fn what_was_measured_is_what_the_next_is_taken_to_cost() {
    let workload = workload();
    let measure = |kind, bytes, ns| {
        workload.taken_ns.store(0, Ordering::Relaxed);
        workload.take(kind, bytes).expect("the first").done(Duration::from_nanos(ns));
    };
    let cost = |kind: Kind| workload.rates[kind.index()].estimate_ns(1_000_000);
    let before = cost(PLAIN);
    assert_eq!(before, 2 * MS + REQUEST_NS);
    for _ in 0..200 {
        measure(PLAIN, 1_000_000, MS / 2);
    }
    assert!((cost(PLAIN) - REQUEST_NS).abs_diff(MS / 2) < MS / 1000, "{}", cost(PLAIN));
    // One that was interrupted for a second moves it by a quarter at most.
    measure(PLAIN, 1_000_000, 1000 * MS);
    assert!(cost(PLAIN) < MS / 2 + MS / 8 + REQUEST_NS, "{}", cost(PLAIN));
    // Small ones, whose bytes are dear since they are few, weigh little.
    for _ in 0..16 {
        measure(PLAIN, 100, MS / 50);
    }
    assert!(cost(PLAIN) < MS, "{}", cost(PLAIN));
    // A slower thread is believed in the end.
    for _ in 0..200 {
        measure(PLAIN, 1_000_000, 40 * MS);
    }
    assert!(cost(PLAIN).abs_diff(40 * MS) < MS, "{}", cost(PLAIN));
    let json = Kind { encoding: Encoding::Json, ..PLAIN };
    let packed = Kind { compression: Compression::Packed(Packing::Zstd), ..PLAIN };
    assert_eq!([cost(json), cost(packed)], [before; 2], "each kind has its own rate");
}

#[test]
fn what_turns_out_larger_or_smaller_is_corrected() {
    let workload = workload();
    let mut work = workload.take(PLAIN, 1_000_000).expect("the first");
    work.inflated(40_000_000);
    assert_eq!(workload.taken_ns.load(Ordering::Relaxed), 80 * MS + REQUEST_NS);
    assert!(workload.take(PLAIN, 10_000_000).is_none());
    work.inflated(1_000_000);
    assert!(workload.take(PLAIN, 10_000_000).is_some());
}

#[test]
fn every_kind_has_a_place() {
    let mut places: Vec<_> = [Signal::Traces, Signal::Metrics, Signal::Logs]
        .into_iter()
        .flat_map(|signal| {
            let packings = [Packing::Gzip, Packing::Zstd, Packing::Deflate];
            let compressions = packings.map(Compression::Packed).into_iter();
            compressions.chain([Compression::None]).flat_map(move |compression| {
                [Encoding::Protobuf, Encoding::Json]
                    .map(|encoding| Kind { signal, compression, encoding }.index())
            })
        })
        .collect();
    places.sort_unstable();
    assert_eq!(places, (0..KINDS).collect::<Vec<_>>());
}
