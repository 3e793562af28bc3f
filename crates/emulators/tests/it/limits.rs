//! Limits over HTTP, and the emulator's own API.

use serde_json::{Value, json};

use super::support::{BASE, FULL, TestApp, seed};

async fn with_limits(limits: Value) -> TestApp {
    let mut seed = seed();
    seed["limits"] = limits;
    TestApp::with_seed(&seed).await
}

#[tokio::test]
async fn the_sixth_request_of_a_second_is_refused_in_the_plural_form() {
    let app = with_limits(json!({})).await;
    let target = format!("/v0/{BASE}/Things");
    for _ in 0..5 {
        app.get(&target).await.ok();
    }
    let refused = app.get(&target).await;
    assert!(!refused.head.contains("retry-after"), "Airtable documents none");
    refused.is(429, json!({"errors": [{"error": "RATE_LIMIT_REACHED", "message": "Rate limit exceeded. Please try again later"}]}));
    app.get(&target).await.is(429, app.get(&target).await.body);
    app.get("/v0/appRead0000000002/Notes").await.ok();
    app.get("/v0/meta/bases").await.ok();
    let counters = app.raw("GET", "/__emulator/counters", "", b"").await.ok();
    let base = &counters["bases"][BASE];
    assert_eq!(
        (&base["requests"], &base["violations"], &base["refused"]),
        (&json!(8), &json!(1), &json!(3)),
        "{counters}"
    );
    assert_eq!(counters["users"]["usrAda00000000001"]["requests"], 10);

    app.raw("POST", "/__emulator/reset", "", b"").await.ok();
    app.get(&target).await.ok();
    let counters = app.raw("GET", "/__emulator/counters", "", b"").await.ok();
    assert_eq!(counters["bases"][BASE]["violations"], 0);
}

#[tokio::test]
async fn the_token_is_looked_at_before_the_limit_and_the_limit_before_the_parameters() {
    let app = with_limits(json!({"requestsPerSecondPerBase": 1})).await;
    let target = format!("/v0/{BASE}/Things?pageSize=0");
    app.get(&target).await.refused(422, "INVALID_REQUEST_UNKNOWN");
    assert_eq!(app.get(&target).await.status, 429);
    assert_eq!(app.raw("GET", &target, "", b"").await.status, 401);
    assert_eq!(app.get("/v0/nothing").await.status, 404);
}

#[tokio::test]
async fn users_have_a_limit_over_all_bases() {
    let app =
        with_limits(json!({"requestsPerSecondPerUser": 2, "retryAfterHeader": true, "penaltySeconds": 7}))
            .await;
    app.get("/v0/meta/whoami").await.ok();
    app.get(&format!("/v0/{BASE}/Things")).await.ok();
    let refused = app.get("/v0/meta/bases").await;
    assert_eq!(refused.status, 429);
    assert!(refused.head.contains("retry-after: 7"), "{}", refused.head);
    app.call_as("patSchemaOnly", "GET", "/v0/meta/whoami", None).await.ok();
}

#[tokio::test]
async fn limits_are_changed_at_run_time() {
    let app = with_limits(json!({})).await;
    let change = |body: Value| {
        let app = &app;
        async move { app.raw("PUT", "/__emulator/limits", "", body.to_string().as_bytes()).await }
    };
    let limits = change(json!({"requestsPerSecondPerBase": null, "penaltySeconds": 1})).await.ok();
    assert_eq!(
        [&limits["requestsPerSecondPerBase"], &limits["requestsPerSecondPerUser"], &limits["penaltySeconds"]],
        [&Value::Null, &json!(50), &json!(1)]
    );
    for _ in 0..20 {
        app.get(&format!("/v0/{BASE}/Things")).await.ok();
    }
    for bad in [
        json!({"requestsPerSecondPerBase": 0}),
        json!({"nonsense": 1}),
        json!({"penaltySeconds": -1}),
        json!({"penaltySeconds": 1e18}),
        json!([]),
    ] {
        assert_eq!(change(bad.clone()).await.status, 422, "{bad}");
    }
    assert_eq!(app.raw("GET", "/__emulator/limits", "", b"").await.ok(), limits);
    let limits = change(json!({"penaltySeconds": null, "requestsPerSecondPerBase": 1})).await.ok();
    assert_eq!(limits["penaltySeconds"], 0, "null is none, as in a seed");
}

