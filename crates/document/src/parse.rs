use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};

use crate::tree::{Size, is_null};
use crate::{Entry, Place, Problems, Scalar, Tree, Value};

/// Largest text that is read.
pub const FILE_BYTES_MAX: usize = 4 << 20;
/// Deepest nesting that is read, aliases expanded.
pub const DEPTH_MAX: usize = 64;
/// Most values of one file, aliases expanded.
pub const NODES_MAX: usize = 200_000;
/// Most text of one file, aliases expanded.
pub const TEXT_BYTES_MAX: usize = 4 * FILE_BYTES_MAX;

/// Why building a tree stopped: the problem has been reported.
struct Stopped;

enum Frame {
    List { items: Vec<Tree> },
    Map { entries: Vec<Entry>, seen: BTreeSet<String>, key: Option<(String, Place)> },
}

struct Open {
    place: Place,
    anchor: usize,
    frame: Frame,
}

struct Builder<'p> {
    file: Arc<str>,
    problems: &'p Problems,
    open: Vec<Open>,
    anchors: BTreeMap<usize, (Tree, Size)>,
    nodes: usize,
    bytes: usize,
    documents: Vec<Tree>,
}

/// The documents of a YAML text, in order. `file` is the name that problems carry. A text that is
/// too large, too deep or no YAML is a problem, and what stood before it is returned; a mapping
/// that names a key twice keeps the first value and is a problem too. Documents without content
/// are left out.
pub fn parse(file: &str, text: &str, problems: &Problems) -> Vec<Tree> {
    let mut builder = Builder {
        file: file.into(),
        problems,
        open: Vec::new(),
        anchors: BTreeMap::new(),
        nodes: 0,
        bytes: 0,
        documents: Vec::new(),
    };
    if text.len() > FILE_BYTES_MAX {
        let what = format!("{} bytes are more than the {FILE_BYTES_MAX} that are read", text.len());
        problems.error(&Place::start_of(file), what, "split the file");
        return Vec::new();
    }
    let mut parser = Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    while let Some(next) = parser.next_event() {
        match next {
            Ok((event, span)) => {
                if builder.event(event, span).is_err() {
                    break;
                }
            }
            Err(error) => {
                let place = builder.place(*error.marker());
                problems.error(&place, format!("not YAML: {}", error.info()), "");
                break;
            }
        }
    }
    builder.documents
}

impl Builder<'_> {
    fn place(&self, marker: Marker) -> Place {
        let bounded = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place {
            file: Arc::clone(&self.file),
            line: bounded(marker.line()),
            column: bounded(marker.col()).saturating_add(1),
        }
    }

    fn stop(&self, place: &Place, what: &str, mend: &str) -> Stopped {
        self.problems.error(place, what, mend);
        Stopped
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Stopped> {
        let place = self.place(span.start);
        match event {
            Event::SequenceStart(anchor, tag) => {
                self.tag(tag.as_deref(), &place)?;
                self.begin(place, anchor, Frame::List { items: Vec::new() })
            }
            Event::MappingStart(anchor, tag) => {
                self.tag(tag.as_deref(), &place)?;
                let frame = Frame::Map { entries: Vec::new(), seen: BTreeSet::new(), key: None };
                self.begin(place, anchor, frame)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let quoted = self.tag(tag.as_deref(), &place)? || style != ScalarStyle::Plain;
                self.charge(Size { nodes: 1, bytes: text.len(), depth: 1 }, &place)?;
                let value = if !quoted && is_null(&text) {
                    Value::Null
                } else {
                    Value::Scalar(Scalar { text: text.into_owned(), quoted })
                };
                self.complete(Tree { place, value }, anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor, &place),
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    /// Whether the tag makes a string of a plain scalar.
    fn tag(&self, tag: Option<&Tag>, place: &Place) -> Result<bool, Stopped> {
        match tag {
            None => Ok(false),
            Some(tag) if tag.is_yaml_core_schema() => Ok(tag.suffix == "str"),
            Some(tag) => {
                Err(self.stop(place, &format!("the tag {tag} is not known"), "remove the tag"))
            }
        }
    }

    fn begin(&mut self, place: Place, anchor: usize, frame: Frame) -> Result<(), Stopped> {
        if let Some(Open { frame: Frame::Map { key: None, .. }, .. }) = self.open.last() {
            return Err(self.stop(&place, "a key must be a string", "write a plain key"));
        }
        self.charge(Size { nodes: 1, bytes: 0, depth: 1 }, &place)?;
        self.open.push(Open { place, anchor, frame });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Stopped> {
        let Some(Open { place, anchor, frame }) = self.open.pop() else { return Ok(()) };
        let value = match frame {
            Frame::List { items } => Value::List(items),
            Frame::Map { entries, .. } => Value::Map(entries),
        };
        self.complete(Tree { place, value }, anchor)
    }

    fn alias(&mut self, anchor: usize, place: &Place) -> Result<(), Stopped> {
        let Some(size) = self.anchors.get(&anchor).map(|(_, size)| *size) else {
            return Err(self.stop(place, "an alias stands inside its own anchor", "write it out"));
        };
        // Charged before the copy is made: this is what stops an alias bomb.
        self.charge(size, place)?;
        match self.anchors.get(&anchor).map(|(tree, _)| tree.clone()) {
            Some(copy) => self.complete(copy, 0),
            None => Ok(()),
        }
    }

    fn complete(&mut self, tree: Tree, anchor: usize) -> Result<(), Stopped> {
        if anchor != 0 {
            let size = tree.size();
            self.charge(Size { depth: 1, ..size }, &tree.place)?;
            self.anchors.insert(anchor, (tree.clone(), size));
        }
        let Some(open) = self.open.last_mut() else {
            if tree.value != Value::Null {
                self.documents.push(tree);
            }
            return Ok(());
        };
        match &mut open.frame {
            Frame::List { items } => items.push(tree),
            Frame::Map { entries, seen, key } => match key.take() {
                Some((key, place)) => {
                    if seen.insert(key.clone()) {
                        entries.push(Entry { key, written: None, place, value: tree });
                    } else {
                        let what = format!("the key {key:?} is given twice");
                        self.problems.error(&place, what, "remove one of the two");
                    }
                }
                None => match tree.value {
                    Value::Scalar(scalar) => *key = Some((scalar.text, tree.place)),
                    _ => return Err(self.stop(&tree.place, "a key must be a string", "")),
                },
            },
        }
        Ok(())
    }

    fn charge(&mut self, size: Size, place: &Place) -> Result<(), Stopped> {
        self.nodes = self.nodes.saturating_add(size.nodes);
        self.bytes = self.bytes.saturating_add(size.bytes);
        let what = if self.open.len() + size.depth > DEPTH_MAX {
            format!("nested more than {DEPTH_MAX} deep")
        } else if self.nodes > NODES_MAX {
            format!("more than {NODES_MAX} values, aliases expanded")
        } else if self.bytes > TEXT_BYTES_MAX {
            format!("more than {TEXT_BYTES_MAX} bytes of text, aliases expanded")
        } else {
            return Ok(());
        };
        Err(self.stop(place, &what, "make the document simpler"))
    }
}

#[cfg(test)]
mod tests;
