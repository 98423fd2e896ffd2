//! The layer table: a crate depends on lower layers only, and the core stays pure.

use super::{Finding, code};
use crate::metadata::Package;

/// Every crate below `crates/` with its layer; `ARCHITECTURE.md` shows the same picture.
const LAYERS: &[(u8, &[&str])] = &[
    (0, &["model", "document"]),
    (1, &["otlp", "slo", "alert", "correlate", "enrich", "dispatch"]),
    (2, &["observe", "engine"]),
    (3, &["config", "auth", "telemetry", "journal", "contract", "replay"]),
    (4, &["receive", "emit", "api", "shop", "load"]),
    (5, &["runtime"]),
    (6, &["fogbell"]),
];

/// Packages beside the layers: nothing depends on them, and they may depend on anything.
const TOOLS: &[&str] = &["benches", "blackbox", "fuzz", "simulate", "xtask"];

/// Dependencies between crates that the layers would forbid, each with its reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// The highest layer that takes time, randomness and bytes as arguments only.
const PURE_MAX: u8 = 2;

/// What the pure layers never link, near or far.
const IMPURE: &[&str] = &[
    "arc-swap",
    "axum",
    "dashmap",
    "h2",
    "hyper",
    "metrics",
    "mio",
    "parking_lot",
    "prost",
    "rand",
    "rdkafka",
    "redb",
    "serde",
    "socket2",
    "tokio",
    "tonic",
    "tracing",
    "tracing-subscriber",
];

/// What the sources of the pure layers never name.
const IMPURE_PATHS: &[&str] = &[
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "Instant",
    "SystemTime",
    "async",
    "await",
];

/// Crates that bring wire types, and the lowest layer that may depend on them.
const WIRE: &[&str] = &["opentelemetry-proto", "prost", "prost-types", "tonic", "tonic-prost"];
const WIRE_MIN: u8 = 4;
const WIRE_EXCEPTIONS: &[&str] = &["contract"];

/// Checks dependencies against the table.
pub(crate) fn check(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let name = &package.name;
        if TOOLS.contains(&name.as_str()) {
            continue;
        }
        let Some(layer) = layer(name) else {
            findings
                .push(format!("{name}: no layer; add it to the table in xtask/src/tidy/layers.rs"));
            continue;
        };
        for dependency in &package.depends_on {
            findings.extend(check_dependency(name, layer, dependency));
        }
        if layer <= PURE_MAX {
            let impure = package.links.iter().filter(|link| IMPURE.contains(&link.as_str()));
            findings.extend(impure.map(|link| {
                format!("{name} (layer {layer}) links {link}, which the pure layers must not")
            }));
        }
    }
    findings
}

fn check_dependency(name: &str, layer: u8, dependency: &str) -> Option<Finding> {
    if TOOLS.contains(&dependency) {
        return Some(format!("{name} depends on {dependency}, which is a tool beside the layers"));
    }
    if WIRE.contains(&dependency) && layer < WIRE_MIN && !WIRE_EXCEPTIONS.contains(&name) {
        return Some(format!(
            "{name} (layer {layer}) depends on {dependency}: wire types stay at the edge"
        ));
    }
    let below = self::layer(dependency)?;
    let excepted = EXCEPTIONS.iter().any(|(from, to, _)| *from == name && *to == dependency);
    (below >= layer && !excepted).then(|| {
        format!("{name} (layer {layer}) depends on {dependency} (layer {below}); only lower layers are allowed")
    })
}

/// Whether the package belongs to the pure layers.
pub(crate) fn is_pure(package: &str) -> bool {
    layer(package).is_some_and(|layer| layer <= PURE_MAX)
}

/// Checks that a source of the pure layers names no clock, file, socket, thread or async.
/// Test modules at a file's end are exempt.
pub(crate) fn check_pure_source(name: &str, text: &str) -> Vec<Finding> {
    let blanked = code::blank(text);
    let mut findings = Vec::new();
    for (index, line) in blanked.lines().enumerate() {
        if line.trim_start().starts_with("#[cfg(test)]") && opens_module(&blanked, index) {
            break;
        }
        for path in IMPURE_PATHS.iter().filter(|path| names(line, path)) {
            findings.push(format!("{name}:{}: `{path}` in a pure layer", index + 1));
        }
    }
    findings
}

