//! Scripts and faults over the wire, and what the log says of them.

use emulators::gemini::Fate;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use super::support::{KEY, MODEL, TestApp, says, text_of};

#[tokio::test]
async fn a_script_is_played_and_ends_with_an_error_that_says_so() {
    let app = TestApp::script(json!({"turns": [{"reply": {"text": "one"}}]})).await;
    assert_eq!(text_of([&app.generate(&says("x")).await.ok()]), "one");
    let over = app.generate(&says("x")).await.refused(400, "FAILED_PRECONDITION");
    assert_eq!(over, "the emulator's script has run out; the user said \"x\"");
    let state = app.get("/__emulator/script").await.ok();
    assert_eq!(
        (&state["mode"], &state["used_up"], &state["turns"][0]["used"]),
        (&json!("script"), &json!(true), &json!(1))
    );
}

#[tokio::test]
async fn replies_have_thoughts_calls_and_usage_as_written() {
    let app = TestApp::script(json!({"turns": [{"reply": {
        "thoughts": ["Hm. ", "Yes."], "text": ["Let me ", "look."],
        "calls": [{"name": "f", "args": {"a": 1}, "id": "x1"}, {"name": "g", "id": null}],
        "usage": {"prompt": 100, "cached": 40, "candidates": 7, "thoughts": 5},
    }}]}))
    .await;
    let mut body = says("x");
    body["generationConfig"] = json!({"thinkingConfig": {"includeThoughts": true}});
    let events = app.stream(&body).await.events();
    let texts: Vec<&Value> =
        events[..4].iter().map(|event| &event["candidates"][0]["content"]["parts"][0]["text"]).collect();
    assert_eq!(texts, ["Hm. ", "Yes.", "Let me ", "look."]);
    let calls = &events[4]["candidates"][0]["content"]["parts"];
    assert_eq!(calls[0]["functionCall"], json!({"id": "x1", "name": "f", "args": {"a": 1}}));
    assert_eq!(calls[1]["functionCall"], json!({"name": "g", "args": {}}));
    let usage = &events[4]["usageMetadata"];
    assert_eq!((&usage["totalTokenCount"], &usage["cachedContentTokenCount"]), (&json!(112), &json!(40)));
    assert_eq!(events[0]["usageMetadata"]["promptTokenCount"], 100, "usage is in every chunk");
}

#[tokio::test]
async fn answers_break_where_the_script_says() {
    let app = TestApp::script(json!({"turns": [
        {"reply": {"text": ["one ", "zwölf"], "cut": {"after_chunks": 1, "how": "inside_chunk"}}},
        {"reply": {"text": ["one ", "zwölf"], "cut": {"after_chunks": 1, "how": "body"}}},
        {"reply": {"text": ["one ", "zwölf"], "stream_error": {"code": 500}}},
        {"reply": {"text": ["zwölf"], "split_bytes": 1}},
        {"reply": {"text": ["a"], "signature": "empty_part"}},
    ]}))
    .await;
    let cut = app.stream(&says("x")).await;
    assert!(!cut.complete && cut.text.ends_with("zw\u{fffd}"), "{}", cut.text);
    let ended = app.stream(&says("x")).await;
    assert!(ended.complete && ended.events().len() == 1);
    assert_eq!(app.stream(&says("x")).await.events()[1]["error"]["code"], 500);
    assert_eq!(text_of(&app.stream(&says("x")).await.events()), "zwölf");
    let events = app.stream(&says("x")).await.events();
    let last = &events[1]["candidates"][0]["content"]["parts"][0];
    assert_eq!(last["text"], "");
    assert!(last["thoughtSignature"].is_string());
}

#[tokio::test]
async fn a_client_that_leaves_is_seen_in_the_log() {
    let app = TestApp::script(json!({"turns": [
        {"when": {"user": "before"}, "reply": {"text": "x", "hang": {"after_chunks": 0, "ms": 600_000}}},
        {"when": {"user": "middle"}, "reply": {"text": ["x", "y"], "hang": {"after_chunks": 1, "ms": 600_000}}},
    ]}))
    .await;
    let headers = format!("x-goog-api-key: {KEY}\r\n");
    let target = format!("/v1/models/{MODEL}:streamGenerateContent?alt=sse");
    let left = app.send("POST", &target, &headers, says("before").to_string().as_bytes()).await;
    app.logged(|entry| entry.sequence == 1 && !entry.body.is_empty() && entry.fate == Fate::Open).await;
    drop(left);
    let entry = app.logged(|entry| entry.sequence == 1 && entry.fate != Fate::Open).await;
    assert_eq!((entry.fate, entry.status), (Fate::Cancelled, None));

    let mut left = app.send("POST", &target, &headers, says("middle").to_string().as_bytes()).await;
    let mut byte = [0];
    left.read_exact(&mut byte).await.unwrap();
    drop(left);
    let entry = app.logged(|entry| entry.sequence == 2 && entry.fate != Fate::Open).await;
    assert_eq!((entry.fate, entry.status), (Fate::Cancelled, Some(200)));
}

#[tokio::test]
async fn faults_scripts_and_settings_are_set_while_it_runs() {
    let app = TestApp::echo().await;
    let put = async |path: &str, body: Value| app.call("PUT", path, body.to_string().as_bytes()).await;
    let faults = json!({"turns": [{"times": 2, "reply": {"error": {"code": 503}}}]});
    assert_eq!(put("/__emulator/faults", faults).await.status, 200);
    assert_eq!(app.generate(&says("x")).await.status, 503);
    assert_eq!(app.generate(&says("x")).await.status, 503);
    assert_eq!(app.generate(&says("x")).await.status, 200);
    let refused = put("/__emulator/script", json!({"turns": [{"reply": 5}]})).await;
    assert_eq!(
        (refused.status, &refused.json()["errors"][0]["pointer"]),
        (422, &json!("turns[0].reply")),
        "{}",
        refused.text
    );
    assert_eq!(
        put("/__emulator/script", json!({"turns": [{"reply": {"text": "scripted"}}]})).await.status,
        200
    );
    assert_eq!(text_of([&app.generate(&says("x")).await.ok()]), "scripted");
    assert_eq!(app.call("DELETE", "/__emulator/script", b"").await.ok()["mode"], "echo");
    assert_eq!(
        put("/__emulator/settings", json!({"requests_per_minute": 1})).await.ok()["requests_per_minute"],
        1
    );
    assert_eq!(app.generate(&says("x")).await.status, 200);
    let limited = app.generate(&says("x")).await;
    limited.refused(429, "RESOURCE_EXHAUSTED");
    assert_eq!(limited.json()["error"]["details"][0]["violations"][0]["quotaValue"], "1");
    assert_eq!(put("/__emulator/settings", json!({"latency": 1})).await.status, 422);

    let counters = app.get("/__emulator/counters").await.ok();
    assert_eq!(counters["statuses"], json!({"200": 3, "429": 1, "503": 2}));
    assert_eq!(app.call("POST", "/__emulator/reset", b"").await.ok(), json!({"reset": true}));
    assert_eq!(app.generate(&says("x")).await.status, 200);
    let log = app.get("/__emulator/requests").await.ok();
    assert_eq!(log["requests"].as_array().unwrap().len(), 1);
    assert_eq!(log["requests"][0]["body"], says("x").to_string());
    assert_eq!(log["requests"][0]["headers"]["x-goog-api-key"], "***");
}
