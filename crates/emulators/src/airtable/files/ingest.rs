//! Attachments that were written by their URLs, on their way to a file.
//!
//! The write is answered before: its attachments show the URLs that they were given by. Later they show the files, or are
//! gone where there was none to be had. Neither is an edit: times of change stay, and no webhook is told.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tracing::info;

use super::fetch::{Fetched, fetch};
use super::store::{File, Room};
use crate::airtable::body::essence;
use crate::airtable::emulator::{Shared, write};
use crate::airtable::fields::attachment::{self, Attachment};
use crate::airtable::ids::{AttachmentId, BaseId, FieldId, TableId};
use crate::airtable::kept::Pending;
use crate::airtable::loopback::{Destination, Place};

/// Fetches at a time.
const AT_ONCE: usize = 4;

/// Fetches that wait for those; more fail.
const MOST_WAITING: usize = 1000;

/// An attachment that a write has added by its URL, and the cell that it stands in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Attached {
    pub(crate) table: TableId,
    pub(crate) slot: u32,
    pub(crate) field: FieldId,
    pub(crate) id: AttachmentId,
    pub(crate) name: String,
    pub(crate) url: String,
}

/// What is known at once of attachments that will be gone; the words of `details.reasons`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    Failed,
    TooMany,
}

impl Trouble {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Failed => "attachmentsFailedUploading",
            Self::TooMany => "attachmentUploadRateIsTooHigh",
        }
    }
}

/// Fetches that run and wait.
#[derive(Debug)]
pub(super) struct Queue {
    running: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            running: Arc::new(Semaphore::new(AT_ONCE)),
            places: Arc::new(Semaphore::new(AT_ONCE + MOST_WAITING)),
        }
    }
}

/// Where the file of an attachment comes from.
enum From {
    /// It is another attachment's.
    Copy(Arc<File>),
    Fetch(Place, tokio::sync::OwnedSemaphorePermit),
}

/// An attachment and its file; without one it is to go.
type Settled = (Attached, Option<Obtained>);

impl Shared {
    /// Begins to fetch the files of new attachments; gives what is known to fail.
    pub(crate) fn ingest(self: &Arc<Self>, base: BaseId, attached: Vec<Attached>) -> Vec<Trouble> {
        let (mut troubles, mut known) = (Vec::new(), Vec::new());
        for attached in attached {
            match self.source(&attached.url) {
                None => {}
                Some(Err(trouble)) => {
                    troubles.push(trouble);
                    known.push((attached, None));
                }
                Some(Ok(From::Copy(file))) => known.push((attached, self.copy(&file))),
                Some(Ok(From::Fetch(place, waits))) => {
                    let shared = Arc::clone(self);
                    tokio::spawn(async move {
                        let obtained = shared.fetched(place).await;
                        drop(waits);
                        shared.settle_apart(base, vec![(attached, obtained)]).await;
                    });
                }
            }
        }
        if !known.is_empty() {
            let shared = Arc::clone(self);
            tokio::spawn(async move { shared.settle_apart(base, known).await });
        }
        troubles.sort_unstable();
        troubles.dedup();
        troubles
    }

    /// Where a URL's file comes from; `None`: it is not fetched, and the attachment stays as it is.
    fn source(&self, url: &str) -> Option<Result<From, Trouble>> {
        if let Some(signed) = self.files.signer.check_url(url) {
            let is_good = self.clock.now().as_millisecond() < signed.expires;
            let file = self.files.store.find(signed.id).filter(|_| is_good);
            return Some(file.map(From::Copy).ok_or(Trouble::Failed));
        }
        if !self.files.fetches.load(Ordering::Relaxed) {
            return None;
        }
        match Destination::of(url) {
            Destination::Elsewhere => None,
            Destination::Nowhere => Some(Err(Trouble::Failed)),
            Destination::Here(place) => {
                let waits = Arc::clone(&self.files.queue.places).try_acquire_owned();
                Some(waits.map(|waits| From::Fetch(place, waits)).map_err(|_| Trouble::TooMany))
            }
        }
    }

