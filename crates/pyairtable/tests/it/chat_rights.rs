//! A key for one base asks the chat about another: refused, and nothing of the other is ever told.

use emulators::gemini::Mode;
use http::Method;
use serde_json::{Value, json};

use crate::support::agents::{Agents, ChatSystem};
use crate::support::chat::COMPLETIONS;
use crate::support::client::Call;
use crate::support::model::{always_says, calls, says};
use crate::support::seeds::{no_limits, seed};
use crate::support::world::{self, Kind, Size, Style, World};

const SCOPES: [&str; 4] = ["records:read", "records:write", "schema:read", "llm:chat"];

fn two_worlds() -> (World, World) {
    let number = world::seed();
    (World::new(number, Style::Plain, &Size::SMALL), World::new(number ^ 0xABCD, Style::Plain, &Size::SMALL))
}

async fn started(ours: &World, theirs: &World, mode: Mode) -> ChatSystem {
    ChatSystem::start(seed(vec![ours.json(), theirs.json()], no_limits()), mode, &[]).await
}

/// Nothing of the world is told, except what was said before by whoever is told.
#[track_caller]
fn untold(said: &str, world: &World, before: &str) {
    for mark in world.marks() {
        assert!(before.contains(mark) || !said.contains(mark), "{mark} was told: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_model_tries_it_reaches_and_learns_nothing_of_another_base() {
    let (ours, theirs) = two_worlds();
    let system = started(&ours, &theirs, Mode::Echo).await;
    a_base_out_of_reach(&ours, &theirs, &system).await;
    system.stop().await;
}

pub(crate) async fn a_base_out_of_reach(ours: &World, theirs: &World, system: &impl Agents) {
    let table = &theirs.tables[0];
    let row = &table.rows[0];
    // Who may see everything has just looked, so that every cache knows the other base.
    let look = calls([
        ("describe_table", json!({"base": theirs.id, "table": table.name})),
        ("list_records", json!({"base": theirs.id, "table": table.name})),
        ("search_records", json!({"base": theirs.id, "query": row.title()})),
    ]);
    system.model().script(json!([look, always_says("Seen.")]));
    system.chat().ask_in("of-the-owner", &format!("Show me {}", theirs.name)).await.text();
    let looked = system.model().results();
    // What is long is told as text.
    let is_told = |result: &Value| result["output"].is_object() || result["output"].is_string();
    assert!(looked.iter().all(is_told), "{looked:?}");

    let limited = system.chat_with(&system.key(&SCOPES, Some(&[&ours.id])).await);
    let near = format!("{}x", &theirs.name[..theirs.name.len() - 1]);
    let mut attempts: Vec<(&str, Value)> =
        vec![("list_bases", json!({})), ("list_tables", json!({"base": ours.id}))];
    for base in [&theirs.id, &theirs.name, &near, &ours.id] {
        for called in [&table.id, &table.name] {
            attempts.extend([
                ("describe_table", json!({"base": base, "table": called})),
                ("list_records", json!({"base": base, "table": called})),
                ("search_records", json!({"base": base, "table": called, "query": "a"})),
                ("get_record", json!({"base": base, "table": called, "record_id": row.id})),
                ("aggregate_records", json!({"base": base, "table": called})),
                ("create_records", json!({"base": base, "table": called, "fields": {"x": "intruder"}})),
                (
                    "update_records",
                    json!({"base": base, "table": called, "record_id": row.id, "fields": {"x": "intruder"}}),
                ),
                ("delete_records", json!({"base": base, "table": called, "record_ids": [row.id]})),
            ]);
        }
    }
    // In the main chat each attempt by itself, so that an approval cannot hide another.
    for (tool, arguments) in &attempts {
        system.model().script(json!([
            calls([(*tool, arguments.clone())]),
            says("That is all."),
            always_says("Hm.")
        ]));
        let question = format!("Tell me about {}", theirs.name);
        let body = json!({"messages": [{"role": "user", "content": question}]});
        let whole = limited.send(body.clone()).await.whole();
        assert!(whole["run"].get("approval").is_none_or(Value::is_null), "{tool} {arguments} asks: {whole}");
        let is_ours = *tool == "list_bases" || *tool == "list_tables";
        let expected = if is_ours { "ok" } else { "error" };
        assert_eq!(whole["run"]["steps"][0]["status"], expected, "{tool} {arguments}: {whole}");
        let before = format!("{question} {arguments}");
        untold(&whole.to_string(), theirs, &before);
        // Nor was the model told, which might pass it on.
        untold(&system.model().asked().last().unwrap()["contents"].to_string(), theirs, &before);
    }
    for table in &theirs.tables {
        assert_eq!(system.airtable().count(&theirs.id, &table.id).await, table.rows.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_about_another_base_are_answered_with_what_is_within_reach() {
    let (ours, theirs) = two_worlds();
    let system = started(&ours, &theirs, Mode::Demo).await;
    let limited = system.chat_with(&system.key(&SCOPES, Some(&[&ours.id])).await);
    let table = &theirs.tables[0];
    let choice = table.places(|kind| matches!(kind, Kind::Choice(_)))[0];
    for question in [
        "which bases are there?".to_owned(),
        "which tables are there?".to_owned(),
        format!("which tables does {} have?", theirs.name),
        format!("how many {} are there?", table.name),
        format!("how many {} per {}?", table.name, table.fields[choice].name),
        format!("list {}", table.name),
        format!("find {}", table.rows[0].title()),
        format!("what are the fields of {}?", table.name),
        format!("delete {} {}", table.name, table.rows[0].title()),
    ] {
        let said = limited.ask(&question).await.whole().to_string();
        untold(&said, &theirs, &question);
    }
    let bases = limited.ask("which bases are there?").await.text();
    assert!(bases.contains(&ours.name), "{bases}");
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_another_key_are_as_good_as_not_there() {
    let (ours, theirs) = two_worlds();
    let system = started(&ours, &theirs, Mode::Echo).await;
    let table = &theirs.tables[0];
    system.model.script(json!([
        calls([("list_records", json!({"base": theirs.id, "table": table.id}))]),
        always_says(&format!("The first is {}.", table.rows[0].title())),
    ]));
    let owner = system.chat();
    let session = owner.ask_in("secret-1", &format!("What is in {}?", theirs.name)).await.session();
    let limited = system.chat_with(&system.key(&SCOPES, Some(&[&ours.id])).await);
    let say = json!({"model": "airtable-assistant", "session_id": session, "messages": [{"role": "user", "content": "What was said?"}]});
    for call in [
        Call::get(format!("/api/v1/sessions/{session}")),
        Call::get(format!("/api/v1/sessions/{session}/messages")),
        Call::new(Method::DELETE, format!("/api/v1/sessions/{session}")),
        Call::post(COMPLETIONS, say.clone()),
        Call::post("/api/v1/chat/completions", say.clone()),
        Call::post("/api/v1/chat/completions/stream", say.clone()),
    ] {
        let answer = limited.client.send(call.clone()).await;
        assert_eq!(answer.status, 404, "{call:?}: {}", answer.text());
        untold(&answer.text(), &theirs, "");
    }
    for target in ["/api/v1/sessions".to_owned(), format!("/api/v1/users/{session}/sessions")] {
        let answer = limited.get(&target).await.ok();
        assert_eq!(answer.json().as_array().map(Vec::len), Some(0), "{target}: {}", answer.text());
    }
    // A made-up approval, and one that is somebody else's, are the same.
    assert_eq!(limited.decide("AAAAAA", "approve").await.failure().0, 404);
    // It is all there for the owner.
    let kept = owner.get(&format!("/api/v1/sessions/{session}/messages")).await.ok().text();
    assert!(kept.contains(table.rows[0].title()), "{kept}");

    // Who has no right to chat has no session, and what a key may not write the chat does not write for it.
    let reader = system.chat_with(&system.key(&["records:read", "schema:read"], None).await);
    assert_eq!(reader.ask("Hello").await.failure().0, 403);
    let quiet = system.chat_with(&system.key(&["records:read", "schema:read", "llm:chat"], None).await);
    let mine = &ours.tables[0];
    let create = json!({"base": ours.id, "table": mine.id, "fields": {mine.title(): "intruder"}});
    system.model.script(json!([calls([("create_records", create)]), always_says("I may not.")]));
    assert_eq!(quiet.ask("Create it").await.text(), "I may not.");
    let told = system.model.results()[0]["error"].to_string();
    assert!(told.contains("create_records"), "{told}");
    assert_eq!(system.airtable().count(&ours.id, &mine.id).await, mine.rows.len());
    system.stop().await;
}
