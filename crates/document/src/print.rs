//! Trees as YAML text.

use std::fmt::Write as _;

use crate::{Tree, Value};

/// Spaces of each level.
const INDENT: usize = 2;

impl Tree {
    /// The value as YAML in block style, which [`crate::parse`] reads back as it is. What was
    /// quoted is quoted, with escapes; a text of several lines is a block where it can be.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        self.print(&mut out, 0);
        if !out.ends_with('\n') {
            out.push('\n');
        }
        out
    }

    /// Prints the value, which stands behind a key or a dash if `level` is above zero.
    fn print(&self, out: &mut String, level: usize) {
        match &self.value {
            Value::Null => out.push_str("null"),
            Value::Scalar(scalar) if !scalar.quoted && !scalar.text.contains('\n') => {
                out.push_str(&scalar.text);
            }
            Value::Scalar(scalar) if is_block(&scalar.text) => block(out, &scalar.text, level),
            Value::Scalar(scalar) => quote(out, &scalar.text),
            Value::List(items) if items.is_empty() => out.push_str("[]"),
            Value::Map(entries) if entries.is_empty() => out.push_str("{}"),
            Value::List(items) => {
                for item in items {
                    begin_line(out, level);
                    out.push('-');
                    item.print_after(out, level + 1);
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    begin_line(out, level);
                    if is_plain(&entry.key) {
                        out.push_str(&entry.key);
                    } else {
                        quote(out, &entry.key);
                    }
                    out.push(':');
                    entry.value.print_after(out, level + 1);
                }
            }
        }
    }

    fn print_after(&self, out: &mut String, level: usize) {
        let is_nested = match &self.value {
            Value::List(items) => !items.is_empty(),
            Value::Map(entries) => !entries.is_empty(),
            Value::Null | Value::Scalar(_) => false,
        };
        if !is_nested {
            out.push(' ');
        }
        self.print(out, level);
    }
}

fn begin_line(out: &mut String, level: usize) {
    // The first key of an item stands behind its dash.
    if out.ends_with('-') && level > 0 {
        out.push(' ');
        return;
    }
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    let _ = write!(out, "{:1$}", "", level * INDENT);
}

/// Whether a key needs no quotes.
fn is_plain(key: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.chars().all(inner)
        && !crate::tree::is_null(key)
}

/// Whether a text of several lines reads back the same as a literal block.
fn is_block(text: &str) -> bool {
    let printable = |c: char| c == '\n' || !c.is_control();
    let starts_plain = text.starts_with(|c: char| !c.is_whitespace());
    text.contains('\n')
        && starts_plain
        && text.chars().all(printable)
        && !text.contains(['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}'])
        && !text.ends_with("\n\n")
        && text.lines().all(|line| line.is_empty() || !line.trim().is_empty())
}

fn block(out: &mut String, text: &str, level: usize) {
    out.push_str(if text.ends_with('\n') { "|" } else { "|-" });
    for line in text.lines() {
        out.push('\n');
        if !line.is_empty() {
            let _ = write!(out, "{:1$}{line}", "", level.max(1) * INDENT);
        }
    }
    out.push('\n');
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            plain
                if plain.is_control() || matches!(plain, '\u{2028}' | '\u{2029}' | '\u{feff}') =>
            {
                let _ = write!(out, "\\u{:04x}", plain as u32);
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Problems, parse};

    /// The trees of a text with all places alike, so that they compare by content.
    fn read(text: &str) -> Vec<Tree> {
        let problems = Problems::new();
        let mut trees = parse("a.yaml", text, &problems);
        let problems = problems.into_sorted();
        assert!(problems.is_empty(), "{problems:?} in\n{text}");
        trees.iter_mut().for_each(forget_places);
        trees
    }

    fn forget_places(tree: &mut Tree) {
        tree.place = crate::Place::start_of("");
        match &mut tree.value {
            Value::List(items) => items.iter_mut().for_each(forget_places),
            Value::Map(entries) => entries.iter_mut().for_each(|entry| {
                entry.place = crate::Place::start_of("");
                forget_places(&mut entry.value);
            }),
            Value::Null | Value::Scalar(_) => {}
        }
    }

    #[test]
    fn what_is_printed_reads_back_the_same() {
        let text = "
            a: 1
            b: [x, 'y: z', { c: d, e: [] }, [f, [g]], null]
            'odd: key': \"tab\\t, quote \\\", back\\\\slash, \\u2028\"
            empty: {}
            none: ~
            text: |
              first
                second

              third
            cut: |-
              one
              two
            led: \"\\n begins with a line\"
            ends: \"two\\n\\n\"
            version: '1'
        ";
        let before = read(text);
        let printed = before[0].to_yaml();
        assert_eq!(read(&printed), before, "{printed}");
        assert!(printed.contains("text: |\n  first\n    second\n\n  third\n"), "{printed}");
    }

    #[test]
    fn a_list_of_maps_looks_as_people_write_it() {
        let printed = read("{list: [{a: 1, b: {c: 2}}, {a: 3}], plain: text}")[0].to_yaml();
        let expected = "list:\n  - a: 1\n    b:\n      c: 2\n  - a: 3\nplain: text\n";
        assert_eq!(printed, expected);
    }
}
