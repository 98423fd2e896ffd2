//! `fogbell slo rules`: other tools' dashboards and alerts over fogbell's gauges, in a Prometheus.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::fogbell::{self, Fogbell};
use crate::harness::otlp::{Exporter, Outcome, Shop};
use crate::harness::prepare;
use crate::harness::prometheus::{Prometheus, Sample};

const LIMIT: Duration = Duration::from_secs(20);
/// Of Sloth's first example, so that the rules which Sloth generated for it find it.
const NAME: &str = "requests-availability";
const SERVICE: &str = "myservice";

/// Promises 99.9 % of the storefront's requests, `each` group of them if it says so.
fn slo(name: &str, each: &str) -> String {
    let source = |filter: &str| {
        format!(
            "metricSource: {{ type: otlp, spec: {{ signal: traces, {each} filter: '{{ kind = server \
             && resource.service.name = \"storefront\" {filter} }}' }} }}"
        )
    };
    format!(
        "apiVersion: openslo/v1\nkind: SLO\nmetadata: {{ name: {name} }}\nspec:\n  \
         service: {SERVICE}\n  indicator:\n    metadata: {{ name: {name}-sli }}\n    spec:\n      \
         ratioMetric:\n        counter: true\n        bad: {{ {} }}\n        total: {{ {} }}\n  \
         timeWindow: [{{ duration: 30d, isRolling: true }}]\n  \
         budgetingMethod: Occurrences\n  objectives: [{{ target: 0.999 }}]\n",
        source("&& status = error"),
        source(""),
    )
}

fn written(arguments: &[&str]) -> String {
    prepare::output(fogbell::command().args(["slo", "rules"]).args(arguments))
}

fn check(rules: &Path) {
    let mut promtool = prepare::program("promtool", "prometheus");
    let said = prepare::output(promtool.args(["check", "rules"]).arg(rules));
    assert!(said.contains("SUCCESS"), "{said}");
}

/// Every expression of a dashboard of others, for one SLO.
fn queries_of(dashboard: &Path) -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        if let Some(expr) = value.get("expr").and_then(Value::as_str) {
            found.push(expr.replace("$slo", NAME));
        }
        match value {
            Value::Object(fields) => fields.values().for_each(|field| collect(field, found)),
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(&serde_json::from_slice(&fs::read(dashboard).unwrap()).unwrap(), &mut found);
    found
}

#[track_caller]
fn one(samples: &[Sample]) -> f64 {
    let [sample] = samples else { panic!("one sample: {samples:?}") };
    sample.number()
}

/// Sloth's own alerts without its recordings, which would be second samples of fogbell's names.
fn sloths_alerts(fogbell: &Fogbell) -> Option<PathBuf> {
    let original = prepare::data("sloth")?.join("getting-started.rules.yml");
    let text = fs::read_to_string(original).unwrap();
    let (_, alerts) = text.split_once("- name: sloth-slo-alerts-").expect("a group of alerts");
    let file = fogbell.config_file().with_file_name("sloths.rules.yml");
    fs::write(&file, format!("groups:\n- name: sloth-slo-alerts-{alerts}")).unwrap();
    Some(file)
}

#[test]
fn the_rules_that_are_shipped_are_those_of_the_defaults() {
    let shipped = prepare::root().join("deploy/prometheus/other-names.rules.yml");
    let text = fs::read_to_string(&shipped).unwrap();
    assert_eq!(written(&[]), text, "write it anew: fogbell slo rules > {}", shipped.display());
    check(&shipped);
    let pyrra = written(&["--names", "pyrra"]);
    assert!(pyrra.contains("pyrra_objective") && !pyrra.contains("sloth"), "{pyrra}");
}

