//! Rules for single files and for the folder of a package.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Finding, code};

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;

/// Names that say nothing of what a module is.
const EMPTY_NAMES: &[&str] = &["common", "helper", "helpers", "manager", "misc", "util", "utils"];

/// Files that cargo or rustc finds without a `mod`.
const ROOTS: &[&str] = &["lib.rs", "main.rs", "mod.rs", "build.rs"];

/// Checks one source: its length, its functions' lengths, plain ASCII, module names.
pub(crate) fn check_source(name: &str, bytes: &[u8]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = bytes.split(|b| *b == b'\n').collect::<Vec<_>>();
    for (index, line) in lines.iter().enumerate() {
        if !line.is_ascii() {
            findings.push(format!("{name}:{}: not ASCII", index + 1));
        }
    }
    if lines.len() > FILE_LINES_MAX + 1 {
        findings.push(format!("{name}: over {FILE_LINES_MAX} lines"));
    }
    let blanked = code::blank(&String::from_utf8_lossy(bytes));
    for function in code::functions(&blanked) {
        if function.lines > FUNCTION_LINES_MAX {
            let code::Function { name: function, line, lines } = function;
            findings.push(format!(
                "{name}:{line}: {function} has {lines} lines, more than {FUNCTION_LINES_MAX}"
            ));
        }
    }
    let parts = Path::new(name).with_extension("");
    let in_path = parts.iter().filter_map(|part| part.to_str());
    let declared = blanked.lines().filter_map(declared_module);
    for module in in_path.chain(declared).filter(|module| EMPTY_NAMES.contains(module)) {
        findings.push(format!("{name}: a module called {module} says nothing of what it is"));
    }
    findings
}

/// Checks a package's folder: README, inherited lints, no source without a `mod`.
pub(crate) fn check_package(root: &Path, folder: &Path, sources: &[PathBuf]) -> Vec<Finding> {
    let name = folder.strip_prefix(root).unwrap_or(folder).display().to_string();
    let mut findings = Vec::new();
    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_default();
    if folder.starts_with(root.join("crates")) && read("README.md").trim().is_empty() {
        findings.push(format!("{name}: no README.md"));
    }
    let manifest = read("Cargo.toml");
    if !inherits_lints(&manifest) {
        findings.push(format!("{name}/Cargo.toml: no `workspace = true` under [lints]"));
    }
    let texts: Vec<String> = sources
        .iter()
        .filter_map(|path| fs::read(path).ok())
        .map(|bytes| code::blank(&String::from_utf8_lossy(&bytes)))
        .collect();
    for path in sources {
        let inside = path.strip_prefix(folder).unwrap_or(path);
        if !is_root(inside, &manifest) && !texts.iter().any(|text| declares(text, inside)) {
            findings.push(format!("{name}/{}: no `mod` names this file", inside.display()));
        }
    }
    findings
}

/// Whether a source of the package in `folder` serves tests only.
pub(crate) fn is_test_source(folder: &Path, path: &Path) -> bool {
    let inside = path.strip_prefix(folder).unwrap_or(path);
    let tests = |part: &str| matches!(part, "tests" | "tests.rs" | "benches" | "examples");
    inside.iter().filter_map(|part| part.to_str()).any(tests)
}

fn inherits_lints(manifest: &str) -> bool {
    let mut section = "";
    manifest.lines().map(str::trim).any(|line| {
        if line.starts_with('[') {
            section = line;
        }
        section == "[lints]" && line.replace(' ', "") == "workspace=true"
    })
}

/// Whether the file starts a target: by its name, by its folder, or by a `path` in the manifest.
fn is_root(inside: &Path, manifest: &str) -> bool {
    let file = inside.file_name().and_then(|name| name.to_str()).unwrap_or("");
    let folder = inside.parent().and_then(Path::to_str).unwrap_or("");
    ROOTS.contains(&file)
        || matches!(folder, "tests" | "benches" | "examples" | "src/bin")
        || manifest.contains(&format!("path = \"{}\"", inside.display()))
}

