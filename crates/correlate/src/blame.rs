//! Reading a bad trace: down from the request to the deepest error, or to where the time went.

use model::{SpanKind, SpanRecord, TraceTree};

use crate::facts::Facts;
use crate::names::{Names, ServiceId};
use crate::own_time::own_ns;
use crate::series::{Bucket, Norm, TimeSeries};
use crate::votes::{Blame, Mode, Suspect};

/// A request is slow when it takes this many times what is normal, and that is no small thing.
const SLOW_RATIO: f64 = 3.0;
/// Spreads above the median beyond which a request is slow, or a part of it late.
const SLOW_SPREADS: f64 = 5.0;
/// Excess below this share of the request's time explains nothing.
const EXCESS_MIN: f64 = 0.1;
/// Smaller parts of a trace's word are dropped.
const MASS_MIN: f64 = 0.1;
/// Weight of an error that its caller survived.
const HANDLED: f64 = 0.5;
/// Share of a failed call's time from which on the callee is where to look.
const WAITED: f64 = 0.5;
/// How deep errors are followed; deeper ones are blamed where it ends.
const DEPTH_MAX: usize = 128;
/// How many spans of a request are weighed.
const SPANS_MAX: usize = 5_000;

/// Reads traces by what is known so far.
pub(crate) struct Reader<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) names: &'a Names,
    /// What is normal is what was so before this bucket.
    pub(crate) normal_before: Bucket,
    /// Any request that takes longer is slow.
    pub(crate) slow_ms: f64,
}

/// How one request of a trace went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Failed,
    Slow,
}

/// What a span's own time is compared with.
struct Part {
    span: usize,
    suspect: Suspect,
    mode: Mode,
    excess_ms: f64,
}

