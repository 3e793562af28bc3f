//! Airtable's dialect in the ordinary course.

use http::{Method, StatusCode};
use serde_json::json;

use crate::support::{BASE, Gateway, TABLE, emulator, emulator_json, free_emulator};

#[tokio::test]
async fn records_are_created_read_changed_and_deleted_as_at_airtable() {
    let gateway = Gateway::before(free_emulator().await).await;
    let table = format!("/v0/{BASE}/Other");
    let created = gateway.post(&table, json!({"fields": {"Name": "a", "N": 1}, "typecast": false})).await;
    assert_eq!(created.status, StatusCode::OK, "{created:?}");
    let id = created.json()["id"].as_str().unwrap().to_owned();
    let one = format!("{table}/{id}");
    assert_eq!(gateway.get(&one).await.json()["fields"], json!({"Name": "a", "N": 1}));
    let changed = gateway.send(Method::PATCH, &one, &[], r#"{"fields":{"N":2}}"#).await;
    assert_eq!(changed.json()["fields"], json!({"Name": "a", "N": 2}));
    assert_eq!(gateway.get(&one).await.json()["fields"]["N"], 2);
    let replaced = gateway.send(Method::PUT, &one, &[], r#"{"fields":{"N":3}}"#).await;
    assert_eq!(replaced.json()["fields"], json!({"N": 3}));
    let gone = gateway.send(Method::DELETE, &format!("{table}?records[]={id}"), &[], "").await;
    assert_eq!(gone.json(), json!({"records": [{"id": id, "deleted": true}]}));
    assert_eq!(gateway.get(&one).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_listing_pages_to_its_end_cold_and_warm() {
    let upstream = free_emulator().await;
    let gateway = Gateway::before(upstream).await;
    for round in ["cold", "warm"] {
        let mut seen = 0;
        let mut offset = String::new();
        for _ in 0..3 {
            let page = gateway.get(&format!("/v0/{BASE}/{TABLE}?pageSize=100&offset={offset}")).await.json();
            seen += page["records"].as_array().unwrap().len();
            offset = page["offset"].as_str().unwrap_or_default().replace('/', "%2F");
        }
        assert_eq!((seen, offset.as_str()), (250, ""), "{round}");
    }
    let log = emulator_json(upstream, "/__emulator/requests").await;
    assert_eq!(log["requests"].as_array().unwrap().len(), 3, "{log}");
}

#[tokio::test]
async fn refusals_of_airtable_pass_unchanged() {
    let upstream = free_emulator().await;
    let gateway = Gateway::before(upstream).await;
    for target in [
        format!("/v0/{BASE}/{TABLE}?pageSize=101"),
        format!("/v0/{BASE}/{TABLE}?filterByFormula=%7BNope%7D"),
        format!("/v0/{BASE}/Nope"),
        format!("/v0/{BASE}/{TABLE}/notarecord"),
        "/v0/appNotABase/x".to_owned(),
        "/v0/meta/nothing".to_owned(),
        format!("/v0/bases/{BASE}/webhooks"),
    ] {
        let through = gateway.get(&target).await;
        let key = format!("Bearer {}", crate::support::TOKEN);
        let direct =
            crate::support::call(upstream, Method::GET, &target, &[("authorization", &key)], "").await;
        assert_eq!((through.status, through.text()), (direct.status, direct.text()), "{target}");
        assert_eq!(through.header("x-pyairtable-emulated"), "true");
        assert_eq!(through.header("content-type"), direct.header("content-type"));
    }
}

#[tokio::test]
async fn a_burst_over_airtables_limit_waits_instead_of_failing() {
    let upstream = emulator(json!({"requestsPerSecondPerBase": 5, "penaltySeconds": 30})).await;
    let gateway = std::sync::Arc::new(Gateway::with(upstream, &[]).await);
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..14 {
        let gateway = gateway.clone();
        calls.spawn(
            async move { gateway.get(&format!("/v0/{BASE}/{TABLE}?maxRecords={}", n + 1)).await.status },
        );
    }
    let started = std::time::Instant::now();
    assert!(calls.join_all().await.into_iter().all(|status| status == StatusCode::OK));
    assert!(started.elapsed().as_secs() >= 2, "fourteen calls take two seconds");
    let counters = emulator_json(upstream, "/__emulator/counters").await.to_string();
    assert!(counters.contains(r#""violations":0"#) && !counters.contains(r#""violations":1"#), "{counters}");
}

#[tokio::test]
async fn who_cannot_wait_long_enough_is_told_when_to_come_back() {
    let upstream = emulator(json!({"requestsPerSecondPerBase": 5})).await;
    let gateway = Gateway::with(upstream, &[]).await;
    for n in 0..5 {
        assert_eq!(gateway.get(&format!("/v0/{BASE}/{TABLE}?maxRecords={}", n + 1)).await.status, 200);
    }
    let hurried = gateway
        .get_with(&format!("/v0/{BASE}/{TABLE}?maxRecords=9"), &[("x-request-deadline-ms", "100")])
        .await;
    assert_eq!(hurried.status, StatusCode::TOO_MANY_REQUESTS, "{hurried:?}");
    assert_eq!(hurried.json()["errors"][0]["error"], "RATE_LIMIT_REACHED");
    assert_eq!(hurried.header("retry-after"), "1");
}

#[tokio::test]
async fn health_and_documentation_need_no_key_and_do_not_ask_airtable() {
    let upstream = free_emulator().await;
    let gateway = Gateway::before(upstream).await;
    for target in ["/health", "/ready", "/metrics", "/openapi.json", "/docs"] {
        let answer = gateway.get_with(target, &[("authorization", "")]).await;
        assert_eq!(answer.status, StatusCode::OK, "{target}");
        assert!(!answer.text().contains(BASE));
    }
    let log = emulator_json(upstream, "/__emulator/requests").await;
    assert_eq!(log["requests"], json!([]));
}
