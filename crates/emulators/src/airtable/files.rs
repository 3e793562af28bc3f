//! Files of attachments: how they come, where they are kept, and how they are read.
//!
//! A file is held by the cells that it stands in ([`store`]). It comes by an upload ([`upload`]), or from the URL that an
//! attachment was given by ([`ingest`], [`fetch`]). It is read at a signed URL ([`urls`], [`serve`]), which each answer
//! makes anew.

mod fetch;
mod image;
mod ingest;
mod serve;
mod store;
mod upload;
mod urls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use airtable_formula::Timestamp;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::request::Parts;

pub(crate) use self::image::{Size, dimensions};
pub(crate) use self::ingest::{Attached, Trouble};
pub(super) use self::serve::router;
pub(crate) use self::store::File;
pub(crate) use self::upload::Upload;
pub use self::urls::PublicUrl;
pub(crate) use self::urls::Urls;

use self::ingest::Queue;
use self::store::Store;
use self::urls::{Origin, Signer};
use super::cell::Cell;
use super::emulator::lock;
use super::errors::AirtableError;
use super::fields::attachment::{self, Attachment};
use super::ids::AttachmentId;
use super::kept::{Keeper, Pending};
use super::model::{Base, Kind};

/// What a file is that nobody says anything of.
pub(crate) const UNKNOWN_TYPE: &str = "application/octet-stream";

/// Memory for files unless a setting says otherwise.
const DEFAULT_MAX_BYTES: u64 = 512 << 20;

/// The document that keeps the key which URLs are signed with, so that they outlive the process.
const KEY_DOCUMENT: &str = "attachment-url-key";

/// With padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Bytes in base64, whatever white space there is between; `None` if it is none.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    // Python's `encodebytes` breaks lines.
    let compact: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64.decode(compact).ok()
}

/// From where the files of attachments are fetched that are written by their URLs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sources {
    /// From nowhere: such attachments stay as Airtable first answers.
    #[default]
    None,
    /// From servers of this machine.
    Loopback,
}

impl FromStr for Sources {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::None),
            "loopback" => Ok(Self::Loopback),
            _ => Err("must be none or loopback"),
        }
    }
}

/// What may be settled about files.
#[derive(Debug, Clone, PartialEq)]
pub struct FileSettings {
    /// From where the files of new attachments are fetched.
    pub sources: Sources,
    /// Memory that all files together may take.
    pub max_bytes: u64,
    /// Where clients read files; `None`: where their requests were sent.
    pub public_url: Option<PublicUrl>,
}

impl Default for FileSettings {
    fn default() -> Self {
        Self { sources: Sources::None, max_bytes: DEFAULT_MAX_BYTES, public_url: None }
    }
}

/// All files, and what is settled about them.
pub(crate) struct Files {
    store: Store,
    signer: Signer,
    origin: Mutex<Origin>,
    /// Whether files are fetched from this machine.
    fetches: AtomicBool,
    queue: Queue,
}

impl Files {
    /// No files yet; `documents` are those of the file of bases.
    pub(super) fn new(documents: &BTreeMap<String, String>, keeper: Option<&Keeper>) -> Self {
        let kept = documents.get(KEY_DOCUMENT).and_then(|text| decode_base64(text)?.try_into().ok());
        let this = Self {
            store: Store::new(DEFAULT_MAX_BYTES),
            signer: Signer::new(kept.unwrap_or_else(rand::random::<[u8; 32]>)),
            origin: Mutex::default(),
            fetches: AtomicBool::new(false),
            queue: Queue::default(),
        };
        if kept.is_none() {
            this.keep_key(keeper);
        }
        this
    }

    /// Hands over the key that URLs are signed with. If that fails, they are good until the process ends.
    pub(super) fn keep_key(&self, keeper: Option<&Keeper>) {
        if let Some(keeper) = keeper {
            drop(keeper.put_document(KEY_DOCUMENT, Some(BASE64.encode(self.signer.key()))));
        }
    }

    pub(super) fn set(&self, settings: FileSettings) {
        self.store.set_max_bytes(settings.max_bytes);
        self.fetches.store(settings.sources == Sources::Loopback, Ordering::Relaxed);
        lock(&self.origin).public_url = settings.public_url;
    }

    pub(super) fn set_address(&self, address: SocketAddr) {
        lock(&self.origin).listens_on = Some(address);
    }

    /// URLs for the answer to a request.
    pub(crate) fn urls(&self, request: &Parts, now: Timestamp, life: Duration) -> Urls {
        let origin = lock(&self.origin).of(request);
        let life = i64::try_from(life.as_millis()).unwrap_or(i64::MAX);
        Urls::new(self.signer.clone(), origin, now.as_millisecond().saturating_add(life))
    }

    /// Stores a file, if there is room for it.
    pub(crate) fn add(
        &self,
        id: AttachmentId,
        about: (&str, &str),
        content: Bytes,
    ) -> Result<Arc<File>, AirtableError> {
        let mut room = self.store.room();
        room.grow(content.len()).map_err(|full| AirtableError::no_room_for_files(full.max_bytes))?;
        Ok(self.store.add(id, about, content, room))
    }

