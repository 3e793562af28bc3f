mod claims;
mod files;
mod keys;
mod sessions;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Row as _, Sqlite, SqlitePool, Transaction};

use crate::StorageError;

/// The schema's history, oldest first. Each file ends by setting `user_version` to its own number; none ever changes.
const MIGRATIONS: [&str; 2] = [
    include_str!("../migrations/sqlite/0001_api_keys.sql"),
    include_str!("../migrations/sqlite/0002_sessions.sql"),
];

/// How long a statement waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// All durable state in one SQLite file.
///
/// Several stores, also in several processes, may have one file open. Cloning is cheap.
#[derive(Clone)]
pub struct SqliteStore {
    /// One connection: SQLite has one writer anyway, and waiting here is fairer than waiting for its lock.
    writer: SqlitePool,
    /// Opened on demand and closed when idle; readers see the last commit, also one of another process.
    readers: SqlitePool,
}

impl SqliteStore {
    /// The file in a data directory: the same for every service and tool that shares the directory.
    pub fn path_in(data_dir: &Path) -> PathBuf {
        data_dir.join("pyairtable.sqlite")
    }

    /// Opens the file, creating it (mode 0600) and its directory (0700) if they are missing, and migrates its schema.
    ///
    /// A directory that exists keeps its mode.
    pub async fn open(path: &Path) -> Result<Self, StorageError> {
        files::prepare(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            // A full disk makes SQLite end a transaction by itself; sqlx then takes it for open for ever, and refuses others.
            .before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }))
            .connect_with(options.clone())
            .await
            .map_err(StorageError::database("open the database"))?;
        migrate(&writer, path).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(2)
            .idle_timeout(Duration::from_secs(60))
            .connect_lazy_with(options.read_only(true));
        Ok(Self { writer, readers })
    }

    /// Asks the database for an answer; for readiness.
    pub async fn ping(&self) -> Result<(), StorageError> {
        sqlx::query("SELECT 1")
            .execute(&self.readers)
            .await
            .map_err(StorageError::database("ask the database"))?;
        Ok(())
    }

    /// A transaction that nobody else writes beside.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    /// Waits for running statements and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Brings the schema up to date, in one transaction, so that processes that start together do it once.
async fn migrate(pool: &SqlitePool, path: &Path) -> Result<(), StorageError> {
    let failed = || StorageError::database("bring the database's schema up to date");
    if schema_version(pool, path).await? == MIGRATIONS.len() {
        return Ok(());
    }
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
    let version = schema_version(&mut *transaction, path).await?;
    for migration in &MIGRATIONS[version..] {
        sqlx::raw_sql(*migration).execute(&mut *transaction).await.map_err(failed())?;
    }
    transaction.commit().await.map_err(failed())
}

async fn schema_version<'c>(
    database: impl sqlx::Executor<'c, Database = sqlx::Sqlite>,
    path: &Path,
) -> Result<usize, StorageError> {
    let row = sqlx::query("PRAGMA user_version")
        .fetch_one(database)
        .await
        .map_err(StorageError::database("read the database's schema version"))?;
    let found: i64 = row.try_get(0).map_err(StorageError::database("read the database's schema version"))?;
    match usize::try_from(found) {
        Ok(version) if version <= MIGRATIONS.len() => Ok(version),
        _ => {
            let place = path.display().to_string();
            Err(StorageError::TooNew { place, found, known: MIGRATIONS.len() as i64 })
        }
    }
}
