use std::ops::RangeInclusive;
use std::time::Duration;

use crate::{Entry, Level, Place, Problem, Problems, Scalar, Tree, Value, quantity, suggest};

/// Values quoted in a problem are cut at this many characters.
const QUOTE_CHARS_MAX: usize = 64;

/// A value together with its path and with the collector of problems. Every reading method gives
/// `None` after it has reported why.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    tree: &'a Tree,
    path: String,
    problems: &'a Problems,
}

/// The keys of a map. When dropped it reports the keys that nobody asked for, so that a
/// misspelt key never passes in silence.
#[derive(Debug)]
pub struct Fields<'a> {
    node: Node<'a>,
    asked: Vec<&'static str>,
    all_taken: bool,
}

impl<'a> Node<'a> {
    /// The root of a document.
    #[must_use]
    pub fn root(tree: &'a Tree, problems: &'a Problems) -> Self {
        Self { tree, path: String::new(), problems }
    }

    /// A tree that was kept aside, under the path that it had.
    #[must_use]
    pub fn at(tree: &'a Tree, path: &str, problems: &'a Problems) -> Self {
        Self { tree, path: path.to_owned(), problems }
    }

    /// Where the value begins.
    #[must_use]
    pub fn place(&self) -> &'a Place {
        &self.tree.place
    }

    /// Keys from the root, `emit.kafka.brokers[0]`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The value itself.
    #[must_use]
    pub fn tree(&self) -> &'a Tree {
        self.tree
    }

    /// Where problems go.
    #[must_use]
    pub fn problems(&self) -> &'a Problems {
        self.problems
    }

    /// Whether the value is empty, `~` or `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.tree.value == Value::Null
    }

    /// Whether the value is a map.
    #[must_use]
    pub fn is_map(&self) -> bool {
        matches!(self.tree.value, Value::Map(_))
    }

    /// Reports an error at this value.
    pub fn error(&self, what: impl Into<String>, mend: impl Into<String>) {
        self.report(Level::Error, what.into(), mend.into());
    }

    /// Reports a warning at this value.
    pub fn warn(&self, what: impl Into<String>, mend: impl Into<String>) {
        self.report(Level::Warning, what.into(), mend.into());
    }

    fn report(&self, level: Level, what: String, mend: String) {
        let (place, path) = (self.tree.place.clone(), self.path.clone());
        self.problems.push(Problem { level, place, path, what, mend });
    }

    /// The keys of a map.
    pub fn map(&self) -> Option<Fields<'a>> {
        match self.tree.value {
            Value::Map(_) => {
                Some(Fields { node: self.clone(), asked: Vec::new(), all_taken: false })
            }
            _ => self.not_a("map", "write keys below it, indented"),
        }
    }

    /// The items of a list.
    pub fn list(&self) -> Option<Vec<Self>> {
        let Value::List(items) = &self.tree.value else {
            return self.not_a("list", "write [..] or one item a line, each after a dash");
        };
        let item =
            |(i, tree)| Self { tree, path: format!("{}[{i}]", self.path), problems: self.problems };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// The text of a scalar, whatever it would be read as.
    pub fn text(&self) -> Option<&'a str> {
        Some(self.scalar("string", "write a text")?.text.as_str())
    }

    /// A text of its own.
    pub fn string(&self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    /// A text that is not empty.
    pub fn name(&self) -> Option<String> {
        let text = self.text()?;
        if text.trim().is_empty() {
            self.error("is empty", "write a text");
            return None;
        }
        Some(text.to_owned())
    }

    /// Each item of a list as a text.
    pub fn strings(&self) -> Option<Vec<String>> {
        self.list()?.iter().map(Self::string).collect()
    }

    /// A whole number within a range; digits may be grouped with `_`.
    pub fn int<T: TryFrom<i64>>(&self, range: RangeInclusive<i64>) -> Option<T> {
        let (low, high) = (range.start(), range.end());
        let mend = format!("write one from {low} to {high}");
        let scalar = self.scalar("whole number", &mend)?;
        let Ok(number) = scalar.text.replace('_', "").parse::<i64>() else {
            return self.wrong(scalar, "is no whole number", mend);
        };
        if !range.contains(&number) {
            return self.wrong(scalar, "is out of range", mend);
        }
        T::try_from(number).ok()
    }

    /// A finite number.
    pub fn float(&self) -> Option<f64> {
        let mend = "write a number such as 14.4";
        let scalar = self.scalar("number", mend)?;
        match scalar.text.parse::<f64>() {
            Ok(number) if number.is_finite() => Some(number),
            _ => self.wrong(scalar, "is no number", mend.to_owned()),
        }
    }

    /// `true` or `false`.
    pub fn bool(&self) -> Option<bool> {
        let mend = "write true or false";
        let scalar = self.scalar("boolean", mend)?;
        match scalar.text.as_str() {
            "true" | "True" | "TRUE" => Some(true),
            "false" | "False" | "FALSE" => Some(false),
            _ => self.wrong(scalar, "is neither true nor false", mend.to_owned()),
        }
    }

    /// A duration such as `5m` or `1h30m`.
    pub fn duration(&self) -> Option<Duration> {
        let mend = "write a duration such as 300ms, 5m, 1h30m or 30d";
        let scalar = self.scalar("duration", mend)?;
        match quantity::duration(&scalar.text) {
            Ok(duration) => Some(duration),
            Err(error) => self.wrong(scalar, &error.to_string(), mend.to_owned()),
        }
    }

    /// A number of bytes such as `16MiB`.
    pub fn bytes(&self) -> Option<u64> {
        let mend = "write a size such as 64KiB, 16MiB or 1GiB";
        let scalar = self.scalar("size", mend)?;
        match quantity::bytes(&scalar.text) {
            Ok(bytes) => Some(bytes),
            Err(error) => self.wrong(scalar, &error.to_string(), mend.to_owned()),
        }
    }

    /// One word of a table.
    pub fn choice<T: Copy>(&self, table: &[(&str, T)]) -> Option<T> {
        let words = || table.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        let scalar = self.scalar("word", &format!("write one of {}", words()))?;
        if let Some((_, value)) = table.iter().find(|(word, _)| *word == scalar.text) {
            return Some(*value);
        }
        let what = format!("is not one of {}", words());
        self.wrong(scalar, &what, "write one of these".to_owned())
    }

    fn scalar(&self, wanted: &str, mend: &str) -> Option<&'a Scalar> {
        match &self.tree.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => self.not_a(wanted, mend),
        }
    }

    fn not_a<T>(&self, wanted: &str, mend: &str) -> Option<T> {
        let is = match self.tree.value {
            Value::Null => "empty",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        };
        self.error(format!("is {is}, not a {wanted}"), mend);
        None
    }

    fn wrong<T>(&self, scalar: &Scalar, what: &str, mend: String) -> Option<T> {
        self.error(format!("{} {what}", quoted(&scalar.text)), mend);
        None
    }
}

