//! Uploading a file into a cell.
//!
//! Source: <https://airtable.com/developers/web/api/upload-attachment>.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use serde_json::{Map, Value};

use super::{File, Files, decode_base64};
use crate::airtable::access::Role;
use crate::airtable::computed::Eval;
use crate::airtable::errors::AirtableError;
use crate::airtable::fields::attachment::{self, Attachment};
use crate::airtable::ids::{AttachmentId, RecordId};
use crate::airtable::model::{Base, Kind};
use crate::airtable::records::Actor;
use crate::airtable::render::{self, Rendering};
use crate::airtable::write::{Planner, commit};

/// Characters of `contentType`.
const MAX_CONTENT_TYPE: usize = 255;

/// A file to be uploaded, checked as far as that goes without looking at the base.
#[derive(Debug)]
pub(crate) struct Upload {
    record: RecordId,
    /// By id or name.
    field: String,
    name: String,
    content_type: String,
    content: Bytes,
}

impl Upload {
    /// `max_bytes` is the size of the decoded file.
    pub(crate) fn read(
        record: RecordId,
        field: String,
        body: &Map<String, Value>,
        max_bytes: usize,
    ) -> Result<Self, AirtableError> {
        let text =
            |key: &str| body.get(key).and_then(Value::as_str).ok_or_else(AirtableError::invalid_request);
        let (content_type, name, encoded) = (text("contentType")?, text("filename")?, text("file")?);
        let is_header = !content_type.is_empty() && HeaderValue::from_str(content_type).is_ok();
        if body.len() > 3 || name.is_empty() || !is_header || content_type.chars().count() > MAX_CONTENT_TYPE
        {
            return Err(AirtableError::invalid_request());
        }
        let content = decode_base64(encoded)
            .ok_or_else(|| AirtableError::invalid_request_because("\"file\" is not in base64"))?;
        if content.len() > max_bytes {
            return Err(AirtableError::body_too_large(max_bytes));
        }
        Ok(Self {
            record,
            field,
            name: name.to_owned(),
            content_type: content_type.to_owned(),
            content: content.into(),
        })
    }

    /// Appends the file to its cell, or refuses and changes nothing; gives the answer's body, and the file.
    pub(crate) fn apply(
        &self,
        base: &mut Base,
        files: &Files,
        actor: Actor<'_>,
    ) -> Result<(Value, Arc<File>), AirtableError> {
        if actor.role < Role::Edit {
            return Err(AirtableError::not_permitted());
        }
        let found = base
            .tables
            .iter()
            .enumerate()
            .find_map(|(index, table)| Some((index, table.rows.find(self.record)?)));
        let (table, slot) = found.ok_or_else(AirtableError::record_not_found)?;
        let content = &base.tables[table];
        let field = content.field(&self.field).ok_or_else(|| AirtableError::unknown_field(&self.field))?;
        match &content.fields[field].kind {
            Kind::Attachments => {}
            kind if kind.is_computed() => {
                return Err(AirtableError::field_is_computed(&content.fields[field].name));
            }
            _ => return Err(AirtableError::value_refused(&content.fields[field].name)),
        }
        let current = content.rows.get(slot).map(|record| attachment::attachments(record.cell(field)));
        let mut attachments = current.unwrap_or_default().to_vec();
        if attachments.len() >= attachment::MOST {
            return Err(AirtableError::value_refused(&content.fields[field].name));
        }
        let id = AttachmentId::mint();
        let file = files.add(id, (&self.name, &self.content_type), self.content.clone())?;
        attachments.push(Attachment::of_file(Arc::clone(&file), &self.content_type));

        let mut planner = Planner::new(base, actor, false);
        planner.update(table, slot, vec![(field, attachment::cell(attachments))], false);
        let changes = planner.into_changes();
        commit(base, changes, actor.stamp());
        let eval = Eval::new(base, actor.users, actor.now).with_urls(actor.urls);
        let rendering = Rendering { by_field_id: true, fields: Some(vec![field]), ..Rendering::default() };
        Ok((render::record(&eval, table, slot, &rendering).unwrap_or_default(), file))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value, max_bytes: usize) -> Result<Upload, AirtableError> {
        Upload::read(RecordId::mint(), "Files".to_owned(), body.as_object().unwrap(), max_bytes)
    }

    fn file(encoded: &str) -> Value {
        json!({"contentType": "text/plain", "filename": "a.txt", "file": encoded})
    }

    #[test]
    fn a_file_comes_in_base64_with_line_breaks_or_without() {
        for encoded in ["aGVsbG8=", "aGVs\nbG8=\n", " aG Vs\r\n\tbG8", "aGVsbG8"] {
            assert_eq!(&read(file(encoded), 5).unwrap().content[..], b"hello", "{encoded:?}");
        }
        assert!(read(file(""), 5).unwrap().content.is_empty());
        for encoded in ["aGVsbG8=x", "####", "a", "aGVsbG8\u{e9}", "data:text/plain;base64,aGVsbG8="] {
            assert_eq!(read(file(encoded), 100).unwrap_err().status(), 422, "{encoded:?}");
        }
    }

    #[test]
    fn a_file_is_as_large_as_it_may_be() {
        assert_eq!(read(file("aGVsbG8="), 4).unwrap_err().status(), 413);
        assert_eq!(read(file(&"A".repeat(4000)), 4).unwrap_err().status(), 413);
        assert_eq!(read(file(&"A".repeat(4000)), 3000).unwrap().content.len(), 3000);
    }

    #[test]
    fn all_three_keys_are_texts_and_there_is_no_fourth() {
        for (key, value) in [
            ("contentType", Value::Null),
            ("contentType", json!("")),
            ("contentType", json!("text/plain\r\nSet-Cookie: x")),
            ("contentType", json!("a".repeat(256))),
            ("filename", json!("")),
            ("filename", json!(1)),
            ("file", json!(["aGVsbG8="])),
            ("more", json!(1)),
        ] {
            let mut body = file("aGVsbG8=");
            body[key] = value.clone();
            assert_eq!(read(body, 100).unwrap_err(), AirtableError::invalid_request(), "{key} {value}");
        }
        for key in ["contentType", "filename", "file"] {
            let mut body = file("aGVsbG8=");
            body.as_object_mut().unwrap().remove(key);
            assert_eq!(read(body, 100).unwrap_err(), AirtableError::invalid_request(), "{key}");
        }
        let mut body = file("aGVsbG8=");
        body["contentType"] = json!("a".repeat(255));
        assert!(read(body, 100).is_ok());
    }
}
