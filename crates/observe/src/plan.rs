mod lookup;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use model::Telemetry;
use otlp::key_length_bit;
use slo::filter::{
    Field, Filter, Intrinsic, Plan, Program, Rung, TooManyFields, ValueBound, ValueSplit,
};
use slo::openslo::{Indicator, Numerator, RawType, Selector, SloDefinition};

pub(crate) use lookup::{Lookup, ROOT, Stage};

use crate::keys::Keys;
use lookup::Entry;

/// Where a field's value is put.
pub(crate) type SlotId = u16;

/// All declared SLIs, compiled to be run on events as they pass: per signal, the fields that are
/// read once per event and the programs over them.
#[derive(Clone, Debug, Default)]
pub struct SliPlan {
    pub(crate) traces: SignalPlan,
    pub(crate) metrics: MetricPlan,
    pub(crate) logs: SignalPlan,
}

/// The fields that the SLIs of one signal look at.
#[derive(Clone, Debug, Default)]
pub(crate) struct FieldPlan {
    pub(crate) filters: Plan,
    pub(crate) slots: usize,
    pub(crate) resource: Vec<(Box<[u8]>, SlotId)>,
    pub(crate) scope: Vec<(Box<[u8]>, SlotId)>,
    pub(crate) intrinsics: Vec<(Intrinsic, SlotId)>,
    /// Attributes of the event, in order of their keys' lengths.
    items: Vec<(Box<[u8]>, SlotId)>,
    pub(crate) key_lengths: u64,
    /// Where programs are looked up, by the texts that they require.
    pub(crate) lookup: Lookup,
}

/// The SLIs of spans or log records.
///
/// SLIs with the same selector of all events share a [`Total`], and those among them that select
/// the same events of it share a [`Judge`]: an event is shown to each once. Judges that differ in
/// how strict they are alone stand on a [`Ladder`], and only some of them have to be asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct SignalPlan {
    pub(crate) fields: FieldPlan,
    pub(crate) slis: Vec<Sli>,
    pub(crate) totals: Vec<Total>,
    pub(crate) ladders: Vec<Ladder>,
    pub(crate) judges: Vec<Judge>,
}

/// What a series is made of, beside the values of its group.
#[derive(Clone, Debug)]
pub(crate) struct Sli {
    pub(crate) slo: Arc<str>,
    pub(crate) group_by: Vec<SlotId>,
}

/// Events that count.
#[derive(Clone, Debug)]
pub(crate) struct Total {
    /// Which events, given that they were looked up.
    pub(crate) program: Program,
    pub(crate) group_by: Vec<SlotId>,
    pub(crate) ladders: Range<usize>,
    pub(crate) judges: Range<usize>,
}

/// Judges each of which selects what the one before it does, and maybe more.
#[derive(Clone, Debug)]
pub(crate) struct Ladder {
    pub(crate) numerator_is: Selected,
    pub(crate) judges: Range<usize>,
}

/// Which of the events that count are good, and for which SLIs.
#[derive(Clone, Debug)]
pub(crate) struct Judge {
    pub(crate) numerator: Program,
    pub(crate) slis: Vec<u32>,
}

/// The SLIs of metric points.
#[derive(Clone, Debug, Default)]
pub(crate) struct MetricPlan {
    pub(crate) fields: FieldPlan,
    pub(crate) slis: Vec<MetricSli>,
}

/// One declared SLI of metric points.
#[derive(Clone, Debug)]
pub(crate) struct MetricSli {
    pub(crate) sli: Sli,
    pub(crate) total: Side,
    pub(crate) numerator: Side,
    pub(crate) numerator_is: Selected,
    /// Whether the numerator comes as other metrics than the total.
    pub(crate) is_separate: bool,
    /// Whether points are ratios themselves, of what the numerator says.
    pub(crate) is_raw: bool,
}

/// What the numerator selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Selected {
    Good,
    Bad,
}

