use model::{Labels, Member, Urgency};

use super::*;

fn at(s: u64) -> Timestamp {
    Timestamp::from_unix_s(1_000_000 + s)
}

fn member(number: u64, state: MemberState) -> Member {
    Member {
        fingerprint: Fingerprint(number),
        labels: Labels::new(),
        annotations: Labels::new(),
        state,
        first_at: at(0),
        last_at: at(0),
        repeats: 1,
        external: false,
    }
}

fn book() -> IncidentBook {
    IncidentBook::new(5, "default".into())
}

fn open(book: &mut IncidentBook, fingerprint: u64) -> Revision {
    let members = vec![member(fingerprint, MemberState::Firing)];
    let incident = Incident { members, member_count: 1, ..Incident::default() };
    book.open(incident, Note::engine(EventType::Opened, "burns", at(0)))
}

#[test]
fn revisions_count_up_and_name_what_changed() {
    let mut book = book();
    let opened = open(&mut book, 1);
    assert_eq!(opened.incident.revision, 1);
    let id = opened.incident.id;
    let note = || Note::engine(EventType::Escalated, "worse", at(1));
    let revised = book.revise(id, note(), |incident| incident.urgency = Urgency::Page);
    let revised = revised.expect("it changed");
    assert_eq!((revised.incident.revision, revised.event.revision), (2, 2));
    assert_eq!(revised.event.changed, ["urgency"]);
    assert_eq!(book.revise(id, note(), |_| ()), None, "nothing changed, so no revision");
    assert_eq!(book.get(id).map(|incident| incident.revision), Some(2));
}

#[test]
fn an_id_is_never_lent_twice() {
    let mut book = book();
    let first = open(&mut book, 1).incident.id;
    let mut restored = IncidentBook::new(5, "default".into());
    restored.continue_from(book.next_number());
    assert!(open(&mut restored, 1).incident.id > first);
    let mut from_rows = IncidentBook::new(5, "default".into());
    from_rows.restore(Incident::clone(book.get(first).expect("kept")));
    assert!(open(&mut from_rows, 1).incident.id > first);
}

#[test]
fn finds_live_and_resolved_by_member() {
    let mut book = book();
    let id = open(&mut book, 1).incident.id;
    assert_eq!(book.of_member(Fingerprint(1)).map(|i| i.id), Some(id));
    assert_eq!(book.of_member(Fingerprint(2)), None);
    let note = Note::engine(EventType::Resolved, "quiet", at(9));
    let _ = book.revise(id, note, |incident| {
        incident.status = Status::Resolved;
        incident.resolved_at = at(9);
    });
    assert_eq!(book.of_member(Fingerprint(1)), None);
    assert_eq!(book.resolved_of_member(Fingerprint(1), at(9)).map(|i| i.id), Some(id));
    assert_eq!(book.resolved_of_member(Fingerprint(1), at(10)), None);
}

#[test]
fn ended_incidents_leave_oldest_first_and_live_ones_stay() {
    let mut book = book();
    let live = open(&mut book, 0).incident.id;
    let mut ended = Vec::new();
    for number in 1..=ENDED_MAX as u64 + 2 {
        let id = open(&mut book, number).incident.id;
        let note = Note::engine(EventType::Closed, "done", at(1));
        let _ = book.revise(id, note, |incident| incident.status = Status::Closed);
        ended.push(id);
    }
    let _ = open(&mut book, 9);
    assert!(book.get(live).is_some());
    assert!(book.get(ended[0]).is_none() && book.get(ended[1]).is_none());
    assert!(book.get(ended[2]).is_some());
}

#[test]
fn quiet_means_that_all_members_have_cleared() {
    let with = |states: &[MemberState]| Incident {
        members: states.iter().map(|state| member(1, *state)).collect(),
        ..Incident::default()
    };
    use MemberState::{Cleared, Firing, NoData};
    for (states, quiet) in
        [(&[Cleared, Cleared][..], true), (&[Cleared, Firing], false), (&[NoData], false)]
    {
        assert_eq!(is_quiet(&with(states)), quiet);
    }
}
