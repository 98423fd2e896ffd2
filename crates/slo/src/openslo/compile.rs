use std::collections::BTreeMap;
use std::time::Duration;

use document::Problems;

use super::measure::Measure;
use super::rules::{Alerting, PolicyRules};
use super::{
    Budgeting, Documents, Indicator, ObjectiveDocument, RUNBOOK_ANNOTATIONS, Reference, Sli,
    SloDefinition, SloDocument, Spot, TimeWindow, Unsupported,
};

const WINDOW_MIN: Duration = Duration::from_secs(3600);
const WINDOW_MAX: Duration = Duration::from_secs(366 * 86_400);

/// Why something is not compiled.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    /// Its problems have been reported.
    Reported,
    /// It is well-formed; whoever needs it reports this.
    Unsupported(Unsupported, Spot),
}

type Measures = BTreeMap<String, Result<Measure, Refusal>>;

impl Refusal {
    pub(super) fn unsupported(reason: Unsupported, spot: &Spot) -> Self {
        Self::Unsupported(reason, spot.clone())
    }

    /// Reports what has not been reported. A reason that lies in another document than `user` is
    /// told at `user`, where it matters.
    pub(super) fn report(&self, user: &Spot, problems: &Problems) {
        if let Self::Unsupported(reason, spot) = self {
            let same_document = spot.place.file == user.place.file
                && !spot.path.is_empty()
                && spot.path.starts_with(user.path.as_str());
            let at = if same_document { spot } else { user };
            at.error(problems, reason.to_string(), reason.mend());
        }
    }
}

impl Documents {
    /// The definitions of all SLOs that can be judged, by name. Whatever is wrong, and every SLO
    /// that is left out, is reported.
    #[must_use]
    pub fn compile(&self, problems: &Problems) -> Vec<SloDefinition> {
        let compile = |(name, sli): (&String, &Sli)| (name.clone(), self.measure(sli, problems));
        let measures: Measures = self.slis().iter().map(compile).collect();
        for sli in self.orphans() {
            if let Err(refusal) = self.measure(sli, problems) {
                refusal.report(&sli.metadata.spot, problems);
            }
        }
        let policies = self.policy_rules(problems);
        self.slos()
            .values()
            .flat_map(|slo| self.compile_slo(slo, &measures, &policies, problems))
            .collect()
    }

    /// Every part is tried before the SLO is given up, so that all its errors come at once.
    fn compile_slo(
        &self,
        slo: &SloDocument,
        measures: &Measures,
        policies: &PolicyRules,
        problems: &Problems,
    ) -> Vec<SloDefinition> {
        let reject = |reason: Unsupported, spot: &Spot| {
            spot.error(problems, reason.to_string(), reason.mend());
        };
        let window = rolling_window(slo, problems);
        let occurrences = match slo.budgeting {
            Budgeting::Occurrences => true,
            Budgeting::Timeslices => {
                reject(Unsupported::Timeslices, &slo.budgeting_spot);
                false
            }
            Budgeting::RatioTimeslices => {
                reject(Unsupported::RatioTimeslices, &slo.budgeting_spot);
                false
            }
        };
        let composite = slo.objectives.iter().find(|objective| objective.indicator.is_some());
        if let Some(objective) = composite {
            reject(Unsupported::Composite, &objective.spot);
        }
        let measure = slo
            .indicator
            .as_ref()
            .and_then(|reference| self.measure_of(reference, measures, problems));
        let indicators = measure.and_then(|measure| indicators(&measure, slo, problems));
        let alerting = self.alerting(slo, policies, problems);
        let (Some(window), true, None, Some(indicators), Ok(rows)) =
            (window, occurrences, composite, indicators, alerting)
        else {
            return Vec::new();
        };
        let define = |(index, (objective, indicator)): (usize, (&ObjectiveDocument, Indicator))| {
            let alerting = match slo.policies.as_slice() {
                [] => Alerting::default(),
                _ => rows.fit(objective.objective, window, problems).ok()?,
            };
            Some(definition(slo, index, objective, window, indicator, alerting))
        };
        slo.objectives.iter().zip(indicators).enumerate().filter_map(define).collect()
    }

    fn measure_of(
        &self,
        reference: &Reference<Sli>,
        measures: &Measures,
        problems: &Problems,
    ) -> Option<Measure> {
        let (spot, found) = match reference {
            Reference::Inline(sli) => (&sli.metadata.spot, self.measure(sli, problems)),
            Reference::Named(name, spot) => match measures.get(name) {
                Some(found) => (spot, found.clone()),
                None => (spot, Err(self.unresolved("SLI", name, spot, problems))),
            },
        };
        found.map_err(|refusal| refusal.report(spot, problems)).ok()
    }
}

/// What each objective counts; `None` if one of them is wrong.
fn indicators(measure: &Measure, slo: &SloDocument, problems: &Problems) -> Option<Vec<Indicator>> {
    if let (Measure::Threshold(_), [_, second, ..]) = (measure, slo.objectives.as_slice()) {
        let what = "a thresholdMetric has exactly one objective";
        second.spot.error(problems, what, "write an SLO for each");
        return None;
    }
    if measure.quantile().is_some() && slo.budgeting == Budgeting::Occurrences {
        let what = "a quantile is judged for each slice of time";
        slo.budgeting_spot.error(problems, what, "write budgetingMethod: Timeslices");
        return None;
    }
    // Collected before it is judged, so that every objective is read and reported.
    let indicators: Vec<Option<Indicator>> =
        slo.objectives.iter().map(|objective| measure.against(objective, problems)).collect();
    indicators.into_iter().collect()
}

fn rolling_window(slo: &SloDocument, problems: &Problems) -> Option<Duration> {
    let spot = &slo.window_spot;
    let TimeWindow::Rolling(length) = &slo.window else {
        let reason = Unsupported::CalendarWindow;
        spot.error(problems, reason.to_string(), reason.mend());
        return None;
    };
    let window = length.rolling();
    if !(WINDOW_MIN..=WINDOW_MAX).contains(&window) {
        spot.error(problems, "the window is out of range", "write one from 1h to 366d");
        return None;
    }
    Some(window)
}

fn definition(
    slo: &SloDocument,
    index: usize,
    objective: &ObjectiveDocument,
    window: Duration,
    indicator: Indicator,
    alerting: Alerting,
) -> SloDefinition {
    let metadata = &slo.metadata;
    let alone = slo.objectives.len() == 1;
    let name = match alone {
        true => metadata.name.clone(),
        false => format!("{}:{}", metadata.name, index + 1),
    };
    let display_name = match (alone, objective.display_name.as_str()) {
        (true, _) => metadata.display_name.clone(),
        (false, "") => format!("{} ({})", metadata.display_name, index + 1),
        (false, own) => format!("{} ({own})", metadata.display_name),
    };
    let runbook = RUNBOOK_ANNOTATIONS.iter().find_map(|key| metadata.annotations.get(*key));
    SloDefinition {
        name,
        display_name,
        service: slo.service.clone(),
        description: slo.description.clone(),
        labels: metadata.labels.clone(),
        annotations: metadata.annotations.clone(),
        runbook: runbook.cloned(),
        indicator,
        objective: objective.objective,
        window,
        rules: alerting.rules,
        no_data: alerting.no_data,
        spot: metadata.spot.clone(),
    }
}
