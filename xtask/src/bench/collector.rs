//! An OpenTelemetry Collector that does a part of what the data plane does, built from the Go
//! module registry: OTLP in, the spanmetrics and servicegraph connectors, nothing out.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::steps::finish;

const VERSION: &str = "0.159.0";
/// Providers of configuration have their own version; without `env` the Collector does not start.
const PROVIDER_VERSION: &str = "1.65.0";
const CORE: &str = "go.opentelemetry.io/collector";
const CONTRIB: &str = "github.com/open-telemetry/opentelemetry-collector-contrib";

/// The checksum database does not know every version that a proxy serves. The Collector is a peer in
/// a measurement and ships with nothing.
const UNVERIFIED: (&str, &str) = ("GOSUMDB", "off");

/// The binary, built below the folder `target` unless an earlier run did.
pub(super) fn build(target: &Path) -> Result<PathBuf, String> {
    let folder = target.join(format!("collector-{VERSION}"));
    let binary = folder.join("built").join("collector");
    if binary.is_file() {
        return Ok(binary);
    }
    println!("==> building the OpenTelemetry Collector {VERSION}: some minutes");
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(failed)?;
    let folder = folder.canonicalize().map_err(failed)?;
    let manifest = folder.join("manifest.yaml");
    fs::write(&manifest, manifest_of(&folder.join("built"))).map_err(failed)?;

    let mut install = Command::new("go");
    install
        .current_dir(&folder)
        .args(["install", &format!("{CORE}/cmd/builder@v{VERSION}")])
        .env("GOBIN", &folder)
        .env("CGO_ENABLED", "0")
        .env(UNVERIFIED.0, UNVERIFIED.1);
    finish(install, "go install (--peers needs Go)")?;
    let mut build = Command::new(folder.join("builder"));
    build
        .current_dir(&folder)
        .arg("--config")
        .arg(&manifest)
        .env("CGO_ENABLED", "0")
        .env(UNVERIFIED.0, UNVERIFIED.1);
    finish(build, "the Collector's builder")?;
    Ok(binary)
}

fn manifest_of(output: &Path) -> String {
    let mut text = format!(
        "dist:\n  name: collector\n  output_path: {:?}\n  version: {VERSION}\n",
        output.display().to_string()
    );
    for (kind, modules) in [
        ("receivers", vec![format!("{CORE}/receiver/otlpreceiver v{VERSION}")]),
        (
            "connectors",
            ["spanmetrics", "servicegraph"]
                .map(|name| format!("{CONTRIB}/connector/{name}connector v{VERSION}"))
                .into(),
        ),
        ("exporters", vec![format!("{CORE}/exporter/nopexporter v{VERSION}")]),
        (
            "providers",
            ["env", "file", "yaml"]
                .map(|name| format!("{CORE}/confmap/provider/{name}provider v{PROVIDER_VERSION}"))
                .into(),
        ),
    ] {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{kind}:");
        for module in modules {
            let _ = writeln!(text, "  - gomod: {module}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::manifest_of;

    #[test]
    fn the_manifest_names_both_connectors_and_where_to_build() {
        let manifest = manifest_of(Path::new("/somewhere/built"));
        for line in [
            "  output_path: \"/somewhere/built\"\n",
            "connector/spanmetricsconnector v0.159.0\n",
            "connector/servicegraphconnector v0.159.0\n",
            "provider/envprovider v1.65.0\n",
        ] {
            assert!(manifest.contains(line), "{line:?} is missing in:\n{manifest}");
        }
    }
}
