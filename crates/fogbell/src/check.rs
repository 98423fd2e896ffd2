//! `fogbell check`: everything that is wrong with the configuration at once; if nothing is, what
//! it says.

use std::process::ExitCode;

use config::{Config, CreateTopics, Loaded};
use engine::duration_text;
use model::Urgency;
use runtime::DaemonOptions;
use slo::judge::{AlertRule, NoDataRule, Objective, Policy};
use slo::openslo::{CalendarWindow, SloDefinition};
use slo::presence::SILENCE_AFTER;
use slo::slices::SliceMethod;

use crate::cli::ConfigArgs;
use crate::exit::{Outcome, USAGE, note, say};
use crate::report::span_text;
use crate::settings;

/// Width of the first column.
const MARGIN: usize = 9;

/// Runs the subcommand.
pub(crate) fn run(args: &ConfigArgs) -> Outcome {
    let Ok(loaded) = settings::load(args) else { return Ok(ExitCode::from(USAGE)) };
    // Definitions that are right one by one may still not fit together.
    if let Err(error) = DaemonOptions::new(&loaded, 0) {
        note(&error.to_string());
        return Ok(ExitCode::from(USAGE));
    }
    let name = match &args.config {
        Some(path) => path.display().to_string(),
        None => "no file: the defaults with the environment".to_owned(),
    };
    summary(&name, &loaded).iter().for_each(|line| say(line));
    Ok(ExitCode::SUCCESS)
}

fn summary(name: &str, loaded: &Loaded) -> Vec<String> {
    let config = &loaded.config;
    let count = settings::Count::of(&loaded.problems);
    let mut out = vec![format!("{name}: {count}")];
    let (grpc, http) = (config.receive.grpc_listen, config.receive.http_listen);
    let api = config.api.listen;
    row(&mut out, "listens", &format!("OTLP/gRPC {grpc}, OTLP/HTTP {http}, API {api}"));
    row(&mut out, "access", &access(config));
    row(&mut out, "state", &config.data_dir.display().to_string());
    automatic(&mut out, config);
    declared(&mut out, loaded);
    sinks(&mut out, config);
    topics(&mut out, config);
    out
}

fn row(out: &mut Vec<String>, name: &str, text: &str) {
    out.push(format!("{name:<MARGIN$} {text}"));
}

fn access(config: &Config) -> String {
    match config.auth.tenants.len() {
        0 => "everybody who reaches the ports: no credentials".to_owned(),
        1 => "1 credential".to_owned(),
        count => format!("{count} credentials"),
    }
}

fn automatic(out: &mut Vec<String>, config: &Config) {
    let slos = &config.slos;
    if !slos.automatic {
        return row(out, "automatic", "no SLOs of their own for services (slos.automatic: false)");
    }
    let defaults = &slos.automatic_defaults;
    let text = format!(
        "each service that serves: {} available, {} under {}, over {}",
        percent(defaults.availability),
        percent(defaults.latency_ratio),
        span_text(defaults.latency.as_secs_f64()),
        duration_text(defaults.window),
    );
    row(out, "automatic", &text);
    let own: Vec<_> = config.alerting.rules.iter().map(AlertRule::from).collect();
    rules(out, &own, &[]);
}

fn declared(out: &mut Vec<String>, loaded: &Loaded) {
    let (slos, files) = (loaded.slos.len(), loaded.slo_files.len());
    row(out, "declared", &format!("{slos} SLOs in {files} files"));
    for slo in &loaded.slos {
        let SloDefinition { name, service, objective, window, slicing, .. } = slo;
        let promise = percent(*objective);
        let window = slo.calendar.as_ref().map_or_else(|| duration_text(*window), calendar);
        let slices = slicing.map_or_else(String::new, |slicing| {
            let kind = match slicing.method() {
                SliceMethod::Verdict(_) => "good slices of",
                SliceMethod::Ratio => "the mean of slices of",
            };
            format!(", by {kind} {}", duration_text(slicing.length()))
        });
        row(out, "", &format!("{name} ({service}): {promise} over {window}{slices}"));
        match &slo.part_of {
            Some(whole) => row(out, "", &format!("  part of {whole}, which alerts")),
            None => rules(out, &slo.rules_or(&loaded.config.alerting.rules), &slo.no_data),
        }
    }
}

