//! The emulator as a whole: its state, and what its owner may do with it. The way of a request through it is in
//! [`super::calls`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::task::JoinError;

use super::access::{Tokens, Users};
use super::bases::{Bases, Kept};
use super::clock::Clock;
use super::config::LimitOptions;
use super::faults::InForce;
use super::files::{FileSettings, Files, Sources};
use super::ids::BaseId;
use super::kept::{Keeper, KeptError, Opened, Pending};
use super::limits::{Counters, Limiter, Limits};
use super::list::offsets::Listings;
use super::log::RequestLog;
use super::oauth::{self, OAuth};
use super::seed::Seed;
use super::unconfirmed::Unconfirmed;
use super::webhooks::Webhooks;

/// An emulated Airtable. Clones share their content.
#[derive(Clone)]
pub struct Emulator {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    /// Only ever locked for a moment.
    world: RwLock<Arc<World>>,
    /// Whoever works on the world holds it for reading; whoever puts another world there waits for them, and they for him.
    gate: RwLock<()>,
    pub(super) clock: Clock,
    limits: Mutex<Limits>,
    /// What wins over the limits of a seed that is put in the place of all.
    limit_options: Mutex<LimitOptions>,
    pub(super) unconfirmed: Mutex<Unconfirmed>,
    pub(super) faults: Mutex<InForce>,
    pub(super) limiter: Mutex<Limiter>,
    pub(super) log: Arc<Mutex<RequestLog>>,
    pub(super) files: Files,
    /// Whether webhooks of this machine are pinged.
    pub(super) pings: AtomicBool,
    /// Where changes are kept; `None`: in memory only.
    pub(super) keeper: Option<Keeper>,
}

/// What there is to be seen and changed over the API.
pub(super) struct World {
    pub(super) bases: Bases,
    pub(super) users: Users,
    pub(super) tokens: Tokens,
    pub(super) listings: Listings,
    /// Locked after a base, never before one.
    pub(super) webhooks: Mutex<Webhooks>,
    /// Of other locks, only that of the list of bases is taken while it is held.
    pub(super) oauth: Mutex<OAuth>,
    /// Tells one world from those that took its place.
    pub(super) number: u64,
}

impl World {
    fn new(seed: Seed, number: u64) -> Self {
        Self {
            number,
            bases: Bases::new(seed.bases),
            users: seed.users,
            tokens: seed.tokens,
            listings: Listings::default(),
            webhooks: Mutex::new(seed.webhooks),
            oauth: Mutex::new(seed.oauth),
        }
    }
}

/// The world, and no other one takes its place while this is held.
pub(super) struct Held<'s> {
    world: Arc<World>,
    _gate: RwLockReadGuard<'s, ()>,
}

impl Deref for Held<'_> {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Shared {
    /// To look something up. What is changed in it may be lost, for another world may take its place; see [`Self::hold`].
    pub(super) fn world(&self) -> Arc<World> {
        Arc::clone(&read(&self.world))
    }

    /// To work on it. Waits for a snapshot that is being put in its place, so do not ask for it in a task, nor while holding it
    /// already: a waiting writer would stop both.
    pub(super) fn hold(&self) -> Held<'_> {
        let gate = read(&self.gate);
        Held { world: self.world(), _gate: gate }
    }

    /// How it behaves where nobody knows what Airtable does.
    pub(super) fn unconfirmed(&self) -> Unconfirmed {
        *lock(&self.unconfirmed)
    }

    /// The limits that hold now.
    pub(super) fn limits(&self) -> Limits {
        *lock(&self.limits)
    }
}

impl Emulator {
    /// Keeps everything in memory: changes end with the process.
    pub fn new(seed: Seed) -> Self {
        Self::with_keeper(seed, None)
    }

