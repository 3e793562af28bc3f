use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use service_kit::auth::{Bases, Scopes};
use service_kit::keys::ApiKey;
use service_kit::private_file;
use storage::{ApiKeyStore, StorageError};

/// The name under which the local key stands in `keys list`.
const NAME: &str = "local";

/// The key that a start on this machine mints for its owner, with all scopes on all bases, kept in a file of mode 0600.
pub(crate) fn path_in(data_dir: &Path) -> PathBuf {
    data_dir.join("local-api-key")
}

/// The local key of an earlier start; `None` if there was none.
pub(crate) fn read(data_dir: &Path) -> anyhow::Result<Option<ApiKey>> {
    let path = path_in(data_dir);
    match private_file::read(&path) {
        Ok(text) => parse(&text, &path).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// The local key, minted and stored if this is the first start.
///
/// A key that the store does not know (its database was deleted) is stored again, so that what stands in people's
/// scripts goes on working; one that was revoked or has ended stays so, and is replaced by a new one.
pub(crate) async fn ensure(
    data_dir: &Path,
    store: &dyn ApiKeyStore,
    now: SystemTime,
) -> anyhow::Result<ApiKey> {
    let path = path_in(data_dir);
    let key = read_or_mint(&path)?;
    match store.find(key.id()).await? {
        Some(known) if known.revoked_at.is_none() && known.expires_at.is_none_or(|end| end > now) => Ok(key),
        Some(_) => {
            std::fs::remove_file(&path).with_context(|| format!("cannot replace {}", path.display()))?;
            let key = read_or_mint(&path)?;
            insert(&key, store, now).await?;
            Ok(key)
        }
        None => {
            insert(&key, store, now).await?;
            Ok(key)
        }
    }
}

async fn insert(key: &ApiKey, store: &dyn ApiKeyStore, now: SystemTime) -> anyhow::Result<()> {
    let record = key.record(NAME, Scopes::ALL, &Bases::All, now, None);
    match store.insert(&record).await {
        // Another process started at the same moment and stored the same key.
        Err(StorageError::Exists { .. }) => Ok(()),
        other => other.context("cannot store the local key"),
    }
}

fn read_or_mint(path: &Path) -> anyhow::Result<ApiKey> {
    let text = private_file::read_or_create(path, || ApiKey::mint().map(|key| key.expose().to_owned()))
        .with_context(|| format!("cannot keep the local key in {}", path.display()))?;
    parse(&text, path)
}

fn parse(text: &str, path: &Path) -> anyhow::Result<ApiKey> {
    ApiKey::parse(text)
        .with_context(|| format!("{} holds no API key; delete it to get a new one", path.display()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use storage::SqliteStore;

    use super::*;

    #[tokio::test]
    async fn the_local_key_stays_the_same_over_starts_and_a_lost_database() {
        let root = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let first = SqliteStore::open(&root.path().join("first.sqlite")).await.unwrap();
        let key = ensure(root.path(), &first, now).await.unwrap();
        assert_eq!(ensure(root.path(), &first, now).await.unwrap().expose(), key.expose());

        let second = SqliteStore::open(&root.path().join("second.sqlite")).await.unwrap();
        assert_eq!(ensure(root.path(), &second, now).await.unwrap().expose(), key.expose());
        assert_eq!(second.find(key.id()).await.unwrap().unwrap().digest, key.digest());
    }

    #[tokio::test]
    async fn a_revoked_local_key_is_replaced_and_stays_revoked() {
        let root = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let store = SqliteStore::open(&root.path().join("keys.sqlite")).await.unwrap();
        let old = ensure(root.path(), &store, now).await.unwrap();
        assert!(store.revoke(old.id(), now).await.unwrap());

        let new = ensure(root.path(), &store, now + Duration::from_secs(1)).await.unwrap();
        assert_ne!(new.expose(), old.expose());
        assert_eq!(read(root.path()).unwrap().unwrap().expose(), new.expose());
        assert!(store.find(old.id()).await.unwrap().unwrap().revoked_at.is_some());
    }
}