/// A window that follows the calendar, in words.
fn calendar(window: &CalendarWindow) -> String {
    let CalendarWindow { length, start_time, time_zone, .. } = window;
    format!("{length} by the calendar from {start_time} ({time_zone})")
}

fn rules(out: &mut Vec<String>, rules: &[AlertRule], no_data: &[NoDataRule]) {
    let mut tell = |urgency: Urgency, what: &str, policy: &Policy| {
        let names: Vec<_> = policy.targets.iter().map(|target| target.name.as_str()).collect();
        let to = if names.is_empty() { String::new() } else { format!(" -> {}", names.join(", ")) };
        let end = if policy.tells_resolved { "" } else { " (its end is not told)" };
        row(out, "", &format!("  {:<6}  {what}{to}{end}", urgency.as_str()));
    };
    for rule in rules {
        tell(rule.urgency, &rule.to_string(), &rule.policy);
    }
    for rule in no_data {
        let after = duration_text(rule.after.max(SILENCE_AFTER));
        tell(rule.urgency, &format!("no data for {after}"), &rule.policy);
    }
    if rules.is_empty() && no_data.is_empty() {
        row(out, "", "  never alerts: no rule fits");
    }
}

fn sinks(out: &mut Vec<String>, config: &Config) {
    let kafka = &config.emit.kafka;
    let mut sinks = Vec::new();
    if !kafka.brokers.is_empty() {
        sinks.push(format!(
            "kafka at {}: pages, tickets, incidents, events",
            kafka.brokers.join(",")
        ));
    }
    for sink in &config.emit.grpc {
        let plural = |urgency: &Urgency| format!("{}s", urgency.as_str());
        let takes: Vec<_> = sink.urgencies.iter().map(plural).collect();
        sinks.push(format!("{} at {}: {}", sink.name, sink.endpoint, takes.join(", ")));
    }
    if sinks.is_empty() {
        sinks.push("none: pages reach subscribers of the API alone".to_owned());
    }
    for (index, sink) in sinks.iter().enumerate() {
        row(out, if index == 0 { "sinks" } else { "" }, sink);
    }
}

fn topics(out: &mut Vec<String>, config: &Config) {
    let kafka = &config.emit.kafka;
    if kafka.brokers.is_empty() {
        return;
    }
    match kafka.create_topics {
        Some(CreateTopics { partitions, replication }) => {
            let text = format!(
                "missing ones are created: {partitions} partitions, {replication} replicas"
            );
            row(out, "topics", &text);
        }
        None => {
            row(out, "topics", "fogbell creates none (create_topics: null); these commands do:");
            let tenants = tenants(config);
            out.extend(emit::create_commands(kafka, &tenants));
        }
    }
}

/// The tenants that topics may be named after.
fn tenants(config: &Config) -> Vec<&str> {
    let mut tenants: Vec<_> = config.auth.tenants.iter().map(|tenant| &*tenant.name).collect();
    tenants.sort_unstable();
    tenants.dedup();
    if tenants.is_empty() { vec![auth::DEFAULT_TENANT] } else { tenants }
}

