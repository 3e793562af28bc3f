//! `kill -9` in the middle of a turn: the next message finds a valid history, nothing is done twice, and every call of the
//! model is counted once.

use emulators::gemini::Mode;
use serde_json::{Value, json};

use crate::support::agents::Agents as _;
use crate::support::apart::Apart;
use crate::support::chat::{Chat, Stream};
use crate::support::eventually;
use crate::support::gate::Hold;
use crate::support::model::{always_says, calls};
use crate::support::processes::Service;
use crate::support::seeds::{no_limits, seed};
use crate::support::world::{self, Size, Style, World};

async fn started() -> (World, Apart) {
    let world = World::new(world::seed(), Style::Plain, &Size::SMALL);
    let apart = Apart::start(seed(vec![world.json()], no_limits()), Mode::Echo, &[]).await;
    (world, apart)
}

fn create(world: &World) -> (&'static str, Value) {
    let table = &world.tables[1];
    ("create_records", json!({"base": world.id, "table": table.id, "fields": {table.title(): "once"}}))
}

/// How many of what [`create`] creates there are.
async fn created(world: &World, apart: &Apart) -> usize {
    let table = &world.tables[1];
    let records = apart.airtable.records(&world.id, &table.id).await;
    records.iter().filter(|record| record["fields"][table.title()] == "once").count()
}

async fn begin(chat: &Chat) -> Stream {
    chat.stream(json!({"session_id": "s", "messages": [{"role": "user", "content": "Create it"}]})).await
}

