//! Attachments: served as seeded; a write keeps and removes what the cell has, and adds files by their URLs.
//!
//! A file is not fetched. Its attachment stays what Airtable answers at first, before it has the file: id, the URL it
//! was given by, and a name.

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::{Fault, unconvertible};
use crate::airtable::cell::Cell;
use crate::airtable::ids::AttachmentId;

/// The list replaces the cell; items are kept by their `id`, and their other keys ignored. An item with a `url`, and no id
/// of the cell's own, is new.
///
/// Typecast also takes addresses as text.
pub(crate) fn read(value: &Value, current: &Cell, typecast: bool) -> Result<Cell, Fault> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        address if typecast && is_fetchable(address) => std::slice::from_ref(address),
        other => return Err(unconvertible(other, typecast)),
    };
    let mut kept = Vec::with_capacity(items.len());
    for item in items {
        let own = item.get("id").and_then(Value::as_str).and_then(|id| find(current, id));
        let address = if typecast && item.is_string() { Some(item) } else { item.get("url") };
        match (own, address.filter(|address| is_fetchable(address)).and_then(Value::as_str)) {
            (Some(attachment), _) => kept.push(attachment.clone()),
            (None, Some(address)) => {
                let name = match item.get("filename") {
                    None | Some(Value::Null) => file_name(address),
                    Some(Value::String(name)) if !name.is_empty() => name.clone(),
                    Some(_) => return Err(Fault::BadAttachment),
                };
                kept.push(json!({"id": AttachmentId::mint().to_string(), "url": address, "filename": name}));
            }
            (None, None) => return Err(Fault::BadAttachment),
        }
    }
    Ok(if kept.is_empty() { Cell::Empty } else { Cell::Json(Box::new(Value::Array(kept))) })
}

/// The last segment of the URL's path; its host if it has none.
fn file_name(address: &str) -> String {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let after_scheme = path.split_once("://").map_or(path, |(_, rest)| rest);
    let last = after_scheme.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    percent_decode_str(last).decode_utf8_lossy().into_owned()
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
    fn a_foreign_id_is_refused_and_so_is_what_cannot_be_fetched() {
        assert_eq!(read(&json!([{"id": "att00000000000009"}]), &two(), false), Err(Fault::BadAttachment));
        assert_eq!(read(&json!([{"url": "data:text/plain,x"}]), &two(), false), Err(Fault::BadAttachment));
        assert_eq!(
            read(&json!([{"url": "https://x/3", "filename": 3}]), &two(), false),
            Err(Fault::BadAttachment)
        );
        assert_eq!(read(&json!("https://x/3"), &two(), false), Err(Fault::Refused));
    }

    #[test]
    fn a_file_is_called_what_the_caller_says_or_the_last_segment_of_its_url() {
        let name = |value: Value| {
            let cell = read(&json!([value]), &Cell::Empty, false).unwrap();
            attachments(&cell)[0]["filename"].as_str().unwrap().to_owned()
        };
        assert_eq!(name(json!({"url": "https://x/a/b%20c.png?size=1#top"})), "b c.png");
        assert_eq!(name(json!({"url": "https://x/a/"})), "a");
        assert_eq!(name(json!({"url": "https://x"})), "x");
        assert_eq!(name(json!({"url": "https://x/a", "filename": "given.txt"})), "given.txt");
    }

    #[test]
    fn an_address_as_text_needs_typecast() {
        for written in [json!("https://x/3"), json!(["https://x/3"])] {
            let cell = read(&written, &two(), true).unwrap();
            assert_eq!(attachments(&cell).len(), 1);
            assert_eq!(attachments(&cell)[0]["url"], "https://x/3");
        }
        assert_eq!(read(&json!(["https://x/3"]), &two(), false), Err(Fault::BadAttachment));
        assert_eq!(read(&json!("no address"), &two(), true), Err(Fault::Unparsable("no address".to_owned())));
    }
}
