//! JSON text (RFC 8259), token by token. The text is known to be UTF-8.

use std::borrow::Cow;

use super::JSON_DEPTH_MAX;

/// Where and why the text is not JSON that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) at: usize,
    pub(super) what: &'static str,
}

/// What a value begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    String,
    Number,
    True,
    False,
    Null,
}

/// A string between its quotes. Its escapes are known to be well-formed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quoted<'j> {
    pub(super) raw: &'j [u8],
    pub(super) escaped: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'j> {
    json: &'j [u8],
    pub(super) at: usize,
}

impl<'j> Text<'j> {
    pub(super) const fn new(json: &'j [u8]) -> Self {
        Self { json, at: 0 }
    }

    pub(super) const fn stop(&self, what: &'static str) -> Stop {
        Stop { at: self.at, what }
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    /// The next byte that is not white space.
    #[inline(always)]
    pub(super) fn peek_token(&mut self) -> Option<u8> {
        loop {
            let byte = self.peek()?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Steps over white space and this byte, if it comes next.
    #[inline(always)]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek_token() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Steps over this text, if it comes next after white space.
    #[inline(always)]
    pub(super) fn take_text(&mut self, text: &'static str) -> bool {
        self.peek_token();
        let rest = self.json.get(self.at..).unwrap_or_default();
        // The byte after the quote tells most names apart without a call.
        let found = rest.get(1) == text.as_bytes().get(1) && rest.starts_with(text.as_bytes());
        self.at += if found { text.len() } else { 0 };
        found
    }

    /// Steps over these bytes, if they come next, without white space.
    #[inline(always)]
    pub(super) fn exactly<const N: usize>(&mut self, bytes: &[u8; N]) -> Option<()> {
        let found = self.json.get(self.at..)?.first_chunk::<N>()? == bytes;
        self.at += if found { N } else { 0 };
        found.then_some(())
    }

    /// The rest of a string in which nothing is escaped, and its closing quote.
    #[inline(always)]
    pub(super) fn plain(&mut self) -> Option<&'j [u8]> {
        let rest = self.json.get(self.at..)?;
        let (plain, end) = rest.split_at_checked(plain_prefix(rest))?;
        self.at += plain.len() + 1;
        end.starts_with(b"\"").then_some(plain)
    }

    pub(super) fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), Stop> {
        if self.take(byte) { Ok(()) } else { Err(self.stop(what)) }
    }

    #[inline(always)]
    pub(super) fn kind(&mut self) -> Result<Kind, Stop> {
        match self.peek_token() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't') => Ok(Kind::True),
            Some(b'f') => Ok(Kind::False),
            Some(b'n') => Ok(Kind::Null),
            Some(_) => Err(self.stop("expected a value")),
            None => Err(self.stop("ends where a value should be")),
        }
    }

    /// Steps over `true`, `false` or `null`.
    pub(super) fn word(&mut self, word: &'static str) -> Result<(), Stop> {
        if !self.json.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            return Err(self.stop("expected a value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// A string, from its opening quote on.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Quoted<'j>, Stop> {
        self.expect(b'"', "expected a string")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain_prefix(self.json.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    let raw = self.json.get(start..self.at).unwrap_or_default();
                    self.at += 1;
                    return Ok(Quoted { raw, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.stop("control character in a string")),
                None => return Err(self.stop("ends inside a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Stop> {
        match self.json.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') if self.json.get(self.at + 2..).and_then(hex4).is_some() => self.at += 6,
            _ => return Err(self.stop("invalid escape")),
        }
        Ok(())
    }

    /// The bytes of a number; their form is not checked yet.
    pub(super) fn number(&mut self) -> &'j [u8] {
        let rest = self.json.get(self.at..).unwrap_or_default();
        let len = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .unwrap_or(rest.len());
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    /// Steps over a value of any kind, and checks that it is JSON.
    pub(super) fn skip(&mut self, depth: u32) -> Result<(), Stop> {
        match self.kind()? {
            Kind::Object => self.entries(depth, |text| {
                text.string()?;
                text.expect(b':', "expected a colon")
            }),
            Kind::Array => self.entries(depth, |_| Ok(())),
            Kind::String => self.string().map(drop),
            Kind::Number => {
                let start = self.stop("invalid number");
                super::number::Decimal::read(self.number()).map(drop).ok_or(start)
            }
            Kind::True => self.word("true"),
            Kind::False => self.word("false"),
            Kind::Null => self.word("null"),
        }
    }

    fn entries(
        &mut self,
        depth: u32,
        before: impl Fn(&mut Self) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        if depth >= JSON_DEPTH_MAX {
            return Err(self.stop("nested too deep"));
        }
        let close = if self.take(b'{') { b'}' } else { b']' };
        if close == b']' {
            self.expect(b'[', "expected an array")?;
        }
        if self.take(close) {
            return Ok(());
        }
        loop {
            before(self)?;
            self.skip(depth + 1)?;
            if !self.more(close)? {
                return Ok(());
            }
        }
    }

    /// After an entry: whether another one follows.
    #[inline(always)]
    pub(super) fn more(&mut self, close: u8) -> Result<bool, Stop> {
        match self.peek_token() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            Some(_) => Err(self.stop("expected a comma or the end of the object or array")),
            None => Err(self.stop("ends inside an object or array")),
        }
    }
}

/// How many bytes come before the first quote, backslash or control character.
///
/// Eight at a time: a byte of `x` is zero exactly where the lowest set bit of
/// `(x - 0x01..) & !x & 0x80..` first appears (Hacker's Delight, section 6-1).
#[inline(always)]
fn plain_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let mut len = 0;
    let (words, tail) = bytes.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word);
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        let special = ((quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word))
            & HIGHS;
        if special != 0 {
            return len + special.trailing_zeros() as usize / 8;
        }
        len += 8;
    }
    let plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
    len + tail.iter().take_while(|byte| plain(byte)).count()
}

