//! What becomes of the store when something happens to its server, and of its schema when several begin.

use std::time::{Duration, SystemTime};

use serde_json::json;
use sqlx::{Connection as _, Executor as _};
use storage::{NewEvent, PostgresStore, SessionRecord, SessionStore as _, StorageError};
use test_servers::Postgres;

fn session(id: &str) -> SessionRecord {
    SessionRecord {
        id: id.to_owned(),
        owner: "k".to_owned(),
        metadata: json!({}),
        created_at: SystemTime::now(),
        updated_at: SystemTime::now(),
        last_seq: 0,
    }
}

fn event(n: u64) -> [NewEvent; 1] {
    [NewEvent { kind: "n".to_owned(), body: json!(n) }]
}

fn store(url: &str) -> PostgresStore {
    PostgresStore::new(&url.parse().unwrap())
}

#[tokio::test]
async fn before_it_was_reached_the_store_says_so_at_once() {
    let mut server = Postgres::start();
    server.kill();
    let store = store(&server.url());
    assert!(matches!(store.find("s").await, Err(StorageError::Unavailable { .. })));
    assert!(store.prepare().await.is_err());
    server.restart();
    store.prepare().await.unwrap();
    assert_eq!(store.find("s").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_bring_one_new_database_up_to_date_at_once() {
    let url = crate::new_database().await;
    let tasks: Vec<_> = (0..6)
        .map(|n| {
            let store = store(&url);
            tokio::spawn(async move {
                store.prepare().await.unwrap();
                store.create(&session(&n.to_string())).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let store = store(&url);
    store.prepare().await.unwrap();
    assert_eq!(store.list("k", None, 100).await.unwrap().len(), 6);
}

#[tokio::test]
async fn tables_of_others_in_the_same_database_are_left_alone() {
    let url = crate::new_database().await;
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    connection.execute("CREATE TABLE sessions (mine int); CREATE TABLE usage (mine int)").await.unwrap();
    let store = store(&url);
    store.prepare().await.unwrap();
    store.create(&session("s")).await.unwrap();
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM public.sessions").fetch_one(&mut connection).await.unwrap();
    assert_eq!(count, 0);
}

#[tokio::test]
async fn a_user_who_may_not_create_schemas_can_use_one_that_is_there() {
    let url = crate::new_database().await;
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let database = url.rsplit('/').next().unwrap();
    let user = format!("guest_{database}");
    connection
        .execute(sqlx::AssertSqlSafe(format!(
            "CREATE ROLE {user} LOGIN PASSWORD 'guest'; CREATE SCHEMA pyairtable AUTHORIZATION {user}"
        )))
        .await
        .unwrap();
    let guest = url.replace("pyairtable:for-tests-only", &format!("{user}:guest"));
    store(&guest).prepare().await.unwrap();
    store(&guest).prepare().await.unwrap();
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let url = crate::new_database().await;
    store(&url).prepare().await.unwrap();
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    connection.execute("UPDATE pyairtable.schema_version SET version = 99").await.unwrap();
    let error = store(&url).prepare().await.unwrap_err();
    assert!(matches!(error, StorageError::TooNew { found: 99, .. }), "{error}");
}

#[tokio::test]
async fn after_a_crash_everything_acknowledged_is_there_and_the_store_goes_on_by_itself() {
    let mut server = Postgres::start();
    let store = store(&server.url());
    store.prepare().await.unwrap();
    store.create(&session("s")).await.unwrap();
    for n in 0..20 {
        assert_eq!(store.append("s", n, &event(n), &[]).await.unwrap(), n + 1);
    }
    server.kill();
    let cut_off = store.append("s", 20, &event(20), &[]).await;
    assert!(matches!(cut_off, Err(StorageError::Database { .. })), "{cut_off:?}");
    server.restart();
    let mut found = store.find("s").await;
    for _ in 0..100 {
        if found.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        found = store.find("s").await;
    }
    assert_eq!(found.unwrap().unwrap().last_seq, 20);
    assert_eq!(store.append("s", 20, &event(20), &[]).await.unwrap(), 21);
}

#[tokio::test]
async fn a_transaction_that_was_cut_off_leaves_nothing() {
    let url = crate::new_database().await;
    let store = store(&url);
    store.prepare().await.unwrap();
    store.create(&session("s")).await.unwrap();
    let mut lock = sqlx::PgConnection::connect(&url).await.unwrap();
    // Lets the append come as far as its events.
    lock.execute("BEGIN; LOCK TABLE pyairtable.session_events").await.unwrap();
    let appending = tokio::spawn({
        let store = store.clone();
        async move { store.append("s", 0, &event(0), &[]).await }
    });
    let mut others = sqlx::PgConnection::connect(&url).await.unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut others).await.unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    others.execute(kill).await.unwrap();
    assert!(appending.await.unwrap().is_err());
    lock.execute("ROLLBACK").await.unwrap();
    assert_eq!(store.find("s").await.unwrap().unwrap().last_seq, 0);
    assert_eq!(store.append("s", 0, &event(0), &[]).await.unwrap(), 1);
}

#[tokio::test]
async fn a_wrong_password_is_an_error_that_does_not_show_it() {
    let url = crate::new_database().await.replace("for-tests-only", "hunter2");
    let error = format!("{:?}", store(&url).prepare().await.unwrap_err());
    assert!(error.contains("password") && !error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_new_password_is_used_for_the_connections_after_it() {
    let mut server = Postgres::start();
    let address: storage::PostgresAddress = server.url().parse().unwrap();
    let store = PostgresStore::new(&address);
    store.prepare().await.unwrap();
    server.execute("ALTER ROLE pyairtable PASSWORD 'it''s new'");
    server.kill();
    server.restart();
    assert!(store.find("s").await.is_err(), "the old password is refused");
    store.move_to(&address.with_password("it's new"));
    assert_eq!(store.find("s").await.unwrap(), None);
}
