use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use document::Problems;

use super::compile::Refusal;
use super::{AlertCondition, AlertPolicy, Documents, Reference, Severity, SloDocument, Spot};
use crate::duration_text;
use crate::judge::{
    AlertRule, CONDITIONS_MAX, Condition, Measure, NoDataRule, NotificationTarget, Objective,
    Policy,
};

/// An alert policy, compiled.
#[derive(Clone, Debug)]
pub(super) struct PolicyRule {
    /// None if the policy does not alert on breaches.
    rule: Option<AlertRule>,
    /// None if it does not alert on silence.
    no_data: Option<NoDataRule>,
}

/// The rules of an SLO's policies before they are fitted to an objective.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    /// Each with the place that asks for it.
    rows: Vec<(AlertRule, Spot)>,
    no_data: Vec<NoDataRule>,
}

/// How an objective of an SLO alerts.
#[derive(Clone, Debug, Default)]
pub(super) struct Alerting {
    /// `None` = no policy is given.
    pub(super) rules: Option<Vec<AlertRule>>,
    pub(super) no_data: Vec<NoDataRule>,
}

pub(super) type PolicyRules = BTreeMap<String, Result<PolicyRule, Refusal>>;

impl Documents {
    /// The rules of all named policies, so that each is reported once, whoever refers to it.
    pub(super) fn policy_rules(&self, problems: &Problems) -> PolicyRules {
        let compile = |(name, policy): (&String, &AlertPolicy)| {
            (name.clone(), self.policy_rule(policy, problems))
        };
        self.policies().iter().map(compile).collect()
    }

    /// The rules of an SLO. `Err` if a policy is wrong.
    pub(super) fn alerting(
        &self,
        slo: &SloDocument,
        named: &PolicyRules,
        problems: &Problems,
    ) -> Result<Rows, Refusal> {
        let (mut rows, mut wrong) = (Rows::default(), None);
        for reference in &slo.policies {
            let (spot, found) = match reference {
                Reference::Inline(policy) => {
                    (&policy.metadata.spot, self.policy_rule(policy, problems))
                }
                Reference::Named(name, spot) => match named.get(name) {
                    Some(found) => (spot, found.clone()),
                    None => (spot, Err(self.unresolved("AlertPolicy", name, spot, problems))),
                },
            };
            match found {
                Ok(policy) => {
                    rows.rows.extend(policy.rule.map(|rule| (rule, spot.clone())));
                    rows.no_data.extend(policy.no_data);
                }
                Err(refusal) => {
                    refusal.report(spot, problems);
                    wrong = Some(Refusal::Reported);
                }
            }
        }
        wrong.map_or(Ok(rows), Err)
    }

    fn policy_rule(
        &self,
        policy: &AlertPolicy,
        problems: &Problems,
    ) -> Result<PolicyRule, Refusal> {
        let (mut targets, mut wrong) = (Vec::new(), None);
        for target in &policy.targets {
            match target {
                Reference::Inline(target) => targets.push(target.as_ref()),
                Reference::Named(name, spot) => match self.targets().get(name) {
                    Some(target) => targets.push(target),
                    None => {
                        let kind = "AlertNotificationTarget";
                        wrong = Some(self.unresolved(kind, name, spot, problems));
                    }
                },
            }
        }
        let mut conditions = Vec::new();
        for condition in &policy.conditions {
            match condition {
                Reference::Inline(condition) => conditions.push(condition.as_ref()),
                Reference::Named(name, spot) => match self.conditions().get(name) {
                    Some(condition) => conditions.push(condition),
                    None => {
                        wrong = Some(self.unresolved("AlertCondition", name, spot, problems));
                    }
                },
            }
        }
        if let Some(refusal) = wrong {
            return Err(refusal);
        }
        let targets = targets.into_iter().map(|target| NotificationTarget {
            name: target.metadata.name.clone(),
            target: target.target.clone(),
        });
        compiled(policy, &conditions, targets.collect(), problems)
    }
}

impl Rows {
    /// Leaves out the rules that do not fit the window, and refuses those that can never fire.
    pub(super) fn fit(
        &self,
        objective: Objective,
        window: Duration,
        problems: &Problems,
    ) -> Result<Alerting, Refusal> {
        let mut rules = Vec::new();
        let (mut wrong, mut left_out) = (false, None);
        for (rule, spot) in &self.rows {
            let conditions = || rule.conditions.iter();
            if let Some(never) = conditions().find(|condition| !condition.can_hold(objective)) {
                let what = format!("can never fire: {}", limit(never, objective));
                spot.error(problems, what, "lower the threshold, or raise the target");
                wrong = true;
            } else if let Some(what) = conditions().find_map(|c| too_long(c.measure, window)) {
                spot.warn(problems, what, "use a shorter lookbackWindow");
                left_out = Some(spot);
            } else {
                for condition in conditions() {
                    warn_of_steep_drop(condition.measure, objective, window, spot, problems);
                }
                rules.push(rule.clone());
            }
        }
        if let (true, false, Some(spot)) =
            (rules.is_empty() && self.no_data.is_empty(), wrong, left_out)
        {
            spot.error(problems, "no condition is left, so this SLO would never alert", "");
            wrong = true;
        }
        if wrong {
            return Err(Refusal::Reported);
        }
        Ok(Alerting { rules: Some(rules), no_data: self.no_data.clone() })
    }
}

