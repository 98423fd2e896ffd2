use std::collections::BTreeMap;

use document::{Entry, Node, Place, Problems, Tree, Value, parse, suggest};

use crate::REFERENCE;

const PREFIX: &str = "FOGBELL_";
/// Belongs to the command line: the path of the configuration itself.
const CONFIG_PATH: &str = "FOGBELL_CONFIG";

/// What the reference has under a key decides how a variable's text is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// The text as it stands.
    Single,
    /// YAML if it begins with `[`, else comma-separated.
    List,
    /// YAML.
    Map,
}

struct Key {
    path: Vec<String>,
    shape: Shape,
}

/// Puts the variables that begin with `FOGBELL_` into the tree, over what is there.
pub(crate) fn apply(
    tree: &mut Tree,
    env: &mut dyn Iterator<Item = (String, String)>,
    problems: &Problems,
) {
    let keys = keys();
    let mut found: Vec<(&Key, String, String)> = Vec::new();
    for (name, text) in env.filter(|(name, _)| name.starts_with(PREFIX)) {
        if let Some(key) = keys.get(&name) {
            found.push((key, name, text));
        } else if name != CONFIG_PATH && !is_service_link(&name) {
            let mend = match suggest(&name, keys.keys().map(String::as_str)) {
                Some(near) => format!("did you mean {near}?"),
                None => "fogbell.yaml's reference names every key".to_owned(),
            };
            problems.error(&Place::whole(&name), "unknown variable", mend);
        }
    }
    // A map before its own keys, so that the more exact variable wins.
    found.sort_by(|(a, ..), (b, ..)| a.path.len().cmp(&b.path.len()).then(a.path.cmp(&b.path)));
    for (key, name, text) in found {
        if let Some(value) = value(key, &name, &text, problems) {
            put(tree, &key.path, &Place::whole(&name), value);
        }
    }
}

/// All keys of the reference by their variable.
fn keys() -> BTreeMap<String, Key> {
    let mut keys = BTreeMap::new();
    for tree in parse("fogbell.yaml", REFERENCE, &Problems::new()) {
        collect(&tree, &mut Vec::new(), &mut keys);
    }
    keys
}

fn collect(tree: &Tree, path: &mut Vec<String>, keys: &mut BTreeMap<String, Key>) {
    let shape = match tree.value {
        Value::Null | Value::Scalar(_) => Shape::Single,
        Value::List(_) => Shape::List,
        Value::Map(_) => Shape::Map,
    };
    if !path.is_empty() {
        let name = format!("{PREFIX}{}", path.join("_").to_uppercase());
        keys.insert(name, Key { path: path.clone(), shape });
    }
    if let Value::Map(entries) = &tree.value {
        for entry in entries {
            path.push(entry.key.clone());
            collect(&entry.value, path, keys);
            path.pop();
        }
    }
}

/// Kubernetes gives every pod variables for every service, `FOGBELL_SERVICE_HOST` and
/// `FOGBELL_API_PORT_8420_TCP` for services named `fogbell` and `fogbell-api`. No key looks so.
fn is_service_link(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.contains("_PORT_")
}

fn value(key: &Key, name: &str, text: &str, problems: &Problems) -> Option<Tree> {
    let place = Place::whole(name);
    let yaml = match key.shape {
        Shape::Single => false,
        Shape::List => text.trim_start().starts_with('['),
        Shape::Map => true,
    };
    if yaml {
        let errors = problems.error_count();
        let mut documents = parse(name, text, problems);
        return match (documents.pop(), documents.is_empty()) {
            _ if problems.error_count() > errors => None,
            (None, _) => Some(Tree { place, value: Value::Null }),
            (Some(tree), true) => Some(tree),
            (Some(tree), false) => {
                Node::root(&tree, problems).error("a second document", "keep one");
                None
            }
        };
    }
    if key.shape == Shape::Single {
        return Some(Tree::plain(place, text));
    }
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let items = items.map(|item| Tree::plain(place.clone(), item)).collect();
    Some(Tree { place, value: Value::List(items) })
}

/// Sets a value in a tree, with the maps above it. Where something else than a map is in the way
/// the tree stays as it is: reading it will tell.
fn put(tree: &mut Tree, path: &[String], place: &Place, value: Tree) {
    let Some((key, rest)) = path.split_first() else {
        *tree = value;
        return;
    };
    if tree.value == Value::Null {
        *tree = Tree::empty_map(place.clone());
    }
    let Value::Map(entries) = &mut tree.value else { return };
    let at = entries.iter().position(|entry| entry.key == *key).unwrap_or_else(|| {
        let value = Tree { place: place.clone(), value: Value::Null };
        entries.push(Entry { key: key.clone(), written: None, place: place.clone(), value });
        entries.len() - 1
    });
    if let Some(entry) = entries.get_mut(at) {
        put(&mut entry.value, rest, place, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_variable_of_its_own() {
        let mut paths = 0;
        for tree in parse("fogbell.yaml", REFERENCE, &Problems::new()) {
            count(&tree, &mut paths);
        }
        let keys = keys();
        assert_eq!(keys.len(), paths);
        assert!(keys.contains_key("FOGBELL_EMIT_KAFKA_BROKERS"));
        assert!(keys.contains_key("FOGBELL_SLOS_AUTOMATIC_DEFAULTS_LATENCY_RATIO"));
        assert!(keys.keys().all(|name| !is_service_link(name) && name != CONFIG_PATH));
    }

    fn count(tree: &Tree, paths: &mut usize) {
        if let Value::Map(entries) = &tree.value {
            for entry in entries {
                *paths += 1;
                count(&entry.value, paths);
            }
        }
    }
}
