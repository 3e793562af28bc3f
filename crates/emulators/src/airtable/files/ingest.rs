//! Attachments that were written by their URLs, on their way to a file.
//!
//! The write is answered before: its attachments show the URLs that they were given by. Later they show the files, or are
//! gone where there was none to be had. Neither is an edit: times of change stay, and no webhook is told.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tracing::info;

use super::essence;
use super::fetch::{Fetched, Place, Source, fetch};
use super::store::{File, Room};
use crate::airtable::emulator::{Shared, write};
use crate::airtable::fields::attachment::{self, Attachment};
use crate::airtable::ids::{AttachmentId, BaseId, FieldId, TableId};
use crate::airtable::kept::Pending;

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

impl Shared {
    /// Begins to fetch the files of new attachments; gives what is known to fail.
    pub(crate) fn ingest(self: &Arc<Self>, base: BaseId, attached: Vec<Attached>) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        for attached in attached {
            let from = match self.source(&attached.url) {
                Some(Ok(from)) => Some(from),
                Some(Err(trouble)) => {
                    troubles.push(trouble);
                    None
                }
                None => continue,
            };
            let shared = Arc::clone(self);
            tokio::spawn(async move {
                let file = match from {
                    Some(from) => shared.obtain(from).await,
                    None => None,
                };
                let settled = tokio::task::spawn_blocking(move || shared.settle(base, &attached, file));
                if let Err(error) = settled.await {
                    tracing::error!("an attachment was not settled: {error}");
                }
            });
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
        match Source::of(url) {
            Source::Elsewhere => None,
            Source::Nothing => Some(Err(Trouble::Failed)),
            Source::Here(place) => {
                let waits = Arc::clone(&self.files.queue.places).try_acquire_owned();
                Some(waits.map(|waits| From::Fetch(place, waits)).map_err(|_| Trouble::TooMany))
            }
        }
    }

    async fn obtain(&self, from: From) -> Option<Obtained> {
        let mut room = self.files.store.room();
        match from {
            From::Copy(file) => {
                room.grow(file.content.len()).ok()?;
                let (content, content_type) = (file.content.clone(), file.content_type.to_string());
                Some(Obtained { content, content_type, name: Some(file.name.clone()), room })
            }
            From::Fetch(place, _waits) => {
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
        }
    }

    /// Gives an attachment its file, or takes it out of its cell. Locks the base, and waits for that.
    fn settle(&self, base: BaseId, attached: &Attached, obtained: Option<Obtained>) {
        let world = self.hold();
        let Some(base) = world.bases.get(base) else { return };
        let mut locked = write(&base.live);
        // All of that may have been removed meanwhile, and the whole base been reset: ids do not come again.
        let Some(table) = locked.tables.iter_mut().find(|table| table.id == attached.table) else { return };
        let Some(field) = table.fields.iter().position(|field| field.id == attached.field) else { return };
        let rows = &mut table.rows;
        let Some(record) = rows.get(attached.slot) else { return };
        let mut list = attachment::attachments(record.cell(field)).to_vec();
        let Some(place) = list.iter().position(|attachment| attachment.id == attached.id) else { return };
        let mut file_kept = None;
        match obtained {
            Some(Obtained { content, content_type, name, room }) => {
                // Nobody has called it by what happens to end the URL of another attachment.
                let by_url = attachment::file_name(&attached.url) == attached.name;
                let name = name.as_deref().filter(|_| by_url).unwrap_or(&attached.name);
                let file = self.files.store.add(attached.id, (name, &content_type), content, room);
                file_kept = self.files.keep(&file, self.keeper.as_ref());
                list[place] = Attachment::of_file(file, essence(&content_type));
            }
            None => {
                list.remove(place);
            }
        }
        if let Some(record) = rows.get_mut(attached.slot) {
            record.set(field, attachment::cell(list));
        }
        let record_kept = world.bases.keep(&mut locked, Vec::new(), self.keeper.as_ref());
        drop(locked);
        for pending in [file_kept, record_kept].into_iter().flatten() {
            // What cannot be written is said where it is tried; nobody waits for this.
            Pending::wait(pending);
        }
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
