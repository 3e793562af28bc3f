//! Our own dialect: the predecessor's routes.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Act, BASE, Gateway, Scripted, TABLE, emulator_json, free_emulator};

fn records() -> String {
    format!("/api/v1/airtable/bases/{BASE}/tables/{TABLE}/records")
}

fn other() -> String {
    format!("/api/v1/airtable/bases/{BASE}/tables/Other/records")
}

#[tokio::test]
async fn bases_and_schema_have_the_predecessors_shapes() {
    let gateway = Gateway::before(free_emulator().await).await;
    let bases = gateway.get("/api/v1/airtable/bases").await;
    assert_eq!(bases.json()[0]["id"], BASE);
    assert_eq!(bases.json()[0]["permissionLevel"], "create");
    assert_eq!(bases.header("x-pyairtable-emulated"), "true");
    assert_eq!(gateway.get("/api/v1/airtable/bases?envelope=true").await.json()["total"], 2);
    let schema = gateway.get(&format!("/api/v1/airtable/bases/{BASE}/schema")).await;
    assert_eq!(schema.json()["total"], 2);
    assert_eq!(schema.json()["tables"][0]["fields"][1]["options"], json!({"precision": 0}));
    let again = gateway
        .get_with(
            &format!("/api/v1/airtable/bases/{BASE}/schema"),
            &[("if-none-match", schema.header("etag"))],
        )
        .await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    let tables = gateway.get(&format!("/api/v1/airtable/bases/{BASE}/tables")).await.json();
    assert_eq!(tables["tables"][0]["recordCount"], Value::Null);
}

