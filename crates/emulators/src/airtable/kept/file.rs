//! The file itself.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Row as _, SqliteConnection};

use super::{Change, Opened, Place, Replaced, record_json, users_json};
use crate::airtable::access::Users;
use crate::airtable::links;
use crate::airtable::model::Base;
use crate::airtable::rows::{Record, Rows};
use crate::airtable::seed::{Seed, SeedError};

/// `PRAGMA application_id` of these files: "PyAE" in ASCII.
const APPLICATION: i32 = 0x5079_4145;

/// `PRAGMA user_version`: the form of what is in the file.
const FORM: i32 = 2;

/// How long another emulator, which is ending, is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Records that are read at once: rows take several times the memory of what is in them.
const AT_ONCE: i64 = 1000;

const TABLES: &str = "
    CREATE TABLE users (list TEXT NOT NULL) STRICT;
    CREATE TABLE bases (position INTEGER PRIMARY KEY, metadata TEXT NOT NULL) STRICT;
    CREATE TABLE numbers (base INTEGER, tbl INTEGER, last INTEGER NOT NULL, PRIMARY KEY (base, tbl)) STRICT, WITHOUT ROWID;
    CREATE TABLE records (base INTEGER, tbl INTEGER, slot INTEGER, record TEXT NOT NULL,
                          PRIMARY KEY (base, tbl, slot)) STRICT, WITHOUT ROWID;
    PRAGMA application_id = 1350123845;
";