impl<'a> Fields<'a> {
    /// The map itself.
    #[must_use]
    pub fn node(&self) -> &Node<'a> {
        &self.node
    }

    /// The value of a key, null or not.
    pub fn get_or_null(&mut self, key: &'static str) -> Option<Node<'a>> {
        self.asked.push(key);
        self.node.tree.entry(key).map(|entry| self.child(entry))
    }

    /// The value of a key; null counts as absent.
    pub fn get(&mut self, key: &'static str) -> Option<Node<'a>> {
        self.get_or_null(key).filter(|node| !node.is_null())
    }

    /// The value of a key that must be there.
    pub fn required(&mut self, key: &'static str) -> Option<Node<'a>> {
        let node = self.get(key);
        if node.is_none() {
            self.node.error(format!("{key} is missing"), format!("add {key}"));
        }
        node
    }

    /// Puts what `read` makes of a key's value into `slot`; leaves `slot` alone if the key is
    /// absent or wrong.
    pub fn set<T>(
        &mut self,
        key: &'static str,
        slot: &mut T,
        read: impl FnOnce(&Node<'a>) -> Option<T>,
    ) {
        if let Some(value) = self.get(key).and_then(|node| read(&node)) {
            *slot = value;
        }
    }

    /// Every key with its value; for maps whose keys are the author's own.
    pub fn entries(&mut self) -> Vec<(&'a str, Node<'a>)> {
        self.all_taken = true;
        let Value::Map(entries) = &self.node.tree.value else { return Vec::new() };
        entries.iter().map(|entry| (entry.key.as_str(), self.child(entry))).collect()
    }

    /// Lets keys pass that nobody asked for.
    pub fn ignore_unknown(&mut self) {
        self.all_taken = true;
    }

    fn child(&self, entry: &'a Entry) -> Node<'a> {
        let path = match (self.node.path.as_str(), entry.name()) {
            ("", name) => name.to_owned(),
            (path, "") => path.to_owned(),
            (path, name) => format!("{path}.{name}"),
        };
        Node { tree: &entry.value, path, problems: self.node.problems }
    }

    fn report_unknown(&self) {
        let Value::Map(entries) = &self.node.tree.value else { return };
        for entry in entries {
            if self.asked.contains(&entry.key.as_str()) {
                continue;
            }
            let mend = match suggest(&entry.key, self.asked.iter().copied()) {
                _ if entry.key == "<<" => "merge keys are not part of YAML 1.2".to_owned(),
                Some(near) => format!("did you mean {near}?"),
                None => format!("known here: {}", self.known()),
            };
            let child = self.child(entry);
            self.node.problems.push(Problem {
                level: Level::Error,
                place: entry.place.clone(),
                path: child.path,
                what: "unknown key".to_owned(),
                mend,
            });
        }
    }

    fn known(&self) -> String {
        let mut known = self.asked.clone();
        known.sort_unstable();
        known.dedup();
        known.join(", ")
    }
}

impl Drop for Fields<'_> {
    fn drop(&mut self) {
        if !self.all_taken {
            self.report_unknown();
        }
    }
}

/// The text in quotes, cut if it is long.
fn quoted(text: &str) -> String {
    if text.chars().nth(QUOTE_CHARS_MAX).is_none() {
        return format!("{text:?}");
    }
    let head: String = text.chars().take(QUOTE_CHARS_MAX).collect();
    format!("{head:?}...")
}

#[cfg(test)]
mod tests;
