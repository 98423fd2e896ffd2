use tokio::net::TcpListener;

use super::*;

#[test]
fn a_seat_is_where_the_fewest_are_and_at_home_if_that_is_one_of_them() {
    let (roster, _desks) = Roster::new(3);
    let seat = |own| roster.seat(own).expect("room");
    let first = [seat(1), seat(1), seat(1)];
    assert_eq!(first.each_ref().map(|seat| seat.number), [1, 0, 2]);
    let second = [seat(0), seat(0), seat(2)];
    assert_eq!(second.each_ref().map(|seat| seat.number), [0, 1, 2]);
    assert_eq!(roster.open(), [2, 2, 2]);
    let [_, of_1, of_2] = second;
    drop((of_1, of_2));
    assert_eq!(roster.open(), [2, 1, 1]);
    let third = [seat(0), seat(0)];
    assert_eq!(third.each_ref().map(|seat| seat.number), [1, 2]);
    drop((first, third));
    assert_eq!(roster.open(), [1, 0, 0]);
}

#[test]
fn workers_that_accept_at_the_same_time_stay_within_one() {
    const WORKERS: usize = 4;
    let (roster, _desks) = Roster::new(WORKERS);
    let seats = std::thread::scope(|scope| {
        let accepting = [0, 0, 1, 3].map(|own| {
            let roster = &roster;
            scope.spawn(move || (0..1001).filter_map(|_| roster.seat(own)).collect::<Vec<_>>())
        });
        accepting.map(|thread| thread.join().expect("no panic"))
    });
    assert_eq!(roster.open(), [1001; WORKERS]);
    drop(seats);
    assert_eq!(roster.open(), [0; WORKERS]);
}

#[test]
fn a_roster_of_workers_that_are_all_full_has_no_seat() {
    let (roster, _desks) = Roster::new(2);
    let seats: Vec<_> = (0..2 * CONNECTIONS_MAX).filter_map(|_| roster.seat(0)).collect();
    assert_eq!(seats.len(), 2 * CONNECTIONS_MAX);
    assert!(roster.seat(0).is_none());
    drop(seats);
    assert!(roster.seat(0).is_some());
}

#[test]
fn a_worker_that_has_ended_is_given_nothing() {
    let (roster, mut desks) = Roster::new(2);
    drop(desks.pop());
    let seats = [roster.seat(0), roster.seat(0)].map(|seat| seat.expect("room").number);
    assert_eq!(seats, [0, 0]);
}

/// A connection as a worker accepts it, and its other end.
async fn accepted(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let address = listener.local_addr().expect("bound");
    let peer = TcpStream::connect(address).await.expect("connect");
    (listener.accept().await.expect("accept").0, peer)
}

#[tokio::test]
async fn who_accepts_keeps_what_the_other_has_no_room_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (roster, mut desks) = Roster::with_inboxes(2, 2);
    let mut peers = Vec::new();
    let mut kept = Vec::new();
    for _ in 0..8 {
        let (stream, peer) = accepted(&listener).await;
        kept.extend(desks[0].assign(stream, Transport::Grpc));
        peers.push(peer);
    }
    assert_eq!((kept.len(), roster.open()), (6, vec![6, 2]));
    let handed = [desks[1].handed().await, desks[1].handed().await];
    assert!(handed.iter().all(Option::is_some));
    let (stream, peer) = accepted(&listener).await;
    assert!(desks[0].assign(stream, Transport::Http).is_none(), "there is room again");
    peers.push(peer);
    assert_eq!(roster.open(), [6, 3]);
    drop((kept, handed));
    assert_eq!(roster.open(), [0, 1], "what is on its way counts");
    let rest = desks[1].close();
    assert_eq!((rest.len(), roster.open()), (1, vec![0, 1]));
    drop(rest);
    let (stream, _peer) = accepted(&listener).await;
    assert!(desks[0].assign(stream, Transport::Grpc).is_some(), "nobody else takes any");
    assert_eq!(roster.open(), [0, 0]);
}
