use super::plan::{Step, joined};
use super::predicate::Predicate;
use super::{Plan, Program};

/// Where a program stands among those that differ from it in one bound alone, as SLOs over the
/// latency of the same events do: what a program passes, all laxer ones on its ladder pass.
///
/// Programs of one ladder lie together in this order, the strictest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rung {
    ladder: Ladder,
    laxness: i128,
}

/// What the programs of a ladder have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ladder {
    rest: Step,
    slot: u16,
    bounds: Bounds,
}

/// Bounds of different types are not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bounds {
    Integers { above: bool },
    Durations { above: bool },
}

impl Rung {
    /// Whether another program is on the same ladder.
    #[must_use]
    pub fn shares_ladder(&self, other: &Self) -> bool {
        self.ladder == other.ladder
    }
}

impl Program {
    /// Its place on a ladder, if one of the comparisons that all must hold is with a bound.
    #[must_use]
    pub fn rung(&self, plan: &Plan) -> Option<Rung> {
        let parts = self.step.parts();
        let mut bounds = parts.iter().enumerate().filter_map(|(at, part)| {
            let Step::Test(number) = part else { return None };
            let test = plan.tests.get(*number as usize)?;
            bound_of(&test.predicate).map(|bound| (at, test.slot, bound))
        });
        let (at, slot, (bounds, laxness)) = bounds.next()?;
        let (before, after) = (parts.get(..at)?, parts.get(at + 1..)?);
        let rest = joined([before, after].concat(), Step::And);
        Some(Rung { ladder: Ladder { rest, slot, bounds }, laxness })
    }
}

/// The kind of a bound, and how much it lets pass.
fn bound_of(predicate: &Predicate) -> Option<(Bounds, i128)> {
    let (order, bound) = match predicate {
        Predicate::Int(order, bound) => (order, i128::from(*bound)),
        Predicate::Duration(order, bound) => (order, i128::from(*bound)),
        _ => return None,
    };
    let above = order.is_above()?;
    // A bound that is let pass itself comes after the same one that is not.
    let bound = if above { -bound } else { bound };
    let laxness = 2 * bound + i128::from(order.holds_if_equal());
    let bounds = match predicate {
        Predicate::Int(..) => Bounds::Integers { above },
        _ => Bounds::Durations { above },
    };
    Some((bounds, laxness))
}

#[cfg(test)]
mod tests {
    use model::Telemetry;

    use super::*;
    use crate::filter::{Filter, Memo, SlotValue};

    #[test]
    fn what_a_program_passes_all_laxer_ones_on_its_ladder_pass() {
        let mut plan = Plan::new();
        let mut compile =
            |text| plan.compile(&Filter::parse(Telemetry::Traces, text).unwrap()).unwrap();
        let pairs = [
            ["{ span.a = 1 && duration < 2ns }", "{ duration <= 2ns && span.a = 1 }"],
            ["{ span.b > 2 }", "{ span.b >= 2 }"],
            ["{ span.b >= 3 }", "{ span.b > 2 }"],
            ["{ span.b < 2 }", "{ span.b < 3 }"],
        ];
        let pairs = pairs.map(|texts| texts.map(&mut compile));
        for (number, [strict, lax]) in pairs.iter().enumerate() {
            let [strict_rung, lax_rung] = [strict, lax].map(|program| program.rung(&plan).unwrap());
            assert!(strict_rung < lax_rung && strict_rung.shares_ladder(&lax_rung), "{number}");
            let mut passed = [0, 0];
            for value in [0.0, 1.0, 2.0, 2.5, 3.0, 4.0] {
                let slots =
                    [SlotValue::Int(1), SlotValue::Duration(value as u64), SlotValue::Float(value)];
                let mut memo = Memo::new(&plan);
                let passes = [strict, lax].map(|program| program.matches(&plan, &slots, &mut memo));
                assert!(passes[1] || !passes[0], "{number} {value}");
                for (passed, passes) in passed.iter_mut().zip(passes) {
                    *passed += u32::from(passes);
                }
            }
            assert!(passed[0] < passed[1], "{number}");
        }
    }

    #[test]
    fn programs_that_differ_in_more_than_a_bound_share_no_ladder() {
        let mut plan = Plan::new();
        let texts = [
            "{ duration < 2ns }",
            "{ duration > 2ns }",
            "{ span.b < 2 }",
            "{ span.c < 2 }",
            "{ span.b < 2 && span.a = 1 }",
            "{ span.b < 2 && span.a = 2 }",
        ];
        let rungs = texts.map(|text| {
            let filter = Filter::parse(Telemetry::Traces, text).unwrap();
            plan.compile(&filter).unwrap().rung(&plan).unwrap()
        });
        for (at, rung) in rungs.iter().enumerate() {
            assert!(rungs[..at].iter().all(|other| !rung.shares_ladder(other)));
        }
        let filter = Filter::parse(Telemetry::Traces, "{ span.b = 2 || duration < 2ns }").unwrap();
        assert_eq!(plan.compile(&filter).unwrap().rung(&plan), None);
    }
}
