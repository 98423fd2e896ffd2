//! fogbell.yaml, environment and OpenSLO files to one validated configuration; every limit is named here.

mod calendar;
mod check;
mod env;
mod files;
mod maintenance;
mod occasion;
mod read;
mod secret;
mod settings;
mod value;

use document::{Node, Place, Problem, Problems, Tree, parse};

pub use calendar::calendar_of;
pub use files::{
    Credential, Loaded, SLO_FILES_MAX, TOKEN_BYTES_MAX, TOKEN_BYTES_MIN, from_path, read_text,
};
pub use occasion::{Occasion, OccasionError};
pub use read::{ENTRIES_MAX, KAFKA_PROPERTIES_RESERVED, REQUEST_BYTES_MAX_RANGE};
pub use secret::Secret;
pub use settings::{
    Ack, Alerting, Api, Auth, AutomaticDefaults, Config, CreateTopics, DeclaredMaintenance, Emit,
    EmitFormat, EmitTopics, Enrich, GrpcSink, KafkaSink, Limits, Log, LogFormat, LogLevel,
    OtlpTopics, Receive, ReceiveKafka, Role, Slos, Tenant, Tls,
};

/// Every key with its default, as a person would write it.
pub const REFERENCE: &str = include_str!("../fogbell.yaml");

/// A configuration together with the tree that it was read from.
struct Read {
    config: Config,
    tree: Tree,
}

impl Config {
    /// The configuration of a file (its name and its text) and of variables, and everything that
    /// is wrong with them, by place. Variables that do not begin with `FOGBELL_` are passed over.
    /// If a problem is an error, the configuration must not be used.
    pub fn load(
        file: Option<(&str, &str)>,
        env: &mut dyn Iterator<Item = (String, String)>,
    ) -> (Self, Vec<Problem>) {
        let problems = Problems::new();
        let read = Read::new(file, env, &problems);
        (read.config, problems.into_sorted())
    }
}

impl Read {
    fn new(
        file: Option<(&str, &str)>,
        env: &mut dyn Iterator<Item = (String, String)>,
        problems: &Problems,
    ) -> Self {
        let name = file.map_or("fogbell.yaml", |(name, _)| name);
        let mut documents = match file {
            Some((name, text)) => parse(name, text, problems),
            None => Vec::new(),
        };
        if let Some(second) = documents.get(1) {
            problems.error(&second.place, "a second document", "keep one document in the file");
        }
        documents.truncate(1);
        let root = documents.pop();
        let mut tree = root.unwrap_or_else(|| Tree::empty_map(Place::start_of(name)));
        env::apply(&mut tree, env, problems);
        let config = read::config(&Node::root(&tree, problems));
        let read = Self { config, tree };
        read.check(problems);
        read
    }

    /// Reports an error at a key, or at the file's start where the key is not written.
    fn error(&self, problems: &Problems, path: &str, what: String, mend: &str) {
        Node::at(self.at(path), path, problems).error(what, mend);
    }

    /// Reports a warning at a key.
    fn warn(&self, problems: &Problems, path: &str, what: String, mend: &str) {
        Node::at(self.at(path), path, problems).warn(what, mend);
    }

    fn at(&self, path: &str) -> &Tree {
        path.split('.').try_fold(&self.tree, |tree, key| tree.get(key)).unwrap_or(&self.tree)
    }
}

#[cfg(test)]
mod tests;
