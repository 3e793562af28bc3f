//! How a value becomes text, a number or a truth value.

use std::borrow::Cow;

use crate::number;
use crate::value::{ErrorKind, Value};

/// What stands between the elements of an array in its text form.
const SEPARATOR: &str = ", ";

/// The text form of a value, borrowed from it where possible.
pub(crate) fn as_text<'v>(value: &'v Value<'_>) -> Result<Cow<'v, str>, ErrorKind> {
    match value {
        Value::Blank => Ok(Cow::Borrowed("")),
        Value::Text(text) => Ok(Cow::Borrowed(text)),
        Value::Boolean(boolean) => Ok(Cow::Borrowed(if *boolean { "1" } else { "0" })),
        other => {
            let mut out = String::new();
            push_text(&mut out, other)?;
            Ok(Cow::Owned(out))
        }
    }
}

/// As [`as_text`], for a value that is not needed any more: keeps the lifetime of what it borrows.
pub(crate) fn into_text<'a>(value: Value<'a>) -> Result<Cow<'a, str>, ErrorKind> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Blank => Ok(Cow::Borrowed("")),
        Value::Boolean(boolean) => Ok(Cow::Borrowed(if boolean { "1" } else { "0" })),
        other => {
            let mut out = String::new();
            push_text(&mut out, &other)?;
            Ok(Cow::Owned(out))
        }
    }
}

pub(crate) fn push_text(out: &mut String, value: &Value<'_>) -> Result<(), ErrorKind> {
    match value {
        Value::Blank => {}
        Value::Text(text) => out.push_str(text),
        Value::Number(x) => number::push_number(out, *x),
        Value::Boolean(boolean) => out.push(if *boolean { '1' } else { '0' }),
        Value::Date(date) => date.push_text(out),
        Value::Array(items) => push_joined(out, items, SEPARATOR)?,
        Value::Error(kind) => return Err(*kind),
    }
    Ok(())
}

/// Appends the elements' texts with a separator between them; nested arrays count as part of the outer one.
pub(crate) fn push_joined(out: &mut String, items: &[Value<'_>], separator: &str) -> Result<(), ErrorKind> {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(separator);
        }
        match item {
            Value::Array(inner) => push_joined(out, inner, separator)?,
            other => push_text(out, other)?,
        }
    }
    Ok(())
}

/// The number that arithmetic and numeric functions see.
pub(crate) fn number(value: &Value<'_>) -> Result<f64, ErrorKind> {
    match only_element(value) {
        Value::Blank => Ok(0.0),
        Value::Number(x) => Ok(*x),
        Value::Boolean(boolean) => Ok(f64::from(u8::from(*boolean))),
        Value::Text(text) => number::parse_plain(text).ok_or(ErrorKind::Type),
        Value::Date(date) => Ok(date.as_millisecond() as f64),
        Value::Array(_) => Err(ErrorKind::Type),
        Value::Error(kind) => Err(*kind),
    }
}

/// A count or position: cut towards zero, NaN refused.
pub(crate) fn integer(value: &Value<'_>) -> Result<i64, ErrorKind> {
    let x = number(value)?;
    if x.is_nan() { Err(ErrorKind::Argument) } else { Ok(x.trunc() as i64) } // The cast saturates.
}

pub(crate) fn truthy(value: &Value<'_>) -> Result<bool, ErrorKind> {
    match value {
        Value::Blank => Ok(false),
        Value::Text(text) => Ok(!text.is_empty()),
        Value::Number(x) => Ok(*x != 0.0 && !x.is_nan()),
        Value::Boolean(boolean) => Ok(*boolean),
        Value::Date(_) => Ok(true),
        Value::Array(items) => Ok(!items.is_empty()),
        Value::Error(kind) => Err(*kind),
    }
}

/// An array of one element stands for that element, an empty one for blank.
pub(crate) fn only_element<'v, 'a>(value: &'v Value<'a>) -> &'v Value<'a> {
    let mut value = value;
    while let Value::Array(items) = value {
        match items.as_slice() {
            [] => return &Value::Blank,
            [only] => value = only,
            _ => break,
        }
    }
    value
}

/// Bytes of text in a value and elements in it: what reading it costs.
pub(crate) fn weight(value: &Value<'_>) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| 16 + weight(item)).sum(),
        _ => 0,
    }
}
