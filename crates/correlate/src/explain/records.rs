//! Errors and warnings that are logged outside of traces: by background work, by what has no spans,
//! or where no trace of the sample shows them.

use std::collections::BTreeMap;

use model::Signal;

use super::Finding;
use super::conduct::deviation;
use super::contrast::{Contrast, sureness};
use crate::evidence::Found;
use crate::habits::Lines;
use crate::names::{ServiceId, WordId};
use crate::votes::Suspect;

/// How far full strength convinces. What is logged in a run of an operation tells more: a caller
/// logs errors of what it calls, too.
const RELIABILITY: f64 = 0.5;
/// What a warning is worth of an error.
const WARNING: f64 = 0.5;
/// Standard errors from which on a rise counts, and counts in full; less for what was never logged
/// before.
const RISE_NONE: f64 = 3.0;
const RISE_FULL: f64 = 7.0;
const NEW_NONE: f64 = 1.5;
const NEW_FULL: f64 = 3.5;
/// Fewer buckets before the fault cannot tell what is usual.
const BUCKETS_MIN: usize = 3;

/// How a template's rate changed.
#[derive(Clone, Copy)]
struct Rise {
    template: WordId,
    strength: f64,
    /// Per minute.
    was: f64,
    is: f64,
}

/// Of each service the template that rose most.
pub(crate) fn weigh(contrast: &Contrast<'_>) -> Vec<Finding> {
    let correlator = contrast.correlator;
    let mut strongest: BTreeMap<ServiceId, Rise> = BTreeMap::new();
    for (key @ (service, template), ring) in &correlator.records.templates {
        if correlator.habits.logs(*key) {
            continue;
        }
        let Some(spans) = Spans::of(contrast, *service) else { continue };
        let (before, after) = contrast.each(ring);
        let Some(rise) = spans.rise(*template, &before, &after) else { continue };
        let held = strongest.entry(*service).or_insert(rise);
        if rise.strength > held.strength {
            *held = rise;
        }
    }
    let finding = |(service, rise): (ServiceId, Rise)| {
        let (name, template) = (contrast.label(service), contrast.word(rise.template));
        let found = Found {
            signal: Signal::LogTemplate,
            strength: rise.strength,
            reliability: RELIABILITY,
            subject: format!("log records of {name} per minute: {template}"),
            observed: rise.is,
            baseline: rise.was,
            unit: "1/min",
            since: contrast.from.start(),
            trace_ids: Vec::new(),
        };
        Finding { suspect: Suspect::Service(service), doing: None, instance: None, found }
    };
    strongest.into_iter().map(finding).collect()
}

/// For how many buckets a service could be heard on either side, and how much it logged.
struct Spans {
    before: usize,
    after: usize,
    /// Records of all kinds on either side.
    volume: (u64, u64),
}

impl Spans {
    fn of(contrast: &Contrast<'_>, service: ServiceId) -> Option<Self> {
        let (before, after) = contrast.buckets(service);
        if before < BUCKETS_MIN || after == 0 {
            return None;
        }
        let volume = contrast.correlator.records.volumes.get(&service);
        let (was, is) = volume.map(|ring| contrast.of(ring)).unwrap_or_default();
        Some(Self { before, after, volume: (was.records, is.records) })
    }

    /// By how much all else that the service logs grew: more traffic is more of everything, and
    /// less of it excuses nothing.
    fn growth(&self, was: u64, is: u64) -> f64 {
        let rate = |records: u64, own: u64, buckets: usize| {
            records.saturating_sub(own) as f64 / buckets as f64
        };
        let grown = rate(self.volume.1, is, self.after) / rate(self.volume.0, was, self.before);
        if grown.is_finite() { grown.max(1.0) } else { 1.0 }
    }

    fn rise(&self, template: WordId, before: &[Lines], after: &[Lines]) -> Option<Rise> {
        let total = |side: &[Lines]| side.iter().map(|lines| lines.total).sum::<u64>();
        let errors = after.iter().map(|lines| lines.errors).sum::<u64>();
        let (was, is) = (total(before), total(after));
        let (was_rate, is_rate) = (was as f64 / self.before as f64, is as f64 / self.after as f64);
        let growth = self.growth(was, is);
        if is_rate <= was_rate * growth {
            return None;
        }
        let exposure = (self.after as f64 * growth).ceil() as u64;
        let chance = deviation((was, self.before as u64), (is, exposure));
        let deviation = chance / self.dispersion(before, after).sqrt();
        let (none, full) = if was == 0 { (NEW_NONE, NEW_FULL) } else { (RISE_NONE, RISE_FULL) };
        let effect = 1.0 - was_rate * growth / is_rate;
        let worth = if errors > 0 { 1.0 } else { WARNING };
        let strength = sureness(deviation, none, full) * effect * worth;
        let per_minute = 60.0 / crate::series::BUCKET_S as f64;
        (strength > 0.0).then_some(Rise {
            template,
            strength,
            was: was_rate * per_minute,
            is: is_rate * per_minute,
        })
    }

    /// How much more the counts of buckets vary than chance would have them (quasi-Poisson;
    /// McCullagh and Nelder, 1989): one event may log fifty records.
    fn dispersion(&self, before: &[Lines], after: &[Lines]) -> f64 {
        let side = |lines: &[Lines], buckets: usize| {
            let mean = lines.iter().map(|l| l.total).sum::<u64>() as f64 / buckets as f64;
            let silent = buckets.saturating_sub(lines.len()) as f64;
            let squares = lines.iter().map(|l| (l.total as f64 - mean).powi(2)).sum::<f64>();
            if mean > 0.0 { (squares + silent * mean * mean) / mean } else { 0.0 }
        };
        let freedom = (self.before + self.after).saturating_sub(2).max(1) as f64;
        ((side(before, self.before) + side(after, self.after)) / freedom).max(1.0)
    }
}
