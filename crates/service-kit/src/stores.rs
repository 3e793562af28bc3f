//! The stores that the services of a process share: opened once, from settings, and handed around.
//!
//! | need | without a setting | with it |
//! | --- | --- | --- |
//! | keys, sessions, usage, one-time tokens | a SQLite file under `DATA_DIR` | Postgres (`DATABASE_URL`) |
//! | cache, generations, Airtable's limits | this process | Redis (`REDIS_URL`) |
//!
//! A store that is configured and cannot be reached at the start is waited for; then the process ends. It never does
//! without.

mod passwords;
mod settings;
mod start;

use std::fmt;
use std::sync::Arc;

use storage::{
    ApiKeyStore, Cache, Claims, Generations, MemoryGenerations, PostgresStore, RedisStore, SessionStore,
    SharedSlots, SqliteStore, StorageError,
};

use tracing::warn;

pub use settings::StoreSettings;
pub use start::NotStarted;

use crate::error::chain;
use crate::health::{Check, Impact};
use crate::serve::Shutdown;
use start::{Part, Start};

/// The stores of a process. Cheap to clone: open them once, and hand clones to each service of the process.
#[derive(Clone)]
pub struct Stores {
    /// API keys.
    pub keys: Arc<dyn ApiKeyStore>,
    /// Sessions, their events, and usage.
    pub sessions: Arc<dyn SessionStore>,
    /// One-time tokens.
    pub claims: Arc<dyn Claims>,
    /// The counters behind caches.
    pub generations: Arc<dyn Generations>,
    /// The cache that replicas share; `None`: there is none, and each process has its own.
    pub cache: Option<Arc<dyn Cache>>,
    /// The slots that replicas share; `None`: each process counts for itself.
    pub slots: Option<SharedSlots>,
    checks: Vec<Check>,
    start: Start,
}

impl Stores {
    /// Opens the stores and returns at once. Those in other processes are reached in the background: until then their
    /// calls are `StorageError::Unavailable`, and after thirty seconds without success `shutdown` fails.
    pub async fn open(settings: &StoreSettings, shutdown: Shutdown) -> Result<Self, StorageError> {
        let mut parts = Vec::new();
        let database = match settings.database_now() {
            None => Database::Sqlite(SqliteStore::open(&SqliteStore::path_in(&settings.data_dir)).await?),
            Some(address) => {
                let store = PostgresStore::new(&address);
                let part = store.clone();
                parts.push(Part::new("Postgres", &address, move || {
                    let store = part.clone();
                    async move { store.prepare().await }
                }));
                Database::Postgres(store)
            }
        };
        let redis = match settings.redis_now() {
            None => None,
            Some(address) => {
                let store = RedisStore::new(&address)?;
                let part = store.clone();
                parts.push(Part::new("Redis", &address, move || {
                    let store = part.clone();
                    async move { store.connect().await }
                }));
                Some(store)
            }
        };
        if let (Database::Postgres(store), Some(password)) = (&database, &settings.database_password) {
            let (store, settings) = (store.clone(), settings.clone());
            passwords::follow(password.clone(), shutdown.clone(), move || {
                if let Some(address) = settings.database_now() {
                    store.move_to(&address);
                }
            });
        }
        if let (Some(store), Some(password)) = (&redis, &settings.redis_password) {
            let (store, settings) = (store.clone(), settings.clone());
            passwords::follow(password.clone(), shutdown.clone(), move || {
                if let Some(Err(error)) = settings.redis_now().map(|address| store.move_to(&address)) {
                    warn!("the new password of Redis cannot be used: {}", chain(&error));
                }
            });
        }
        Ok(Self::of(database, redis, Start::of(parts, shutdown)))
    }

    /// What a service that uses these stores adds to its health.
    pub fn checks(&self) -> Vec<Check> {
        self.checks.clone()
    }

    /// Waits until every store was reached; fails when they were waited for long enough.
    pub async fn started(&self) -> Result<(), NotStarted> {
        self.start.finished().await
    }

    fn of(database: Database, redis: Option<RedisStore>, start: Start) -> Self {
        let asked = database.clone();
        let mut checks = vec![Check::new("database", Impact::Required, move || {
            let database = asked.clone();
            async move { database.ping().await }
        })];
        if let Some(redis) = redis.clone() {
            // Needed for the start; after that, things go on without.
            let begun = start.clone();
            checks.push(Check::new("start", Impact::Required, move || {
                let begun = begun.clone();
                async move { begun.is_finished() }
            }));
            checks.push(Check::new("redis", Impact::Degrades, move || {
                let redis = redis.clone();
                async move { redis.ping().await }
            }));
        }
        let generations: Arc<dyn Generations> = match redis.clone() {
            Some(redis) => Arc::new(redis),
            None => Arc::new(MemoryGenerations::new()),
        };
        let slots = redis.as_ref().map(RedisStore::slots);
        let cache = redis.map(|redis| Arc::new(redis) as Arc<dyn Cache>);
        let (keys, sessions, claims) = database.stores();
        Self { keys, sessions, claims, generations, cache, slots, checks, start }
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").finish_non_exhaustive()
    }
}

/// Where durable state is.
#[derive(Clone)]
enum Database {
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
}

impl Database {
    async fn ping(&self) -> Result<(), StorageError> {
        match self {
            Self::Sqlite(store) => store.ping().await,
            Self::Postgres(store) => store.ping().await,
        }
    }

    fn stores(self) -> (Arc<dyn ApiKeyStore>, Arc<dyn SessionStore>, Arc<dyn Claims>) {
        fn all<T: ApiKeyStore + SessionStore + Claims + 'static>(
            store: T,
        ) -> (Arc<dyn ApiKeyStore>, Arc<dyn SessionStore>, Arc<dyn Claims>) {
            let store = Arc::new(store);
            (store.clone(), store.clone(), store)
        }
        match self {
            Self::Sqlite(store) => all(store),
            Self::Postgres(store) => all(store),
        }
    }
}
