//! Alerts of a real Prometheus, and what changed.

use std::time::Duration;

use serde_json::json;

use crate::harness::fogbell::Fogbell;
use crate::harness::http;
use crate::harness::prometheus::Prometheus;
use crate::harness::wait;

const LIMIT: Duration = Duration::from_secs(60);

const RULES: &str = r#"
groups:
  - name: shop
    rules:
      - alert: HighErrorRate
        expr: vector(1)
        labels: { severity: critical, pod: cart-579f59597d-wc2lz }
        annotations: { summary: cart fails }
      - alert: HighLatency
        expr: vector(1)
        labels: { severity: warning, deployment: cart }
"#;

#[test]
fn alerts_of_prometheus_about_one_service_become_one_page() {
    let fogbell = Fogbell::start_with(&json!({}), &[("shop.rules.yml", RULES)]);
    let change = br#"{"kind": "config", "service": "cart", "summary": "pool size 20 to 5"}"#;
    let json = [("content-type", "application/json")];
    let told = http::post(&fogbell.api_url("/api/v1/changes"), &json, change).unwrap();
    assert_eq!(told.status, 202);
    let rules = fogbell.config_file().with_file_name("shop.rules.yml");
    let _prometheus = Prometheus::raising(&fogbell.api_address(), &rules);
    let incident = wait::until("an incident with both alerts", LIMIT, || {
        let answer = http::get(&fogbell.api_url("/api/v1/incidents"), &[]).ok()?;
        let page: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
        let incident = page["incidents"].get(0)?.clone();
        (incident["members"].as_array()?.len() == 2).then_some(incident)
    });
    assert_eq!(incident["urgency"], "PAGE", "{incident}");
    assert_eq!(incident["causes"][0]["service"], "cart", "{incident}");
    let members = incident["members"].as_array().unwrap();
    assert!(members.iter().all(|member| member["external"] == true), "{incident}");
    assert_eq!(incident["changes"][0]["summary"], "pool size 20 to 5", "{incident}");
}

#[test]
fn where_nothing_was_heard_nothing_stands_out() {
    let fogbell = Fogbell::start(&json!({}));
    let told = fogbell.ask(&["explain", "--since", "5m"]);
    assert!(told.contains("nothing stands out"), "{told}");
}
