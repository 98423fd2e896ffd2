//! Declared SLOs, compiled.

use std::error::Error;
use std::sync::Arc;

use document::Problems;
use load::Objectives;
use observe::SliPlan;
use slo::openslo::Documents;

/// The plan that a daemon makes of them.
///
/// # Errors
/// If they do not compile.
pub fn compile(objectives: Objectives) -> Result<Arc<SliPlan>, Box<dyn Error>> {
    let problems = Problems::new();
    let mut documents = Documents::new();
    documents.read("slos.yaml", &objectives.yaml(), &problems);
    let definitions = documents.compile(&problems);
    if definitions.len() != objectives.count() {
        return Err(format!("{:?}", problems.into_sorted()).into());
    }
    Ok(Arc::new(SliPlan::compile(&definitions)?))
}