#[tokio::test]
async fn a_listing_gives_a_page_or_as_many_records_as_are_asked_for() {
    let upstream = free_emulator().await;
    let gateway = Gateway::before(upstream).await;
    let list = async |query: &str| {
        let answer = gateway.get(&format!("{}?{query}", records())).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}: {answer:?}");
        let json = answer.json();
        (
            json["records"].as_array().unwrap().len(),
            json["hasMore"].clone(),
            json["total"].clone(),
            json["offset"].is_string(),
        )
    };
    assert_eq!(list("").await, (100, json!(true), Value::Null, true));
    assert_eq!(list("page_size=7").await, (7, json!(true), Value::Null, true));
    assert_eq!(list("max_records=120").await, (120, json!(true), Value::Null, true));
    assert_eq!(list("max_records=200").await, (200, json!(true), Value::Null, true));
    // No equal pages, so no offset to go on with: "more" would send old clients back to the first page.
    assert_eq!(list("max_records=115").await, (115, json!(false), Value::Null, false));
    assert_eq!(list("max_records=248").await, (248, json!(false), Value::Null, false));
    assert_eq!(list("max_records=249").await, (249, json!(true), Value::Null, true));
    assert_eq!(list("max_records=250").await, (250, json!(false), json!(250), false));
    assert_eq!(list("max_records=1000").await, (250, json!(false), json!(250), false));
    assert_eq!(list("max_records=3").await, (3, json!(true), Value::Null, true));
    let first = gateway.get(&format!("{}?max_records=120", records())).await.json();
    let offset = first["offset"].as_str().unwrap().replace('/', "%2F");
    let rest = gateway.get(&format!("{}?max_records=200&offset={offset}", records())).await.json();
    assert_eq!(rest["records"].as_array().unwrap().len(), 130);
    assert_eq!((&rest["records"][0]["fields"]["N"], &rest["hasMore"]), (&json!(120), &json!(false)));
    let sorted = gateway.get(&format!("{}?sort=-N&max_records=1&fields=N", records())).await.json();
    assert_eq!(sorted["records"][0]["fields"], json!({"N": 249}));
    let by_body = gateway
        .post(
            &records().replace("/records", "/listRecords"),
            json!({"sort": [{"field": "N", "direction": "desc"}], "max_records": 1, "fields": ["N"]}),
        )
        .await;
    assert_eq!(by_body.json(), sorted);
    let unclear = gateway.send(Method::POST, &format!("{}?typecast=maybe", other()), &[], "[]").await;
    assert_eq!(unclear.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(unclear.json()["detail"].as_str().unwrap().contains("typecast"), "{unclear:?}");
    assert_eq!(
        gateway.get(&format!("{}?page_size=101", records())).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

#[tokio::test]
async fn pages_of_a_listing_follow_each_other() {
    let gateway = Gateway::before(free_emulator().await).await;
    let first = gateway.get(&format!("{}?page_size=100", records())).await.json();
    let offset = first["offset"].as_str().unwrap().replace('/', "%2F");
    let second = gateway.get(&format!("{}?page_size=100&offset={offset}", records())).await.json();
    assert_ne!(first["records"][0]["id"], second["records"][0]["id"]);
    assert_eq!(second["records"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn any_number_of_rows_is_written_in_tens() {
    let upstream = free_emulator().await;
    let gateway = Gateway::before(upstream).await;
    let rows: Vec<Value> = (0..25).map(|n| json!({"Name": format!("row {n}"), "N": n})).collect();
    let created = gateway.post(&other(), json!(rows)).await;
    assert_eq!(created.status, StatusCode::OK, "{created:?}");
    let records = created.json()["records"].as_array().unwrap().clone();
    assert_eq!(records.len(), 25);
    assert_eq!(records[24]["fields"], json!({"Name": "row 24", "N": 24}));
    let envelope = json!({"records": [{"fields": {"N": "7"}}], "typecast": true});
    let created = gateway.post(&other(), envelope).await;
    assert_eq!(
        (created.status, &created.json()["records"][0]["fields"]["N"]),
        (StatusCode::CREATED, &json!(7))
    );

    let ids: Vec<&str> = records.iter().map(|record| record["id"].as_str().unwrap()).collect();
    let changes: Vec<Value> = ids.iter().map(|id| json!({"id": id, "N": 1})).collect();
    let changed = gateway.send(Method::PATCH, &other(), &[], &json!(changes).to_string()).await;
    assert_eq!(changed.json()["records"][24]["fields"], json!({"Name": "row 24", "N": 1}));
    let replaced = gateway
        .send(Method::PUT, &other(), &[], &json!([{"id": ids[0], "fields": {"N": 2}}]).to_string())
        .await;
    assert_eq!(replaced.json()["records"][0]["fields"], json!({"N": 2}));
    let one = gateway.get(&format!("{}/{}", other(), ids[0])).await;
    assert_eq!(one.json()["fields"], json!({"N": 2}));

    let query: Vec<String> = ids.iter().map(|id| format!("record_ids={id}")).collect();
    let deleted = gateway.send(Method::DELETE, &format!("{}?{}", other(), query.join("&")), &[], "").await;
    assert_eq!(deleted.json()["records"].as_array().unwrap().len(), 25, "{deleted:?}");
    assert_eq!(gateway.get(&format!("{}/{}", other(), ids[0])).await.status, StatusCode::NOT_FOUND);
    let log = emulator_json(upstream, "/__emulator/requests").await.to_string();
    assert_eq!(log.matches("\"DELETE\"").count(), 3);
}

#[tokio::test]
async fn an_upsert_matches_by_fields() {
    let gateway = Gateway::before(free_emulator().await).await;
    gateway.post(&other(), json!([{"Name": "a", "N": 1}])).await;
    let rows = json!({
        "records": [{"fields": {"Name": "a", "N": 2}}, {"fields": {"Name": "b", "N": 3}}],
        "performUpsert": {"fieldsToMergeOn": ["Name"]},
    });
    let answer = gateway.send(Method::PATCH, &other(), &[], &rows.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.json()["createdRecords"].as_array().unwrap().len(), 1);
    assert_eq!(answer.json()["updatedRecords"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_written_before_a_failure_is_told() {
    let upstream = Scripted::start(|n, _| match n {
        0 => Act::json(200, r#"{"records":[{"id":"recAAAAAAAAAAAAAA","createdTime":"2026-01-01T00:00:00.000Z","fields":{}}]}"#),
        _ => Act::json(422, r#"{"error":{"type":"UNKNOWN_FIELD_NAME","message":"Unknown field name: \"X\""}}"#),
    })
    .await;
    let gateway = Gateway::before(upstream.address).await;
    let rows: Vec<Value> = (0..21).map(|n| json!({"N": n})).collect();
    let answer = gateway.post(&records(), json!(rows)).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{answer:?}");
    assert_eq!(upstream.seen().len(), 2, "the third ten were not tried");
    let problem = answer.json();
    assert!(problem["detail"].as_str().unwrap().contains("UNKNOWN_FIELD_NAME"), "{problem}");
    assert!(problem["errors"].to_string().contains("recAAAAAAAAAAAAAA"), "{problem}");
}

#[tokio::test]
async fn a_failure_after_rows_were_written_is_no_invitation_to_send_them_again() {
    let quota = r#"{"errors":[{"error":"PUBLIC_API_BILLING_LIMIT_EXCEEDED","message":"API billing plan limit exceeded."}]}"#;
    let upstream = Scripted::start(move |n, _| match n {
        0 => Act::json(200, r#"{"records":[{"id":"recAAAAAAAAAAAAAA","createdTime":"2026-01-01T00:00:00.000Z","fields":{}}]}"#),
        _ => Act::json(429, quota),
    })
    .await;
    let gateway = Gateway::before(upstream.address).await;
    let rows: Vec<Value> = (0..11).map(|n| json!({"N": n})).collect();
    let answer = gateway.post(&records(), json!(rows)).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "clients repeat a 429 by themselves: {answer:?}");
    let problem = answer.json();
    assert_eq!(
        (&problem["code"], &problem["retryable"]),
        (&json!("partly_done"), &json!(false)),
        "{problem}"
    );
    assert_eq!(answer.header("retry-after"), "", "{answer:?}");
}

#[tokio::test]
async fn problems_are_told_as_problem_documents() {
    let gateway = Gateway::before(free_emulator().await).await;
    let cases = [
        (Method::GET, "/api/v1/airtable/nothing".to_owned(), "", 404),
        (Method::GET, format!("/api/v1/airtable/bases/{BASE}/tables/Nope/records"), "", 403),
        (Method::GET, "/api/v1/airtable/bases/appX/schema".into(), "", 404),
        (Method::GET, format!("{}/recZZZZZZZZZZZZZZ", records()), "", 404),
        (Method::POST, records(), "{", 400),
        (Method::POST, records(), r#"{"a":1}"#, 422),
        (Method::PATCH, records(), r#"[{"N":1}]"#, 400),
        (Method::DELETE, records(), "", 422),
        (Method::DELETE, format!("{}?record_ids=x", records()), "", 422),
        (Method::PUT, "/api/v1/airtable/bases".into(), "", 405),
    ];
    for (method, target, body, status) in cases {
        let answer = gateway.send(method.clone(), &target, &[], body).await;
        assert_eq!(answer.status, status, "{method} {target}: {answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{method} {target}");
        assert!(answer.json()["detail"].is_string());
    }
}

#[tokio::test]
async fn forgetting_makes_the_next_read_a_new_one() {
    let gateway = Gateway::before(free_emulator().await).await;
    let target = format!("/v0/{BASE}/{TABLE}");
    for body in [
        json!({"base_id": BASE}),
        json!({"base_id": BASE, "table_id": TABLE}),
        json!({"pattern": format!("airtable:{BASE}:*")}),
        json!({}),
    ] {
        gateway.get(&target).await;
        assert_eq!(gateway.get(&target).await.cache(), "hit");
        let answer = gateway.post("/api/v1/airtable/cache/invalidate", body.clone()).await;
        assert_eq!(
            (answer.status, &answer.json()["status"]),
            (StatusCode::OK, &json!("success")),
            "{answer:?}"
        );
        assert_eq!(gateway.get(&target).await.cache(), "fwd=miss", "{body}");
    }
}

#[tokio::test]
async fn the_gateway_tells_how_it_is_doing() {
    let gateway = Gateway::before(free_emulator().await).await;
    gateway.get(&format!("/v0/{BASE}/{TABLE}")).await;
    gateway.get(&format!("/v0/{BASE}/{TABLE}")).await;
    let stats = gateway.get("/api/v1/airtable/stats").await.json();
    assert_eq!(
        (&stats["reads"], &stats["cache_hits"], &stats["airtable_calls"]),
        (&json!(2), &json!(1), &json!(1))
    );
    let status = gateway.get("/api/v1/airtable/status").await.json();
    assert_eq!((&status["status"], &status["service"]), (&json!("healthy"), &json!("airtable-gateway")));
    for _ in 0..2 {
        let test = gateway.get("/api/v1/airtable/test").await;
        assert_eq!((test.status, &test.json()["status"]), (StatusCode::OK, &json!("success")));
    }
    let stats = gateway.get("/api/v1/airtable/stats").await.json();
    assert_eq!(stats["airtable_calls"], 3, "each test is a call");
    let openapi = gateway.get("/openapi.json").await.json();
    assert!(openapi["paths"]["/api/v1/airtable/bases/{base_id}/tables/{table}/records"]["patch"].is_object());
}
