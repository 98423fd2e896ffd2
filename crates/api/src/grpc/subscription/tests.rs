use std::time::Duration;

use contract::v1::Filter;
use futures_util::StreamExt;
use tokio::time::Instant;
use tonic::Code;

use super::*;
use crate::Feed;
use crate::subscribers::Subscribers;
use crate::tests::fixture::{incident, publish};

type Responses =
    std::pin::Pin<Box<dyn futures_util::Stream<Item = Result<SubscribeResponse, Status>> + Send>>;

struct Subscriber {
    stop: watch::Sender<bool>,
    responses: Responses,
}

/// What a subscriber of the tenant `shop` asks for.
fn subscribe(feed: &Feed, token: &str, snapshot: bool, filter: &Filter) -> Subscriber {
    let tenant: Tenant = "shop".into();
    let resume = (!token.is_empty()).then(|| token.parse().expect("a token"));
    let (stop, stopped) = watch::channel(false);
    let subscription = feed.subscribe(&tenant, resume).expect("kept");
    let stream = Stream {
        selection: Selection::new(Some(filter)).expect("known"),
        seat: Subscribers::default().seat(&tenant).expect("a place"),
        tenant,
        resume,
        snapshot,
        stop: stopped,
    };
    Subscriber { stop, responses: Box::pin(stream.run(subscription)) }
}

impl Subscriber {
    async fn next(&mut self) -> Result<SubscribeResponse, Status> {
        self.responses.next().await.expect("not at its end")
    }

    /// What the next response is, in short, and its token.
    async fn told(&mut self) -> (String, String) {
        let response = self.next().await.expect("no error");
        let what = match response.kind.expect("something") {
            Kind::Heartbeat(_) => "heartbeat".to_owned(),
            Kind::SnapshotEnd(_) => "snapshot end".to_owned(),
            Kind::Change(change) => {
                let incident = change.incident.expect("always told");
                let delivery = change.delivery.map(|d| format!(" to {}", d.route));
                let event = if change.event.is_some() { "" } else { " in snapshot" };
                format!("{}{event}{}", incident.title, delivery.unwrap_or_default())
            }
        };
        (what, response.token)
    }

    async fn all(&mut self, count: usize) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(self.told().await);
        }
        all
    }
}

fn token(offset: u64) -> String {
    Resume { epoch: 42, offset }.to_string()
}

