//! SLOs of the user's own: OpenSLO files over metrics and logs, checked, loaded, reloaded, judged.

use std::time::{Duration, Instant};

use contract::v1;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use serde_json::json;

use crate::harness::clients::Client;
use crate::harness::fogbell::{self, Fogbell};
use crate::harness::incidents::Incidents;
use crate::harness::otlp::{Exporter, HEALTHY, Outcome, Shop, now_ns, resource, text};
use crate::harness::wait;

const LIMIT: Duration = Duration::from_secs(15);

/// An SLO of 99 % over 30 days: events that `selected` holds for are `numerator` (good or bad).
fn slo(name: &str, signal: &str, numerator: &str, selected: &str, total: &str) -> String {
    let source = |filter: &str| {
        format!("metricSource: {{ type: otlp, spec: {{ signal: {signal}, filter: '{filter}' }} }}")
    };
    format!(
        "apiVersion: openslo/v1\nkind: SLO\nmetadata: {{ name: {name} }}\nspec:\n  \
         service: payments\n  indicator:\n    metadata: {{ name: {name}-sli }}\n    spec:\n      \
         ratioMetric:\n        counter: true\n        {numerator}: {{ {} }}\n        \
         total: {{ {} }}\n  timeWindow: [{{ duration: 30d, isRolling: true }}]\n  \
         budgetingMethod: Occurrences\n  objectives: [{{ target: 0.99 }}]\n",
        source(selected),
        source(total),
    )
}

/// Good are the observations of payments' histogram below half a second.
fn fast(name: &str, environment: &str) -> String {
    let of = format!(
        "resource.service.name = \"payments\" && resource.deployment.environment.name = \
         \"{environment}\" && metric.name = \"http.server.request.duration\""
    );
    let good = format!("{{ {of} && value < 500ms }}");
    slo(name, "metrics", "good", &good, &format!("{{ {of} }}"))
}

fn logged() -> String {
    let of = "resource.service.name = \"payments\"";
    let bad = format!("{{ {of} && severity >= error }}");
    slo("logged", "logs", "bad", &bad, &format!("{{ {of} }}"))
}

/// Good and bad events of a declared SLO so far.
fn events(fogbell: &Fogbell, name: &str) -> (Option<f64>, Option<f64>) {
    let metrics = fogbell.metrics();
    let series = |result: &str| {
        let labels = format!("slo=\"{name}\",service=\"payments\"");
        fogbell::value_of(&metrics, &format!("slo_events_total{{{labels},result=\"{result}\"}}"))
    };
    (series("good"), series("bad"))
}

#[test]
fn own_slos_count_histograms_of_both_temporalities_and_logs() {
    let files = [
        ("slos/cumulative.yaml", fast("fast-cumulative", "cumulative")),
        ("slos/delta.yaml", fast("fast-delta", "delta")),
        ("slos/deep/exponential.yaml", fast("fast-exponential", "exponential")),
        ("slos/logged.yaml", logged()),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let mut fogbell = Fogbell::start_with(&json!({}), &files);
    let load = ["--requests", "200", "--error-ratio", "0.25", "--over-s", "3"];
    let (grpc, http) = (fogbell.grpc_url(), fogbell.http_url());
    let metrics = |environment: &str, options: &[&str]| {
        let to = ["metrics", "--environment", environment];
        Client::python(&[&to[..], &load, options].concat())
    };
    let clients = [
        metrics("cumulative", &["--endpoint", &grpc]),
        metrics("delta", &["--endpoint", &http, "--protocol", "http", "--temporality", "delta"]),
        metrics("exponential", &["--endpoint", &grpc, "--exponential"]),
        Client::python(&[&["logs", "--endpoint", &grpc][..], &load].concat()),
    ];
    for client in clients {
        let summary = client.summary();
        assert_eq!(summary["failed_exports"], 0, "{summary}");
    }
    for name in ["fast-cumulative", "fast-delta", "fast-exponential", "logged"] {
        let counted = Instant::now();
        while events(&fogbell, name) != (Some(150.0), Some(50.0)) {
            let now = events(&fogbell, name);
            assert!(counted.elapsed() < LIMIT, "{name}: {now:?} instead of 150 good and 50 bad");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    // What was counted before SIGTERM is there after it.
    assert!(fogbell.terminate().success());
    fogbell.start_again();
    wait::until("the numbers are back", LIMIT, || {
        let numbers = ["fast-cumulative", "logged"].map(|name| events(&fogbell, name));
        (numbers == [(Some(150.0), Some(50.0)); 2]).then_some(())
    });
}

fn log_records(count: usize, severity_number: i32, body: &str) -> ExportLogsServiceRequest {
    log_records_at(now_ns(), count, severity_number, body)
}

fn log_records_at(
    time_unix_nano: u64,
    count: usize,
    severity_number: i32,
    body: &str,
) -> ExportLogsServiceRequest {
    let body = Some(AnyValue { value: Some(Value::StringValue(body.to_owned())) });
    let record = LogRecord { time_unix_nano, severity_number, body, ..LogRecord::default() };
    let log_records = vec![record; count];
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource(vec![text("service.name", "payments")])),
            scope_logs: vec![ScopeLogs { log_records, ..ScopeLogs::default() }],
            ..ResourceLogs::default()
        }],
    }
}