    /// Gives attachments the files that they are of. What is not there any more keeps its place without one.
    ///
    /// What stands in no cell is removed from where files are kept: it was on its way out when the process ended.
    pub(super) fn hand_out(
        &self,
        bases: &mut [Base],
        contents: &BTreeMap<AttachmentId, Bytes>,
        keeper: Option<&Keeper>,
    ) {
        // Copies of one attachment share one file.
        let mut files: BTreeMap<AttachmentId, Arc<File>> = BTreeMap::new();
        let mut complete = |attachment: Attachment| match contents.get(&attachment.id) {
            Some(content) if attachment.source().is_none() => {
                let file = files.entry(attachment.id).or_insert_with(|| {
                    let mut room = self.store.room();
                    room.grow_anyway(content.len());
                    let about = (attachment.name(), attachment.content_type().unwrap_or(UNKNOWN_TYPE));
                    self.store.add(attachment.id, about, content.clone(), room)
                });
                let file = Arc::clone(file);
                attachment.holding(file)
            }
            _ => attachment,
        };
        for table in bases.iter_mut().flat_map(|base| &mut base.tables) {
            let fields = table.fields.iter().enumerate();
            let fields = fields.filter(|(_, field)| matches!(field.kind, Kind::Attachments));
            let fields: Vec<usize> = fields.map(|(index, _)| index).collect();
            table.rows.complete(&fields, |cell| {
                let list = match std::mem::replace(cell, Cell::Empty) {
                    Cell::Attachments(list) => list.into_vec(),
                    Cell::Json(old) => attachment::of_json(&old),
                    _ => Vec::new(),
                };
                *cell = attachment::cell(list.into_iter().map(&mut complete).collect());
            });
        }
        if let Some(keeper) = keeper {
            let lost = contents.keys().filter(|id| !files.contains_key(id));
            lost.for_each(|id| drop(keeper.put_file(&id.to_string(), None)));
        }
    }

    /// Hands over a new file to be kept. What holds it must be handed over later.
    pub(super) fn keep(&self, file: &File, keeper: Option<&Keeper>) -> Option<Pending> {
        keeper.map(|keeper| keeper.put_file(&file.id.to_string(), Some(file.content.clone())))
    }

    /// Removes from where files are kept what nothing holds any more. What held it must have been handed over before.
    pub(super) fn forget_gone(&self, keeper: Option<&Keeper>) {
        let gone = self.store.take_gone();
        if let Some(keeper) = keeper {
            // If that fails, the next start finds them without a cell.
            gone.iter().for_each(|id| drop(keeper.put_file(&id.to_string(), None)));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rows::{Record, Rows};
    use super::super::seed::Seed;
    use super::*;

    /// A base with one attachment field, and one record whose cell reads as this in a file of bases.
    fn base(cell: serde_json::Value) -> Base {
        let seed = json!({"bases": [{"name": "B", "tables": [{"name": "T", "fields": [
            {"name": "Files", "type": "multipleAttachments"}, {"name": "Code", "type": "barcode"},
        ]}]}]});
        let mut base = Seed::from_json(seed.to_string().as_bytes()).unwrap().bases.remove(0);
        let record = json!({
            "id": "rec00000000000001", "created": 0, "modified": null, "created_by": 0, "modified_by": 0, "number": 1,
            "cells": [[0, cell], [1, {"Json": {"text": "42"}}]], "edits": [],
        });
        let record: Record = serde_json::from_value(record).unwrap();
        base.tables[0].rows = Rows::restore(vec![(0, record)], 1);
        base
    }

    #[test]
    fn attachments_in_files_of_bases_from_before_there_were_files_are_read() {
        let shown = json!({"id": "att00000000000001", "url": "https://x/1", "filename": "1", "size": 7});
        let mut bases = [base(json!({"Json": [shown]}))];
        Files::new(&BTreeMap::new(), None).hand_out(&mut bases, &BTreeMap::new(), None);
        let record = bases[0].tables[0].rows.get(0).unwrap();
        assert_eq!(attachment::attachments(record.cell(0))[0].json(None), shown);
        assert_eq!(record.cell(1), &Cell::Json(Box::new(json!({"text": "42"}))));
    }

    #[test]
    fn copies_of_an_attachment_share_its_file_and_one_without_keeps_its_place() {
        let item = |n: u8| json!({"id": format!("att{n:014}"), "shown": {"id": format!("att{n:014}"), "filename": "1"}});
        let mut bases =
            [base(json!({"Attachments": [item(1), item(2)]})), base(json!({"Attachments": [item(1)]}))];
        let (files, id) =
            (Files::new(&BTreeMap::new(), None), AttachmentId::parse("att00000000000001").unwrap());
        files.hand_out(&mut bases, &BTreeMap::from([(id, Bytes::from_static(b"hello"))]), None);
        assert_eq!(files.store.bytes(), 5);
        let held = |base: &Base| -> Vec<bool> {
            let record = base.tables[0].rows.get(0).unwrap();
            attachment::attachments(record.cell(0)).iter().map(|one| one.file().is_some()).collect()
        };
        assert_eq!((held(&bases[0]), held(&bases[1])), (vec![true, false], vec![true]));
        let [first, second] = bases;
        drop(first);
        assert!(files.store.find(id).is_some());
        drop(second);
        assert!(files.store.find(id).is_none());
    }
}
