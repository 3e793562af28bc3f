//! Attachments: served as seeded; a write may reorder and remove what the cell has, and not yet add.

use serde_json::Value;

use super::{Fault, unconvertible};
use crate::airtable::cell::Cell;

const ADDING: &str = "attaching a file by its url (writing {\"url\"} into a multipleAttachments field)";

/// The list replaces the cell; items are kept by their `id`, and their other keys ignored.
///
/// Typecast also takes addresses as text, which would have to be attached.
pub(crate) fn read(value: &Value, current: &Cell, typecast: bool) -> Result<Cell, Fault> {
    let items = match value {
        Value::Array(items) => items,
        address if typecast && is_fetchable(address) => return Err(Fault::NotBuilt(ADDING)),
        other => return Err(unconvertible(other, typecast)),
    };
    let mut kept = Vec::with_capacity(items.len());
    for item in items {
        let own = item.get("id").and_then(Value::as_str).and_then(|id| find(current, id));
        match own {
            Some(attachment) => kept.push(attachment.clone()),
            None if item.get("url").is_some_and(is_fetchable) || (typecast && is_fetchable(item)) => {
                return Err(Fault::NotBuilt(ADDING));
            }
            None => return Err(Fault::BadAttachment),
        }
    }
    Ok(if kept.is_empty() { Cell::Empty } else { Cell::Json(Box::new(Value::Array(kept))) })
}

fn is_fetchable(url: &Value) -> bool {
    url.as_str().is_some_and(|url| url.starts_with("https://") || url.starts_with("http://"))
}

fn find<'c>(cell: &'c Cell, id: &str) -> Option<&'c Value> {
    attachments(cell).iter().find(|own| own.get("id").and_then(Value::as_str) == Some(id))
}

/// The attachment objects of a cell.
pub(crate) fn attachments(cell: &Cell) -> &[Value] {
    match cell {
        Cell::Json(value) => value.as_array().map_or(&[], Vec::as_slice),
        _ => &[],
    }
}

/// `filename (url)`: what formulas and `cellFormat=string` see of one.
pub(crate) fn text(attachment: &Value) -> String {
    let key = |name: &str| attachment.get(name).and_then(Value::as_str).unwrap_or_default();
    format!("{} ({})", key("filename"), key("url"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn two() -> Cell {
        let item =
            |n: u8| json!({"id": format!("att{n:014}"), "url": format!("https://x/{n}"), "filename": "f"});
        Cell::Json(Box::new(json!([item(1), item(2)])))
    }

    #[test]
    fn attachments_are_kept_by_id_in_the_order_written() {
        let written = json!([{"id": "att00000000000002", "size": 7}]);
        let kept = read(&written, &two(), false).unwrap();
        assert_eq!(attachments(&kept).len(), 1);
        assert_eq!(attachments(&kept)[0]["url"], "https://x/2");
        assert_eq!(read(&json!([]), &two(), false), Ok(Cell::Empty));
    }

    #[test]
    fn a_foreign_id_is_refused_and_a_url_is_not_built_yet() {
        assert_eq!(read(&json!([{"id": "att00000000000009"}]), &two(), false), Err(Fault::BadAttachment));
        assert_eq!(read(&json!([{"url": "data:text/plain,x"}]), &two(), false), Err(Fault::BadAttachment));
        assert_eq!(read(&json!([{"url": "https://x/3"}]), &two(), false), Err(Fault::NotBuilt(ADDING)));
        assert_eq!(read(&json!("https://x/3"), &two(), false), Err(Fault::Refused));
    }

    #[test]
    fn an_address_as_text_needs_typecast_and_is_not_built_either() {
        assert_eq!(read(&json!("https://x/3"), &two(), true), Err(Fault::NotBuilt(ADDING)));
        assert_eq!(read(&json!(["https://x/3"]), &two(), true), Err(Fault::NotBuilt(ADDING)));
        assert_eq!(read(&json!(["https://x/3"]), &two(), false), Err(Fault::BadAttachment));
        assert_eq!(read(&json!("no address"), &two(), true), Err(Fault::Unparsable("no address".to_owned())));
    }
}
