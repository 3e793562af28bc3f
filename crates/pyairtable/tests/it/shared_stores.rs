//! The same scenarios as embedded, with every service in a process of its own on a real Redis and a real Postgres; and what
//! happens when those go away in the middle.

use emulators::gemini::Mode;
use serde_json::{Value, json};
use test_servers::{Postgres, Redis};

use crate::chat_rights::a_base_out_of_reach;
use crate::chat_scripted::{a_true_answer, orders_in_cells, the_users_word};
use crate::support::agents::Agents as _;
use crate::support::apart::Apart;
use crate::support::eventually;
use crate::support::gate::Hold;
use crate::support::model::{always_says, calls, says};
use crate::support::processes::Service;
use crate::support::seeds::{no_limits, seed};
use crate::support::world::{self, Size, Style, World};

/// Worlds with the same services before them.
async fn started(worlds: &[&World], postgres: &Postgres, redis: &Redis) -> Apart {
    let bases = worlds.iter().map(|world| world.json()).collect();
    let stores = [("DATABASE_URL", postgres.url()), ("REDIS_URL", redis.url())];
    Apart::start(seed(bases, no_limits()), Mode::Echo, &stores).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenarios_hold_as_they_do_embedded() {
    let number = world::seed();
    let (postgres, redis) = (Postgres::start(), Redis::start());
    let pages = World::new(number, Style::Awkward, &Size::PAGES);
    let [words, orders] = [1, 2].map(|salt| World::new(number ^ salt, Style::Awkward, &Size::SMALL));
    let [ours, theirs] = [3, 4].map(|salt| World::new(number ^ salt, Style::Plain, &Size::SMALL));
    let apart = started(&[&pages, &words, &orders, &ours, &theirs], &postgres, &redis).await;
    a_true_answer(&pages, &apart).await;
    the_users_word(&words, &apart).await;
    orders_in_cells(&orders, &apart).await;
    a_base_out_of_reach(&ours, &theirs, &apart).await;
    assert_eq!(apart.model.refused(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_chats_share_sessions_and_everything_is_kept_when_all_processes_are_killed() {
    let world = World::new(world::seed(), Style::Plain, &Size::SMALL);
    let (postgres, redis) = (Postgres::start(), Redis::start());
    let mut apart = started(&[&world], &postgres, &redis).await;
    let table = &world.tables[0];
    let delete = |row: usize| {
        calls([(
            "delete_records",
            json!({"base": world.id, "table": table.id, "record_ids": [table.rows[row].id]}),
        )])
    };
    let other = apart.another_chat().await;
    apart.model.script(json!([says("Hello Ada."), says("You are Ada."), delete(0), says("It is gone.")]));
    assert_eq!(apart.chat().ask_in("s", "I am Ada").await.text(), "Hello Ada.");
    assert_eq!(other.ask_in("s", "Who am I?").await.text(), "You are Ada.");
    assert!(apart.model.asked()[1]["contents"].to_string().contains("I am Ada"));
    let approval = apart.chat().ask_in("s", "Delete the first").await.approval();
    assert_eq!(other.decide(&approval, "approve").await.text(), "It is gone.");
    assert_eq!(apart.chat().decide(&approval, "approve").await.failure().0, 404);
    assert_eq!(apart.airtable.count(&world.id, &table.id).await, table.rows.len() - 1);

    // One message at a time, whichever chat gets it.
    let create = json!({"base": world.id, "table": table.id, "fields": {table.title(): "slow"}});
    apart.model.script(json!([calls([("create_records", create)]), says("slow"), always_says("quick")]));
    apart.gate.hold_next(Hold::Before);
    let slow = tokio::spawn(async move { other.ask_in("t", "Slowly").await });
    apart.gate.until_held().await;
    assert_eq!(apart.chat().ask_in("t", "Now").await.failure(), (409, "session_busy".to_owned()));
    apart.gate.release();
    assert_eq!(slow.await.unwrap().text(), "slow");
    assert_eq!(apart.chat().ask_in("t", "Now").await.text(), "quick");
    let rows = apart.airtable.count(&world.id, &table.id).await;
    assert_eq!(rows, table.rows.len());

    // Another approval is asked for; then everything is killed, and starts again.
    apart.model.script(json!([delete(1), says("It is gone too.")]));
    let approval = apart.chat().ask_in("s", "Delete the second").await.approval();
    for service in [Service::Chat, Service::Chat, Service::Tools, Service::Gateway] {
        apart.kill(service).await;
    }
    for service in [Service::Gateway, Service::Tools, Service::Chat] {
        apart.begin(service).await;
    }
    assert_eq!(apart.chat().decide(&approval, "approve").await.text(), "It is gone too.");
    assert_eq!(apart.airtable.count(&world.id, &table.id).await, rows - 1);
    let kept = apart.chat().get("/api/v1/sessions/s/messages?limit=100").await.ok().text();
    assert!(kept.contains("I am Ada") && kept.contains("It is gone too."), "{kept}");
    assert_eq!(apart.usage("s").await.steps, 6, "every call of the model once");
    assert_eq!(apart.model.refused(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_go_and_come_back_in_the_middle_of_a_turn() {
    let world = World::new(world::seed(), Style::Plain, &Size::SMALL);
    let (postgres, mut redis) = (Postgres::start(), Redis::start());
    let apart = started(&[&world], &postgres, &redis).await;
    let table = &world.tables[1];
    let all = ("aggregate_records", json!({"base": world.id, "table": table.id}));
    let create =
        ("create_records", json!({"base": world.id, "table": table.id, "fields": {table.title(): "new"}}));
    let rows = |apart: &Apart| apart.model.results()[0]["output"]["rows"].as_u64();
    let ask = async |turns: Value| {
        apart.model.script(turns);
        apart.chat().ask("Go").await.text()
    };
    ask(json!([calls([all.clone()]), says("So many.")])).await;
    assert_eq!(rows(&apart), Some(table.rows.len() as u64));

    // It goes while a change is under way: the change is made once, and reads after it are fresh.
    apart.gate.hold_next(Hold::After);
    apart.model.script(json!([calls([create]), calls([all.clone()]), always_says("One more.")]));
    let chat = apart.chat();
    let asking = tokio::spawn(async move { chat.ask("Create one").await });
    apart.gate.until_held().await;
    redis.kill();
    apart.gate.release();
    let said = asking.await.unwrap();
    assert_eq!(said.text(), "One more.");
    assert_eq!(
        rows(&apart),
        Some(table.rows.len() as u64 + 1),
        "what was counted before the write is not served"
    );
    assert_eq!(apart.airtable.count(&world.id, &table.id).await, table.rows.len() + 1);
    // What needs no Redis goes on: the user's word is kept in the database.
    let delete = calls([(
        "delete_records",
        json!({"base": world.id, "table": table.id, "record_ids": [table.rows[0].id]}),
    )]);
    apart.model.script(json!([delete, always_says("Gone.")]));
    let approval = apart.chat().ask_in("s", "Delete it").await.approval();
    assert_eq!(apart.chat().decide(&approval, "approve").await.text(), "Gone.");
    for address in [apart.ports.gateway, apart.ports.mcp, apart.ports.chat] {
        let ready = crate::support::client::Client::new(address, "").get("/ready").await;
        assert_eq!(ready.status, 200, "without Redis it is slower, not down: {}", ready.text());
    }

    redis.restart();
    ask(json!([calls([all]), says("So many.")])).await;
    assert_eq!(rows(&apart), Some(table.rows.len() as u64));
    assert_eq!(apart.model.refused(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_restarted_in_the_middle_of_a_change_loses_and_doubles_nothing() {
    let world = World::new(world::seed(), Style::Plain, &Size::SMALL);
    let (mut postgres, redis) = (Postgres::start(), Redis::start());
    let apart = started(&[&world], &postgres, &redis).await;
    let table = &world.tables[1];
    let create =
        ("create_records", json!({"base": world.id, "table": table.id, "fields": {table.title(): "once"}}));
    apart.model.script(json!([calls([create]), always_says("I looked.")]));
    apart.gate.hold_next(Hold::After);
    let chat = apart.chat();
    let asking = tokio::spawn(async move { chat.ask_in("s", "Create it").await });
    apart.gate.until_held().await;
    postgres.kill();
    apart.gate.release();
    let failed = asking.await.unwrap();
    assert_eq!(failed.answer.status, 503, "{}", failed.answer.text());
    assert_eq!(failed.answer.header("x-should-retry"), "false", "a change was made");
    let refused = apart.chat().ask_in("s", "Hello?").await;
    assert_eq!(refused.failure().0, 503, "nobody is let in on trust");
    let tools = apart.tools().message("tools/list", json!({})).await;
    assert_eq!(tools.status, 503, "{}", tools.text());

    postgres.restart();
    let said = eventually("the database is found again", async || {
        let said = apart.chat().ask_in("s", "Is it there?").await;
        (said.answer.status == 200).then_some(said)
    })
    .await;
    assert!(said.text().ends_with("I looked."), "{}", said.text());
    let records = apart.airtable.records(&world.id, &table.id).await;
    assert_eq!(records.iter().filter(|record| record["fields"][table.title()] == "once").count(), 1);
    let told = apart.model.results()[0].to_string();
    assert!(told.contains("NOT KNOWN") || told.contains("\"created\""), "{told}");
    assert_eq!(apart.model.refused(), Vec::<String>::new());
}
