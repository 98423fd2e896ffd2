use model::{AutomaticSli, AutomaticSource, Count, Pane, Telemetry};

use super::reason::Reason;
use super::stage::{Bad, Fact, Marks, Run, Stage, StatusCode, Wanted};
use crate::arena::NONE;
use crate::hash::Seed;
use crate::recall::Compact;
use crate::series::Exemplar;
use crate::state::State;
use crate::tables::{Outcomes, Tables};

const SUBJECT: u64 = 31;
/// Status codes that are told apart without a look-up.
const STATUSES: usize = 4;

impl Stage {
    /// Counts everything that was kept back. The spans that follow are of the last run's resource.
    pub(super) fn settle(&mut self, bad: &[Bad<'_>], state: &mut State) {
        state.dropped.late += self.late;
        state.dropped.future += self.future;
        count_operations(&self.facts, &mut state.tables);
        count_edges(&self.facts, &mut state.tables);
        let ends = self.runs.iter().skip(1).map(|next| next.first).chain([self.facts.len()]);
        for (run, end) in self.runs.iter().zip(ends) {
            run.count(&self.facts[run.first..end], state);
        }
        for tagged in &self.tagged {
            let mut outcomes = Outcomes::default();
            add(&mut outcomes, tagged.marks);
            state.tables.count_tag(tagged.tag, outcomes);
        }
        state.recall.saw_spans(self.facts.len() as u64);
        for recorded in &self.records {
            let Fact { operation, edge, .. } = self.facts[recorded.fact as usize];
            let record = Compact { operation, edge, ..recorded.record };
            let sampled = state.recall.samples(recorded.trace_hash);
            if sampled || recorded.marks.is_bad() {
                state.recall.push(record, sampled);
            }
            if state.joined.samples(recorded.trace_hash) {
                state.joined.push(record);
            }
        }
        for bad in bad.iter().filter(|bad| bad.marks.has(Marks::SERVES) && bad.marks.is_bad()) {
            let operation = self.facts[bad.fact as usize].operation;
            keep_automatic_exemplars(bad, operation, state);
            note_subject(bad, &mut state.tables);
        }
        for &Wanted { series, bad: shown_by } in &self.wanted {
            if let Some(bad) = bad.get(shown_by as usize) {
                keep_declared_exemplar(series, bad, &self.facts, state);
            }
        }
        let last = self.runs.last().copied();
        self.clear();
        if let Some(Run { resource, service, .. }) = last {
            self.begin_run(resource, service);
        }
    }
}

// The two loops below hold nothing but what waits for memory, so that many spans wait together.

fn count_operations(facts: &[Fact], tables: &mut Tables) {
    for fact in facts {
        let operation = tables.operations.get_mut(fact.operation);
        add(&mut operation.outcomes, fact.marks);
        if fact.marks.has(Marks::ENTRY) {
            operation.entry_total += 1;
            operation.entry_bad += u32::from(fact.marks.is_bad());
        }
        tables.operation_latencies.add(fact.operation, &mut operation.latency, fact.bucket);
        if !operation.touched {
            operation.touched = true;
            tables.touched.operations.push(fact.operation);
        }
    }
}

fn count_edges(facts: &[Fact], tables: &mut Tables) {
    for fact in facts.iter().filter(|fact| fact.edge != NONE) {
        let edge = tables.edges.get_mut(fact.edge);
        edge.calls += 1;
        edge.errors += u32::from(fact.marks.has(Marks::ERROR));
        edge.throttled += u32::from(fact.marks.has(Marks::THROTTLED));
        edge.unanswered += u32::from(fact.marks.has(Marks::UNANSWERED));
        tables.edge_latencies.add(fact.edge, &mut edge.latency, fact.bucket);
        if !edge.touched {
            edge.touched = true;
            tables.touched.edges.push(fact.edge);
        }
    }
}

/// What the spans of one pane are to the automatic SLIs.
#[derive(Clone, Copy, Debug, Default)]
struct Served {
    total: u64,
    errors: Wrong,
    slow: Wrong,
}

/// Bad events, weighted and as they were seen.
#[derive(Clone, Copy, Debug, Default)]
struct Wrong {
    weighted: u64,
    observed: u64,
}

impl Served {
    #[inline(always)]
    fn add(&mut self, fact: &Fact) {
        self.total = self.total.saturating_add(fact.weight);
        self.errors.add(fact.marks.has(Marks::ERROR), fact.weight);
        self.slow.add(fact.marks.has(Marks::SLOW), fact.weight);
    }

    fn close(self, service: u32, pane: Pane, state: &mut State) {
        if self.total == 0 || state.automatic.is_none() {
            return;
        }
        let counts = [self.errors, self.slow].map(|wrong| wrong.of(self.total));
        for (series, count) in automatic_series(service, &mut state.tables).into_iter().zip(counts)
        {
            state.count(series, pane, count);
        }
    }
}

impl Wrong {
    #[inline(always)]
    fn add(&mut self, is_wrong: bool, weight: u64) {
        self.weighted = self.weighted.saturating_add(if is_wrong { weight } else { 0 });
        self.observed += u64::from(is_wrong);
    }

    fn of(self, total: u64) -> Count {
        let bad_signed = i64::try_from(self.weighted).unwrap_or(i64::MAX);
        Count { total, bad_signed, bad_observed: self.observed, uncertain: 0 }
    }
}

/// Spans that serve by their status code, added up before the tags are looked up.
#[derive(Debug)]
struct Statuses {
    service: u32,
    counted: [(StatusCode, Outcomes); STATUSES],
    next: usize,
}

impl Statuses {
    fn new(service: u32) -> Self {
        Self { service, counted: [(StatusCode::NONE, Outcomes::default()); STATUSES], next: 0 }
    }

