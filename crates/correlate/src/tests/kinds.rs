use model::{CauseKind, Signal};

use super::world::{Work, World, call, work};

fn cart(own_ms: u64) -> Work {
    work("cart", own_ms, Vec::new())
}

fn web(cart: Work) -> Work {
    work("web", 5, vec![call(cart)])
}

/// The kind of the first cause after a minute of the fault, with an alert of `web` and as `explain`
/// has it; both name `cart`.
fn kinds(fault: impl Fn(u64) -> Work) -> (CauseKind, CauseKind) {
    let mut world = World::new();
    world.run(121, |_| web(cart(4)));
    let since = world.now;
    world.bad.clear();
    world.run(60, fault);
    let (told, asked) = (world.diagnose(&["web"]).causes, world.explain(since));
    assert_eq!((&*told[0].service, &*asked[0].service), ("cart", "cart"), "{told:#?} {asked:#?}");
    (told[0].kind, asked[0].kind)
}

#[test]
fn errors_that_say_what_ran_out_are_of_that_kind() {
    for (message, kind) in [
        ("KeyError: currency", CauseKind::Code),
        ("write failed: No space left on device", CauseKind::Disk),
        ("java.lang.OutOfMemoryError: Java heap space", CauseKind::Memory),
        ("Too Many Requests", CauseKind::Quota),
    ] {
        let failing = |_| web(cart(4).failing("500").logging(message, 17));
        assert_eq!(kinds(failing), (kind, kind), "{message}");
    }
}

#[test]
fn who_turns_callers_away_after_it_has_thought_about_it_is_out_of_quota() {
    let refused = |n: u64| {
        let mut web = web(cart(40));
        if !n.is_multiple_of(5) {
            // An answer of 429 is an error of the caller's call alone.
            web.calls[0] = web.calls[0].clone().failing("429");
        }
        web
    };
    assert_eq!(kinds(refused), (CauseKind::Quota, CauseKind::Quota));
}

#[test]
fn a_bad_flag_is_configuration_and_a_bad_place_infrastructure() {
    let with_flag = |n: u64| {
        let variant = if n.is_multiple_of(3) { "on" } else { "off" };
        let cart = cart(4).tagged("feature_flag.result.variant", variant);
        web(if n.is_multiple_of(3) { cart.failing("500") } else { cart })
    };
    assert_eq!(kinds(with_flag).0, CauseKind::Config);
    let in_zones = |bad: fn(u64) -> bool| {
        move |n: u64| {
            let (zone, pod) = (["a", "a", "b", "c"][n as usize % 4], format!("cart-{}", n % 4));
            let cart = cart(4).tagged("cloud.availability_zone", zone).tagged("k8s.pod.name", pod);
            web(if bad(n % 4) { cart.failing("500") } else { cart })
        }
    };
    assert_eq!(kinds(in_zones(|pod| pod < 2)).0, CauseKind::Infrastructure);
    assert_eq!(kinds(in_zones(|pod| pod == 2)).0, CauseKind::Code, "one pod is no zone");
}

#[test]
fn a_few_failed_calls_do_not_hide_that_the_way_is_slow() {
    let delayed = |n: u64| {
        let mut web = web(cart(4));
        web.calls[0].gap_ms = 160;
        if n.is_multiple_of(40) {
            web.calls[0] = web.calls[0].clone().unanswered().or_without()
        }
        web
    };
    let mut world = World::new();
    world.run(121, |_| web(cart(4)));
    let since = world.now;
    world.run(60, delayed);
    let first = &world.explain(since)[0];
    assert_eq!((&*first.service, first.kind), ("cart", CauseKind::Network), "{first:#?}");
    assert_eq!(first.evidence[0].signal, Signal::CalleeGap);
}

#[test]
fn a_title_is_a_sentence_however_many_are_hurt() {
    let title_of = |names: &'static [&'static str]| {
        let mut world = World::new();
        let request = |n: u64, cart: Work| {
            work(names[n as usize % names.len()], 5, vec![call(cart)]).named("GET /")
        };
        world.run(121, |n| request(n, cart(4)));
        world.run(60, |n| request(n, cart(4).failing("500")));
        let title = world.diagnose(names).title;
        title.split_once(" for ").map_or(title.clone(), |(who, _)| who.to_owned())
    };
    assert_eq!(title_of(&["web"]), "web GET / fails");
    assert_eq!(title_of(&["web", "mail"]), "mail, web fail");
    assert_eq!(title_of(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more fail");
}
