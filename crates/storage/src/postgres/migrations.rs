//! The schema's history, in a schema of our own so that we can share a database with others.

use sqlx::{PgPool, Postgres, Transaction};

use crate::StorageError;

/// Where everything is kept; what names in our statements mean.
pub(super) const SCHEMA: &str = "pyairtable";

/// Oldest first; none ever changes.
const MIGRATIONS: [&str; 1] = [include_str!("../../migrations/postgres/0001_keys_and_sessions.sql")];

/// Held while the schema is changed, by one process at a time. Any number will do, as long as it stays.
const LOCK: i64 = 0x7079_6169_7274_626c;

/// Brings the schema up to date in one transaction, so that it is changed as a whole or not at all.
pub(super) async fn run(pool: &PgPool) -> Result<(), StorageError> {
    let failed = || StorageError::database("bring the database's schema up to date");
    let mut transaction = pool.begin().await.map_err(failed())?;
    if version(&mut transaction).await? == MIGRATIONS.len() {
        return Ok(());
    }
    // Another process may be at it, and building indexes takes its time.
    sqlx::raw_sql("SET LOCAL lock_timeout = '30s'; SET LOCAL statement_timeout = '60s'")
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
    let version = version(&mut transaction).await?;
    if version == 0 {
        // Asked first because "if not exists" needs the right to create schemas, also where there is nothing to create.
        let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)")
            .bind(SCHEMA)
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed())?;
        if !exists {
            sqlx::query("CREATE SCHEMA pyairtable").execute(&mut *transaction).await.map_err(failed())?;
        }
        sqlx::raw_sql(
            "CREATE TABLE pyairtable.schema_version (version BIGINT NOT NULL);
             INSERT INTO pyairtable.schema_version VALUES (0)",
        )
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
    }
    for migration in &MIGRATIONS[version..] {
        sqlx::raw_sql(*migration).execute(&mut *transaction).await.map_err(failed())?;
    }
    sqlx::query("UPDATE pyairtable.schema_version SET version = $1")
        .bind(MIGRATIONS.len() as i64)
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
    transaction.commit().await.map_err(failed())
}

/// 0: there is nothing yet.
async fn version(transaction: &mut Transaction<'_, Postgres>) -> Result<usize, StorageError> {
    let failed = || StorageError::database("read the database's schema version");
    // Not `to_regclass`: it may remember within a transaction that there is no such table.
    let exists: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = 'schema_version')",
    )
    .bind(SCHEMA)
    .fetch_one(&mut **transaction)
    .await
    .map_err(failed())?;
    if !exists {
        return Ok(0);
    }
    let found: i64 = sqlx::query_scalar("SELECT version FROM pyairtable.schema_version")
        .fetch_one(&mut **transaction)
        .await
        .map_err(failed())?;
    match usize::try_from(found) {
        Ok(version) if version <= MIGRATIONS.len() => Ok(version),
        _ => Err(StorageError::TooNew {
            place: "the database".to_owned(),
            found,
            known: MIGRATIONS.len() as i64,
        }),
    }
}