#[test]
fn an_own_slo_over_logs_pages() {
    let fogbell = Fogbell::start_with(&json!({}), &[("slos/logged.yaml", &logged())]);
    let subscriber = Incidents::at(&fogbell.api_url("")).follow();
    let exporter = Exporter::to(&fogbell.grpc_url());
    let start = Instant::now();
    let mut order = 0;
    while start.elapsed() < HEALTHY {
        order += 1;
        exporter.send_logs(log_records(10, 9, &format!("order {order} charged")));
        std::thread::sleep(Duration::from_millis(500));
    }
    exporter.send_logs(log_records(200, 17, "card network refused"));
    let (page, _) = subscriber.page(LIMIT);
    let incident = page.incident.unwrap();
    let slos = incident.impact.as_ref().unwrap().slos.clone();
    assert_eq!(slos.iter().map(|slo| slo.name.as_str()).collect::<Vec<_>>(), ["logged"]);
    assert!(!slos[0].automatic && slos[0].burn_rate_short > 14.4, "{slos:?}");
    assert_eq!(incident.causes.first().map(|cause| cause.service.as_str()), Some("payments"));
    assert_eq!(incident.status(), v1::Status::Open);
}

#[test]
fn a_budget_of_time_slices_is_judged_by_slices_and_pages() {
    let text = logged()
        .replace("Occurrences", "Timeslices")
        .replace("target: 0.99", "target: 0.99, timeSliceTarget: 0.95, timeSliceWindow: 1m");
    let fogbell = Fogbell::start_with(&json!({}), &[("slos/sliced.yaml", &text)]);
    let subscriber = Incidents::at(&fogbell.api_url("")).follow();
    let exporter = Exporter::to(&fogbell.grpc_url());
    let start = Instant::now();
    while start.elapsed() < HEALTHY {
        exporter.send_logs(log_records(10, 9, "charged"));
        std::thread::sleep(Duration::from_millis(500));
    }
    let slices = |result: &str| {
        let labels = format!("slo=\"logged\",service=\"payments\",result=\"{result}\"");
        fogbell.metric(&format!("slo_window_slices{{{labels}}}"))
    };
    assert_eq!(slices("bad"), Some(0.0));
    // Slices that ended before the daemon began: their verdicts are given with their events.
    let minutes_ago = |minutes: u64| now_ns() - minutes * 60_000_000_000;
    exporter.send_logs(log_records_at(minutes_ago(4), 100, 9, "charged"));
    exporter.send_logs(log_records_at(minutes_ago(2), 94, 9, "charged"));
    exporter.send_logs(log_records_at(minutes_ago(2), 6, 17, "card network refused"));
    exporter.send_logs(log_records_at(minutes_ago(3), 100, 17, "card network refused"));
    let (page, _) = subscriber.page(LIMIT);
    let impact = page.incident.unwrap().impact.unwrap();
    assert_eq!(impact.slos.iter().map(|slo| &*slo.name).collect::<Vec<_>>(), ["logged"]);
    wait::until("two bad slices", LIMIT, || (slices("bad") == Some(2.0)).then_some(()));
    assert_eq!(events(&fogbell, "logged").1, Some(106.0));
}

