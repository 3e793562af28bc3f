use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::SqliteStore;
use crate::time::{millis, to_millis};
use crate::{Claims, StorageError};

#[async_trait]
impl Claims for SqliteStore {
    async fn claim(&self, key: &str, ttl: Duration) -> Result<bool, StorageError> {
        let failed = || StorageError::database("claim a token");
        let now = to_millis(SystemTime::now());
        let mut transaction = self.begin().await.map_err(failed())?;
        sqlx::query("DELETE FROM claims WHERE until <= ?")
            .bind(now)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        let done = sqlx::query("INSERT INTO claims (key, until) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(key)
            .bind(now.saturating_add(millis(ttl)))
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(done.rows_affected() == 1)
    }
}
