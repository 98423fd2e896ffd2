//! Writes rules as Prometheus reads them.

use std::fmt::Write as _;

use super::{Group, Rule};

const HEAD: &str = "\
# Recording rules that give fogbell's gauges the names of other tools.
# Written by `fogbell slo rules`; do not edit.
groups:
";

pub(super) fn written(groups: &[Group]) -> String {
    let mut out = HEAD.to_owned();
    for Group { name, rules } in groups {
        // Writing to a string does not fail, here and below.
        let _ = writeln!(out, "- name: {name}\n  rules:");
        rules.iter().for_each(|rule| write_rule(&mut out, rule));
    }
    out
}

fn write_rule(out: &mut String, Rule { record, expr, labels }: &Rule) {
    let _ = writeln!(out, "  - record: {record}\n    expr: |-");
    for line in expr.lines() {
        let _ = writeln!(out, "      {line}");
    }
    if !labels.is_empty() {
        let _ = writeln!(out, "    labels:");
    }
    for (label, value) in labels {
        let _ = writeln!(out, "      {label}: {value:?}");
    }
}
