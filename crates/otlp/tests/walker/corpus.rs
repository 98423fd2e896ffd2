//! What fuzzing has found worth keeping, gone through by the same checks.

use std::path::Path;

/// Below `fuzz/corpus/`, in a folder for each target.
#[test]
fn every_input_of_the_corpus_passes() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, check) in fuzz::target::ALL {
        let folder = corpus.join(name);
        let inputs = std::fs::read_dir(&folder).unwrap_or_else(|why| panic!("{folder:?}: {why}"));
        let mut seen = 0;
        for input in inputs {
            check(&std::fs::read(input.unwrap().path()).unwrap());
            seen += 1;
        }
        assert!(seen > 0, "{folder:?} is empty");
    }
}
