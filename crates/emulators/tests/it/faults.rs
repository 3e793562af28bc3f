//! Faults that are asked for.

use serde_json::{Value, json};

use super::support::{BASE, FULL, TestApp, column};

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
    let bearer = format!("Authorization: Bearer {FULL}\r\n");
    let half = app.try_text("GET", &things, &bearer, b"").await.unwrap();
    assert!(half.starts_with("HTTP/1.1 200 OK") && half.contains("{\"records\":["), "{half}");
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

#[tokio::test]
async fn an_outage_lasts_as_long_as_asked_for_by_the_clock() {
    let app = TestApp::spawn().await;
    app.put("/__emulator/clock", json!({"stopped": true})).await.ok();
    ask(&app, json!({"outages": [{"afterSeconds": 10, "forSeconds": 5, "status": 502}, {"afterSeconds": 15, "forSeconds": 5}]})).await;
    let things = format!("/v0/{BASE}/Things");
    let advance = async |seconds: u32| {
        app.put("/__emulator/clock", json!({"advanceSeconds": seconds})).await.ok();
        app.try_call("GET", &things, None).await.map(|answer| answer.status)
    };
    let seen = [advance(9).await, advance(1).await, advance(5).await, advance(5).await];
    assert_eq!(seen, [Some(200), Some(502), None, Some(200)]);
}

#[tokio::test]
async fn rubbish_stands_in_the_place_of_an_answer_to_what_was_carried_out() {
    let app = TestApp::spawn().await;
    let things = format!("/v0/{BASE}/Things");
    ask(&app, json!({"rubbishPercent": 100, "methods": ["POST"], "requests": 8})).await;
    for number in 0..8 {
        let answer =
            app.try_call("POST", &things, Some(json!({"fields": {"Name": number.to_string()}}))).await;
        assert!(answer.is_none_or(|answer| answer.body.get("id").is_none()));
    }
    assert_eq!(names(&app).await.len(), 8);
    app.create("Things", json!({"Name": "whole again"})).await;
}

#[tokio::test]
async fn an_answer_may_trickle() {
    let app = TestApp::spawn().await;
    let whole = app.get("/v0/meta/whoami").await;
    ask(&app, json!({"slowPercent": 100, "slowBytesPerSecond": 200, "target": "whoami"})).await;
    let started = std::time::Instant::now();
    let slow = app.get("/v0/meta/whoami").await;
    assert_eq!(slow.body, whole.body);
    let least = (whole.body.to_string().len() as u64 - 20) * 1000 / 200;
    assert!(started.elapsed().as_millis() >= u128::from(least));
}

#[tokio::test]
async fn edits_of_a_person_are_made_past_rates_and_faults_and_told_as_such() {
    let mut seed = super::support::seed();
    seed["limits"] = json!({"requestsPerSecondPerBase": 1});
    seed["tokens"][0]["scopes"].as_array_mut().unwrap().push(json!("webhook:manage"));
    let app = TestApp::with_seed(&seed).await;
    let hook = json!({"specification": {"options": {"filters": {"dataTypes": ["tableData"], "fromSources": ["client"]}}}});
    let hook = app.post(&format!("/v0/bases/{BASE}/webhooks"), hook).await.ok();
    ask(&app, json!({"cutBeforePercent": 100})).await;
    let things = format!("/v0/{BASE}/Things");
    let edits = json!({"user": "grace@example.com", "edits": [
        {"method": "POST", "path": things, "body": {"fields": {"Name": "by hand"}}},
        {"method": "PATCH", "path": format!("{things}/rec00000000000404"), "body": {"fields": {}}},
        {"method": "GET", "path": things},
    ]});
    let answers = app.post("/__emulator/edits", edits).await.ok();
    let statuses: Vec<_> =
        answers["answers"].as_array().unwrap().iter().map(|answer| &answer["status"]).collect();
    assert_eq!(statuses, [200, 404, 200]);
    assert_eq!(answers["answers"][2]["body"]["records"][0]["fields"]["Creator"]["id"], "usrGrace000000002");
    ask(&app, json!({})).await;
    app.put("/__emulator/limits", json!({"requestsPerSecondPerBase": null})).await.ok();
    let payloads =
        app.get(&format!("/v0/bases/{BASE}/webhooks/{}/payloads", hook["id"].as_str().unwrap())).await.ok();
    let action = &payloads["payloads"][0]["actionMetadata"];
    assert_eq!(action["source"], "client");
    assert_eq!(action["sourceMetadata"]["user"]["email"], "grace@example.com");
    assert_eq!(app.get("/__emulator/counters").await.ok()["bases"][BASE]["requests"], 2);
    let good = json!({"method": "POST", "path": things, "body": {"fields": {"Name": "not made"}}});
    let half = json!({"edits": [good, {"method": "GET", "path": "http://"}]});
    for bad in
        [json!({"edits": [{"method": "GET"}]}), json!({"user": "nobody", "edits": []}), json!([]), half]
    {
        assert_eq!(app.post("/__emulator/edits", bad.clone()).await.status, 422, "{bad}");
    }
    let made = app.get(&format!("{things}?filterByFormula=%7BName%7D%3D%22not%20made%22")).await.ok();
    assert_eq!(made, json!({"records": []}));
}

#[tokio::test]
async fn a_request_is_counted_when_it_comes_and_not_when_its_latency_is_over() {
    let mut seed = super::support::seed();
    seed["limits"] = json!({"requestsPerSecondPerBase": 1});
    let app = TestApp::with_seed(&seed).await;
    app.put("/__emulator/clock", json!({"stopped": true})).await.ok();
    ask(&app, json!({"latencyMinMs": 300, "latencyMaxMs": 300, "methods": ["GET"]})).await;
    let things = format!("/v0/{BASE}/Things");
    let another = async {
        while app.get("/__emulator/counters").await.ok()["bases"][BASE]["requests"] != 1 {
            tokio::task::yield_now().await;
        }
        app.put("/__emulator/clock", json!({"advanceSeconds": 2})).await.ok();
        app.post(&things, json!({"fields": {}})).await.status
    };
    let (slow, fast) = tokio::join!(app.get(&things), another);
    assert_eq!((slow.status, fast), (200, 200));
}
