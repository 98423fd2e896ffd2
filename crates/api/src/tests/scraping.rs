use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use auth::Tenant;
use engine::{SloStatus, View};
use http::Method;
use model::{AlertState, Timestamp};
use slo::presence::WindowState;

use super::fixture::Port;

fn slo(name: &str, page: AlertState, budget: f64) -> SloStatus {
    SloStatus {
        name: name.into(),
        service: None,
        service_name: "checkout".into(),
        group: vec![("http.route".into(), "/buy".into())],
        automatic: false,
        objective: 0.99,
        window: Duration::from_secs(3600),
        slicing: None,
        state: WindowState::NoTraffic,
        in_maintenance: false,
        windows: Vec::new(),
        budget_remaining_ratio: budget,
        exhausted_at: None,
        page,
        ticket: AlertState::Inactive,
        good_total: 1,
        bad_total: 0,
        exemplar: None,
    }
}

/// A look at the SLOs of two tenants.
fn look(port: &Port, slos: Vec<SloStatus>) {
    let at = Timestamp::from_unix_s(1_000_000);
    let of = |slos| Arc::new(View { at, slos, ..View::default() });
    let bank = of(vec![slo("ledger", AlertState::Inactive, 1.0)]);
    let tenants = [("default", of(slos.clone())), ("shop", of(slos)), ("bank", bank)];
    let views = tenants.map(|(tenant, view)| (Tenant::from(tenant), view));
    *port.daemon.views.lock() = Arc::new(BTreeMap::from(views));
}

#[tokio::test]
async fn a_scraper_gets_the_format_and_the_encoding_that_it_asks_for() {
    let port = Port::open().await;
    look(&port, vec![slo("buy", AlertState::Inactive, 1.0)]);
    let plain = port.get("/metrics").await;
    assert_eq!(plain.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let line = "slo_objective_ratio{slo=\"buy\",service=\"checkout\",http_route=\"/buy\"} 0.99";
    assert!(plain.text().lines().any(|l| l == line), "{}", plain.text());
    assert!(plain.text().contains("tenant=\"bank\""));
    assert!(plain.text().ends_with("fogbell_draining 0\n"));

    let accept = ("accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    let headers = [accept, ("accept-encoding", "gzip")];
    let packed = port.send(Method::GET, "/metrics", &headers, "").await;
    let open_metrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(packed.header("content-type"), open_metrics);
    assert_eq!(packed.header("content-encoding"), "gzip");
    let mut text = String::new();
    let mut decoder = flate2::read::GzDecoder::new(&packed.body[..]);
    let _ = std::io::Read::read_to_string(&mut decoder, &mut text).expect("gzip");
    assert!(text.contains("# TYPE slo_events counter\n") && text.ends_with("# EOF\n"), "{text}");
}

#[tokio::test]
async fn a_credential_sees_its_own_tenant() {
    let port = Port::guarded().await;
    look(&port, vec![slo("buy", AlertState::Inactive, 1.0)]);
    let headers = [("authorization", "Bearer shop-viewer")];
    let metrics = port.send(Method::GET, "/metrics", &headers, "").await;
    assert!(metrics.text().contains("tenant=\"shop\""));
    assert!(!metrics.text().contains("ledger"), "{}", metrics.text());
    let slos = port.send(Method::GET, "/api/v1/slos", &headers, "").await.json();
    assert_eq!((slos["total"].as_u64(), slos["slos"][0]["name"].as_str()), (Some(1), Some("buy")));
}

#[tokio::test]
async fn slos_come_worst_first() {
    let port = Port::open().await;
    assert_eq!(port.get("/api/v1/slos").await.json()["slos"], serde_json::json!([]));
    look(
        &port,
        vec![
            slo("calm", AlertState::Inactive, 0.9),
            slo("spent", AlertState::Inactive, -0.5),
            slo("firing", AlertState::Firing, 0.8),
            slo("pending", AlertState::Pending, 0.7),
        ],
    );
    let all = port.get("/api/v1/slos").await.json();
    let names: Vec<_> =
        all["slos"].as_array().expect("a list").iter().map(|s| &s["name"]).collect();
    assert_eq!(names, ["firing", "pending", "spent", "calm"]);
    let first = &all["slos"][0];
    assert_eq!(first["page"], "FIRING");
    assert_eq!(first["state"], "NO_TRAFFIC");
    assert_eq!(first["group"], serde_json::json!({ "http.route": "/buy" }));
    assert_eq!(all["at"], "1970-01-12T13:46:40.000Z");
    let one = port.get("/api/v1/slos?limit=1&service=checkout").await.json();
    assert_eq!((one["total"].as_u64(), one["slos"].as_array().map(Vec::len)), (Some(4), Some(1)));
    assert_eq!(port.get("/api/v1/slos?limit=0").await.refusal().0, 400);
    let name = all["slos"][0]["name"].as_str().expect("a name").to_owned();
    let told = port.get(&format!("/api/v1/slos/{name}")).await.json();
    assert_eq!(
        (&told["slos"][0]["name"], &told["slos"][0]["badEventsMin"]),
        (&all["slos"][0]["name"], &10.into())
    );
    let missing = port.get("/api/v1/slos/nothing").await.refusal();
    assert_eq!((missing.0, missing.2.as_str()), (404, "there is no SLO nothing"));
    assert_eq!(port.get("/api/v1/slos?service=other").await.json()["total"], 0);
}
