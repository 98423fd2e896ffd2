use std::sync::Arc;

use model::Telemetry;
use otlp::key_length_bit;
use slo::filter::{
    Comparison, Expr, Field, Filter, Intrinsic, Literal, Op, Plan, Program, TooManyFields,
    ValueBound, ValueSplit,
};
use slo::openslo::{Indicator, Numerator, Selector, SloDefinition};

use crate::keys::Keys;

/// Where a field's value is put.
pub(crate) type SlotId = u16;

/// All declared SLIs, compiled to be run on events as they pass: per signal, the fields that are
/// read once per event and the programs over them.
#[derive(Clone, Debug, Default)]
pub struct SliPlan {
    pub(crate) traces: SignalPlan,
    pub(crate) metrics: SignalPlan,
    pub(crate) logs: SignalPlan,
}

/// The SLIs of one signal.
#[derive(Clone, Debug, Default)]
pub(crate) struct SignalPlan {
    pub(crate) slis: Vec<Sli>,
    pub(crate) slots: usize,
    pub(crate) resource: Vec<(Box<[u8]>, SlotId)>,
    pub(crate) scope: Vec<(Box<[u8]>, SlotId)>,
    pub(crate) intrinsics: Vec<(Intrinsic, SlotId)>,
    /// Attributes of the event, in order of their keys' lengths.
    items: Vec<(Box<[u8]>, SlotId)>,
    pub(crate) key_lengths: u64,
}

/// One declared SLI.
#[derive(Clone, Debug)]
pub(crate) struct Sli {
    pub(crate) slo: Arc<str>,
    pub(crate) total: Side,
    pub(crate) numerator: Side,
    pub(crate) numerator_is: Selected,
    /// Whether the numerator comes as other metrics than the total.
    pub(crate) is_separate: bool,
    pub(crate) group_by: Vec<SlotId>,
}

/// What the numerator selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selected {
    Good,
    Bad,
}

/// One selector of an SLI.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    /// The whole filter.
    pub(crate) program: Program,
    /// Without its comparison of `value`: for histograms.
    pub(crate) points: Program,
    pub(crate) bound: Option<ValueBound>,
    /// Whether histograms can be asked.
    pub(crate) can_split: bool,
    /// Texts that fields of the resource must equal for any event to pass.
    resource_guards: Vec<(SlotId, Box<[u8]>)>,
    /// The only metric name that passes, if there is one.
    metric_name: Option<Box<[u8]>>,
}

impl SliPlan {
    /// Compiles the indicators of some SLOs.
    ///
    /// # Errors
    /// If they look at more distinct fields than a plan can hold.
    pub fn compile(definitions: &[SloDefinition]) -> Result<Self, TooManyFields> {
        Ok(Self {
            traces: SignalPlan::compile(definitions, Telemetry::Traces)?,
            metrics: SignalPlan::compile(definitions, Telemetry::Metrics)?,
            logs: SignalPlan::compile(definitions, Telemetry::Logs)?,
        })
    }

    /// How many SLIs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.traces.slis.len() + self.metrics.slis.len() + self.logs.slis.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl SignalPlan {
    fn compile(definitions: &[SloDefinition], signal: Telemetry) -> Result<Self, TooManyFields> {
        let mut plan = Plan::new();
        let mut slis = Vec::new();
        for definition in definitions {
            let Indicator::Ratio { numerator, total } = &definition.indicator;
            if total.signal == signal {
                slis.push(Sli::compile(&definition.name, numerator, total, &mut plan)?);
            }
        }
        let mut compiled = Self { slis, slots: plan.fields().len(), ..Self::default() };
        for (slot, field) in plan.fields().iter().enumerate() {
            let slot = slot as SlotId;
            let entry = |key: &String| (key.as_bytes().into(), slot);
            match field {
                Field::Resource(key) => compiled.resource.push(entry(key)),
                Field::Scope(key) => compiled.scope.push(entry(key)),
                Field::Item(key) => compiled.items.push(entry(key)),
                Field::Intrinsic(intrinsic) => compiled.intrinsics.push((*intrinsic, slot)),
            }
        }
        compiled.items.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
        compiled.key_lengths =
            compiled.items.iter().fold(0, |mask, (key, _)| mask | key_length_bit(key.len()));
        Ok(compiled)
    }

