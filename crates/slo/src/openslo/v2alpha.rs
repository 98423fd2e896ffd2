//! Documents of OpenSLO v2alpha, read as what they are in v1.
//!
//! Source: OpenSLO, `enhancements/v2alpha.md`. Of v1 it renames `indicator` and `indicatorRef`, puts
//! a metric source in place of what holds it, has no `displayName`, one value a label, and knows no
//! months, quarters and years. Problems name the keys that the author wrote.

use document::{Entry, Node, Place, Problems, Scalar, Tree, Value};

use super::documents::API_VERSION;

pub(super) const V2ALPHA: &str = "openslo.com/v2alpha";

const METRICS: [&str; 4] = ["good", "bad", "total", "raw"];
const DURATIONS: [&str; 4] = ["duration", "timeSliceWindow", "lookbackWindow", "alertAfter"];
/// Keys of v1 that have another name, with it.
const RENAMED: [(&str, &str); 2] = [("indicator", "sli"), ("indicatorRef", "sliRef")];

/// The document in the form of v1. What v2alpha does not allow is reported and left out.
pub(super) fn as_v1(tree: &Tree, problems: &Problems) -> Tree {
    let mut out = tree.clone();
    if let Some(version) = value_of(&mut out, "apiVersion") {
        version.value = scalar(API_VERSION);
    }
    Rewriting { problems }.object(&mut out, "");
    out
}

/// Rewrites parts of a document, each under its path.
struct Rewriting<'p> {
    problems: &'p Problems,
}

