//! Sessions: what is kept, whose they are, and what happens after a crash.

use std::time::Duration;

use serde_json::{Value, json};
use service_kit::auth::{Bases, Scopes};
use storage::{Lease, SessionStore as _, UsageFilter};

use crate::support::*;

#[tokio::test]
async fn a_session_remembers_what_was_said_also_after_a_restart() {
    let turns = json!([
        {"reply": {"text": "Hello Ada."}},
        {"when": {"turn": 2}, "reply": {"text": "You are Ada."}},
    ]);
    let chat = Orchestrator::start(turns).await;
    let first = chat.ask_in("s1", "I am Ada").await.ok().json();
    assert_eq!(first["session_id"], "s1");
    let chat = chat.again().await;
    assert_eq!(chat.ask_in("s1", "Who am I?").await.ok().text(), "You are Ada.");
    // What went before is sent as it was: the vendor's cache and its signatures depend on it.
    let asked = chat.asked();
    let contents = |index: usize| asked[index]["contents"].as_array().unwrap().clone();
    assert_eq!(contents(1)[0], contents(0)[0]);
    assert!(contents(1)[1]["parts"].to_string().contains("thoughtSignature"));

    let messages = chat.get("/api/v1/sessions/s1/messages").await.ok().json();
    let said: Vec<_> = messages
        .as_array()
        .unwrap()
        .iter()
        .map(|message| (message["role"].as_str().unwrap(), message["content"].as_str().unwrap()))
        .collect();
    assert_eq!(
        said,
        [
            ("user", "I am Ada"),
            ("assistant", "Hello Ada."),
            ("user", "Who am I?"),
            ("assistant", "You are Ada.")
        ]
    );
}

#[tokio::test]
async fn sessions_are_made_listed_read_page_by_page_and_deleted() {
    let chat = Orchestrator::start(json!([{"times": "always", "reply": {"text": "ok"}}])).await;
    let made = chat
        .post("/api/v1/sessions", json!({"user_id": "u1", "metadata": {"project": "x"}}))
        .await
        .ok()
        .json();
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        (&made["user_id"], &made["messages"], &made["metadata"]["project"]),
        (&json!("u1"), &json!([]), &json!("x"))
    );
    for number in 0..3 {
        chat.ask_in(id, &format!("message {number}")).await.ok();
    }
    let page = chat.get(&format!("/api/v1/sessions/{id}/messages?limit=4")).await.ok();
    let texts = |answer: &Answer| {
        answer
            .json()
            .as_array()
            .unwrap()
            .iter()
            .map(|message| message["content"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(texts(&page), ["message 1", "ok", "message 2", "ok"]);
    let before = page.header("x-next-cursor");
    let page = chat.get(&format!("/api/v1/sessions/{id}/messages?limit=4&cursor={before}")).await.ok();
    assert_eq!(
        (texts(&page), page.header("x-next-cursor")),
        (vec!["message 0".to_owned(), "ok".to_owned()], "")
    );

    for _ in 0..3 {
        chat.post("/api/v1/sessions", json!({"user_id": "u2"})).await.ok();
    }
    let listed = async |path: &str| chat.get(path).await.ok();
    assert_eq!(listed("/api/v1/users/u1/sessions").await.json().as_array().unwrap().len(), 1);
    let first = listed("/api/v1/users/u2/sessions?limit=2").await;
    let rest =
        listed(&format!("/api/v1/users/u2/sessions?limit=2&cursor={}", first.header("x-next-cursor"))).await;
    assert_eq!((first.json().as_array().unwrap().len(), rest.json().as_array().unwrap().len()), (2, 1));
    assert_eq!(listed("/api/v1/sessions").await.json().as_array().unwrap().len(), 4);

    let deleted =
        chat.send(http::Method::DELETE, &format!("/api/v1/sessions/{id}"), &[], None).await.ok().json();
    assert_eq!(deleted["status"], "success");
    assert_eq!(chat.get(&format!("/api/v1/sessions/{id}")).await.status, 404);
    assert_eq!(chat.get("/api/v1/sessions/x/messages?limit=0").await.status, 422);
}

#[tokio::test]
async fn a_conversation_that_was_brought_along_is_read_page_by_page_too() {
    let chat = Orchestrator::start(json!([says("5")])).await;
    let messages: Vec<_> = (0..5)
        .map(|number| {
            let role = if number % 2 == 0 { "user" } else { "assistant" };
            json!({"role": role, "content": number.to_string()})
        })
        .collect();
    chat.chat(json!({"session_id": "s1", "messages": messages})).await.ok();
    let mut read = Vec::new();
    let mut cursor = String::new();
    for _ in 0..3 {
        let page = chat.get(&format!("/api/v1/sessions/s1/messages?limit=2{cursor}")).await.ok();
        let texts =
            page.json().as_array().unwrap().iter().map(|message| message["content"].clone()).collect();
        read = [texts, read].concat();
        cursor = format!("&cursor={}", page.header("x-next-cursor"));
    }
    assert_eq!((json!(read), cursor.as_str()), (json!(["0", "1", "2", "3", "4", "5"]), "&cursor="));
}

#[tokio::test]
async fn a_session_that_is_deleted_ends_its_run_with_a_word_about_it() {
    let slow = json!({"reply": {"text": "Hi.", "delay_ms": 300}});
    let chat = Orchestrator::start(json!([slow, says("New.")])).await;
    let asks = chat.ask_in("s1", "Go");
    let deletes = async {
        let is_asked = async || chat.asked().len() == 1;
        eventually("the model is asked", is_asked).await;
        let delete =
            async || chat.send(http::Method::DELETE, "/api/v1/sessions/s1", &[], None).await.status == 200;
        eventually("it is deleted", delete).await;
    };
    let (answer, ()) = tokio::join!(asks, deletes);
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]["code"], answer.header("x-should-retry")),
        (409, &json!("session_deleted"), "false")
    );
    assert_eq!(chat.ask_in("s1", "Go").await.ok().text(), "New.");
}

