use std::collections::BTreeMap;
use std::time::Duration;

use document::Problems;

use super::compile::Refusal;
use super::{
    AlertCondition, AlertPolicy, ConditionOp, Documents, Reference, SloDocument, Spot, Unsupported,
};
use crate::judge::{BurnRateRule, Objective};

/// An alert policy as a row of a burn-rate table.
#[derive(Clone, Debug)]
pub(super) struct PolicyRule {
    /// None if the policy does not alert on breaches.
    rule: Option<BurnRateRule>,
    targets: Vec<String>,
}

/// The rows of an SLO's policies before they are fitted to an objective.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    /// Each with the place that asks for it.
    rows: Vec<(BurnRateRule, Spot)>,
    targets: Vec<String>,
}

/// How an objective of an SLO alerts.
#[derive(Clone, Debug, Default)]
pub(super) struct Alerting {
    /// `None` = no policy is given.
    pub(super) rules: Option<Vec<BurnRateRule>>,
    pub(super) targets: Vec<String>,
}

pub(super) type PolicyRules = BTreeMap<String, Result<PolicyRule, Refusal>>;

impl Documents {
    /// The rows of all named policies, so that each is reported once, whoever refers to it.
    pub(super) fn policy_rules(&self, problems: &Problems) -> PolicyRules {
        let compile = |(name, policy): (&String, &AlertPolicy)| {
            (name.clone(), self.policy_rule(policy, problems))
        };
        self.policies().iter().map(compile).collect()
    }

    /// The rows of an SLO. `Err` if a policy is wrong.
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
                    rows.targets.extend(policy.targets);
                }
                Err(refusal) => {
                    refusal.report(spot, problems);
                    wrong = Some(Refusal::Reported);
                }
            }
        }
        rows.targets.sort_unstable();
        rows.targets.dedup();
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
                Reference::Inline(target) => targets.push(target.metadata.name.clone()),
                Reference::Named(name, _) if self.targets().contains_key(name) => {
                    targets.push(name.clone());
                }
                Reference::Named(name, spot) => {
                    wrong = Some(self.unresolved("AlertNotificationTarget", name, spot, problems));
                }
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
        let spot = &policy.metadata.spot;
        let rule = match policy.when_breaching {
            true => Some(row(&conditions, spot, problems)?),
            false => None,
        };
        Ok(PolicyRule { rule, targets })
    }
}

impl Rows {
    /// Leaves out the rows that do not fit the window, and refuses those that can never fire.
    pub(super) fn fit(
        &self,
        objective: Objective,
        window: Duration,
        problems: &Problems,
    ) -> Result<Alerting, Refusal> {
        let mut rules = Vec::new();
        let (mut wrong, mut left_out) = (false, None);
        for (rule, spot) in &self.rows {
            let rate = rule.burn_rate.as_f64();
            if !rule.can_fire(objective) {
                let most = objective.burn_rate_max();
                let what = format!(
                    "can never fire: at a target of {} the burn rate is at most {most:.2}, not above {rate}",
                    objective.target()
                );
                spot.error(problems, what, "lower the threshold, or raise the target");
                wrong = true;
            } else if !rule.fits(window) {
                let what = format!(
                    "left out: its window of {} is more than a quarter of the SLO's {}",
                    hours(rule.long),
                    hours(window)
                );
                spot.warn(problems, what, "use a shorter lookbackWindow");
                left_out = Some(spot);
            } else {
                rules.push(*rule);
            }
        }
        if let (true, false, Some(spot)) = (rules.is_empty(), wrong, left_out) {
            spot.error(problems, "no condition is left, so this SLO would never alert", "");
            wrong = true;
        }
        if wrong {
            return Err(Refusal::Reported);
        }
        Ok(Alerting { rules: Some(rules), targets: self.targets.clone() })
    }
}

/// Conditions that hold together, as one row.
fn row(
    conditions: &[&AlertCondition],
    spot: &Spot,
    problems: &Problems,
) -> Result<BurnRateRule, Refusal> {
    let (first, second) = match conditions {
        [only] => (*only, *only),
        [first, second] => (*first, *second),
        _ => return Err(Refusal::unsupported(Unsupported::Conditions, spot)),
    };
    if first.threshold != second.threshold || first.urgency != second.urgency {
        return Err(Refusal::unsupported(Unsupported::Conditions, spot));
    }
    for condition in [first, second] {
        if !condition.alert_after.is_zero() {
            return Err(Refusal::unsupported(Unsupported::AlertAfter, &condition.metadata.spot));
        }
    }
    if conditions.iter().any(|condition| condition.op == ConditionOp::AtLeast) {
        spot.warn(problems, "op: gte is judged as gt", "write op: gt");
    }
    Ok(BurnRateRule {
        burn_rate: first.threshold,
        long: first.lookback.max(second.lookback),
        short: first.lookback.min(second.lookback),
        urgency: first.urgency,
    })
}

fn hours(span: Duration) -> String {
    let minutes = span.as_secs() / 60;
    if minutes.is_multiple_of(24 * 60) {
        format!("{}d", minutes / (24 * 60))
    } else if minutes.is_multiple_of(60) {
        format!("{}h", minutes / 60)
    } else {
        format!("{minutes}m")
    }
}
