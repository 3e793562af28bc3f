//! Text to tokens.

use std::ops::Range;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    Number(f64),
    Text(String),
    /// `{Name}`, braces and escapes removed.
    Braced(String),
    /// A bare name: a field, a constant or, before `(`, a function.
    Name(String),
    Operator(Operator),
    Open,
    Close,
    Comma,
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Concatenate,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Concatenate => "&",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// How tightly it binds; every operator is left-associative.
    pub(crate) fn precedence(self) -> u8 {
        match self {
            Self::Equal
            | Self::NotEqual
            | Self::Less
            | Self::LessOrEqual
            | Self::Greater
            | Self::GreaterOrEqual => 1,
            Self::Concatenate => 2,
            Self::Add | Self::Subtract => 3,
            Self::Multiply | Self::Divide => 4,
        }
    }
}

/// What is wrong with the text, and where.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) message: String,
    pub(crate) expected: Option<&'static str>,
    pub(crate) span: Range<usize>,
}

impl SyntaxError {
    pub(crate) fn new(message: impl Into<String>, span: Range<usize>) -> Self {
        Self { message: message.into(), expected: None, span }
    }

    /// Says what could stand there.
    pub(crate) fn expecting(self, expected: &'static str) -> Self {
        Self { expected: Some(expected), ..self }
    }
}

pub(crate) struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Lexer<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        Self { source, at: 0 }
    }

    /// The next token and its place; [`Token::End`] for ever after the last one.
    pub(crate) fn next(&mut self) -> Result<(Token, Range<usize>), SyntaxError> {
        self.skip_space();
        let start = self.at;
        let Some(first) = self.rest().chars().next() else { return Ok((Token::End, start..start)) };
        let token = match first {
            '"' | '\'' => self.text(first)?,
            '{' => self.braced()?,
            '0'..='9' | '.' => self.number()?,
            '(' => self.take(1, Token::Open),
            ')' => self.take(1, Token::Close),
            ',' => self.take(1, Token::Comma),
            c if c.is_alphabetic() || c == '_' => self.name(),
            c => self.operator(c)?,
        };
        Ok((token, start..self.at))
    }

    /// Whether the next thing is an opening parenthesis: what tells a function from a field.
    pub(crate) fn at_open(&mut self) -> bool {
        self.skip_space();
        self.rest().starts_with('(')
    }

    pub(crate) fn at_close(&mut self) -> bool {
        self.skip_space();
        self.rest().starts_with(')')
    }

    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn take(&mut self, bytes: usize, token: Token) -> Token {
        self.at += bytes;
        token
    }

    fn text(&mut self, quote: char) -> Result<Token, SyntaxError> {
        let start = self.at;
        let mut text = String::new();
        let mut rest = self.rest()[1..].char_indices();
        while let Some((index, c)) = rest.next() {
            match c {
                '\\' => match rest.next() {
                    Some((_, c @ ('"' | '\'' | '\\'))) => text.push(c),
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'r')) => text.push('\r'),
                    // Anything else keeps its backslash: "\d" is a pattern.
                    Some((_, c)) => text.extend(['\\', c]),
                    None => break,
                },
                c if c == quote => {
                    self.at += 1 + index + 1;
                    return Ok(Token::Text(text));
                }
                c => text.push(c),
            }
        }
        Err(SyntaxError::new(format!("this text has no closing {quote}"), start..self.source.len()))
    }

    fn braced(&mut self) -> Result<Token, SyntaxError> {
        let start = self.at;
        let mut name = String::new();
        let mut rest = self.rest()[1..].char_indices().peekable();
        while let Some((index, c)) = rest.next() {
            match c {
                '\\' if rest.next_if(|(_, next)| *next == '}').is_some() => name.push('}'),
                '}' => {
                    self.at += 1 + index + 1;
                    let wrong = if name.trim().is_empty() {
                        "a field name is missing between the braces"
                    } else if name.matches('}').count() > 1 {
                        "no formula can write a name with more than one }; the field's id works instead"
                    } else {
                        return Ok(Token::Braced(name));
                    };
                    return Err(SyntaxError::new(wrong, start..self.at));
                }
                c => name.push(c),
            }
        }
        Err(SyntaxError::new("this field name has no closing }", start..self.source.len()))
    }

    fn number(&mut self) -> Result<Token, SyntaxError> {
        let rest = self.rest();
        let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let whole = digits(rest);
        let fraction = rest[whole..].strip_prefix('.').map_or(0, digits);
        let length = if fraction > 0 { whole + 1 + fraction } else { whole };
        if length == 0 {
            return Err(SyntaxError::new(
                "a point stands alone here; numbers look like 1.5",
                self.at..self.at + 1,
            ));
        }
        let value = rest[..length].parse().expect("digits with at most one point are a number");
        Ok(self.take(length, Token::Number(value)))
    }

    fn name(&mut self) -> Token {
        let rest = self.rest();
        let length = rest.len() - rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_').len();
        self.take(length, Token::Name(rest[..length].to_owned()))
    }

    fn operator(&mut self, first: char) -> Result<Token, SyntaxError> {
        let rest = self.rest();
        let (operator, length) = match first {
            '+' => (Operator::Add, 1),
            '-' => (Operator::Subtract, 1),
            '*' => (Operator::Multiply, 1),
            '/' => (Operator::Divide, 1),
            '&' => (Operator::Concatenate, 1),
            '=' => (Operator::Equal, 1),
            '!' if rest.starts_with("!=") => (Operator::NotEqual, 2),
            '<' if rest.starts_with("<=") => (Operator::LessOrEqual, 2),
            '<' if rest.starts_with("<>") => {
                return Err(SyntaxError::new("\"not equal\" is written !=", self.at..self.at + 2));
            }
            '<' => (Operator::Less, 1),
            '>' if rest.starts_with(">=") => (Operator::GreaterOrEqual, 2),
            '>' => (Operator::Greater, 1),
            other => {
                let message = match other {
                    '!' => "\"not\" is the function NOT(…)".to_owned(),
                    '“' | '”' | '‘' | '’' => {
                        "typographic quotes do not delimit text; use \" or '".to_owned()
                    }
                    ';' => "arguments are separated by commas".to_owned(),
                    '^' => "powers are the function POWER(…)".to_owned(),
                    '%' => "remainders are the function MOD(…)".to_owned(),
                    '}' => "this } has no opening brace".to_owned(),
                    other => format!("unexpected character {other:?}"),
                };
                return Err(SyntaxError::new(message, self.at..self.at + other.len_utf8()));
            }
        };
        Ok(self.take(length, Token::Operator(operator)))
    }
}
