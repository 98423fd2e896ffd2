//! The hub: holds the engines, keeps the ticks, turns deltas into effects.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use api::Feed;
use arc_swap::ArcSwap;
use auth::Tenant;
use engine::{Effect, Engine, EngineOptions, Input, Reply, View};
use model::{PaneDelta, SpanRecord, Timestamp};
use telemetry::{Counter, Gauge, Histogram};
use tokio::sync::{mpsc, oneshot};

use crate::clock::now;
use crate::commit::ToJournal;
use crate::tick::{Batch, CHECKPOINT_MS, Flushed, Recall, STRAGGLER_MS, TICK_MS, ToHub};

/// How often the views that are scraped are made anew.
const VIEW_EVERY: Duration = Duration::from_secs(1);
/// How far the hub may fall behind before the time counts as a gap.
const BEHIND_MAX: Duration = Duration::from_secs(10);

/// All views, by tenant.
pub(crate) type Views = ArcSwap<BTreeMap<Tenant, Arc<View>>>;

/// What the hub works with.
pub(crate) struct Hub {
    pub(crate) engines: BTreeMap<Tenant, Engine>,
    pub(crate) template: EngineOptions,
    pub(crate) recall: Vec<mpsc::Sender<Recall>>,
    /// Whether the hub still holds a hand-over of each worker.
    pub(crate) behind: Vec<Arc<AtomicBool>>,
    pub(crate) to_journal: SyncSender<ToJournal>,
    pub(crate) views: Arc<Views>,
    pub(crate) feed: Arc<Feed>,
}

/// What lasts from message to message.
#[derive(Default)]
struct Turn {
    /// Workers that handed over in this tick.
    handed: Vec<bool>,
    /// Recalls that wait for workers: what came so far, and how many are missing.
    recalls: BTreeMap<(Tenant, u64), (Vec<SpanRecord>, usize)>,
    /// Where answers to commands go.
    replies: BTreeMap<(Tenant, u64), oneshot::Sender<Reply>>,
    waiters: Vec<oneshot::Sender<bool>>,
    next_reply: u64,
}

