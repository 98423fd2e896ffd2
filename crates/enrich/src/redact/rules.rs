use regex::{Captures, Regex};

use super::{Hints, NUMBER_DIGITS_MIN, RedactError, compile};

/// Words without which no rule of [`Trigger::Word`] can match.
pub(super) const WORDS: &str = "(?i-u:pass|pwd|secret|token|key|credential|session|cookie|\
     signature|sig=|code=|auth|bearer|basic|eyJ|sk_|pk_|rk_|whsec_|sk-|AKIA|ASIA|AIza|gh[pousr]_|\
     github_pat_|glpat-|xox|npm_|SG\\.|hvs\\.|dop_v1_|shpat_)";

/// When a rule is worth running.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trigger {
    /// One of [`WORDS`] occurs.
    Word,
    /// An at sign occurs.
    AtSign,
    /// There are as many digits as an account number has at least.
    Digits,
}

/// One kind of secret.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) trigger: Trigger,
    kind: &'static str,
    regex: Regex,
    /// Whether what the group `secret` (or else the whole) holds is one in truth.
    is_secret: fn(&str) -> bool,
}

struct Spec {
    trigger: Trigger,
    kind: &'static str,
    pattern: &'static str,
    is_secret: fn(&str) -> bool,
}

/// In the order in which they run: the most telling kind first.
const SPECS: &[Spec] = &[
    Spec {
        trigger: Trigger::Word,
        kind: "private_key",
        pattern: r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)",
        is_secret: always,
    },
    Spec {
        trigger: Trigger::Word,
        kind: "jwt",
        pattern: r"(?-u:\b)eyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]+){1,4}",
        is_secret: always,
    },
    Spec {
        trigger: Trigger::Word,
        kind: "api_key",
        pattern: r"(?-u:\b)(?:(?:[spr]k_(?:live|test)_|whsec_)[A-Za-z0-9]{8,}|sk-[A-Za-z0-9_-]{20,}|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{30,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abeprs]-[A-Za-z0-9-]{10,}|npm_[A-Za-z0-9]{30,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|hvs\.[A-Za-z0-9_-]{20,}|dop_v1_[a-f0-9]{32,}|shpat_[a-fA-F0-9]{24,})",
        is_secret: always,
    },
    Spec {
        trigger: Trigger::Word,
        kind: "token",
        pattern: r#"(?i-u:\b(?:proxy-)?authorization["']?\s*[:=]\s*["']?(?P<secret>[a-z]+ +[a-z0-9+/=._~<>:-]+|[a-z0-9+/=._~<>:-]+))"#,
        is_secret: always,
    },
    Spec {
        trigger: Trigger::Word,
        kind: "token",
        pattern: r"(?i-u:\b(?:bearer|basic)\s+(?P<secret>[a-z0-9+/=._~-]{6,}))",
        is_secret: looks_random,
    },
    Spec {
        trigger: Trigger::Word,
        kind: "secret",
        pattern: r#"(?i-u:(?:passw(?:or)?d|passphrase|passcode|pwd|secret|token|api[_ -]?key|access[_-]?key|account[_-]?key|shared[_-]?key|private[_-]?key|encryption[_-]?key|credentials?|session[_-]?id|(?:set-)?cookie|signature|x-amz-credential)[a-z0-9_]*\\?["']?\s*[=:]\s*)(?P<secret>\\?"(?:[^"\\]|\\[^"])*\\?"|'[^']*'|[^\s"'&,;)}\]]+)"#,
        is_secret: always,
    },
    Spec {
        trigger: Trigger::Word,
        kind: "secret",
        pattern: r#"(?i-u:[?&](?:sig|key|code|auth|auth_key|pass|pw|state|client_secret|otp)=)(?P<secret>[^&\s"'#]+)"#,
        is_secret: always,
    },
    Spec {
        trigger: Trigger::AtSign,
        kind: "credentials",
        pattern: r"://(?P<secret>[^/\s:@]*:[^/\s@]+)@",
        is_secret: always,
    },
    Spec {
        trigger: Trigger::AtSign,
        kind: "email",
        pattern: r"[\pL\pN._%+'-]+@[\pL\pN-]+(?:\.[\pL\pN-]+)*\.[\pL]{2,}",
        is_secret: always,
    },
    Spec {
        trigger: Trigger::Digits,
        kind: "iban",
        pattern: r"(?-u:\b)[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?-u:\b)",
        is_secret: is_iban,
    },
    Spec {
        trigger: Trigger::Digits,
        kind: "card",
        pattern: r"(?-u:\b)[2-6](?:[ -]?[0-9]){11,18}(?-u:\b)",
        is_secret: is_card,
    },
];

