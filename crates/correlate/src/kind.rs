//! What kind of fault a cause is: it follows from the evidence that convinces.

use model::{CauseKind, Signal};

use crate::case::Case;
use crate::count::EdgeCount;
use crate::evidence::{ALL_MODES, Findings, Found, LIFT_TIE, best_lift};
use crate::facts::share;
use crate::hypothesis::Hypothesis;
use crate::names::PeerId;
use crate::ring::Tally;
use crate::tags::{Lift, TagClass};
use crate::votes::{Mode, Suspect};

/// A fault is of a kind when this share of the blame is.
const KIND_SHARE: f64 = 0.5;
/// Evidence that convinces less than this share of the best piece does not say what it is.
const HEARD_SHARE: f64 = 0.5;
/// From this silence on, a service that does not answer counts as silent.
const SILENCE_MIN: f64 = 0.2;
/// What failures are called, in small letters: the texts of POSIX's `strerror`, the reason phrase of
/// RFC 6585, the status of gRPC, and what kernels and runtimes say when memory runs out.
const WORDINGS: [(&str, CauseKind); 11] = [
    ("no space left on device", CauseKind::Disk),
    ("disk quota exceeded", CauseKind::Disk),
    ("read-only file system", CauseKind::Disk),
    ("input/output error", CauseKind::Disk),
    ("cannot allocate memory", CauseKind::Memory),
    ("out of memory", CauseKind::Memory),
    ("outofmemoryerror", CauseKind::Memory),
    ("oomkilled", CauseKind::Memory),
    ("too many requests", CauseKind::Quota),
    ("resource_exhausted", CauseKind::Quota),
    ("rate limit", CauseKind::Quota),
];

/// The kind of a suspect's fault.
pub(crate) fn of(case: &Case<'_>, hypothesis: &Hypothesis, findings: &Findings) -> CauseKind {
    let heard = Heard::of(&findings.found);
    let modes: Vec<Mode> = ALL_MODES.into_iter().filter(|mode| heard.hears(*mode)).collect();
    let all = hypothesis.share_of(&modes);
    let is_most = |mode: Mode| {
        modes.contains(&mode) && all > 0.0 && hypothesis.share_of(&[mode]) >= KIND_SHARE * all
    };
    match hypothesis.suspect {
        _ if is_most(Mode::Throttled) => CauseKind::Quota,
        Suspect::Peer(peer) if is_most(Mode::Error) && throttles(case, peer) => CauseKind::Quota,
        Suspect::Peer(_) => CauseKind::Dependency,
        Suspect::Service(_) if is_most(Mode::Unanswered) => CauseKind::Silence,
        Suspect::Service(_) if is_most(Mode::Gap) => CauseKind::Network,
        Suspect::Service(_) => {
            let tag = findings.lift.and_then(|lift| of_tag(case, hypothesis, &lift));
            let told = tag.or_else(|| heard.wording()).or_else(|| heard.resource());
            let is_silent = all == 0.0 && findings.silence >= SILENCE_MIN;
            match told {
                Some(kind) => kind,
                None if is_most(Mode::Error) => CauseKind::Code,
                None if is_silent => CauseKind::Silence,
                None => heard.main(),
            }
        }
    }
}

/// The evidence that says what it is.
struct Heard<'a> {
    found: Vec<&'a Found>,
}

impl<'a> Heard<'a> {
    fn of(found: &'a [Found]) -> Self {
        let best = found.iter().map(Found::conviction).fold(0.0, f64::max);
        let is_heard = |found: &&Found| found.conviction() >= HEARD_SHARE * best;
        Self { found: found.iter().filter(is_heard).collect() }
    }

    /// Whether the signal that a mode of blame shows in is among it.
    fn hears(&self, mode: Mode) -> bool {
        let signal = match mode {
            Mode::Error | Mode::Throttled | Mode::Unanswered => Signal::DeepestError,
            Mode::Slow => Signal::ExclusiveTime,
            Mode::Gap => Signal::CalleeGap,
        };
        self.found.iter().any(|found| found.signal == signal)
    }

    /// What is logged more than it was calls it.
    fn wording(&self) -> Option<CauseKind> {
        let is_new = |found: &&&Found| {
            found.signal == Signal::LogTemplate && found.observed > found.baseline
        };
        let logged = self.found.iter().filter(is_new);
        logged.map(|found| found.subject.to_lowercase()).find_map(|subject| {
            let known = WORDINGS.iter().find(|(wording, _)| subject.contains(wording));
            known.map(|(_, kind)| *kind)
        })
    }

    /// What ran short.
    fn resource(&self) -> Option<CauseKind> {
        let short = self.found.iter().filter(|found| found.signal == Signal::ResourceMetric);
        short
            .filter_map(|found| {
                Some((found.conviction(), of_metric(found.subject.split(' ').next()?)?))
            })
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, kind)| kind)
    }

    /// What convinces most.
    fn main(&self) -> CauseKind {
        let main = self.found.iter().max_by(|a, b| a.conviction().total_cmp(&b.conviction()));
        match main.map(|found| found.signal) {
            Some(Signal::CalleeGap) => CauseKind::Network,
            Some(Signal::CallPattern | Signal::LogTemplate) => CauseKind::Code,
            _ => CauseKind::Unknown,
        }
    }
}

fn of_metric(name: &str) -> Option<CauseKind> {
    let of = |word: &str| name.contains(word);
    match () {
        () if of("cpu") => Some(CauseKind::Cpu),
        () if of("memory") || of("heap") => Some(CauseKind::Memory),
        () if of("disk") || of("filesystem") => Some(CauseKind::Disk),
        () => None,
    }
}

/// What the tag of the bad events says.
fn of_tag(case: &Case<'_>, hypothesis: &Hypothesis, lift: &Lift) -> Option<CauseKind> {
    match lift.class {
        TagClass::Version | TagClass::ColdStart => Some(CauseKind::Code),
        TagClass::Flag => Some(CauseKind::Config),
        class if class.is_shared() => {
            lone_instance(case, hypothesis, lift).is_none().then_some(CauseKind::Infrastructure)
        }
        _ => None,
    }
}

/// The instance that tells the bad events as well as the tag does: a zone of which one instance
/// alone is bad is no more than that instance.
pub(crate) fn lone_instance(case: &Case<'_>, hypothesis: &Hypothesis, lift: &Lift) -> Option<Lift> {
    let service = hypothesis.service().filter(|_| lift.class < TagClass::Instance)?;
    let one = best_lift(case, service, |class| class == TagClass::Instance)?;
    (one.phi >= lift.phi - LIFT_TIE).then_some(one)
}

/// Whether most of a peer's failed calls were turned away.
fn throttles(case: &Case<'_>, peer: PeerId) -> bool {
    let mut calls = EdgeCount::default();
    for ((_, to), edge) in &case.correlator.facts.edges {
        if *to == peer {
            calls.add(&edge.counts.sum(case.from, case.until));
        }
    }
    share(calls.throttled, calls.errors) >= KIND_SHARE
}
