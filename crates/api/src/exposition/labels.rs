use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use auth::{DEFAULT_TENANT, Tenant};
use engine::SloStatus;
use model::{Fingerprint, Labels, Service};
use slo::slices::{SliceMethod, Slicing};

/// Labels of `groupBy` that are shown; those beyond, in order of their names, are told by a hash.
const GROUP_LABELS_MAX: usize = 8;
/// The longest name of a label.
const NAME_BYTES_MAX: usize = 64;
/// The longest value of a label; a longer one is cut, and its hash keeps it apart from others.
const VALUE_BYTES_MAX: usize = 128;
/// Names that mean something here or to Prometheus: a group's label of such a name gets a prefix.
const RESERVED: [&str; 16] = [
    "automatic",
    "budgeting",
    "deployment_environment_name",
    "disposition",
    "instance",
    "job",
    "le",
    "quantile",
    "result",
    "service",
    "service_name",
    "service_namespace",
    "severity",
    "slo",
    "tenant",
    "window",
];
const GROUP_PREFIX: &str = "group_";
const REST_LABEL: &str = "group_rest";

/// The labels that tell an SLO, or one group of it, from all others: rendered, without braces.
pub(crate) fn identity(tenant: &Tenant, slo: &SloStatus) -> String {
    let mut out = String::new();
    push(&mut out, "slo", &slo.name);
    match &slo.service {
        Some(service) => push(&mut out, "service", &service.to_string()),
        None => push(&mut out, "service", &slo.service_name),
    }
    push_group(&mut out, &slo.group);
    push_tenant(&mut out, tenant);
    out
}

/// What is known of an SLO beside its identity.
pub(crate) fn description(slo: &SloStatus) -> String {
    let mut out = String::new();
    slo.service.iter().for_each(|service| push_service(&mut out, service));
    push(&mut out, "budgeting", budgeting(slo));
    push(&mut out, "automatic", if slo.automatic { "true" } else { "false" });
    out
}

/// OpenSLO's word for how the budget is counted.
pub(crate) fn budgeting(slo: &SloStatus) -> &'static str {
    match slo.slicing.map(Slicing::method) {
        None => "Occurrences",
        Some(SliceMethod::Verdict(_)) => "Timeslices",
        Some(SliceMethod::Ratio) => "RatioTimeslices",
    }
}

/// The labels that name a service.
pub(crate) fn push_service(out: &mut String, service: &Service) {
    push(out, "service_name", &service.name);
    push(out, "service_namespace", &service.namespace);
    push(out, "deployment_environment_name", &service.environment);
}

/// The tenant's label; nothing for the tenant of whoever names none.
pub(crate) fn push_tenant(out: &mut String, tenant: &Tenant) {
    if &**tenant != DEFAULT_TENANT {
        push(out, "tenant", tenant);
    }
}

/// Adds one label. An empty value is the same as no label.
pub(crate) fn push(out: &mut String, name: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    if !out.is_empty() {
        out.push(',');
    }
    out.push_str(name);
    out.push_str("=\"");
    for character in value.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
    out.push('"');
}

fn push_group(out: &mut String, group: &[(Arc<str>, Arc<str>)]) {
    let mut sorted: Vec<_> = group.iter().map(|(key, value)| (&**key, &**value)).collect();
    sorted.sort_unstable();
    let mut taken = BTreeSet::new();
    for (key, value) in sorted.iter().take(GROUP_LABELS_MAX) {
        push(out, &unique(name(key), &mut taken), &cut(value));
    }
    if let Some(rest @ [_, ..]) = sorted.get(GROUP_LABELS_MAX..) {
        let rest: Labels = rest.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        push(out, REST_LABEL, &Fingerprint::of(&rest).to_string());
    }
}

/// A key as a label's name: what Prometheus forbids becomes an underscore.
fn name(key: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = key.chars().take(NAME_BYTES_MAX).map(plain).collect();
    let odd = name.starts_with(|c: char| c.is_ascii_digit()) || name.starts_with("__");
    if odd || name.is_empty() || name == REST_LABEL || RESERVED.contains(&name.as_str()) {
        format!("{GROUP_PREFIX}{name}")
    } else {
        name
    }
}

fn unique(name: String, taken: &mut BTreeSet<String>) -> String {
    let mut chosen = name.clone();
    let mut number = 2;
    while !taken.insert(chosen.clone()) {
        chosen = format!("{name}_{number}");
        number += 1;
    }
    chosen
}

fn cut(value: &str) -> String {
    if value.len() <= VALUE_BYTES_MAX {
        return value.to_owned();
    }
    let whole = Labels::from([(String::new(), value.to_owned())]);
    let hash = Fingerprint::of(&whole).to_string();
    let end = value.floor_char_boundary(VALUE_BYTES_MAX - hash.len() - 1);
    let mut out = value.get(..end).unwrap_or_default().to_owned();
    let _ = write!(out, "~{hash}");
    out
}
