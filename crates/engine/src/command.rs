//! What people and their programs may do to an incident.

use std::sync::Arc;

use correlate::book::{IncidentBook, MEMBERS_MAX, Note};
use model::{
    Actor, EventType, Incident, IncidentId, Member, MemberState, Revision, Status, Timestamp,
};

use crate::crowd::Crowd;
use crate::{Command, Refusal, Reply, Verb};

/// The incidents, and what they hide.
pub(crate) type Books<'a> = (&'a mut IncidentBook, &'a mut Crowd);

/// What a command did: the answer, and the revisions that it made, in order.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) reply: Reply,
    pub(crate) revisions: Vec<Revision>,
}

/// Carries out a command.
pub(crate) fn carry_out(books: Books<'_>, command: Command, now: Timestamp) -> Outcome {
    let mut revisions = Vec::new();
    let reply = match check(books.0, &command) {
        Ok(incident) => apply(books, &incident, command, now, &mut revisions),
        Err(refusal) => Err(refusal),
    };
    Outcome { reply, revisions }
}

fn check(book: &IncidentBook, command: &Command) -> Result<Arc<Incident>, Refusal> {
    let incident = book.get(command.id).ok_or(Refusal::NotFound)?;
    let expected = command.expected_revision;
    if expected != 0 && expected != incident.revision {
        return Err(Refusal::Stale { revision: incident.revision });
    }
    if incident.status == Status::Merged {
        let winner = incident.merged_into.map(|id| id.to_string()).unwrap_or_default();
        return Err(Refusal::Impossible(format!("{} goes on as {winner}", incident.id)));
    }
    Ok(Arc::clone(incident))
}

fn apply(
    (book, crowd): Books<'_>,
    incident: &Incident,
    command: Command,
    now: Timestamp,
    revisions: &mut Vec<Revision>,
) -> Reply {
    let Command { id, actor, reason, verb, .. } = command;
    let live = incident.status.is_live();
    let note = |kind| Note { kind, actor: actor.clone(), reason: reason.clone(), at: now };
    let must_live = || {
        let status = incident.status.as_str();
        if live { Ok(()) } else { Err(Refusal::Impossible(format!("{id} is {status}"))) }
    };
    let revision = match verb {
        Verb::Acknowledge => {
            must_live()?;
            let assignee = actor.clone();
            book.revise(id, note(EventType::Acknowledged), |i| acknowledge(i, assignee, now))
        }
        Verb::Resolve => {
            must_live()?;
            book.revise(id, note(EventType::Resolved), |i| resolve(i, now))
        }
        Verb::Reopen => {
            if live {
                return Err(Refusal::Impossible(format!("{id} is not over")));
            }
            book.revise(id, note(EventType::Reopened), reopen)
        }
        Verb::Close => book.revise(id, note(EventType::Closed), |i| close(i, now)),
        Verb::Snooze { until } => {
            must_live()?;
            book.revise(id, note(EventType::Snoozed), |i| {
                i.status = Status::Snoozed;
                i.snoozed_until = until;
            })
        }
        Verb::Merge { losers } => {
            must_live()?;
            return merge((book, crowd), id, &losers, &note(EventType::Merged), revisions);
        }
        Verb::Split { fingerprints } => {
            must_live()?;
            return split(
                (book, crowd),
                incident,
                &fingerprints,
                &note(EventType::Split),
                revisions,
            );
        }
        Verb::Annotate { text, links } => {
            let note = Note { reason: text, ..note(EventType::Annotated) };
            book.revise(id, note, |i| i.links.extend(links))
        }
        Verb::Report { refs } => book.revise(id, note(EventType::Annotated), |i| {
            for external in refs {
                i.external_refs.retain(|r| (&r.system, &r.id) != (&external.system, &external.id));
                i.external_refs.push(external);
            }
        }),
    };
    revisions.extend(revision);
    book.get(id).cloned().ok_or(Refusal::NotFound)
}

fn acknowledge(incident: &mut Incident, assignee: Actor, now: Timestamp) {
    if incident.status == Status::Acknowledged && incident.assignee.as_ref() == Some(&assignee) {
        return;
    }
    incident.status = Status::Acknowledged;
    incident.assignee = Some(assignee);
    if !incident.acknowledged_at.is_set() {
        incident.acknowledged_at = now;
    }
}