fn hex4(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.first_chunk::<4>()?;
    digits.iter().try_fold(0, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))
}

impl<'j> Quoted<'j> {
    /// The text that the string stands for, copied only if something in it is escaped.
    #[inline(always)]
    pub(super) fn plain(self) -> Cow<'j, [u8]> {
        if self.escaped { Cow::Owned(self.unescaped()) } else { Cow::Borrowed(self.raw) }
    }

    #[cold]
    fn unescaped(self) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.raw.len());
        self.unescape(&mut text);
        text
    }

    /// Appends the text that the string stands for. Half of a surrogate pair becomes U+FFFD:
    /// JavaScript writes these when it cuts a string at a length limit.
    pub(super) fn unescape(&self, out: &mut Vec<u8>) {
        let mut rest = self.raw;
        while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
            let (plain, escape) = rest.split_at(at);
            out.extend_from_slice(plain);
            let (character, len) = unescape_one(escape);
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            rest = escape.get(len..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
    }
}

/// The character of a well-formed escape, and the escape's length.
fn unescape_one(escape: &[u8]) -> (char, usize) {
    let simple = match escape.get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unescape_unicode(escape),
        Some(&other) => char::from(other),
        None => char::REPLACEMENT_CHARACTER,
    };
    (simple, 2)
}

fn unescape_unicode(escape: &[u8]) -> (char, usize) {
    let unit = escape.get(2..).and_then(hex4).unwrap_or(0xfffd);
    let low = match escape.get(6..8) {
        Some(br"\u") => escape.get(8..).and_then(hex4),
        _ => None,
    };
    if let (0xd800..0xdc00, Some(low @ 0xdc00..0xe000)) = (unit, low) {
        let code = 0x10000 + ((unit - 0xd800) << 10 | (low - 0xdc00));
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
    }
    (char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
}