impl Rewriting<'_> {
    /// A document, or an object that stands inside another.
    fn object(&self, tree: &mut Tree, path: &str) {
        if let Some(metadata) = value_of(tree, "metadata") {
            self.metadata(metadata, &below(path, "metadata"));
        }
        if let Some(spec) = value_of(tree, "spec") {
            self.spec(spec, &below(path, "spec"));
        }
    }

    fn metadata(&self, tree: &mut Tree, path: &str) {
        let mend = "v2alpha has none: remove it, or write the document as openslo/v1";
        self.take_out(tree, "displayName", path, mend);
        let Some(labels) = value_of(tree, "labels") else { return };
        for Entry { key, value, .. } in entries_of(labels) {
            if matches!(value.value, Value::List(_)) {
                let path = below(&below(path, "labels"), key);
                let mend = "write one text, or write the document as openslo/v1";
                self.error(&value.place, path, "a label of v2alpha has one value", mend);
            }
        }
    }

    /// `spec` of an object of any kind: no two kinds use a key in another sense.
    fn spec(&self, tree: &mut Tree, path: &str) {
        self.rename(tree, path);
        if let Some(inline) = value_of(tree, "indicator") {
            self.object(inline, &below(path, "sli"));
        }
        if let Some(metric) = value_of(tree, "thresholdMetric") {
            self.metric(metric, &below(path, "thresholdMetric"));
        }
        if let Some(ratio) = value_of(tree, "ratioMetric") {
            let path = below(path, "ratioMetric");
            for side in METRICS {
                if let Some(metric) = value_of(ratio, side) {
                    self.metric(metric, &below(&path, side));
                }
            }
        }
        self.each_of(tree, "timeWindow", path, Self::durations);
        self.each_of(tree, "objectives", path, Self::objective);
        for list in ["alertPolicies", "conditions", "notificationTargets"] {
            self.each_of(tree, list, path, Self::object);
        }
        if let Some(condition) = value_of(tree, "condition") {
            self.durations(condition, &below(path, "condition"));
        }
    }

    fn objective(&self, tree: &mut Tree, path: &str) {
        self.rename(tree, path);
        self.durations(tree, path);
        if let Some(inline) = value_of(tree, "indicator") {
            self.object(inline, &below(path, "sli"));
        }
        let Value::Map(entries) = &mut tree.value else { return };
        if let Some(at) = entries.iter().position(|entry| entry.key == "labels") {
            let Entry { value, .. } = entries.remove(at);
            let node = below(path, "labels");
            let mend = "move them to metadata.labels if they are to be kept";
            Node::at(&value, &node, self.problems)
                .warn("labels of an objective are not read", mend);
        }
    }

    fn rename(&self, tree: &mut Tree, path: &str) {
        for (v1, v2alpha) in RENAMED {
            self.take_out(tree, v1, path, &format!("write {v2alpha}, as v2alpha names it"));
        }
        // The draft says service, the SDK serviceRef.
        let service = tree.get("service").is_none().then_some(("service", "serviceRef"));
        for entry in entries_of(tree) {
            let renamed = RENAMED.iter().chain(&service);
            if let Some((v1, _)) = renamed.into_iter().find(|(_, v2alpha)| *v2alpha == entry.key) {
                let written = std::mem::replace(&mut entry.key, (*v1).to_owned());
                entry.written = Some(written);
            }
        }
    }

    /// Puts what says where a metric comes from a level deeper, as v1 has it.
    fn metric(&self, tree: &mut Tree, path: &str) {
        let mend = "write dataSourceRef or dataSourceSpec, and spec beside it";
        self.take_out(tree, "metricSource", path, mend);
        let place = tree.place.clone();
        let Value::Map(entries) = &mut tree.value else { return };
        let mut source = Vec::new();
        let (mut refers, mut describes) = (false, false);
        for mut entry in std::mem::take(entries) {
            match entry.key.as_str() {
                "dataSourceRef" => {
                    refers = true;
                    entry.written =
                        Some(std::mem::replace(&mut entry.key, "metricSourceRef".to_owned()));
                    source.push(entry);
                }
                "dataSourceSpec" => {
                    describes = true;
                    source.extend(self.kind_of(entry, path));
                }
                "spec" => source.push(entry),
                // An unknown key stays where it is, and is told there.
                _ => entries.push(entry),
            }
        }
        if refers == describes {
            let what = if refers { "says twice" } else { "does not say" };
            let mend = "write either dataSourceRef: NAME or dataSourceSpec: { type: otlp }";
            self.error(
                &place,
                path.to_owned(),
                &format!("{what} where the metric comes from"),
                mend,
            );
        }
        let value = Tree { place: place.clone(), value: Value::Map(source) };
        let (key, written) = ("metricSource".to_owned(), Some(String::new()));
        entries.push(Entry { key, written, place, value });
    }

    /// The type of an inline data source, which is all of it that v1 can say in place.
    fn kind_of(&self, source: Entry, path: &str) -> Option<Entry> {
        let path = below(path, "dataSourceSpec");
        let is_said = |key: &str| source.value.get(key).is_some_and(|tree| !is_empty(tree));
        if is_said("connectionDetails") {
            let node = Node::at(&source.value, &path, self.problems);
            let mend = "fogbell needs none; to keep them, move them to a DataSource document";
            node.warn("connectionDetails are not read here", mend);
        }
        let known = ["type", "connectionDetails", "description"];
        let Value::Map(entries) = source.value.value else {
            let mend = "write { type: otlp }";
            self.error(&source.value.place, path, "is no map", mend);
            return None;
        };
        let mut kind = None;
        for mut entry in entries {
            if entry.key == "type" {
                entry.written = Some("dataSourceSpec.type".to_owned());
                kind = Some(entry);
            } else if !known.contains(&entry.key.as_str()) {
                let mend = format!("known here: {}", known.join(", "));
                self.error(&entry.place, below(&path, &entry.key), "unknown key", &mend);
            }
        }
        kind
    }

    fn durations(&self, tree: &mut Tree, path: &str) {
        for Entry { key, value, .. } in entries_of(tree) {
            let Value::Scalar(Scalar { text, .. }) = &value.value else { continue };
            if DURATIONS.contains(&key.as_str()) && text.ends_with(['M', 'Q', 'Y']) {
                let what = format!("{text:?} has a unit that v2alpha does not know");
                let mend = "write m, h, d or w, or write the document as openslo/v1";
                self.error(&value.place, below(path, key), &what, mend);
            }
        }
    }

    fn each_of(&self, tree: &mut Tree, key: &str, path: &str, rewrite: fn(&Self, &mut Tree, &str)) {
        let Some(Tree { value: Value::List(items), .. }) = value_of(tree, key) else { return };
        for (number, item) in items.iter_mut().enumerate() {
            rewrite(self, item, &format!("{}[{number}]", below(path, key)));
        }
    }

    /// Removes a key that is not of v2alpha, and says so.
    fn take_out(&self, tree: &mut Tree, key: &str, path: &str, mend: &str) {
        let Value::Map(entries) = &mut tree.value else { return };
        if let Some(at) = entries.iter().position(|entry| entry.key == key) {
            let entry = entries.remove(at);
            self.error(&entry.place, below(path, key), "is no key of v2alpha", mend);
        }
    }

    fn error(&self, place: &Place, path: String, what: &str, mend: &str) {
        let tree = Tree { place: place.clone(), value: Value::Null };
        Node::at(&tree, &path, self.problems).error(what, mend);
    }
}

fn value_of<'t>(tree: &'t mut Tree, key: &str) -> Option<&'t mut Tree> {
    entries_of(tree).find(|entry| entry.key == key).map(|entry| &mut entry.value)
}

fn entries_of(tree: &mut Tree) -> impl Iterator<Item = &mut Entry> {
    match &mut tree.value {
        Value::Map(entries) => entries.iter_mut(),
        Value::Null | Value::Scalar(_) | Value::List(_) => [].iter_mut(),
    }
}

fn is_empty(tree: &Tree) -> bool {
    match &tree.value {
        Value::Null => true,
        Value::Map(entries) => entries.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Scalar(_) => false,
    }
}

fn scalar(text: &str) -> Value {
    Value::Scalar(Scalar { text: text.to_owned(), quoted: false })
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