/// Conditions that hold together, and who is told of them.
fn compiled(
    policy: &AlertPolicy,
    conditions: &[&AlertCondition],
    mut targets: Vec<NotificationTarget>,
    problems: &Problems,
) -> Result<PolicyRule, Refusal> {
    let spot = &policy.metadata.spot;
    if conditions.len() > CONDITIONS_MAX {
        let what = format!("has {} conditions", conditions.len());
        spot.error(problems, what, format!("write at most {CONDITIONS_MAX}"));
        return Err(Refusal::Reported);
    }
    let Some(Severity { word, urgency }) = severity(conditions, spot, problems) else {
        spot.error(problems, "has no condition", "add one");
        return Err(Refusal::Reported);
    };
    if !policy.when_breaching && !policy.when_no_data {
        let mend = "set alertWhenBreaching or alertWhenNoData, or remove it";
        spot.warn(problems, "this policy never alerts", mend);
    }
    targets.sort_unstable();
    targets.dedup();
    let after = conditions.iter().map(|condition| condition.condition.after).max();
    let conditions = conditions.iter().map(|condition| condition.condition).collect();
    let policy_of = Arc::new(Policy {
        name: policy.metadata.name.clone(),
        severity: word.clone(),
        targets,
        tells_resolved: policy.when_resolved,
    });
    let rule = AlertRule { conditions, urgency: *urgency, policy: Arc::clone(&policy_of) };
    let no_data =
        NoDataRule { urgency: *urgency, after: after.unwrap_or_default(), policy: policy_of };
    Ok(PolicyRule {
        rule: policy.when_breaching.then_some(rule),
        no_data: policy.when_no_data.then_some(no_data),
    })
}

/// Conditions that hold together ask for what the most urgent of them asks for.
fn severity<'a>(
    conditions: &[&'a AlertCondition],
    spot: &Spot,
    problems: &Problems,
) -> Option<&'a Severity> {
    let severities = || conditions.iter().map(|condition| &condition.severity);
    // The first of the most urgent, so that the order of the document decides among equals.
    let most = severities().rev().max_by_key(|severity| severity.urgency)?;
    if severities().any(|severity| severity.urgency != most.urgency) {
        let what = format!(
            "its conditions hold together and differ in severity: all count as {:?}",
            most.word
        );
        spot.warn(problems, what, "give them the same severity, or make two policies of them");
    }
    Some(most)
}

/// Why a condition can never hold.
fn limit(condition: &Condition, objective: Objective) -> String {
    let (target, most) = (objective.target(), objective.burn_rate_max());
    match condition.measure {
        Measure::BurnRate { rate, .. } => {
            let rate = rate.as_f64();
            format!("at a target of {target} the burn rate is at most {most:.2}, not above {rate}")
        }
        Measure::BudgetDrop { .. } => {
            let most = most * 100.0;
            format!("at a target of {target} at most {most:.0} % of the budget can be spent")
        }
        Measure::Exhaustion { .. } => {
            format!("at a target of {target} no budget is spent before its time")
        }
        Measure::Trend { .. } => "a quarter burns at most 4 times faster than its whole".to_owned(),
    }
}

fn too_long(measure: Measure, slo_window: Duration) -> Option<String> {
    let (long, most) = (measure.window(), measure.window_max(slo_window));
    let part = if most < slo_window { "a quarter of " } else { "" };
    let (long_text, slo_text) = (duration_text(long), duration_text(slo_window));
    (long > most).then(|| {
        format!("left out: its window of {long_text} is more than {part}the SLO's {slo_text}")
    })
}

/// With even traffic a window holds its part of the events and no more, so that even if all of
/// them are bad, only so much of the budget is spent.
fn warn_of_steep_drop(
    measure: Measure,
    objective: Objective,
    slo_window: Duration,
    spot: &Spot,
    problems: &Problems,
) {
    let Measure::BudgetDrop { share, window } = measure else { return };
    let part = window.as_secs_f64() / slo_window.as_secs_f64().max(f64::MIN_POSITIVE);
    let most = part * objective.burn_rate_max();
    if share.as_f64() > most {
        let what = format!(
            "with every event bad, {} of even traffic spend {:.1} % of the budget, less than {} %",
            duration_text(window),
            most * 100.0,
            share.as_f64() * 100.0
        );
        spot.warn(problems, what, "lower the threshold, or use a longer lookbackWindow");
    }
}
