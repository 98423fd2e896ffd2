use std::collections::BTreeMap;

use document::{Fields, Node};

use super::{DataSource, Metadata, Reference, Service, Shorthand, Spot};
use crate::judge::Fraction;

/// RFC 1123 label.
const NAME_BYTES_MAX: usize = 63;
const DESCRIPTION_CHARS_MAX: usize = 1050;

/// Whether an object is a document, or stands inside another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Document,
    Inline,
}

/// `metadata`, if it is right, and the keys of `spec`, to be read in any case; the caller has read `apiVersion` and `kind` of documents.
pub(super) fn object<'a>(
    node: &Node<'a>,
    kind: &str,
    form: Form,
) -> Option<(Option<Metadata>, Fields<'a>)> {
    let mut map = node.map()?;
    if let Some(kind_node) = map.get("kind")
        && kind_node.text()? != kind
    {
        kind_node.error(format!("is not {kind}"), format!("write kind: {kind}"));
    }
    map.get("apiVersion");
    let metadata = match (form, map.get("metadata")) {
        (_, Some(metadata)) => read_metadata(&metadata, Spot::of(node)),
        (Form::Document, None) => {
            map.required("metadata");
            None
        }
        (Form::Inline, None) => Some(Metadata {
            name: String::new(),
            display_name: String::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            spot: Spot::of(node),
        }),
    };
    let spec = map.required("spec")?.map()?;
    Some((metadata, spec))
}

fn read_metadata(node: &Node<'_>, spot: Spot) -> Option<Metadata> {
    let mut map = node.map()?;
    let name = map.required("name").and_then(|name| object_name(&name));
    let display_name = text(&mut map, "displayName");
    let (mut labels, mut annotations) = (BTreeMap::new(), BTreeMap::new());
    if let Some(mut map) = map.get("labels").and_then(|node| node.map()) {
        for (key, value) in map.entries() {
            let list = matches!(value.tree().value, document::Value::List(_));
            let values = if list { value.strings() } else { value.string().map(|one| vec![one]) };
            labels.insert(key.to_owned(), values.unwrap_or_default());
        }
    }
    if let Some(mut map) = map.get("annotations").and_then(|node| node.map()) {
        for (key, value) in map.entries() {
            annotations.insert(key.to_owned(), value.string().unwrap_or_default());
        }
    }
    let name = name?;
    let display_name = if display_name.is_empty() { name.clone() } else { display_name };
    Some(Metadata { name, display_name, labels, annotations, spot })
}

fn object_name(node: &Node<'_>) -> Option<String> {
    let name = node.name()?;
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let edges = !name.starts_with('-') && !name.ends_with('-');
    if name.len() <= NAME_BYTES_MAX && name.bytes().all(inner) && edges {
        return Some(name);
    }
    let mend = format!("write lower-case letters, digits and dashes, at most {NAME_BYTES_MAX}");
    node.error(format!("{name:?} is no name"), mend);
    None
}

/// A text, empty where it is absent.
pub(super) fn text(map: &mut Fields<'_>, key: &'static str) -> String {
    map.get(key).and_then(|node| node.string()).unwrap_or_default()
}

pub(super) fn description(map: &mut Fields<'_>) -> String {
    let Some(node) = map.get("description") else { return String::new() };
    let text = node.string().unwrap_or_default();
    if text.chars().nth(DESCRIPTION_CHARS_MAX).is_some() {
        node.error(format!("is longer than {DESCRIPTION_CHARS_MAX} characters"), "shorten it");
    }
    text
}

pub(super) fn shorthand(node: &Node<'_>) -> Option<Shorthand> {
    let text = node.text()?;
    let parsed = Shorthand::parse(text);
    if parsed.is_none_or(|parsed| parsed.count == 0) {
        node.error(
            format!("{text:?} is no duration of OpenSLO"),
            "write a whole number and one of m, h, d, w, M (month), Q, Y: 30d",
        );
        return None;
    }
    parsed
}

/// A decimal number that is kept exactly.
pub(super) fn fraction(node: &Node<'_>) -> Option<Fraction> {
    let text = node.text()?;
    let parsed = Fraction::parse(text);
    if parsed.is_none() {
        let what = format!("{text:?} is no decimal number of at most nine decimal places");
        node.error(what, "write it like 0.999");
    }
    parsed
}

pub(super) fn service(node: &Node<'_>) -> Option<Service> {
    let (metadata, mut spec) = object(node, "Service", Form::Document)?;
    let description = description(&mut spec);
    Some(Service { metadata: metadata?, description })
}

pub(super) fn data_source(node: &Node<'_>) -> Option<DataSource> {
    let (metadata, mut spec) = object(node, "DataSource", Form::Document)?;
    description(&mut spec);
    spec.get("connectionDetails");
    let kind = spec.required("type").and_then(|node| node.name())?;
    Some(DataSource { metadata: metadata?, kind })
}

/// A list whose items are names (`key: name`, or the name alone) or objects. `None` if one of
/// them is wrong.
pub(super) fn references<'a, T>(
    node: Option<Node<'a>>,
    key: &'static str,
    inline: fn(&Node<'a>, Form) -> Option<T>,
) -> Option<Vec<Reference<T>>> {
    let Some(node) = node else { return Some(Vec::new()) };
    let read = |item: &Node<'a>| {
        if !item.is_map() {
            return Some(Reference::Named(item.name()?, Spot::of(item)));
        }
        if item.tree().get(key).is_none() {
            return inline(item, Form::Inline).map(|object| Reference::Inline(Box::new(object)));
        }
        let name = item.map()?.required(key)?;
        Some(Reference::Named(name.name()?, Spot::of(&name)))
    };
    // Collected before it is judged, so that every item is read and reported.
    let items: Vec<Option<Reference<T>>> = node.list()?.iter().map(read).collect();
    items.into_iter().collect()
}
