use model::Incident;

/// Names, as `fogbell.v1.Incident` has them, of the fields in which two revisions differ.
pub(super) fn changed_fields(before: &Incident, after: &Incident) -> Vec<String> {
    macro_rules! differing {
        ($($field:ident),* $(,)?) => {
            [$((stringify!($field), before.$field != after.$field)),*]
        };
    }
    differing![
        status,
        urgency,
        severity,
        title,
        started_at,
        detected_at,
        acknowledged_at,
        resolved_at,
        impact,
        causes,
        path,
        members,
        member_count,
        traces,
        changes,
        logs,
        links,
        ownership,
        grouping_reason,
        assignee,
        merged_into,
        merged_from,
        split_from,
        snoozed_until,
        flapping,
        external_refs,
    ]
    .into_iter()
    .filter(|(_, differs)| *differs)
    .map(|(name, _)| name.to_owned())
    .collect()
}
