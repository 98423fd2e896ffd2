use super::{FilterError, Op};

/// A piece of a filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Open,
    Close,
    ParenOpen,
    ParenClose,
    And,
    Or,
    Not,
    Op(Op),
    /// Letters, digits and `_ - . / :`, beginning with a letter, `_` or `.`.
    Word(String),
    /// A quoted text. `glued` says that nothing stood between it and the token before.
    Str {
        text: String,
        glued: bool,
    },
    /// Digits with whatever belongs to a number or a duration.
    Number(String),
}

/// A token and where it begins, in characters from 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spanned {
    pub(super) token: Token,
    pub(super) column: usize,
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
}

/// Cuts a filter into tokens.
pub(super) fn lex(text: &str) -> Result<Vec<Spanned>, FilterError> {
    let mut lexer = Lexer { chars: text.chars().collect(), at: 0 };
    let mut tokens = Vec::new();
    loop {
        let before = lexer.at;
        lexer.take_while(char::is_whitespace);
        let Some(first) = lexer.peek(0) else { return Ok(tokens) };
        let column = lexer.at + 1;
        let glued = before == lexer.at && !tokens.is_empty();
        let token = lexer.token(first, column, glued)?;
        tokens.push(Spanned { token, column });
    }
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> String {
        let start = self.at;
        while self.peek(0).is_some_and(&keep) {
            self.at += 1;
        }
        self.chars.get(start..self.at).unwrap_or_default().iter().collect()
    }

    fn token(&mut self, first: char, column: usize, glued: bool) -> Result<Token, FilterError> {
        let (token, length) = match (first, self.peek(1)) {
            ('{', _) => (Token::Open, 1),
            ('}', _) => (Token::Close, 1),
            ('(', _) => (Token::ParenOpen, 1),
            (')', _) => (Token::ParenClose, 1),
            ('&', Some('&')) => (Token::And, 2),
            ('|', Some('|')) => (Token::Or, 2),
            ('!', Some('=')) => (Token::Op(Op::NotEqual), 2),
            ('!', Some('~')) => (Token::Op(Op::NotMatch), 2),
            ('!', _) => (Token::Not, 1),
            ('=', Some('~')) => (Token::Op(Op::Match), 2),
            ('=', Some('=')) => {
                return Err(FilterError::new(column, "`==` is no operator", "write ="));
            }
            ('=', _) => (Token::Op(Op::Equal), 1),
            ('<', Some('=')) => (Token::Op(Op::LessOrEqual), 2),
            ('<', _) => (Token::Op(Op::Less), 1),
            ('>', Some('=')) => (Token::Op(Op::GreaterOrEqual), 2),
            ('>', _) => (Token::Op(Op::Greater), 1),
            ('"' | '`', _) => {
                return self.string(first, column).map(|text| Token::Str { text, glued });
            }
            ('-' | '0'..='9', _) => return Ok(self.number()),
            (c, _) if c.is_alphabetic() || c == '_' || c == '.' => {
                return Ok(Token::Word(self.take_while(is_word)));
            }
            ('&' | '|', _) => {
                let what = format!("`{first}` is no operator");
                return Err(FilterError::new(column, what, format!("write {first}{first}")));
            }
            ('\'', _) => {
                let what = "`'` begins nothing";
                return Err(FilterError::new(column, what, "quote texts with \""));
            }
            _ => return Err(FilterError::new(column, format!("`{first}` begins nothing"), "")),
        };
        self.at += length;
        Ok(token)
    }

    /// A sign, digits, a point, an exponent, and the letters of a duration's units.
    fn number(&mut self) -> Token {
        let mut text = String::new();
        while let Some(c) = self.peek(0) {
            let signs = matches!(c, '-' | '+') && (text.is_empty() || text.ends_with(['e', 'E']));
            if !(signs || c.is_alphanumeric() || c == '.') {
                break;
            }
            text.push(c);
            self.at += 1;
        }
        Token::Number(text)
    }

    /// Between double quotes with the escapes \" \\ \n \r \t, or between backquotes as it stands.
    fn string(&mut self, quote: char, column: usize) -> Result<String, FilterError> {
        self.at += 1;
        let mut text = String::new();
        while let Some(c) = self.peek(0) {
            self.at += 1;
            match c {
                c if c == quote => return Ok(text),
                '\\' if quote == '"' => text.push(self.escape()?),
                c => text.push(c),
            }
        }
        Err(FilterError::new(column, "the text is not closed", format!("end it with {quote}")))
    }

    fn escape(&mut self) -> Result<char, FilterError> {
        let column = self.at;
        let escaped = self.peek(0);
        self.at += 1;
        match escaped {
            Some(c @ ('"' | '\\')) => Ok(c),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            _ => Err(FilterError::new(
                column,
                "unknown escape in a text",
                "write \\\\ for a backslash, or quote with ` instead",
            )),
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':')
}
