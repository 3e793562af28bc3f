//! CSV data from a source.

use serde_json::{Value, json};

use super::support::{Answer, BASE, TestApp, column, seed};

const SYNC: &str = "/v0/appTest0000000001/Stock/sync/feed1";

async fn stock() -> TestApp {
    let mut seed = seed();
    let stock = json!({
        "name": "Stock",
        "fields": [
            {"name": "Item", "type": "singleLineText"},
            {"name": "Count", "type": "number", "options": {"precision": 0}},
            {"name": "Kind", "type": "singleSelect", "options": {"choices": [{"name": "tool"}]}},
            {"name": "Twice", "type": "formula", "options": {"formula": "Count * 2"}},
        ],
        "syncs": [{"id": "feed1"}, {"id": "feed2", "keyFieldId": "Item", "deletesMissing": false}],
        "records": [{"fields": {"Item": "hammer", "Count": 1}}, {"fields": {"Item": "gone", "Count": 9}}],
    });
    seed["bases"][0]["tables"].as_array_mut().unwrap().push(stock);
    seed["tokens"][0]["scopes"].as_array_mut().unwrap().push(json!("webhook:manage"));
    TestApp::with_seed(&seed).await
}

async fn send(app: &TestApp, target: &str, csv: &str) -> Answer {
    let headers = "Authorization: Bearer patFull.secret\r\nContent-Type: text/csv\r\n";
    app.raw("POST", target, headers, csv.as_bytes()).await
}

async fn listed(app: &TestApp) -> Vec<Value> {
    let page = app.get(&format!("/v0/{BASE}/Stock?sort[0][field]=Item")).await.ok();
    page["records"].as_array().unwrap().iter().map(|record| record["fields"].clone()).collect()
}

#[tokio::test]
async fn a_table_becomes_what_the_source_sends_and_records_stay_who_they_are() {
    let app = stock().await;
    let hook = json!({"specification": {"options": {"filters": {"dataTypes": ["tableData"]}}}});
    let hook = app.post(&format!("/v0/bases/{BASE}/webhooks"), hook).await.ok();
    let hammer = app.get(&format!("/v0/{BASE}/Stock?filterByFormula=Item='hammer'")).await.ok()["records"][0]
        ["id"]
        .clone();
    let csv = "Item,Count,Kind,Remark\nhammer,5,tool,\"a, b\"\nsaw,x,blade,\nsaw,3,blade,last one counts\n";
    send(&app, SYNC, csv).await.is(200, json!({"success": true}));
    assert_eq!(
        listed(&app).await,
        [
            json!({"Item": "hammer", "Count": 5, "Kind": "tool", "Twice": 10, "Remark": "a, b"}),
            json!({"Item": "saw", "Count": 3, "Kind": "blade", "Twice": 6, "Remark": "last one counts"}),
        ]
    );
    app.get(&format!("/v0/{BASE}/Stock/{}", hammer.as_str().unwrap())).await.ok();
    let payloads =
        app.get(&format!("/v0/bases/{BASE}/webhooks/{}/payloads", hook["id"].as_str().unwrap())).await.ok();
    assert_eq!(payloads["payloads"].as_array().unwrap().len(), 1);
    assert_eq!(payloads["payloads"][0]["actionMetadata"]["source"], "sync");
    // What a field cannot hold is left empty; another source may keep what it does not send.
    send(&app, &SYNC.replace("feed1", "feed2"), "Item,Count\nnail,many\n").await.ok();
    let page = app.get(&format!("/v0/{BASE}/Stock?sort[0][field]=Item")).await.ok();
    assert_eq!(column(&page, "Item"), ["hammer", "nail", "saw"]);
    assert_eq!(column(&page, "Count"), [json!(5), Value::Null, json!(3)]);
}

#[tokio::test]
async fn data_that_is_none_changes_nothing() {
    let app = stock().await;
    let before = listed(&app).await;
    for csv in
        ["", "Item,Item\na,b\n", "Item,Count\na\n", "Count\n1\n", "Item,Twice\na,1\n", "Item,New,\na,b,c\n"]
    {
        assert_eq!(send(&app, SYNC, csv).await.status, 422, "{csv:?}");
    }
    let many = format!("Item\n{}", "x\n".repeat(10_001));
    assert_eq!(send(&app, SYNC, &many).await.status, 422);
    assert_eq!(send(&app, SYNC, &"x".repeat((2 << 20) + 1)).await.status, 413);
    app.post(SYNC, json!({"Item": "a"})).await.refused(422, "INVALID_REQUEST_BODY");
    send(&app, &SYNC.replace("feed1", "other"), "Item\na\n")
        .await
        .refused(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND");
    assert_eq!(listed(&app).await, before);
    let headers = "Authorization: Bearer patReadOnly\r\nContent-Type: text/csv\r\n";
    app.raw("POST", SYNC, headers, b"Item\na\n").await.refused(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND");
}

#[tokio::test]
async fn a_base_takes_twenty_syncs_in_five_minutes() {
    let app = stock().await;
    for _ in 0..20 {
        send(&app, SYNC, "Item\na\n").await.ok();
    }
    assert_eq!(send(&app, SYNC, "Item\nb\n").await.body["errors"][0]["error"], "RATE_LIMIT_REACHED");
    app.put("/__emulator/clock", json!({"advanceSeconds": 300})).await.ok();
    send(&app, SYNC, "Item\nb\n").await.ok();
}

#[test]
fn a_sync_that_a_seed_sets_up_wrongly_is_told() {
    let refusal = |sync: Value| {
        let mut seed = seed();
        seed["bases"][0]["tables"][0]["syncs"] = json!([sync]);
        emulators::airtable::Seed::from_json(seed.to_string().as_bytes()).unwrap_err().to_string()
    };
    assert!(refusal(json!({})).contains("bases[0].tables[0].syncs[0].id: is missing"));
    assert!(refusal(json!({"id": "a", "keyFieldId": "Nowhere"})).contains("no field \"Nowhere\""));
    assert!(refusal(json!({"id": "a", "keyFieldId": "Double"})).contains("computed"));
    assert!(refusal(json!({"id": "a", "deletesMissing": 1})).contains("must be true or false"));
}
