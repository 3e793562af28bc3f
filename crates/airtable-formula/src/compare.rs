//! Equality and ordering between values of any types.

use std::cmp::Ordering;

use crate::coerce;
use crate::value::{ErrorKind, Value};

/// Airtable's `=`.
pub(crate) fn equal(left: &Value<'_>, right: &Value<'_>) -> Result<bool, ErrorKind> {
    use Value::{Array, Blank, Boolean, Date, Error, Number, Text};
    let (left, right) = (coerce::only_element(left), coerce::only_element(right));
    Ok(match (left, right) {
        (Error(kind), _) | (_, Error(kind)) => return Err(*kind),
        (Text(a), Text(b)) => a == b,
        (Number(a), Number(b)) => a == b,
        (Boolean(a), Boolean(b)) => a == b,
        (Date(a), Date(b)) => a.as_millisecond() == b.as_millisecond(),
        (Blank, Blank) => true,
        (Boolean(a), Number(b)) | (Number(b), Boolean(a)) => f64::from(u8::from(*a)) == *b,
        // Blank, zero, false and the empty text are equal to each other. A number never equals a text with digits.
        (Blank | Number(_) | Boolean(_) | Text(_), Blank | Number(_) | Boolean(_) | Text(_)) => {
            is_empty(left) && is_empty(right)
        }
        (Array(_), Array(_) | Text(_) | Blank) | (Text(_) | Blank, Array(_)) => {
            coerce::as_text(left)? == coerce::as_text(right)?
        }
        // A date equals no text, not even its own ISO form.
        (Date(_), _) | (_, Date(_)) => false,
        (Array(items), Number(_) | Boolean(_)) | (Number(_) | Boolean(_), Array(items)) => {
            first_error(items)?;
            false
        }
    })
}

/// Airtable's `<`, `<=`, `>`, `>=`: `None` where every one of them is false.
pub(crate) fn order(left: &Value<'_>, right: &Value<'_>) -> Result<Option<Ordering>, ErrorKind> {
    use Value::{Array, Blank, Date, Error, Text};
    let (left, right) = (coerce::only_element(left), coerce::only_element(right));
    match (left, right) {
        (Error(kind), _) | (_, Error(kind)) => Err(*kind),
        (Text(a), Text(b)) => Ok(Some(by_code_unit(a, b))),
        (Date(a), Date(b)) => Ok(Some(a.as_millisecond().cmp(&b.as_millisecond()))),
        (Blank, Date(_)) | (Date(_), Blank) => Ok(None),
        (Array(_), Array(_) | Text(_) | Blank) | (Text(_) | Blank, Array(_) | Text(_)) | (Text(_), Blank) => {
            Ok(Some(by_code_unit(&coerce::as_text(left)?, &coerce::as_text(right)?)))
        }
        (Text(_) | Array(_), _) | (_, Text(_) | Array(_)) => Err(ErrorKind::Type),
        _ => Ok(coerce::number(left)?.partial_cmp(&coerce::number(right)?)),
    }
}

fn is_empty(value: &Value<'_>) -> bool {
    match value {
        Value::Blank => true,
        Value::Text(text) => text.is_empty(),
        Value::Number(x) => *x == 0.0,
        Value::Boolean(boolean) => !boolean,
        _ => false,
    }
}

fn first_error(items: &[Value<'_>]) -> Result<(), ErrorKind> {
    items.iter().try_for_each(|item| match item {
        Value::Error(kind) => Err(*kind),
        Value::Array(inner) => first_error(inner),
        _ => Ok(()),
    })
}

/// Order of UTF-16 code units, as JavaScript compares strings. It differs from the order of bytes only where a
/// character beyond U+FFFF meets one above the surrogates.
fn by_code_unit(a: &str, b: &str) -> Ordering {
    let same = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    match (a.as_bytes().get(same), b.as_bytes().get(same)) {
        (Some(x), Some(y)) if *x >= 0xEE || *y >= 0xEE => a.encode_utf16().cmp(b.encode_utf16()),
        _ => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_ordered_by_utf16_code_unit() {
        assert_eq!(by_code_unit("a", "b"), Ordering::Less);
        assert_eq!(by_code_unit("", "b"), Ordering::Less);
        assert_eq!(by_code_unit("Z", "a"), Ordering::Less);
        assert_eq!(by_code_unit("\u{1F600}", "\u{FF5E}"), Ordering::Less);
        assert_eq!(by_code_unit("x\u{1F600}", "x\u{E9}"), Ordering::Greater);
        assert_eq!(by_code_unit("same", "same"), Ordering::Equal);
    }
}