#[test]
fn a_policy_of_ones_own_pages_its_target() {
    let text = r#"
- apiVersion: openslo/v1
  kind: AlertNotificationTarget
  metadata: { name: payments-on-call }
  spec: { target: pagerduty }
- apiVersion: openslo/v1
  kind: AlertPolicy
  metadata: { name: fast }
  spec:
    alertWhenBreaching: true
    alertWhenResolved: true
    conditions:
      - kind: AlertCondition
        metadata: { name: fast-burn }
        spec: { severity: page, condition: { kind: burnrate, op: gt, threshold: 20, lookbackWindow: 5m } }
    notificationTargets: [{ targetRef: payments-on-call }]
"#;
    let slo = logged() + "  alertPolicies: [{ alertPolicyRef: fast }]\n";
    let files = [("slos/logged.yaml", slo.as_str()), ("slos/policy.yaml", text)];
    let fogbell = Fogbell::start_with(&json!({}), &files);
    let subscriber = Incidents::at(&fogbell.api_url("")).follow();
    let exporter = Exporter::to(&fogbell.grpc_url());
    let start = Instant::now();
    while start.elapsed() < HEALTHY {
        exporter.send_logs(log_records(10, 9, "charged"));
        std::thread::sleep(Duration::from_millis(500));
    }
    exporter.send_logs(log_records(300, 17, "card network refused"));
    let (page, _) = subscriber.page(LIMIT);
    assert_eq!((page.urgency(), page.route.as_str()), (v1::Urgency::Page, "payments-on-call"));
    let incident = page.incident.unwrap();
    let annotations = &incident.members[0].annotations;
    assert_eq!(annotations["policy"], "fast", "{annotations:?}");
    assert_eq!(annotations["notification_targets"], "payments-on-call (pagerduty)");
    let explained = fogbell.ask(&["slo", "explain", "logged"]);
    assert!(explained.contains("firing   page"), "{explained}");
}

#[test]
fn check_names_file_and_line_of_every_error_at_once() {
    let good = slo("fine", "traces", "good", "{ status != error }", "{ kind = server }");
    let named = |name: &str| good.replace("name: fine", &format!("name: {name}"));
    let bad_filter = named("filter").replace("status != error", "status !! error");
    let bad_target = named("target").replace("target: 0.99", "target: 99.9");
    let files = [
        ("slos/fine.yaml", good.as_str()),
        ("slos/filter.yaml", &bad_filter),
        ("slos/target.yaml", &bad_target),
    ];
    let broken = Fogbell::prepare(&json!({ "log": { "level": "loud" } }), &files);
    let check = |fogbell: &Fogbell| {
        fogbell::command().arg("check").arg("--config").arg(fogbell.config_file()).output().unwrap()
    };
    let output = check(&broken);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert_eq!(output.status.code(), Some(64), "{said}");
    for place in ["slos/filter.yaml:11:", "slos/target.yaml:15:", "fogbell.yaml:"] {
        assert!(said.contains(place), "{place} is missing in\n{said}");
    }
    assert!(!said.contains("slos/fine.yaml"), "{said}");

    let fine = Fogbell::prepare(&json!({}), &files[..1]);
    let output = check(&fine);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!fine.data_dir().exists(), "a check starts nothing");
}

#[test]
fn a_reload_takes_good_definitions_and_refuses_bad_ones() {
    let fogbell = Fogbell::start_with(&json!({}), &[]);
    let exporter = Exporter::to(&fogbell.grpc_url());
    let reloads = |outcome: &str| {
        let series = format!("fogbell_reloads_total{{outcome=\"{outcome}\"}}");
        fogbell.metric(&series).unwrap_or_default()
    };
    let bad = "{ resource.service.name = \"payments\" && status = error }";
    let total = "{ resource.service.name = \"payments\" && kind = server }";
    fogbell.write("slos/new.yaml", &slo("new", "traces", "bad", bad, total));
    fogbell.hangup();
    wait::until("the reload", LIMIT, || (reloads("done") >= 1.0).then_some(()));
    exporter.send(Shop::new().requests(30, Outcome::Broken));
    wait::until("the new SLO counts", LIMIT, || {
        (events(&fogbell, "new") == (Some(0.0), Some(30.0))).then_some(())
    });

    fogbell.write("slos/broken.yaml", "apiVersion: openslo/v1\nkind: SLO\nspec: {}\n");
    fogbell.hangup();
    wait::until("the refusal", LIMIT, || (reloads("refused") >= 1.0).then_some(()));
    assert!(fogbell.log().contains("slos/broken.yaml:"), "{}", fogbell.log());
    exporter.send(Shop::new().requests(30, Outcome::Fine));
    wait::until("the old definitions stay", LIMIT, || {
        (events(&fogbell, "new") == (Some(30.0), Some(30.0))).then_some(())
    });
}
