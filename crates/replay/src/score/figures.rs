use std::time::Duration;

use super::{Shown, Told, Truth, rank_of};

/// The ranks of the true causes count up to this one in [`Figures::avg5`].
const RANKS: usize = 5;
/// Into how many parts of equal width scores are put, to see how often each is right.
pub const SCORE_BINS: usize = 5;

/// Cases as they are added up.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    cases: u64,
    /// Cases whose true service was named at each rank.
    at_rank: [u64; RANKS],
    /// Cases whose true instance is known, and those in which it was named with the first suspect.
    with_instance: u64,
    instances: u64,
    /// The same of the kind of fault, and of the tag that tells what is broken.
    with_kind: u64,
    kinds: u64,
    with_tag: u64,
    tags: u64,
    /// First suspects by their score: how many, and how many of them right.
    by_score: [(u64, u64); SCORE_BINS],
    told: bool,
    with_incident: u64,
    incidents: u64,
    paged_after: Vec<Duration>,
    false_pages: u64,
    pairs: Pairs,
    in_majority: u64,
    alerts: u64,
    took: Duration,
}

/// Pairs of alerts.
#[derive(Clone, Copy, Debug, Default)]
struct Pairs {
    /// Of one fault and in one incident.
    right: u64,
    /// In one incident and not of one fault.
    joined: u64,
    /// Of one fault and not in one incident.
    parted: u64,
}

/// How well a method did on the cases of a system. Shares are 0..1; `None` = does not apply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// How many cases there were.
    pub cases: u64,
    /// Share of cases whose true service is named first.
    pub ac1: f64,
    /// Among the first three.
    pub ac3: f64,
    /// Among the first five.
    pub ac5: f64,
    /// Share of the cases with a known instance whose first suspect is the true service and the
    /// true instance of it.
    pub instance_ac1: Option<f64>,
    /// The same of the kind of fault.
    pub kind_ac1: Option<f64>,
    /// The same of the tag that tells what is broken.
    pub tag_ac1: Option<f64>,
    /// Mean of AC@1 to AC@5.
    pub avg5: f64,
    /// Share of cases in which an incident opened after the injection.
    pub opened: Option<f64>,
    /// Mean number of incidents of the cases that opened one.
    pub incidents_per_fault: Option<f64>,
    /// Of pairs of alerts: one incident against one fault.
    pub pairwise_f1: Option<f64>,
    /// Share of alerts that are in an incident whose most alerts are of the same fault.
    pub purity: Option<f64>,
    /// Median time from the injection to the first page after it, of the cases that paged.
    pub page_s_p50: Option<f64>,
    /// Pages before the injection, in all cases.
    pub false_pages: Option<u64>,
    /// Mean wall time of a case.
    pub case_s: f64,
}

impl Tally {
    /// Adds a case.
    pub fn add(&mut self, truth: &Truth, shown: &Shown) {
        self.cases += 1;
        self.took += shown.took;
        let rank = rank_of(&truth.services, &shown.suspects);
        if let Some(count) = rank.and_then(|rank| self.at_rank.get_mut(rank)) {
            *count += 1;
        }
        let first = shown.suspects.first().filter(|_| rank == Some(0));
        if !truth.instance.is_empty() {
            self.with_instance += 1;
            self.instances += u64::from(first.is_some_and(|it| it.instance == truth.instance));
        }
        if let Some(kind) = truth.kind {
            self.with_kind += 1;
            self.kinds += u64::from(first.is_some_and(|it| it.kind == kind));
        }
        if let Some(score) = shown.suspects.first().and_then(|first| first.score) {
            let bin = ((score * SCORE_BINS as f64) as usize).min(SCORE_BINS - 1);
            if let Some((named, right)) = self.by_score.get_mut(bin) {
                *named += 1;
                *right += u64::from(rank == Some(0));
            }
        }
        if let Some(tag) = &truth.tag {
            self.with_tag += 1;
            self.tags += u64::from(first.is_some_and(|it| it.tag == *tag));
        }
        if let Some(told) = &shown.told {
            self.add_told(told);
        }
    }

    /// Adds time that cases took together.
    pub fn add_time(&mut self, took: Duration) {
        self.took += took;
    }

