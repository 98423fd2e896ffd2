//! Declared SLOs by the hundred.

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;

use document::Problems;
use observe::SliPlan;
use slo::openslo::Documents;

/// `count` availability SLOs over the service of the number 0, each of the servers' spans of one of
/// its routes.
///
/// # Errors
/// If they do not compile.
pub fn one_for_each_route(count: usize) -> Result<Arc<SliPlan>, Box<dyn Error>> {
    compile(count, |number| Filters {
        total: format!(
            "{{ resource.service.name = \"service-00\" && kind = server && \
             span.http.route = \"/api/v1/resource-{number:03}/{{id}}\" }}"
        ),
        good: "{ status != error }".to_owned(),
    })
}

/// `count` SLOs, each of which counts every span, with a latency of its own.
///
/// # Errors
/// If they do not compile.
pub fn over_every_span(count: usize) -> Result<Arc<SliPlan>, Box<dyn Error>> {
    compile(count, |number| Filters {
        total: "{ resource.service.namespace = \"load\" }".to_owned(),
        good: format!("{{ status != error && duration < {}ms }}", 500 + number),
    })
}

struct Filters {
    total: String,
    good: String,
}

fn compile(
    count: usize,
    filters: impl Fn(usize) -> Filters,
) -> Result<Arc<SliPlan>, Box<dyn Error>> {
    let mut text = String::new();
    for number in 0..count {
        let Filters { total, good } = filters(number);
        let source = |filter: &str| {
            format!(
                "{{ metricSource: {{ type: otlp, spec: {{ signal: traces, filter: '{filter}' }} }} }}"
            )
        };
        write!(
            text,
            "---\napiVersion: openslo/v1\nkind: SLO\nmetadata: {{ name: slo-{number} }}\nspec:\n  \
             service: load\n  indicator:\n    metadata: {{ name: sli-{number} }}\n    spec:\n      \
             ratioMetric:\n        counter: true\n        good: {}\n        total: {}\n  \
             timeWindow: [{{ duration: 30d, isRolling: true }}]\n  budgetingMethod: Occurrences\n  \
             objectives: [{{ target: 0.99 }}]\n",
            source(&good),
            source(&total)
        )?;
    }
    let problems = Problems::new();
    let mut documents = Documents::new();
    documents.read("slos.yaml", &text, &problems);
    let definitions = documents.compile(&problems);
    if definitions.len() != count {
        return Err(format!("{:?}", problems.into_sorted()).into());
    }
    Ok(Arc::new(SliPlan::compile(&definitions)?))
}