fn told(what: &[(&str, &str)]) -> Vec<(String, String)> {
    what.iter().map(|(what, token)| ((*what).to_owned(), (*token).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_comes_first_and_only_its_end_has_a_token() {
    let feed = Feed::new(42, []);
    for (tenant, number) in [("shop", 1), ("bank", 2), ("shop", 3)] {
        publish(&feed, incident(tenant, number), &[]);
    }
    let mut subscriber = subscribe(&feed, "", true, &Filter::default());
    publish(&feed, incident("shop", 4), &[]);
    assert_eq!(
        subscriber.all(5).await,
        told(&[
            ("incident 1 in snapshot", ""),
            ("incident 3 in snapshot", ""),
            ("snapshot end", &token(3)),
            ("heartbeat", &token(3)),
            ("incident 4", &token(4)),
        ])
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_back_gets_what_was_missed_and_then_what_comes() {
    let feed = Feed::new(42, []);
    for number in 1..=3 {
        publish(&feed, incident("shop", number), &[]);
    }
    let mut subscriber = subscribe(&feed, &token(1), false, &Filter::default());
    publish(&feed, incident("shop", 4), &[]);
    assert_eq!(
        subscriber.all(4).await,
        told(&[
            ("incident 2", &token(2)),
            ("incident 3", &token(3)),
            ("heartbeat", &token(3)),
            ("incident 4", &token(4)),
        ])
    );
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_on_the_way_back_loses_no_delivery() {
    let feed = Feed::new(42, []);
    publish(&feed, incident("shop", 1), &["default"]);
    let mut subscriber = subscribe(&feed, &token(0), true, &Filter::default());
    assert_eq!(
        subscriber.all(3).await,
        told(&[
            ("incident 1 in snapshot", ""),
            ("snapshot end", &token(0)),
            ("incident 1 to default", &token(1)),
        ])
    );
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_comes_every_ten_seconds_with_a_token_that_ages_not() {
    let feed = Feed::new(42, []);
    let mut subscriber = subscribe(&feed, "", false, &Filter::default());
    assert_eq!(subscriber.told().await, ("heartbeat".to_owned(), token(0)));
    let start = Instant::now();
    publish(&feed, incident("bank", 1), &[]);
    assert_eq!(subscriber.told().await, ("heartbeat".to_owned(), token(1)));
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    let _ = subscriber.told().await;
    assert_eq!(start.elapsed(), Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_is_cut_and_goes_on_with_its_token() {
    let feed = Feed::new(42, []);
    let mut subscriber = subscribe(&feed, "", false, &Filter::default());
    publish(&feed, incident("shop", 1), &[]);
    assert_eq!(subscriber.all(2).await[1], ("incident 1".to_owned(), token(1)));
    let last = 2000;
    for number in 2..=last {
        publish(&feed, incident("shop", number), &[]);
    }
    let status = subscriber.next().await.expect_err("cut");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().ends_with(&token(1)), "{}", status.message());
    assert!(subscriber.responses.next().await.is_none());
    let mut again = subscribe(&feed, &token(1), false, &Filter::default());
    let missed = again.all(last as usize - 1).await;
    let expected = (2..=last).map(|n| (format!("incident {n}"), token(n)));
    assert!(missed.into_iter().eq(expected));
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_every_stream_even_one_that_has_much_to_say() {
    let feed = Feed::new(42, []);
    publish(&feed, incident("shop", 1), &[]);
    let mut subscriber = subscribe(&feed, "", true, &Filter::default());
    subscriber.stop.send(true).expect("heard");
    let status = subscriber.next().await.expect_err("ended");
    assert_eq!(status.code(), Code::Unavailable);
    assert!(subscriber.responses.next().await.is_none());

    let mut idle = subscribe(&feed, "", false, &Filter::default());
    let _ = idle.told().await;
    drop(idle.stop);
    let status = idle.responses.next().await.expect("ended").expect_err("ended");
    assert_eq!(status.code(), Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn of_several_deliveries_only_the_last_has_the_token_of_the_change() {
    let feed = Feed::new(42, []);
    publish(&feed, incident("shop", 1), &[]);
    let mut subscriber = subscribe(&feed, "", false, &Filter::default());
    publish(&feed, incident("shop", 2), &["first", "second"]);
    let all = subscriber.all(3).await;
    let expected = [
        ("heartbeat", &*token(1)),
        ("incident 2 to first", &token(1)),
        ("incident 2 to second", &token(2)),
    ];
    assert_eq!(all, told(&expected));
    let mut again = subscribe(&feed, &all[1].1, false, &Filter::default());
    assert_eq!(again.all(2).await, told(&expected[1..]));
}

#[tokio::test(start_paused = true)]
async fn a_filter_holds_for_snapshot_and_changes() {
    let feed = Feed::new(42, []);
    let ticket = |number| {
        let mut incident = incident("shop", number);
        incident.urgency = model::Urgency::Ticket;
        incident
    };
    publish(&feed, ticket(1), &[]);
    publish(&feed, incident("shop", 2), &[]);
    let filter = Filter { urgencies: vec![v1::Urgency::Ticket.into()], ..Filter::default() };
    let mut subscriber = subscribe(&feed, "", true, &filter);
    publish(&feed, incident("shop", 3), &[]);
    publish(&feed, ticket(4), &[]);
    assert_eq!(
        subscriber.all(4).await,
        told(&[
            ("incident 1 in snapshot", ""),
            ("snapshot end", &token(2)),
            ("heartbeat", &token(2)),
            ("incident 4", &token(4)),
        ])
    );
}
