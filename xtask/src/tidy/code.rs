//! Just enough of Rust's grammar to see code without its comments and strings, and to measure
//! functions. It needs no parser because the checks ask for words and braces only.

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name.
    pub name: String,
    /// The line of its `fn`, counted from 1.
    pub line: usize,
    /// Lines from its `fn` to its closing brace, both included.
    pub lines: usize,
}

/// Replaces comments, strings and character literals by spaces; line breaks stay in place.
pub(crate) fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let skipped = literal_length(bytes, at);
        if skipped == 0 {
            out.push(if byte.is_ascii() { byte } else { b'?' });
            at += 1;
        } else {
            let end = (at + skipped).min(bytes.len());
            out.extend(bytes[at..end].iter().map(|b| if *b == b'\n' { b'\n' } else { b' ' }));
            at = end;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The length of the comment, string or character literal that starts at `at`; 0 if none does.
fn literal_length(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let in_word = at > 0 && is_word(bytes[at - 1]);
    match rest {
        [b'/', b'/', ..] => rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment_length(rest),
        [b'"', ..] => string_length(rest),
        [b'\'', ..] => character_length(rest),
        [b'r', ..] if !in_word => raw_string_length(rest, 1),
        [b'b' | b'c', b'r', ..] if !in_word => raw_string_length(rest, 2),
        _ => 0,
    }
}

fn block_comment_length(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string_length(rest: &[u8]) -> usize {
    let mut at = 1;
    while let Some(&byte) = rest.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// A character literal, told apart from a lifetime by its closing quote.
fn character_length(rest: &[u8]) -> usize {
    match rest {
        [_, b'\\', _, tail @ ..] => 3 + tail.iter().position(|b| *b == b'\'').map_or(0, |n| n + 1),
        [_, first, ..] => {
            let width = match first {
                0..=0x7f => 1,
                0x80..=0xdf => 2,
                0xe0..=0xef => 3,
                _ => 4,
            };
            if rest.get(1 + width) == Some(&b'\'') { 2 + width } else { 0 }
        }
        _ => 0,
    }
}

fn raw_string_length(rest: &[u8], prefix: usize) -> usize {
    let hashes = rest[prefix..].iter().take_while(|b| **b == b'#').count();
    if rest.get(prefix + hashes) != Some(&b'"') {
        return 0;
    }
    let body = prefix + hashes + 1;
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    rest[body..]
        .windows(close.len())
        .position(|window| window == close)
        .map_or(rest.len(), |found| body + found + close.len())
}

/// Whether `text` holds `word` with no word character directly before or after it.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, found)| {
        let before = text[..at].bytes().next_back();
        let after = text[at + found.len()..].bytes().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Every function with a body in `blanked`, in order of its `fn`.
pub(crate) fn functions(blanked: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in blanked.match_indices("fn ") {
        if at > 0 && is_word(blanked.as_bytes()[at - 1]) {
            continue;
        }
        let rest = &blanked[at + 3..];
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if let Some(length) = body_end(rest)
            && !name.is_empty()
        {
            found.push(Function {
                name,
                line: 1 + blanked[..at].matches('\n').count(),
                lines: 1 + rest[..length].matches('\n').count(),
            });
        }
    }
    found
}

/// Where the body that follows a function's name ends; nothing where a `;` comes first.
fn body_end(rest: &str) -> Option<usize> {
    let mut braces = 0_usize;
    let mut brackets = 0_usize;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            b'(' | b'[' if braces == 0 => brackets += 1,
            b')' | b']' if braces == 0 => brackets = brackets.checked_sub(1)?,
            b';' if braces == 0 && brackets == 0 => return None,
            b'{' => braces += 1,
            b'}' => {
                braces = braces.checked_sub(1)?;
                if braces == 0 && brackets == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Function, blank, functions, has_word};

    #[track_caller]
    fn check_blank(text: &str, expected: &str) {
        let blanked = blank(text);
        assert_eq!(blanked.split_whitespace().collect::<Vec<_>>().join(" "), expected);
        assert_eq!(blanked.matches('\n').count(), text.matches('\n').count());
    }

    #[test]
    fn blanks_comments_strings_and_characters_only() {
        check_blank("a // b\nc", "a c");
        check_blank("a /* b /* c\n */ d */ e", "a e");
        check_blank(r#"f("x \" } y", 'z')"#, "f( , )");
        check_blank("f(r#\"a \" { b\"#, br\"c\")", "f( , )");
        check_blank(
            "fn f<'a>(x: &'a str, q: char) { q == '\\'' || q == '{' }",
            "fn f<'a>(x: &'a str, q: char) { q == || q == }",
        );
        check_blank("let for_r = 1;", "let for_r = 1;");
    }

    #[test]
    fn words_have_edges() {
        assert!(has_word("use std::fs;", "std::fs"));
        assert!(!has_word("use mystd::fs;", "std::fs"));
        assert!(!has_word("std::fsync", "std::fs"));
    }

    #[test]
    fn measures_functions_with_bodies() {
        let text = "trait T {\n    fn declared(&self) -> [u8; 2];\n}\n\
                    fn outer(\n    x: u8,\n) {\n    fn inner() {}\n    if x > 0 {\n    }\n}\n\
                    type P = fn(u8) -> u8;\n";
        let named = |name: &str, line, lines| Function { name: name.to_owned(), line, lines };
        assert_eq!(functions(&blank(text)), [named("outer", 4, 7), named("inner", 7, 1)]);
    }
}
