use crate::Place;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Where the value begins.
    pub place: Place,
    /// The value.
    pub value: Value,
}

/// What a YAML node holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Empty, `~` or `null`.
    Null,
    /// A text that becomes a number, a duration or whatever else when it is asked for.
    Scalar(Scalar),
    /// A sequence.
    List(Vec<Tree>),
    /// A mapping in the order of the text, its keys distinct.
    Map(Vec<Entry>),
}

/// The text of a scalar, without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// As written, escapes resolved.
    pub text: String,
    /// Whether it was quoted or a block, and so is no number and no boolean.
    pub quoted: bool,
}

/// A key of a mapping with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The key that the author wrote, where another form of the document is read: problems name
    /// this one. Empty for a level that the author did not write.
    pub written: Option<String>,
    /// Where the key stands.
    pub place: Place,
    /// The value.
    pub value: Tree,
}

/// What a tree costs; bounds the expansion of aliases.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size {
    pub(crate) nodes: usize,
    pub(crate) bytes: usize,
    pub(crate) depth: usize,
}

impl Entry {
    /// The key as its author knows it; empty for a level that nobody wrote.
    #[must_use]
    pub fn name(&self) -> &str {
        self.written.as_deref().unwrap_or(&self.key)
    }
}

impl Tree {
    /// A scalar from elsewhere than a YAML text: `null` and the empty text are null.
    #[must_use]
    pub fn plain(place: Place, text: &str) -> Self {
        let value = if is_null(text) {
            Value::Null
        } else {
            Value::Scalar(Scalar { text: text.to_owned(), quoted: false })
        };
        Self { place, value }
    }

    /// A map without keys.
    #[must_use]
    pub fn empty_map(place: Place) -> Self {
        Self { place, value: Value::Map(Vec::new()) }
    }

    /// The value under a key, if this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// A key with its value, if this is a map that has it.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// Recursion is safe: trees are never deeper than the parser's limit.
    pub(crate) fn size(&self) -> Size {
        let mut size = Size { nodes: 1, bytes: 0, depth: 1 };
        let mut add = |child: Size| {
            size.nodes += child.nodes;
            size.bytes += child.bytes;
            size.depth = size.depth.max(child.depth + 1);
        };
        match &self.value {
            Value::Null => {}
            Value::Scalar(scalar) => size.bytes = scalar.text.len(),
            Value::List(items) => items.iter().for_each(|item| add(item.size())),
            Value::Map(entries) => entries.iter().for_each(|entry| {
                let child = entry.value.size();
                add(Size { bytes: child.bytes + entry.key.len(), ..child });
            }),
        }
        size
    }
}

/// The words that the YAML 1.2 core schema reads as null.
pub(crate) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}
