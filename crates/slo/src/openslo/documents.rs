use std::collections::BTreeMap;

use document::{Node, Place, Problems, Tree, Value, parse};

use super::read::{Form, data_source, service};
use super::read_alert::{alert_condition, alert_policy, notification_target};
use super::read_slo::{sli, slo};
use super::v2alpha::{V2ALPHA, as_v1};
use super::{
    AlertCondition, AlertNotificationTarget, AlertPolicy, DataSource, Service, Sli, SloDocument,
};

/// Most documents that are kept; those beyond are refused.
pub const DOCUMENTS_MAX: usize = 20_000;

pub(super) const API_VERSION: &str = "openslo/v1";
/// What comes with v2alpha and is not read.
const BUDGET_ADJUSTMENT: &str = "BudgetAdjustment";

/// All OpenSLO documents of a configuration: they may refer to each other across files.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    seen: BTreeMap<(&'static str, String), Place>,
    slos: BTreeMap<String, SloDocument>,
    slis: BTreeMap<String, Sli>,
    /// Of SLOs that were refused: checked, so that all errors come at once, and not used.
    orphans: Vec<Sli>,
    services: BTreeMap<String, Service>,
    data_sources: BTreeMap<String, DataSource>,
    policies: BTreeMap<String, AlertPolicy>,
    conditions: BTreeMap<String, AlertCondition>,
    targets: BTreeMap<String, AlertNotificationTarget>,
}

/// The form of a document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2Alpha,
}

impl Documents {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the documents of a file: one or several, each a document or a list of them. What is
    /// wrong is reported and left out.
    pub fn read(&mut self, file: &str, text: &str, problems: &Problems) {
        for tree in each_document(file, text, problems) {
            self.read_document(&tree, problems);
        }
    }

    /// As [`Documents::read`]; gives back those that are right, in the form of v1.
    pub fn convert(&mut self, file: &str, text: &str, problems: &Problems) -> Vec<Tree> {
        let mut converted = Vec::new();
        for tree in each_document(file, text, problems) {
            let before = problems.error_count();
            let read = self.read_document(&tree, problems);
            converted.extend(read.filter(|_| problems.error_count() == before));
        }
        converted
    }

    /// SLOs as they were read, by name, judged or not.
    #[must_use]
    pub fn slos(&self) -> &BTreeMap<String, SloDocument> {
        &self.slos
    }

    /// SLIs by name.
    #[must_use]
    pub fn slis(&self) -> &BTreeMap<String, Sli> {
        &self.slis
    }

    /// Services by name.
    #[must_use]
    pub fn services(&self) -> &BTreeMap<String, Service> {
        &self.services
    }

    /// Data sources by name.
    #[must_use]
    pub fn data_sources(&self) -> &BTreeMap<String, DataSource> {
        &self.data_sources
    }

    /// Alert policies by name.
    #[must_use]
    pub fn policies(&self) -> &BTreeMap<String, AlertPolicy> {
        &self.policies
    }

    /// Alert conditions by name.
    #[must_use]
    pub fn conditions(&self) -> &BTreeMap<String, AlertCondition> {
        &self.conditions
    }

    /// Notification targets by name.
    #[must_use]
    pub fn targets(&self) -> &BTreeMap<String, AlertNotificationTarget> {
        &self.targets
    }

    pub(super) fn orphans(&self) -> &[Sli] {
        &self.orphans
    }

    pub(super) fn is_known(&self, kind: &'static str, name: &str) -> bool {
        self.seen.contains_key(&(kind, name.to_owned()))
    }

    pub(super) fn names(&self, kind: &'static str) -> impl Iterator<Item = &str> {
        self.seen.keys().filter(move |(known, _)| *known == kind).map(|(_, name)| name.as_str())
    }

