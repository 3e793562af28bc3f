use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use secrecy::ExposeSecret as _;
use storage::{
    ApiKeyStore, PostgresAddress, PostgresStore, RedisAddress, RedisStore, SqliteStore, StorageError,
};

use crate::config::Reader;

/// Which stores to use. Shows no password.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// `DATA_DIR`, default `./data`.
    pub data_dir: PathBuf,
    /// `DATABASE_URL`; without it, a file in `data_dir`.
    pub database: Option<PostgresAddress>,
    /// `REDIS_URL`; without it, this process.
    pub redis: Option<RedisAddress>,
}

impl StoreSettings {
    /// Reads `DATA_DIR`, `DATABASE_URL` and `REDIS_URL`; notes every problem.
    pub fn read(settings: &mut Reader<'_>) -> Option<Self> {
        let data_dir = settings.optional("DATA_DIR").unwrap_or_else(|| PathBuf::from("./data"));
        let database = address(settings, "DATABASE_URL");
        let redis = address(settings, "REDIS_URL");
        Some(Self { data_dir, database: database?, redis: redis? })
    }

    /// Where durable state is, for people.
    pub fn database_place(&self) -> String {
        match &self.database {
            Some(address) => format!("Postgres at {address}"),
            None => SqliteStore::path_in(&self.data_dir).display().to_string(),
        }
    }

    /// Opens the API keys alone, now: for a tool, which does not wait for a server.
    pub async fn open_keys(&self) -> Result<Arc<dyn ApiKeyStore>, StorageError> {
        match &self.database {
            Some(address) => {
                let store = PostgresStore::new(address);
                store.prepare().await?;
                Ok(Arc::new(store))
            }
            None => Ok(Arc::new(SqliteStore::open(&SqliteStore::path_in(&self.data_dir)).await?)),
        }
    }

    /// Asks Redis for an answer, now; `None`: it is not used.
    pub async fn try_redis(&self) -> Option<Result<(), StorageError>> {
        let address = self.redis.as_ref()?;
        let reached = async { RedisStore::new(address)?.connect().await };
        Some(reached.await)
    }
}

/// `None`: it was given and cannot be used.
fn address<T>(settings: &mut Reader<'_>, name: &'static str) -> Option<Option<T>>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    let Some(secret) = settings.optional_secret(name) else { return Some(None) };
    match secret.current().expose_secret().trim().parse() {
        Ok(address) => Some(Some(address)),
        Err(error) => {
            let error: T::Err = error;
            settings.problem(name, error.to_string());
            None
        }
    }
}