    /// Keeps the bases in a SQLite file, which is made from the seed if it is not there; else it holds the bases, and of the
    /// seed only tokens, integrations, users and limits count. Not even those do if it holds a snapshot that was put there, or
    /// if the seed is the sample and it was made from another one. No write is acknowledged before it is in the file.
    ///
    /// # Errors
    ///
    /// The file cannot be made, read or written, is not one of these, or is in use by another emulator.
    pub async fn kept(seed: Seed, file: &Path) -> Result<Self, KeptError> {
        let (seed, keeper, opened) = Keeper::open(file, seed).await?;
        Ok(Self::with_keeper(seed, Some((keeper, opened))))
    }

    fn with_keeper(mut seed: Seed, kept: Option<(Keeper, Opened)>) -> Self {
        let (keeper, opened) = kept.unzip();
        let opened = opened.unwrap_or_default();
        oauth::restore(&mut seed.oauth, &opened.documents, &seed.users);
        let files = Files::new(&opened.documents, keeper.as_ref());
        files.hand_out(&mut seed.bases, &std::mem::take(&mut seed.files), keeper.as_ref());
        let shared = Shared {
            limits: Mutex::new(seed.limits),
            limit_options: Mutex::default(),
            unconfirmed: Mutex::new(seed.unconfirmed),
            world: RwLock::new(Arc::new(World::new(seed, 0))),
            gate: RwLock::default(),
            clock: Clock::default(),
            faults: Mutex::default(),
            limiter: Mutex::default(),
            log: Arc::default(),
            files,
            pings: AtomicBool::new(false),
            keeper,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Ids and names of the bases.
    pub fn bases(&self) -> impl Iterator<Item = (String, String)> {
        let bases = self.shared.world().bases.all();
        bases.into_iter().map(|base| (base.id.to_string(), base.name.clone()))
    }

    /// How many records all tables have together.
    pub fn record_count(&self) -> usize {
        let records = |base: &Arc<Kept>| -> usize {
            read(&base.live).tables.iter().map(|table| table.rows.len()).sum()
        };
        self.shared.world().bases.all().iter().map(records).sum()
    }

    /// The limits that hold now.
    pub fn limits(&self) -> Limits {
        self.shared.limits()
    }

    /// Changes the limits; windows and penalties that have begun go on.
    pub fn set_limits(&self, limits: Limits) {
        *lock(&self.shared.limits) = limits;
    }

    /// Changes the limits to those of the command line, which also win over those of each snapshot that is put back.
    pub(super) fn hold_limits(&self, options: LimitOptions) {
        self.set_limits(options.apply(self.limits()));
        *lock(&self.shared.limit_options) = options;
    }

    /// Whether webhooks are pinged from now on, those whose URL leads to this machine; at first none is.
    pub fn ping_webhooks(&self, wanted: bool) {
        self.shared.pings.store(wanted, Ordering::Relaxed);
    }

    /// Settles where attachments' files come from and how they are read.
    pub fn set_files(&self, settings: FileSettings) {
        self.shared.files.set(settings);
    }

    /// Says where the emulator listens: for the URLs of files in answers to requests that name Airtable's hosts, or none.
    pub fn listens_on(&self, address: SocketAddr) {
        self.shared.files.set_address(address);
    }

    /// All that there is, at one moment, as a seed: [`Seed::write_json`] writes it down. Records are shared, not copied.
    pub fn snapshot(&self) -> Seed {
        let world = self.shared.hold();
        let bases = world.bases.all();
        // Nobody changes one base while another one is read. A write locks one base only, so nobody waits for ever.
        let locked: Vec<_> = bases.iter().map(|base| read(&base.live)).collect();
        Seed {
            bases: locked.iter().map(|base| (**base).clone()).collect(),
            users: world.users.clone(),
            tokens: world.tokens.clone(),
            limits: self.shared.limits(),
            unconfirmed: self.shared.unconfirmed(),
            oauth: lock(&world.oauth).clone(),
            webhooks: lock(&world.webhooks).snapshot(),
            files: BTreeMap::new(), // they are in the cells
            attachment_sources: Sources::None,
            is_sample: false,
        }
    }

    /// Puts a seed in the place of all that there is; gives what to wait for until it is in the file, too. Tokens that were added
    /// by [`Seed::with_full_token`] stay good. Waits for calls that are under way, so do not call it in a task.
    pub(super) fn restore(&self, mut seed: Seed) -> Option<Pending> {
        let _gate = write(&self.shared.gate);
        let world = self.shared.world();
        for (token, _) in world.tokens.0.iter().filter(|(_, grant)| grant.is_ours) {
            seed = seed.with_full_token(token);
        }
        *lock(&self.shared.limits) = lock(&self.shared.limit_options).apply(seed.limits);
        *lock(&self.shared.unconfirmed) = seed.unconfirmed;
        lock(&self.shared.limiter).reset();
        let pending = self.shared.keeper.as_ref().map(|keeper| keeper.replace_all(&seed));
        let contents = std::mem::take(&mut seed.files);
        self.shared.files.hand_out(&mut seed.bases, &contents, None);
        self.shared.files.keep_key(self.shared.keeper.as_ref());
        if pending.is_some() {
            let tables = seed.bases.iter_mut().flat_map(|base| &mut base.tables);
            tables.for_each(|table| table.rows.note_changes());
            seed.webhooks.keep_journal();
        }
        *write(&self.shared.world) = Arc::new(World::new(seed, world.number + 1));
        pending
    }

    /// Makes all bases what they were at the start of the process, or when a snapshot was put in their place. Waits for calls
    /// that are under way, so do not call it in a task.
    pub fn reset_data(&self) {
        self.begin_reset();
    }

    /// The same; gives what to wait for until it is in the file, too.
    pub(super) fn begin_reset(&self) -> Vec<Pending> {
        // Nobody works on it meanwhile: bases and webhooks go back together.
        let _gate = write(&self.shared.gate);
        let world = self.shared.world();
        let keeper = self.shared.keeper.as_ref();
        let mut pending = world.bases.reset(keeper);
        pending.extend(lock(&world.oauth).begin_reset(&world.users, keeper));
        world.listings.reset();
        let mut webhooks = lock(&world.webhooks);
        webhooks.reset();
        pending.extend(keeper.map(|keeper| keeper.put_documents(webhooks.take_journal())));
        self.shared.files.forget_gone(keeper);
        pending
    }

    /// Forgets counters, windows, penalties and the request log, and ends all faults.
    pub fn reset_counters(&self) {
        *lock(&self.shared.faults) = InForce::default();
        lock(&self.shared.limiter).reset();
        lock(&self.shared.log).reset();
    }

    /// Every base's id and name with its counters.
    pub(super) fn base_counters(&self) -> Vec<(BaseId, String, Counters)> {
        let bases = self.shared.world().bases.all();
        let limiter = lock(&self.shared.limiter);
        bases.iter().map(|base| (base.id, base.name.clone(), limiter.base_counters(base.id))).collect()
    }
}

/// Runs what takes long, or waits, on a thread that serves nothing else meanwhile; `None`: the process is ending.
pub(super) async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::task::spawn_blocking(work).await.map_err(JoinError::try_into_panic) {
        Ok(done) => Some(done),
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_ending)) => None,
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_a_snapshot_waits_for_a_call_anybody_may_look() {
        let emulator = Emulator::new(Seed::sample());
        let call = emulator.shared.hold();
        let restored = emulator.clone();
        let waits = std::thread::spawn(move || restored.restore(Seed::empty()).is_none());
        while emulator.shared.gate.try_read().is_ok() {
            std::thread::yield_now();
        }
        assert_eq!(emulator.shared.world().number, 0, "nobody waits to look");
        assert!(!waits.is_finished());
        drop(call);
        assert!(waits.join().unwrap());
        assert_eq!(emulator.shared.world().number, 1);
    }
}