impl Trigger {
    pub(super) fn holds(self, hints: Hints, has_word: bool) -> bool {
        match self {
            Self::Word => has_word,
            Self::AtSign => hints.at_sign,
            Self::Digits => hints.digits >= NUMBER_DIGITS_MIN,
        }
    }
}

impl Rule {
    /// The text with the secrets replaced; `None` if there are none.
    pub(super) fn apply(&self, text: &str) -> Option<String> {
        let mut out = String::new();
        let mut copied = 0;
        for captures in self.regex.captures_iter(text) {
            let Some(secret) = secret_of(&captures) else { continue };
            if secret.as_str().starts_with("<redacted:") || !(self.is_secret)(secret.as_str()) {
                continue;
            }
            out.push_str(text.get(copied..secret.start())?);
            out.push_str("<redacted:");
            out.push_str(self.kind);
            out.push('>');
            copied = secret.end();
        }
        if copied == 0 {
            return None;
        }
        out.push_str(text.get(copied..)?);
        Some(out)
    }
}

pub(super) fn built_in() -> Result<Vec<Rule>, RedactError> {
    let rule = |(index, spec): (usize, &Spec)| {
        let regex = compile(index, spec.pattern)?;
        Ok(Rule { trigger: spec.trigger, kind: spec.kind, regex, is_secret: spec.is_secret })
    };
    SPECS.iter().enumerate().map(rule).collect()
}

fn secret_of<'t>(captures: &Captures<'t>) -> Option<regex::Match<'t>> {
    captures.name("secret").or_else(|| captures.get(0))
}

fn always(_: &str) -> bool {
    true
}

/// Tells `Basic dXNlcjpwYXNz` from `basic authentication`: a digit, a sign, mixed case within, or
/// more length than words have.
fn looks_random(text: &str) -> bool {
    let inner_upper = text.bytes().skip(1).any(|b| b.is_ascii_uppercase());
    let lower = text.bytes().any(|b| b.is_ascii_lowercase());
    text.bytes().any(|b| b.is_ascii_digit() || b"+/=_~".contains(&b))
        || (inner_upper && lower)
        || text.len() >= 24
}

/// Length and first digits as the card schemes give them out (ISO/IEC 7812), and the Luhn check.
fn is_card(text: &str) -> bool {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect();
    let length = digits.len();
    let fits = match digits.first() {
        Some(2 | 5) => length == 16 || length == 12,
        Some(3) => (14..=16).contains(&length),
        Some(4) => matches!(length, 13 | 16 | 19),
        Some(6) => (16..=19).contains(&length),
        _ => false,
    };
    fits && luhn(&digits)
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(*digit);
            if place % 2 == 0 { digit } else { digit * 2 - if digit > 4 { 9 } else { 0 } }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// ISO 13616: the first four characters moved to the end, letters as 10 to 35, are 1 modulo 97.
fn is_iban(text: &str) -> bool {
    let characters: Vec<u32> =
        text.chars().filter(|c| *c != ' ').filter_map(|c| c.to_digit(36)).collect();
    let Some((head, tail)) = characters.split_at_checked(4) else { return false };
    let rest = tail.iter().chain(head).fold(0_u32, |rest, value| {
        let base = if *value > 9 { 100 } else { 10 };
        (rest * base + value) % 97
    });
    (15..=34).contains(&characters.len()) && rest == 1
}
