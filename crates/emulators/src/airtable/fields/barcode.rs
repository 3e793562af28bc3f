//! Barcodes: `{"text","type"?}`.

use serde_json::{Value, json};

use super::text::scalar_text;
use super::{Fault, unconvertible};
use crate::airtable::cell::Cell;

pub(crate) fn read(value: &Value, typecast: bool) -> Result<Cell, Fault> {
    let object = match value {
        Value::Object(object) => object,
        other if typecast => {
            let text = scalar_text(other).ok_or_else(|| unconvertible(other, true))?;
            return Ok(Cell::Json(Box::new(json!({"text": text}))));
        }
        _ => return Err(Fault::Refused),
    };
    let known = object.iter().all(|(key, value)| match key.as_str() {
        "text" => value.is_string(),
        "type" => value.is_string() || value.is_null(),
        _ => false,
    });
    match object.get("text").and_then(Value::as_str) {
        Some("") if known => Ok(Cell::Empty),
        Some(_) if known => Ok(Cell::Json(Box::new(value.clone()))),
        _ => Err(unconvertible(value, typecast)),
    }
}

/// What formulas and `cellFormat=string` see.
pub(crate) fn text(value: &Value) -> &str {
    value.get("text").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_barcode_is_an_object_with_text() {
        for good in
            [json!({"text": "1"}), json!({"text": "1", "type": "ean13"}), json!({"text": "1", "type": null})]
        {
            assert_eq!(read(&good, false), Ok(Cell::Json(Box::new(good.clone()))));
        }
        for bad in [json!("1"), json!({"type": "ean13"}), json!({"text": 1}), json!({"text": "1", "x": 1})] {
            assert_eq!(read(&bad, false), Err(Fault::Refused), "{bad}");
        }
        assert_eq!(read(&json!("1"), true), Ok(Cell::Json(Box::new(json!({"text": "1"})))));
    }
}
