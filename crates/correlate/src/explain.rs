//! What changed in a stretch of time against the time before it, whether an alert fired or not.

mod conduct;
mod contrast;
mod records;
mod resources;
mod timing;

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Service, Signal, Timestamp};

use crate::case::{Case, reach};
use crate::correlator::Correlator;
use crate::diagnosis::{Diagnosis, Judged, judge, put_together};
use crate::evidence::{ERROR_MODES, Found};
use crate::habits::Doing;
use crate::hypothesis::{self, Hypothesis};
use crate::names::WordId;
use crate::series::{BUCKET_S, BUCKETS_MAX};
use crate::votes::Suspect;

pub(crate) use contrast::Contrast;

/// How far back what changed can be told: what the rings of buckets hold.
pub const EXPLAIN_REACH: Duration = Duration::from_secs(BUCKETS_MAX as u64 * BUCKET_S);
/// If no cause has this score, none is named: something always changes a little.
const SCORE_MIN: f64 = 0.15;

/// A piece of evidence against a suspect.
pub(crate) struct Finding {
    pub(crate) suspect: Suspect,
    /// The operation that it was seen in.
    pub(crate) doing: Option<Doing>,
    /// The instance that it was seen of.
    pub(crate) instance: Option<WordId>,
    pub(crate) found: Found,
}

impl Correlator {
    /// Ranks what changed in `since..until` against the ten minutes before, at most 20 minutes
    /// back from now; of `service` and what it depends on if one is named, else of everything.
    ///
    /// Each kind of evidence compares the two stretches by itself: time, by the shift of mean
    /// logarithms and the share of the time added (blamed on the callee where it is lost between
    /// caller and callee); calls and log templates, by their rate per run of an operation;
    /// utilizations of limits; errors, by where they begin. Strength times the reliability of its
    /// kind is how far a piece convinces, and all pieces are joined by noisy-or. If nothing scores
    /// 0.15, nothing is named.
    #[must_use]
    pub fn explain(
        &self,
        since: Timestamp,
        until: Timestamp,
        service: Option<&Service>,
    ) -> Diagnosis {
        let mut case = Case::new(self, &[], &[], since.min(until), until);
        let asked = service.map(|service| self.names.service_named(service));
        if asked == Some(None) {
            return Diagnosis { started_at: since, ..Diagnosis::default() };
        }
        case.members.extend(asked.flatten());
        let contrast = Contrast::new(self, since.min(until), case.until);
        let mut findings = gather(&contrast);
        let mut hypotheses: BTreeMap<Suspect, Hypothesis> = hypothesis::all(&case)
            .into_iter()
            .map(|hypothesis| (hypothesis.suspect, hypothesis.only(&ERROR_MODES)))
            .collect();
        // Who is silent shows in what others do not get, and in nothing of its own.
        let called = self.facts.called_services().map(Suspect::Service);
        for suspect in called.chain(findings.keys().copied()) {
            let _ = hypotheses.entry(suspect).or_insert_with(|| Hypothesis::bare(suspect));
        }
        let within = asked.flatten().map(|id| reach([id], |at| self.facts.callees(at)));
        let is_within = |hypothesis: &Hypothesis| {
            let service = hypothesis.service();
            within
                .as_ref()
                .is_none_or(|within| service.is_some_and(|service| within.contains_key(&service)))
        };
        let hypotheses = hypotheses.into_values().map(|hypothesis| {
            let found = findings.get(&hypothesis.suspect).into_iter().flatten();
            let caller = found.filter_map(|finding| finding.doing).map(|(by, _)| by).next();
            hypothesis.called_by(caller)
        });
        let hypotheses: Vec<Hypothesis> = hypotheses.filter(is_within).collect();
        let judged = hypotheses.into_iter().map(|hypothesis| {
            let found = findings.remove(&hypothesis.suspect).unwrap_or_default();
            let mut judged = judge(&case, hypothesis, found);
            discount(&case, &mut judged);
            judged
        });
        let mut judged: Vec<Judged> = judged.collect();
        if judged.iter().all(|judged| judged.score < SCORE_MIN) {
            judged.clear();
        }
        let mut diagnosis = put_together(&case, judged, None);
        diagnosis.started_at = since;
        diagnosis
    }
}

/// All evidence that needs no bad trace, by suspect.
pub(crate) fn gather(contrast: &Contrast<'_>) -> BTreeMap<Suspect, Vec<Finding>> {
    let mut gathered: BTreeMap<Suspect, Vec<Finding>> = BTreeMap::new();
    let all = [
        timing::weigh(contrast),
        conduct::weigh(contrast),
        records::weigh(contrast),
        resources::weigh(contrast),
    ];
    for finding in all.into_iter().flatten() {
        gathered.entry(finding.suspect).or_default().push(finding);
    }
    gathered
}

/// Errors that were as many before are no news.
fn discount(case: &Case<'_>, judged: &mut Judged) {
    let mass = |poll: &crate::votes::Poll| -> f64 {
        let of_suspect = poll.votes.iter().filter(|(key, _)| {
            key.suspect == judged.hypothesis.suspect && ERROR_MODES.contains(&key.mode)
        });
        of_suspect.map(|(_, vote)| vote.mass).sum()
    };
    let all = mass(&case.correlator.votes.sum(case.from, case.until));
    let novelty = if all > 0.0 { (mass(&case.poll) / all).min(1.0) } else { 1.0 };
    for found in &mut judged.findings.found {
        if found.signal == Signal::DeepestError {
            found.strength *= novelty;
        }
    }
    judged.score = crate::evidence::noisy_or(&judged.findings.found);
}
