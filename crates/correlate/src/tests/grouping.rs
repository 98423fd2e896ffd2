use model::CauseKind;

use super::world::{Work, World, call, work};

/// frontend -> {shop -> payment, ads -> images}: two ways that share nothing but the frontend.
fn request(n: u64, payment_fails: bool, images_fail: bool) -> Work {
    let mut payment = work("payment", 5, vec![]);
    let mut images = work("images", 5, vec![]);
    if payment_fails {
        payment = payment.failing("TypeError");
    }
    if images_fail {
        images = images.failing("DiskFull");
    }
    if n.is_multiple_of(2) {
        let shop = work("shop", 4, vec![call(payment)]);
        work("frontend", 3, vec![call(shop)]).named("POST /buy")
    } else {
        let ads = work("ads", 4, vec![call(images)]);
        work("frontend", 3, vec![call(ads)]).named("GET /ads")
    }
}

#[test]
fn two_faults_below_one_frontend_stay_apart() {
    let mut world = World::new();
    world.run(60, |n| request(n, false, false));
    // A little more of one than of the other, so that the frontend has a main cause.
    world.run(40, |n| request(n, true, n % 4 == 1));
    assert_eq!(world.related("shop", "ads"), None);
    assert_eq!(world.related("payment", "images"), None);
    assert_eq!(world.related("payment", "ads"), None);
    let reason = world.related("shop", "payment").expect("one chain");
    assert!(reason.contains("lead to payment"), "{reason}");
    assert!(world.related("ads", "images").is_some());
    assert!(world.related("frontend", "shop").is_some());
    assert_eq!(world.related("frontend", "ads"), None);
    assert_eq!(world.diagnose(&["frontend", "shop", "payment"]).causes[0].service, "payment");
    let ads = world.diagnose(&["ads"]);
    assert_eq!(ads.causes[0].service, "images");
    assert_eq!(ads.entry_operations, ["frontend GET /ads"]);
}

#[test]
fn a_chain_of_symptoms_is_one_and_says_why() {
    let mut world = World::new();
    world.run(60, |n| request(n, false, false));
    world.run(30, |n| request(n, n % 4 == 0, false));
    for (a, b) in [("frontend", "shop"), ("frontend", "payment"), ("payment", "shop")] {
        assert!(world.related(a, b).is_some(), "{a} {b}");
    }
    assert_eq!(world.related("frontend", "ads"), None);
    assert_eq!(world.related("payment", "payment").as_deref(), Some("both are about payment"));
}

#[test]
fn without_traces_a_chain_of_bad_calls_relates() {
    let mut world = World::new();
    world.run(20, |n| request(n, false, false));
    world.with_traces = false;
    world.run(60, |n| request(n, false, false));
    world.run(30, |n| request(n, n % 4 == 0, false));
    let reason = world.related("payment", "frontend").expect("a chain of bad calls");
    assert_eq!(reason, "bad calls lead from frontend to shop to payment");
    assert_eq!(world.related("payment", "images"), None);
}

/// frontend -> one of five services, each in two regions of two zones.
fn regional(n: u64, lost: bool) -> Work {
    const NAMES: [&str; 5] = ["cart", "catalog", "payment", "search", "stock"];
    let place = |service: Work, turn: u64| {
        let (region, zone) = match turn % 4 {
            0 => ("west", "west-a"),
            1 => ("west", "west-b"),
            2 => ("east", "east-a"),
            _ => ("east", "east-b"),
        };
        let pod = format!("{}-{}", service.service, turn % 8);
        let is_bad = lost && region == "west" && turn % 8 != 5;
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
    let fault = |n: u64| {
        let mut request = regional(n, n % 5 == 2);
        if n % 5 != 2 {
            request = regional(n, false);
        }
        request
    };
    world.run(120, |n| regional(n, false));
    world.run(60, fault);
    let diagnosis = world.diagnose(&["frontend", "payment"]);
    assert_eq!(diagnosis.causes[0].service, "payment", "{diagnosis:#?}");
    assert_eq!(diagnosis.causes[0].tag_value, "west");
}
