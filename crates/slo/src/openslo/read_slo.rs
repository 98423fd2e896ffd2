use std::time::Duration;

use document::{Fields, Node};

use super::read::{Form, description, fraction, object, references, shorthand, text};
use super::read_alert::alert_policy;
use super::{
    AlertPolicy, Budgeting, CalendarWindow, Metric, MetricSource, ObjectiveDocument, Reference,
    Shorthand, Sli, SloDocument, Spot, ThresholdOp, TimeWindow,
};
use crate::judge::{Fraction, Objective};

const MINUTES_PER_SLICE_MAX: i64 = 366 * 24 * 60;

pub(super) fn sli(node: &Node<'_>, form: Form) -> Option<Sli> {
    let (metadata, mut spec) = object(node, "SLI", form)?;
    let description = description(&mut spec);
    let (threshold, ratio) = (spec.get("thresholdMetric"), spec.get("ratioMetric"));
    let metric = match (threshold, ratio) {
        (Some(threshold), None) => {
            let mut map = threshold.map()?;
            let source = metric_source(&mut map)?;
            Some(Metric::Threshold(source))
        }
        (None, Some(ratio)) => ratio_metric(&ratio),
        _ => {
            let what = "needs either thresholdMetric or ratioMetric";
            spec.node().error(what, "write exactly one of the two");
            None
        }
    };
    Some(Sli { metadata: metadata?, description, metric: metric? })
}

fn ratio_metric(node: &Node<'_>) -> Option<Metric> {
    let mut map = node.map()?;
    map.get("counter").map(|node| node.bool());
    let mut side = |key: &'static str| {
        map.get(key).map(|node| node.map().and_then(|mut map| metric_source(&mut map)))
    };
    let (good, bad, total, raw) = (side("good"), side("bad"), side("total"), side("raw"));
    let raw_type = map.get("rawType");
    match (good, bad, total, raw) {
        (Some(good), None, Some(total), None) => Some(Metric::Good { good: good?, total: total? }),
        (None, Some(bad), Some(total), None) => Some(Metric::Bad { bad: bad?, total: total? }),
        (None, None, None, Some(raw)) => {
            let raw_type = match raw_type {
                Some(node) => node,
                None => map.required("rawType")?,
            };
            let success = raw_type.choice(&[("success", true), ("failure", false)])?;
            Some(if success { Metric::RawSuccess(raw?) } else { Metric::RawFailure(raw?) })
        }
        _ => {
            let what = "needs good and total, or bad and total, or raw and rawType";
            node.error(what, "write exactly one of these pairs");
            None
        }
    }
}

fn metric_source(map: &mut Fields<'_>) -> Option<MetricSource> {
    let node = map.required("metricSource")?;
    let mut map = node.map()?;
    let data_source =
        map.get("metricSourceRef").and_then(|node| Some((node.name()?, Spot::of(&node))));
    let kind = map.get("type").and_then(|node| node.name());
    let spec = map.get("spec").map(|node| node.tree().clone());
    Some(MetricSource { data_source, kind, spec, spot: Spot::of(&node) })
}

/// An SLO; where it is wrong, its inline SLI, so that the filters in it are checked all the same.
pub(super) fn slo(node: &Node<'_>) -> Result<SloDocument, Option<Box<Sli>>> {
    let (metadata, mut spec) = object(node, "SLO", Form::Document).ok_or(None)?;
    let description = description(&mut spec);
    let service = spec.required("service").and_then(|node| node.name());
    let indicator = indicator(&mut spec);
    let window_node = spec.required("timeWindow");
    let window = window_node.as_ref().and_then(time_window);
    let budgeting_node = spec.required("budgetingMethod");
    let budgeting = budgeting_node.as_ref().and_then(|node| {
        node.choice(&[
            ("Occurrences", Budgeting::Occurrences),
            ("Timeslices", Budgeting::Timeslices),
            ("RatioTimeslices", Budgeting::RatioTimeslices),
        ])
    });
    let objectives = objectives(&mut spec);
    let policies: Option<Vec<Reference<AlertPolicy>>> =
        references(spec.get("alertPolicies"), "alertPolicyRef", alert_policy);
    let composite = objectives
        .as_ref()
        .is_none_or(|all| all.iter().any(|objective| objective.indicator.is_some()));
    if let (Ok(None), false) = (&indicator, composite) {
        spec.node().error("indicator is missing", "add indicator or indicatorRef");
        return Err(None);
    }
    let indicator = indicator.map_err(|Wrong| None)?;
    let (Some(metadata), Some(service), Some(window), Some(budgeting)) =
        (metadata, service, window, budgeting)
    else {
        return Err(inline(indicator));
    };
    let (Some(objectives), Some(policies), Some(window_node), Some(budgeting_node)) =
        (objectives, policies, window_node, budgeting_node)
    else {
        return Err(inline(indicator));
    };
    Ok(SloDocument {
        metadata,
        description,
        service,
        indicator,
        window,
        budgeting,
        objectives,
        policies,
        window_spot: Spot::of(&window_node),
        budgeting_spot: Spot::of(&budgeting_node),
    })
}

fn inline(indicator: Option<Reference<Sli>>) -> Option<Box<Sli>> {
    match indicator {
        Some(Reference::Inline(sli)) => Some(sli),
        _ => None,
    }
}

/// It was there, and wrong.
struct Wrong;

