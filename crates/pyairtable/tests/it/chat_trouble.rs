//! Chats in which something goes wrong anywhere on the way: a clear word to the user or to the model, a valid history, nothing
//! done twice.

use std::time::{Duration, Instant};

use emulators::gemini::{Fate, Mode};
use serde_json::{Value, json};

use crate::support::agents::{Agents as _, ChatSystem};
use crate::support::chat::words;
use crate::support::eventually;
use crate::support::model::{always_says, calls, says};
use crate::support::seeds::{airtables_limits, no_limits, seed};
use crate::support::world::{self, Kind, Size, Style, Table, World};

async fn started(settings: &[(&str, &str)]) -> (World, ChatSystem) {
    let world = World::new(world::seed(), Style::Plain, &Size::SMALL);
    let system = ChatSystem::start(seed(vec![world.json()], no_limits()), Mode::Echo, settings).await;
    (world, system)
}

fn fails(error: Value) -> Value {
    json!({"times": "always", "reply": {"error": error}})
}

fn create(world: &World, table: &Table, title: &str) -> (&'static str, Value) {
    ("create_records", json!({"base": world.id, "table": table.id, "fields": {table.title(): title}}))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_model_hears_what_was_wrong_with_its_calls_and_what_would_be_right() {
    let (world, system) = started(&[]).await;
    let table = &world.tables[0];
    let wrong = format!("{}s", table.name);
    system.model.script(json!([
        calls([
            ("count_all_records", json!({})),
            ("aggregate_records", json!({"base": world.name, "table": wrong})),
            ("aggregate_records", json!({"base": world.name, "table": table.name, "metric": "count"})),
            ("aggregate_records", json!({"base": world.name, "table": table.name, "metrics": [format!("sum({}x)", table.title())]})),
            ("list_records", json!({"base": world.name, "table": table.name, "filter": "1 +"})),
            ("get_record", json!({"base": world.name, "table": table.name, "record_id": "rec00000000000000"})),
        ]),
        says("It cannot be."),
    ]));
    let said = system.chat().ask("Count").await;
    assert_eq!(said.text(), "It cannot be.");
    let results: Vec<String> =
        system.model.results().iter().map(|result| result["error"].to_string()).collect();
    for (result, expected) in results.iter().zip([
        "count_all_records",
        &table.name,
        "metrics",
        table.title(),
        "filter",
        "search_records",
    ]) {
        assert!(result.contains(expected), "{expected}: {result}");
    }
    assert!(said.steps().iter().all(|(_, status)| status == "error"), "{:?}", said.steps());
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_that_is_too_large_is_cut_honestly() {
    let world = World::new(world::seed(), Style::Awkward, &Size::PAGES);
    let system = ChatSystem::start(seed(vec![world.json()], no_limits()), Mode::Echo, &[]).await;
    let table = &world.tables[0];
    system.model.script(json!([
        calls([("list_records", json!({"base": world.id, "table": table.id, "limit": 1000}))]),
        says("Many."),
    ]));
    system.chat().ask("List everything").await.text();
    let told = system.model.results()[0]["output"].to_string();
    assert!(told.len() < 90_000, "{}", told.len());
    let shown = table.rows.iter().filter(|row| told.contains(&row.id)).count();
    let said_so = shown == table.rows.len() || told.contains("cursor") || told.contains("cut here");
    assert!(
        said_so && shown > 0,
        "{shown} of {}: …{}",
        table.rows.len(),
        &told[told.len().saturating_sub(300)..]
    );
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_luck_with_the_model_is_told_apart_and_leaves_the_session_usable() {
    let (world, system) = started(&[]).await;
    let chat = system.chat();
    let read = calls([("list_tables", json!({"base": world.id}))]);
    for (case, trouble, status, code, should_retry) in [
        ("day", fails(json!({"code": 429, "quota": "day"})), 429, "provider_quota_exhausted", "false"),
        (
            "long-minute",
            fails(json!({"code": 429, "quota": "minute", "retry_after_ms": 120_000})),
            429,
            "provider_rate_limited",
            "true",
        ),
        (
            "malformed",
            json!({"times": "always", "reply": {"malformed": true}}),
            502,
            "malformed_call",
            "false",
        ),
        ("bad-request", fails(json!({"code": 400})), 400, "provider_rejected", ""),
    ] {
        system.model.script(json!([read, trouble]));
        let failed = chat.ask_in(case, "Go").await;
        assert_eq!(failed.failure(), (status, code.to_owned()), "{case}: {}", failed.answer.text());
        if !should_retry.is_empty() {
            assert_eq!(failed.answer.header("x-should-retry"), should_retry, "{case}");
        }
        system.model.script(json!([always_says("Here.")]));
        assert_eq!(chat.ask_in(case, "Again").await.text(), "Here.", "{case}");
        assert_eq!(system.model.refused(), Vec::<String>::new(), "{case}");
    }
    for (case, trouble) in [
        ("short-minute", json!({"code": 429, "quota": "minute", "retry_after_ms": 200})),
        ("overloaded", json!({"code": 503})),
    ] {
        system.model.script(json!([read, {"reply": {"error": trouble}}, says("There.")]));
        assert_eq!(chat.ask_in(case, "Go").await.text(), "There.", "{case}");
    }
    system.model.script(json!([read, {"reply": {"block": true}}, always_says("Gladly.")]));
    let blocked = chat.ask_in("blocked", "Go").await.whole();
    assert_eq!(blocked["choices"][0]["finish_reason"], "content_filter");
    assert_eq!(chat.ask_in("blocked", "Something else").await.text(), "Gladly.");

    system.model.script(json!([read, {"reply": {"text": ["It ", "is ", "so."], "cut": {"after_chunks": 1}}}, always_says("Again.")]));
    let body = json!({"session_id": "cut", "messages": [{"role": "user", "content": "Go"}]});
    let chunks = chat.stream(body).await.all().await;
    assert_eq!(words(&chunks), "It ");
    assert_eq!(chunks.last().unwrap()["error"]["code"], "answer_broke_off");
    assert_eq!(chat.ask_in("cut", "Go on").await.text(), "Again.");
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_is_away_is_named_and_the_rest_goes_on() {
    let (world, system) = started(&[("LLM_TURN_TIMEOUT_SECONDS", "20")]).await;
    let table = &world.tables[0];
    let chat = system.chat();
    let count = (
        "aggregate_records",
        json!({"base": world.id, "table": table.id, "filter": format!("{{{}}}!='x'", table.title())}),
    );
    let ChatSystem { tools, model, chat: running, .. } = system;
    // Airtable is away: the model is told, and nothing is made up.
    let address = tools.airtable.address;
    tools.airtable.stop().await;
    model.script(json!([calls([count.clone()]), says("I cannot tell.")]));
    let said = chat.ask_in("s", "How many?").await;
    assert_eq!(
        (said.text(), said.steps()),
        ("I cannot tell.".to_owned(), vec![("aggregate_records".to_owned(), "error".to_owned())])
    );
    let told = model.results()[0]["error"].to_string();
    assert!(told.contains("Airtable"), "{told}");
    // It is back.
    let airtable =
        crate::support::system::Emulator::start_at(address, seed(vec![world.json()], no_limits())).await;
    eventually("the tools answer again", async || {
        model.script(json!([calls([count.clone()]), always_says("So many.")]));
        chat.ask_in("s", "And now?").await.text();
        model.results()[0]["output"]["rows"].as_u64()
    })
    .await;
    // The gateway is away.
    let _data = tools.gateway.stop_and_keep_data().await;
    model.script(json!([calls([count]), says("I cannot tell.")]));
    assert_eq!(chat.ask_in("s", "And now?").await.text(), "I cannot tell.");
    let told = model.results()[0]["error"].to_string();
    assert!(told.contains("gateway"), "{told}");
    // The tools' server is away.
    tools.tools.stop().await;
    model.script(json!([calls([("list_bases", json!({}))]), says("I cannot tell.")]));
    let said = chat.ask_in("s", "And now?").await;
    assert_eq!((said.text().as_str(), said.steps()[0].1.as_str()), ("I cannot tell.", "error"));
    let told = model.results()[0]["error"].to_string();
    assert!(told.contains("tools' server"), "{told}");
    // The model is away.
    model.stop().await;
    let failed = chat.send(json!({"session_id": "s", "messages": [{"role": "user", "content": "Hi"}]})).await;
    assert_eq!(failed.failure().0, 502, "{}", failed.answer.text());
    assert_eq!(chat.get("/health").await.status, 200);
    running.stop().await;
    airtable.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_model_is_a_clear_error() {
    let (_, system) =
        started(&[("GEMINI_API_URL", "http://127.0.0.1:1"), ("LLM_TURN_TIMEOUT_SECONDS", "4")]).await;
    let failed = system.chat().ask("Hi").await;
    assert_eq!(failed.failure(), (502, "provider_unreachable".to_owned()));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_messages_at_once_in_a_session_one_is_told_to_wait() {
    let (world, system) = started(&[]).await;
    let table = &world.tables[1];
    system.model.script(json!([
        calls([create(&world, table, "once")]),
        {"reply": {"text": ["Slowly", " done."], "chunk_delay_ms": 400}},
        always_says("Next."),
    ]));
    let chat = system.chat();
    let mut first =
        chat.stream(json!({"session_id": "s", "messages": [{"role": "user", "content": "Create it"}]})).await;
    first.until_tool("create_records").await;
    let second = chat.ask_in("s", "Hurry").await;
    assert_eq!(second.failure(), (409, "session_busy".to_owned()));
    assert_eq!(second.answer.header("x-should-retry"), "false", "the client would repeat a turn");
    // Another session is not held up.
    assert_eq!(words(&first.all().await), "Slowly done.");
    assert_eq!(chat.ask_in("s", "Now").await.text(), "Next.");
    let records = system.airtable().records(&world.id, &table.id).await;
    assert_eq!(records.iter().filter(|record| record["fields"][table.title()] == "once").count(), 1);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_stops_the_model() {
    let (_, system) = started(&[]).await;
    system.model.script(json!([
        {"reply": {"text": vec!["word "; 500], "chunk_delay_ms": 20}},
        always_says("Hello again."),
    ]));
    let chat = system.chat();
    let mut stream =
        chat.stream(json!({"session_id": "s", "messages": [{"role": "user", "content": "Talk"}]})).await;
    while let Some(chunk) = stream.next().await {
        if chunk["choices"][0]["delta"]["content"] == "word " {
            break;
        }
    }
    drop(stream);
    eventually("the model is told", async || (system.model.fates() == [Fate::Cancelled]).then_some(())).await;
    let again = eventually("the session is free", async || {
        let said = chat.ask_in("s", "Are you there?").await;
        (said.answer.status == 200).then(|| said.text())
    })
    .await;
    assert_eq!(again, "Hello again.");
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_before_the_first_word_stops_the_model_as_well() {
    let (_, system) = started(&[]).await;
    system.model.script(json!([{"reply": {"text": "x", "delay_ms": 60_000}}]));
    let chat = system.chat();
    let asking = tokio::spawn(async move { chat.ask("Hello?").await });
    eventually("the model is asked", async || (!system.model.fates().is_empty()).then_some(())).await;
    asking.abort();
    eventually("the model is told", async || (system.model.fates() == [Fate::Cancelled]).then_some(())).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_was_sent_is_made_although_the_client_has_left() {
    let (world, system) = started(&[]).await;
    let table = &world.tables[1];
    system.model.script(json!([calls([create(&world, table, "left")]), always_says("It is there.")]));
    let chat = system.chat();
    let mut stream =
        chat.stream(json!({"session_id": "s", "messages": [{"role": "user", "content": "Create it"}]})).await;
    stream.until_tool("create_records").await;
    drop(stream);
    eventually("it is made", async || {
        let records = system.airtable().records(&world.id, &table.id).await;
        (records.iter().filter(|record| record["fields"][table.title()] == "left").count() == 1).then_some(())
    })
    .await;
    eventually("the session is free", async || {
        (chat.ask_in("s", "And?").await.answer.status == 200).then_some(())
    })
    .await;
    let told = system.model.asked().pop().unwrap()["contents"].to_string();
    assert!(told.contains("\"functionResponse\""), "the call has its result: {told}");
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_reads_at_once_wait_for_their_turn_and_airtable_never_says_429() {
    let world = World::new(world::seed(), Style::Plain, &Size::SMALL);
    let system =
        ChatSystem::start(seed(vec![world.json()], airtables_limits()), Mode::Echo, &[("PACING", "on")])
            .await;
    let table = &world.tables[0];
    let number = table.places(|kind| matches!(kind, Kind::Number { .. }))[0];
    let counts: Vec<(&str, Value)> = (0..8)
        .map(|bound| {
            let filter = format!("{{{}}} > {bound}", table.fields[number].name);
            ("aggregate_records", json!({"base": world.id, "table": table.id, "filter": filter}))
        })
        .collect();
    system.model.script(json!([
        {"times": "always", "when": {"tool_result": false}, "reply": calls(counts)["reply"]},
        always_says("Counted."),
    ]));
    let started = Instant::now();
    let chat = system.chat();
    let (one, two) = tokio::join!(chat.ask_in("a", "Count"), chat.ask_in("b", "Count"));
    assert_eq!((one.text(), two.text()), ("Counted.".to_owned(), "Counted.".to_owned()));
    assert!(one.steps().iter().chain(&two.steps()).all(|(_, status)| status == "ok"));
    assert_eq!(system.airtable().violations().await, 0);
    assert!(started.elapsed() < Duration::from_secs(20));
    system.stop().await;
}
