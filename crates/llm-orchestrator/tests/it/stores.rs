//! With a database that several processes share, and that goes away.

use serde_json::json;
use service_kit::auth::{Bases, Scopes};
use service_kit::keys::ApiKey;
use storage::{ApiKeyStore as _, PostgresStore};
use test_servers::Postgres;

use crate::support::*;

/// An orchestrator on a database of its own.
async fn on_postgres(turns: serde_json::Value, postgres: &Postgres) -> Orchestrator {
    let mut chat = Orchestrator::with(turns, &[("DATABASE_URL", &postgres.url())]).await;
    let store = PostgresStore::new(&postgres.url().parse().unwrap());
    let key = ApiKey::mint().unwrap();
    let record = key.record("test", Scopes::ALL, &Bases::All, std::time::SystemTime::now(), None);
    eventually("the database is ready", async || chat.get("/ready").await.status == 200).await;
    store.prepare().await.unwrap();
    store.insert(&record).await.unwrap();
    chat.key = key.expose().to_owned();
    chat
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_sessions_and_answer_one_message_at_a_time() {
    let postgres = Postgres::start();
    let turns = json!([says("Hello Ada."), calls(json!([{"name": "slow_list"}])), says("You are Ada.")]);
    let one = on_postgres(turns, &postgres).await;
    let other = one.again().await;
    eventually("the other is ready", async || other.get("/ready").await.status == 200).await;
    one.ask_in("s1", "I am Ada").await.ok();
    let refusing = async {
        eventually("the other is at work", async || one.tools.names() == ["slow_list"]).await;
        let refused = one.ask_in("s1", "And?").await;
        other.tools.go_on();
        refused
    };
    let (answer, refused) = tokio::join!(other.ask_in("s1", "Who am I?"), refusing);
    assert_eq!(answer.ok().text(), "You are Ada.");
    assert_eq!(
        (refused.status.as_u16(), refused.json()["error"]["code"].clone()),
        (409, json!("session_busy"))
    );
    assert_eq!(one.get("/api/v1/sessions/s1/messages").await.ok().json().as_array().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_it_says_so_and_goes_on_when_it_is_back() {
    let mut postgres = Postgres::start();
    let turns = json!([
        calls(json!([{"name": "update_records"}, {"name": "slow_list"}])),
        {"times": "always", "reply": {"text": "Here."}},
    ]);
    let chat = on_postgres(turns, &postgres).await;
    let losing = async {
        eventually("the list is under way", async || chat.tools.names().len() == 2).await;
        postgres.kill();
        chat.tools.go_on();
    };
    let (failed, ()) = tokio::join!(chat.ask_in("s1", "Go"), losing);
    assert_eq!(
        (failed.status.as_u16(), failed.header("x-should-retry")),
        (503, "false"),
        "a change was made: {}",
        failed.json()
    );
    assert_eq!(chat.get("/ready").await.status, 503);
    assert_eq!(chat.ask_in("s1", "Hello?").await.status, 503);
    postgres.restart();
    eventually("it is back", async || chat.ask_in("s1", "Hello?").await.status == 200).await;
    assert_eq!(chat.tools.changes(), 1);
    let results = chat.results();
    assert_eq!(results[0]["output"], json!({"updated": 1}), "what was recorded is known");
    assert!(results[1]["error"].to_string().contains("interrupted"), "{}", results[1]);
}
