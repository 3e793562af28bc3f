use std::time::SystemTime;

use async_trait::async_trait;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use crate::json::{names_from_text, names_to_text};
use crate::time::{from_millis, to_millis};
use crate::{ApiKeyRecord, ApiKeyStore, StorageError};

/// How far apart two noted uses of a key are at least.
const TOUCH_EVERY_MS: i64 = 60_000;

#[async_trait]
impl ApiKeyStore for SqliteStore {
    async fn insert(&self, key: &ApiKeyRecord) -> Result<(), StorageError> {
        let result = sqlx::query(
            "INSERT INTO api_keys (id, name, digest, last4, scopes, bases, created_at, expires_at, last_used_at, revoked_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&key.id)
        .bind(&key.name)
        .bind(&key.digest[..])
        .bind(&key.last4)
        .bind(names_to_text(&key.scopes))
        .bind(key.bases.as_deref().map(names_to_text))
        .bind(to_millis(key.created_at))
        .bind(key.expires_at.map(to_millis))
        .bind(key.last_used_at.map(to_millis))
        .bind(key.revoked_at.map(to_millis))
        .execute(&self.writer)
        .await;
        match result {
            Ok(_) => Ok(()),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                Err(StorageError::Exists { what: "a key of this id" })
            }
            Err(error) => Err(StorageError::database("store a key")(error)),
        }
    }

    async fn find(&self, id: &str) -> Result<Option<ApiKeyRecord>, StorageError> {
        let row = sqlx::query("SELECT * FROM api_keys WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.readers)
            .await
            .map_err(StorageError::database("find a key"))?;
        row.as_ref().map(from_row).transpose()
    }

    async fn list(&self) -> Result<Vec<ApiKeyRecord>, StorageError> {
        let rows = sqlx::query("SELECT * FROM api_keys ORDER BY created_at, id")
            .fetch_all(&self.readers)
            .await
            .map_err(StorageError::database("list the keys"))?;
        rows.iter().map(from_row).collect()
    }

    async fn revoke(&self, id: &str, at: SystemTime) -> Result<bool, StorageError> {
        let done = sqlx::query("UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?")
            .bind(to_millis(at))
            .bind(id)
            .execute(&self.writer)
            .await
            .map_err(StorageError::database("revoke a key"))?;
        Ok(done.rows_affected() > 0)
    }

    async fn touch(&self, id: &str, at: SystemTime) -> Result<(), StorageError> {
        let at = to_millis(at);
        sqlx::query("UPDATE api_keys SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at <= ?)")
            .bind(at)
            .bind(id)
            .bind(at - TOUCH_EVERY_MS)
            .execute(&self.writer)
            .await
            .map_err(StorageError::database("note the use of a key"))?;
        Ok(())
    }
}

fn from_row(row: &SqliteRow) -> Result<ApiKeyRecord, StorageError> {
    let read = |row: &SqliteRow| -> Result<ApiKeyRecord, sqlx::Error> {
        let time = |name: &str| row.try_get::<Option<i64>, _>(name).map(|millis| millis.map(from_millis));
        let bases: Option<&str> = row.try_get("bases")?;
        let digest = row.try_get::<&[u8], _>("digest")?;
        Ok(ApiKeyRecord {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            digest: digest.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
            last4: row.try_get("last4")?,
            scopes: names_from_text(row.try_get("scopes")?)?,
            bases: bases.map(names_from_text).transpose()?,
            created_at: from_millis(row.try_get("created_at")?),
            expires_at: time("expires_at")?,
            last_used_at: time("last_used_at")?,
            revoked_at: time("revoked_at")?,
        })
    };
    read(row).map_err(|error| StorageError::unreadable("key", error))
}
