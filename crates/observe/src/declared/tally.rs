use std::ops::Range;

use model::{Count, Pane, PaneCount};
use slo::filter::Memo;
use slo::panes::PaneCounts;

use super::{Event, Slots};
use crate::arena::NONE;
use crate::plan::{Judge, Ladder, Selected, SignalPlan, Sli, SliPlan, Total};
use crate::tables::Tables;

/// Counts under SLIs with groups that are kept back before the request has to be known as whole.
const GROUPED_MAX: usize = 1 << 16;

/// What the declared SLIs of all signals have counted since the last hand-over.
#[derive(Debug)]
pub(crate) struct Tallies {
    pub(crate) traces: Tally,
    pub(crate) logs: Tally,
    /// Points count in their series at once.
    pub(crate) metrics: Memo,
}

/// What the SLIs of spans or log records have counted since the last hand-over.
///
/// SLIs without groups that count the same events share one count of them, and those that judge
/// them alike share one count of the bad ones, so that a good event costs nothing but its
/// judgement; only the hand-over goes through all series. Nothing of a request counts before
/// [`Tally::settle`].
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) memo: Memo,
    /// By number of the total.
    totals: Vec<Counted>,
    /// The bad events among them, by number of the judge.
    judges: Vec<Bad>,
    /// Totals and judges that have counted something of the request at hand.
    fresh_totals: Vec<usize>,
    fresh_judges: Vec<usize>,
    /// What SLIs with groups have counted of it.
    grouped: Vec<Grouped>,
    /// Totals that have something to hand over.
    touched: Vec<usize>,
}

/// Counts of the request at hand, and of those before it since the last hand-over.
#[derive(Debug, Default)]
struct Counted {
    fresh: PaneCounts,
    settled: PaneCounts,
}

#[derive(Debug)]
struct Bad {
    counted: Counted,
    /// A series that wants exemplars as all series of the judge do; [`NONE`] until it is needed.
    series: u32,
}

#[derive(Clone, Copy, Debug)]
struct Grouped {
    series: u32,
    pane: Pane,
    count: Count,
}

impl Tallies {
    pub(crate) fn new(plan: &SliPlan) -> Self {
        Self {
            traces: Tally::new(&plan.traces),
            logs: Tally::new(&plan.logs),
            metrics: Memo::new(&plan.metrics.fields.filters),
        }
    }

    /// Adds everything to its series.
    pub(crate) fn hand_over(&mut self, plan: &SliPlan, tables: &mut Tables) {
        self.traces.hand_over(&plan.traces, tables);
        self.logs.hand_over(&plan.logs, tables);
    }
}

impl Tally {
    fn new(plan: &SignalPlan) -> Self {
        let bad = |_: &Judge| Bad { counted: Counted::default(), series: NONE };
        Self {
            memo: Memo::new(&plan.fields.filters),
            totals: plan.totals.iter().map(|_| Counted::default()).collect(),
            judges: plan.judges.iter().map(bad).collect(),
            fresh_totals: Vec::new(),
            fresh_judges: Vec::new(),
            grouped: Vec::new(),
            touched: Vec::new(),
        }
    }

    /// Shows the event at hand to the SLIs that it may concern, and leaves in `slots.wanting` which
    /// series want it as an exemplar.
    pub(crate) fn count(
        &mut self,
        plan: &SignalPlan,
        slots: &mut Slots<'_>,
        tables: &mut Tables,
        event: Event,
    ) {
        slots.wanting.clear();
        for at in 0..slots.find(&plan.fields, &mut self.memo) {
            let number = slots.found(at);
            let Some(total) = plan.totals.get(number) else { continue };
            if !slots.pass(&total.program, &plan.fields, &mut self.memo) {
                continue;
            }
            if !total.group_by.is_empty() {
                self.count_group(plan, total, slots, tables, event);
                continue;
            }
            if let Some(counted) = self.totals.get_mut(number)
                && counted.add(event.pane, Count::one_good(event.weight))
            {
                self.fresh_totals.push(number);
            }
            self.judge(plan, total, slots, tables, event);
        }
    }

    fn judge(
        &mut self,
        plan: &SignalPlan,
        total: &Total,
        slots: &mut Slots<'_>,
        tables: &mut Tables,
        event: Event,
    ) {
        for ladder in plan.ladders.get(total.ladders.clone()).unwrap_or_default() {
            for number in ladder.against(plan, slots, &mut self.memo) {
                let (Some(judge), Some(bad)) =
                    (plan.judges.get(number), self.judges.get_mut(number))
                else {
                    continue;
                };
                let count = Count { total: 0, ..Count::one_bad(event.weight) };
                if bad.counted.add(event.pane, count) {
                    self.fresh_judges.push(number);
                }
                if bad.series == NONE {
                    let first = plan.slis_of(judge).next();
                    bad.series = first.map_or(NONE, |sli| tables.ungrouped_series(sli));
                }
                if tables.series.get(bad.series).may_want(event.sampled) {
                    let series = plan.slis_of(judge).map(|sli| tables.ungrouped_series(sli));
                    slots.wanting.extend(series);
                }
            }
        }
    }

