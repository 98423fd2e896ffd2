use model::{ActorKind, Fingerprint, Labels, Member, Urgency};

use super::*;

fn at(s: u64) -> Timestamp {
    Timestamp::from_unix_s(1_000_000 + s)
}

fn member(number: u64) -> Member {
    Member {
        fingerprint: Fingerprint(number),
        labels: Labels::new(),
        annotations: Labels::new(),
        state: MemberState::Firing,
        first_at: at(number),
        last_at: at(number),
        repeats: 1,
        external: false,
    }
}

fn open(book: &mut IncidentBook, members: &[u64], urgency: Urgency) -> IncidentId {
    let members: Vec<_> = members.iter().map(|n| member(*n)).collect();
    let member_count = members.len() as u32;
    let incident = Incident { members, member_count, urgency, ..Incident::default() };
    book.open(incident, Note::engine(EventType::Opened, "burns", at(0))).incident.id
}

fn person() -> Actor {
    Actor { kind: ActorKind::Person, name: "ada".to_owned() }
}

fn command(id: IncidentId, expected_revision: u64, verb: Verb) -> Command {
    Command {
        reply_to: 1,
        id,
        expected_revision,
        request_id: String::new(),
        reason: "because".to_owned(),
        actor: person(),
        verb,
    }
}

fn book() -> IncidentBook {
    IncidentBook::new(1, "default".into())
}

#[test]
fn acknowledging_names_who_took_it_and_twice_is_once() {
    let mut book = book();
    let id = open(&mut book, &[1], Urgency::Page);
    let first =
        carry_out((&mut book, &mut Crowd::default()), command(id, 1, Verb::Acknowledge), at(5));
    let incident = first.reply.expect("taken");
    assert_eq!((incident.status, incident.revision), (Status::Acknowledged, 2));
    assert_eq!((incident.assignee.clone(), incident.acknowledged_at), (Some(person()), at(5)));
    assert_eq!(first.revisions.len(), 1);
    let again =
        carry_out((&mut book, &mut Crowd::default()), command(id, 0, Verb::Acknowledge), at(6));
    assert_eq!(again.reply.map(|i| i.revision), Ok(2));
    assert!(again.revisions.is_empty());
}

#[test]
fn a_stale_command_is_refused_with_the_revision_that_is() {
    let mut book = book();
    let id = open(&mut book, &[1], Urgency::Page);
    let _ = carry_out((&mut book, &mut Crowd::default()), command(id, 0, Verb::Acknowledge), at(5));
    let stale = carry_out((&mut book, &mut Crowd::default()), command(id, 1, Verb::Resolve), at(6));
    assert_eq!(stale.reply, Err(Refusal::Stale { revision: 2 }));
    let absent = IncidentId { epoch: 9, number: 9 };
    let unknown =
        carry_out((&mut book, &mut Crowd::default()), command(absent, 0, Verb::Resolve), at(6));
    assert_eq!(unknown.reply, Err(Refusal::NotFound));
}

#[test]
fn what_is_over_is_not_resolved_again_but_can_be_reopened() {
    let mut book = book();
    let id = open(&mut book, &[1], Urgency::Page);
    let resolved =
        carry_out((&mut book, &mut Crowd::default()), command(id, 0, Verb::Resolve), at(5)).reply;
    assert_eq!(resolved.map(|i| (i.status, i.resolved_at)), Ok((Status::Resolved, at(5))));
    let again =
        carry_out((&mut book, &mut Crowd::default()), command(id, 0, Verb::Resolve), at(6)).reply;
    assert_eq!(again, Err(Refusal::Impossible(format!("{id} is resolved"))));
    let reopened =
        carry_out((&mut book, &mut Crowd::default()), command(id, 0, Verb::Reopen), at(7)).reply;
    assert_eq!(reopened.map(|i| (i.status, i.resolved_at)), Ok((Status::Open, Timestamp::ZERO)));
}

#[test]
fn merging_ends_the_loser_first_and_keeps_all_members() {
    let mut book = book();
    let winner = open(&mut book, &[1, 2], Urgency::Ticket);
    let loser = open(&mut book, &[2, 3], Urgency::Page);
    let merge = Verb::Merge { losers: vec![loser] };
    let outcome = carry_out((&mut book, &mut Crowd::default()), command(winner, 0, merge), at(5));
    let order: Vec<_> = outcome.revisions.iter().map(|r| r.incident.id).collect();
    assert_eq!(order, [loser, winner]);
    let incident = outcome.reply.expect("merged");
    assert_eq!((incident.member_count, incident.urgency), (3, Urgency::Page));
    assert_eq!(book.get(loser).and_then(|i| i.merged_into), Some(winner));
    let dead =
        carry_out((&mut book, &mut Crowd::default()), command(loser, 0, Verb::Acknowledge), at(6));
    assert_eq!(dead.reply, Err(Refusal::Impossible(format!("{loser} goes on as {winner}"))));
}

#[test]
fn splitting_needs_members_on_both_sides() {
    let mut book = book();
    let id = open(&mut book, &[1, 2], Urgency::Page);
    let all = Verb::Split { fingerprints: vec![Fingerprint(1), Fingerprint(2)] };
    assert!(
        carry_out((&mut book, &mut Crowd::default()), command(id, 0, all), at(5)).reply.is_err()
    );
    let one = Verb::Split { fingerprints: vec![Fingerprint(2)] };
    let outcome = carry_out((&mut book, &mut Crowd::default()), command(id, 0, one), at(5));
    let part = outcome.reply.expect("split");
    assert_eq!((part.split_from, part.member_count), (Some(id), 1));
    assert_eq!(book.get(id).map(|i| i.member_count), Some(1));
    assert_eq!(outcome.revisions.len(), 2);
}

#[test]
fn a_merge_shows_no_more_than_there_is_room_for_and_counts_all() {
    let (mut book, mut crowd) = (book(), Crowd::default());
    let members: Vec<u64> = (0..160).collect();
    let winner = open(&mut book, &members[..80], Urgency::Page);
    let loser = open(&mut book, &members[80..], Urgency::Page);
    crowd.hide(loser, Fingerprint(500), true);
    let verb = Verb::Merge { losers: vec![loser] };
    let merged = carry_out((&mut book, &mut crowd), command(winner, 0, verb), at(5));
    let incident = merged.reply.expect("merged");
    assert_eq!((incident.members.len(), incident.member_count), (MEMBERS_MAX, 161));
    assert_eq!(merged.revisions[0].incident.id, loser, "the loser is told first");
    let leaving = vec![Fingerprint(3), Fingerprint(4)];
    let verb = Verb::Split { fingerprints: leaving };
    let part = carry_out((&mut book, &mut crowd), command(winner, 0, verb), at(6));
    assert_eq!(part.reply.map(|part| part.member_count), Ok(2));
    assert_eq!(book.get(winner).map(|incident| incident.member_count), Some(159));
}
