use std::time::Duration;

use async_trait::async_trait;

use crate::StorageError;

/// Lets something happen once, such as the use of a token.
#[async_trait]
pub trait Claims: Send + Sync {
    /// `true` for the first who asks about `key`, and for nobody else within `ttl`, by the store's clock.
    async fn claim(&self, key: &str, ttl: Duration) -> Result<bool, StorageError>;
}
