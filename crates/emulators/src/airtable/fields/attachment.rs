//! Attachments: a write keeps and removes what the cell has, and adds files by their URLs.
//!
//! An attachment whose bytes the emulator has is kept without URLs: those are made for each answer. One that was given by
//! its URL stays what Airtable answers at first (id, the URL it was given by, and a name) until its file is fetched, if it
//! ever is.

use std::collections::HashMap;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Fault, unconvertible};
use crate::airtable::cell::Cell;
use crate::airtable::files::{self, File, Urls};
use crate::airtable::ids::AttachmentId;

/// Attachments of a cell, by what a write may bring. Airtable documents no number; this one keeps a cell from being so large
/// that each of its files, which copies it, takes long.
pub(crate) const MOST: usize = 1000;

/// One attachment of a cell. Its serialised form is the emulator's own, for its own files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Attachment {
    pub(crate) id: AttachmentId,
    /// The object as it is served, but for the URLs of a file that the emulator has.
    shown: Map<String, Value>,
    /// Of a file that the emulator has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<Box<str>>,
    #[serde(skip)]
    file: Option<Arc<File>>,
    /// It has come with this very write.
    #[serde(skip)]
    is_new: bool,
}

/// Whether they show the same.
impl PartialEq for Attachment {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.shown == other.shown
    }
}

impl Attachment {
    /// An object as a seed, or a write, has it: its `url` is served as it is.
    pub(crate) fn with_url(id: AttachmentId, mut shown: Map<String, Value>) -> Self {
        shown.insert("id".to_owned(), id.to_string().into());
        Self { id, shown, content_type: None, file: None, is_new: false }
    }

    fn by_url(address: &str, name: String) -> Self {
        let id = AttachmentId::mint();
        let shown = [("id", id.to_string()), ("url", address.to_owned()), ("filename", name)];
        let shown = shown.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
        Self { is_new: true, ..Self::with_url(id, shown) }
    }

    /// One whose bytes the emulator has, which it does not hold yet.
    pub(crate) fn of_content(
        id: AttachmentId,
        name: &str,
        media_type: &str,
        content_type: &str,
        content: &[u8],
    ) -> Self {
        let mut shown = Map::new();
        shown.insert("id".to_owned(), id.to_string().into());
        shown.insert("filename".to_owned(), name.into());
        shown.insert("size".to_owned(), content.len().into());
        shown.insert("type".to_owned(), media_type.into());
        if let Some((width, height)) = files::dimensions(content) {
            shown.insert("width".to_owned(), width.into());
            shown.insert("height".to_owned(), height.into());
        }
        Self { id, shown, content_type: Some(content_type.into()), file: None, is_new: false }
    }

    /// One that holds a file.
    pub(crate) fn of_file(file: Arc<File>, media_type: &str) -> Self {
        let attachment = Self::of_content(file.id, &file.name, media_type, &file.content_type, &file.content);
        Self { file: Some(file), ..attachment }
    }

    /// The same with its file, which was looked for elsewhere.
    pub(crate) fn holding(self, file: Arc<File>) -> Self {
        Self { file: Some(file), ..self }
    }

    fn text_of(&self, key: &str) -> &str {
        self.shown.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        self.text_of("filename")
    }

    /// Where it was said to be; `None`: it is a file of the emulator's own.
    pub(crate) fn source(&self) -> Option<&str> {
        self.shown.get("url").and_then(Value::as_str)
    }

    /// Whether it has come with this very write, by its URL.
    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    pub(crate) fn file(&self) -> Option<&Arc<File>> {
        self.file.as_ref()
    }

    /// What a file of ours is served as, byte for byte as it came.
    pub(crate) fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// As the API gives it; without `urls`, a file of ours has none.
    pub(crate) fn json(&self, urls: Option<&Urls>) -> Value {
        Value::Object(match (self.source(), urls) {
            (None, Some(urls)) => urls.complete(self.id, &self.shown),
            _ => self.shown.clone(),
        })
    }

