//! What an alert from outside is about, by its labels.

use std::sync::Arc;

use model::{Labels, Service, Timestamp};

use crate::correlator::Correlator;
use crate::names::ServiceId;

/// Labels that name what an alert is about unless the configuration says others, the most telling
/// first: OpenTelemetry's, then those of Kubernetes workloads, then what people call a service. A
/// workload stands before a service, since the exporter that tells of it is often labelled as the
/// service.
pub const SUBJECT_LABELS: [&str; 15] = [
    "service.name",
    "service_name",
    "k8s_deployment_name",
    "deployment",
    "statefulset",
    "daemonset",
    "k8s_pod_name",
    "pod",
    "pod_name",
    "app",
    "app_kubernetes_io_name",
    "service",
    "container",
    "node",
    "instance",
];
/// Labels that name the exporter, or a place that many share, rather than the subject: they count
/// where they name a service that is known, and where nothing else names anything.
const WEAK_LABELS: [&str; 2] = ["job", "namespace"];
/// Annotations whose words may name a service that is known.
const TEXTS: [&str; 2] = ["summary", "description"];
/// What Kubernetes appends to the name of a workload is at least and at most so long.
const SUFFIX_MIN: usize = 5;
const SUFFIX_MAX: usize = 10;

impl Correlator {
    /// The service that an alert from outside is about: one that is known, by the first of the
    /// labels `by` that names one, else by the first word of its texts that does; else a new one by
    /// the name that the first label gives. None where nothing names anything, or there is no room
    /// for names.
    pub fn place(
        &mut self,
        (labels, annotations): (&Labels, &Labels),
        by: &[String],
        now: Timestamp,
    ) -> Option<Arc<Service>> {
        let subject = || by.iter().filter_map(|key| labels.get(key));
        let weak = || WEAK_LABELS.iter().filter_map(|key| labels.get(*key));
        let known = subject().chain(weak()).find_map(|value| self.known_as(value));
        let known = known.or_else(|| {
            let texts = TEXTS.iter().filter_map(|key| annotations.get(*key));
            let is_bare = subject().next().is_none();
            texts.filter(|_| is_bare).find_map(|text| self.named_in(text))
        });
        if let Some(id) = known {
            return self.names.service_at(id).cloned();
        }
        let name =
            subject().chain(weak()).map(|value| bare(value)).find(|name| !name.is_empty())?;
        let service = Arc::new(Service::named(name));
        let _ = self.meet(&service, now)?;
        Some(service)
    }

    /// A service that is known by this value: a service's name, a workload's, or a pod's.
    pub(crate) fn known_as(&self, value: &str) -> Option<ServiceId> {
        let value = value.rsplit('/').next().unwrap_or(value);
        let named = |name: &str| {
            let mut services = self.names.services();
            services.find(|(_, service)| service.name == name).map(|(id, _)| id)
        };
        named(value).or_else(|| workload(value).and_then(named))
    }

    fn named_in(&self, text: &str) -> Option<ServiceId> {
        let words = text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.')));
        let words = words.map(|word| word.trim_end_matches('.').to_lowercase());
        words.filter(|word| !word.is_empty()).find_map(|word| {
            let mut services = self.names.services();
            services.find(|(_, service)| service.name.to_lowercase() == word).map(|(id, _)| id)
        })
    }
}

/// The name without what Kubernetes appends to it, and without a port.
fn bare(value: &str) -> &str {
    let value = value.rsplit('/').next().unwrap_or(value);
    let value = value.split_once(':').map_or(value, |(host, _)| host);
    workload(value).unwrap_or(value)
}

/// The workload of a pod: `cart-579f59597d-wc2lz` (deployment) and `kafka-0` (stateful set). None
/// if the name has no such ending.
fn workload(pod: &str) -> Option<&str> {
    let (head, last) = pod.rsplit_once('-')?;
    if !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(head);
    }
    if last.len() != SUFFIX_MIN || !is_hash(last) {
        return None;
    }
    match head.rsplit_once('-') {
        Some((name, set)) if (SUFFIX_MIN..=SUFFIX_MAX).contains(&set.len()) && is_hash(set) => {
            Some(name)
        }
        _ => None,
    }
}

/// Kubernetes takes digits and consonants for its random endings, so that they make no words.
fn is_hash(text: &str) -> bool {
    let of_hash = |byte: u8| {
        byte.is_ascii_digit()
            || (byte.is_ascii_lowercase() && !matches!(byte, b'a' | b'e' | b'i' | b'o' | b'u'))
            || matches!(byte, b'a'..=b'f')
    };
    text.bytes().all(of_hash)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at() -> Timestamp {
        Timestamp::from_unix_s(1_000)
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn correlator() -> Correlator {
        let mut correlator = Correlator::new(1, Duration::from_millis(500));
        for name in ["cart", "checkout", "ratings"] {
            let _ = correlator.meet(&Arc::new(Service::named(name)), at());
        }
        correlator
    }

    fn placed(label: &[(&str, &str)], annotation: &[(&str, &str)]) -> Option<String> {
        let by = SUBJECT_LABELS.map(str::to_owned);
        let said = (labels(label), labels(annotation));
        let service = correlator().place((&said.0, &said.1), &by, at());
        service.map(|service| service.name.clone())
    }

    #[test]
    fn labels_place_an_alert_at_a_service_that_is_known_before_one_that_is_not() {
        let name = |label: &[(&str, &str)]| placed(label, &[]).unwrap_or_default();
        assert_eq!(name(&[("service_name", "cart"), ("job", "checkout")]), "cart");
        assert_eq!(
            name(&[("pod", "cart-579f59597d-wc2lz"), ("job", "kube-state-metrics")]),
            "cart"
        );
        assert_eq!(name(&[("pod", "exporter-0"), ("job", "shop/checkout")]), "checkout");
        assert_eq!(name(&[("deployment", "email"), ("namespace", "shop")]), "email");
        assert_eq!(name(&[("pod", "email-6cfdd55578-gfj6q")]), "email");
        assert_eq!(name(&[("namespace", "shop")]), "shop");
        assert_eq!(name(&[("instance", "10.0.0.1:9100")]), "10.0.0.1");
        assert_eq!(placed(&[("alertname", "Watchdog")], &[]), None);
    }

    #[test]
    fn words_of_its_texts_place_it_where_no_label_does() {
        let text = [("description", "Ratings service receives nothing from checkout.")];
        assert_eq!(placed(&[("alertname", "X")], &text).as_deref(), Some("ratings"));
        assert_eq!(placed(&[("pod", "email-0")], &text).as_deref(), Some("email"));
        assert_eq!(placed(&[], &[("summary", "all is lost")]), None);
    }

    #[test]
    fn an_ending_that_kubernetes_would_not_make_is_a_part_of_the_name() {
        for (pod, expected) in [
            ("cart-579f59597d-wc2lz", Some("cart")),
            ("ts-route-service-b6c59fb57-zv8dt", Some("ts-route-service")),
            ("kafka-0", Some("kafka")),
            ("fraud-detection", None),
            ("cart-redis-house", None),
            ("cart", None),
        ] {
            assert_eq!(workload(pod), expected, "{pod}");
        }
    }
}