    #[inline(always)]
    fn add(&mut self, fact: &Fact, tables: &mut Tables) {
        let code = fact.status;
        match self.counted.iter_mut().find(|(known, _)| *known == code) {
            Some((_, outcomes)) => add(outcomes, fact.marks),
            None => self.replace(code, fact.marks, tables),
        }
    }

    #[cold]
    fn replace(&mut self, code: StatusCode, marks: Marks, tables: &mut Tables) {
        let at = self.next % STATUSES;
        self.next += 1;
        let mut outcomes = Outcomes::default();
        add(&mut outcomes, marks);
        let (before, counted) = std::mem::replace(&mut self.counted[at], (code, outcomes));
        count_status(self.service, before, counted, tables);
    }

    fn close(self, tables: &mut Tables) {
        for (code, outcomes) in self.counted {
            count_status(self.service, code, outcomes, tables);
        }
    }
}

fn count_status(service: u32, code: StatusCode, outcomes: Outcomes, tables: &mut Tables) {
    if code != StatusCode::NONE && outcomes.total > 0 {
        let (key, value) = code.tag();
        let tag = tables.tag(service, key, value.to_string().as_bytes());
        tables.count_tag(tag, outcomes);
    }
}

impl Run {
    fn count(&self, facts: &[Fact], state: &mut State) {
        if !self.times.is_empty() {
            let service = state.tables.hear(self.service);
            service.times[Telemetry::Traces as usize].note_all(self.times);
        }
        if facts.is_empty() {
            return;
        }
        let spans = facts.len() as u64;
        state.counters.spans += spans;
        let service = state.tables.hear(self.service);
        service.spans += spans;
        let mut outcomes = Outcomes::default();
        let mut statuses = Statuses::new(self.service);
        let (mut pane, mut served) = (Pane(0), Served::default());
        for fact in facts.iter().filter(|fact| fact.marks.has(Marks::SERVES)) {
            if fact.pane != pane {
                std::mem::take(&mut served).close(self.service, pane, state);
                pane = fact.pane;
            }
            served.add(fact);
            add(&mut outcomes, fact.marks);
            statuses.add(fact, &mut state.tables);
        }
        served.close(self.service, pane, state);
        statuses.close(&mut state.tables);
        let resource = state.tables.resources.get_mut(self.resource);
        if outcomes.total > 0 && !resource.tags.is_empty() {
            resource.outcomes.add_all(outcomes);
            if !resource.touched {
                resource.touched = true;
                state.tables.touched.resources.push(self.resource);
            }
        }
    }
}

#[inline(always)]
fn add(outcomes: &mut Outcomes, marks: Marks) {
    outcomes.add(marks.has(Marks::ERROR), marks.has(Marks::SLOW));
}

fn automatic_series(service: u32, tables: &mut Tables) -> [u32; 2] {
    [AutomaticSli::Availability, AutomaticSli::Latency]
        .map(|sli| tables.automatic_series(service, sli, AutomaticSource::Spans))
}

/// Bad events that show why the automatic SLIs burn.
fn keep_automatic_exemplars(bad: &Bad<'_>, operation: u32, state: &mut State) {
    if state.automatic.is_none() {
        return;
    }
    let [availability, latency] = automatic_series(bad.service, &mut state.tables);
    if bad.marks.has(Marks::ERROR) {
        keep_exemplar(availability, bad, operation, bad.reason, state);
    }
    if bad.marks.has(Marks::SLOW) {
        keep_exemplar(latency, bad, operation, Reason::SLOW, state);
    }
}

fn keep_exemplar(
    series: u32,
    bad: &Bad<'_>,
    operation: u32,
    reason: Reason<'_>,
    state: &mut State,
) {
    let max = state.tables.limits.exemplars;
    let sampled = state.recall.samples(bad.trace_hash);
    let operation = state.tables.operations.get(operation).name.clone();
    if !state.tables.touch_series(series).wants(&operation, sampled, max) {
        return;
    }
    let reason = state.tables.text(&reason.text());
    let exemplar = Exemplar {
        at: bad.end,
        trace_id: bad.trace_id,
        span_id: bad.span_id,
        duration_ns: bad.duration_ns,
        operation,
        reason: state.tables.texts.get(reason).clone(),
        sampled,
    };
    state.tables.series.get_mut(series).keep(exemplar, max);
}

/// Who is hurt, where the span is one by which requests enter.
fn note_subject(bad: &Bad<'_>, tables: &mut Tables) {
    if bad.subject.is_empty() || !bad.marks.has(Marks::ENTRY) {
        return;
    }
    let max = tables.limits.subjects;
    let subject = Seed::COMMON.of(SUBJECT, bad.subject) as u64;
    let subjects = &mut tables.hear(bad.service).subjects;
    if subjects.len() < max && !subjects.contains(&subject) {
        subjects.push(subject);
    }
}

fn keep_declared_exemplar(series: u32, bad: &Bad<'_>, facts: &[Fact], state: &mut State) {
    let is_slow = !bad.marks.has(Marks::ERROR) && bad.marks.has(Marks::SLOW);
    let reason = if is_slow { Reason::SLOW } else { bad.reason };
    keep_exemplar(series, bad, facts[bad.fact as usize].operation, reason, state);
}