    /// The keys of the attributes of the event that are looked at.
    pub(crate) fn keys(&self) -> Keys {
        self.items.iter().fold(Keys::NONE, |keys, (key, _)| keys.with(key))
    }

    /// The slot of an attribute of the event.
    #[inline]
    pub(crate) fn item(&self, key: &[u8]) -> Option<SlotId> {
        if self.key_lengths & key_length_bit(key.len()) == 0 {
            return None;
        }
        let found = self
            .items
            .binary_search_by(|(known, _)| (known.len(), known.as_ref()).cmp(&(key.len(), key)));
        found.ok().map(|at| self.items[at].1)
    }
}

impl Sli {
    fn compile(
        name: &str,
        numerator: &Numerator,
        total: &Selector,
        plan: &mut Plan,
    ) -> Result<Self, TooManyFields> {
        let numerator_is = match numerator {
            Numerator::Good(_) => Selected::Good,
            Numerator::Bad(_) => Selected::Bad,
        };
        let total_side = Side::compile(&total.filter, plan)?;
        let numerator = Side::compile(&numerator.selector().filter, plan)?;
        let group_by: Result<_, _> = total.group_by.iter().map(|field| plan.slot(field)).collect();
        let is_separate = match (&total_side.metric_name, &numerator.metric_name) {
            (Some(total), Some(numerator)) => total != numerator,
            _ => false,
        };
        Ok(Self {
            slo: Arc::from(name),
            total: total_side,
            numerator,
            numerator_is,
            is_separate,
            group_by: group_by?,
        })
    }
}

impl Side {
    fn compile(filter: &Filter, plan: &mut Plan) -> Result<Self, TooManyFields> {
        let program = plan.compile(filter)?;
        let (points, bound, can_split) = match filter.split_value_bound() {
            ValueSplit::All => (program.clone(), None, true),
            ValueSplit::Bound { points, bound } => (plan.compile(&points)?, Some(bound), true),
            ValueSplit::Unsplittable { .. } => (program.clone(), None, false),
        };
        let mut side = Self {
            program,
            points,
            bound,
            can_split,
            resource_guards: Vec::new(),
            metric_name: None,
        };
        for comparison in conjuncts(filter.expr()) {
            let Comparison { field, op: Op::Equal, literal: Literal::Str(text), .. } = comparison
            else {
                continue;
            };
            match field {
                Field::Resource(_) => {
                    let slot = plan.slot(field)?;
                    side.resource_guards.push((slot, text.as_bytes().into()));
                }
                Field::Intrinsic(Intrinsic::MetricName) => {
                    side.metric_name = Some(text.as_bytes().into());
                }
                _ => {}
            }
        }
        Ok(side)
    }

    /// Whether anything of a resource may pass, by what the resource alone tells.
    pub(crate) fn may_pass(&self, slots: &[slo::filter::SlotValue<'_>]) -> bool {
        self.resource_guards.iter().all(|(slot, text)| {
            matches!(slots.get(usize::from(*slot)),
                Some(slo::filter::SlotValue::Str(value)) if *value == &**text)
        })
    }

    /// Whether any point of a metric may pass.
    pub(crate) fn may_pass_metric(&self, name: &[u8]) -> bool {
        self.metric_name.as_ref().is_none_or(|only| **only == *name)
    }
}

/// The comparisons that all must hold.
fn conjuncts(expr: &Expr) -> impl Iterator<Item = &Comparison> {
    let parts = match expr {
        Expr::And(parts) => parts.as_slice(),
        other => std::slice::from_ref(other),
    };
    parts.iter().filter_map(|part| match part {
        Expr::Compare(comparison) => Some(comparison),
        _ => None,
    })
}
