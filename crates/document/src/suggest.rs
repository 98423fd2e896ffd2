/// Longer words are not compared, so that the cost stays bounded.
const WORD_CHARS_MAX: usize = 64;

/// The candidate that a misspelt word most likely meant: at most two edits away (a third of a
/// short word), letter case aside; the first of equals.
#[must_use]
pub fn suggest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = chars(word)?;
    let mut best = None;
    for candidate in candidates {
        let Some(other) = chars(candidate) else { continue };
        let edits = distance(&word, &other);
        let limit = (word.len().max(other.len()) / 3).clamp(1, 2);
        if edits <= limit && best.is_none_or(|(least, _)| edits < least) {
            best = Some((edits, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn chars(word: &str) -> Option<Vec<char>> {
    let chars: Vec<char> = word.chars().take(WORD_CHARS_MAX + 1).collect();
    (chars.len() <= WORD_CHARS_MAX).then(|| chars.iter().map(char::to_ascii_lowercase).collect())
}

/// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let substituted = above[j] + usize::from(x != y);
            let mut edits = substituted.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                edits = edits.min(before[j - 1] + 1);
            }
            row.push(edits);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_nearest_word_and_nothing_far_away() {
        let words = ["brokers", "topics", "group", "budgetingMethod"];
        for (word, nearest) in [
            ("broker", Some("brokers")),
            ("borkers", Some("brokers")),
            ("TOPICS", Some("topics")),
            ("gruop", Some("group")),
            ("budgettingmethod", Some("budgetingMethod")),
            ("partitions", None),
            ("", None),
        ] {
            assert_eq!(suggest(word, words), nearest, "{word}");
        }
        assert_eq!(suggest(&"x".repeat(100_000), words), None);
    }
}
