//! The daemon's life: start, reload, drain, crash, and what survives them.

use serde_json::{Value, json};

use crate::harness::clients::Client;
use crate::harness::fogbell::Fogbell;
use crate::harness::http;
use crate::harness::prometheus::check_metrics;

#[test]
fn the_daemon_reloads_drains_and_comes_back_from_a_crash() {
    let mut fogbell = Fogbell::start(&json!({ "log": { "format": "json" } }));
    let ready = fogbell.api_url("/readyz");
    assert_eq!(check_metrics(&fogbell.metrics()), None);

    fogbell.configure(&json!({ "log": { "format": "json", "level": "debug" } }));
    fogbell.hangup();
    assert_eq!(http::get(&ready, &[]).unwrap().status, 200);

    assert!(fogbell.terminate().success());
    assert!(http::get(&ready, &[]).is_err());
    assert!(fogbell.data_dir().read_dir().unwrap().next().is_some());

    fogbell.start_again();
    fogbell.kill();
    fogbell.start_again();
    assert_eq!(http::get(&ready, &[]).unwrap().status, 200);
    let log = fogbell.log();
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log}");
}

#[test]
fn the_sdks_reach_the_daemon_over_both_ports() {
    let fogbell = Fogbell::start(&json!({}));
    for client in [
        Client::python(&["traces", "--endpoint", &fogbell.grpc_url(), "--compression", "gzip"]),
        Client::python(&["metrics", "--endpoint", &fogbell.grpc_url()]),
        Client::python(&["logs", "--protocol", "http", "--endpoint", &fogbell.http_url()]),
        Client::node(&["--protocol", "http/json", "--endpoint", &fogbell.http_url()]),
        Client::node(&["--protocol", "grpc", "--endpoint", &fogbell.grpc_url()]),
    ] {
        let summary = client.summary();
        assert_eq!(summary["failed_exports"], 0, "{summary}");
        assert_ne!(summary["exports"], 0, "{summary}");
    }
}
