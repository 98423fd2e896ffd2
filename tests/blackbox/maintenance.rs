//! Time that counts toward no budget, told to a running daemon.

use std::time::Duration;

use serde_json::json;

use crate::harness::fogbell::{self, Fogbell};
use crate::harness::otlp::{Exporter, Outcome, Shop};
use crate::harness::wait;

const LIMIT: Duration = Duration::from_secs(15);

#[test]
fn budgets_are_computed_anew_and_stay_so_over_a_crash() {
    let mut fogbell = Fogbell::start(&json!({}));
    let exporter = Exporter::to(&fogbell.grpc_url());
    exporter.send(Shop::new().requests(100, Outcome::Fine));
    exporter.send(Shop::new().requests(50, Outcome::Broken));
    let name = "shop/payments@production:availability";
    let gauge = |fogbell: &Fogbell, family: &str, more: &str| {
        let labels = format!("slo=\"{name}\"");
        let metrics = fogbell.metrics();
        let found = metrics
            .lines()
            .find(|line| line.starts_with(&format!("{family}{{{labels}")) && line.contains(more))?;
        fogbell::value_of(&metrics, found.rsplit_once(' ')?.0)
    };
    let remaining = |fogbell: &Fogbell| gauge(fogbell, "slo_error_budget_remaining_ratio", "");
    wait::until("the budget is overspent", LIMIT, || {
        remaining(&fogbell).filter(|ratio| *ratio < 0.0)
    });
    let add = ["maintenance", "add", "db", "--service", "payments", "--from", "10m", "--for", "1h"];
    let told = fogbell.ask(&[&add[..], &["--reason", "upgrade"]].concat());
    assert!(told.starts_with("db: ") && told.contains("payments, all SLOs; upgrade"), "{told}");
    let holds = |fogbell: &Fogbell| {
        let is_whole = remaining(fogbell) == Some(1.0);
        let is_told = gauge(fogbell, "slo_maintenance", "") == Some(1.0);
        let excluded = gauge(fogbell, "slo_window_excluded_events", "result=\"bad\"");
        (is_whole && is_told && excluded == Some(50.0)).then_some(())
    };
    wait::until("maintenance holds", LIMIT, || holds(&fogbell));
    let explained = fogbell.ask(&["slo", "explain", name]);
    for expected in ["in maintenance: nothing counts", "leaves out 100 good and 50 bad events"] {
        assert!(explained.contains(expected), "{expected} in\n{explained}");
    }
    wait::until("it is journalled", LIMIT, || {
        fogbell.ask(&["maintenance"]).contains("lasts since").then_some(())
    });
    std::thread::sleep(Duration::from_secs(2));
    fogbell.kill();
    fogbell.start_again();
    wait::until("maintenance holds after a crash", LIMIT, || holds(&fogbell));
    let _ = fogbell.ask(&["maintenance", "remove", "db"]);
    wait::until("the budget is as it was", LIMIT, || {
        remaining(&fogbell).filter(|ratio| *ratio < 0.0)
    });
    assert!(fogbell.ask(&["maintenance", "list"]).starts_with("No maintenance is known"));
}