fn declares(text: &str, inside: &Path) -> bool {
    let stem = inside.file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
    text.lines().filter_map(declared_module).any(|module| module == stem)
}

/// The name after `mod` where `line` declares or opens a module.
fn declared_module(line: &str) -> Option<&str> {
    let words = line.split_whitespace().collect::<Vec<_>>();
    let at = words.iter().position(|word| *word == "mod")?;
    let visible = words[..at].iter().all(|word| word.starts_with("pub") || word.ends_with(')'));
    let name = words.get(at + 1)?.trim_end_matches([';', '{']);
    visible.then_some(name)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{check_package, check_source, is_test_source};

    #[track_caller]
    fn refuses(findings: &[String], part: &str) {
        assert!(
            findings.len() == 1 && findings[0].contains(part),
            "expected one finding with {part:?}, got {findings:?}"
        );
    }

    #[test]
    fn sizes_are_limited() {
        let line = "const A: u8 = 0;\n";
        assert_eq!(check_source("a.rs", line.repeat(800).as_bytes()), [""; 0]);
        refuses(&check_source("a.rs", line.repeat(801).as_bytes()), "over 800 lines");
        let function = |lines: usize| format!("fn long() {{\n{}}}\n", "f();\n".repeat(lines - 2));
        assert_eq!(check_source("a.rs", function(70).as_bytes()), [""; 0]);
        refuses(&check_source("a.rs", function(71).as_bytes()), "a.rs:1: long has 71 lines");
    }

    #[test]
    fn sources_are_ascii() {
        refuses(&check_source("a.rs", "ok\n// na\u{ef}ve\n".as_bytes()), "a.rs:2: not ASCII");
        refuses(&check_source("a.rs", b"ok\n\xff\n"), "a.rs:2: not ASCII");
    }

    #[test]
    fn modules_have_telling_names() {
        refuses(&check_source("src/utils.rs", b""), "utils");
        refuses(&check_source("src/helpers/clock.rs", b""), "helpers");
        refuses(&check_source("src/lib.rs", b"pub(crate) mod common {}\n"), "common");
        assert_eq!(check_source("src/lib.rs", b"// mod utils\nmod window;\n"), [""; 0]);
    }

    fn package(files: &[(&str, &str)]) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("crates/a");
        let mut sources = Vec::new();
        for (file, text) in files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            if file.ends_with(".rs") {
                sources.push(path);
            }
        }
        check_package(root.path(), &folder, &sources)
    }

    const MANIFEST: (&str, &str) = ("Cargo.toml", "[package]\n[lints]\nworkspace = true\n");
    const README: (&str, &str) = ("README.md", "# a\n");

    #[test]
    fn packages_have_a_readme_and_the_lints() {
        assert_eq!(package(&[MANIFEST, README]), [""; 0]);
        refuses(&package(&[MANIFEST]), "crates/a: no README.md");
        refuses(
            &package(&[("Cargo.toml", "[dependencies]\nworkspace = true\n"), README]),
            "[lints]",
        );
    }

    #[test]
    fn sources_are_reached_by_a_mod() {
        let root = ("src/lib.rs", "mod used;\n// mod dead;\n");
        assert_eq!(package(&[MANIFEST, README, root, ("src/used.rs", "")]), [""; 0]);
        refuses(&package(&[MANIFEST, README, root, ("src/dead.rs", "")]), "src/dead.rs: no `mod`");
    }

    #[test]
    fn knows_test_sources() {
        let folder = Path::new("/w/tests/a");
        assert!(is_test_source(folder, Path::new("/w/tests/a/src/window/tests.rs")));
        assert!(is_test_source(folder, Path::new("/w/tests/a/tests/order.rs")));
        assert!(!is_test_source(folder, Path::new("/w/tests/a/src/window.rs")));
    }
}
