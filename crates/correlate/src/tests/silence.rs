//! Services that do not answer, and services that only seem so.

use model::{Cause, CauseKind, PeerKind, Signal};

use super::world::{Call, Work, World, ask, call, work};

/// frontend -> payment -> bank.
fn request(bank: Call, reach: impl Fn(Call) -> Call) -> Work {
    let payment = work("payment", 5, vec![bank]).named("Charge");
    work("frontend", 6, vec![reach(call(payment))]).named("POST /pay")
}

fn bank() -> Call {
    ask("api.bank.example:443", PeerKind::Http, "POST", 20)
}

fn causes_after(fault: impl Fn(u64) -> Work) -> Vec<Cause> {
    let mut world = World::new();
    world.run(120, |_| request(bank(), |call| call));
    world.run(30, fault);
    world.diagnose(&["frontend"]).causes
}

fn is_silent(cause: &Cause) -> bool {
    cause.evidence.iter().any(|evidence| evidence.signal == Signal::Silence)
}

#[test]
fn a_service_that_answers_that_it_cannot_is_not_silent() {
    // To its callers "unavailable" looks the same whether they reached it or not.
    let causes =
        causes_after(|_| request(bank().failing("503"), |call| call.failing("connection_refused")));
    assert_eq!(causes[0].tag_value, "api.bank.example:443", "{causes:#?}");
    assert!(!causes.iter().any(is_silent), "{causes:#?}");
}

#[test]
fn a_service_that_is_seen_on_fewer_of_the_calls_is_silent() {
    let causes =
        causes_after(|n| request(bank(), |call| if n % 4 == 0 { call } else { call.unanswered() }));
    assert_eq!((causes[0].kind, causes[0].service.as_str()), (CauseKind::Silence, "payment"));
    let silence = causes[0].evidence.iter().find(|e| e.signal == Signal::Silence);
    let observed = silence.expect("it is said").observed;
    assert!((0.2..0.3).contains(&observed), "{observed}");
}
