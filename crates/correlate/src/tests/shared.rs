//! Regions and zones as causes.

use model::{CauseKind, Signal};

use super::world::{Work, World, call, work};

/// frontend -> one of five services, each in two regions of two zones.
fn regional(n: u64, lost: bool) -> Work {
    failing(n, |_, region, _, turn| lost && region == "west" && turn % 8 != 5)
}

/// The same, where what is bad is said by service, region, zone and turn.
fn failing(n: u64, is_bad: impl Fn(&str, &str, &str, u64) -> bool) -> Work {
    const NAMES: [&str; 5] = ["cart", "catalog", "payment", "search", "stock"];
    let place = |service: Work, turn: u64| {
        let (region, zone) = match turn % 4 {
            0 => ("west", "west-a"),
            1 => ("west", "west-b"),
            2 => ("east", "east-a"),
            _ => ("east", "east-b"),
        };
        let pod = format!("{}-{}", service.service, turn % 8);
        let is_bad = is_bad(service.service, region, zone, turn);
        let placed = service
            .tagged("cloud.region", region)
            .tagged("cloud.availability_zone", zone)
            .tagged("k8s.pod.name", pod)
            .tagged("service.version", "1.0.0");
        if is_bad { placed.failing("no route") } else { placed }
    };
    let name = NAMES.get((n % 5) as usize).copied().unwrap_or("cart");
    let callee = place(work(name, 5, vec![]), n / 5);
    work("frontend", 3, vec![call(callee)])
        .named("GET /")
        .tagged("cloud.region", if n / 5 % 4 < 2 { "west" } else { "east" })
}

#[test]
fn a_region_that_fails_everywhere_is_the_cause_and_joins_all() {
    let mut world = World::new();
    world.run(120, |n| regional(n, false));
    world.run(60, |n| regional(n, true));
    let diagnosis = world.diagnose(&["frontend", "cart", "payment"]);
    let first = &diagnosis.causes[0];
    assert_eq!(first.kind, CauseKind::Infrastructure, "{diagnosis:#?}");
    assert_eq!((first.tag_key.as_str(), first.tag_value.as_str()), ("cloud.region", "west"));
    assert!(first.score > 0.5, "{}", first.score);
    assert!(diagnosis.title.ends_with("services fail in west"), "{}", diagnosis.title);
    let reason = world.related("cart", "payment").expect("one region");
    assert_eq!(reason, "cart and payment both fail in cloud.region west");
}

#[test]
fn one_service_that_fails_in_one_region_is_no_lost_region() {
    let mut world = World::new();
    let fault = |n: u64| regional(n, n % 5 == 2);
    world.run(120, |n| regional(n, false));
    world.run(60, fault);
    let diagnosis = world.diagnose(&["frontend", "payment"]);
    assert_eq!(diagnosis.causes[0].service, "payment", "{diagnosis:#?}");
    assert_eq!(diagnosis.causes[0].tag_value, "west");
}

#[test]
fn two_bad_events_of_each_of_five_services_are_enough_together() {
    let mut world = World::new();
    world.run(120, |n| regional(n, false));
    world.run(2, |n| regional(n, true));
    let first = &world.diagnose(&["frontend"]).causes[0];
    assert_eq!((first.kind, first.tag_value.as_str()), (CauseKind::Infrastructure, "west"));
    assert_eq!(first.service, "");
    assert_eq!(first.evidence[0].signal, Signal::TagLift);
    assert!(first.summary.starts_with("6 services fail in cloud.region west"), "{}", first.summary);
}

#[test]
fn a_lost_zone_is_told_from_its_region() {
    let mut world = World::new();
    world.run(120, |n| regional(n, false));
    world.run(10, |n| failing(n, |_, _, zone, _| zone == "west-a"));
    let first = &world.diagnose(&["frontend", "stock"]).causes[0];
    let tag = (first.tag_key.as_str(), first.tag_value.as_str());
    assert_eq!(tag, ("cloud.availability_zone", "west-a"), "{}", first.summary);
}

#[test]
fn a_few_strays_beside_one_service_that_fails_in_one_region_make_no_lost_region() {
    let mut world = World::new();
    let fault = |n: u64| {
        failing(n, |service, region, _, turn| match service {
            "payment" => region == "west",
            // In both regions, as what always goes wrong now and then.
            _ => turn % 16 == 2 && region == "east" || turn % 16 == 5 && region == "west",
        })
    };
    world.run(120, |n| regional(n, false));
    for seconds in [3, 7, 30] {
        world.run(seconds, fault);
        let diagnosis = world.diagnose(&["frontend", "payment"]);
        assert_eq!(diagnosis.causes[0].service, "payment", "{diagnosis:#?}");
    }
}

#[test]
fn services_that_fail_in_all_regions_have_none_in_common() {
    let mut world = World::new();
    world.run(120, |n| regional(n, false));
    world.run(30, |n| failing(n, |_, _, _, turn| turn % 3 == 0));
    let diagnosis = world.diagnose(&["frontend"]);
    let is_shared = |cause: &model::Cause| cause.kind == CauseKind::Infrastructure;
    assert!(!diagnosis.causes.iter().any(is_shared), "{diagnosis:#?}");
}

#[test]
fn a_node_with_three_of_five_failing_services_is_not_the_cause_of_all() {
    let mut world = World::new();
    let on_nodes = |n: u64, lost: bool| {
        let mut request = regional(n, lost);
        for call in &mut request.calls {
            let Some(callee) = &mut call.callee else { continue };
            let region = callee.tags.first().map_or("", |(_, region)| region.as_str());
            let node = match callee.service {
                "cart" | "catalog" | "payment" => "1",
                _ => "2",
            };
            let node = format!("{region}-node-{node}");
            callee.tags.push(("k8s.node.name", node));
        }
        request
    };
    world.run(120, |n| on_nodes(n, false));
    world.run(10, |n| on_nodes(n, true));
    let first = &world.diagnose(&["frontend"]).causes[0];
    assert_eq!((first.tag_key.as_str(), first.tag_value.as_str()), ("cloud.region", "west"));
}
