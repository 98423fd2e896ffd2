//! Scenarios of alerts: a folder of YAML files in the schema of ITBench.

use std::path::Path;
use std::time::Instant;

use ::replay::score::Shown;
use ::replay::score::scenario::{Entity, Scenario, ScenarioAlert, graph, run, triples};
use anyhow::{Context, bail};
use document::{Problems, Tree, Value};
use engine::EngineOptions;
use observe::ObserverOptions;

use super::{FOGBELL, Kinds, Row, Tallies};

const ROW: Row = Row { mode: "incident", method: FOGBELL };
/// How many triples of scenarios are run at once.
const TRIPLES_MAX: usize = 100;
const SEED: u64 = 1;
/// What names of entities end with that says no more than their kind does.
const KIND_ENDINGS: [&str; 5] = ["-service", "-pod", "-deployment", "-replicaset", "-statefulset"];

/// Runs the scenarios one at a time, and in triples that share no alerting entity.
///
/// # Errors
/// If the folder cannot be read, or holds no scenario.
pub(super) fn score(
    folder: &Path,
    observer: &ObserverOptions,
    engine: &EngineOptions,
    tallies: &mut Tallies,
) -> anyhow::Result<()> {
    let scenarios = read(folder)?;
    let calls = graph(&scenarios);
    let name = folder.file_name().map_or("alerts".into(), |name| name.to_string_lossy());
    let mut add = |system: String, of: &[&Scenario], seed: u64| {
        let began = Instant::now();
        let (shown, told) = run((observer, engine), of, &calls, seed);
        let tally = tallies.entry((system, Kinds::All, ROW)).or_default();
        for (truth, shown) in shown {
            tally.add(&truth, &Shown { told: None, ..shown });
        }
        tally.add_told(&told);
        tally.add_time(began.elapsed());
    };
    for scenario in &scenarios {
        add(name.to_string(), &[scenario], SEED);
    }
    for (places, seed) in triples(&scenarios, TRIPLES_MAX, SEED).into_iter().zip(SEED..) {
        let of: Vec<&Scenario> = places.iter().filter_map(|at| scenarios.get(*at)).collect();
        add(format!("{name}-triples"), &of, seed);
    }
    Ok(())
}

fn read(folder: &Path) -> anyhow::Result<Vec<Scenario>> {
    let shown = folder.display();
    let files = std::fs::read_dir(folder).with_context(|| shown.to_string())?;
    let mut paths = Vec::new();
    for file in files {
        let path = file.with_context(|| shown.to_string())?.path();
        if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut scenarios = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let problems = Problems::new();
        let documents = document::parse(&path.display().to_string(), &text, &problems);
        if let Some(problem) = problems.into_sorted().first() {
            bail!("{problem}");
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        scenarios.extend(documents.first().map(|document| scenario(name, document)));
    }
    if scenarios.is_empty() {
        bail!("{shown}: there is no scenario in it (*.yaml)");
    }
    Ok(scenarios)
}

fn scenario(name: String, document: &Tree) -> Scenario {
    let spec = document.get("spec").unwrap_or(document);
    let entity = |group: &Tree| {
        let id = text(group, "id");
        Entity {
            name: name_of(&id, items(group, "filter").first().copied()),
            kind: text(group, "kind"),
            namespace: text(group, "namespace"),
            is_cause: text(group, "root_cause") == "true",
            id,
        }
    };
    let alert = |alert: &Tree| ScenarioAlert {
        entity: text(alert, "group_id"),
        alertname: text(alert, "id"),
        description: alert.get("metadata").map_or(String::new(), |m| text(m, "description")),
    };
    let alias = |alias: &&Tree| match &alias.value {
        Value::List(ids) => ids.iter().filter_map(scalar).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    Scenario {
        name,
        entities: items(spec, "groups").into_iter().map(entity).collect(),
        alerts: items(spec, "alerts").into_iter().map(alert).collect(),
        propagations: items(spec, "propagations")
            .into_iter()
            .map(|way| (text(way, "source"), text(way, "target")))
            .collect(),
        aliases: items(spec, "aliases").iter().map(alias).collect(),
    }
}

/// The name that a filter of an entity matches, `cart-.*`; without a filter the id's, without its
/// number and kind.
fn name_of(id: &str, filter: Option<&Tree>) -> String {
    let name = filter.and_then(scalar).unwrap_or(id);
    // What stands before the name in an expression, and where its ending begins.
    let name = name.trim_start_matches(['^', '.', '*']);
    let name = name.split(|letter| "\\$.*+?[(|".contains(letter)).next().unwrap_or(name);
    let name = name.trim_end_matches('-');
    let name = match name.rsplit_once('-') {
        Some((head, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => head,
        _ => name,
    };
    let bare = KIND_ENDINGS.iter().find_map(|ending| name.strip_suffix(ending));
    bare.unwrap_or(name).to_owned()
}

fn items<'a>(tree: &'a Tree, key: &str) -> Vec<&'a Tree> {
    match tree.get(key).map(|tree| &tree.value) {
        Some(Value::List(items)) => items.iter().collect(),
        _ => Vec::new(),
    }
}

fn text(tree: &Tree, key: &str) -> String {
    tree.get(key).and_then(scalar).unwrap_or_default().to_owned()
}

fn scalar(tree: &Tree) -> Option<&str> {
    match &tree.value {
        Value::Scalar(scalar) => Some(&scalar.text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_read_with_names_that_labels_would_have() {
        let text = r"
spec:
  groups:
    - { id: cart-pod-1, kind: Pod, namespace: shop, filter: ['cart-.*'], root_cause: true }
    - { id: web-service-2, kind: Service, filter: ['web\b'] }
    - { id: mail-service-1, kind: Service }
  alerts:
    - { group_id: web-service-2, id: HighErrorRate, metadata: { description: web fails } }
    - { id: Unplaced }
  propagations:
    - { source: cart-pod-1, target: web-service-2 }
  aliases: [[cart-pod-1, web-service-2]]
";
        let problems = Problems::new();
        let documents = document::parse("a.yaml", text, &problems);
        let read = scenario("a".to_owned(), &documents[0]);
        let names: Vec<&str> = read.entities.iter().map(|entity| entity.name.as_str()).collect();
        assert_eq!(names, ["cart", "web", "mail"]);
        assert!(read.entities[0].is_cause && !read.entities[1].is_cause);
        let expressions = [".*adservice", "cart-[a-z0-9]+-[a-z0-9]+", "reviews-v1-*", "web$"];
        let names = expressions.map(|expression| {
            name_of("", Some(&Tree::plain(documents[0].place.clone(), expression)))
        });
        assert_eq!(names, ["adservice", "cart", "reviews-v1", "web"]);
        assert_eq!(read.alerts[0].description, "web fails");
        assert_eq!(read.alerts[1].entity, "");
        assert_eq!(read.propagations.len(), 1);
        assert_eq!(read.aliases, [["cart-pod-1", "web-service-2"]]);
    }
}
