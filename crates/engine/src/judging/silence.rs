//! Alerts of SLOs that ask for one when their source is silent (`alertWhenNoData`).

use std::sync::Arc;

use alert::{Condition, Observation};
use dispatch::Routes;
use model::{Labels, Severity, Timestamp, Urgency};
use slo::duration_text;
use slo::judge::NoDataRule;
use slo::presence::Presence;

use super::telling::policy_annotations;
use crate::Engine;
use crate::routes::routes_of;
use crate::series::Slo;
use crate::services::source_named;

/// The name of every alert of an SLO whose source is silent.
const SILENCE_ALERT: &str = "SloNoData";

/// What is known of a source.
#[derive(Clone, Copy)]
enum Source {
    Speaks,
    /// It was not heard since this moment.
    Silent {
        since: Timestamp,
    },
    /// fogbell itself was away, or has listened too shortly to say.
    Unclear,
}

impl Engine {
    /// One alert an SLO, whatever its groups: they have their source in common.
    pub(super) fn judge_silence(&mut self) {
        for slo in self.series.watched() {
            self.judge_silence_of(&slo);
        }
    }

    fn judge_silence_of(&mut self, slo: &Arc<Slo>) {
        let now = self.now;
        let state = source_named(&self.services, &self.anything, &slo.service_first);
        let source = Source::of(&state.presence, self.listens_since, now);
        // Whoever is worked on may be silent, and need not speak at once afterwards.
        let excluded = self.series.maintenance.times_of(slo, None);
        let worked_until = excluded.within(Timestamp::ZERO, now).last().map(|(_, until)| until);
        let labels = silence_labels(slo);
        let due = |rule: &&NoDataRule| match source {
            Source::Silent { since } => {
                let since = since.max(worked_until.unwrap_or_default());
                now.since(since) >= rule.after.max(state.presence.silence_after())
            }
            Source::Speaks | Source::Unclear => false,
        };
        let due: Vec<_> = slo.no_data.iter().filter(due).collect();
        let condition = match source {
            Source::Speaks => Condition::Clear,
            _ if !due.is_empty() => Condition::Holds,
            Source::Silent { .. } | Source::Unclear => Condition::Undecided,
        };
        let mut annotations = policy_annotations(due.iter().map(|rule| &*rule.policy));
        if let Source::Silent { since } = source {
            let silent = duration_text(now.since(since));
            let text = format!(
                "{}: nothing was heard of {} for {silent}; its numbers are frozen",
                slo.name, slo.service_name
            );
            let _ = annotations.insert("summary".to_owned(), text);
        }
        if let Some(runbook) = &slo.runbook {
            let _ = annotations.insert("runbook_url".to_owned(), runbook.clone());
        }
        let urgency = due.iter().map(|rule| rule.urgency).max().unwrap_or_default();
        let routes: Routes = routes_of(due.iter().map(|rule| (&*rule.policy, rule.urgency)));
        let observation = Observation {
            labels,
            annotations,
            condition,
            urgency,
            severity: if urgency == Urgency::Page { Severity::Error } else { Severity::Warning },
            service: None,
            slo: None,
            external: false,
        };
        self.observe(observation, routes);
    }
}

impl Source {
    fn of(presence: &Presence, listens_since: Timestamp, now: Timestamp) -> Self {
        let heard = presence.last_heard();
        if presence.is_silent(now) {
            let since = heard.map_or(listens_since, |heard| heard.max(presence.alive_at()));
            return Self::Silent { since };
        }
        match heard {
            Some(heard) if now.since(heard) <= presence.silence_after() => Self::Speaks,
            _ => Self::Unclear,
        }
    }
}

/// Labels of the alert: its identity.
pub(super) fn silence_labels(slo: &Slo) -> Labels {
    Labels::from([
        ("alertname".to_owned(), SILENCE_ALERT.to_owned()),
        ("slo".to_owned(), slo.name.to_string()),
        ("service_name".to_owned(), slo.service_name.to_string()),
    ])
}