/// Whether the line after `index` opens a module body that runs to the file's end.
fn opens_module(text: &str, index: usize) -> bool {
    text.lines().nth(index + 1).is_some_and(|line| {
        let line = line.trim();
        line.starts_with("mod ") && line.ends_with('{')
    })
}

/// Whether `line` holds `path` as whole words; `std::{fs, ...}` counts as `std::fs`.
fn names(line: &str, path: &str) -> bool {
    let grouped = path
        .strip_prefix("std::")
        .zip(line.split_once("std::{"))
        .is_some_and(|(leaf, (_, group))| code::has_word(group, leaf));
    grouped || code::has_word(line, path)
}

fn layer(package: &str) -> Option<u8> {
    LAYERS.iter().find(|(_, names)| names.contains(&package)).map(|(layer, _)| *layer)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{check, check_pure_source};
    use crate::metadata::Package;

    fn check_one(name: &str, depends_on: &[&str], links: &[&str]) -> Vec<String> {
        let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        check(&[Package {
            name: name.to_owned(),
            folder: PathBuf::new(),
            depends_on: strings(depends_on),
            links: strings(links),
        }])
    }

    #[track_caller]
    fn refuses(findings: &[String], part: &str) {
        assert!(
            findings.len() == 1 && findings[0].contains(part),
            "expected one finding with {part:?}, got {findings:?}"
        );
    }

    #[test]
    fn accepts_lower_layers_and_outside_crates() {
        assert_eq!(check_one("engine", &["model", "slo", "ahash"], &["ahash"]), [""; 0]);
        assert_eq!(check_one("runtime", &["receive", "emit", "api", "tokio"], &["tokio"]), [""; 0]);
        assert_eq!(check_one("contract", &["model", "prost", "tonic"], &["prost"]), [""; 0]);
        assert_eq!(check_one("blackbox", &["fogbell", "tokio"], &["tokio"]), [""; 0]);
    }

    #[test]
    fn refuses_the_same_and_higher_layers() {
        refuses(&check_one("observe", &["engine"], &[]), "engine (layer 2)");
        refuses(&check_one("alert", &["correlate"], &[]), "correlate (layer 1)");
        refuses(&check_one("journal", &["runtime"], &[]), "runtime (layer 5)");
    }

    #[test]
    fn refuses_crates_without_a_layer_and_tools_as_dependencies() {
        refuses(&check_one("sundries", &[], &[]), "no layer");
        refuses(&check_one("api", &["benches"], &[]), "tool");
    }

    #[test]
    fn refuses_impure_links_in_the_core_however_far() {
        refuses(&check_one("slo", &["model"], &["model", "tokio"]), "links tokio");
        assert_eq!(check_one("journal", &["model"], &["redb"]), [""; 0]);
    }

    #[test]
    fn refuses_wire_types_below_the_edge() {
        refuses(&check_one("config", &["prost"], &[]), "wire types");
        refuses(&check_one("journal", &["opentelemetry-proto"], &[]), "wire types");
    }

    #[test]
    fn refuses_clocks_files_threads_and_async_in_pure_sources() {
        refuses(&check_pure_source("a.rs", "use std::fs::File;\n"), "a.rs:1: `std::fs`");
        refuses(&check_pure_source("a.rs", "use std::{fmt, net};\n"), "`std::net`");
        refuses(&check_pure_source("a.rs", "\nlet t = Instant::now();\n"), "a.rs:2: `Instant`");
        refuses(&check_pure_source("a.rs", "fn f() { SystemTime::now() }\n"), "`SystemTime`");
        refuses(&check_pure_source("a.rs", "async fn f() {}\n"), "`async`");
        refuses(&check_pure_source("a.rs", "std::thread::spawn(f);\n"), "`std::thread`");
    }

    #[test]
    fn ignores_comments_strings_longer_words_and_test_modules() {
        let text = "// std::fs\nlet a = \"std::fs\"; struct InstantRate; use std::{fmt, mem};\n\
                    #[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
        assert_eq!(check_pure_source("a.rs", text), [""; 0]);
        let after = "#[cfg(test)]\nmod tests;\nuse std::fs;\n";
        refuses(&check_pure_source("a.rs", after), "a.rs:3");
    }
}
