//! The bases in a SQLite file: what was acknowledged survives the end of the process, however it comes.
//!
//! The file holds each base's metadata, in the shape of a seed, and its records by table and slot, in the emulator's own
//! form; also the bytes of attachments, and documents of whatever else has to last, each in its owner's form. It is read
//! once, at the start; from then on memory answers, and every write is in the file before its answer goes out. Writes that
//! come together share a transaction.

mod file;

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use self::file::File;
use super::access::Users;
use super::ids::AttachmentId;
use super::model::{Base, Redefined};
use super::rows::{Record, Rows};
use super::seed::Seed;
use super::webhooks::{Document, Webhooks};

pub use self::file::KeptError;

/// The document of tokens, integrations and limits; only a file whose content was replaced as a whole has it.
const SETTINGS: &str = "settings";

/// The same of the seed that the file was made from, for starts without one.
const SEEDED_SETTINGS: &str = "settings of the seed";

/// Writes of one transaction.
const MOST_TOGETHER: usize = 256;

/// Puts changes of bases into the file, in the order in which they are handed over.
pub(super) struct Keeper {
    jobs: mpsc::UnboundedSender<Job>,
}

/// A change on its way into the file.
pub(super) struct Pending(oneshot::Receiver<bool>);

struct Job {
    change: Change,
    done: oneshot::Sender<bool>,
}

/// What has to be in the file after a write. Bases and tables are named by their positions.
#[derive(Default)]
pub(super) struct Change {
    replaced: Vec<Replaced>,
    /// Bases from this position on are no more.
    forgotten: Option<usize>,
    metadata: Vec<(usize, String)>,
    /// `None`: there is no record in this slot any more.
    records: Vec<(Place, Option<String>)>,
    /// The last number that an autoNumber field of the table has given.
    numbers: Vec<(usize, usize, u32)>,
    /// By key; `None`: it is no more.
    documents: Vec<Document>,
    /// By the id of the attachment; `None`: it is no more.
    files: Vec<(String, Option<Bytes>)>,
    /// Everything there was is no more, before all else.
    emptied: bool,
    /// Instead of those that were there.
    users: Option<String>,
}

/// The records of a base from a table on, instead of those that are there. They are shared with the base, and written down
/// one by one when their turn comes: as texts all together they would take more memory than the base itself.
struct Replaced {
    base: usize,
    from: usize,
    /// With the last number that each has given.
    tables: Vec<(Rows, u32)>,
}

impl Replaced {
    fn of(position: usize, base: &Base, from: usize) -> Self {
        let tables = base.tables.iter().skip(from);
        let tables = tables.map(|table| (table.rows.past(), table.rows.last_number())).collect();
        Self { base: position, from, tables }
    }
}

/// What the file held beside bases and users when it was opened.
#[derive(Debug, Default)]
pub(super) struct Opened {
    pub(super) documents: BTreeMap<String, String>,
    pub(super) files: BTreeMap<String, Bytes>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    base: usize,
    table: usize,
    slot: u32,
}

impl Keeper {
    /// Opens the file. A new one gets the seed's bases; an old one's bases and users replace the seed's, whose tokens,
    /// integrations and limits hold, unless a snapshot was put into the file: then that one's do. So do those of the seed that
    /// the file was made from where there is no other one but the sample.
    pub(super) async fn open(path: &Path, mut seed: Seed) -> Result<(Seed, Self, Opened), KeptError> {
        let mut file = File::open(path).await?;
        let mut opened = Opened::default();
        match file.load().await? {
            Some((bases, users)) => {
                opened = file.beside().await?;
                seed.bases = bases;
                seed.files = std::mem::take(&mut opened.files)
                    .into_iter()
                    .filter_map(|(id, content)| Some((AttachmentId::parse(&id)?, content)))
                    .collect();
                let webhooks = Webhooks::restore(&opened.documents, &seed.bases);
                seed.webhooks = webhooks.map_err(|key| KeptError::Document { key })?;
                let seeded = opened.documents.remove(SEEDED_SETTINGS).filter(|_| seed.is_sample);
                if let Some(settings) = opened.documents.remove(SETTINGS).or(seeded) {
                    seed.set_users_and_settings(users, &settings)?;
                } else {
                    let known = users.0.len();
                    seed.take_users(users);
                    if seed.users.0.len() > known {
                        // Cells name people by their places, so that these must not change again.
                        let users = Some(users_json(&seed.users));
                        file.apply(&[Change { users, ..Change::default() }]).await?;
                    }
                }
            }
            None => {
                let mut change = Change::default();
                seed.bases.iter().enumerate().for_each(|(position, base)| change.replace(position, base));
                change.add_files(&seed);
                change.documents = seed.webhooks.documents();
                change.documents.push((SEEDED_SETTINGS.to_owned(), Some(seed.settings())));
                file.fill(&seed.users, &change).await?;
            }
        }
        seed.webhooks.keep_journal();
        seed.bases.iter_mut().flat_map(|base| &mut base.tables).for_each(|table| table.rows.note_changes());
        let (jobs, queue) = mpsc::unbounded_channel();
        // Not on the threads that answer: those may all be waiting for somebody who waits for the file.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(KeptError::Thread)?;
        let thread = std::thread::Builder::new().name("kept bases".to_owned());
        thread.spawn(move || runtime.block_on(work(file, queue))).map_err(KeptError::Thread)?;
        Ok((seed, Self { jobs }, opened))
    }

