use super::stage::Fact;
use crate::arena::NONE;
use crate::hash::Key;
use crate::tables::{NewOperation, NewPeer, Tables};

/// Spans whose names are looked up together. A table of many thousand names lies far from the
/// core, and a look-up by itself waits for it; these wait at the same time.
const TOGETHER: usize = 32;

/// Spans whose operations and edges are not known by their ids yet.
#[derive(Debug)]
pub(super) struct Unnamed<'a> {
    spans: Vec<Span<'a>>,
}

/// What names a span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'a> {
    /// Its number among the facts.
    pub(super) fact: u32,
    pub(super) service: u32,
    pub(super) operation: (Key, NewOperation<'a>),
    /// Whom it calls, if it calls.
    pub(super) peer: Option<(Key, NewPeer<'a>)>,
}

impl<'a> Unnamed<'a> {
    pub(super) fn new() -> Self {
        Self { spans: Vec::with_capacity(TOGETHER) }
    }

    /// Adds a span; whether it is time to name them.
    #[inline(always)]
    pub(super) fn push(&mut self, span: Span<'a>) -> bool {
        self.spans.push(span);
        self.spans.len() >= TOGETHER
    }

    pub(super) fn clear(&mut self) {
        self.spans.clear();
    }

    /// Writes the ids to the facts. What is met for the first time is added to the tables.
    pub(super) fn name(&mut self, facts: &mut [Fact], tables: &mut Tables) {
        let now = tables.generation;
        for span in &self.spans {
            let id = tables.operations.find(span.operation.0, now);
            facts[span.fact as usize].operation = id.unwrap_or(NONE);
        }
        for span in &self.spans {
            if let Some((key, _)) = span.peer {
                facts[span.fact as usize].edge = tables.edges.find(key, now).unwrap_or(NONE);
            }
        }
        for span in &self.spans {
            span.add(&mut facts[span.fact as usize], tables);
        }
        self.spans.clear();
    }
}

impl Span<'_> {
    /// Adds what was not found to the tables; another span may have done so since.
    #[inline(always)]
    fn add(&self, fact: &mut Fact, tables: &mut Tables) {
        if fact.operation == NONE {
            let (key, new) = &self.operation;
            let known = tables.operations.find(*key, tables.generation);
            let id = known.unwrap_or_else(|| tables.new_operation(*key, self.service, new));
            fact.operation = id;
        }
        if fact.edge == NONE
            && let Some((key, new)) = &self.peer
        {
            let known = tables.edges.find(*key, tables.generation);
            fact.edge = known.unwrap_or_else(|| tables.new_edge(*key, self.service, new));
        }
    }
}