    /// Adds what was told of one fault, or of several at once.
    pub fn add_told(&mut self, told: &Told) {
        self.told = true;
        self.with_incident += told.faults_opened;
        self.incidents += told.opened;
        self.paged_after.extend(told.paged_after);
        self.false_pages += told.false_pages;
        let (mut by_fault, mut together): (Vec<u64>, u64) = (Vec::new(), 0);
        for (at, incident) in told.grouped.iter().enumerate() {
            let of_none = told.of_none.get(at).copied().unwrap_or_default();
            let all = incident.iter().sum::<u64>() + of_none;
            let right: u64 = incident.iter().map(|of_fault| pairs(*of_fault)).sum();
            self.pairs.joined += pairs(all) - right;
            // What no fault caused is alike only with itself.
            let most = incident.iter().copied().max().unwrap_or_default();
            self.in_majority += most.max(of_none.min(1));
            self.alerts += all;
            by_fault.resize(by_fault.len().max(incident.len()), 0);
            for (sum, of_fault) in by_fault.iter_mut().zip(incident) {
                *sum += of_fault;
            }
            together += right;
        }
        self.pairs.right += together;
        self.pairs.parted += by_fault.into_iter().map(pairs).sum::<u64>() - together;
    }

    /// The figures so far.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let of_cases = |count: u64| count as f64 / self.cases.max(1) as f64;
        let within = |ranks: usize| of_cases(self.at_rank.iter().take(ranks).sum());
        let told = |figure: f64| self.told.then_some(figure);
        let of_known = |named: u64, known: u64| (known > 0).then(|| named as f64 / known as f64);
        let Pairs { right, joined, parted } = self.pairs;
        let all_pairs = 2 * right + joined + parted;
        Figures {
            cases: self.cases,
            ac1: within(1),
            ac3: within(3),
            ac5: within(RANKS),
            instance_ac1: of_known(self.instances, self.with_instance),
            kind_ac1: of_known(self.kinds, self.with_kind),
            tag_ac1: of_known(self.tags, self.with_tag),
            avg5: (1..=RANKS).map(within).sum::<f64>() / RANKS as f64,
            opened: told(of_cases(self.with_incident)),
            incidents_per_fault: (self.with_incident > 0)
                .then(|| self.incidents as f64 / self.with_incident as f64),
            pairwise_f1: (all_pairs > 0).then(|| 2.0 * right as f64 / all_pairs as f64),
            purity: (self.alerts > 0).then(|| self.in_majority as f64 / self.alerts as f64),
            page_s_p50: median_s(&self.paged_after),
            false_pages: self.told.then_some(self.false_pages),
            case_s: self.took.as_secs_f64() / self.cases.max(1) as f64,
        }
    }

    /// How many cases named the true instance first, and of how many it is known.
    #[must_use]
    pub const fn instances(&self) -> (u64, u64) {
        (self.instances, self.with_instance)
    }

    /// The same of the kind of fault.
    #[must_use]
    pub const fn kinds(&self) -> (u64, u64) {
        (self.kinds, self.with_kind)
    }

    /// First suspects by their score, from low to high: how many, and how many of them are right. A
    /// calibrated score is right as often as it says.
    #[must_use]
    pub const fn by_score(&self) -> [(u64, u64); SCORE_BINS] {
        self.by_score
    }

    /// The same of the tag.
    #[must_use]
    pub const fn tags(&self) -> (u64, u64) {
        (self.tags, self.with_tag)
    }

    /// How many cases named the true service among the first `ranks`.
    #[must_use]
    pub fn named_within(&self, ranks: usize) -> u64 {
        self.at_rank.iter().take(ranks).sum()
    }
}

const fn pairs(of: u64) -> u64 {
    of * of.saturating_sub(1) / 2
}

fn median_s(times: &[Duration]) -> Option<f64> {
    let mut times = times.to_vec();
    times.sort_unstable();
    let (low, high) = (times.len().checked_sub(1)? / 2, times.len() / 2);
    let at = |place: usize| times.get(place).map(Duration::as_secs_f64);
    Some((at(low)? + at(high)?) / 2.0)
}