    fn count_group(
        &mut self,
        plan: &SignalPlan,
        total: &Total,
        slots: &mut Slots<'_>,
        tables: &mut Tables,
        event: Event,
    ) {
        let Event { pane, weight, sampled } = event;
        let group = tables.group(&total.group_by, slots);
        for ladder in plan.ladders.get(total.ladders.clone()).unwrap_or_default() {
            let against = ladder.against(plan, slots, &mut self.memo);
            let judges = plan.judges.get(ladder.judges.clone()).unwrap_or_default();
            for (judge, number) in judges.iter().zip(ladder.judges.clone()) {
                let good = !against.contains(&number);
                let count = if good { Count::one_good(weight) } else { Count::one_bad(weight) };
                for sli in plan.slis_of(judge) {
                    let series = tables.declared_series(sli, group, slots);
                    self.grouped.push(Grouped { series, pane, count });
                    if !good && tables.series.get(series).may_want(sampled) {
                        slots.wanting.push(series);
                    }
                }
            }
        }
    }

    /// Whether what was counted should be settled before more is.
    pub(crate) fn is_full(&self) -> bool {
        self.grouped.len() >= GROUPED_MAX
    }

    /// What was counted since the last time counts.
    pub(crate) fn settle(&mut self, tables: &mut Tables) {
        for number in self.fresh_totals.drain(..) {
            if let Some(counted) = self.totals.get_mut(number) {
                if counted.settled.is_empty() {
                    self.touched.push(number);
                }
                counted.fresh.move_to(&mut counted.settled);
            }
        }
        for number in self.fresh_judges.drain(..) {
            if let Some(Bad { counted, .. }) = self.judges.get_mut(number) {
                counted.fresh.move_to(&mut counted.settled);
            }
        }
        for Grouped { series, pane, count } in self.grouped.drain(..) {
            tables.touch_series(series).count(pane, count);
        }
    }

    /// What was counted since it was last settled does not count.
    pub(crate) fn forget(&mut self) {
        for number in self.fresh_totals.drain(..) {
            if let Some(counted) = self.totals.get_mut(number) {
                counted.fresh.clear();
            }
        }
        for number in self.fresh_judges.drain(..) {
            if let Some(bad) = self.judges.get_mut(number) {
                bad.counted.fresh.clear();
                bad.series = NONE;
            }
        }
        self.grouped.clear();
    }

    fn hand_over(&mut self, plan: &SignalPlan, tables: &mut Tables) {
        for number in self.touched.drain(..) {
            let (Some(total), Some(counted)) =
                (plan.totals.get(number), self.totals.get_mut(number))
            else {
                continue;
            };
            let panes = counted.settled.drain();
            let bad = self.judges.get_mut(total.judges.clone()).unwrap_or_default();
            let judges = plan.judges.get(total.judges.clone()).unwrap_or_default();
            for (judge, bad) in judges.iter().zip(bad) {
                // Ids may be lent anew after a hand-over.
                bad.series = NONE;
                let bad = bad.counted.settled.drain();
                for sli in plan.slis_of(judge) {
                    add_to_series(tables, sli, panes.iter().chain(&bad));
                }
            }
        }
    }
}

impl Counted {
    /// Adds to the counts of the request at hand; returns whether they were empty.
    #[inline]
    fn add(&mut self, pane: Pane, count: Count) -> bool {
        let is_first = self.fresh.is_empty();
        self.fresh.add(pane, count);
        is_first
    }
}

impl Ladder {
    /// The judges by which the event at hand is bad. Mostly it is good by all, which the strictest
    /// one says.
    #[inline]
    fn against(&self, plan: &SignalPlan, slots: &Slots<'_>, memo: &mut Memo) -> Range<usize> {
        let Range { start, end } = self.judges;
        let judges = plan.judges.get(start..end).unwrap_or_default();
        let mut selects = |judge: &Judge| slots.pass(&judge.numerator, &plan.fields, memo);
        match self.numerator_is {
            Selected::Good if judges.first().is_some_and(&mut selects) => start..start,
            Selected::Good => start..start + judges.partition_point(|judge| !selects(judge)),
            Selected::Bad if !judges.last().is_some_and(&mut selects) => end..end,
            Selected::Bad => start + judges.partition_point(|judge| !selects(judge))..end,
        }
    }
}

impl SignalPlan {
    fn slis_of(&self, judge: &Judge) -> impl Iterator<Item = &Sli> {
        judge.slis.iter().filter_map(|&sli| self.slis.get(sli as usize))
    }
}

fn add_to_series<'c>(tables: &mut Tables, sli: &Sli, panes: impl Iterator<Item = &'c PaneCount>) {
    let id = tables.ungrouped_series(sli);
    let series = tables.touch_series(id);
    panes.for_each(|counted| series.count(counted.pane, counted.count));
}
