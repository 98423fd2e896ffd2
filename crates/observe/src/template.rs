/// Longest template; what is longer is cut.
pub(crate) const TEMPLATE_BYTES_MAX: usize = 256;
const WILDCARD: &str = "<*>";
/// Words longer than this that mix letters and digits are taken for ids.
const ID_BYTES_MIN: usize = 6;

/// Reduces a message to its template: words that vary from one record to the next become `<*>`.
///
/// A message is cut at white space and at the punctuation around words; a word varies if it holds
/// a digit on its own or is an id, a number, an address, a path with numbers, an e-mail address or
/// stands in quotes. This is the masking step of Drain (He et al., ICWS 2017) without its tree:
/// one pass, no state. Neighbouring wildcards are joined.
pub(crate) fn of_message(message: &str, out: &mut String) {
    out.clear();
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        if out.len() >= TEMPLATE_BYTES_MAX {
            break;
        }
        if let Some(after) = quoted(rest, first) {
            wildcard(out);
            rest = after;
        } else if is_separator(first) {
            push_separator(out, first);
            rest = &rest[first.len_utf8()..];
        } else {
            let end = rest.find(is_separator).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            if varies(word) {
                wildcard(out)
            } else {
                out.push_str(word)
            }
            rest = after;
        }
    }
    let mut end = out.len().min(TEMPLATE_BYTES_MAX);
    while !out.is_char_boundary(end) {
        end -= 1;
    }
    out.truncate(end);
    out.truncate(out.trim_end().len());
}

fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(
            c,
            '=' | ','
                | ';'
                | '('
                | ')'
                | '['
                | ']'
                | '{'
                | '}'
                | '<'
                | '>'
                | '"'
                | '\''
                | '|'
                | '`'
        )
}

/// White space is one blank, however much of it there is.
fn push_separator(out: &mut String, separator: char) {
    if separator.is_whitespace() || separator.is_control() {
        if !out.is_empty() && !out.ends_with(' ') {
            out.push(' ');
        }
    } else {
        out.push(separator);
    }
}

fn wildcard(out: &mut String) {
    if !out.ends_with(WILDCARD) && !out.ends_with("<*> ") {
        out.push_str(WILDCARD);
    }
}

/// What follows a text in quotes. An apostrophe within a word opens none.
fn quoted(rest: &str, first: char) -> Option<&str> {
    if !matches!(first, '"' | '\'' | '`') {
        return None;
    }
    let inner = &rest[1..];
    let end = inner.find(first)?;
    Some(&inner[end + 1..])
}

fn varies(word: &str) -> bool {
    let (mut digits, mut letters, mut hex_letters) = (0, 0, 0);
    let mut at_sign = false;
    for byte in word.bytes() {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'a'..=b'f' | b'A'..=b'F' => {
                hex_letters += 1;
                letters += 1;
            }
            b'@' => at_sign = true,
            byte if byte.is_ascii_alphabetic() || byte >= 0x80 => letters += 1,
            _ => {}
        }
    }
    let bytes = word.len();
    let number = digits > 0 && letters <= 2;
    let hex = digits > 0 && hex_letters == letters && bytes >= ID_BYTES_MIN;
    let id = digits >= 2 && bytes >= ID_BYTES_MIN;
    let address = at_sign && word.contains('.');
    let number_0x = word.starts_with("0x") && bytes > 2;
    number || hex || id || address || number_0x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_becomes_a_wildcard_and_the_rest_stays() {
        for (message, template) in [
            ("", ""),
            ("payment failed", "payment failed"),
            ("payment 4711 failed after 30ms", "payment <*> failed after <*>"),
            ("user 550e8400-e29b-41d4-a716-446655440000 gone", "user <*> gone"),
            ("connect to 10.0.0.1:5432: refused", "connect to <*> refused"),
            ("order=17, state=paid", "order=<*>, state=paid"),
            ("cannot parse \"some text\" here", "cannot parse <*> here"),
            ("mail to jane@example.com bounced", "mail to <*> bounced"),
            ("trace 0af7651916cd43dd8448eb211c80319c", "trace <*>"),
            ("can't do it", "can't do it"),
            ("a  b\n\tc", "a b c"),
            ("at 0xdeadbeef", "at <*>"),
            ("ipv4 and utf8 stay", "ipv4 and utf8 stay"),
            ("1 2 3 go", "<*> go"),
        ] {
            let mut out = String::from("left over");
            of_message(message, &mut out);
            assert_eq!(out, template, "{message}");
        }
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let mut out = String::new();
        of_message(&"\u{e4}".repeat(1000), &mut out);
        assert!(out.len() <= TEMPLATE_BYTES_MAX && out.chars().all(|c| c == '\u{e4}'));
    }
}
