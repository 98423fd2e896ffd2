//! Rules that concern more than one key.

use document::Problems;
use slo::judge::Objective;
use slo::openslo::SloDefinition;

use crate::{Config, Read};

const MEMORY_BYTES_MIN: u64 = 64 << 20;
/// The name of the Kafka sink in the outbox; no other sink may share its entries.
const KAFKA_SINK: &str = "kafka";

impl Read {
    pub(crate) fn check(&self, problems: &Problems) {
        self.check_listeners(problems);
        self.check_tls(problems);
        self.check_unsupported(problems);
        self.check_memory(problems);
        self.check_sinks(problems);
        self.check_rules(problems);
    }

    /// Off loopback nothing listens without credentials, unless somebody says so in as many words.
    fn check_listeners(&self, problems: &Problems) {
        let Config { receive, api, auth, .. } = &self.config;
        let listeners = [
            ("receive.otlp.grpc.listen", receive.grpc_listen),
            ("receive.otlp.http.listen", receive.http_listen),
            ("api.listen", api.listen),
        ];
        let open = auth.tenants.is_empty() && !auth.insecure;
        for (index, (path, address)) in listeners.iter().enumerate() {
            if open && !address.ip().is_loopback() {
                let what = format!("{address} is not loopback, and there are no credentials");
                let mend = "add auth.tenants, listen on 127.0.0.1, or set auth.insecure: true";
                self.error(problems, path, what, mend);
            }
            let taken = |(_, other): &&(&str, _)| other == address && address.port() != 0;
            if let Some((other, _)) = listeners.iter().take(index).find(taken) {
                let what = format!("{address} is the address of {other} too");
                self.error(problems, path, what, "give each its own port");
            }
        }
    }

    fn check_tls(&self, problems: &Problems) {
        let tls = &self.config.auth.tls;
        let files = [("cert", &tls.cert), ("key", &tls.key), ("client_ca", &tls.client_ca)];
        for (key, file) in files {
            if file.is_some() {
                let mend = "remove it, and end TLS in a proxy before fogbell";
                let what = "TLS is not supported yet".to_owned();
                self.error(problems, &format!("auth.tls.{key}"), what, mend);
            }
        }
    }

    /// What the reference names and this version does not do yet: silence would be a promise.
    fn check_unsupported(&self, problems: &Problems) {
        let Config { receive, enrich, .. } = &self.config;
        if !receive.kafka.brokers.is_empty() {
            let what = "intake from Kafka is not supported yet".to_owned();
            let mend = "remove it, and send OTLP over gRPC or HTTP";
            self.error(problems, "receive.kafka.brokers", what, mend);
        }
        if enrich.catalog.is_some() {
            let what = "the service catalogue is not supported yet".to_owned();
            self.error(problems, "enrich.catalog", what, "remove it");
        }
    }

    fn check_memory(&self, problems: &Problems) {
        let limits = &self.config.limits;
        if limits.memory_bytes < MEMORY_BYTES_MIN {
            let what = format!("{} bytes are too few to run in", limits.memory_bytes);
            self.error(problems, "limits.memory_bytes", what, "write at least 64MiB");
        } else if limits.recall_bytes > limits.memory_bytes / 2 {
            let what = "is more than half of limits.memory_bytes".to_owned();
            self.error(problems, "limits.recall_bytes", what, "lower it, or raise the other");
        } else if self.config.receive.request_bytes_max > limits.memory_bytes / 4 {
            let what = "is more than a quarter of limits.memory_bytes".to_owned();
            self.error(problems, "receive.request_bytes_max", what, "lower it, or raise the other");
        }
    }

    fn check_sinks(&self, problems: &Problems) {
        let sinks = &self.config.emit.grpc;
        for (index, sink) in sinks.iter().enumerate() {
            let earlier = sinks.iter().take(index).any(|other| other.name == sink.name);
            if earlier || sink.name == KAFKA_SINK {
                let what = format!("two sinks are named {:?}", sink.name);
                self.error(problems, "emit.grpc", what, "give each its own name");
            }
        }
    }

    fn check_rules(&self, problems: &Problems) {
        let Config { alerting, slos, .. } = &self.config;
        if alerting.rules.is_empty() {
            let what = "no rule: SLOs without policies of their own never alert".to_owned();
            self.warn(problems, "alerting.rules", what, "add a rule");
        } else if slos.automatic {
            let defaults = &slos.automatic_defaults;
            let promises = [
                ("availability", defaults.availability),
                ("latency_ratio", defaults.latency_ratio),
            ];
            for (key, objective) in promises {
                let path = format!("slos.automatic_defaults.{key}");
                let left = alerting
                    .rules
                    .iter()
                    .filter(|rule| rule.fits(defaults.window) && rule.can_fire(objective))
                    .count();
                if left == 0 {
                    let what = "no row of alerting.rules can fire for it".to_owned();
                    self.error(problems, &path, what, "raise it, or add a row with a lower rate");
                } else if let Some(what) = self.silent_rows(objective) {
                    self.warn(problems, &path, what, "raise the target, or lower the rate");
                }
            }
        }
    }

    /// Tells of the rows that can never fire for declared SLOs without policies of their own.
    pub(crate) fn check_slos(&self, definitions: &[SloDefinition], problems: &Problems) {
        let rules = &self.config.alerting.rules;
        for slo in definitions.iter().filter(|slo| slo.rules.is_none() && !rules.is_empty()) {
            let place = &slo.spot.place;
            if slo.rules_or(rules).is_empty() {
                let what = format!("no row of alerting.rules can fire for {}", slo.name);
                problems.error(place, what, "add alertPolicies, or raise the target");
            } else if let Some(what) = self.silent_rows(slo.objective) {
                let mend = "raise the target, or add alertPolicies";
                problems.warn(place, format!("{}: {what}", slo.name), mend);
            }
            if let Some(slicing) = slo.slicing
                && let count @ 1.. = rules.iter().filter(|rule| !slicing.fits(rule.short)).count()
            {
                let what = format!(
                    "{}: {count} rows of alerting.rules look back over less than two slices and \
                     are left out",
                    slo.name
                );
                problems.warn(place, what, "use shorter slices, or add alertPolicies");
            }
        }
    }

    fn silent_rows(&self, objective: Objective) -> Option<String> {
        let rules = &self.config.alerting.rules;
        let silent = rules.iter().filter(|rule| !rule.can_fire(objective));
        let rates: Vec<String> =
            silent.map(|rule| format!("{}x", rule.burn_rate.as_f64())).collect();
        if rates.is_empty() {
            return None;
        }
        let target = objective.target();
        Some(format!("at a target of {target} the rows of {} can never fire", rates.join(", ")))
    }
}
