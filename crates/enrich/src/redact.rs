mod attributes;
mod rules;

use std::borrow::Cow;
use std::collections::BTreeSet;

use regex::{Regex, RegexBuilder};

use rules::Rule;

/// The most patterns that a configuration may add.
const PATTERNS_MAX: usize = 64;
/// Compiled size up to which one added pattern is taken.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// What stands where an added pattern matched.
const CUSTOM: &str = "<redacted:custom>";
/// No card or account number is shorter.
const NUMBER_DIGITS_MIN: u32 = 12;

/// Decides which attributes may be stored or sent, and takes secrets and personal data out of the
/// text that may. All patterns run in time linear in the text.
#[derive(Debug)]
pub struct Redactor {
    keep: BTreeSet<Box<str>>,
    keep_prefixes: Vec<Box<str>>,
    words: Regex,
    rules: Vec<Rule>,
    custom: Vec<Regex>,
}

/// Why a redactor could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    /// An added pattern does not compile, or compiles to too much.
    #[error("redaction pattern {index} {pattern:?}: {source}")]
    Pattern {
        /// Its place in the list, from 0.
        index: usize,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        source: regex::Error,
    },
    /// There are too many patterns.
    #[error("{0} redaction patterns, at most {PATTERNS_MAX} are taken")]
    TooMany(usize),
}

/// What is shorter than `pwd=x` and the like holds no secret that a word tells.
const SECRET_BYTES_MIN: usize = 5;

/// What in a text asks for a closer look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Hints {
    at_sign: bool,
    digits: u32,
}

impl Redactor {
    /// `keep` names attribute keys to keep beside the conventional ones, whole or as a prefix that
    /// ends in `*`; `patterns` are regular expressions whose matches are replaced.
    ///
    /// # Errors
    /// When a pattern does not compile or there are more than 64 of them.
    pub fn new(keep: &[String], patterns: &[String]) -> Result<Self, RedactError> {
        if patterns.len() > PATTERNS_MAX {
            return Err(RedactError::TooMany(patterns.len()));
        }
        let mut exact = BTreeSet::new();
        let mut keep_prefixes = Vec::new();
        for key in keep {
            match key.strip_suffix('*') {
                Some(prefix) => keep_prefixes.push(prefix.into()),
                None => {
                    exact.insert(key.as_str().into());
                }
            }
        }
        let mut custom = Vec::with_capacity(patterns.len());
        for (index, pattern) in patterns.iter().enumerate() {
            custom.push(compile(index, pattern)?);
        }
        let words = compile(0, rules::WORDS)?;
        Ok(Self { keep: exact, keep_prefixes, words, rules: rules::built_in()?, custom })
    }

    /// Whether the attribute may be stored or sent, after [`Redactor::redact`] of its value.
    #[must_use]
    pub fn keeps(&self, key: &str) -> bool {
        attributes::is_conventional(key)
            || self.keep.contains(key)
            || self.keep_prefixes.iter().any(|prefix| key.starts_with(&**prefix))
    }

    /// The text with every secret and personal datum replaced by `<redacted:kind>`. Text that is
    /// clean is handed back as it is.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let hints = Hints::of(text);
        let has_word = text.len() >= SECRET_BYTES_MIN && self.words.is_match(text);
        let mut out = Cow::Borrowed(text);
        for rule in &self.rules {
            if rule.trigger.holds(hints, has_word)
                && let Some(replaced) = rule.apply(&out)
            {
                out = Cow::Owned(replaced);
            }
        }
        for pattern in &self.custom {
            if let Cow::Owned(replaced) = pattern.replace_all(&out, CUSTOM) {
                out = Cow::Owned(replaced);
            }
        }
        out
    }
}

impl Hints {
    fn of(text: &str) -> Self {
        let mut hints = Self::default();
        for byte in text.bytes() {
            match byte {
                b'@' => hints.at_sign = true,
                b'0'..=b'9' => hints.digits += 1,
                _ => {}
            }
        }
        hints
    }
}

fn compile(index: usize, pattern: &str) -> Result<Regex, RedactError> {
    RegexBuilder::new(pattern)
        .size_limit(PATTERN_BYTES_MAX)
        .build()
        .map_err(|source| RedactError::Pattern { index, pattern: pattern.to_owned(), source })
}

#[cfg(test)]
mod tests;