    /// Hands over what has changed in a base since the last time, and documents that must be in the file with it. The base must
    /// be locked, so that the order is right.
    pub(super) fn keep(&self, position: usize, base: &mut Base, documents: Vec<Document>) -> Pending {
        let mut change = Change { documents, ..Change::default() };
        change.add(position, base);
        self.hand_over(change)
    }

    /// Hands over a base as a whole, which replaces what is kept of it.
    pub(super) fn replace(&self, position: usize, base: &Base) -> Pending {
        let mut change = Change::default();
        change.replace(position, base);
        self.hand_over(change)
    }

    /// Hands over all there is, instead of all that is kept.
    pub(super) fn replace_all(&self, seed: &Seed) -> Pending {
        let users = Some(users_json(&seed.users));
        let mut change = Change { emptied: true, users, ..Change::default() };
        seed.bases.iter().enumerate().for_each(|(position, base)| change.replace(position, base));
        change.documents.push((SETTINGS.to_owned(), Some(seed.settings())));
        change.documents.extend(seed.webhooks.documents());
        change.add_files(seed);
        self.hand_over(change)
    }

    /// Removes the bases from a position on.
    pub(super) fn forget_from(&self, position: usize) -> Pending {
        self.hand_over(Change { forgotten: Some(position), ..Change::default() })
    }

    /// Keeps a text under a key, or nothing any more.
    pub(super) fn put_document(&self, key: &str, text: Option<String>) -> Pending {
        self.hand_over(Change { documents: vec![(key.to_owned(), text)], ..Change::default() })
    }

    /// Keeps several at once.
    pub(super) fn put_documents(&self, documents: Vec<Document>) -> Pending {
        self.hand_over(Change { documents, ..Change::default() })
    }

    /// Keeps the bytes of an attachment, or them no more.
    pub(super) fn put_file(&self, id: &str, content: Option<Bytes>) -> Pending {
        self.hand_over(Change { files: vec![(id.to_owned(), content)], ..Change::default() })
    }

    fn hand_over(&self, change: Change) -> Pending {
        let (done, pending) = oneshot::channel();
        // The other side ends with the process only; then nobody waits either.
        let _ = self.jobs.send(Job { change, done });
        Pending(pending)
    }
}

impl Pending {
    /// Waits until it is in the file, on a thread that may wait; `false`: it could not be written.
    pub(super) fn wait(self) -> bool {
        self.0.blocking_recv().unwrap_or(false)
    }

    /// The same in a task.
    pub(super) async fn done(self) -> bool {
        self.0.await.unwrap_or(false)
    }
}

/// Writes what comes. What could not be written is tried again with what comes next: memory is ahead of the file until
/// then, and whoever asked for it was told that it failed.
async fn work(mut file: File, mut queue: mpsc::UnboundedReceiver<Job>) {
    let mut unwritten: Vec<Change> = Vec::new();
    let mut jobs = Vec::new();
    while queue.recv_many(&mut jobs, MOST_TOGETHER).await > 0 {
        let (changes, waiting): (Vec<_>, Vec<_>) = jobs.drain(..).map(|job| (job.change, job.done)).unzip();
        unwritten.extend(changes);
        let written = match file.apply(&unwritten).await {
            Ok(()) => {
                unwritten.clear();
                true
            }
            Err(problem) => {
                error!("changes of emulated bases cannot be kept: {}", service_kit::error::chain(&problem));
                false
            }
        };
        for waits in waiting {
            let _ = waits.send(written);
        }
    }
}

impl Change {
    fn add(&mut self, position: usize, base: &mut Base) {
        let redefined = std::mem::take(&mut base.redefined);
        if redefined != Redefined::Nothing {
            self.metadata.push((position, base.to_seed().to_string()));
        }
        let mut moved = usize::MAX;
        if let Redefined::Positions(from) = redefined {
            moved = from;
            self.replaced.push(Replaced::of(position, base, from));
        }
        for (index, table) in base.tables.iter_mut().enumerate() {
            table.rows.note_changes(); // of a new table, too
            let changed = table.rows.take_changes();
            if changed.is_empty() || index >= moved {
                continue;
            }
            self.numbers.push((position, index, table.rows.last_number()));
            for slot in changed {
                let record = table.rows.get(slot).map(record_json);
                self.records.push((Place { base: position, table: index, slot }, record));
            }
        }
    }

    fn replace(&mut self, position: usize, base: &Base) {
        self.replaced.push(Replaced::of(position, base, 0));
        self.metadata.push((position, base.to_seed().to_string()));
    }

    /// Those that are not in the cells of the seed; see [`Seed::files`].
    fn add_files(&mut self, seed: &Seed) {
        let files = seed.files.iter().map(|(id, content)| (id.to_string(), Some(content.clone())));
        self.files.extend(files);
    }
}

/// A record as it stands in the file.
fn record_json(record: &Record) -> String {
    serde_json::to_string(record).expect("numbers, texts and lists of them always serialise")
}

/// As they stand in the file.
pub(super) fn users_json(users: &Users) -> String {
    serde_json::to_string(&users.0).expect("texts always serialise")
}