    /// Reads a document; gives back the form of v1 in which it was read.
    fn read_document(&mut self, tree: &Tree, problems: &Problems) -> Option<Tree> {
        let node = Node::root(tree, problems);
        let (kind, version) = kind_of(&node)?;
        if self.seen.len() >= DOCUMENTS_MAX {
            let what = format!("more than {DOCUMENTS_MAX} documents");
            node.error(what, "remove what is not needed");
            return None;
        }
        if !self.announce(kind, tree, problems) {
            return None;
        }
        let tree = match version {
            Version::V1 => tree.clone(),
            Version::V2Alpha => as_v1(tree, problems),
        };
        self.keep(kind, &Node::root(&tree, problems));
        Some(tree)
    }

    fn keep(&mut self, kind: &str, node: &Node<'_>) {
        match kind {
            "SLO" => match slo(node) {
                Ok(slo) => keep(&mut self.slos, Some(slo), |o| &o.metadata.name),
                Err(sli) => self.orphans.extend(sli.map(|sli| *sli)),
            },
            "SLI" => keep(&mut self.slis, sli(node, Form::Document), |o| &o.metadata.name),
            "Service" => keep(&mut self.services, service(node), |o| &o.metadata.name),
            "DataSource" => keep(&mut self.data_sources, data_source(node), |o| &o.metadata.name),
            "AlertPolicy" => {
                keep(&mut self.policies, alert_policy(node, Form::Document), |o| &o.metadata.name)
            }
            "AlertCondition" => {
                let read = alert_condition(node, Form::Document);
                keep(&mut self.conditions, read, |o| &o.metadata.name);
            }
            _ => {
                let read = notification_target(node, Form::Document);
                keep(&mut self.targets, read, |o| &o.metadata.name);
            }
        }
    }

    /// Notes a document's name before the rest is read, so that a reference to one that turns out
    /// wrong is not reported as well. False if the name is taken.
    fn announce(&mut self, kind: &'static str, tree: &Tree, problems: &Problems) -> bool {
        let Some(name) = tree.get("metadata").and_then(|metadata| metadata.get("name")) else {
            return true;
        };
        let Value::Scalar(scalar) = &name.value else { return true };
        let key = (kind, scalar.text.clone());
        if let Some(first) = self.seen.get(&key) {
            let what = format!("{kind} {:?} is there already, at {first}", scalar.text);
            Node::at(name, "metadata.name", problems).error(what, "give it another name");
            return false;
        }
        self.seen.insert(key, name.place.clone());
        true
    }
}

/// Documents one by one, those of lists too.
fn each_document(file: &str, text: &str, problems: &Problems) -> impl Iterator<Item = Tree> {
    parse(file, text, problems).into_iter().flat_map(|tree| match tree.value {
        Value::List(items) => items,
        value => vec![Tree { value, ..tree }],
    })
}

/// `kind` and `apiVersion`, if they are known.
fn kind_of(node: &Node<'_>) -> Option<(&'static str, Version)> {
    let mut map = node.map()?;
    map.ignore_unknown();
    let (version_node, kind) = (map.required("apiVersion"), map.required("kind"));
    let version_node = version_node?;
    let version = match version_node.text()? {
        API_VERSION => Version::V1,
        V2ALPHA => Version::V2Alpha,
        other => {
            let mend = format!("write the document as {API_VERSION} or {V2ALPHA}");
            version_node.error(format!("{other:?} is not read"), mend);
            return None;
        }
    };
    let kind = kind?;
    if version == Version::V2Alpha && kind.text()? == BUDGET_ADJUSTMENT {
        let mend = "announce it under maintenance in the configuration, or by fogbell maintenance";
        kind.error("is not read", mend);
        return None;
    }
    let kind = kind.choice(
        &[
            "SLO",
            "SLI",
            "Service",
            "DataSource",
            "AlertPolicy",
            "AlertCondition",
            "AlertNotificationTarget",
        ]
        .map(|kind| (kind, kind)),
    );
    Some((kind?, version))
}

fn keep<T>(map: &mut BTreeMap<String, T>, read: Option<T>, name: fn(&T) -> &String) {
    if let Some(object) = read {
        map.insert(name(&object).clone(), object);
    }
}