/// `indicator` or `indicatorRef`; neither is left to the caller to judge.
fn indicator(map: &mut Fields<'_>) -> Result<Option<Reference<Sli>>, Wrong> {
    match (map.get("indicator"), map.get("indicatorRef")) {
        (None, None) => Ok(None),
        (Some(node), None) => {
            let sli = sli(&node, Form::Inline).ok_or(Wrong)?;
            Ok(Some(Reference::Inline(Box::new(sli))))
        }
        (None, Some(node)) => {
            let name = node.name().ok_or(Wrong)?;
            Ok(Some(Reference::Named(name, Spot::of(&node))))
        }
        (Some(_), Some(node)) => {
            node.error("indicator is given too", "remove one of the two");
            Err(Wrong)
        }
    }
}

fn time_window(node: &Node<'_>) -> Option<TimeWindow> {
    let list = node.list()?;
    let [window] = list.as_slice() else {
        node.error(format!("has {} windows", list.len()), "write exactly one");
        return None;
    };
    let mut map = window.map()?;
    let length = map.required("duration").and_then(|node| shorthand(&node));
    let calendar = map.get("calendar");
    let rolling = map.get("isRolling").map(|node| node.bool());
    match (rolling, calendar) {
        (Some(None), _) => None,
        (Some(Some(true)), Some(_)) => {
            let what = "a rolling window has no calendar";
            window.error(what, "remove calendar, or write isRolling: false");
            None
        }
        (Some(Some(true)), None) => Some(TimeWindow::Rolling(length?)),
        (_, Some(calendar)) => {
            let mut map = calendar.map()?;
            let start_time = map.required("startTime").and_then(|node| node.name());
            let time_zone = map.required("timeZone").and_then(|node| node.name());
            Some(TimeWindow::Calendar(CalendarWindow {
                length: length?,
                start_time: start_time?,
                time_zone: time_zone?,
                spot: Spot::of(node),
            }))
        }
        (_, None) => {
            let what = "says neither isRolling: true nor a calendar";
            window.error(what, "add isRolling: true");
            None
        }
    }
}

fn objectives(map: &mut Fields<'_>) -> Option<Vec<ObjectiveDocument>> {
    let node = map.required("objectives")?;
    let list = node.list()?;
    if list.is_empty() {
        node.error("is empty", "add an objective with a target");
        return None;
    }
    // Collected before it is judged, so that every objective is read and reported.
    let read: Vec<Option<ObjectiveDocument>> = list.iter().map(objective).collect();
    read.into_iter().collect()
}

fn objective(node: &Node<'_>) -> Option<ObjectiveDocument> {
    let mut map = node.map()?;
    let display_name = text(&mut map, "displayName");
    let op = optional(map.get("op"), |node| {
        node.choice(&[
            ("lte", ThresholdOp::AtMost),
            ("gte", ThresholdOp::AtLeast),
            ("lt", ThresholdOp::Below),
            ("gt", ThresholdOp::Above),
        ])
    });
    let value = optional(map.get("value"), Node::float);
    let target = target(&mut map);
    let time_slice_target = optional(map.get("timeSliceTarget"), fraction);
    let time_slice_window = optional(map.get("timeSliceWindow"), slice_window);
    let indicator = indicator(&mut map);
    let composite_weight = optional(map.get("compositeWeight"), weight);
    Some(ObjectiveDocument {
        display_name,
        op: op?,
        value: value?,
        objective: target?,
        time_slice_target: time_slice_target?,
        time_slice_window: time_slice_window?,
        indicator: indicator.ok()?,
        composite_weight: composite_weight?,
        spot: Spot::of(node),
    })
}

fn weight(node: &Node<'_>) -> Option<Fraction> {
    let weight = fraction(node)?;
    if weight.numerator() == 0 {
        node.error("a weight of 0 counts for nothing", "write one above 0, or leave it out");
        return None;
    }
    Some(weight)
}

/// What may be absent; `None` if it is there and wrong.
fn optional<'a, T>(
    node: Option<Node<'a>>,
    read: impl FnOnce(&Node<'a>) -> Option<T>,
) -> Option<Option<T>> {
    match node {
        None => Some(None),
        Some(node) => read(&node).map(Some),
    }
}

/// A number of minutes, or a shorthand.
fn slice_window(node: &Node<'_>) -> Option<Duration> {
    if node.text()?.bytes().all(|b| b.is_ascii_digit()) {
        let minutes: u64 = node.int(1..=MINUTES_PER_SLICE_MAX)?;
        return Some(Duration::from_secs(minutes * 60));
    }
    shorthand(node).map(Shorthand::rolling)
}

fn target(map: &mut Fields<'_>) -> Option<Objective> {
    let (share, percent) = (map.get("target"), map.get("targetPercent"));
    let (node, parsed, mend) = match (share, percent) {
        (Some(node), None) => {
            let mend =
                "write a share of at least 0 and below 1, such as 0.999, or use targetPercent";
            let parsed = Objective::from_target(fraction(&node)?);
            (node, parsed, mend)
        }
        (None, Some(node)) => {
            let mend = "write a percentage of at least 0 and below 100, such as 99.9";
            let parsed = Objective::from_target_percent(fraction(&node)?);
            (node, parsed, mend)
        }
        (Some(_), Some(node)) => {
            node.error("target is given too", "remove one of the two");
            return None;
        }
        (None, None) => {
            map.node().error("target is missing", "add target or targetPercent");
            return None;
        }
    };
    if parsed.is_none() {
        node.error(format!("{} is out of range", node.text().unwrap_or_default()), mend);
    }
    parsed
}
