//! `files` of a seed: the bytes of attachments that stand in its cells.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::HeaderValue;
use serde_json::{Map, Value};

use super::Problems;
use super::json::Object;
use crate::airtable::body::essence;
use crate::airtable::fields::attachment::{self, Attachment};
use crate::airtable::files::{UNKNOWN_TYPE, decode_base64};
use crate::airtable::ids::AttachmentId;

/// What is wrong with an attachment that does not read.
pub(super) const NO_ATTACHMENTS: &str = "must be an array of objects, each with a url or a file among files, and an id \
    (if it has one) of att and 14 letters or digits";

#[derive(Default)]
pub(super) struct SeededFiles(BTreeMap<AttachmentId, SeededFile>);

struct SeededFile {
    content_type: String,
    content: Bytes,
    path: String,
    /// Whether it stands in a cell.
    is_used: bool,
}

impl SeededFiles {
    pub(super) fn read(root: &Object<'_, '_>, problems: &mut Problems) -> Self {
        let mut files = BTreeMap::new();
        for at in root.items("files", problems) {
            let Some(object) = at.object(problems) else { continue };
            object.only(&["attachment", "type", "content"], problems);
            let id = object.required_text("attachment", problems).and_then(|text| {
                let id = AttachmentId::parse(text);
                if id.is_none() {
                    let why = format!("\"{text}\" is not att and 14 letters or digits");
                    problems.add(&object.at("attachment"), why);
                }
                id
            });
            let content_type = object.text("type", problems).unwrap_or(UNKNOWN_TYPE).to_owned();
            if content_type.is_empty() || HeaderValue::from_str(&content_type).is_err() {
                problems.add(&object.at("type"), "must be a media type such as image/png");
            }
            let content = match object.get("content") {
                None => {
                    problems.add(&object.at("content"), "is missing");
                    None
                }
                Some(at) => at.text(problems).and_then(|text| {
                    let content = decode_base64(text);
                    if content.is_none() {
                        problems.add(&at.path, "must be in base64");
                    }
                    content
                }),
            };
            let (Some(id), Some(content)) = (id, content) else { continue };
            let path = object.path.clone();
            let file = SeededFile { content_type, content: content.into(), path, is_used: false };
            if files.insert(id, file).is_some() {
                problems.add(&object.at("attachment"), format!("the file of {id} stands here twice"));
            }
        }
        Self(files)
    }

    /// An attachment as it stands in a cell, with an id and a file name; `None` if it is none.
    pub(super) fn attachment(&mut self, value: &Value) -> Option<Attachment> {
        let object = value.as_object()?;
        let id = match object.get("id") {
            None => AttachmentId::mint(),
            Some(id) => AttachmentId::parse(id.as_str()?)?,
        };
        let text = |key: &str| match object.get(key) {
            None => Some(None),
            Some(value) => value.as_str().map(Some),
        };
        let (url, name, media_type) = (text("url")?, text("filename")?, text("type")?);
        let name = name.map(str::to_owned).or_else(|| url.map(attachment::file_name));
        if let Some(file) = self.0.get_mut(&id) {
            file.is_used = true;
            let name = name.unwrap_or_else(|| id.to_string());
            let media_type = media_type.unwrap_or_else(|| essence(&file.content_type));
            return Some(Attachment::of_content(id, &name, media_type, &file.content_type, &file.content));
        }
        let mut complete = Map::new();
        complete.insert("id".to_owned(), id.to_string().into());
        complete.insert("url".to_owned(), url?.into());
        complete.insert("filename".to_owned(), name?.into());
        complete.extend(object.clone());
        Some(Attachment::with_url(id, complete))
    }

    /// The bytes, by the attachments that they are of.
    pub(super) fn finish(self, problems: &mut Problems) -> BTreeMap<AttachmentId, Bytes> {
        for (id, file) in self.0.iter().filter(|(_, file)| !file.is_used) {
            problems.add(&format!("{}.attachment", file.path), format!("{id} stands in no cell"));
        }
        self.0.into_iter().map(|(id, file)| (id, file.content)).collect()
    }
}
