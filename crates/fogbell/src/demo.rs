//! `fogbell demo`: the whole path on one machine. A daemon with its embedded store on free ports,
//! a simulated shop that speaks OTLP to it over loopback, a fault, and the page.

mod stage;
mod truth;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use api::{FeedItem, Subscription};
use auth::{DEFAULT_TENANT, Tenant};
use contract::v1;
use model::{Action, Incident, Timestamp, Urgency};
use shop::{Fault, Shop, ShopOptions};
use tokio::sync::broadcast::error::RecvError;

use self::stage::Stage;
use self::truth::names_truth;
use crate::cli::DemoArgs;
use crate::exit::{Outcome, say};
use crate::paint::Paint;
use crate::report;
use crate::serve::runtime;

/// How long after the fault the page may take before the demo gives up.
const PAGE_WITHIN: Duration = Duration::from_secs(90);
const RUNTIME_THREADS: usize = 2;

/// Runs the subcommand.
pub(crate) fn run(args: &DemoArgs) -> Outcome {
    let fault: Fault = args.fault.parse().map_err(anyhow::Error::new)?;
    telemetry::init_logs("warn", telemetry::LogFormat::Human);
    runtime(RUNTIME_THREADS)?.block_on(play(args, fault))
}

async fn play(args: &DemoArgs, fault: Fault) -> Outcome {
    let (stage, daemon) = Stage::set_up().await?;
    let tenant: Tenant = DEFAULT_TENANT.into();
    let subscription =
        daemon.feed().subscribe(&tenant, None).map_err(|_| anyhow::anyhow!("no feed"))?;
    let healthy = Duration::from_secs(args.healthy);
    let start = runtime::now();
    let options = ShopOptions {
        seed: args.seed,
        fault: Some(fault),
        fault_start_after: healthy,
        ..ShopOptions::default()
    };
    let shop = Shop::new(&options, start.unix_ns());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let endpoint = format!("http://{}", daemon.endpoints().grpc);
    let progress = stage.progress(args, fault, start, daemon.endpoints());
    let traffic = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        shop::run(shop, &endpoint, 1.0, stopped, progress).await
    });
    let show = Show { args, fault, fault_at: start.after(healthy), stage: &stage };
    let watched = show.watch(subscription).await;
    let _ = stop.send(());
    traffic.await.context("the shop's traffic broke off")??;
    daemon.drain().await;
    watched
}

/// What the audience sees.
struct Show<'a> {
    args: &'a DemoArgs,
    fault: Fault,
    fault_at: Timestamp,
    stage: &'a Stage,
}

impl Show<'_> {
    async fn watch(&self, mut subscription: Subscription) -> Outcome {
        let mut paged: Option<Arc<Incident>> = None;
        let give_up = tokio::time::sleep(self.fault_at.after(PAGE_WITHIN).since(runtime::now()));
        let mut give_up = std::pin::pin!(give_up);
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        loop {
            tokio::select! {
                item = subscription.live.recv() => match item {
                    Ok(item) => {
                        let is_page = self.show(&item, paged.is_some());
                        if is_page && paged.is_none() {
                            paged = Some(Arc::clone(&item.revision.incident));
                            if self.args.once {
                                return Ok(self.verdict(&item.revision.incident));
                            }
                        }
                    }
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, "the demo reads too slowly");
                    }
                    Err(RecvError::Closed) => return Ok(ExitCode::FAILURE),
                },
                () = &mut give_up, if paged.is_none() => {
                    let within = PAGE_WITHIN.as_secs();
                    anyhow::bail!("no page within {within} s of the fault {}", self.fault);
                }
                _ = &mut interrupt => return Ok(ExitCode::SUCCESS),
            }
        }
    }

    /// Shows a change; whether it is a page.
    fn show(&self, item: &FeedItem, again: bool) -> bool {
        let incident = v1::Incident::from(&*item.revision.incident);
        let page = |d: &model::Delivery| d.urgency == Urgency::Page && d.action == Action::Trigger;
        let is_page = item.deliveries.iter().any(page);
        if self.args.json {
            say(&contract::json(&incident));
            return is_page;
        }
        let paint = Paint::for_stdout();
        if is_page || again && self.changes_much(item) {
            self.stage.clear_line();
            say("");
            say(&report::page(&incident, runtime::now(), paint));
            say("");
        } else {
            let what = item.revision.event.kind.as_str();
            self.stage.tell(&format!("{what}: {}", incident.title));
        }
        if is_page {
            let after = runtime::now().since(self.fault_at).as_secs_f64();
            self.stage.tell(&format!("the page left {after:.1} s after the fault began"));
        }
        is_page
    }

    fn changes_much(&self, item: &FeedItem) -> bool {
        item.revision.event.changed.iter().any(|field| field == "causes" || field == "status")
    }

    fn verdict(&self, incident: &Incident) -> ExitCode {
        let truth = self.fault.expected();
        let named = incident.causes.first().is_some_and(|cause| names_truth(cause, &truth));
        let text = if named { "names" } else { "does not name" };
        self.stage.tell(&format!("the first cause {text} what was broken: {}", truth.summary));
        if named { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
