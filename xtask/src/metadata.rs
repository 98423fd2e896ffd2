//! What the chores need to know of `cargo metadata`: the workspace's packages, their direct
//! dependencies, and all that they link in the end; where builds go.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A package of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    /// Its name.
    pub name: String,
    /// The folder that holds its Cargo.toml.
    pub folder: PathBuf,
    /// Names of its direct normal and build dependencies.
    pub depends_on: BTreeSet<String>,
    /// Names of every package that it links, near or far, without dev-dependencies.
    pub links: BTreeSet<String>,
}

/// Reads the workspace at `root` through `cargo metadata`, sorted by name.
pub(crate) fn read(root: &Path) -> Result<Vec<Package>, String> {
    parse(&ask(root, &[])?)
}

/// The folder that cargo builds into.
pub(crate) fn target_folder(root: &Path) -> Result<PathBuf, String> {
    Ok(text(&ask(root, &["--no-deps"])?, "target_directory")?.into())
}

fn ask(root: &Path, arguments: &[&str]) -> Result<Value, String> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args(["metadata", "--format-version", "1"])
        .args(arguments)
        .output()
        .map_err(|error| format!("cannot run cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))
}

/// Reads the output of `cargo metadata --format-version 1`.
pub(crate) fn parse(json: &Value) -> Result<Vec<Package>, String> {
    let names = ids_to_names(json)?;
    let edges = edges(json)?;
    let members: BTreeSet<&str> =
        array(json, "workspace_members")?.iter().filter_map(Value::as_str).collect();
    let mut packages = Vec::new();
    for package in array(json, "packages")? {
        let id = text(package, "id")?;
        if !members.contains(id) {
            continue;
        }
        let manifest = Path::new(text(package, "manifest_path")?);
        let to_names = |ids: BTreeSet<&str>| -> BTreeSet<String> {
            ids.into_iter().filter_map(|id| names.get(id)).map(|name| (*name).to_owned()).collect()
        };
        packages.push(Package {
            name: text(package, "name")?.to_owned(),
            folder: manifest.parent().unwrap_or(Path::new("")).to_owned(),
            depends_on: to_names(edges.get(id).cloned().unwrap_or_default()),
            links: to_names(reachable(id, &edges)),
        });
    }
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

fn ids_to_names(json: &Value) -> Result<BTreeMap<&str, &str>, String> {
    array(json, "packages")?
        .iter()
        .map(|package| Ok((text(package, "id")?, text(package, "name")?)))
        .collect()
}

/// Normal and build dependencies by package id.
fn edges(json: &Value) -> Result<BTreeMap<&str, BTreeSet<&str>>, String> {
    let resolve = json.get("resolve").ok_or("cargo metadata has no `resolve`")?;
    let mut edges = BTreeMap::new();
    for node in array(resolve, "nodes")? {
        let mut targets = BTreeSet::new();
        for dependency in array(node, "deps")? {
            let kinds = array(dependency, "dep_kinds")?;
            if kinds.iter().any(|kind| kind.get("kind").and_then(Value::as_str) != Some("dev")) {
                targets.insert(text(dependency, "pkg")?);
            }
        }
        edges.insert(text(node, "id")?, targets);
    }
    Ok(edges)
}

fn reachable<'a>(from: &str, edges: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = edges.get(from).into_iter().flatten().copied().collect();
    while let Some(id) = open.pop() {
        if let Some((id, next)) = edges.get_key_value(id)
            && found.insert(*id)
        {
            open.extend(next);
        }
    }
    found
}

fn array<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>, String> {
    value.get(key).and_then(Value::as_array).ok_or_else(|| format!("cargo metadata: no `{key}`"))
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    value.get(key).and_then(Value::as_str).ok_or_else(|| format!("cargo metadata: no `{key}`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::parse;

    #[test]
    fn follows_normal_and_build_dependencies_but_not_dev_ones() {
        let dep =
            |pkg: &str, kind: Option<&str>| json!({"pkg": pkg, "dep_kinds": [{"kind": kind}]});
        let package =
            |id: &str| json!({"id": id, "name": id, "manifest_path": format!("/{id}/Cargo.toml")});
        let metadata = json!({
            "packages": [package("a"), package("b"), package("c"), package("d"), package("e")],
            "workspace_members": ["a"],
            "resolve": {"nodes": [
                {"id": "a", "deps": [dep("b", None), dep("d", Some("dev")), dep("e", Some("build"))]},
                {"id": "b", "deps": [dep("c", None)]},
                {"id": "c", "deps": []},
                {"id": "d", "deps": []},
                {"id": "e", "deps": []},
            ]},
        });
        let packages = parse(&metadata).unwrap();
        assert_eq!(packages.len(), 1);
        assert_eq!(packages[0].name, "a");
        assert_eq!(packages[0].folder, std::path::Path::new("/a"));
        assert_eq!(packages[0].depends_on, ["b", "e"].map(String::from).into());
        assert_eq!(packages[0].links, ["b", "c", "e"].map(String::from).into());
    }
}
