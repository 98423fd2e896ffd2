use std::collections::BTreeMap;
use std::time::Duration;

use document::Problems;

use super::composite::composite;
use super::measure::Measure;
use super::rules::{Alerting, PolicyRules};
use super::sliced::{check_rules, slicing};
use super::{
    Budgeting, Documents, Indicator, ObjectiveDocument, RUNBOOK_ANNOTATIONS, Reference, Sli,
    SloDefinition, SloDocument, Spot, TimeWindow, Unsupported,
};
use crate::judge::Objective;
use crate::slices::Slicing;

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

/// An objective, and what it counts.
pub(super) struct Part<'a> {
    pub(super) objective: &'a ObjectiveDocument,
    pub(super) indicator: Indicator,
    pub(super) slicing: Option<Slicing>,
}

pub(super) type Measures = BTreeMap<String, Result<Measure, Refusal>>;

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
        let window = window(slo, problems);
        let is_composite = slo.objectives.iter().any(|objective| objective.indicator.is_some());
        let parts = if is_composite {
            self.composite_parts(slo, measures, window, problems)
        } else {
            let of_slo = slo.indicator.as_ref();
            let measure = of_slo.and_then(|sli| self.measure_of(sli, measures, problems));
            parts(measure.as_ref(), slo, window, problems)
        };
        let alerting = self.alerting(slo, policies, problems);
        let (Some(window), Some(parts), Ok(rows)) = (window, parts, alerting) else {
            return Vec::new();
        };
        let alerting = |definition: &SloDefinition, spot: &Spot| {
            let alerting = match slo.policies.as_slice() {
                [] => Alerting::default(),
                _ => rows.fit(definition.objective, window, problems).ok()?,
            };
            if let (Some(slicing), Some(rules)) = (definition.slicing, &alerting.rules) {
                check_rules(slicing, rules, spot, problems)?;
            }
            Some(alerting)
        };
        if is_composite {
            return composite(slo, window, parts, alerting);
        }
        let define = |(index, part): (usize, Part<'_>)| {
            let spot = &part.objective.spot;
            let definition = objective(slo, index, window, part);
            let alerting = alerting(&definition, spot)?;
            Some(definition.with(alerting))
        };
        parts.into_iter().enumerate().filter_map(define).collect()
    }

    pub(super) fn measure_of(
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

impl SloDefinition {
    pub(super) fn with(self, alerting: Alerting) -> Self {
        let Alerting { rules, no_data } = alerting;
        Self { rules, no_data, ..self }
    }
}

/// What each objective counts; `None` if one of them is wrong.
fn parts<'a>(
    measure: Option<&Measure>,
    slo: &'a SloDocument,
    window: Option<Duration>,
    problems: &Problems,
) -> Option<Vec<Part<'a>>> {
    let objectives = slo.objectives.as_slice();
    for objective in objectives.iter().filter(|objective| objective.composite_weight.is_some()) {
        let what = "compositeWeight says nothing of an objective without an indicator of its own";
        objective.spot.warn(problems, what, "remove it");
    }
    check_quantile(measure, slo, problems)?;
    // Collected before it is judged, so that every objective is read and reported.
    let part = |objective| part(measure, slo, objective, window, problems);
    let parts: Vec<Option<Part<'_>>> = objectives.iter().map(part).collect();
    parts.into_iter().collect()
}

pub(super) fn check_quantile(
    measure: Option<&Measure>,
    slo: &SloDocument,
    problems: &Problems,
) -> Option<()> {
    let quantile = measure.and_then(Measure::quantile);
    if quantile.is_none() || slo.budgeting != Budgeting::Occurrences {
        return Some(());
    }
    let what = "a quantile is judged for each slice of time";
    slo.budgeting_spot.error(problems, what, "write budgetingMethod: Timeslices");
    None
}

pub(super) fn part<'a>(
    measure: Option<&Measure>,
    slo: &SloDocument,
    objective: &'a ObjectiveDocument,
    window: Option<Duration>,
    problems: &Problems,
) -> Option<Part<'a>> {
    let indicator = measure.and_then(|measure| measure.against(objective, problems));
    // Without a window of its own, the slices are held against any that there is.
    let window = window.unwrap_or(WINDOW_MAX);
    let slicing = slicing(slo, objective, measure, window, problems);
    Some(Part { objective, indicator: indicator?, slicing: slicing? })
}

/// How long the window is; of a calendar window, at most.
fn window(slo: &SloDocument, problems: &Problems) -> Option<Duration> {
    let spot = &slo.window_spot;
    let window = match &slo.window {
        TimeWindow::Rolling(length) => length.rolling(),
        TimeWindow::Calendar(calendar) => calendar.length.longest(),
    };
    if !(WINDOW_MIN..=WINDOW_MAX).contains(&window) {
        let mend = "write one from 1h to 366d; 1m is a minute, a month is 1M";
        spot.error(problems, "the window is out of range", mend);
        return None;
    }
    Some(window)
}

/// One objective of several, or the only one.
fn objective(slo: &SloDocument, index: usize, window: Duration, part: Part<'_>) -> SloDefinition {
    let Part { objective, indicator, slicing } = part;
    let definition = definition(slo, objective.objective, window, indicator, slicing);
    match slo.objectives.as_slice() {
        [_] => definition,
        _ => SloDefinition {
            name: format!("{}:{}", slo.metadata.name, index + 1),
            display_name: display_name(slo, index, objective),
            ..definition
        },
    }
}

/// The SLO's own name, with the objective's.
pub(super) fn display_name(
    slo: &SloDocument,
    index: usize,
    objective: &ObjectiveDocument,
) -> String {
    let whole = &slo.metadata.display_name;
    match objective.display_name.as_str() {
        "" => format!("{whole} ({})", index + 1),
        own => format!("{whole} ({own})"),
    }
}

/// Under the SLO's own name, not alerting yet.
pub(super) fn definition(
    slo: &SloDocument,
    objective: Objective,
    window: Duration,
    indicator: Indicator,
    slicing: Option<Slicing>,
) -> SloDefinition {
    let metadata = &slo.metadata;
    let runbook = RUNBOOK_ANNOTATIONS.iter().find_map(|key| metadata.annotations.get(*key));
    SloDefinition {
        name: metadata.name.clone(),
        part_of: None,
        display_name: metadata.display_name.clone(),
        service: slo.service.clone(),
        description: slo.description.clone(),
        labels: metadata.labels.clone(),
        annotations: metadata.annotations.clone(),
        runbook: runbook.cloned(),
        indicator,
        objective,
        window,
        calendar: match &slo.window {
            TimeWindow::Rolling(_) => None,
            TimeWindow::Calendar(calendar) => Some(calendar.clone()),
        },
        slicing,
        rules: None,
        no_data: Vec::new(),
        spot: metadata.spot.clone(),
    }
}
