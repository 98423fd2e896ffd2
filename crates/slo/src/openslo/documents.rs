use std::collections::BTreeMap;

use document::{Node, Place, Problems, Tree, Value, parse};

use super::read::{Form, data_source, service};
use super::read_alert::{alert_condition, alert_policy, notification_target};
use super::read_slo::{sli, slo};
use super::{
    AlertCondition, AlertNotificationTarget, AlertPolicy, DataSource, Service, Sli, SloDocument,
};

/// Most documents that are kept; those beyond are refused.
pub const DOCUMENTS_MAX: usize = 20_000;

const API_VERSION: &str = "openslo/v1";

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

impl Documents {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the documents of a file: one or several, each a document or a list of them. What is
    /// wrong is reported and left out.
    pub fn read(&mut self, file: &str, text: &str, problems: &Problems) {
        for tree in parse(file, text, problems) {
            match &tree.value {
                Value::List(items) => {
                    items.iter().for_each(|item| self.read_document(item, problems));
                }
                _ => self.read_document(&tree, problems),
            }
        }
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

    fn read_document(&mut self, tree: &Tree, problems: &Problems) {
        let node = Node::root(tree, problems);
        let Some(kind) = kind_of(&node) else { return };
        if self.seen.len() >= DOCUMENTS_MAX {
            let what = format!("more than {DOCUMENTS_MAX} documents");
            return node.error(what, "remove what is not needed");
        }
        if !self.announce(kind, tree, problems) {
            return;
        }
        match kind {
            "SLO" => match slo(&node) {
                Ok(slo) => keep(&mut self.slos, Some(slo), |o| &o.metadata.name),
                Err(sli) => self.orphans.extend(sli.map(|sli| *sli)),
            },
            "SLI" => keep(&mut self.slis, sli(&node, Form::Document), |o| &o.metadata.name),
            "Service" => keep(&mut self.services, service(&node), |o| &o.metadata.name),
            "DataSource" => keep(&mut self.data_sources, data_source(&node), |o| &o.metadata.name),
            "AlertPolicy" => {
                keep(&mut self.policies, alert_policy(&node, Form::Document), |o| &o.metadata.name)
            }
            "AlertCondition" => {
                let read = alert_condition(&node, Form::Document);
                keep(&mut self.conditions, read, |o| &o.metadata.name);
            }
            _ => {
                let read = notification_target(&node, Form::Document);
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

/// `kind`, if the document is one of OpenSLO v1.
fn kind_of(node: &Node<'_>) -> Option<&'static str> {
    let mut map = node.map()?;
    map.ignore_unknown();
    let (version, kind) = (map.required("apiVersion"), map.required("kind"));
    let version = version?;
    if version.text()? != API_VERSION {
        let what = format!("{:?} is not read", version.text()?);
        version.error(what, format!("write the document as {API_VERSION}"));
        return None;
    }
    kind?.choice(
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
    )
}

fn keep<T>(map: &mut BTreeMap<String, T>, read: Option<T>, name: fn(&T) -> &String) {
    if let Some(object) = read {
        map.insert(name(&object).clone(), object);
    }
}
