#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{Connection as _, Executor as _};

mod cache;
mod claims;
mod full_disk;
mod generations;
mod keys;
mod killed_writer;
mod postgres_server;
mod redis_server;
mod sessions;
mod slots;
mod sqlite_file;

/// Runs behaviours, which are functions over a trait, as tests of each implementation.
///
/// A new implementation adds its name and how to make one, and thereby promises all of it.
macro_rules! contracts {
    ($($name:ident => $make:expr),+; $behaviours:tt) => {
        $($crate::contracts!(@one $name => $make; $behaviours);)+
    };
    (@one $name:ident => $make:expr; [$($behaviour:ident),+ $(,)?]) => {
        mod $name {
            $(#[tokio::test]
            async fn $behaviour() {
                let (store, _keep) = $make.await;
                super::$behaviour(&store).await;
            })+
        }
    };
}
pub(crate) use contracts;

/// A database of its own on a server that all tests of this binary share.
async fn postgres() -> (storage::PostgresStore, ()) {
    let store = storage::PostgresStore::new(&new_database().await.parse().unwrap());
    store.prepare().await.unwrap();
    (store, ())
}

/// The address of an empty database on the shared server.
async fn new_database() -> String {
    static SERVER: OnceLock<test_servers::Postgres> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let url = SERVER.get_or_init(test_servers::Postgres::start).url();
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    connection.execute(create).await.unwrap();
    connection.close().await.unwrap();
    url.replace("/postgres", &format!("/{name}"))
}

/// A database of its own on a server that all tests of this binary share.
async fn redis() -> (storage::RedisStore, ()) {
    static SERVER: OnceLock<test_servers::Redis> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let url = SERVER.get_or_init(test_servers::Redis::start).url();
    let url = format!("{url}/{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let store = storage::RedisStore::new(&url.parse().unwrap()).unwrap();
    store.connect().await.unwrap();
    (store, ())
}

async fn sqlite() -> (storage::SqliteStore, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = storage::SqliteStore::open(&directory.path().join("test.sqlite")).await.unwrap();
    (store, directory)
}