#[tokio::test]
async fn others_sessions_are_as_good_as_not_there() {
    let chat = Orchestrator::start(json!([{"times": "always", "reply": {"text": "ok"}}])).await;
    chat.ask_in("mine", "secret").await.ok();
    let other = chat.mint(Scopes::ALL, Bases::All).await;
    let headers = [("authorization", &*format!("Bearer {other}"))];
    for (method, path) in [
        (http::Method::GET, "/api/v1/sessions/mine"),
        (http::Method::DELETE, "/api/v1/sessions/mine"),
        (http::Method::GET, "/api/v1/sessions/mine/messages"),
    ] {
        assert_eq!(chat.send(method, path, &headers, None).await.status, 404, "{path}");
    }
    let body = json!({"session_id": "mine", "messages": [{"role": "user", "content": "x"}]});
    assert_eq!(chat.send(http::Method::POST, CHAT, &headers, Some(body)).await.status, 404);
    let list = chat.send(http::Method::GET, "/api/v1/sessions", &headers, None).await.ok().json();
    assert_eq!(list, json!([]));
    chat.ask_in("mine", "still here").await.ok();
}

#[tokio::test]
async fn a_session_that_must_be_there_is_not_made() {
    let chat = Orchestrator::start(json!([says("x")])).await;
    let body =
        json!({"session_id": "nope", "session_strict": true, "messages": [{"role": "user", "content": "x"}]});
    let answer = chat.chat(body).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["error"]["code"].clone()),
        (404, json!("session_not_found"))
    );
}

#[tokio::test]
async fn two_messages_at_once_are_one_run_and_one_refusal() {
    let chat = Orchestrator::start(json!([calls(json!([{"name": "slow_list"}])), says("Done.")])).await;
    let refusing = async {
        eventually("the first is under way", async || chat.tools.names() == ["slow_list"]).await;
        let refused = chat.ask_in("s1", "two").await;
        chat.tools.go_on();
        refused
    };
    let (first, refused) = tokio::join!(chat.ask_in("s1", "one"), refusing);
    assert_eq!(first.ok().text(), "Done.");
    assert_eq!((refused.status.as_u16(), refused.header("x-should-retry")), (409, "false"));
    assert_eq!(refused.json()["error"]["code"], "session_busy");
}

