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
