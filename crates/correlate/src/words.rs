//! Titles and summaries: one sentence that a person can read at night.

use model::{CauseKind, Signal};

use crate::case::Case;
use crate::diagnosis::Judged;
use crate::evidence::{ALL_MODES, Found, percent};
use crate::facts::share;
use crate::impact::Impact;
use crate::shared_cause::SharedCause;
use crate::tags::TagClass;
use crate::votes::{Mode, Suspect};

/// `checkout fails for 12 % of requests: payment 2.4.0 returns errors`.
pub(crate) fn title(
    case: &Case<'_>,
    impact: &Impact,
    first: Option<&Judged>,
    shared: Option<&SharedCause>,
) -> String {
    let (fails, is) = if impact.subject.contains(", ") { ("fail", "are") } else { ("fails", "is") };
    let what = if impact.fails { fails.to_owned() } else { format!("{is} slow") };
    let head = if impact.subject.is_empty() {
        "Alerts".to_owned()
    } else if impact.bad_ratio > 0.0 {
        format!("{} {what} for {} of requests", impact.subject, percent(impact.bad_ratio))
    } else {
        format!("{} {is} in trouble", impact.subject)
    };
    let why = match (shared, first) {
        (Some(shared), _) => {
            let cause = &shared.cause;
            format!("{} services fail in {}", shared.services.len(), cause.tag_value)
        }
        (None, Some(judged)) => clause(case, judged),
        (None, None) => "cause unknown".to_owned(),
    };
    format!("{head}: {why}")
}

/// What the cause does, without who is hurt.
pub(crate) fn clause(case: &Case<'_>, judged: &Judged) -> String {
    let hypothesis = &judged.hypothesis;
    let service = hypothesis.service().map_or(String::new(), |id| case.label(id));
    if let Suspect::Peer(_) = hypothesis.suspect {
        let peer = case.suspect_label(hypothesis.suspect);
        return match judged.kind {
            CauseKind::Quota => format!("{peer} throttles {service}"),
            _ if is_slow(judged) || is_late(judged) => format!("{peer} is slow for {service}"),
            _ => format!("{peer} fails for {service}"),
        };
    }
    let who = who(case, judged, service);
    match judged.kind {
        CauseKind::Quota => format!("{who} throttles its callers"),
        CauseKind::Silence => format!("{who} does not answer"),
        CauseKind::Network => format!("calls of {who} are late or lost on their way"),
        _ if hypothesis.ballots.is_empty() => changed(&who, judged),
        _ if is_slow(judged) => format!("{who} is slow by itself"),
        _ => format!("{who} returns errors"),
    }
}

/// What evidence that needs no bad trace says most of all.
fn changed(who: &str, judged: &Judged) -> String {
    let found = judged.findings.found.iter();
    let main = found.max_by(|a, b| a.conviction().total_cmp(&b.conviction()));
    let is_of = |metric: &str| main.is_some_and(|found| found.subject.contains(metric));
    match main.map(|found| found.signal) {
        Some(Signal::ExclusiveTime) => format!("{who} is slow by itself"),
        Some(Signal::CallPattern) => format!("{who} no longer does what it did"),
        Some(Signal::LogTemplate) => format!("{who} logs what it did not log"),
        Some(Signal::ResourceMetric) => match judged.kind {
            CauseKind::Cpu => format!("{who} is short of processor time"),
            CauseKind::Memory => format!("{who} is short of memory"),
            CauseKind::Disk => format!("{who} is short of disk"),
            _ if is_of("restart") => format!("{who} was started anew"),
            _ if is_of("pending_requests") => format!("{who} waits for connections"),
            _ => format!("{who} uses more than it did"),
        },
        _ => format!("{who} may be at fault"),
    }
}

/// One sentence for a cause.
pub(crate) fn summary(case: &Case<'_>, judged: &Judged) -> String {
    let hypothesis = &judged.hypothesis;
    let mut sentence = clause(case, judged);
    if let Some((_, operation)) = hypothesis.main(&ALL_MODES).or(judged.findings.doing) {
        let word = case.word(operation);
        if !word.is_empty() {
            sentence.push_str(&format!(" ({word})"));
        }
    }
    if hypothesis.share > 0.0 {
        sentence.push_str(&format!(
            "; this explains {} of the bad requests",
            percent(hypothesis.share)
        ));
    }
    if let Some(id) = hypothesis.service() {
        let served = case.correlator.facts.served(id, case.from, case.until);
        if served.bad() > 0 {
            let bad = percent(share(served.bad(), served.total));
            sentence.push_str(&format!("; {bad} of what {} serves is bad", case.label(id)));
        }
    }
    sentence.push('.');
    sentence
}

/// The service as deep as its tag tells: with its version, pod or place.
fn who(case: &Case<'_>, judged: &Judged, service: String) -> String {
    let Some(lift) = judged.findings.lift else { return service };
    let value = case.word(lift.value);
    match lift.class {
        TagClass::Version => format!("{service} {value}"),
        TagClass::ColdStart => format!("a cold instance of {service}"),
        TagClass::Flag => format!("{service} with {} {value}", case.word(lift.key)),
        TagClass::Instance => format!("{service} ({value})"),
        TagClass::Region | TagClass::Zone | TagClass::Node => format!("{service} in {value}"),
        TagClass::Tenant | TagClass::Symptom => service,
    }
}

/// Whether times alone speak, without a bad trace.
fn is_late(judged: &Judged) -> bool {
    let is_time = |found: &Found| found.signal == Signal::ExclusiveTime;
    judged.hypothesis.ballots.is_empty() && judged.findings.found.iter().any(is_time)
}

fn is_slow(judged: &Judged) -> bool {
    let hypothesis = &judged.hypothesis;
    hypothesis.share_of(&[Mode::Slow]) * 2.0 > hypothesis.share_of(&ALL_MODES)
}