/// One selector of an SLI of metric points.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    /// The whole filter.
    pub(crate) program: Program,
    /// Without its comparison of `value`: for histograms.
    pub(crate) points: Program,
    pub(crate) bound: Option<ValueBound>,
    /// Whether histograms can be asked.
    pub(crate) can_split: bool,
}

impl SliPlan {
    /// Compiles the indicators of some SLOs.
    ///
    /// # Errors
    /// If they look at more distinct fields than a plan can hold.
    pub fn compile(definitions: &[SloDefinition]) -> Result<Self, TooManyFields> {
        Ok(Self {
            traces: SignalPlan::compile(definitions, Telemetry::Traces)?,
            metrics: MetricPlan::compile(definitions)?,
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

impl FieldPlan {
    fn new(filters: Plan, lookup: Lookup) -> Self {
        let mut compiled = Self { slots: filters.fields().len(), lookup, ..Self::default() };
        for (slot, field) in filters.fields().iter().enumerate() {
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
        compiled.filters = filters;
        compiled
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

/// The judges of one total, before they are numbered.
type Judges = BTreeMap<(Program, Selected), Vec<u32>>;

impl SignalPlan {
    fn compile(definitions: &[SloDefinition], signal: Telemetry) -> Result<Self, TooManyFields> {
        let mut filters = Plan::new();
        let mut slis = Vec::new();
        let mut totals: BTreeMap<(Program, Vec<SlotId>), Judges> = BTreeMap::new();
        for (name, numerator, total) in of_signal(definitions, signal) {
            let sli = Sli::compile(name, total, &mut filters)?;
            let program = filters.compile(&total.filter)?;
            let selected = filters.compile(&numerator.selector().filter)?;
            let judges = totals.entry((program, sli.group_by.clone())).or_default();
            judges.entry((selected, selects(numerator))).or_default().push(slis.len() as u32);
            slis.push(sli);
        }
        let entries = totals
            .keys()
            .zip(0..)
            .map(|((program, _), number)| Entry { number, required: program.required(&filters) });
        let entries: Vec<_> = entries.collect();
        let (lookup, looked_up) = Lookup::new(&entries, &filters);
        let mut plan = Self { slis, ..Self::default() };
        for (((program, group_by), judges), looked_up) in totals.into_iter().zip(looked_up) {
            let given = |program: Program, known| program.given(known, &filters);
            let (first_ladder, first_judge) = (plan.ladders.len(), plan.judges.len());
            plan.place(judges, &filters);
            plan.totals.push(Total {
                program: looked_up.iter().fold(program, given),
                group_by,
                ladders: first_ladder..plan.ladders.len(),
                judges: first_judge..plan.judges.len(),
            });
        }
        plan.fields = FieldPlan::new(filters, lookup);
        Ok(plan)
    }

    /// Adds the judges of one total, those of one ladder together.
    fn place(&mut self, judges: Judges, filters: &Plan) {
        let with_rung = |((numerator, numerator_is), slis): ((Program, Selected), Vec<u32>)| {
            (numerator_is, numerator.rung(filters), Judge { numerator, slis })
        };
        let mut judges: Vec<_> = judges.into_iter().map(with_rung).collect();
        judges.sort_by(|(a_is, a, _), (b_is, b, _)| (a_is, a).cmp(&(b_is, b)));
        let mut before: Option<(Selected, Rung)> = None;
        for (numerator_is, rung, judge) in judges {
            let at = self.judges.len();
            let goes_on = before.as_ref().zip(rung.as_ref()).is_some_and(|(before, rung)| {
                before.0 == numerator_is && before.1.shares_ladder(rung)
            });
            match self.ladders.last_mut() {
                Some(ladder) if goes_on => ladder.judges.end = at + 1,
                _ => self.ladders.push(Ladder { numerator_is, judges: at..at + 1 }),
            }
            before = rung.map(|rung| (numerator_is, rung));
            self.judges.push(judge);
        }
    }
}

impl MetricPlan {
    fn compile(definitions: &[SloDefinition]) -> Result<Self, TooManyFields> {
        let mut filters = Plan::new();
        let mut slis = Vec::new();
        let mut entries = Vec::new();
        let name = Field::Intrinsic(Intrinsic::MetricName);
        for definition in definitions {
            let (total, numerator, numerator_is) = match &definition.indicator {
                Indicator::Ratio { numerator, total } => {
                    (total, numerator.selector(), selects(numerator))
                }
                Indicator::Raw { raw_type: RawType::Success, selector } => {
                    (selector, selector, Selected::Good)
                }
                Indicator::Raw { raw_type: RawType::Failure, selector } => {
                    (selector, selector, Selected::Bad)
                }
                // Its parts count for it.
                Indicator::Composite(_) => continue,
            };
            if total.signal != Telemetry::Metrics {
                continue;
            }
            let sli = MetricSli {
                sli: Sli::compile(&definition.name, total, &mut filters)?,
                total: Side::compile(&total.filter, &mut filters)?,
                numerator: Side::compile(&numerator.filter, &mut filters)?,
                numerator_is,
                is_separate: false,
                is_raw: matches!(definition.indicator, Indicator::Raw { .. }),
            };
            let name = filters.slot(&name)?;
            let of_sides = [&sli.total, &sli.numerator].map(|side| side.program.required(&filters));
            let names = of_sides.each_ref().map(|required| {
                required.iter().find(|r| r.slot == name).map(|required| &required.texts)
            });
            let is_separate =
                matches!(names, [Some(a), Some(b)] if a.iter().all(|text| !b.contains(text)));
            // A numerator alone counts only where it comes as another metric than the total.
            let sides = if is_separate { 2 } else { 1 };
            let number = slis.len() as u32;
            let sides = of_sides.into_iter().take(sides);
            entries.extend(sides.map(|required| Entry { number, required }));
            slis.push(MetricSli { is_separate, ..sli });
        }
        let (lookup, _) = Lookup::new(&entries, &filters);
        Ok(Self { fields: FieldPlan::new(filters, lookup), slis })
    }
}

impl Sli {
    fn compile(name: &str, total: &Selector, filters: &mut Plan) -> Result<Self, TooManyFields> {
        let group_by: Result<_, _> =
            total.group_by.iter().map(|field| filters.slot(field)).collect();
        Ok(Self { slo: Arc::from(name), group_by: group_by? })
    }
}

impl MetricSli {
    /// Whether it looks at the value of a point, rather than counts by it.
    pub(crate) fn asks_for_value(&self) -> bool {
        let asks = |side: &Side| side.bound.is_some() || !side.can_split;
        self.is_raw || asks(&self.total) || asks(&self.numerator)
    }
}

impl Side {
    fn compile(filter: &Filter, filters: &mut Plan) -> Result<Self, TooManyFields> {
        let program = filters.compile(filter)?;
        let (points, bound, can_split) = match filter.split_value_bound() {
            ValueSplit::All => (program.clone(), None, true),
            ValueSplit::Bound { points, bound } => (filters.compile(&points)?, Some(bound), true),
            ValueSplit::Unsplittable { .. } => (program.clone(), None, false),
        };
        Ok(Self { program, points, bound, can_split })
    }
}

fn selects(numerator: &Numerator) -> Selected {
    match numerator {
        Numerator::Good(_) => Selected::Good,
        Numerator::Bad(_) => Selected::Bad,
    }
}

/// Name, numerator and total of the SLIs that count events of a signal.
fn of_signal(
    definitions: &[SloDefinition],
    signal: Telemetry,
) -> impl Iterator<Item = (&str, &Numerator, &Selector)> {
    definitions.iter().filter_map(move |definition| match &definition.indicator {
        Indicator::Ratio { numerator, total } => {
            (total.signal == signal).then_some((&*definition.name, numerator, total))
        }
        Indicator::Raw { .. } | Indicator::Composite(_) => None,
    })
}
