//! The values that formulas work on.

use std::borrow::Cow;
use std::fmt;

use crate::coerce;
use crate::date::Date;

/// A value of a cell or of a formula; text borrows from the row or the formula where it can.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value<'a> {
    /// An empty cell, `BLANK()`, an `IF` without its third argument.
    #[default]
    Blank,
    Text(Cow<'a, str>),
    /// Number, currency, percent (0.5 is 50 %), duration (seconds), rating. May be NaN or infinite.
    Number(f64),
    Boolean(bool),
    Date(Date),
    /// Lookups, multiple selects, linked records (their names), attachments.
    Array(Vec<Value<'a>>),
    Error(ErrorKind),
}

/// Why a value is an error. Airtable shows every one as `#ERROR!`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// `ERROR()` was called, or a cell holds an error.
    Raised,
    /// An operand has a type the operation does not take.
    Type,
    /// An argument lies outside what the function takes.
    Argument,
    /// Text that is no date, a date out of range, an unknown unit or time zone.
    Date,
    /// A bad or too large regular expression, or one that did not match where it must.
    Regex,
    /// The evaluation would cost more than [`crate::Limits`] allow.
    Limit,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raised => "an error was raised",
            Self::Type => "an operand has the wrong type",
            Self::Argument => "an argument is out of range",
            Self::Date => "not a date, unit or time zone",
            Self::Regex => "the regular expression is bad or did not match",
            Self::Limit => "the evaluation is too expensive",
        })
    }
}

impl<'a> Value<'a> {
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    /// Whether `IF` takes its second argument and a filter keeps the record: not for blank, `0`, `""`, `false`, NaN,
    /// `[]` and errors.
    pub fn is_truthy(&self) -> bool {
        coerce::truthy(self).unwrap_or(false)
    }

    /// Whether this is an error that `ISERROR` reports (NaN and infinity included).
    pub fn is_error(&self) -> bool {
        match self {
            Self::Error(_) => true,
            Self::Number(number) => !number.is_finite(),
            Self::Array(items) => items.iter().any(Self::is_error),
            _ => false,
        }
    }

    /// The text that `value & ""` gives.
    pub fn to_text(&self) -> Result<Cow<'_, str>, ErrorKind> {
        coerce::as_text(self)
    }

    /// A value that borrows from this one.
    pub fn borrowed(&self) -> Value<'_> {
        match self {
            Self::Blank => Value::Blank,
            Self::Text(text) => Value::Text(Cow::Borrowed(text)),
            Self::Number(number) => Value::Number(*number),
            Self::Boolean(boolean) => Value::Boolean(*boolean),
            Self::Date(date) => Value::Date(date.clone()),
            Self::Array(items) => Value::Array(items.iter().map(Value::borrowed).collect()),
            Self::Error(kind) => Value::Error(*kind),
        }
    }

    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Blank => Value::Blank,
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Number(number) => Value::Number(number),
            Self::Boolean(boolean) => Value::Boolean(boolean),
            Self::Date(date) => Value::Date(date),
            Self::Array(items) => Value::Array(items.into_iter().map(Value::into_owned).collect()),
            Self::Error(kind) => Value::Error(kind),
        }
    }
}

/// As `value & ""`, with `#ERROR!` for an error.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_text().as_deref().unwrap_or("#ERROR!"))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(boolean: bool) -> Self {
        Self::Boolean(boolean)
    }
}

impl From<Date> for Value<'_> {
    fn from(date: Date) -> Self {
        Self::Date(date)
    }
}

impl<'a> From<Vec<Value<'a>>> for Value<'a> {
    fn from(items: Vec<Value<'a>>) -> Self {
        Self::Array(items)
    }
}

impl<'a> From<Result<Value<'a>, ErrorKind>> for Value<'a> {
    fn from(result: Result<Value<'a>, ErrorKind>) -> Self {
        result.unwrap_or_else(Value::Error)
    }
}
