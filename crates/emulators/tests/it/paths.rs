//! Paths and queries exactly as clients send them.

use serde_json::{Value, json};

use super::support::{BASE, FULL, TestApp};

const OTHERS: &str = "Test%2FTable%202%20(100%25)";

/// A list call whose target has this length.
fn padded(length: usize) -> String {
    let start = format!("/v0/{BASE}/Things?x=");
    format!("{start}{}", "a".repeat(length - start.len()))
}

#[tokio::test]
async fn a_table_is_named_by_id_by_encoded_name_and_in_any_case() {
    let app = TestApp::spawn().await;
    for table in
        ["tblOthers00000002", OTHERS, "test%2ftable%202%20%28100%25%29", "TEST%2FTABLE%202%20(100%25)"]
    {
        let answer = app.get(&format!("/v0/{BASE}/{table}")).await.ok();
        assert_eq!(answer["records"].as_array().unwrap().len(), 3, "{table}");
    }
}

#[tokio::test]
async fn trailing_slashes_and_bare_question_marks_change_nothing() {
    let app = TestApp::spawn().await;
    for target in ["", "/", "?", "/?", "/?limit=100&offset="] {
        let answer = app.get(&format!("/v0/{BASE}/{OTHERS}{target}")).await.ok();
        assert_eq!(answer["records"].as_array().unwrap().len(), 3, "{target}");
    }
    let created = app.post(&format!("/v0/{BASE}/Things/?"), json!({"fields": {"Name": "x"}})).await.ok();
    let id = created["id"].as_str().unwrap();
    app.patch(&format!("/v0/{BASE}/Things/{id}?"), json!({"fields": {"Name": "y"}})).await.ok();
    app.delete(&format!("/v0/{BASE}/Things/?records[]={id}")).await.ok();
}

#[tokio::test]
async fn the_request_log_keeps_targets_byte_for_byte() {
    let app = TestApp::spawn().await;
    let sent = [
        format!("/v0/{BASE}/It's%20a%2Ftable?x='%27+a%2Bb&fields[]=Name&&="),
        format!("/v0/{BASE}/Things/?"),
        format!("/v0/{BASE}/../Things/./%2e%2e/x"),
        format!("/v0/{BASE}/Things?filterByFormula=%7BName%7D%3D%22%C3%A9%22"),
        padded(15_999),
    ];
    for target in &sent {
        app.get(target).await;
    }
    let log = app.raw("GET", "/__emulator/requests", "", b"").await.ok();
    let targets: Vec<_> = log["requests"].as_array().unwrap().iter().map(|entry| &entry["target"]).collect();
    assert_eq!(targets, sent.iter().collect::<Vec<_>>());
    assert!(log["requests"].as_array().unwrap().iter().all(|entry| entry["status"].is_u64()));
}

#[tokio::test]
async fn urls_are_shorter_than_16_000_characters() {
    let app = TestApp::spawn().await;
    app.get(&padded(15_999)).await.ok();
    assert_eq!(app.get(&padded(16_000)).await.status, 414);
}

#[tokio::test]
async fn dot_segments_are_no_way_around() {
    let app = TestApp::spawn().await;
    for path in ["..", ".", "%2e%2e", "..%2fThings", "%5c"] {
        let answer = app.get(&format!("/v0/{BASE}/{path}")).await;
        answer.refused(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND");
    }
    app.get(&format!("/v0/{BASE}/Things/..")).await.is(404, json!({"error": "NOT_FOUND"}));
    app.raw("GET", "/v0/../__emulator/counters", "", b"").await.is(404, json!({"error": "NOT_FOUND"}));
}

#[tokio::test]
async fn every_answer_says_that_it_is_emulated() {
    let app = TestApp::spawn().await;
    let target = format!("/v0/{BASE}/Things");
    let auth = format!("Authorization: Bearer {FULL}\r\n");
    for (method, target, headers) in [
        ("GET", target.as_str(), auth.as_str()),
        ("GET", target.as_str(), ""),
        ("GET", "/v0/nothing", ""),
        ("GET", "/health", ""),
        ("GET", "/", ""),
        ("GET", "/__emulator/counters", ""),
    ] {
        let answer = app.raw(method, target, headers, b"").await;
        assert!(answer.head.contains("x-pyairtable-emulated: true"), "{target}: {}", answer.head);
    }
    let api = app.get(&target).await;
    assert!(api.head.contains("content-type: application/json; charset=utf-8"), "{}", api.head);
}

#[tokio::test]
async fn a_path_of_airtable_that_is_not_built_is_501_and_named() {
    let app = TestApp::spawn().await;
    for (method, path, names) in [("DELETE", format!("/v0/meta/bases/{BASE}"), "delete base")] {
        let message = app.call(method, &path, Some(Value::Null)).await.refused(501, "EMULATOR_NOT_BUILT");
        assert!(message.contains(names), "{message}");
    }
}