/// What the model was told of its latest calls, after a restart and another message.
async fn asked_again(apart: &Apart) -> (String, Vec<Value>) {
    let said = apart.chat().ask_in("s", "Is it there?").await;
    let text = said.text();
    assert_eq!(apart.model.refused(), Vec::<String>::new(), "every history was valid");
    (text, apart.model.results())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chat_killed_while_the_model_thinks() {
    let (world, mut apart) = started().await;
    apart.model.script(json!([
        calls([create(&world)]),
        {"when": {"tool_result": true, "turn": 1}, "times": "always", "reply": {"text": "late", "delay_ms": 60_000}},
        always_says("It is there."),
    ]));
    let mut stream = begin(&apart.chat()).await;
    eventually("the model thinks about the result", async || (apart.model.asked().len() == 2).then_some(()))
        .await;
    apart.kill(Service::Chat).await;
    while stream.next().await.is_some() {}
    apart.begin(Service::Chat).await;
    let (text, results) = asked_again(&apart).await;
    assert!(text.contains("It is there."), "{text}");
    assert!(results[0]["output"]["created"].is_array(), "the result was kept: {results:?}");
    assert_eq!(created(&world, &apart).await, 1);
    let usage = apart.usage("s").await;
    assert_eq!(usage.steps, 2, "the call that was killed has no usage, the others are counted once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chat_killed_while_a_change_is_under_way() {
    for hold in [Hold::Before, Hold::After] {
        let (world, mut apart) = started().await;
        apart
            .model
            .script(json!([calls([create(&world), ("list_bases", json!({}))]), always_says("I looked.")]));
        apart.gate.hold_next(hold);
        let mut stream = begin(&apart.chat()).await;
        apart.gate.until_held().await;
        apart.kill(Service::Chat).await;
        while stream.next().await.is_some() {}
        apart.gate.release();
        eventually("it is made", async || (created(&world, &apart).await == 1).then_some(())).await;
        apart.begin(Service::Chat).await;
        let (text, results) = asked_again(&apart).await;
        assert!(
            text.contains("create_records was interrupted") && text.ends_with("I looked."),
            "{hold:?}: {text}"
        );
        assert_eq!(results.len(), 2, "{results:?}");
        assert!(results[0]["error"].to_string().contains("NOT KNOWN"), "{hold:?}: {results:?}");
        assert_eq!((created(&world, &apart).await, apart.usage("s").await.steps), (1, 2), "{hold:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chat_killed_while_it_waits_for_the_users_word() {
    let (world, mut apart) = started().await;
    let table = &world.tables[0];
    let delete = json!({"base": world.id, "table": table.id, "record_ids": [table.rows[0].id]});
    apart.model.script(json!([calls([("delete_records", delete)]), always_says("It is gone.")]));
    let asked = apart.chat().ask_in("s", "Delete it").await;
    let approval = asked.approval();
    apart.kill_and_begin(Service::Chat).await;
    apart.kill_and_begin(Service::Tools).await;
    assert_eq!(apart.airtable.count(&world.id, &table.id).await, table.rows.len());
    let done = apart.chat().decide(&approval, "approve").await;
    assert_eq!(done.text(), "It is gone.");
    assert_eq!(apart.airtable.count(&world.id, &table.id).await, table.rows.len() - 1);
    apart.kill_and_begin(Service::Chat).await;
    assert_eq!(apart.chat().decide(&approval, "approve").await.failure().0, 404, "it was for once");
    assert_eq!((apart.usage("s").await.steps, apart.model.refused()), (2, Vec::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tools_server_or_the_gateway_killed_while_a_change_is_under_way() {
    for (service, hold) in [
        (Service::Tools, Hold::Before),
        (Service::Tools, Hold::After),
        (Service::Gateway, Hold::Before),
        (Service::Gateway, Hold::After),
    ] {
        let (world, mut apart) = started().await;
        apart.model.script(json!([calls([create(&world)]), always_says("I cannot tell.")]));
        apart.gate.hold_next(hold);
        let chat = apart.chat();
        let asking = tokio::spawn(async move { chat.ask_in("s", "Create it").await });
        apart.gate.until_held().await;
        apart.kill(service).await;
        let said = asking.await.unwrap();
        assert!(said.text().ends_with("I cannot tell."), "{service:?} {hold:?}: {}", said.text());
        assert_eq!(said.steps()[0].1, "unknown", "{service:?} {hold:?}: {}", said.whole()["run"]);
        let told = apart.model.results()[0]["error"].to_string();
        assert!(
            told.contains("not known") || told.contains("NOT KNOWN") || told.contains("unknown"),
            "{told}"
        );
        apart.gate.release();
        eventually("it is made once", async || (created(&world, &apart).await == 1).then_some(())).await;
        apart.begin(service).await;

        // The next turn works, and finds what was made.
        let table = &world.tables[1];
        let count =
            json!({"base": world.id, "table": table.id, "filter": format!("{{{}}}='once'", table.title())});
        apart.model.script(json!([calls([("aggregate_records", count)]), always_says("One.")]));
        let next = apart.chat().ask_in("s", "How many are there?").await;
        assert_eq!(next.text(), "One.", "{service:?} {hold:?}");
        assert_eq!(apart.model.results()[0]["output"]["rows"], 1, "{service:?} {hold:?}");
        assert_eq!((created(&world, &apart).await, apart.model.refused()), (1, Vec::new()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tools_server_or_the_gateway_away_during_a_turn() {
    let (world, mut apart) = started().await;
    let table = &world.tables[0];
    // Each one differs, so that no cache knows it.
    let read = |bound: usize| {
        let filter = format!("LEN({{{}}}) > {bound}", table.title());
        calls([("aggregate_records", json!({"base": world.id, "table": table.id, "filter": filter}))])
    };
    for (at, service) in [Service::Tools, Service::Gateway].into_iter().enumerate() {
        apart.model.script(json!([
            {"reply": {"calls": read(at)["reply"]["calls"], "delay_ms": 500}},
            always_says("I cannot tell."),
        ]));
        let chat = apart.chat();
        let asking = tokio::spawn(async move { chat.ask_in("s", "Which tables?").await });
        eventually("the model thinks", async || (apart.model.asked().len() == 1).then_some(())).await;
        apart.kill(service).await;
        let said = asking.await.unwrap();
        assert_eq!(
            (said.text().as_str(), said.steps()[0].1.as_str()),
            ("I cannot tell.", "error"),
            "{service:?}"
        );
        apart.begin(service).await;
        apart.model.script(json!([read(10 + at), always_says("Three.")]));
        let said = apart.chat().ask_in("s", "And now?").await;
        assert_eq!((said.text().as_str(), said.steps()[0].1.as_str()), ("Three.", "ok"), "{service:?}");
    }
    assert_eq!(apart.model.refused(), Vec::<String>::new());
}