/// Ends an incident.
pub(crate) fn resolve(incident: &mut Incident, now: Timestamp) {
    incident.status = Status::Resolved;
    incident.resolved_at = now;
    incident.snoozed_until = Timestamp::ZERO;
}

/// Takes an incident up again.
pub(crate) fn reopen(incident: &mut Incident) {
    incident.status = Status::Open;
    incident.resolved_at = Timestamp::ZERO;
    incident.acknowledged_at = Timestamp::ZERO;
    incident.assignee = None;
}

fn close(incident: &mut Incident, now: Timestamp) {
    incident.status = Status::Closed;
    if !incident.resolved_at.is_set() {
        incident.resolved_at = now;
    }
}

/// Lets `winner` take the losers in. The losers are revised first, so that whoever follows one
/// incident sees it end before the other grows.
pub(crate) fn merge(
    (book, crowd): Books<'_>,
    winner: IncidentId,
    losers: &[IncidentId],
    note: &Note,
    revisions: &mut Vec<Revision>,
) -> Reply {
    let mut taken = Vec::new();
    for id in losers {
        let loser = book.get(*id).ok_or(Refusal::NotFound)?;
        if *id == winner || !loser.status.is_live() {
            return Err(Refusal::Impossible(format!("{id} cannot be merged into {winner}")));
        }
        taken.push(Arc::clone(loser));
    }
    for loser in &taken {
        revisions.extend(book.revise(loser.id, note.clone(), |i| {
            i.status = Status::Merged;
            i.merged_into = Some(winner);
        }));
    }
    revisions.extend(book.revise(winner, note.clone(), |i| {
        for loser in &taken {
            i.merged_from.push(loser.id);
            i.started_at = i.started_at.min(loser.started_at);
            i.urgency = i.urgency.max(loser.urgency);
            i.severity = i.severity.max(loser.severity);
            let known: Vec<_> = i.members.iter().map(|m| m.fingerprint).collect();
            let new = loser.members.iter().filter(|m| !known.contains(&m.fingerprint));
            i.members.extend(new.cloned());
            crowd.absorb(winner, loser.id);
        }
        for hidden in i.members.split_off(i.members.len().min(MEMBERS_MAX)) {
            crowd.hide(winner, hidden.fingerprint, hidden.state != MemberState::Cleared);
        }
        i.member_count = count(&i.members).saturating_add(crowd.count(winner));
    }));
    book.get(winner).cloned().ok_or(Refusal::NotFound)
}

fn split(
    (book, crowd): Books<'_>,
    incident: &Incident,
    fingerprints: &[model::Fingerprint],
    note: &Note,
    revisions: &mut Vec<Revision>,
) -> Reply {
    let (leaving, staying): (Vec<_>, Vec<_>) =
        incident.members.iter().cloned().partition(|m| fingerprints.contains(&m.fingerprint));
    if leaving.is_empty() || staying.is_empty() {
        let what = "some members must leave and some must stay".to_owned();
        return Err(Refusal::Impossible(what));
    }
    revisions.extend(book.revise(incident.id, note.clone(), |i| {
        i.member_count = count(&staying).saturating_add(crowd.count(incident.id));
        i.members = staying;
    }));
    let started_at = leaving.iter().map(|m| m.first_at).min().unwrap_or(note.at);
    let quiet = leaving.iter().all(|m| m.state == MemberState::Cleared);
    let part = Incident {
        status: if quiet { Status::Resolved } else { Status::Open },
        resolved_at: if quiet { note.at } else { Timestamp::ZERO },
        urgency: incident.urgency,
        severity: incident.severity,
        title: format!("split from {}: {}", incident.id, incident.title),
        started_at,
        detected_at: incident.detected_at,
        member_count: count(&leaving),
        members: leaving,
        grouping_reason: format!("split from {} by hand", incident.id),
        split_from: Some(incident.id),
        ..Incident::default()
    };
    let revision = book.open(part, note.clone());
    let reply = Arc::clone(&revision.incident);
    revisions.push(revision);
    Ok(reply)
}

/// How many there are.
pub(crate) fn count(members: &[Member]) -> u32 {
    u32::try_from(members.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
