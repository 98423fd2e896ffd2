use std::time::Duration;

use document::Problems;

use super::compile::{Measures, Part, check_quantile, definition, display_name, part};
use super::rules::Alerting;
use super::sliced::minutes;
use super::{
    Budgeting, Composite, Documents, Indicator, ObjectiveDocument, SloDefinition, SloDocument,
    Spot, Unsupported,
};
use crate::composite::Composition;
use crate::judge::{Fraction, Objective};

impl Documents {
    /// What each objective of a composite counts; `None` if one of them is wrong.
    pub(super) fn composite_parts<'a>(
        &self,
        slo: &'a SloDocument,
        measures: &Measures,
        window: Option<Duration>,
        problems: &Problems,
    ) -> Option<Vec<Part<'a>>> {
        let mut is_right = slo.indicator.is_none();
        if !is_right {
            let what = "objectives have indicators of their own beside that of the SLO";
            slo.metadata.spot.error(problems, what, "move each indicator into its objective");
        }
        let read = |objective: &'a ObjectiveDocument| {
            let Some(sli) = &objective.indicator else {
                let what = "indicator is missing: other objectives have their own";
                objective.spot.error(problems, what, "add indicator or indicatorRef");
                return None;
            };
            let measure = self.measure_of(sli, measures, problems);
            let quantile = check_quantile(measure.as_ref(), slo, problems);
            let part = part(measure.as_ref(), slo, objective, window, problems)?;
            if !part.indicator.group_by().is_empty() {
                let reason = Unsupported::CompositeGroups;
                objective.spot.error(problems, reason.to_string(), reason.mend());
                return None;
            }
            quantile.map(|()| part)
        };
        // Collected before it is judged, so that every objective is read and reported.
        let parts: Vec<Option<Part<'_>>> = slo.objectives.iter().map(read).collect();
        is_right &= slo.budgeting != Budgeting::Timeslices || are_united(slo, problems);
        parts.into_iter().collect::<Option<Vec<_>>>().filter(|_| is_right)
    }
}

/// Whether the slices of the parts can be laid upon each other.
fn are_united(slo: &SloDocument, problems: &Problems) -> bool {
    for objective in slo.objectives.iter().filter(|objective| objective.composite_weight.is_some())
    {
        let what = "compositeWeight says nothing of Timeslices: one bad part makes a slice bad";
        objective.spot.warn(problems, what, "remove it");
    }
    let mut lengths = slo.objectives.iter().filter_map(|o| Some((o.time_slice_window?, &o.spot)));
    let Some((first, _)) = lengths.next() else { return true };
    let odd = lengths.find(|(length, _)| *length != first);
    if let Some((length, spot)) = odd {
        let (length, first) = (minutes(length), minutes(first));
        let what = format!("timeSliceWindow: {length} differs from that of another part, {first}");
        spot.error(problems, what, "write the same in each objective");
    }
    odd.is_none()
}

/// The parts of a composite, and the composite, which alone alerts.
pub(super) fn composite(
    slo: &SloDocument,
    window: Duration,
    parts: Vec<Part<'_>>,
    alerting: impl Fn(&SloDefinition, &Spot) -> Option<Alerting>,
) -> Vec<SloDefinition> {
    let objectives = parts.iter().map(|part| part.objective.objective);
    let Some(strictest) = objectives.max_by(Objective::cmp_strictness) else { return Vec::new() };
    let weight =
        |part: &Part<'_>| part.objective.composite_weight.unwrap_or(const { Fraction::new(1, 1) });
    let composition = match slo.budgeting {
        Budgeting::Occurrences => {
            let weighted = parts.iter().map(|part| (part.objective.objective, weight(part)));
            Composition::of_events(strictest, &weighted.collect::<Vec<_>>())
        }
        Budgeting::RatioTimeslices => {
            Composition::of_ratios(&parts.iter().map(weight).collect::<Vec<_>>())
        }
        Budgeting::Timeslices => Composition::Any,
    };
    // The longest slices are those that windows must hold.
    let slicing = parts.iter().filter_map(|part| part.slicing).max_by_key(|s| s.length());
    let parts: Vec<_> = parts
        .into_iter()
        .enumerate()
        .map(|(index, part)| part_definition(slo, index, window, part))
        .collect();
    let names = parts.iter().map(|part| part.name.clone()).collect();
    let indicator = Indicator::Composite(Composite { parts: names, composition });
    let whole = definition(slo, strictest, window, indicator, slicing);
    let Some(alerting) = alerting(&whole, &slo.metadata.spot) else { return Vec::new() };
    parts.into_iter().chain([whole.with(alerting)]).collect()
}

fn part_definition(
    slo: &SloDocument,
    index: usize,
    window: Duration,
    part: Part<'_>,
) -> SloDefinition {
    let Part { objective, indicator, slicing } = part;
    SloDefinition {
        name: format!("{}/{}", slo.metadata.name, index + 1),
        part_of: Some(slo.metadata.name.clone()),
        display_name: display_name(slo, index, objective),
        rules: Some(Vec::new()),
        ..definition(slo, objective.objective, window, indicator, slicing)
    }
}
