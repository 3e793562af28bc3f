//! Faults that are asked for.

use serde_json::{Value, json};

use super::support::{BASE, TestApp, column};

async fn ask(app: &TestApp, faults: Value) {
    assert_eq!(app.put("/__emulator/faults", faults).await.status, 200);
}

async fn names(app: &TestApp) -> Vec<Value> {
    column(&app.get(&format!("/v0/{BASE}/Things")).await.ok(), "Name")
}

#[tokio::test]
async fn requests_are_refused_with_nothing_done_until_a_reset() {
    let app = TestApp::spawn().await;
    let things = format!("/v0/{BASE}/Things");
    for (status, kind) in [(500, "SERVER_ERROR"), (502, "RETRIABLE_ERROR"), (503, "RETRIABLE_ERROR")] {
        ask(&app, json!({"refusePercent": 100, "refuseStatus": status})).await;
        app.post(&things, json!({"fields": {"Name": "a"}})).await.refused(status, kind);
    }
    ask(&app, json!({"refusePercent": 100, "refuseStatus": 429})).await;
    assert_eq!(app.get(&things).await.body["errors"][0]["error"], "RATE_LIMIT_REACHED");
    app.post("/__emulator/reset", json!({})).await.ok();
    assert!(names(&app).await.is_empty());
    assert_eq!(app.get("/__emulator/faults").await.ok()["refusePercent"], 0);
}

#[tokio::test]
async fn a_connection_is_cut_before_or_after_the_work_is_done() {
    let app = TestApp::spawn().await;
    let things = format!("/v0/{BASE}/Things");
    for (faults, name) in [
        (json!({"cutBeforePercent": 100}), "before"),
        (json!({"cutAfterPercent": 100}), "after"),
        (json!({"truncatePercent": 100}), "truncated"),
    ] {
        ask(&app, faults).await;
        let answer = app.try_call("POST", &things, Some(json!({"fields": {"Name": name}}))).await;
        assert!(answer.is_none(), "{name}: {answer:?}");
    }
    ask(&app, json!({})).await;
    assert_eq!(names(&app).await, [json!("after"), json!("truncated")]);
}

#[tokio::test]
async fn an_answer_takes_as_long_as_asked_for() {
    let app = TestApp::spawn().await;
    ask(&app, json!({"latencyMinMs": 80, "latencyMaxMs": 90})).await;
    let started = std::time::Instant::now();
    names(&app).await;
    assert!(started.elapsed().as_millis() >= 80);
}

#[tokio::test]
async fn faults_that_make_no_sense_are_refused() {
    let app = TestApp::spawn().await;
    for faults in [
        json!({"refusePercent": 101}),
        json!({"refusePercent": 1, "refuseStatus": 404}),
        json!({"latencyMinMs": 2, "latencyMaxMs": 1}),
        json!({"unheardOf": 1}),
        json!([]),
    ] {
        let answer = app.put("/__emulator/faults", faults.clone()).await;
        assert!((400..500).contains(&answer.status), "{faults}: {answer:?}");
    }
}