/// What the second form has besides.
const SECOND_FORM: &str = "
    CREATE TABLE documents (key TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE files (id TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT;
    PRAGMA user_version = 2;
";

/// Why a file of emulated bases cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// It cannot be created.
    #[error("{} cannot be created", path.display())]
    Create {
        /// Where it was to be.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// There is no thread for writing it.
    #[error("nothing can be written beside what is answered")]
    Thread(#[source] io::Error),
    /// Another emulator has it open.
    #[error("{} is in use by another emulator", path.display())]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// It is a database of something else, or of a newer emulator.
    #[error("{} is not a file of bases that this emulator has written", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// SQLite cannot read or write it.
    #[error("the file of emulated bases cannot be {action}")]
    Database {
        /// `opened`, `read` or `written`.
        action: &'static str,
        #[source]
        source: sqlx::Error,
    },
    /// A base in it does not read back.
    #[error("the bases in the file are damaged")]
    Bases(#[from] SeedError),
    /// What is kept beside bases does not read back.
    #[error("the file's document \"{key}\" is damaged")]
    Document {
        /// What it is kept under.
        key: String,
    },
    /// A record in it does not read back.
    #[error("the file's record in slot {slot} of table {table} of base {base} is damaged")]
    Record {
        /// Position among the bases of the file.
        base: usize,
        /// Position among the tables of the base.
        table: usize,
        /// Which of the table's records, in the order of their creation.
        slot: u32,
    },
}

pub(super) struct File {
    connection: SqliteConnection,
}

fn failed(action: &'static str) -> impl FnOnce(sqlx::Error) -> KeptError {
    move |source| KeptError::Database { action, source }
}

impl File {
    /// Opens the file, for this process alone; makes it (mode 0600), and its directory, if it is not there.
    pub(super) async fn open(path: &Path) -> Result<Self, KeptError> {
        prepare(path).map_err(|source| KeptError::Create { path: path.to_owned(), source })?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .locking_mode(SqliteLockingMode::Exclusive)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let opened = async {
            let mut connection = options.connect().await?;
            // The lock is taken by the first write.
            sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
            let application: i32 =
                sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut connection).await?;
            let form: i32 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut connection).await?;
            let tables: i64 =
                sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut connection).await?;
            sqlx::query("COMMIT").execute(&mut connection).await?;
            Ok::<_, sqlx::Error>((connection, application, form, tables))
        };
        let (connection, application, form, tables) =
            opened.await.map_err(|error| match code(&error).as_deref() {
                Some("5" | "261") => KeptError::InUse { path: path.to_owned() }, // SQLITE_BUSY, and while recovering
                Some("26") => KeptError::Foreign { path: path.to_owned() },      // SQLITE_NOTADB
                _ => failed("opened")(error),
            })?;
        let is_new = (application, form, tables) == (0, 0, 0);
        if !is_new && (application != APPLICATION || !(1..=FORM).contains(&form)) {
            return Err(KeptError::Foreign { path: path.to_owned() });
        }
        let mut file = Self { connection };
        if form == 1 {
            let upgraded = file
                .together(async |connection| sqlx::raw_sql(SECOND_FORM).execute(connection).await.map(drop));
            upgraded.await.map_err(failed("written"))?;
        }
        Ok(file)
    }

    /// The bases in the file with their records, and the users; `None`: it is new.
    pub(super) async fn load(&mut self) -> Result<Option<(Vec<Base>, Users)>, KeptError> {
        let form: i32 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&mut self.connection)
            .await
            .map_err(failed("read"))?;
        if form == 0 {
            return Ok(None);
        }
        let unreadable = |_| failed("read")(sqlx::Error::Decode("not the users that were written".into()));
        let list: String = sqlx::query_scalar("SELECT list FROM users")
            .fetch_one(&mut self.connection)
            .await
            .map_err(failed("read"))?;
        let users = Users(serde_json::from_str(&list).map_err(unreadable)?);
        let metadata: Vec<String> = sqlx::query_scalar("SELECT metadata FROM bases ORDER BY position")
            .fetch_all(&mut self.connection)
            .await
            .map_err(failed("read"))?;
        let mut bases = Seed::from_json(format!("{{\"bases\":[{}]}}", metadata.join(",")).as_bytes())?.bases;
        self.load_records(&mut bases).await?;
        bases.iter_mut().for_each(links::index_sources);
        Ok(Some((bases, users)))
    }

    /// Documents and the bytes of attachments.
    pub(super) async fn beside(&mut self) -> Result<Opened, KeptError> {
        let documents = sqlx::query_as("SELECT key, text FROM documents")
            .fetch_all(&mut self.connection)
            .await
            .map_err(failed("read"))?;
        let files: Vec<(String, Vec<u8>)> = sqlx::query_as("SELECT id, content FROM files")
            .fetch_all(&mut self.connection)
            .await
            .map_err(failed("read"))?;
        Ok(Opened {
            documents: documents.into_iter().collect(),
            files: files.into_iter().map(|(id, content)| (id, content.into())).collect(),
        })
    }

    async fn load_records(&mut self, bases: &mut [Base]) -> Result<(), KeptError> {
        let numbers = sqlx::query("SELECT base, tbl, last FROM numbers")
            .fetch_all(&mut self.connection)
            .await
            .map_err(failed("read"))?;
        let mut last = HashMap::new();
        for row in numbers {
            last.insert((row.get::<u32, _>(0) as usize, row.get::<u32, _>(1) as usize), row.get::<u32, _>(2));
        }
        for (base, content) in bases.iter_mut().enumerate() {
            for (table, content) in content.tables.iter_mut().enumerate() {
                let mut records = Vec::new();
                loop {
                    let rows = sqlx::query(
                        "SELECT slot, record FROM records WHERE base = ? AND tbl = ? AND slot >= ? ORDER BY slot LIMIT ?",
                    )
                    .bind(base as i64)
                    .bind(table as i64)
                    .bind(records.last().map_or(0, |(slot, _): &(u32, Record)| i64::from(*slot) + 1))
                    .bind(AT_ONCE)
                    .fetch_all(&mut self.connection)
                    .await
                    .map_err(failed("read"))?;
                    for row in &rows {
                        let slot: u32 = row.get(0);
                        let record = serde_json::from_str::<Record>(row.get(1));
                        let mut record = record.map_err(|_| KeptError::Record { base, table, slot })?;
                        record.shrink();
                        records.push((slot, record));
                    }
                    if rows.len() < AT_ONCE as usize {
                        break;
                    }
                }
                let last = last.get(&(base, table)).copied().unwrap_or_default();
                content.rows = Rows::restore(records, last);
            }
        }
        Ok(())
    }

    /// Makes a new file one of ours, with this in it.
    pub(super) async fn fill(&mut self, users: &Users, content: &Change) -> Result<(), KeptError> {
        let filled = self.together(async |connection| {
            sqlx::raw_sql(TABLES).execute(&mut *connection).await?;
            sqlx::raw_sql(SECOND_FORM).execute(&mut *connection).await?;
            sqlx::query("INSERT INTO users (list) VALUES (?)")
                .bind(users_json(users))
                .execute(&mut *connection)
                .await?;
            write(connection, content).await
        });
        filled.await.map_err(failed("written"))
    }

    /// Puts changes there, all or none.
    pub(super) async fn apply(&mut self, changes: &[Change]) -> Result<(), KeptError> {
        let applied = self.together(async |connection| {
            for change in changes {
                write(connection, change).await?;
            }
            Ok(())
        });
        applied.await.map_err(failed("written"))
    }

    /// Does all that `work` does, or nothing.
    ///
    /// Not by sqlx's transactions: a full disk makes SQLite end one by itself, sqlx then takes it for open for ever, and all
    /// that follows for a part of it, which is acknowledged and never committed.
    async fn together(
        &mut self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<(), sqlx::Error>,
    ) -> Result<(), sqlx::Error> {
        let connection = &mut self.connection;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
        let done = match work(&mut *connection).await {
            Ok(()) => sqlx::query("COMMIT").execute(&mut *connection).await.map(drop),
            Err(error) => Err(error),
        };
        if done.is_err() {
            // Which is refused where SQLite has done it already.
            let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
        }
        done
    }
}