impl Reader<'_> {
    /// What the trace says; empty if it is good.
    pub(crate) fn read(&self, tree: &TraceTree) -> Vec<Blame> {
        let mut blames = Vec::new();
        let requests = requests(tree);
        for root in &requests {
            match self.verdict(tree, *root) {
                Verdict::Good => {}
                Verdict::Failed => self.follow_error(tree, *root, *root, 1.0, &mut blames),
                Verdict::Slow => self.follow_time(tree, *root, *root, 1.0, &mut blames),
            }
        }
        for span in 0..tree.spans().len().min(SPANS_MAX) {
            let handled = is_error(tree, span)
                && !requests.contains(&span)
                && tree.parent(span).is_none_or(|parent| !is_error(tree, parent));
            if handled && !is_refusal(tree, span) {
                self.follow_error(tree, span, span, HANDLED, &mut blames);
            }
        }
        blames
    }

    fn verdict(&self, tree: &TraceTree, root: usize) -> Verdict {
        let Some(span) = tree.span(root) else { return Verdict::Good };
        if span.error {
            return Verdict::Failed;
        }
        let took_ms = ms(span.duration_ns);
        let before = self.normal_before;
        let key = self.names.find_service(&span.service).zip(self.names.find_word(&span.operation));
        let norm = key
            .and_then(|key| self.facts.whole.get(&key))
            .and_then(|series| series.cached_norm(before));
        let far = norm.is_some_and(|norm| {
            took_ms > norm.median_ms * SLOW_RATIO
                && took_ms > norm.median_ms + SLOW_SPREADS * norm.spread_ms
        });
        if took_ms > self.slow_ms || far { Verdict::Slow } else { Verdict::Good }
    }

    /// Down through children in error; where there is none, someone is to blame.
    fn follow_error(
        &self,
        tree: &TraceTree,
        top: usize,
        from: usize,
        mass: f64,
        blames: &mut Vec<Blame>,
    ) {
        let mut open = vec![(from, mass, 0)];
        while let Some((span, mass, depth)) = open.pop() {
            let failed: Vec<usize> =
                tree.children(span).filter(|child| is_cause(tree, *child)).collect();
            if failed.is_empty() || depth >= DEPTH_MAX || mass < MASS_MIN * MASS_MIN {
                self.blame_error(tree, top, span, mass, blames);
            } else {
                let part = mass / failed.len() as f64;
                open.extend(failed.into_iter().map(|child| (child, part, depth + 1)));
            }
        }
    }

    fn blame_error(
        &self,
        tree: &TraceTree,
        top: usize,
        deepest: usize,
        mass: f64,
        blames: &mut Vec<Blame>,
    ) {
        let Some(span) = tree.span(deepest) else { return };
        let Some(by) = self.names.find_service(&span.service) else { return };
        let (mut suspect, mut mode) = (Suspect::Service(by), Mode::Error);
        // Who turns a caller away has answered in full, however long that took.
        let is_throttled = span.kind.calls() && is_throttled(&span.message);
        if span.kind.calls() {
            if let Some(callee) = served_child(tree, deepest) {
                let waited = tree.span(callee).map_or(0.0, |child| {
                    child.duration_ns as f64 / (span.duration_ns.max(1)) as f64
                });
                if waited >= WAITED && !is_throttled && !is_refusal(tree, deepest) {
                    return self.follow_time(tree, top, callee, mass, blames);
                }
                // The callee says that it answered well: what was lost was lost between them.
                if let Some(id) =
                    tree.span(callee).and_then(|c| self.names.find_service(&c.service))
                    && !is_refusal(tree, deepest)
                {
                    (suspect, mode) = (Suspect::Service(id), Mode::Gap);
                }
            } else if let Some((behind, known)) = self.peer_of(span) {
                suspect = behind;
                mode = if known { Mode::Unanswered } else { Mode::Error };
            }
        }
        if is_throttled {
            mode = Mode::Throttled;
        }
        blames.extend(self.blame(tree, top, deepest, suspect, mode, mass));
    }

    /// Where the time went below a span, compared with what is normal for each part.
    fn follow_time(
        &self,
        tree: &TraceTree,
        top: usize,
        from: usize,
        mass: f64,
        blames: &mut Vec<Blame>,
    ) {
        let mut parts = Vec::new();
        for span in tree.awaited_below(from).into_iter().take(SPANS_MAX) {
            parts.extend(self.part(tree, span));
        }
        let total: f64 = parts.iter().map(|part| part.excess_ms).sum();
        let took_ms = tree.span(from).map_or(0.0, |span| ms(span.duration_ns));
        if total <= took_ms * EXCESS_MIN {
            return;
        }
        parts.retain(|part| part.excess_ms / total >= MASS_MIN);
        let kept: f64 = parts.iter().map(|part| part.excess_ms).sum();
        for part in parts {
            let mass = mass * part.excess_ms / kept;
            blames.extend(self.blame(tree, top, part.span, part.suspect, part.mode, mass));
        }
    }

    /// A span's own time beyond what is normal for it.
    fn part(&self, tree: &TraceTree, index: usize) -> Option<Part> {
        let span = tree.span(index)?;
        let by = self.names.find_service(&span.service)?;
        let before = self.normal_before;
        let norm_of = |series: Option<&TimeSeries>| series.and_then(|s| s.cached_norm(before));
        let (suspect, mode, norm) = match served_child(tree, index) {
            Some(callee) if span.kind.calls() => {
                let callee = self.names.find_service(&tree.span(callee)?.service)?;
                let norm = norm_of(self.facts.gaps.get(&(by, callee)));
                (Suspect::Service(callee), Mode::Gap, norm)
            }
            _ if span.kind.calls() && span.peer.is_some() => {
                let (suspect, known) = self.peer_of(span)?;
                let peer = self.names.find_peer(span.peer.as_ref()?)?;
                let word = self.names.find_word(&span.operation)?;
                let norm = norm_of(self.facts.peer_times.get(&(by, peer, word)));
                (suspect, if known { Mode::Unanswered } else { Mode::Slow }, norm)
            }
            _ => {
                let word = self.names.find_word(&span.operation)?;
                let norm = norm_of(self.facts.own.get(&(by, word)));
                (Suspect::Service(by), Mode::Slow, norm)
            }
        };
        let Norm { median_ms, spread_ms } = norm.unwrap_or_default();
        let excess_ms = ms(own_ns(tree, index)) - median_ms;
        (excess_ms > spread_ms).then_some(Part { span: index, suspect, mode, excess_ms })
    }

    /// Who stands behind the peer of a call, and whether it is a service that sends telemetry.
    fn peer_of(&self, span: &SpanRecord) -> Option<(Suspect, bool)> {
        let peer = self.names.find_peer(span.peer.as_ref()?)?;
        let behind = self.facts.service_behind(peer).filter(|_| span.kind == SpanKind::Client);
        Some(behind.map_or((Suspect::Peer(peer), false), |id| (Suspect::Service(id), true)))
    }

    fn blame(
        &self,
        tree: &TraceTree,
        top: usize,
        span: usize,
        suspect: Suspect,
        mode: Mode,
        mass: f64,
    ) -> Option<Blame> {
        let record = tree.span(span)?;
        let entry = tree.span(top)?;
        let by = self.names.find_service(&record.service)?;
        let entry =
            (self.names.find_service(&entry.service)?, self.names.find_word(&entry.operation)?);
        let mut chain: Vec<ServiceId> = Vec::new();
        let path = tree.path_to(span);
        for on_path in path.into_iter().skip_while(|on_path| *on_path != top) {
            let passed = tree.span(on_path).filter(|span| !is_survived(tree, top, span));
            if let Some(id) = passed.and_then(|span| self.names.find_service(&span.service))
                && !chain.contains(&id)
            {
                chain.push(id);
            }
        }
        if let Suspect::Service(id) = suspect
            && !chain.contains(&id)
        {
            chain.push(id);
        }
        if chain.is_empty() {
            chain.push(by);
        }
        let operation = self.names.find_word(&record.operation)?;
        let trace_id = tree.trace_id();
        Some(Blame { suspect, mode, by, operation, mass, chain, entry, trace_id })
    }
}

