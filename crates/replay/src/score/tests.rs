use std::time::Duration;

use model::{Cause, CauseKind, Timestamp};

use super::{Figures, Shown, Suspect, Tally, Told, Truth, suspects};

fn truth() -> Truth {
    Truth {
        services: vec!["cart".to_owned()],
        instance: "cart-1".to_owned(),
        kind: Some(CauseKind::Cpu),
        tag: None,
        injected_at: Timestamp::from_unix_s(1_000),
    }
}

fn named(services: &[(&str, &str)]) -> Vec<Suspect> {
    let suspect = |(service, instance): &(&str, &str)| Suspect {
        service: (*service).to_owned(),
        instance: (*instance).to_owned(),
        kind: if instance.is_empty() { CauseKind::Unknown } else { CauseKind::Cpu },
        ..Suspect::default()
    };
    services.iter().map(suspect).collect()
}

fn figures(cases: &[Shown]) -> Figures {
    let mut tally = Tally::default();
    cases.iter().for_each(|shown| tally.add(&truth(), shown));
    tally.figures()
}

#[test]
fn ranks_and_instances_are_counted_over_all_cases() {
    let case = |services: &[(&str, &str)]| Shown {
        suspects: named(services),
        told: None,
        took: Duration::from_millis(100),
    };
    let all = figures(&[
        case(&[("cart", "cart-1"), ("web", "")]),
        case(&[("cart", "cart-2")]),
        case(&[("web", ""), ("db", ""), ("cart", "cart-1")]),
        case(&[]),
    ]);
    assert_eq!((all.ac1, all.ac3, all.ac5), (0.5, 0.75, 0.75));
    assert_eq!((all.instance_ac1, all.kind_ac1, all.tag_ac1), (Some(0.25), Some(0.5), None));
    assert!((all.avg5 - (0.5 + 0.5 + 0.75 + 0.75 + 0.75) / 5.0).abs() < 1e-12);
    assert!((all.case_s - 0.1).abs() < 1e-12);
    let none = (all.opened, all.incidents_per_fault, all.pairwise_f1, all.purity, all.page_s_p50);
    assert_eq!(none, (None, None, None, None, None));
}

#[test]
fn first_suspects_are_counted_by_their_score() {
    let mut tally = Tally::default();
    for (service, score) in
        [("cart", Some(1.0)), ("web", Some(0.79)), ("cart", Some(0.6)), ("cart", None)]
    {
        let first = Suspect { service: service.to_owned(), score, ..Suspect::default() };
        tally.add(&truth(), &Shown { suspects: vec![first], ..Shown::default() });
    }
    assert_eq!(tally.by_score(), [(0, 0), (0, 0), (0, 0), (2, 1), (1, 1)]);
}

#[test]
fn incidents_are_compared_with_faults_by_pairs_of_alerts() {
    let told = |groups: &[(u64, u64)], paged_after_s: Option<u64>, false_pages: u64| Shown {
        told: Some(Told {
            faults_opened: u64::from(groups.iter().any(|(of_fault, _)| *of_fault > 0)),
            opened: groups.iter().filter(|(of_fault, _)| *of_fault > 0).count() as u64,
            paged_after: paged_after_s.map(Duration::from_secs),
            false_pages,
            grouped: groups.iter().map(|(of_fault, _)| vec![*of_fault]).collect(),
            of_none: groups.iter().map(|(_, of_none)| *of_none).collect(),
        }),
        ..Shown::default()
    };
    // 3 + 1 alerts of one fault in two incidents, one of which holds a stranger; then one of one.
    let all = figures(&[told(&[(3, 1), (1, 0)], Some(20), 0), told(&[(1, 0)], Some(10), 1)]);
    assert_eq!(all.opened, Some(1.0));
    assert_eq!(all.incidents_per_fault, Some(1.5));
    // Pairs: 3 right, 3 with the stranger, 3 between the two incidents.
    assert_eq!(all.pairwise_f1, Some(0.5));
    assert_eq!(all.purity, Some(5.0 / 6.0));
    assert_eq!(all.page_s_p50, Some(15.0));
    assert_eq!(all.false_pages, Some(1));
    let silent = figures(&[told(&[], None, 0)]);
    assert_eq!((silent.opened, silent.incidents_per_fault), (Some(0.0), None));
}

#[test]
fn a_service_is_named_once_and_by_its_bare_name() {
    let cause = |service: &str| Cause { service: service.to_owned(), ..Cause::default() };
    let named = suspects(&[cause("shop/cart@prod"), cause("web"), cause("cart")]);
    let names: Vec<&str> = named.iter().map(|suspect| suspect.service.as_str()).collect();
    assert_eq!(names, ["cart", "web"]);
}

#[test]
fn alerts_of_several_faults_at_once_are_compared_across_them() {
    let mut tally = Tally::default();
    tally.add_told(&Told {
        faults_opened: 2,
        opened: 2,
        grouped: vec![vec![2, 1], vec![0, 2]],
        ..Told::default()
    });
    let figures = tally.figures();
    // Pairs: 1 + 1 right, 2 between the faults in the first incident, 2 of the second fault apart.
    assert_eq!(figures.pairwise_f1, Some(0.5));
    assert_eq!((figures.purity, figures.incidents_per_fault), (Some(0.8), Some(1.0)));
}
