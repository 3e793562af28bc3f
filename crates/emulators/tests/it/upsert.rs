//! `performUpsert`.

use serde_json::{Value, json};

use super::support::{BASE, TestApp, rec};

fn upsert(merge_on: Value, records: Value) -> Value {
    json!({"performUpsert": {"fieldsToMergeOn": merge_on}, "records": records})
}

#[tokio::test]
async fn matching_records_are_updated_and_others_created_in_request_order() {
    let app = TestApp::spawn().await;
    let target = format!("/v0/{BASE}/Things");
    let old = app.create("Things", json!({"Name": "old", "Number": 1, "Notes": "kept"})).await;
    let by_id = app.create("Things", json!({"Name": "by id"})).await;
    let records = json!([
        {"fields": {"Name": "new", "Number": 2}},
        {"fields": {"Name": "old", "Number": 3}},
        {"id": by_id, "fields": {"Number": 4}},
    ]);
    let answer = app.patch(&target, upsert(json!(["Name"]), records)).await.ok();
    let ids: Vec<_> =
        answer["records"].as_array().unwrap().iter().map(|record| record["id"].clone()).collect();
    assert_eq!(ids[1..], [json!(old), json!(by_id)]);
    assert_eq!(answer["createdRecords"], json!([ids[0]]));
    assert_eq!(answer["updatedRecords"], json!([old, by_id]));
    assert_eq!(answer["records"][1]["fields"]["Notes"], "kept");

    let answer = app
        .put(&target, upsert(json!(["fld00000000000001"]), json!([{"fields": {"Name": "old"}}])))
        .await
        .ok();
    assert!(answer["records"][0]["fields"].get("Notes").is_none(), "PUT replaces: {answer}");
    let plain = app.patch(&target, json!({"records": [{"id": old, "fields": {}}]})).await.ok();
    assert!(plain.get("createdRecords").is_none() && plain.get("updatedRecords").is_none());
}

#[tokio::test]
async fn an_empty_key_matches_empty_cells_and_else_creates() {
    let app = TestApp::spawn().await;
    let target = format!("/v0/{BASE}/Things");
    app.create("Things", json!({"Name": "x", "Number": 7})).await;
    let body = upsert(json!(["Name", "Number"]), json!([{"fields": {"Name": null, "Number": 7}}]));
    let first = app.patch(&target, body.clone()).await.ok();
    assert_eq!(first["createdRecords"].as_array().unwrap().len(), 1);
    let second = app.patch(&target, body).await.ok();
    assert_eq!(second["updatedRecords"], first["createdRecords"]);
}

#[tokio::test]
async fn two_matches_a_missing_key_or_an_unknown_id_fail_the_whole_request() {
    let app = TestApp::spawn().await;
    let target = format!("/v0/{BASE}/Things");
    app.create("Things", json!({"Name": "twin"})).await;
    app.create("Things", json!({"Name": "twin"})).await;
    let good = json!({"fields": {"Name": "good"}});
    for bad in [json!({"fields": {"Name": "twin"}}), json!({"fields": {"Number": 1}})] {
        let answer = app.patch(&target, upsert(json!(["Name"]), json!([good, bad]))).await;
        answer.refused(422, "INVALID_REQUEST_UNKNOWN");
    }
    let unknown = json!({"id": rec(9), "fields": {"Name": "x"}});
    app.patch(&target, upsert(json!(["Name"]), json!([good, unknown])))
        .await
        .refused(422, "ROW_DOES_NOT_EXIST");
    assert_eq!(app.get(&target).await.ok()["records"].as_array().unwrap().len(), 2, "nothing was created");
}

#[tokio::test]
async fn merge_fields_are_one_to_three_comparable_ones() {
    let app = TestApp::spawn().await;
    let target = format!("/v0/{BASE}/Things");
    for merge_on in [
        json!([]),
        json!(["Name", "Notes", "Number", "Price"]),
        json!(["Double"]),
        json!(["Others"]),
        json!(["Files"]),
        json!(["Done"]),
        json!("Name"),
        json!([1]),
    ] {
        let body = upsert(merge_on.clone(), json!([{"fields": {"Name": "x"}}]));
        let answer = app.patch(&target, body).await;
        assert!(!answer.refused(422, "INVALID_REQUEST_UNKNOWN").is_empty(), "{merge_on}");
    }
    let body = json!({"performUpsert": {"fieldsToMergeOn": ["Name"]}, "fields": {"Name": "x"}});
    app.patch(&format!("{target}/{}", rec(1)), body).await.refused(422, "INVALID_REQUEST_UNKNOWN");
}

#[tokio::test]
async fn all_documented_kinds_of_keys_are_compared() {
    let app = TestApp::spawn().await;
    let target = format!("/v0/{BASE}/Things");
    for (field, value, typed) in [
        ("Name", json!("a"), json!("a")),
        ("Notes", json!("long\ntext"), json!("long\ntext")),
        ("Number", json!(1.5), json!("1.5")),
        ("Status", json!("Doing"), json!("Doing")),
        ("Tags", json!(["red", "green"]), json!("green, red")),
        ("Day", json!("2024-01-15"), json!("1/15/2024")),
    ] {
        let record = app.create("Things", json!({field: value})).await;
        let mut body = upsert(json!([field]), json!([{"fields": {field: typed, "Email": "found"}}]));
        body["typecast"] = true.into();
        let answer = app.patch(&target, body).await.ok();
        assert_eq!(answer["updatedRecords"], json!([record]), "{field}");
        app.delete(&format!("{target}/{record}")).await.ok();
    }
}

#[tokio::test]
async fn one_request_does_not_create_the_same_key_twice() {
    let app = TestApp::spawn().await;
    let records = json!([{"fields": {"Name": "a", "Number": 1}}, {"fields": {"Name": "a", "Number": 2}}]);
    let answer = app.patch(&format!("/v0/{BASE}/Things"), upsert(json!(["Name"]), records)).await.ok();
    assert_eq!(answer["createdRecords"].as_array().unwrap().len(), 1);
    assert_eq!(answer["records"][0], answer["records"][1]);
    assert_eq!(answer["records"][0]["fields"]["Number"], 2);
}

#[tokio::test]
async fn an_item_meets_the_records_as_the_items_before_it_leave_them() {
    let app = TestApp::spawn().await;
    let id = app.create("Things", json!({"Name": "old", "Number": 1})).await;
    let upsert = |records: Value| {
        let app = &app;
        let body = json!({"performUpsert": {"fieldsToMergeOn": ["Name"]}, "records": records});
        async move { app.patch(&format!("/v0/{BASE}/Things"), body).await.ok() }
    };
    let answer = upsert(json!([
        {"id": id, "fields": {"Name": "new"}},
        {"fields": {"Name": "new", "Number": 2}},
        {"fields": {"Name": "new", "Number": 3}},
    ]))
    .await;
    assert_eq!((&answer["createdRecords"], &answer["updatedRecords"]), (&json!([]), &json!([id])));
    assert_eq!(answer["records"][0]["fields"]["Number"], 3);
    let answer = upsert(json!([{"id": id, "fields": {"Name": "newest"}}, {"fields": {"Name": "new"}}])).await;
    assert_eq!(answer["createdRecords"].as_array().unwrap().len(), 1, "nothing is called so any more");
}