impl Hub {
    /// Works until told to drain, or until nobody can send any more.
    pub(crate) fn run(mut self, from: &Receiver<ToHub>) {
        let mut turn = Turn { handed: vec![false; self.recall.len()], ..Turn::default() };
        let mut tick_ends = Instant::now() + Duration::from_millis(TICK_MS + STRAGGLER_MS);
        let (mut checkpointed, mut viewed) = (Instant::now(), Instant::now());
        let mut judged_at = now();
        loop {
            let wait = tick_ends.saturating_duration_since(Instant::now());
            let draining = match from.recv_timeout(wait) {
                Ok(ToHub::Drain) | Err(RecvTimeoutError::Disconnected) => true,
                Ok(message) => {
                    self.take(message, &mut turn);
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
            };
            let complete = !turn.handed.is_empty() && turn.handed.iter().all(|handed| *handed);
            if !(draining || complete || Instant::now() >= tick_ends) {
                self.drain_effects(&mut turn);
                continue;
            }
            turn.handed.fill(false);
            tick_ends = Instant::now() + Duration::from_millis(TICK_MS + STRAGGLER_MS);
            self.note_gap(judged_at);
            judged_at = now();
            self.all(Input::Judge);
            let durable = !turn.waiters.is_empty();
            if draining
                || durable
                || checkpointed.elapsed().as_millis() >= u128::from(CHECKPOINT_MS)
            {
                checkpointed = Instant::now();
                self.all(Input::Checkpoint);
            }
            self.drain_effects(&mut turn);
            if draining || viewed.elapsed() >= VIEW_EVERY {
                viewed = Instant::now();
                self.publish_views();
            }
            if draining {
                return;
            }
        }
    }

    fn take(&mut self, message: ToHub, turn: &mut Turn) {
        match message {
            ToHub::Flushed(flushed) => self.flushed(flushed, turn),
            ToHub::Recalled { tenant, request, spans } => {
                self.recalled(tenant, request, spans, turn);
            }
            ToHub::Command { tenant, mut command, reply } => {
                turn.next_reply += 1;
                command.reply_to = turn.next_reply;
                let _ = turn.replies.insert((Arc::clone(&tenant), turn.next_reply), reply);
                self.engine(&tenant).handle(Input::Command(command), now());
            }
            ToHub::Raised { tenant, alerts } => {
                self.engine(&tenant).handle(Input::Raised(alerts), now());
            }
            ToHub::Changed { tenant, changes } => {
                self.engine(&tenant).handle(Input::Changed(changes), now());
            }
            ToHub::Maintained { tenant, name, maintenance } => {
                self.engine(&tenant).handle(Input::Maintained(name, maintenance), now());
            }
            ToHub::Question { tenant, question, reply } => {
                // Who asked may be gone.
                let _ = reply.send(self.engine(&tenant).answer(&question));
            }
            ToHub::Account { tenant, slo, reply } => {
                let _ = reply.send(self.engine(&tenant).account(&slo));
            }
            ToHub::Redefine(options) => self.redefine(*options),
            ToHub::Drain => {}
        }
    }

    fn flushed(&mut self, flushed: Flushed, turn: &mut Turn) {
        let begun = Instant::now();
        if let Some(handed) = turn.handed.get_mut(flushed.worker) {
            *handed = true;
        }
        for (tenant, mut delta) in flushed.deltas {
            delta.worker = u32::try_from(flushed.worker).unwrap_or(u32::MAX);
            count_dropped(&tenant, &delta);
            self.engine(&tenant).handle(Input::Delta(Box::new(delta)), flushed.handed_at);
        }
        turn.waiters.extend(flushed.waiters);
        if let Some(behind) = self.behind.get(flushed.worker) {
            behind.store(false, Ordering::Release);
        }
        Histogram::EngineTurn
            .record(begun.elapsed().as_secs_f64(), &[("stage", "take".to_owned())]);
    }

    fn recalled(&mut self, tenant: Tenant, request: u64, spans: Vec<SpanRecord>, turn: &mut Turn) {
        let key = (tenant, request);
        let Some((so_far, missing)) = turn.recalls.get_mut(&key) else { return };
        so_far.extend(spans);
        *missing -= 1;
        if *missing == 0
            && let Some((spans, _)) = turn.recalls.remove(&key)
        {
            let input = Input::Recalled { request, spans };
            self.engine(&key.0).handle(input, now());
        }
    }

    fn redefine(&mut self, options: EngineOptions) {
        for (tenant, engine) in &mut self.engines {
            engine.redefine(EngineOptions { tenant: Arc::clone(tenant), ..options.clone() });
        }
        self.template = options;
    }

    fn engine(&mut self, tenant: &Tenant) -> &mut Engine {
        let template = &self.template;
        self.engines.entry(Arc::clone(tenant)).or_insert_with(|| {
            let options = EngineOptions { tenant: Arc::clone(tenant), ..template.clone() };
            Engine::new(options, now())
        })
    }

    fn all(&mut self, input: Input) {
        let begun = Instant::now();
        let stage = if matches!(input, Input::Judge) { "judge" } else { "checkpoint" };
        let at = now();
        for engine in self.engines.values_mut() {
            engine.handle(input.clone(), at);
        }
        Histogram::EngineTurn.record(begun.elapsed().as_secs_f64(), &[("stage", stage.to_owned())]);
    }

    /// Time in which the hub itself did not judge says nothing about anybody else.
    fn note_gap(&mut self, judged_at: Timestamp) {
        let at = now();
        if at.since(judged_at) > BEHIND_MAX {
            tracing::warn!(from = %judged_at, until = %at, "fogbell was behind: marked as a gap");
            self.all(Input::Gap { from: judged_at, until: at });
        }
    }

    /// Carries effects out: asks workers at once, and gives the rest to the journal.
    fn drain_effects(&mut self, turn: &mut Turn) {
        let mut batch = Batch::default();
        let recall = &self.recall;
        for (tenant, engine) in &mut self.engines {
            while let Some(effect) = engine.poll_effect() {
                match effect {
                    Effect::Persist(rows) => {
                        batch.rows.extend(rows.into_iter().map(|row| of_tenant(tenant, row)));
                    }
                    Effect::Send(outgoing) => batch.outgoing.push(outgoing),
                    Effect::Publish(revision) => batch.revisions.push(revision),
                    Effect::Recall { request, trace_ids } => {
                        let ask = Recall { tenant: Arc::clone(tenant), request, trace_ids };
                        let asked =
                            recall.iter().filter(|w| w.try_send(ask.clone()).is_ok()).count();
                        if asked > 0 {
                            let waiting = (Vec::new(), asked);
                            let _ = turn.recalls.insert((Arc::clone(tenant), request), waiting);
                        }
                    }
                    Effect::Reply { reply_to, reply } => {
                        if let Some(to) = turn.replies.remove(&(Arc::clone(tenant), reply_to)) {
                            batch.replies.push((to, reply));
                        }
                    }
                }
            }
        }
        if !batch.rows.is_empty() {
            batch.waiters = std::mem::take(&mut turn.waiters);
        }
        turn.forget_recalls();
        if !batch.is_empty() && self.to_journal.send(ToJournal::Batch(Box::new(batch))).is_err() {
            tracing::error!("the journal has ended: effects are lost");
        }
    }

    fn publish_views(&self) {
        let views: BTreeMap<_, _> = self
            .engines
            .iter()
            .map(|(tenant, engine)| (Arc::clone(tenant), Arc::new(engine.view())))
            .collect();
        for (tenant, view) in &views {
            let labels = [("tenant", tenant.to_string())];
            Gauge::Services.set(view.services as f64, &labels);
            Gauge::Series.set(view.series as f64, &labels);
            for urgency in [model::Urgency::Page, model::Urgency::Ticket] {
                let live = self.feed.incidents(tenant);
                let live = live.iter().filter(|i| i.status.is_live() && i.urgency == urgency);
                let labels = [labels[0].clone(), ("urgency", urgency.as_str().to_owned())];
                Gauge::IncidentsLive.set(live.count() as f64, &labels);
            }
        }
        self.views.store(Arc::new(views));
    }
}

impl Turn {
    /// A recall that no worker answers is given up; its opening leaves with what is known.
    fn forget_recalls(&mut self) {
        const RECALLS_MAX: usize = 1000;
        while self.recalls.len() > RECALLS_MAX {
            let _ = self.recalls.pop_first();
        }
    }
}

fn count_dropped(tenant: &Tenant, delta: &PaneDelta) {
    let labels = [("tenant", tenant.to_string())];
    if delta.late_dropped > 0 {
        Counter::LateDropped.add(delta.late_dropped, &labels);
    }
    if delta.future_dropped > 0 {
        Counter::FutureDropped.add(delta.future_dropped, &labels);
    }
}

/// Between tenant and key: no tenant's name holds it.
const SEPARATOR: u8 = 0;

fn of_tenant(tenant: &Tenant, mut row: model::Row) -> model::Row {
    let mut key = tenant.as_bytes().to_vec();
    key.push(SEPARATOR);
    key.append(&mut row.key);
    row.key = key;
    row
}

/// A stored row by tenant; `None` if its key is not of this form.
pub(crate) fn tenant_of(key: &[u8]) -> Option<(Tenant, Vec<u8>)> {
    let at = key.iter().position(|byte| *byte == SEPARATOR)?;
    let (tenant, rest) = key.split_at(at);
    let tenant = std::str::from_utf8(tenant).ok()?;
    Some((tenant.into(), rest.get(1..)?.to_vec()))
}
