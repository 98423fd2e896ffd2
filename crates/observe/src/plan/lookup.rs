use std::collections::{BTreeMap, BTreeSet};

use slo::filter::{Field, Intrinsic, Plan, Required, SlotValue};

use super::SlotId;
use crate::hash::Seed;
use crate::index::Index;

/// Finds the programs that an event may pass by the texts that they require of its fields, so that
/// a thousand SLOs of one service, each with a route of its own, cost one look-up.
///
/// A tree: a program lies where the look-up of its most telling text of each stage leads. Programs
/// that require nothing of a stage stay where they are.
#[derive(Clone, Debug)]
pub(crate) struct Lookup {
    nodes: Vec<Node>,
}

/// A place in a [`Lookup`].
#[derive(Clone, Debug, Default)]
struct Node {
    /// The text that led here.
    text: Box<[u8]>,
    /// Programs that require no more look-up.
    programs: Vec<u32>,
    branches: Vec<Branch>,
}

/// A field by whose value programs are looked up.
#[derive(Clone, Debug)]
struct Branch {
    stage: Stage,
    slot: SlotId,
    /// Nodes by the hashes of their texts.
    children: Index,
}

/// When a field's value is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Resource,
    Metric,
    Event,
}

/// A program to be found, by what it requires.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) number: u32,
    pub(super) required: Vec<Required>,
}

/// Says what texts are hashed for. The seed need not be secret: nobody but the SLOs adds texts.
const LOOKED_UP: u64 = 22;
const STAGES: [Stage; 3] = [Stage::Resource, Stage::Metric, Stage::Event];
/// The node that is always looked at.
pub(crate) const ROOT: u32 = 0;

impl Default for Lookup {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl Lookup {
    /// Also gives, for each entry, what an event that was led to it is known to fulfil.
    pub(super) fn new(entries: &[Entry], plan: &Plan) -> (Self, Vec<Vec<Required>>) {
        let mut lookup = Self::default();
        let choice = Choice::new(entries, plan);
        let all = (0..entries.len()).collect();
        lookup.place(ROOT, &STAGES, all, &choice);
        let looked_up = (0..entries.len())
            .map(|at| STAGES.iter().filter_map(|&stage| choice.of(at, stage).cloned()).collect());
        (lookup, looked_up.collect())
    }

    /// Programs that an event that was led to a node may pass.
    #[inline]
    pub(crate) fn programs(&self, node: u32) -> &[u32] {
        self.nodes.get(node as usize).map_or(&[], |node| &node.programs)
    }

    /// The nodes that the values known at a stage lead to.
    #[inline]
    pub(crate) fn lead<'i>(
        &'i self,
        node: u32,
        stage: Stage,
        values: &'i [SlotValue<'_>],
    ) -> impl Iterator<Item = u32> + 'i {
        let branches = self.nodes.get(node as usize).map_or(&[][..], |node| &node.branches);
        let branches = branches.iter().filter(move |branch| branch.stage == stage);
        branches.filter_map(|branch| match values.get(usize::from(branch.slot)) {
            Some(SlotValue::Str(text)) => self.child(branch, text),
            _ => None,
        })
    }

    #[inline]
    fn child(&self, branch: &Branch, text: &[u8]) -> Option<u32> {
        let node = branch.children.get(Seed::COMMON.of(LOOKED_UP, text))?;
        (*self.nodes.get(node as usize)?.text == *text).then_some(node)
    }

    /// Whether there is anything to find at a node from a stage on.
    pub(crate) fn leads_from(&self, node: u32, stage: Stage) -> bool {
        self.nodes.get(node as usize).is_some_and(|node| {
            !node.programs.is_empty() || node.branches.iter().any(|branch| branch.stage >= stage)
        })
    }

    fn place(&mut self, node: u32, stages: &[Stage], here: Vec<usize>, choice: &Choice<'_>) {
        let Some((&stage, stages)) = stages.split_first() else {
            let numbers = here.iter().map(|&at| choice.entries[at].number);
            self.nodes[node as usize].programs.extend(numbers);
            return;
        };
        let mut apart: BTreeMap<SlotId, BTreeMap<&[u8], Vec<usize>>> = BTreeMap::new();
        let mut rest = Vec::new();
        for at in here {
            let Some(required) = choice.of(at, stage) else {
                rest.push(at);
                continue;
            };
            for text in &required.texts {
                apart.entry(required.slot).or_default().entry(text).or_default().push(at);
            }
        }
        self.place(node, stages, rest, choice);
        for (slot, texts) in apart {
            let mut children = Index::default();
            for (text, entries) in texts {
                let child = self.nodes.len() as u32;
                self.nodes.push(Node { text: text.into(), ..Node::default() });
                children.insert(Seed::COMMON.of(LOOKED_UP, text), child);
                self.place(child, stages, entries, choice);
            }
            self.nodes[node as usize].branches.push(Branch { stage, slot, children });
        }
    }
}

/// By which of the texts that an entry requires it is looked up: in each stage by the field that
/// tells most entries apart. It is the same wherever in the tree the entry lies.
struct Choice<'e> {
    entries: &'e [Entry],
    fields: &'e [Field],
    /// How many texts each field tells apart.
    variety: BTreeMap<SlotId, usize>,
}

impl<'e> Choice<'e> {
    fn new(entries: &'e [Entry], plan: &'e Plan) -> Self {
        let mut texts: BTreeMap<SlotId, BTreeSet<&[u8]>> = BTreeMap::new();
        for required in entries.iter().flat_map(|entry| &entry.required) {
            texts.entry(required.slot).or_default().extend(required.texts.iter().map(|t| &**t));
        }
        let variety = texts.into_iter().map(|(slot, texts)| (slot, texts.len())).collect();
        Self { entries, fields: plan.fields(), variety }
    }

    fn of(&self, at: usize, stage: Stage) -> Option<&'e Required> {
        let is_known = |required: &&Required| {
            let field = self.fields.get(usize::from(required.slot));
            field.is_some_and(|field| Stage::of(field) == stage)
        };
        let entry = self.entries.get(at)?;
        entry.required.iter().filter(is_known).max_by_key(|required| self.variety[&required.slot])
    }
}

impl Stage {
    const fn of(field: &Field) -> Self {
        match field {
            Field::Resource(_) => Self::Resource,
            Field::Intrinsic(Intrinsic::MetricName) => Self::Metric,
            Field::Scope(_) | Field::Item(_) | Field::Intrinsic(_) => Self::Event,
        }
    }
}
