//! Creating, reading, updating and deleting.

use serde_json::json;

use super::support::{BASE, TestApp, column, id, rec};

#[tokio::test]
async fn a_created_record_is_answered_whole_and_can_be_read() {
    let app = TestApp::spawn().await;
    let target = format!("/v0/{BASE}/Things");
    let body = json!({"fields": {"Name": "one", "fld00000000000004": 1}, "typecast": false, "returnFieldsByFieldId": false});
    let created = app.post(&target, body).await.ok();
    assert_eq!((&created["fields"]["Name"], &created["fields"]["Number"]), (&json!("one"), &json!(1)));
    let (record, time) = (created["id"].as_str().unwrap(), created["createdTime"].as_str().unwrap());
    assert!(record.starts_with("rec") && record.len() == 17, "{record}");
    assert!(time.len() == 24 && time.ends_with(".000Z"), "{time}");
    assert_eq!(app.get(&format!("{target}/{record}")).await.ok(), created);
    let by_id = app.get(&format!("{target}/{record}?returnFieldsByFieldId=true")).await.ok();
    assert_eq!(by_id["fields"]["fld00000000000001"], "one");
    assert!(by_id["fields"].get("Name").is_none());
}

#[tokio::test]
async fn batches_answer_in_the_order_of_the_request() {
    let app = TestApp::spawn().await;
    let target = format!("/v0/{BASE}/Things");
    let records: Vec<_> = (0..10).map(|n| json!({"fields": {"Number": n}})).collect();
    let created = app.post(&target, json!({"records": records, "returnFieldsByFieldId": true})).await.ok();
    assert_eq!(column(&created, "fld00000000000004"), (0..10).map(|n| json!(n)).collect::<Vec<_>>());
    let ids: Vec<_> =
        created["records"].as_array().unwrap().iter().map(|record| record["id"].as_str().unwrap()).collect();
    let updates: Vec<_> =
        ids.iter().rev().map(|id| json!({"id": id, "fields": {"Name": id}, "extra": 1})).collect();
    let updated = app.patch(&target, json!({"records": updates})).await.ok();
    assert_eq!(column(&updated, "Name"), ids.iter().rev().map(|id| json!(id)).collect::<Vec<_>>());
    let query: String = ids.iter().take(3).map(|id| format!("records%5B%5D={id}&")).collect();
    let deleted = app.delete(&format!("{target}?{query}")).await.ok();
    let expected: Vec<_> = ids.iter().take(3).map(|id| json!({"id": id, "deleted": true})).collect();
    assert_eq!(deleted, json!({"records": expected}));
    assert_eq!(app.get(&target).await.ok()["records"].as_array().unwrap().len(), 7);
}

#[tokio::test]
async fn empty_records_can_be_created() {
    let app = TestApp::spawn().await;
    let created =
        app.post(&format!("/v0/{BASE}/tblOthers00000002"), json!({"fields": {"Name": null}})).await.ok();
    assert_eq!(created["fields"], json!({}));
}

#[tokio::test]
async fn patch_changes_what_is_named_and_put_clears_the_rest() {
    let app = TestApp::spawn().await;
    let record =
        app.create("Things", json!({"Name": "x", "Number": 1, "Tags": ["red"], "Others": [rec(1001)]})).await;
    let target = format!("/v0/{BASE}/Things/{record}");
    let patched = app.patch(&target, json!({"fields": {"Number": 2, "Tags": ["green"]}})).await.ok();
    assert_eq!(
        (&patched["fields"]["Name"], &patched["fields"]["Tags"]),
        (&json!("x"), &json!(["green"])),
        "lists are replaced"
    );
    let put = app.put(&target, json!({"fields": {"Name": "y"}})).await.ok();
    assert_eq!(put["fields"]["Name"], "y");
    for cleared in ["Number", "Tags", "Others", "Other names"] {
        assert!(put["fields"].get(cleared).is_none(), "{cleared}");
    }
    assert_eq!(put["fields"]["Auto"], 1, "computed fields stay");
    assert!(app.cells("tblOthers00000002", &rec(1001)).await.get("Things").is_none(), "the other side too");
    let batch =
        app.put(&format!("/v0/{BASE}/Things"), json!({"records": [{"id": record, "fields": {}}]})).await.ok();
    assert!(batch["records"][0]["fields"].get("Name").is_none());
}

#[tokio::test]
async fn a_deleted_record_is_gone() {
    let app = TestApp::spawn().await;
    let record = app.create("Things", json!({"Name": "x"})).await;
    let target = format!("/v0/{BASE}/Things/{record}");
    app.delete(&target).await.is(200, json!({"id": record, "deleted": true}));
    app.get(&target).await.refused(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND");
    app.delete(&target).await.refused(404, "MODEL_ID_NOT_FOUND");
}

#[tokio::test]
async fn a_record_of_another_table_is_found_in_the_whole_base() {
    let app = TestApp::spawn().await;
    let found = app.get(&format!("/v0/{BASE}/Things/{}", rec(1001))).await.ok();
    assert_eq!(found["fields"]["Name"], "Other 1");
    let write =
        app.patch(&format!("/v0/{BASE}/Things/{}", rec(1001)), json!({"fields": {"Name": "x"}})).await;
    write.refused(404, "MODEL_ID_NOT_FOUND");
}

#[tokio::test]
async fn fields_may_be_named_by_id_and_by_name_in_one_request() {
    let app = TestApp::spawn().await;
    let record =
        app.create("Things", json!({"Number": 1, "fld00000000000001": "by id", (id("fld", 9)): true})).await;
    let cells = app.cells("Things", &record).await;
    assert_eq!(
        (&cells["Name"], &cells["Number"], &cells["Done"]),
        (&json!("by id"), &json!(1), &json!(true))
    );
}