    /// `None`: there is no room for another one.
    fn copy(&self, file: &File) -> Option<Obtained> {
        let mut room = self.files.store.room();
        room.grow(file.content.len()).ok()?;
        let (content, content_type) = (file.content.clone(), file.content_type.to_string());
        Some(Obtained { content, content_type, name: Some(file.name.clone()), room })
    }

    async fn fetched(&self, place: Place) -> Option<Obtained> {
        let mut room = self.files.store.room();
        let _runs = self.files.queue.running.acquire().await.ok()?;
        match fetch(place, &mut room).await {
            Ok(Fetched { content, content_type }) => {
                Some(Obtained { content, content_type, name: None, room })
            }
            Err(error) => {
                let why = service_kit::error::chain(&error).to_string();
                info!("an attachment cannot be fetched from this machine: {why}");
                None
            }
        }
    }

    async fn settle_apart(self: &Arc<Self>, base: BaseId, settled: Vec<Settled>) {
        let shared = Arc::clone(self);
        let work = tokio::task::spawn_blocking(move || shared.settle(base, settled));
        if let Err(error) = work.await {
            tracing::error!("attachments were not settled: {error}");
        }
    }

    /// Gives attachments their files, or takes them out of their cells. Locks the base once for all of them, and waits for
    /// that.
    fn settle(&self, base: BaseId, settled: Vec<Settled>) {
        let world = self.hold();
        let Some(base) = world.bases.get(base) else { return };
        let mut cells: BTreeMap<(TableId, u32, FieldId), HashMap<AttachmentId, Settled>> = BTreeMap::new();
        for (attached, obtained) in settled {
            let cell = cells.entry((attached.table, attached.slot, attached.field)).or_default();
            cell.insert(attached.id, (attached, obtained));
        }
        let mut pending = Vec::new();
        let mut locked = write(&base.live);
        for ((table, slot, field), mut settled) in cells {
            // All of that may have been removed meanwhile, and the whole base been reset: ids do not come again.
            let Some(table) = locked.tables.iter_mut().find(|own| own.id == table) else { continue };
            let Some(field) = table.fields.iter().position(|own| own.id == field) else { continue };
            let Some(record) = table.rows.get(slot) else { continue };
            let before = attachment::attachments(record.cell(field));
            if !before.iter().any(|attachment| settled.contains_key(&attachment.id)) {
                continue;
            }
            let mut after = Vec::with_capacity(before.len());
            for attachment in before {
                match settled.remove(&attachment.id) {
                    None => after.push(attachment.clone()),
                    Some((_, None)) => {}
                    Some((attached, Some(obtained))) => {
                        let (attachment, kept) = self.with_file(&attached, obtained);
                        after.push(attachment);
                        pending.extend(kept);
                    }
                }
            }
            if let Some(record) = table.rows.get_mut(slot) {
                record.set(field, attachment::cell(after));
            }
        }
        pending.extend(world.bases.keep(&mut locked, Vec::new(), self.keeper.as_ref()));
        drop(locked);
        for pending in pending {
            // What cannot be written is said where it is tried; nobody waits for this.
            Pending::wait(pending);
        }
    }

    /// An attachment with its file, which is handed over to be kept.
    fn with_file(&self, attached: &Attached, obtained: Obtained) -> (Attachment, Option<Pending>) {
        let Obtained { content, content_type, name, room } = obtained;
        // Nobody has called it by what happens to end the URL of another attachment.
        let by_url = attachment::file_name(&attached.url) == attached.name;
        let name = name.as_deref().filter(|_| by_url).unwrap_or(&attached.name);
        let file = self.files.store.add(attached.id, (name, &content_type), content, room);
        let kept = self.files.keep(&file, self.keeper.as_ref());
        (Attachment::of_file(file, essence(&content_type)), kept)
    }
}

/// A file that an attachment was waiting for.
struct Obtained {
    content: Bytes,
    content_type: String,
    /// What it is called where it comes from.
    name: Option<Box<str>>,
    room: Room,
}