#[test]
fn dashboards_and_alerts_of_other_tools_work_on_fogbells_gauges() {
    let fogbell = Fogbell::start_with(
        &json!({}),
        &[
            ("slos/one.yaml", slo(NAME, "").as_str()),
            ("slos/each.yaml", &slo("by-method", "groupBy: [span.http.request.method],")),
        ],
    );
    let rules = fogbell.config_file().with_file_name("names.rules.yml");
    fs::write(&rules, written(&["--config", fogbell.config_file().to_str().unwrap()])).unwrap();
    check(&rules);
    let sloth = sloths_alerts(&fogbell);
    let files: Vec<&Path> =
        [Some(&rules), sloth.as_ref()].into_iter().flatten().map(PathBuf::as_path).collect();
    let prometheus = Prometheus::with_rules(&fogbell.api_address(), &files);
    let (exporter, shop) = (Exporter::to(&fogbell.grpc_url()), Shop::new());
    exporter.send(shop.requests(60, Outcome::Fine));
    exporter.send(shop.requests(60, Outcome::Broken));

    same_numbers(&prometheus);
    // Groups of one SLO share its budget.
    let by_method = "slo:current_burn_rate:ratio{sloth_slo=\"by-method\"} > 0";
    let groups = prometheus.wait_for(by_method, LIMIT);
    assert!(
        groups.iter().all(|group| group.labels.contains_key("http_request_method")),
        "{groups:?}"
    );
    if let Some(pyrra) = prepare::data("dashboards/pyrra") {
        for dashboard in ["list.json", "detail.json"] {
            queries_of(&pyrra.join(dashboard))
                .iter()
                .for_each(|query| answered(&prometheus, query));
        }
    }
    if sloth.is_some() {
        let firing = "ALERTS{alertname=\"MyServiceHighErrorRate\",sloth_severity=\"page\",alertstate=\"firing\"}";
        let _ = prometheus.wait_for(firing, LIMIT);
    }
}

/// That the names say what fogbell's own say.
fn same_numbers(prometheus: &Prometheus) {
    let of = |name: &str, label: &str| {
        one(&prometheus.wait_for(&format!("{name}{{{label}=\"{NAME}\"}}"), LIMIT))
    };
    let firing = format!("slo_sli_error_ratio{{slo=\"{NAME}\",window=\"30d\"}} > 0");
    let _ = prometheus.wait_for(&firing, LIMIT);
    // One evaluation later all names have seen the fault.
    let _ = prometheus.wait_for(&format!("pyrra_availability{{slo=\"{NAME}\"}} < 1"), LIMIT);
    let _ = prometheus.wait_for("slo:period_burn_rate:ratio > 0", LIMIT);
    let ratio = one(&prometheus.query(&firing));
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} is not {b}");
    close(of("slo:sli_error:ratio_rate30d", "sloth_slo"), ratio);
    close(of("pyrra_availability", "slo"), 1.0 - ratio);
    close(of("grafana_slo_sli_window", "grafana_slo_uuid"), 1.0 - ratio);
    close(of("slo:period_burn_rate:ratio", "sloth_slo"), ratio / 0.001);
    close(of("slo:objective:ratio", "sloth_slo"), 0.999);
    close(of("slo:time_period:days", "sloth_slo"), 30.0);
    close(of("pyrra_window", "slo"), 30.0 * 86_400.0);
    let info = prometheus.wait_for(&format!("sloth_slo_info{{sloth_slo=\"{NAME}\"}}"), LIMIT);
    assert_eq!(info[0].labels["sloth_objective"], "99.9");
    assert_eq!(info[0].labels["sloth_id"], format!("{SERVICE}-{NAME}"));
    let increase = format!("sum(slo_events:increase30d{{slo=\"{NAME}\"}})");
    assert!(one(&prometheus.wait_for(&increase, LIMIT)) > 60.0);
    let info = prometheus.wait_for("grafana_slo_info", LIMIT);
    assert!(info.iter().all(|info| info.labels["grafana_slo_window"] == "30d"), "{info:?}");
}

/// One query of Pyrra's is none: it takes the sum of a range. What it means has an answer.
fn answered(prometheus: &Prometheus, query: &str) {
    let query = match query.strip_suffix("[$__rate_interval])") {
        Some(meant) => {
            let said = prometheus.refusal(&query.replace("$__rate_interval", "1m"));
            assert!(said.is_some_and(|said| said.contains("range vector")), "{query}");
            format!("{meant})")
        }
        None => query.to_owned(),
    };
    let _ = prometheus.wait_for(&query, LIMIT);
}
