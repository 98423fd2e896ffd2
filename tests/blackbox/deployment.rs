//! What `deploy/` gives to users, tried on the parts that read it.

use std::fs;

use serde_json::Value;

use crate::harness::prepare;
use crate::harness::prometheus::Prometheus;

/// Every PromQL expression of the dashboards, for all services.
fn dashboard_queries() -> Vec<String> {
    let mut queries = Vec::new();
    for entry in fs::read_dir(prepare::root().join("deploy/grafana/dashboards")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        for panel in dashboard["panels"].as_array().expect("a dashboard has panels") {
            for target in panel["targets"].as_array().expect("a panel has targets") {
                let expression = target["expr"].as_str().expect("a target has an expression");
                queries.push(expression.replace("$service", ".*"));
            }
        }
    }
    queries
}

#[test]
fn prometheus_understands_every_query_of_the_dashboards() {
    let prometheus = Prometheus::with_history("# EOF\n");
    let queries = dashboard_queries();
    assert!(!queries.is_empty());
    for query in queries {
        assert!(!query.contains('$'), "a variable is left in {query}");
        prometheus.query(&query);
    }
}

#[test]
fn prometheus_accepts_its_configuration() {
    let config = prepare::root().join("deploy/prometheus/prometheus.yml");
    let said = prepare::output(
        prepare::program("promtool", "prometheus").args(["check", "config"]).arg(config),
    );
    assert!(said.contains("SUCCESS"), "{said}");
}
