//! Text of every kind: single line, long, rich, e-mail, URL, phone number. None is validated, as at Airtable.

use serde_json::Value;

use super::{Fault, number, unconvertible};
use crate::airtable::cell::Cell;

pub(crate) fn read(value: &Value, typecast: bool) -> Result<Cell, Fault> {
    match value {
        Value::String(text) => Ok(Cell::text(text)),
        other if typecast => {
            scalar_text(other).map(|text| Cell::text(&text)).ok_or_else(|| unconvertible(other, true))
        }
        _ => Err(Fault::Refused),
    }
}

/// The text of a string, number or boolean.
pub(crate) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => number.as_f64().map(number::shortest),
        Value::Bool(boolean) => Some(boolean.to_string()),
        _ => None,
    }
}

/// Names joined as Airtable shows lists in one cell: quoted where a name has a comma or a quote in it.
pub(crate) fn join(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut joined = String::new();
    for name in names {
        let name = name.as_ref();
        if !joined.is_empty() {
            joined.push_str(", ");
        }
        if name.contains([',', '"', '\n']) {
            joined.push('"');
            joined.push_str(&name.replace('"', "\"\""));
            joined.push('"');
        } else {
            joined.push_str(name);
        }
    }
    joined
}

/// The reverse of [`join`]: parts between commas, trimmed, quotes undone, empty ones dropped.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let (mut part, mut quoted) = (String::new(), false);
    let mut is_blank = true; // the part so far
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                part.push('"');
                is_blank = false;
            }
            '"' if quoted || is_blank => {
                if !quoted {
                    part.clear();
                }
                quoted = !quoted;
            }
            ',' if !quoted => {
                parts.push(std::mem::take(&mut part));
                is_blank = true;
            }
            c => {
                part.push(c);
                is_blank &= c.is_whitespace();
            }
        }
    }
    parts.push(part);
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_takes_strings_and_with_typecast_numbers_and_booleans() {
        assert_eq!(read(&json!("a"), false), Ok(Cell::text("a")));
        assert_eq!(read(&json!(""), false), Ok(Cell::Empty));
        assert_eq!(read(&json!(1), false), Err(Fault::Refused));
        assert_eq!(read(&json!(1.0), true), Ok(Cell::text("1")));
        assert_eq!(read(&json!(true), true), Ok(Cell::text("true")));
        assert_eq!(read(&json!({"a": 1}), true), Err(Fault::Unparsable(r#"{"a":1}"#.to_owned())));
    }

    #[test]
    fn joined_names_split_again() {
        let names = ["Smith, John", "plain", "say \"hi\""];
        let joined = join(names);
        assert_eq!(joined, r#""Smith, John", plain, "say ""hi""""#);
        assert_eq!(split(&joined), names);
        assert_eq!(split(" a ,, b,"), ["a", "b"]);
        assert_eq!(split(r#" "a, b" , c "d" , "" ,"e""#), ["a, b", r#"c "d""#, "e"]);
    }
}
