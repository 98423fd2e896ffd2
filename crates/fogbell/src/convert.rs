//! `fogbell check --convert`: OpenSLO documents as v1.

use std::path::PathBuf;
use std::process::ExitCode;

use document::{FILE_BYTES_MAX, Place, Problems};
use slo::openslo::Documents;

use crate::exit::{Outcome, USAGE, note, say};
use crate::settings::Count;

/// Prints the documents of these files as OpenSLO v1, `---` between them, and what is wrong to
/// standard error. A document that is wrong is left out, and the exit code says so.
pub(crate) fn run(files: &[PathBuf]) -> Outcome {
    let problems = Problems::new();
    let mut documents = Documents::new();
    let mut converted = Vec::new();
    for path in files {
        let name = path.display().to_string();
        match config::read_text(path, FILE_BYTES_MAX) {
            Ok(text) => converted.extend(documents.convert(&name, &text, &problems)),
            Err(error) => {
                let what = format!("cannot be read: {error}");
                problems.error(&Place::whole(&name), what, "name a file of documents");
            }
        }
    }
    for (number, tree) in converted.iter().enumerate() {
        if number > 0 {
            say("---");
        }
        say(tree.to_yaml().trim_end());
    }
    let problems = problems.into_sorted();
    problems.iter().for_each(|problem| note(&problem.to_string()));
    match Count::of(&problems) {
        Count { errors: 0, .. } => Ok(ExitCode::SUCCESS),
        count => {
            note(&format!("fogbell: {count}; {} documents converted", converted.len()));
            Ok(ExitCode::from(USAGE))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_missing_or_wrong_is_told_by_the_exit_code() {
        let folder = tempfile::tempdir().unwrap();
        let right = folder.path().join("right.yaml");
        let service =
            "{apiVersion: openslo.com/v2alpha, kind: Service, metadata: {name: a}, spec: {}}";
        std::fs::write(&right, service).unwrap();
        let code = |files: &[PathBuf]| format!("{:?}", run(files).unwrap());
        assert_eq!(code(std::slice::from_ref(&right)), format!("{:?}", ExitCode::SUCCESS));
        let wrong = folder.path().join("wrong.yaml");
        assert_eq!(code(&[right, wrong]), format!("{:?}", ExitCode::from(USAGE)));
    }
}