    /// `filename (url)`: what formulas and `cellFormat=string` see.
    pub(crate) fn text(&self, urls: Option<&Urls>) -> String {
        let own = || urls.map(|urls| urls.of(self.id, files::Size::File)).unwrap_or_default();
        format!("{} ({})", self.name(), self.source().map_or_else(own, str::to_owned))
    }
}

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
    if items.len() > MOST {
        return Err(Fault::Refused);
    }
    let known: HashMap<AttachmentId, &Attachment> =
        attachments(current).iter().map(|own| (own.id, own)).collect();
    let mut kept = Vec::with_capacity(items.len());
    for item in items {
        let id = item.get("id").and_then(Value::as_str).and_then(AttachmentId::parse);
        let own = id.and_then(|id| known.get(&id).copied());
        let address = if typecast && item.is_string() { Some(item) } else { item.get("url") };
        match (own, address.filter(|address| is_fetchable(address)).and_then(Value::as_str)) {
            (Some(attachment), _) => kept.push(Attachment { is_new: false, ..attachment.clone() }),
            (None, Some(address)) => {
                let name = match item.get("filename") {
                    None | Some(Value::Null) => file_name(address),
                    Some(Value::String(name)) if !name.is_empty() => name.clone(),
                    Some(_) => return Err(Fault::BadAttachment),
                };
                kept.push(Attachment::by_url(address, name));
            }
            (None, None) => return Err(Fault::BadAttachment),
        }
    }
    Ok(cell(kept))
}

/// What a cell in an older file of bases holds.
pub(crate) fn of_json(value: &Value) -> Vec<Attachment> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let item = |item: &Value| {
        let shown = item.as_object()?;
        let id = AttachmentId::parse(shown.get("id")?.as_str()?)?;
        Some(Attachment::with_url(id, shown.clone()))
    };
    items.iter().filter_map(item).collect()
}

/// A cell of these; empty if there are none.
pub(crate) fn cell(attachments: Vec<Attachment>) -> Cell {
    if attachments.is_empty() { Cell::Empty } else { Cell::Attachments(attachments.into()) }
}

/// The last segment of the URL's path; its host if it has none.
pub(crate) fn file_name(address: &str) -> String {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let after_scheme = path.split_once("://").map_or(path, |(_, rest)| rest);
    let last = after_scheme.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    percent_decode_str(last).decode_utf8_lossy().into_owned()
}

fn is_fetchable(url: &Value) -> bool {
    url.as_str().is_some_and(|url| url.starts_with("https://") || url.starts_with("http://"))
}

/// The attachments of a cell.
pub(crate) fn attachments(cell: &Cell) -> &[Attachment] {
    match cell {
        Cell::Attachments(list) => list,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn two() -> Cell {
        let item = |n: u8| {
            let shown = json!({"url": format!("https://x/{n}"), "filename": "f"});
            let id = AttachmentId::parse(&format!("att{n:014}")).unwrap();
            Attachment::with_url(id, shown.as_object().unwrap().clone())
        };
        cell(vec![item(1), item(2)])
    }

    #[test]
    fn attachments_are_kept_by_id_in_the_order_written() {
        let written = json!([{"id": "att00000000000002", "size": 7}]);
        let kept = read(&written, &two(), false).unwrap();
        assert_eq!(attachments(&kept).len(), 1);
        assert_eq!(attachments(&kept)[0].source(), Some("https://x/2"));
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
            attachments(&cell)[0].name().to_owned()
        };
        assert_eq!(name(json!({"url": "https://x/a/b%20c.png?size=1#top"})), "b c.png");
        assert_eq!(name(json!({"url": "https://x/a/"})), "a");
        assert_eq!(name(json!({"url": "https://x"})), "x");
        assert_eq!(name(json!({"url": "https://x/a", "filename": "given.txt"})), "given.txt");
    }

    #[test]
    fn a_cell_takes_a_thousand_attachments() {
        let many = |count: usize| json!(vec![json!({"url": "https://x/3"}); count]);
        let full = read(&many(MOST), &Cell::Empty, false).unwrap();
        assert_eq!(attachments(&full).len(), MOST);
        assert_eq!(read(&many(MOST + 1), &full, false), Err(Fault::Refused));
        assert_eq!(read(&many(MOST + 1), &full, true), Err(Fault::Refused));
    }

    #[test]
    fn what_was_kept_is_not_new() {
        let cell = read(&json!([{"url": "https://x/3"}]), &Cell::Empty, false).unwrap();
        let new = &attachments(&cell)[0];
        assert!(new.is_new());
        let kept = read(&json!([new.json(None)]), &cell, false).unwrap();
        assert!(!attachments(&kept)[0].is_new());
        assert_eq!(kept, cell, "and the same");
    }

    #[test]
    fn an_address_as_text_needs_typecast() {
        for written in [json!("https://x/3"), json!(["https://x/3"])] {
            let cell = read(&written, &two(), true).unwrap();
            assert_eq!(attachments(&cell).len(), 1);
            assert_eq!(attachments(&cell)[0].source(), Some("https://x/3"));
        }
        assert_eq!(read(&json!(["https://x/3"]), &two(), false), Err(Fault::BadAttachment));
        assert_eq!(read(&json!("no address"), &two(), true), Err(Fault::Unparsable("no address".to_owned())));
    }
}