async fn write(connection: &mut SqliteConnection, change: &Change) -> Result<(), sqlx::Error> {
    if change.emptied {
        for statement in [
            "DELETE FROM bases",
            "DELETE FROM numbers",
            "DELETE FROM records",
            "DELETE FROM documents",
            "DELETE FROM files",
        ] {
            sqlx::query(statement).execute(&mut *connection).await?;
        }
    }
    if let Some(users) = &change.users {
        sqlx::query("UPDATE users SET list = ?").bind(users).execute(&mut *connection).await?;
    }
    if let Some(first) = change.forgotten {
        for statement in [
            "DELETE FROM bases WHERE position >= ?",
            "DELETE FROM numbers WHERE base >= ?",
            "DELETE FROM records WHERE base >= ?",
        ] {
            sqlx::query(statement).bind(first as i64).execute(&mut *connection).await?;
        }
    }
    for Replaced { base, from, tables } in &change.replaced {
        for statement in [
            "DELETE FROM numbers WHERE base = ? AND tbl >= ?",
            "DELETE FROM records WHERE base = ? AND tbl >= ?",
        ] {
            sqlx::query(statement).bind(*base as i64).bind(*from as i64).execute(&mut *connection).await?;
        }
        for (table, (rows, last)) in (*from..).zip(tables) {
            put_number(connection, *base, table, *last).await?;
            for slot in rows.by_creation_from(0) {
                let record = rows.get(slot).map(record_json);
                put_record(connection, Place { base: *base, table, slot }, record.as_deref()).await?;
            }
        }
    }
    for (base, metadata) in &change.metadata {
        sqlx::query("INSERT OR REPLACE INTO bases (position, metadata) VALUES (?, ?)")
            .bind(*base as i64)
            .bind(metadata)
            .execute(&mut *connection)
            .await?;
    }
    for (base, table, last) in &change.numbers {
        put_number(connection, *base, *table, *last).await?;
    }
    for (place, record) in &change.records {
        put_record(connection, *place, record.as_deref()).await?;
    }
    for (key, text) in &change.documents {
        let statement = match text {
            Some(text) => {
                sqlx::query("INSERT OR REPLACE INTO documents (key, text) VALUES (?, ?)").bind(key).bind(text)
            }
            None => sqlx::query("DELETE FROM documents WHERE key = ?").bind(key),
        };
        statement.execute(&mut *connection).await?;
    }
    for (id, content) in &change.files {
        let statement = match content {
            Some(content) => sqlx::query("INSERT OR REPLACE INTO files (id, content) VALUES (?, ?)")
                .bind(id)
                .bind(&**content),
            None => sqlx::query("DELETE FROM files WHERE id = ?").bind(id),
        };
        statement.execute(&mut *connection).await?;
    }
    Ok(())
}

async fn put_number(
    connection: &mut SqliteConnection,
    base: usize,
    table: usize,
    last: u32,
) -> Result<(), sqlx::Error> {
    let put = sqlx::query("INSERT OR REPLACE INTO numbers (base, tbl, last) VALUES (?, ?, ?)");
    put.bind(base as i64).bind(table as i64).bind(last).execute(connection).await.map(drop)
}

/// `None`: there is none in this slot any more.
async fn put_record(
    connection: &mut SqliteConnection,
    Place { base, table, slot }: Place,
    record: Option<&str>,
) -> Result<(), sqlx::Error> {
    let statement = match record {
        Some(_) => "INSERT OR REPLACE INTO records (base, tbl, slot, record) VALUES (?, ?, ?, ?)",
        None => "DELETE FROM records WHERE base = ? AND tbl = ? AND slot = ?",
    };
    let mut put = sqlx::query(statement).bind(base as i64).bind(table as i64).bind(slot);
    if let Some(record) = record {
        put = put.bind(record);
    }
    put.execute(connection).await.map(drop)
}

/// Makes an empty file for its owner alone, unless there is one.
fn prepare(path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory)?;
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

/// SQLite's number of an error.
fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(DatabaseError::code).map(Cow::into_owned)
}
