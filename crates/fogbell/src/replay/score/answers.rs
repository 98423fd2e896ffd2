//! What was answered in each case.

use ::replay::score::{Suspect, rank_of};
use contract::v1;
use model::{Cause, Evidence};
use serde_json::{Value, json};

use super::Answer;

/// So many suspects are shown to people.
const SHOWN: usize = 3;

impl Answer {
    /// The place of the true service among the suspects, from 1 on.
    fn rank(&self) -> Option<usize> {
        rank_of(&self.label.truth.services, &self.suspects).map(|place| place + 1)
    }
}

/// One object a line.
pub(super) fn json(answer: &Answer) -> String {
    let suspect =
        |suspect: &Suspect| json!({ "service": suspect.service, "instance": suspect.instance });
    json!({
        "case": answer.label.case,
        "system": answer.label.system,
        "fault": answer.label.fault,
        "mode": answer.row.mode,
        "method": answer.row.method,
        "root_cause_service": answer.label.truth.services.first(),
        "rank": answer.rank(),
        "suspects": answer.suspects.iter().map(suspect).collect::<Vec<_>>(),
        "causes": answer.causes.iter().map(cause).collect::<Vec<_>>(),
    })
    .to_string()
}

fn cause(cause: &Cause) -> Value {
    let evidence = |of: &Evidence| {
        let evidence = v1::Evidence::from(of);
        json!({
            "signal": evidence.signal,
            "subject": of.subject,
            "observed": of.observed,
            "baseline": of.baseline,
            "unit": of.unit,
            "weight": of.weight,
        })
    };
    json!({
        "service": cause.service,
        "instance": cause.instance,
        "operation": cause.operation,
        "kind": v1::cause::Kind::from(cause.kind).as_str_name(),
        "tag_key": cause.tag_key,
        "tag_value": cause.tag_value,
        "score": cause.score,
        "evidence": cause.evidence.iter().map(evidence).collect::<Vec<_>>(),
    })
}

/// A line for people: rank, what is true, and who was named.
pub(super) fn line(answer: &Answer) -> String {
    let named: Vec<&str> =
        answer.suspects.iter().take(SHOWN).map(|suspect| &*suspect.service).collect();
    let named = if named.is_empty() { "unknown".to_owned() } else { named.join(", ") };
    format!(
        "{:<32}{:<18}{:<10}{:<15}{:>4}{:>6}  {}: {}",
        answer.label.case,
        answer.label.fault,
        answer.row.mode,
        answer.row.method,
        answer.rank().map_or("-".to_owned(), |rank| rank.to_string()),
        answer
            .suspects
            .first()
            .and_then(|first| first.score)
            .map_or("-".to_owned(), |score| format!("{score:.2}")),
        answer.label.truth.services.join(" or "),
        named,
    )
}
