//! Declared SLOs by the hundred, as OpenSLO documents over the spans of the payload.

use std::fmt::Write;

/// Which SLOs, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objectives {
    /// Availability over service 0, each of what it serves on one of its routes.
    ByRoute(usize),
    /// Each over every span, with a latency of its own.
    OnAll(usize),
}

struct Filters {
    total: String,
    good: String,
}

impl Objectives {
    /// The OpenSLO documents, named `slo-0` and on.
    #[must_use]
    pub fn yaml(self) -> String {
        let mut text = String::new();
        for number in 0..self.count() {
            let Filters { total, good } = self.filters(number);
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "---\napiVersion: openslo/v1\nkind: SLO\nmetadata: {{ name: slo-{number} }}\n\
                 spec:\n  service: load\n  indicator:\n    metadata: {{ name: sli-{number} }}\n    \
                 spec:\n      ratioMetric:\n        counter: true\n        good: {}\n        \
                 total: {}\n  timeWindow: [{{ duration: 30d, isRolling: true }}]\n  \
                 budgetingMethod: Occurrences\n  objectives: [{{ target: 0.99 }}]\n",
                source(&good),
                source(&total)
            );
        }
        text
    }

    /// How many there are.
    #[must_use]
    pub const fn count(self) -> usize {
        match self {
            Self::ByRoute(count) | Self::OnAll(count) => count,
        }
    }

    /// The first of them only.
    #[must_use]
    pub const fn first(self) -> Self {
        match self {
            Self::ByRoute(_) => Self::ByRoute(1),
            Self::OnAll(_) => Self::OnAll(1),
        }
    }

    fn filters(self, number: usize) -> Filters {
        match self {
            Self::ByRoute(_) => Filters {
                total: format!(
                    "{{ resource.service.name = \"service-00\" && kind = server && \
                     span.http.route = \"/api/v1/resource-{number:03}/{{id}}\" }}"
                ),
                good: "{ status != error }".to_owned(),
            },
            Self::OnAll(_) => Filters {
                total: "{ resource.service.namespace = \"load\" }".to_owned(),
                good: format!("{{ status != error && duration < {}ms }}", 500 + number),
            },
        }
    }
}

fn source(filter: &str) -> String {
    format!("{{ metricSource: {{ type: otlp, spec: {{ signal: traces, filter: '{filter}' }} }} }}")
}
