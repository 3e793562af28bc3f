//! The stores that the services of a process share: opened once, from settings, and handed around.
//!
//! Without `DATABASE_URL` durable state is a SQLite file under `DATA_DIR`; without `REDIS_URL` what replicas would share
//! stays in this process.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use storage::{
    ApiKeyStore, Cache, Claims, Generations, MemoryGenerations, SessionStore, SqliteStore, StorageError,
};

use crate::config::Reader;
use crate::health::{Check, Impact};
use crate::serve::Shutdown;

/// Which stores to use.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// `DATA_DIR`, default `./data`.
    pub data_dir: PathBuf,
}

impl StoreSettings {
    /// Reads `DATA_DIR`, `DATABASE_URL` and `REDIS_URL`; notes every problem.
    pub fn read(settings: &mut Reader<'_>) -> Option<Self> {
        let data_dir = settings.optional("DATA_DIR").unwrap_or_else(|| PathBuf::from("./data"));
        for name in ["REDIS_URL", "DATABASE_URL"] {
            if settings.optional_secret(name).is_some() {
                settings.problem(
                    name,
                    "is set, but this version keeps everything in its own process and in a file under DATA_DIR: unset it",
                );
            }
        }
        Some(Self { data_dir })
    }
}

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
    checks: Vec<Check>,
}

impl Stores {
    /// Opens the stores. `shutdown` is what the process ends by.
    pub async fn open(settings: &StoreSettings, shutdown: Shutdown) -> Result<Self, StorageError> {
        let _ = shutdown;
        let database = Arc::new(SqliteStore::open(&SqliteStore::path_in(&settings.data_dir)).await?);
        let asked = database.clone();
        let check = Check::new("database", Impact::Required, move || {
            let database = asked.clone();
            async move { database.ping().await }
        });
        Ok(Self {
            keys: database.clone(),
            sessions: database.clone(),
            claims: database,
            generations: Arc::new(MemoryGenerations::new()),
            cache: None,
            checks: vec![check],
        })
    }

    /// What a service that uses these stores adds to its health.
    pub fn checks(&self) -> Vec<Check> {
        self.checks.clone()
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").finish_non_exhaustive()
    }
}
