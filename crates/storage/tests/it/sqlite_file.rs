use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::SystemTime;

use storage::{ApiKeyRecord, ApiKeyStore, SqliteStore, StorageError};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn key(id: &str) -> ApiKeyRecord {
    ApiKeyRecord {
        id: id.to_owned(),
        name: String::new(),
        digest: [0; 32],
        last4: String::new(),
        scopes: Vec::new(),
        bases: None,
        created_at: SystemTime::UNIX_EPOCH,
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
    }
}

#[tokio::test]
async fn the_file_and_a_new_directory_are_for_their_owner_alone() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("data");
    let path = directory.join("test.sqlite");
    let store = SqliteStore::open(&path).await.unwrap();
    store.insert(&key("one")).await.unwrap();

    assert_eq!(mode(&directory), 0o700);
    for name in ["test.sqlite", "test.sqlite-wal", "test.sqlite-shm"] {
        assert_eq!(mode(&directory.join(name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_file_that_others_could_read_is_closed_to_them() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("test.sqlite");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    SqliteStore::open(&path).await.unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_may_open_one_new_file_at_once_and_see_each_others_keys() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("test.sqlite");
    let opening: Vec<_> = (0..8)
        .map(|n| {
            let path = path.clone();
            tokio::spawn(async move {
                let store = SqliteStore::open(&path).await.unwrap();
                store.insert(&key(&n.to_string())).await.unwrap();
                store
            })
        })
        .collect();
    for (n, task) in opening.into_iter().enumerate() {
        let store = task.await.unwrap();
        assert!(store.find(&n.to_string()).await.unwrap().is_some());
    }
    assert_eq!(SqliteStore::open(&path).await.unwrap().list().await.unwrap().len(), 8);
}

#[tokio::test]
async fn what_was_written_is_there_after_closing_and_opening() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("test.sqlite");
    let store = SqliteStore::open(&path).await.unwrap();
    store.insert(&key("one")).await.unwrap();
    store.close().await;
    let store = SqliteStore::open(&path).await.unwrap();
    store.ping().await.unwrap();
    assert_eq!(store.find("one").await.unwrap(), Some(key("one")));
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("test.sqlite");
    SqliteStore::open(&path).await.unwrap().close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("PRAGMA user_version = 99").execute(&pool).await.unwrap();
    pool.close().await;

    let error = SqliteStore::open(&path).await.err().unwrap();
    assert!(matches!(error, StorageError::TooNew { found: 99, .. }), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_an_error_and_stays() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("test.sqlite");
    let text = "this is a letter, not a database, and it is long enough to be taken for one. ".repeat(20);
    fs::write(&path, &text).unwrap();
    assert!(SqliteStore::open(&path).await.is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named() {
    let root = tempfile::tempdir().unwrap();
    let blocker = root.path().join("blocker");
    fs::write(&blocker, "").unwrap();
    let error = SqliteStore::open(&blocker.join("test.sqlite")).await.err().unwrap();
    assert!(error.to_string().contains("blocker"), "{error}");
}
