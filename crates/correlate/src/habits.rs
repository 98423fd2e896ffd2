//! What operations usually do: which calls they make and what they end with, and what they log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{LogLine, SpanId, TraceId, TraceTree};

use crate::blame::served_child;
use crate::facts::capped;
use crate::names::{Names, ServiceId, WordId};
use crate::ring::{Ring, Tally, narrow};
use crate::series::Bucket;

/// How many operations, steps of them, and templates that they log are counted, each; further
/// ones are not.
const RUNS_MAX: usize = 10_000;
const STEPS_MAX: usize = 40_000;
const LINES_MAX: usize = 20_000;
/// How many traces an operation names as examples.
pub(crate) const EXAMPLES_MAX: usize = 3;
/// An example of another time gives way after this many buckets.
const EXAMPLE_FOR: u32 = 6;
/// Log records from this severity number (ERROR) on.
pub(crate) const ERROR_SEVERITY_MIN: u8 = 17;

/// An operation of a service.
pub(crate) type Doing = (ServiceId, WordId);

/// How often an operation ran.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Runs {
    pub(crate) total: u64,
    /// Those without a single step.
    pub(crate) bare: u64,
}

/// In how many runs of an operation another one began as a part of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Steps {
    pub(crate) runs: u64,
    /// Those in which no other part began after it.
    pub(crate) last: u64,
}

/// Log records of a template within an operation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lines {
    pub(crate) total: u64,
    /// Those of severity ERROR or above.
    pub(crate) errors: u64,
}

/// A trace in which an operation ran.
#[derive(Clone, Copy, Debug)]
struct Example {
    at: Bucket,
    took_ns: u64,
    trace_id: TraceId,
}

/// All that traces of the consistent sample show of what operations do. Ordered maps, since their
/// order reaches the output.
#[derive(Clone, Debug, Default)]
pub(crate) struct Habits {
    pub(crate) runs: BTreeMap<Doing, Ring<Runs>>,
    pub(crate) steps: BTreeMap<(Doing, Doing), Ring<Steps>>,
    pub(crate) lines: BTreeMap<(Doing, WordId), Ring<Lines>>,
    examples: BTreeMap<Doing, Vec<Example>>,
}

impl Habits {
    /// Counts what a trace did and logged.
    pub(crate) fn learn(
        &mut self,
        tree: &TraceTree,
        lines: &[LogLine],
        names: &mut Names,
        at: Bucket,
    ) {
        let doing: Vec<Option<Doing>> = tree
            .spans()
            .iter()
            .map(|span| names.find_service(&span.service).zip(names.find_word(&span.operation)))
            .collect();
        let doing_at = |index: usize| doing.get(index).copied().flatten();
        // A call is the step that it leads to: many calls share a name such as `GET`.
        let served = |index: usize| {
            let calls = tree.span(index).is_some_and(|span| span.kind.calls());
            calls.then(|| served_child(tree, index)).flatten()
        };
        let part_at = |index: usize| doing_at(served(index).unwrap_or(index));
        for (index, span) in tree.spans().iter().enumerate() {
            let Some(by) = doing_at(index).filter(|_| served(index).is_none()) else { continue };
            let parts: Vec<Doing> = tree.children(index).filter_map(part_at).collect();
            let bare = u64::from(parts.is_empty());
            if let Some(runs) = capped(&mut self.runs, by, RUNS_MAX) {
                runs.add(at, &Runs { total: 1, bare });
                let example = Example { at, took_ns: span.duration_ns, trace_id: tree.trace_id() };
                keep(self.examples.entry(by).or_default(), example);
            }
            let last = parts.last().copied();
            for part in parts.into_iter().collect::<BTreeSet<Doing>>() {
                if let Some(steps) = capped(&mut self.steps, (by, part), STEPS_MAX) {
                    steps.add(at, &Steps { runs: 1, last: u64::from(last == Some(part)) });
                }
            }
        }
        self.learn_lines(Some((tree, &doing)), lines, names, at);
    }

