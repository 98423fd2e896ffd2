//! Alert policies, their conditions and their targets.

use std::time::Duration;

use document::{Fields, Node};
use model::Urgency;

use super::read::{Form, description, fraction, object, references, shorthand};
use super::{AlertCondition, AlertNotificationTarget, AlertPolicy, Severity, Shorthand};
use crate::judge::{Comparison, Condition, Fraction, Measure, TREND_PARTS};

/// Severities that wake somebody, in any case.
const PAGE_WORDS: [&str; 14] = [
    "page",
    "critical",
    "high",
    "urgent",
    "emergency",
    "fatal",
    "disaster",
    "major",
    "p0",
    "p1",
    "s0",
    "s1",
    "sev0",
    "sev1",
];
/// Severities that wait for working hours.
const TICKET_WORDS: [&str; 21] = [
    "ticket", "warning", "warn", "average", "medium", "moderate", "minor", "low", "info", "p2",
    "p3", "p4", "p5", "s2", "s3", "s4", "s5", "sev2", "sev3", "sev4", "sev5",
];

/// `condition.kind`.
#[derive(Clone, Copy)]
enum Kind {
    BurnRate,
    BudgetDrop,
    Exhaustion,
    Trend,
}

pub(super) fn notification_target(node: &Node<'_>, form: Form) -> Option<AlertNotificationTarget> {
    let (metadata, mut spec) = object(node, "AlertNotificationTarget", form)?;
    let description = description(&mut spec);
    let target = spec.required("target").and_then(|node| node.name());
    let metadata = metadata?;
    if metadata.name.is_empty() {
        node.error("has no name, which is the route of its deliveries", "add metadata.name");
        return None;
    }
    Some(AlertNotificationTarget { metadata, description, target: target? })
}

pub(super) fn alert_policy(node: &Node<'_>, form: Form) -> Option<AlertPolicy> {
    let (metadata, mut spec) = object(node, "AlertPolicy", form)?;
    let description = description(&mut spec);
    let (mut when_no_data, mut when_resolved, mut when_breaching) = (false, true, true);
    spec.set("alertWhenNoData", &mut when_no_data, Node::bool);
    spec.set("alertWhenResolved", &mut when_resolved, Node::bool);
    spec.set("alertWhenBreaching", &mut when_breaching, Node::bool);
    let conditions = spec.required("conditions");
    if let Some(node) = &conditions
        && node.list().is_some_and(|list| list.is_empty())
    {
        node.error("is empty", "add a condition or a conditionRef");
    }
    let conditions = references(conditions, "conditionRef", alert_condition);
    let targets = references(spec.get("notificationTargets"), "targetRef", notification_target);
    Some(AlertPolicy {
        metadata: metadata?,
        description,
        when_no_data,
        when_resolved,
        when_breaching,
        conditions: conditions?,
        targets: targets?,
    })
}

pub(super) fn alert_condition(node: &Node<'_>, form: Form) -> Option<AlertCondition> {
    let (metadata, mut spec) = object(node, "AlertCondition", form)?;
    let description = description(&mut spec);
    let severity = spec.required("severity").and_then(|node| severity(&node));
    let condition = spec.required("condition").and_then(|node| condition(&mut node.map()?));
    Some(AlertCondition {
        metadata: metadata?,
        description,
        severity: severity?,
        condition: condition?,
    })
}

/// Any word; one that nobody knows wakes nobody.
fn severity(node: &Node<'_>) -> Option<Severity> {
    let word = node.name()?;
    let is_it = |known: &str| known.eq_ignore_ascii_case(&word);
    let urgency = match PAGE_WORDS.iter().any(|known| is_it(known)) {
        true => Urgency::Page,
        false => Urgency::Ticket,
    };
    if urgency == Urgency::Ticket && !TICKET_WORDS.iter().any(|known| is_it(known)) {
        let what = format!("{word:?} is read as a ticket, which wakes nobody");
        node.warn(what, "write page to wake somebody, or ticket");
    }
    Some(Severity { word, urgency })
}

