//! The house rules that no compiler checks: layers, sizes, names, plain text.

mod code;
mod files;
mod layers;

use std::fs;
use std::path::{Path, PathBuf};

use crate::metadata;

/// A broken rule: where, and what to mend.
pub(crate) type Finding = String;

/// Checks the workspace at `root`; the error lists every finding.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let packages = metadata::read(root)?;
    let mut findings = layers::check(&packages);
    let mut checked = 0;
    for package in &packages {
        let sources = sources_below(&package.folder)?;
        checked += sources.len();
        findings.extend(files::check_package(root, &package.folder, &sources));
        for path in &sources {
            let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
            let text = fs::read(path).map_err(|error| format!("{name}: {error}"))?;
            findings.extend(files::check_source(&name, &text));
            if layers::is_pure(&package.name) && !files::is_test_source(&package.folder, path) {
                findings.extend(layers::check_pure_source(&name, &String::from_utf8_lossy(&text)));
            }
        }
    }
    if findings.is_empty() {
        println!("tidy: {} packages, {checked} source files, no finding", packages.len());
        return Ok(());
    }
    findings.sort();
    Err(format!("{}\ntidy: {} findings", findings.join("\n"), findings.len()))
}

/// Every .rs file of a package, sorted; folders that hold builds or other packages are left out.
fn sources_below(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let entries =
            fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in entries {
            let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
            let built = name == "target" || name == "node_modules" || name.starts_with('.');
            if path.is_dir() && !built {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{run, sources_below};

    #[test]
    fn finds_sources_but_not_builds() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["src/lib.rs", "src/a/b.rs", "target/gone.rs", ".hidden/gone.rs", "src/x.txt"] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = sources_below(folder.path()).unwrap();
        let expected = ["src/a/b.rs", "src/lib.rs"].map(|file| folder.path().join(file));
        assert_eq!(found, expected);
    }

    #[test]
    fn names_every_broken_rule_of_a_workspace() {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n[workspace.lints.rust]\n",
        );
        let package = |name: &str, rest: &str| {
            format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{rest}")
        };
        write(
            "crates/model/Cargo.toml",
            &package("model", "[dependencies]\nslo = { path = \"../slo\" }\n"),
        );
        write("crates/model/src/lib.rs", "//! Model.\npub use std::fs::read;\n");
        write("crates/slo/Cargo.toml", &package("slo", "[lints]\nworkspace = true\n"));
        write("crates/slo/README.md", "# slo\n");
        write("crates/slo/src/lib.rs", "//! Slo.\n");
        let found = run(folder.path()).unwrap_err();
        for expected in ["model (layer 0) depends on slo (layer 1)", "std::fs", "README", "[lints]"]
        {
            assert!(found.contains(expected), "{expected:?} is missing in:\n{found}");
        }
        assert!(!found.contains("crates/slo"), "{found}");
    }

    #[test]
    fn this_workspace_is_readable() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert!(!sources_below(&root.join("xtask")).unwrap().is_empty());
    }
}