/// A promise as people write it, `99.9 %`.
fn percent(objective: Objective) -> String {
    let digits = format!("{:.7}", objective.target() * 100.0);
    format!("{} %", digits.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use config::KafkaSink;

    use super::*;

    const SLO: &str = r#"
apiVersion: openslo/v1
kind: SLO
metadata: { name: checkout-availability }
spec:
  service: checkout
  indicator:
    metadata: { name: ok }
    spec:
      ratioMetric:
        counter: true
        bad:
          metricSource:
            type: otlp
            spec: { signal: traces, filter: '{ resource.service.name = "checkout" && kind = server && status = error }' }
        total:
          metricSource:
            type: otlp
            spec: { signal: traces, filter: '{ resource.service.name = "checkout" && kind = server }' }
  timeWindow: [{ duration: 30d, isRolling: true }]
  budgetingMethod: Occurrences
  objectives: [{ target: 0.995 }]
"#;

    fn loaded(yaml: &str) -> Loaded {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("slos")).unwrap();
        std::fs::write(folder.path().join("slos/checkout.yaml"), SLO).unwrap();
        let path = folder.path().join("fogbell.yaml");
        std::fs::write(&path, yaml).unwrap();
        let loaded = config::from_path(Some(&path), &mut std::iter::empty());
        assert_eq!(loaded.problems, [], "{yaml}");
        loaded
    }

    #[test]
    fn the_summary_tells_what_would_run() {
        let text = summary("fogbell.yaml", &loaded("")).join("\n");
        for expected in [
            "fogbell.yaml: 0 errors",
            "OTLP/gRPC 127.0.0.1:4317, OTLP/HTTP 127.0.0.1:4318, API 127.0.0.1:8420",
            "99.9 % available, 99 % under 500 ms, over 30d",
            "page    burn above 14.4x over 1h and 5m",
            "checkout-availability (checkout): 99.5 % over 30d",
            "sinks     none",
        ] {
            assert!(text.contains(expected), "{expected} in:\n{text}");
        }
        assert!(!text.contains("kafka-topics.sh"));
    }

    #[test]
    fn policies_are_printed_as_they_are_judged() {
        let problems = document::Problems::new();
        let mut documents = slo::openslo::Documents::new();
        let policies = "  alertPolicies:
    - metadata: { name: p }
      spec:
        alertWhenNoData: true
        alertWhenResolved: false
        conditions:
          - spec: { severity: sev1, condition: { op: gt, threshold: 3, lookbackWindow: 1h } }
          - spec: { severity: sev1, condition: { op: gte, threshold: 9, lookbackWindow: 5m, alertAfter: 10m } }
        notificationTargets: [{ metadata: { name: on-call }, spec: { target: pagerduty } }]
";
        documents.read("slo.yaml", &format!("{SLO}{policies}"), &problems);
        let slos = documents.compile(&problems);
        assert_eq!(problems.into_sorted(), []);
        let text = summary("fogbell.yaml", &Loaded { slos, ..loaded("") }).join("\n");
        for expected in [
            "page    burn above 3x over 1h and burn of at least 9x over 5m, for 10m -> on-call (its end is not told)",
            "page    no data for 10m -> on-call (its end is not told)",
        ] {
            assert!(text.contains(expected), "{expected} in:\n{text}");
        }
    }

    #[test]
    fn topics_that_nobody_creates_come_with_their_commands() {
        let tail = "--partitions 6 --replication-factor 1 --config cleanup.policy";
        let yaml = "emit: { kafka: { brokers: [\"k:9092\"], create_topics: null, \
                    topics: { pages: \"{tenant}.pages\" } } }";
        let text = summary("fogbell.yaml", &loaded(yaml)).join("\n");
        for (topic, policy) in [
            ("fogbell.incidents.v1", "compact"),
            ("fogbell.incident-events.v1", "delete"),
            ("default.pages", "delete"),
            ("fogbell.tickets.v1", "delete"),
        ] {
            let expected = format!(
                "kafka-topics.sh --bootstrap-server k:9092 --create --if-not-exists \
                 --topic {topic} {tail}={policy}"
            );
            assert!(text.contains(&expected), "{expected} in:\n{text}");
        }
        let yaml = "emit: { kafka: { brokers: [\"k:9092\"] } }";
        let text = summary("fogbell.yaml", &loaded(yaml)).join("\n");
        assert!(text.contains("missing ones are created: 6 partitions, 1 replicas"), "{text}");
    }

    #[test]
    fn each_topic_is_created_once_for_each_tenant_that_it_is_named_after() {
        let kafka = KafkaSink { brokers: vec!["k:9092".to_owned()], ..KafkaSink::default() };
        assert_eq!(emit::create_commands(&kafka, &["bank", "shop"]).len(), 4);
        let mut by_tenant = kafka;
        by_tenant.topics.pages = "{tenant}.pages".to_owned();
        assert_eq!(emit::create_commands(&by_tenant, &["bank", "shop"]).len(), 5);
    }

    #[test]
    fn definitions_with_errors_are_a_wrong_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fogbell.yaml");
        std::fs::write(&path, "limits: { services: many }\n").unwrap();
        let code = run(&ConfigArgs { config: Some(path) }).unwrap();
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(USAGE)));
    }
}