/// What a killed process leaves: the call is noted as sent, there is no result, and the lease is still there.
async fn crashed(chat: &Orchestrator, session: &str) {
    let store = chat.store().await;
    let events = store.events(session, 0, 100).await.unwrap();
    // Without the question and everything after it: as if the process had died while the tool ran.
    let started = events.iter().position(|event| event.kind == "tool_started").unwrap();
    let kept: Vec<_> = events[..=started]
        .iter()
        .map(|event| storage::NewEvent { kind: event.kind.clone(), body: event.body.clone() })
        .collect();
    let record = store.find(session).await.unwrap().unwrap();
    store.delete(session).await.unwrap();
    store.create(&record).await.unwrap();
    store.append(session, 0, &kept, &[]).await.unwrap();
    let dead = format!("{}/1/x", dead_process());
    assert_eq!(store.lease(session, &dead, Duration::from_secs(10)).await.unwrap(), Lease::Held);
}

/// The name of a process of this machine that has ended.
fn dead_process() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let space = std::fs::read_link("/proc/self/ns/pid").unwrap();
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let process = child.id();
    child.wait().unwrap();
    format!("{}/{}/{process}", boot.trim(), space.display())
}

#[tokio::test]
async fn after_a_crash_the_next_message_goes_on_at_once_and_repeats_nothing() {
    let turns = json!([
        {"reply": {"calls": [{"name": "update_records", "args": {"n": 1}}], "usage": {"prompt": 100, "candidates": 10}}},
        {"times": "always", "reply": {"text": "I looked."}},
    ]);
    let chat = Orchestrator::start(turns).await;
    chat.ask_in("s1", "Update it").await.ok();
    assert_eq!(chat.tools.changes(), 1);
    crashed(&chat, "s1").await;
    let totals = async |chat: &Orchestrator| {
        let filter = UsageFilter { session: Some("s1".to_owned()), ..UsageFilter::default() };
        chat.store().await.usage(&filter).await.unwrap()
    };
    let before = totals(&chat).await;

    let chat = chat.again().await;
    let started = std::time::Instant::now();
    let answer = chat.ask_in("s1", "Well?").await.ok();
    assert!(started.elapsed() < Duration::from_secs(3), "the dead process's lease is not waited for");
    assert!(
        answer.text().contains("update_records was interrupted") && answer.text().ends_with("I looked."),
        "{}",
        answer.text()
    );
    assert_eq!(chat.tools.changes(), 1, "not repeated");
    assert!(chat.results()[0]["error"].to_string().contains("NOT KNOWN"));
    let after = totals(&chat).await;
    assert_eq!((after.steps, before.steps), (3, 2), "what was counted stays, and is counted once");
}

#[tokio::test]
async fn a_lease_of_another_machine_is_waited_out() {
    let chat = Orchestrator::start(json!([{"times": "always", "reply": {"text": "ok"}}])).await;
    chat.ask_in("s1", "one").await.ok();
    let store = chat.store().await;
    store.lease("s1", "elsewhere/x/1/1/x", Duration::from_millis(600)).await.unwrap();
    let started = std::time::Instant::now();
    chat.ask_in("s1", "two").await.ok();
    assert!(started.elapsed() >= Duration::from_millis(500));
}

#[tokio::test]
async fn a_client_that_edits_its_conversation_is_believed() {
    let chat = Orchestrator::start(
        json!([says("one"), says("two"), {"when": {"turn": 2}, "reply": {"text": "edited"}}]),
    )
    .await;
    chat.ask_in("s1", "first").await.ok();
    chat.ask_in("s1", "second").await.ok();
    let messages: Value = json!([
        {"role": "user", "content": "first"}, {"role": "assistant", "content": "one"}, {"role": "user", "content": "another second"},
    ]);
    let answer = chat.chat(json!({"session_id": "s1", "messages": messages})).await.ok();
    assert_eq!(answer.text(), "edited");
    let kept = chat.get("/api/v1/sessions/s1/messages").await.ok().json();
    assert_eq!(kept.as_array().unwrap().len(), 4, "{kept}");
}