#[tokio::test]
async fn reset_gives_the_bases_back_when_asked() {
    let app = TestApp::spawn().await;
    app.create("Things", json!({"Name": "x", "Others": ["rec00000000001001"]})).await;
    app.delete(&format!("/v0/{BASE}/tblOthers00000002/rec00000000001002")).await.ok();
    app.raw("POST", "/__emulator/reset", "", b"{}").await.ok();
    assert_eq!(app.get(&format!("/v0/{BASE}/Things")).await.ok()["records"].as_array().unwrap().len(), 1);
    app.raw("POST", "/__emulator/reset", "", b"{\"data\":true}").await.ok();
    assert_eq!(app.get(&format!("/v0/{BASE}/Things")).await.ok()["records"].as_array().unwrap().len(), 0);
    let others = app.get(&format!("/v0/{BASE}/tblOthers00000002")).await.ok();
    assert_eq!(others["records"].as_array().unwrap().len(), 3);
    assert!(!others.to_string().contains("Things"), "no link is left: {others}");
    let log = app.raw("GET", "/__emulator/requests?since=0", "", b"").await.ok();
    assert_eq!(log["requests"][0]["sequence"], 1, "the log begins anew");
}

#[tokio::test]
async fn a_token_is_not_needed_for_the_emulators_own_api_and_does_not_appear_in_it() {
    let app = TestApp::spawn().await;
    app.get(&format!("/v0/{BASE}/Things")).await.ok();
    let log = app.raw("GET", "/__emulator/requests", "", b"").await.ok();
    assert!(!log.to_string().contains(FULL));
    assert_eq!(app.raw("GET", "/__emulator/nothing", "", b"").await.status, 404);
    assert_eq!(app.raw("DELETE", "/__emulator/counters", "", b"").await.status, 405);
}

#[tokio::test]
async fn a_workspace_whose_month_is_used_up_gets_no_records_until_the_month_ends() {
    let mut seed = seed();
    seed["limits"]["monthlyRequestsPerWorkspace"] = json!(2);
    let app = TestApp::with_seed(&seed).await;
    app.put("/__emulator/clock", json!({"time": "2026-02-27T23:00:00Z", "stopped": true})).await.ok();
    let things = format!("/v0/{BASE}/Things");
    app.get(&things).await.ok();
    app.get(&things).await.ok();
    let refused = app.get(&things).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.body["errors"][0]["error"], "PUBLIC_API_BILLING_LIMIT_EXCEEDED");
    app.get(&format!("/v0/meta/bases/{BASE}/tables")).await.ok();
    app.put("/__emulator/clock", json!({"advanceSeconds": 2 * 24 * 3600})).await.ok();
    app.get(&things).await.ok();
    app.put("/__emulator/limits", json!({"monthlyBehaviour": "throttle", "penaltySeconds": 0})).await.ok();
    let statuses =
        [app.get(&things).await, app.get(&things).await, app.get(&things).await, app.get(&things).await];
    assert_eq!(statuses.map(|answer| answer.status), [200, 200, 200, 429]);
}

#[tokio::test]
async fn sizes_are_what_the_limits_say() {
    let app = TestApp::spawn().await;
    let limits =
        json!({"maxPageSize": 2, "maxRecordsPerRequest": 1, "maxUrlLength": 100, "maxBodyBytes": 300});
    app.put("/__emulator/limits", limits).await.ok();
    let others = format!("/v0/{BASE}/tblOthers00000002");
    let page = app.get(&others).await.ok();
    assert_eq!((page["records"].as_array().unwrap().len(), page["offset"].is_string()), (2, true));
    app.get(&format!("{others}?pageSize=3")).await.refused(422, "INVALID_REQUEST_UNKNOWN");
    let two = json!({"records": [{"fields": {}}, {"fields": {}}]});
    let message = app.post(&others, two).await.refused(422, "INVALID_RECORDS");
    assert!(message.contains("A maximum of 1 records"), "{message}");
    app.get(&format!("{others}?view={}", "x".repeat(100))).await.refused(414, "URL_TOO_LONG");
    let long = json!({"fields": {"Name": "x".repeat(300)}});
    app.post(&others, long).await.refused(413, "REQUEST_TOO_LARGE");
}

#[tokio::test]
async fn a_listing_that_waits_longer_than_its_offset_lives_is_over() {
    let app = TestApp::spawn().await;
    let others = format!("/v0/{BASE}/tblOthers00000002?pageSize=1");
    let next =
        |page: &Value| format!("{others}&offset={}", page["offset"].as_str().unwrap().replace('/', "%2F"));
    let first = app.get(&others).await.ok();
    app.put("/__emulator/clock", json!({"advanceSeconds": 599})).await.ok();
    let second = app.get(&next(&first)).await.ok();
    app.put("/__emulator/clock", json!({"advanceSeconds": 601})).await.ok();
    app.get(&next(&second)).await.refused(422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE");
}