/// Whether the caller's own service is left out of the way: its call failed, and it went on.
fn is_survived(tree: &TraceTree, top: usize, span: &SpanRecord) -> bool {
    tree.parent(top).is_some()
        && tree.span(top).is_some_and(|top| top.kind.calls() && top.service == span.service)
}

/// Where requests begin: roots, and what consumes a message.
pub(crate) fn requests(tree: &TraceTree) -> Vec<usize> {
    let consumes = |span: &usize| {
        tree.parent(*span).is_some()
            && tree.span(*span).is_some_and(|record| record.kind == SpanKind::Consumer)
    };
    tree.roots().chain((0..tree.spans().len()).filter(consumes)).collect()
}

/// The child of another process that serves a call.
pub(crate) fn served_child(tree: &TraceTree, call: usize) -> Option<usize> {
    let caller = tree.span(call)?;
    tree.children(call).find(|child| {
        tree.is_awaited(*child)
            && tree
                .span(*child)
                .is_some_and(|span| span.kind.serves() || span.service != caller.service)
    })
}

pub(crate) fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

fn is_error(tree: &TraceTree, span: usize) -> bool {
    tree.span(span).is_some_and(|span| span.error)
}

/// An error that can be why its parent is in error.
fn is_cause(tree: &TraceTree, child: usize) -> bool {
    let is_async = tree.span(child).is_some_and(|span| span.kind == SpanKind::Consumer);
    is_error(tree, child) && !is_async && !is_refusal(tree, child)
}

/// A call that was answered with "not found" or the like, without an error of the callee: the
/// caller's business, and no failure of what it called.
fn is_refusal(tree: &TraceTree, span: usize) -> bool {
    let Some(record) = tree.span(span) else { return false };
    let code = record.message.trim().as_bytes();
    let is_4xx = code.len() == 3 && code.first() == Some(&b'4') && code.is_ascii();
    let callee_failed = tree.children(span).any(|child| is_error(tree, child));
    record.kind.calls() && is_4xx && !matches!(code, b"408" | b"429") && !callee_failed
}

pub(crate) fn is_throttled(message: &str) -> bool {
    message.contains("429")
        || message.contains("RESOURCE_EXHAUSTED")
        || message.contains("Too Many Requests")
}