    /// Counts what was logged, by the operation whose span logged it; where the span is missing, by
    /// the service's part of the trace as a whole, which has an empty name.
    pub(crate) fn learn_lines(
        &mut self,
        traced: Option<(&TraceTree, &[Option<Doing>])>,
        lines: &[LogLine],
        names: &mut Names,
        at: Bucket,
    ) {
        if lines.is_empty() {
            return;
        }
        let mut spans: BTreeMap<SpanId, Doing> = BTreeMap::new();
        if let Some((tree, doing)) = traced {
            let known = tree.spans().iter().zip(doing);
            spans.extend(known.filter_map(|(span, doing)| Some((span.span_id, (*doing)?))));
        }
        let whole: Arc<str> = Arc::from("");
        let mut visits = BTreeSet::new();
        for line in lines {
            let by = spans.get(&line.span_id).copied().or_else(|| {
                let visit = names.find_service(&line.service).zip(names.word(&whole))?;
                let _ = visits.insert(visit);
                Some(visit)
            });
            let Some((by, word)) = by.zip(names.word(&line.template)) else { continue };
            if let Some(counted) = capped(&mut self.lines, (by, word), LINES_MAX) {
                let errors = u64::from(line.severity >= ERROR_SEVERITY_MIN);
                counted.add(at, &Lines { total: 1, errors });
            }
        }
        for visit in visits {
            if let Some(runs) = capped(&mut self.runs, visit, RUNS_MAX) {
                runs.add(at, &Runs { total: 1, bare: 0 });
                if let Some(line) = lines.first() {
                    let example = Example { at, took_ns: 0, trace_id: line.trace_id };
                    keep(self.examples.entry(visit).or_default(), example);
                }
            }
        }
    }

    /// Whether a service logged a template in traces of the sample.
    pub(crate) fn logs(&self, (service, template): Doing) -> bool {
        let of = |word| ((service, WordId(word)), WordId(word));
        self.lines.range(of(0)..=of(u32::MAX)).any(|((_, word), _)| *word == template)
    }

    /// Traces in which an operation ran in `from..until`, the longest first.
    pub(crate) fn examples(&self, of: Doing, from: Bucket, until: Bucket) -> Vec<TraceId> {
        let mut within: Vec<&Example> = self
            .examples
            .get(&of)
            .into_iter()
            .flatten()
            .filter(|example| (from..until).contains(&example.at))
            .collect();
        within.sort_by_key(|example| (std::cmp::Reverse(example.took_ns), example.trace_id));
        within.into_iter().map(|example| example.trace_id).collect()
    }

    /// The steps of an operation.
    pub(crate) fn steps_of(&self, of: Doing) -> impl Iterator<Item = (Doing, &Ring<Steps>)> {
        let first = (ServiceId(0), WordId(0));
        let last = (ServiceId(u32::MAX), WordId(u32::MAX));
        self.steps.range((of, first)..=(of, last)).map(|((_, step), ring)| (*step, ring))
    }

    /// Operations and templates in use.
    pub(crate) fn words(&self) -> impl Iterator<Item = WordId> {
        let of_runs = self.runs.keys().map(|(_, word)| *word);
        let of_lines = self.lines.keys().flat_map(|((_, word), template)| [*word, *template]);
        of_runs.chain(of_lines).chain(self.steps.keys().map(|(_, (_, word))| *word))
    }

    /// Drops what was silent since before a bucket.
    pub(crate) fn forget(&mut self, before: Bucket) {
        self.runs.retain(|_, ring| ring.end() > before);
        self.steps.retain(|_, ring| ring.end() > before);
        self.lines.retain(|_, ring| ring.end() > before);
        let runs = &self.runs;
        self.examples.retain(|doing, _| runs.contains_key(doing));
    }
}

/// Keeps the longest runs of the last minute.
fn keep(examples: &mut Vec<Example>, example: Example) {
    let horizon = example.at.less(EXAMPLE_FOR);
    if examples.len() < EXAMPLES_MAX {
        examples.push(example);
    } else if let Some(worst) = examples.iter_mut().min_by_key(|e| (e.at >= horizon, e.took_ns))
        && (worst.at < horizon || worst.took_ns < example.took_ns)
    {
        *worst = example;
    }
}

impl Tally for Runs {
    type Packed = [u32; 2];

    fn pack(&self) -> Self::Packed {
        [narrow(self.total), narrow(self.bare)]
    }

    fn unpack(packed: &Self::Packed) -> Self {
        let [total, bare] = packed.map(u64::from);
        Self { total, bare }
    }

    fn add(&mut self, other: &Self) {
        self.total = self.total.saturating_add(other.total);
        self.bare = self.bare.saturating_add(other.bare);
    }
}

impl Tally for Steps {
    type Packed = [u32; 2];

    fn pack(&self) -> Self::Packed {
        [narrow(self.runs), narrow(self.last)]
    }

    fn unpack(packed: &Self::Packed) -> Self {
        let [runs, last] = packed.map(u64::from);
        Self { runs, last }
    }

    fn add(&mut self, other: &Self) {
        self.runs = self.runs.saturating_add(other.runs);
        self.last = self.last.saturating_add(other.last);
    }
}

impl Tally for Lines {
    type Packed = [u32; 2];

    fn pack(&self) -> Self::Packed {
        [narrow(self.total), narrow(self.errors)]
    }

    fn unpack(packed: &Self::Packed) -> Self {
        let [total, errors] = packed.map(u64::from);
        Self { total, errors }
    }

    fn add(&mut self, other: &Self) {
        self.total = self.total.saturating_add(other.total);
        self.errors = self.errors.saturating_add(other.errors);
    }
}
