use std::time::SystemTime;

use async_trait::async_trait;

use crate::StorageError;

/// What is kept of an API key: everything but the key. Times have millisecond precision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// The public part of the key, by which it is found and named.
    pub id: String,
    /// What its owner calls it; not unique.
    pub name: String,
    /// SHA-256 of the whole key. Keys hold 256 random bits, so no slow hash is needed.
    pub digest: [u8; 32],
    /// The key's last four characters, by which people recognise it in a list.
    pub last4: String,
    /// Names of the scopes; a name that this version does not know gives no right.
    pub scopes: Vec<String>,
    /// The base ids that the key may reach; `None` means every base.
    pub bases: Option<Vec<String>>,
    pub created_at: SystemTime,
    /// `None`: never expires.
    pub expires_at: Option<SystemTime>,
    /// Written at most once a minute. `None`: never used.
    pub last_used_at: Option<SystemTime>,
    pub revoked_at: Option<SystemTime>,
}

/// Keeps API keys.
#[async_trait]
pub trait ApiKeyStore: Send + Sync {
    /// Adds a key; `StorageError::Exists` if its id is taken.
    async fn insert(&self, key: &ApiKeyRecord) -> Result<(), StorageError>;

    /// The key of this id, revoked and expired ones included.
    async fn find(&self, id: &str) -> Result<Option<ApiKeyRecord>, StorageError>;

    /// All keys, oldest first, revoked and expired ones included.
    async fn list(&self) -> Result<Vec<ApiKeyRecord>, StorageError>;

    /// Revokes a key for ever; the first revocation's time stays. `false`: no such key.
    async fn revoke(&self, id: &str, at: SystemTime) -> Result<bool, StorageError>;

    /// Notes a use. Costs a write only if the noted use is a minute or more before `at`; never goes back in time.
    async fn touch(&self, id: &str, at: SystemTime) -> Result<(), StorageError>;
}
