//! Declared maintenance.

use document::{Node, Problems};
use model::{Maintenance, Timestamp};

use crate::Read;
use crate::occasion::{Occasion, OccasionError};
use crate::settings::DeclaredMaintenance;

/// An entry of `maintenance`.
pub(crate) fn entry(node: &Node<'_>) -> Option<DeclaredMaintenance> {
    let mut map = node.map()?;
    let names = |node: Option<Node<'_>>| {
        let list = node.map(|node| crate::value::each(&node, Node::name));
        list.unwrap_or(Some(Vec::new()))
    };
    let name = map.required("name").and_then(|node| node.name());
    let services = names(map.get("services"));
    let slos = names(map.get("slos"));
    let mut reason = String::new();
    map.set("reason", &mut reason, Node::name);
    let start = map.required("start").and_then(|node| node.name());
    let duration = map.required("duration").and_then(|node| node.duration());
    let mut occasion = Occasion::default();
    map.set("time_zone", &mut occasion.time_zone, Node::name);
    map.set("recurrence", &mut occasion.recurrence, Node::name);
    let occasion = Occasion { start: start?, duration: duration?, ..occasion };
    Some(DeclaredMaintenance { name: name?, services: services?, slos: slos?, reason, occasion })
}

impl Read {
    /// Declared maintenance with its stretches, as they are known `now`.
    pub(crate) fn maintenance(&self, now: Timestamp, problems: &Problems) -> Vec<Maintenance> {
        let declared = &self.config.maintenance;
        for (at, entry) in declared.iter().enumerate() {
            if declared[..at].iter().any(|other| other.name == entry.name) {
                let what = format!("{:?} is the name of another entry too", entry.name);
                self.error(problems, "maintenance", what, "give each its own name");
            }
        }
        let told = declared.iter().filter_map(|entry| match entry.occasion.stretches(now) {
            Ok(stretches) => Some(Maintenance {
                name: entry.name.clone(),
                services: entry.services.clone(),
                slos: entry.slos.clone(),
                reason: entry.reason.clone(),
                author: "configuration".to_owned(),
                recurrence: entry.occasion.recurrence.clone(),
                stretches,
            }),
            Err(OccasionError { field, what, mend }) => {
                let what = format!("{:?}: {field}: {what}", entry.name);
                self.error(problems, "maintenance", what, mend);
                None
            }
        });
        told.collect()
    }
}
