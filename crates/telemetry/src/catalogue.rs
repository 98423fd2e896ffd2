//! The catalogue of fogbell's own metrics.

/// A label of a metric.
pub type Label = (&'static str, String);

macro_rules! catalogue {
    ($(#[$doc:meta])* $type:ident { $($variant:ident = $name:literal, $help:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type { $(#[doc = $help] $variant,)* }

        impl $type {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name in the exposition.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The help text.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help,)* }
            }
        }
    };
}

catalogue! {
    /// What only grows.
    Counter {
        Requests = "fogbell_requests_total", "OTLP requests by transport, signal and code.";
        RequestBytes = "fogbell_request_bytes_total", "Bytes of OTLP requests after decompression, by signal.";
        ItemsReceived = "fogbell_items_received_total", "Spans, metric points and log records received, by tenant and signal.";
        ItemsAccepted = "fogbell_items_accepted_total", "Items accepted, by tenant and signal.";
        ItemsRejected = "fogbell_items_rejected_total", "Items rejected, by tenant, signal and reason.";
        ItemsShed = "fogbell_items_shed_total", "Items in requests that were read and then refused retryably, by tenant and signal; a request that is shed unread counts in fogbell_requests_shed_total only.";
        RequestsShed = "fogbell_requests_shed_total", "Requests refused retryably, by reason.";
        RequestsRefused = "fogbell_requests_refused_total", "Requests refused for good, by reason.";
        Repeats = "fogbell_repeated_requests_total", "Requests recognised as retries of an accepted one; their items are in no other count.";
        LateDropped = "fogbell_late_dropped_total", "Events older than any window.";
        FutureDropped = "fogbell_future_dropped_total", "Events further in the future than the allowed skew.";
        Overflow = "fogbell_overflow_total", "Look-ups that ended in an overflow entry, by worker, tenant and what overflowed.";
        Deltas = "fogbell_pane_deltas_total", "Pane deltas handed to the engine.";
        Commits = "fogbell_journal_commits_total", "Journal commits.";
        CommitErrors = "fogbell_journal_errors_total", "Journal commits that failed.";
        Revisions = "fogbell_incident_revisions_total", "Incident revisions, by event type.";
        Deliveries = "fogbell_deliveries_total", "Outbox entries by sink, kind and outcome.";
        SubscribersCut = "fogbell_subscribers_cut_total", "Subscribers that were cut since they read too slowly.";
        Reloads = "fogbell_reloads_total", "Reloads of the configuration, by outcome.";
    }
}

catalogue! {
    /// What goes up and down.
    Gauge {
        BuildInfo = "fogbell_build_info", "Always 1, with the version.";
        ResidentMemory = "fogbell_resident_memory_bytes", "Resident set size.";
        MemoryLimit = "fogbell_memory_limit_bytes", "limits.memory_bytes.";
        AdmittedBytes = "fogbell_admitted_bytes", "Bytes of requests in flight.";
        Services = "fogbell_services", "Services known, by tenant.";
        Series = "fogbell_series", "SLI series held, by tenant.";
        IncidentsLive = "fogbell_incidents_live", "Live incidents, by tenant and urgency.";
        OutboxEntries = "fogbell_outbox_entries", "Outbox entries not yet confirmed, by sink and kind.";
        OutboxOldest = "fogbell_outbox_oldest_seconds", "Age of the oldest outbox entry, by sink and kind.";
        DeadLetters = "fogbell_dead_letters", "Deliveries that a sink refused for good.";
        RecallReach = "fogbell_recall_reach_seconds", "How far back workers can recall spans.";
        RecallWeight = "fogbell_recall_sample_weight", "One trace in so many is recalled whole.";
        Subscribers = "fogbell_subscribers", "Open incident subscriptions.";
        Connections = "fogbell_connections", "Open OTLP connections, by transport.";
        Draining = "fogbell_draining", "1 while the daemon drains.";
    }
}

catalogue! {
    /// What has a distribution.
    Histogram {
        EngineTurn = "fogbell_engine_turn_seconds", "Time of one turn of the engine.";
        Commit = "fogbell_journal_commit_seconds", "Time of one journal commit.";
        PageLatency = "fogbell_page_latency_seconds", "From the judgement that decided to the page's confirmation, by sink.";
        Request = "fogbell_request_seconds", "Time from a whole request to its answer, by transport.";
    }
}

impl Counter {
    /// Adds to the counter.
    pub fn add(self, value: u64, labels: &[Label]) {
        metrics::counter!(self.name(), labels).increment(value);
    }

    /// A handle that is cheap to add to again and again.
    pub fn handle(self, labels: &[Label]) -> metrics::Counter {
        metrics::counter!(self.name(), labels)
    }
}

impl Gauge {
    /// Sets the gauge.
    pub fn set(self, value: f64, labels: &[Label]) {
        metrics::gauge!(self.name(), labels).set(value);
    }
}

impl Histogram {
    /// Notes one value, in seconds.
    pub fn record(self, seconds: f64, labels: &[Label]) {
        metrics::histogram!(self.name(), labels).record(seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_prometheus_conventions_and_are_told_once() {
        let mut names = std::collections::BTreeSet::new();
        let all = Counter::ALL
            .iter()
            .map(|c| (c.name(), c.help()))
            .chain(Gauge::ALL.iter().map(|g| (g.name(), g.help())))
            .chain(Histogram::ALL.iter().map(|h| (h.name(), h.help())));
        for (name, help) in all {
            assert!(names.insert(name), "{name} twice");
            assert!(name.starts_with("fogbell_"), "{name}");
            assert!(help.ends_with('.'), "{name}: {help}");
        }
        assert!(Counter::ALL.iter().all(|c| c.name().ends_with("_total")));
        assert!(!Gauge::ALL.iter().any(|g| g.name().ends_with("_total")));
        assert!(Histogram::ALL.iter().all(|h| h.name().ends_with("_seconds")));
    }
}
