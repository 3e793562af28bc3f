use std::time::Duration;

use async_trait::async_trait;

use super::{PostgresStore, run};
use crate::time::millis;
use crate::{Claims, StorageError};

#[async_trait]
impl Claims for PostgresStore {
    async fn claim(&self, key: &str, ttl: Duration) -> Result<bool, StorageError> {
        let pool = self.pool()?;
        let claimed = async {
            sqlx::query(
                "DELETE FROM claims WHERE key IN
                     (SELECT key FROM claims WHERE until <= now_ms() LIMIT 100 FOR UPDATE SKIP LOCKED)",
            )
            .execute(pool)
            .await?;
            let done = sqlx::query(
                "INSERT INTO claims (key, until) VALUES ($1, now_ms() + $2)
                 ON CONFLICT (key) DO UPDATE SET until = excluded.until WHERE claims.until <= now_ms()",
            )
            .bind(key)
            .bind(millis(ttl))
            .execute(pool)
            .await?;
            Ok(done.rows_affected() == 1)
        };
        run("claim a token", claimed).await
    }
}
