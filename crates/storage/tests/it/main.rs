#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod cache;
mod claims;
mod generations;
mod keys;
mod sessions;
mod sqlite_file;

/// Runs behaviours, which are functions over a trait, as tests of one implementation.
///
/// A new implementation adds one such call and thereby promises all of it.
macro_rules! contract {
    ($name:ident, $make:expr; $($behaviour:ident),+ $(,)?) => {
        mod $name {
            $(#[tokio::test]
            async fn $behaviour() {
                let (store, _keep) = $make.await;
                super::$behaviour(&store).await;
            })+
        }
    };
}
pub(crate) use contract;

async fn sqlite() -> (storage::SqliteStore, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = storage::SqliteStore::open(&directory.path().join("test.sqlite")).await.unwrap();
    (store, directory)
}
