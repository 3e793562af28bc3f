use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use secrecy::ExposeSecret as _;
use storage::{
    ApiKeyStore, PostgresAddress, PostgresStore, RedisAddress, RedisStore, SqliteStore, StorageError,
};

use crate::config::{Reader, Secret};

/// Which stores to use. Shows no password.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// `DATA_DIR`, default `./data`.
    pub data_dir: PathBuf,
    /// `DATABASE_URL`; without it, a file in `data_dir`.
    pub database: Option<PostgresAddress>,
    /// `REDIS_URL`; without it, this process.
    pub redis: Option<RedisAddress>,
    /// `DATABASE_PASSWORD`, which is not in the address then.
    pub database_password: Option<Secret>,
    /// `REDIS_PASSWORD`, likewise.
    pub redis_password: Option<Secret>,
}

impl StoreSettings {
    /// Reads `DATA_DIR`, `DATABASE_URL`, `REDIS_URL` and the passwords; notes every problem. A password may stand in the URL or in
    /// its own setting: the latter is followed when its file changes.
    pub fn read(settings: &mut Reader<'_>) -> Option<Self> {
        let data_dir = settings.optional("DATA_DIR").unwrap_or_else(|| PathBuf::from("./data"));
        let database = address(settings, "DATABASE_URL");
        let redis = address(settings, "REDIS_URL");
        let database_password = settings.optional_secret("DATABASE_PASSWORD");
        let redis_password = settings.optional_secret("REDIS_PASSWORD");
        let mut settle = |name, has_password: Option<bool>, url: &str| match has_password {
            Some(true) => {
                settings.problem(name, format!("is set, and {url} has a password too: give one of them"))
            }
            Some(false) => {}
            None => settings.problem(name, format!("is of no use without {url}")),
        };
        if let (Some(_), Some(database)) = (&database_password, &database) {
            let has_password = database.as_ref().map(PostgresAddress::has_password);
            settle("DATABASE_PASSWORD", has_password, "DATABASE_URL");
        }
        if let (Some(_), Some(redis)) = (&redis_password, &redis) {
            let has_password = redis.as_ref().map(RedisAddress::has_password);
            settle("REDIS_PASSWORD", has_password, "REDIS_URL");
        }
        Some(Self { data_dir, database: database?, redis: redis?, database_password, redis_password })
    }

    /// Where the database is, with its password as it is now.
    pub(super) fn database_now(&self) -> Option<PostgresAddress> {
        let address = self.database.as_ref()?;
        Some(match &self.database_password {
            Some(password) => address.with_password(password.current().expose_secret()),
            None => address.clone(),
        })
    }

    /// Where Redis is, with its password as it is now.
    pub(super) fn redis_now(&self) -> Option<RedisAddress> {
        let address = self.redis.as_ref()?;
        Some(match &self.redis_password {
            Some(password) => address.with_password(password.current().expose_secret()),
            None => address.clone(),
        })
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
        match self.database_now() {
            Some(address) => {
                let store = PostgresStore::new(&address);
                store.prepare().await?;
                Ok(Arc::new(store))
            }
            None => Ok(Arc::new(SqliteStore::open(&SqliteStore::path_in(&self.data_dir)).await?)),
        }
    }

    /// Asks Redis for an answer, now; `None`: it is not used.
    pub async fn try_redis(&self) -> Option<Result<(), StorageError>> {
        let address = self.redis_now()?;
        let reached = async { RedisStore::new(&address)?.connect().await };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<StoreSettings, String> {
        let source = |name: &str| settings.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let mut reader = Reader::new(&source);
        let read = StoreSettings::read(&mut reader);
        reader.finish(read).map_err(|error| error.to_string())
    }

    #[test]
    fn a_password_of_its_own_is_put_into_an_address_without_one() {
        let settings = read(&[
            ("DATABASE_URL", "postgresql://pya@db/pya"),
            ("DATABASE_PASSWORD", "it's @ 1/2?"),
            ("REDIS_URL", "redis://cache"),
            ("REDIS_PASSWORD", "it's # 2"),
        ])
        .unwrap();
        assert!(settings.database_now().is_some_and(|address| address.has_password()));
        assert!(settings.redis_now().is_some_and(|address| address.has_password()));
        assert!(!format!("{settings:?}").contains("it's"));
    }

    #[test]
    fn two_passwords_or_a_password_for_nothing_are_problems() {
        for (url, name, settings) in [
            ("DATABASE_URL", "DATABASE_PASSWORD", &[("DATABASE_URL", "postgresql://u:hunter2@db/d")][..]),
            ("REDIS_URL", "REDIS_PASSWORD", &[("REDIS_URL", "redis://:hunter2@cache")]),
            ("DATABASE_URL", "DATABASE_PASSWORD", &[]),
            ("REDIS_URL", "REDIS_PASSWORD", &[]),
        ] {
            let error = read(&[settings, &[(name, "hunter3")]].concat()).unwrap_err();
            assert!(error.contains(url) && error.contains(name) && !error.contains("hunter"), "{error}");
        }
    }
}
