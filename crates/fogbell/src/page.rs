//! `fogbell page --test`: a marked test page through every sink.

use std::process::ExitCode;
use std::sync::Arc;

use emit::SinkAnswer;
use model::{Action, Delivery, Incident, IncidentId, Severity, Status, Timestamp, Urgency};

use crate::cli::PageArgs;
use crate::exit::{Outcome, USAGE, note, say};
use crate::paint::Paint;
use crate::serve::runtime;
use crate::settings;

const RUNTIME_THREADS: usize = 2;

/// Runs the subcommand.
pub(crate) fn run(args: &PageArgs) -> Outcome {
    let Ok(loaded) = settings::load(&args.config) else { return Ok(ExitCode::from(USAGE)) };
    // What the sinks answer is printed; what librdkafka tries meanwhile is not.
    telemetry::init_logs("error", telemetry::LogFormat::Human);
    let config = runtime::emit_config(&loaded.config);
    let sinks: Vec<String> = config.sinks().into_iter().map(|sink| sink.name).collect();
    if sinks.is_empty() {
        note("No sink is configured, so no page leaves this fogbell. Set emit.kafka.brokers or");
        note("emit.grpc in the configuration; subscribers of the API see pages without either.");
        return Ok(ExitCode::FAILURE);
    }
    let delivery = test_delivery(runtime::now());
    say(&format!("{}: {}", delivery.id(), delivery.incident.title));
    let answers = runtime(RUNTIME_THREADS)?.block_on(emit::test_page(&config, delivery))?;
    let verdict = verdict(&sinks, &answers, Paint::for_stdout());
    verdict.lines.iter().for_each(|line| say(line));
    Ok(if verdict.delivered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What came of it.
struct Verdict {
    lines: Vec<String>,
    /// Whether at least one sink was asked and all that were have the page.
    delivered: bool,
}

fn verdict(sinks: &[String], answers: &[SinkAnswer], paint: Paint) -> Verdict {
    let mut lines = Vec::new();
    for SinkAnswer { sink, answer } in answers {
        lines.push(match answer {
            Ok(()) => format!("{}  {sink} has it", paint.green("ok    ")),
            Err(reason) => format!("{}  {sink}: {reason}", paint.red("failed")),
        });
    }
    for sink in sinks.iter().filter(|&sink| answers.iter().all(|answer| answer.sink != *sink)) {
        lines.push(format!("{}  {sink} takes no pages", paint.dim("-     ")));
    }
    if answers.is_empty() {
        lines.push("No sink takes pages: name `page` in the urgencies of one.".to_owned());
    }
    let delivered = !answers.is_empty() && answers.iter().all(|answer| answer.answer.is_ok());
    Verdict { lines, delivered }
}

/// A page that nobody takes for a real one. Its id comes from the clock, so that no consumer drops
/// it as a repeat of an earlier test.
fn test_delivery(now: Timestamp) -> Delivery {
    let epoch = u32::try_from(now.unix_s() % u64::from(IncidentId::EPOCHS)).unwrap_or_default();
    let incident = Incident {
        id: IncidentId { epoch, number: now.unix_ms() % 1000 + 1 },
        revision: 1,
        tenant: auth::DEFAULT_TENANT.into(),
        status: Status::Open,
        urgency: Urgency::Page,
        severity: Severity::Info,
        title: "TEST PAGE from fogbell: nothing is broken, nothing needs to be done".to_owned(),
        started_at: now,
        detected_at: now,
        updated_at: now,
        grouping_reason: "a test, sent by hand with `fogbell page --test`".to_owned(),
        ..Incident::default()
    };
    Delivery {
        route: "default".to_owned(),
        step: 0,
        urgency: Urgency::Page,
        action: Action::Trigger,
        incident: Arc::new(incident),
        test: true,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_test_page_says_so_and_never_has_the_id_of_another() {
        let now = Timestamp::from_unix_ms(1_795_403_045_678);
        let page = test_delivery(now);
        assert!(page.test && page.urgency == Urgency::Page);
        assert!(page.incident.title.contains("TEST"));
        for later_ms in [1, 999, 1000, 86_400_000] {
            let other = test_delivery(now.after(Duration::from_millis(later_ms)));
            assert_ne!(other.id(), page.id());
        }
    }

    #[test]
    fn every_sink_is_named_and_only_full_delivery_counts() {
        let sinks = ["kafka", "ticketing"].map(str::to_owned);
        let answer = |sink: &str, answer: Result<(), &str>| SinkAnswer {
            sink: sink.to_owned(),
            answer: answer.map_err(str::to_owned),
        };
        for (answers, delivered, told) in [
            (vec![answer("kafka", Ok(()))], true, "ticketing takes no pages"),
            (
                vec![answer("kafka", Err("timed out")), answer("ticketing", Ok(()))],
                false,
                "timed out",
            ),
            (vec![], false, "No sink takes pages"),
        ] {
            let verdict = verdict(&sinks, &answers, Paint::off());
            assert_eq!(verdict.delivered, delivered, "{:?}", verdict.lines);
            assert!(verdict.lines.iter().any(|line| line.contains(told)), "{:?}", verdict.lines);
        }
    }
}