/// Every key is read before the condition is given up.
fn condition(map: &mut Fields<'_>) -> Option<Condition> {
    let kind = match map.get("kind") {
        Some(node) => kind(&node),
        None => Some(Kind::BurnRate),
    };
    let window = map.required("lookbackWindow").and_then(|node| shorthand(&node));
    let (op, threshold) = (map.required("op"), map.required("threshold"));
    let after = match map.get("alertAfter") {
        Some(node) if is_nothing(&node) => Some(Duration::ZERO),
        Some(node) => shorthand(&node).map(Shorthand::rolling),
        None => Some(Duration::ZERO),
    };
    let kind = kind?;
    let comparison = op.and_then(|node| comparison(&node, kind));
    let measure = threshold.and_then(|node| measure(&node, kind, window.map(Shorthand::rolling)));
    Some(Condition { measure: measure?, comparison: comparison?, after: after? })
}

/// `0`, or no time in any unit.
fn is_nothing(node: &Node<'_>) -> bool {
    let text = node.text().unwrap_or_default();
    text == "0" || Shorthand::parse(text).is_some_and(|parsed| parsed.count == 0)
}

fn kind(node: &Node<'_>) -> Option<Kind> {
    let kind = node.choice(&[
        ("burnrate", Kind::BurnRate),
        ("budgetdrop", Kind::BudgetDrop),
        ("exhaustion", Kind::Exhaustion),
        ("trend", Kind::Trend),
    ])?;
    if !matches!(kind, Kind::BurnRate) {
        let what = format!("{} is fogbell's own: other tools do not read it", node.text()?);
        node.warn(what, "keep it where fogbell alone reads the document");
    }
    Some(kind)
}

/// The specification's own examples say "exceeds 2" and write `lte`; taken at its word such a
/// condition fires while all is well.
fn comparison(node: &Node<'_>, kind: Kind) -> Option<Comparison> {
    let (strict, or_equal) = (Some(Comparison::Strict), Some(Comparison::OrEqual));
    let is_time = matches!(kind, Kind::Exhaustion);
    let table = match is_time {
        true => [("lt", strict), ("lte", or_equal), ("gt", None), ("gte", None)],
        false => [("gt", strict), ("gte", or_equal), ("lt", None), ("lte", None)],
    };
    let comparison = node.choice(&table)?;
    if comparison.is_none() {
        let (what, mend) = match kind {
            Kind::Exhaustion => ("while the budget lasts for long", "write op: lt"),
            Kind::BudgetDrop => ("while little of the budget is spent", "write op: gt"),
            Kind::BurnRate | Kind::Trend => ("while the burn rate is low", "write op: gt"),
        };
        node.error(format!("inverted: it would alert {what}"), mend);
    }
    comparison
}

fn measure(node: &Node<'_>, kind: Kind, window: Option<Duration>) -> Option<Measure> {
    match kind {
        Kind::BurnRate => {
            let rate = fraction(node)?;
            if rate.numerator() == 0 {
                node.error("a burn rate of 0 is always exceeded", "write one above 0");
                return None;
            }
            Some(Measure::BurnRate { rate, window: window? })
        }
        Kind::BudgetDrop => {
            let share = fraction(node)?;
            if share.numerator() == 0 || share.numerator() > share.denominator() {
                let what = format!("{} is no share of the budget", node.text().unwrap_or_default());
                node.error(what, "write one above 0 and at most 1, such as 0.05 for 5 %");
                return None;
            }
            Some(Measure::BudgetDrop { share, window: window? })
        }
        Kind::Exhaustion => {
            let within = shorthand(node)?.rolling();
            Some(Measure::Exhaustion { within, window: window? })
        }
        Kind::Trend => {
            let factor = fraction(node)?;
            let one = Fraction::new(1, 1);
            if factor == one || !(1.0..f64::from(TREND_PARTS)).contains(&factor.as_f64()) {
                let text = node.text().unwrap_or_default();
                let what = format!("{text} is out of range for a quarter against its whole");
                node.error(what, format!("write one above 1 and below {TREND_PARTS}"));
                return None;
            }
            Some(Measure::Trend { factor, window: window? })
        }
    }
}
