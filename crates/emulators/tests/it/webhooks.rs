//! Webhooks and their payloads.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::support::{BASE, FULL, THINGS, TestApp, id, rec, seed};

async fn begin() -> (TestApp, String) {
    let mut seed = seed();
    let scopes = json!([
        "data.records:read",
        "data.records:write",
        "schema.bases:read",
        "schema.bases:write",
        "webhook:manage"
    ]);
    seed["tokens"][0]["scopes"] = scopes;
    seed["tokens"].as_array_mut().unwrap().push(json!({
        "token": "patHooksOnly", "bases": "*", "scopes": ["webhook:manage"], "user": "usrAda00000000001",
    }));
    (TestApp::with_seed(&seed).await, format!("/v0/bases/{BASE}/webhooks"))
}

fn specification(filters: Value, includes: Value) -> Value {
    json!({"specification": {"options": {"filters": filters, "includes": includes}}})
}

/// Creates a hook; the path of its payloads.
async fn hook(app: &TestApp, hooks: &str, filters: Value, includes: Value) -> String {
    let made = app.post(hooks, specification(filters, includes)).await.ok();
    format!("{hooks}/{}/payloads", made["id"].as_str().unwrap())
}

async fn payloads(app: &TestApp, path: &str) -> Vec<Value> {
    app.get(path).await.ok()["payloads"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_webhook_is_created_listed_toggled_refreshed_and_deleted() {
    let (app, hooks) = begin().await;
    let mut body = specification(json!({"dataTypes": ["tableData"]}), json!({}));
    body["notificationUrl"] = "https://example.com/hook".into();
    let made = app.post(&hooks, body.clone()).await.ok();
    let keys: Vec<_> = made.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["id", "macSecretBase64", "expirationTime"]);
    let one = format!("{hooks}/{}", made["id"].as_str().unwrap());
    let listed = app.get(&hooks).await.ok();
    assert_eq!(
        listed["webhooks"],
        json!([{
            "id": made["id"], "areNotificationsEnabled": true, "cursorForNextPayload": 1, "isHookEnabled": true,
            "lastSuccessfulNotificationTime": null, "notificationUrl": "https://example.com/hook",
            "expirationTime": made["expirationTime"], "lastNotificationResult": null,
            "specification": body["specification"],
        }])
    );
    app.post(&format!("{one}/enableNotifications"), json!({"enable": false})).await.ok();
    assert_eq!(app.get(&hooks).await.ok()["webhooks"][0]["areNotificationsEnabled"], false);
    app.post(&format!("{one}/enableNotifications"), json!({})).await.refused(422, "INVALID_REQUEST_UNKNOWN");
    let refreshed = app.call("POST", &format!("{one}/refresh"), None).await.ok();
    assert!(refreshed["expirationTime"].as_str() >= made["expirationTime"].as_str());
    app.delete(&one).await.ok();
    app.delete(&one).await.refused(404, "MODEL_ID_NOT_FOUND");
    assert_eq!(app.get(&hooks).await.ok(), json!({"webhooks": []}));
}

#[tokio::test]
async fn records_that_are_created_changed_and_deleted_are_told_in_order() {
    let (app, hooks) = begin().await;
    let all =
        hook(&app, &hooks, json!({"dataTypes": ["tableData"]}), json!({"includePreviousCellValues": true}))
            .await;
    let things = format!("/v0/{BASE}/Things");
    let record = app.create("Things", json!({"Name": "a", "Status": "Todo", "Others": [rec(1001)]})).await;
    let one = format!("{things}/{record}");
    app.patch(&one, json!({"fields": {"Number": 2, "Status": null}})).await.ok();
    app.patch(&one, json!({"fields": {"Number": 2}})).await.ok(); // changes nothing
    app.patch(&one, json!({"fields": {"Number": "x"}})).await.refused(422, "INVALID_VALUE_FOR_COLUMN");
    app.delete(&one).await.ok();
    let told = payloads(&app, &all).await;
    assert_eq!(told.len(), 3);
    for (number, payload) in told.iter().enumerate() {
        assert_eq!(
            (&payload["baseTransactionNumber"], &payload["payloadFormat"]),
            (&json!(number + 1), &json!("v0"))
        );
        assert_eq!(
            payload["actionMetadata"],
            json!({"source": "publicApi", "sourceMetadata": {"user": {
                "id": "usrAda00000000001", "email": "ada@example.com", "name": "Ada", "permissionLevel": "create",
            }}})
        );
    }
    let created = &told[0]["changedTablesById"][THINGS]["createdRecordsById"][&record];
    let cells = &created["cellValuesByFieldId"];
    assert_eq!(cells[id("fld", 1)], "a");
    assert_eq!(cells[id("fld", 10)], json!({"id": id("sel", 1), "name": "Todo", "color": "blueLight2"}));
    assert_eq!(cells[id("fld", 16)], json!([{"id": rec(1001), "name": "Other 1"}]));
    assert_eq!(
        cells[id("fld", 21)],
        json!({"linkedRecordIds": [rec(1001)], "valuesByLinkedRecordId": {rec(1001): ["Other 1"]}})
    );
    let other = &told[0]["changedTablesById"]["tblOthers00000002"]["changedRecordsById"][rec(1001)];
    assert_eq!(other["current"]["cellValuesByFieldId"][id("fld", 102)], json!([{"id": record, "name": "a"}]));
    let changed = &told[1]["changedTablesById"][THINGS]["changedRecordsById"][&record];
    let current = &changed["current"]["cellValuesByFieldId"];
    assert_eq!(
        (&current[id("fld", 4)], &current[id("fld", 20)], &current[id("fld", 10)]),
        (&json!(2), &json!(4), &Value::Null)
    );
    assert!(current.get(id("fld", 10)).is_some() && current.get(id("fld", 1)).is_none());
    assert_eq!(changed["previous"]["cellValuesByFieldId"][id("fld", 10)]["name"], "Todo");
    assert_eq!(told[2]["changedTablesById"][THINGS]["destroyedRecordIds"], json!([record]));
}

#[tokio::test]
async fn cursors_have_no_gaps_and_go_page_by_page_also_while_several_write() {
    let (app, hooks) = begin().await;
    let path = hook(&app, &hooks, json!({"dataTypes": ["tableData"]}), json!({})).await;
    let address = app.address;
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            tokio::spawn(async move {
                let app = TestApp::at(address);
                for n in 0..20 {
                    app.create("Things", json!({"Name": format!("{writer} {n}")})).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let (mut cursor, mut numbers, mut sizes) = (1, Vec::new(), Vec::new());
    loop {
        let page = app.get(&format!("{path}?cursor={cursor}&limit=30")).await.ok();
        let list = page["payloads"].as_array().unwrap();
        sizes.push(list.len());
        numbers.extend(list.iter().map(|payload| payload["baseTransactionNumber"].as_u64().unwrap()));
        assert_eq!(page["cursor"].as_u64().unwrap(), cursor + list.len() as u64);
        cursor = page["cursor"].as_u64().unwrap();
        if page["mightHaveMore"] == false {
            break;
        }
    }
    assert_eq!(sizes, [30, 30, 20]);
    assert_eq!(numbers, (1..=80).collect::<Vec<_>>());
    let beyond = app.get(&format!("{path}?cursor={cursor}")).await.ok();
    assert_eq!(beyond, json!({"payloads": [], "cursor": 81, "mightHaveMore": false}));
    for bad in ["cursor=0", "cursor=x", "limit=51", "limit=0"] {
        app.get(&format!("{path}?{bad}")).await.refused(422, "INVALID_REQUEST_UNKNOWN");
    }
}

#[tokio::test]
async fn filters_decide_what_is_told() {
    let (app, hooks) = begin().await;
    let data = |more: Value| {
        let mut filters = json!({"dataTypes": ["tableData"]});
        filters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        filters
    };
    let cases = [
        (data(json!({})), 4),
        (data(json!({"changeTypes": ["add"]})), 2),
        (data(json!({"changeTypes": ["remove", "update"]})), 2),
        (data(json!({"recordChangeScope": "tblOthers00000002"})), 1),
        (data(json!({"fromSources": ["client", "automation"]})), 0),
        (data(json!({"fromSources": ["publicApi"]})), 4),
        (data(json!({"watchDataInFieldIds": [id("fld", 4)], "changeTypes": ["add", "update"]})), 1),
        (json!({"dataTypes": ["tableFields"]}), 1),
        (json!({"dataTypes": ["tableMetadata"]}), 1),
        (json!({"dataTypes": ["tableData", "tableFields", "tableMetadata"]}), 6),
    ];
    let mut paths = Vec::new();
    for (filters, count) in cases {
        paths.push((hook(&app, &hooks, filters.clone(), json!({})).await, filters, count));
    }
    let refused = app.post(&hooks, specification(json!({"dataTypes": ["tableData"]}), json!({}))).await;
    refused.refused(422, "TOO_MANY_WEBHOOKS_IN_BASE");
    let record = app.create("Things", json!({"Name": "a"})).await;
    app.create("tblOthers00000002", json!({"Name": "b"})).await;
    let one = format!("/v0/{BASE}/Things/{record}");
    app.patch(&one, json!({"fields": {"Number": 2, "Name": "b"}})).await.ok();
    app.delete(&one).await.ok();
    let tables = format!("/v0/meta/bases/{BASE}/tables");
    app.post(&format!("{tables}/{THINGS}/fields"), json!({"name": "New", "type": "email"})).await.ok();
    app.patch(&format!("{tables}/{THINGS}"), json!({"name": "Renamed"})).await.ok();
    for (path, filters, count) in paths {
        assert_eq!(payloads(&app, &path).await.len(), count, "{filters}");
    }
}

#[tokio::test]
async fn a_view_tells_under_its_own_key_and_cells_that_are_asked_for_come_along() {
    let (app, hooks) = begin().await;
    let filters = json!({"dataTypes": ["tableData"], "recordChangeScope": "viwThings00000001", "changeTypes": ["update"]});
    let path = hook(&app, &hooks, filters, json!({"includeCellValuesInFieldIds": [id("fld", 1)]})).await;
    let record = app.create("Things", json!({"Name": "a"})).await;
    app.patch(&format!("/v0/{BASE}/Things/{record}"), json!({"fields": {"Number": 1}})).await.ok();
    let told = payloads(&app, &path).await;
    let changed = &told[0]["changedTablesById"][THINGS]["changedViewsById"]["viwThings00000001"]["changedRecordsById"]
        [&record];
    assert_eq!(changed["unchanged"]["cellValuesByFieldId"], json!({id("fld", 1): "a"}));
    let keys: BTreeSet<_> = changed.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, BTreeSet::from(["current", "unchanged"]));
}

#[tokio::test]
async fn fields_and_tables_are_told_by_their_shapes() {
    let (app, hooks) = begin().await;
    let types = json!({"dataTypes": ["tableFields", "tableMetadata"]});
    let path = hook(&app, &hooks, types, json!({"includePreviousFieldDefinitions": true})).await;
    let tables = format!("/v0/meta/bases/{BASE}/tables");
    let field =
        app.post(&format!("{tables}/{THINGS}/fields"), json!({"name": "New", "type": "email"})).await.ok();
    let field = field["id"].as_str().unwrap();
    app.patch(&format!("{tables}/{THINGS}/fields/{field}"), json!({"name": "Newer"})).await.ok();
    app.patch(&format!("{tables}/{THINGS}"), json!({"name": "Renamed"})).await.ok();
    let made = app.post(&tables, json!({"name": "T", "fields": [{"name": "F", "type": "email"}]})).await.ok();
    let told = payloads(&app, &path).await;
    let table = |n: usize| &told[n]["changedTablesById"][THINGS];
    assert_eq!(table(0), &json!({"createdFieldsById": {field: {"name": "New", "type": "email"}}}));
    assert_eq!(
        table(1),
        &json!({"changedFieldsById": {field: {
            "current": {"name": "Newer", "type": "email"}, "previous": {"name": "New", "type": "email"},
        }}})
    );
    assert_eq!(table(2)["changedMetadata"]["current"]["name"], "Renamed");
    assert_eq!(table(2)["changedMetadata"]["previous"]["name"], "Things");
    let created = &told[3]["createdTablesById"][made["id"].as_str().unwrap()];
    assert_eq!(created["metadata"], json!({"name": "T", "description": null}));
    assert_eq!(
        created["fieldsById"][made["primaryFieldId"].as_str().unwrap()],
        json!({"name": "F", "type": "email"})
    );
}

#[tokio::test]
async fn a_specification_that_makes_no_sense_is_refused() {
    let (app, hooks) = begin().await;
    for filters in [
        json!({}),
        json!({"dataTypes": []}),
        json!({"dataTypes": ["records"]}),
        json!({"dataTypes": ["tableData"], "more": 1}),
        json!({"dataTypes": ["tableData"], "recordChangeScope": "tblNowhere0000001"}),
        json!({"dataTypes": ["tableData"], "recordChangeScope": "Things"}),
        json!({"dataTypes": ["tableData"], "changeTypes": ["change"]}),
        json!({"dataTypes": ["tableData"], "watchDataInFieldIds": ["fldNowhere0000001"]}),
    ] {
        app.post(&hooks, specification(filters, json!({}))).await.refused(422, "INVALID_REQUEST_UNKNOWN");
    }
    app.post(&hooks, json!({})).await.refused(422, "INVALID_REQUEST_UNKNOWN");
    let mut body = specification(json!({"dataTypes": ["tableData"]}), json!({}));
    body["notificationUrl"] = "ftp://example.com".into();
    app.post(&hooks, body).await.refused(422, "INVALID_REQUEST_UNKNOWN");
}

#[tokio::test]
async fn webhooks_need_their_scope_those_of_the_data_and_the_role_of_a_creator() {
    let (app, hooks) = begin().await;
    let body = specification(json!({"dataTypes": ["tableData"]}), json!({}));
    let path = hook(&app, &hooks, json!({"dataTypes": ["tableData"]}), json!({})).await;
    for (token, method, target, body) in [
        ("patReadOnly", "GET", hooks.clone(), None),
        ("patHooksOnly", "POST", hooks.clone(), Some(body.clone())),
        ("patHooksOnly", "GET", path, None),
    ] {
        let answer = app.call_as(token, method, &target, body).await;
        answer.refused(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND");
    }
    assert_eq!(app.call_as("patHooksOnly", "GET", &hooks, None).await.status, 200);
    let edit = "/v0/bases/appEdit0000000003/webhooks";
    app.call_as(FULL, "POST", edit, Some(body)).await.refused(403, "INVALID_PERMISSIONS");
    assert_eq!(app.get(edit).await.ok(), json!({"webhooks": []}));
}

#[tokio::test]
async fn a_hook_on_this_machine_is_pinged_with_a_mac_and_shows_the_result() {
    let (app, hooks) = begin().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut body = specification(json!({"dataTypes": ["tableData"]}), json!({}));
    body["notificationUrl"] = format!("http://user:word@{}/told?x=1", listener.local_addr().unwrap()).into();
    let made = app.post(&hooks, body).await.ok();
    app.create("Things", json!({"Name": "a"})).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut text = String::new();
    while !text.ends_with("}") {
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).await.unwrap();
        assert!(count > 0, "it ended early: {text}");
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    let (head, sent) = text.split_once("\r\n\r\n").unwrap();
    let start = format!("POST /told?x=1 HTTP/1.1\r\nHost: {}\r\n", listener.local_addr().unwrap());
    assert!(head.starts_with(&start), "{head}");
    let secret = STANDARD.decode(made["macSecretBase64"].as_str().unwrap()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
    mac.update(sent.as_bytes());
    let mac: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(head.contains(&format!("X-Airtable-Content-MAC: hmac-sha256={mac}\r\n")), "{head}");
    let sent: Value = serde_json::from_str(sent).unwrap();
    assert_eq!((&sent["base"], &sent["webhook"]), (&json!({"id": BASE}), &json!({"id": made["id"]})));
    let shown = async {
        loop {
            let listed = app.get(&hooks).await.ok();
            let result = listed["webhooks"][0]["lastNotificationResult"].clone();
            if !result.is_null() {
                break result;
            }
            tokio::task::yield_now().await;
        }
    };
    let result = tokio::time::timeout(std::time::Duration::from_secs(10), shown).await.unwrap();
    assert_eq!((&result["success"], &result["retryNumber"]), (&json!(true), &json!(0)));
}

/// Three tables in a row, each seeing the one before over a link: A's numbers are doubled, looked up in B, summed there,
/// and looked up again in C.
fn in_a_row() -> Value {
    let mut seed = seed();
    let scopes = json!(["data.records:read", "data.records:write", "schema.bases:write", "webhook:manage"]);
    seed["tokens"] = json!([{"token": FULL, "bases": "*", "user": "usrAda00000000001", "scopes": scopes}]);
    let link = |table: &str, inverse: &str| json!({"linkedTableId": table, "inverseLinkFieldId": inverse});
    let over = |link: &str, target: &str| json!({"recordLinkFieldId": link, "fieldIdInLinkedTable": target});
    let field = |id: &str, name: &str, kind: &str, options: Value| match options {
        Value::Null => json!({"id": id, "name": name, "type": kind}),
        options => json!({"id": id, "name": name, "type": kind, "options": options}),
    };
    let mut sums = over("fldBToA0000000001", "fldADouble0000001");
    sums["formula"] = "SUM(values)".into();
    seed["bases"] = json!([{"id": BASE, "name": "Row", "tables": [
        {"id": "tblA0000000000001", "name": "A", "fields": [
            field("fldAName000000001", "Name", "singleLineText", Value::Null),
            field("fldANumber0000001", "Number", "number", json!({"precision": 0})),
            field("fldADouble0000001", "Double", "formula", json!({"formula": "{Number} * 2"})),
            field("fldAToB0000000001", "Bs", "multipleRecordLinks", link("tblB0000000000001", "fldBToA0000000001")),
            field("fldASelf000000001", "Like", "multipleRecordLinks", json!({"linkedTableId": "tblA0000000000001"})),
            field("fldALikes00000001", "Likes", "multipleLookupValues", over("fldASelf000000001", "fldANumber0000001")),
        ], "records": [
            {"id": rec(1), "fields": {"Name": "a1", "Number": 1}},
            {"id": rec(2), "fields": {"Name": "a2", "Number": 2, "Like": [rec(1)]}},
        ]},
        {"id": "tblB0000000000001", "name": "B", "fields": [
            field("fldBName000000001", "Name", "formula", json!({"formula": "\"b\" & {Sum}"})),
            field("fldBToA0000000001", "As", "multipleRecordLinks", link("tblA0000000000001", "fldAToB0000000001")),
            field("fldBSum0000000001", "Sum", "rollup", sums),
            field("fldBToC0000000001", "Cs", "multipleRecordLinks", link("tblC0000000000001", "fldCToB0000000001")),
        ], "records": [{"id": rec(11), "fields": {"As": [rec(1), rec(2)]}}, {"id": rec(12), "fields": {}}]},
        {"id": "tblC0000000000001", "name": "C", "fields": [
            field("fldCName000000001", "Name", "singleLineText", Value::Null),
            field("fldCToB0000000001", "Bs", "multipleRecordLinks", link("tblB0000000000001", "fldBToC0000000001")),
            field("fldCSum0000000001", "Sums", "multipleLookupValues", over("fldCToB0000000001", "fldBSum0000000001")),
            field("fldCBig0000000001", "Big", "formula", json!({"formula": "IF(SUM({Sums}) > 9, 'big', 'small')"})),
        ], "records": [{"id": rec(21), "fields": {"Name": "c1", "Bs": [rec(11)]}}]},
    ]}]);
    seed
}

#[tokio::test]
async fn a_change_is_told_of_all_records_that_see_it_over_links() {
    let app = TestApp::with_seed(&in_a_row()).await;
    let hooks = format!("/v0/bases/{BASE}/webhooks");
    let includes = json!({"includePreviousCellValues": true});
    let path = hook(&app, &hooks, json!({"dataTypes": ["tableData"]}), includes).await;
    let only_c = json!({"dataTypes": ["tableData"], "recordChangeScope": "tblC0000000000001"});
    let far = hook(&app, &hooks, only_c, json!({"includeCellValuesInFieldIds": ["fldCName000000001"]})).await;
    let big = json!({"dataTypes": ["tableData"], "watchDataInFieldIds": ["fldCBig0000000001"]});
    let big = hook(&app, &hooks, big, json!({})).await;
    app.patch(&format!("/v0/{BASE}/A/{}", rec(1)), json!({"fields": {"Number": 2}})).await.ok();
    app.patch(&format!("/v0/{BASE}/A/{}", rec(2)), json!({"fields": {"Number": 3}})).await.ok();
    let told = payloads(&app, &path).await;
    assert_eq!(told.len(), 2, "one write is one payload");
    let current = |payload: &Value, table: &str, record: usize| {
        payload["changedTablesById"][table]["changedRecordsById"][rec(record)]["current"]["cellValuesByFieldId"]
            .clone()
    };
    let b11 = json!([{"id": rec(11), "name": "b8"}]);
    assert_eq!(
        current(&told[0], "tblA0000000000001", 1),
        json!({"fldANumber0000001": 2, "fldADouble0000001": 4, "fldAToB0000000001": b11})
    );
    let likes = json!({"linkedRecordIds": [rec(1)], "valuesByLinkedRecordId": {rec(1): [2]}});
    assert_eq!(
        current(&told[0], "tblA0000000000001", 2),
        json!({"fldALikes00000001": likes, "fldAToB0000000001": b11}),
        "over a link without an inverse, too"
    );
    assert_eq!(
        current(&told[0], "tblB0000000000001", 11),
        json!({"fldBName000000001": "b8", "fldBSum0000000001": 8})
    );
    let sums = json!({"linkedRecordIds": [rec(11)], "valuesByLinkedRecordId": {rec(11): [8]}});
    assert_eq!(
        current(&told[0], "tblC0000000000001", 21),
        json!({"fldCToB0000000001": b11, "fldCSum0000000001": sums}),
        "small stays small"
    );
    let previous =
        &told[0]["changedTablesById"]["tblB0000000000001"]["changedRecordsById"][rec(11)]["previous"];
    assert_eq!(previous["cellValuesByFieldId"], json!({"fldBName000000001": "b6", "fldBSum0000000001": 6}));
    assert!(told[0]["changedTablesById"]["tblB0000000000001"]["changedRecordsById"].get(rec(12)).is_none());

    let told = payloads(&app, &far).await;
    assert_eq!(told.len(), 2);
    assert_eq!(told[0]["changedTablesById"].as_object().unwrap().len(), 1, "{}", told[0]);
    let record = &told[1]["changedTablesById"]["tblC0000000000001"]["changedRecordsById"][rec(21)];
    assert_eq!(record["current"]["cellValuesByFieldId"]["fldCBig0000000001"], "big");
    assert_eq!(record["unchanged"]["cellValuesByFieldId"], json!({"fldCName000000001": "c1"}));
    let told = payloads(&app, &big).await;
    assert_eq!(told.len(), 1, "the second write alone has changed it");
    assert_eq!(current(&told[0], "tblC0000000000001", 21), json!({"fldCBig0000000001": "big"}));
}

#[tokio::test]
async fn links_that_come_and_go_are_told_on_both_sides_with_what_is_computed_from_them() {
    let app = TestApp::with_seed(&in_a_row()).await;
    let hooks = format!("/v0/bases/{BASE}/webhooks");
    let path = hook(&app, &hooks, json!({"dataTypes": ["tableData"]}), json!({})).await;
    app.patch(&format!("/v0/{BASE}/A/{}", rec(1)), json!({"fields": {"Bs": [rec(12)]}})).await.ok();
    app.delete(&format!("/v0/{BASE}/A/{}", rec(1))).await.ok();
    app.delete(&format!("/v0/{BASE}/B/{}", rec(11))).await.ok();
    let told = payloads(&app, &path).await;
    assert_eq!(told.len(), 3);
    let current = |payload: &Value, table: &str, record: usize| {
        payload["changedTablesById"][table]["changedRecordsById"][rec(record)]["current"]["cellValuesByFieldId"]
            .clone()
    };
    assert_eq!(current(&told[0], "tblB0000000000001", 11)["fldBSum0000000001"], 4);
    assert_eq!(current(&told[0], "tblB0000000000001", 12)["fldBSum0000000001"], 2);
    assert_eq!(
        current(&told[0], "tblC0000000000001", 21)["fldCSum0000000001"]["valuesByLinkedRecordId"][rec(11)],
        json!([4])
    );
    assert_eq!(told[1]["changedTablesById"]["tblA0000000000001"]["destroyedRecordIds"], json!([rec(1)]));
    assert_eq!(
        current(&told[1], "tblA0000000000001", 2),
        json!({"fldASelf000000001": null, "fldALikes00000001": null})
    );
    assert_eq!(current(&told[1], "tblB0000000000001", 12)["fldBToA0000000001"], Value::Null);
    assert_eq!(
        current(&told[2], "tblC0000000000001", 21),
        json!({"fldCToB0000000001": null, "fldCSum0000000001": null})
    );
}

#[tokio::test]
async fn entering_a_view_is_creation_leaving_it_destruction_and_its_order_no_matter() {
    let mut seed = seed();
    seed["tokens"][0]["scopes"] = json!(["data.records:read", "data.records:write", "webhook:manage"]);
    seed["bases"][0]["tables"][0]["views"].as_array_mut().unwrap().extend([
        json!({"id": "viwHeavy000000003", "name": "Heavy", "filterByFormula": "{Weight} > 2", "sort": [{"field": "Name"}]}),
        json!({"id": "viwForm0000000004", "name": "Form", "type": "form"}),
        json!({"id": "viwList0000000005", "name": "List", "type": "list"}),
    ]);
    let app = TestApp::with_seed(&seed).await;
    let hooks = format!("/v0/bases/{BASE}/webhooks");
    let filters = |view: &str, types: Value| json!({"dataTypes": ["tableData"], "recordChangeScope": view, "changeTypes": types});
    for view in ["viwForm0000000004", "viwList0000000005"] {
        let body = specification(filters(view, json!(["add"])), json!({}));
        app.post(&hooks, body).await.refused(422, "INVALID_REQUEST_UNKNOWN");
    }
    let all = json!(["add", "remove", "update"]);
    let path = hook(&app, &hooks, filters("viwHeavy000000003", all), json!({})).await;
    let added = hook(&app, &hooks, filters("viwHeavy000000003", json!(["add"])), json!({})).await;

    let record = app.create("Things", json!({"Name": "b", "Others": [rec(1001)]})).await; // weighs 1
    app.create("Things", json!({"Name": "a", "Others": [rec(1003)]})).await; // is created in the view
    let other = format!("/v0/{BASE}/tblOthers00000002/{}", rec(1001));
    app.patch(&other, json!({"fields": {"Weight": 5}})).await.ok(); // enters, though nobody wrote into it
    let one = format!("/v0/{BASE}/Things/{record}");
    app.patch(&one, json!({"fields": {"Name": "0"}})).await.ok(); // comes first now
    app.patch(&one, json!({"fields": {"Others": []}})).await.ok(); // leaves
    app.patch(&one, json!({"fields": {"Name": "unseen"}})).await.ok();
    app.delete(&one).await.ok();
    let told = payloads(&app, &path).await;
    let records: Vec<_> = told
        .iter()
        .map(|payload| payload["changedTablesById"][THINGS]["changedViewsById"]["viwHeavy000000003"].clone())
        .collect();
    assert_eq!(records.len(), 4, "{told:#?}");
    let keys = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&records[0]), ["createdRecordsById"]);
    let entered = &records[1]["createdRecordsById"][&record];
    assert_eq!(entered["cellValuesByFieldId"][id("fld", 1)], "b", "as a whole: {entered}");
    assert_eq!(entered["cellValuesByFieldId"][id("fld", 23)], 5);
    assert_eq!(keys(&records[1]), ["createdRecordsById"]);
    assert_eq!(
        records[2]["changedRecordsById"][&record]["current"]["cellValuesByFieldId"][id("fld", 1)],
        "0"
    );
    assert_eq!(keys(&records[2]), ["changedRecordsById"]);
    assert_eq!(records[3], json!({"destroyedRecordIds": [record]}));
    assert_eq!(payloads(&app, &added).await.len(), 2);
}

#[tokio::test]
async fn twenty_single_updates_are_twenty_payloads_for_each_hook() {
    let app = TestApp::with_seed(&in_a_row()).await;
    let hooks = format!("/v0/bases/{BASE}/webhooks");
    let mut paths = Vec::new();
    for _ in 0..3 {
        paths.push(hook(&app, &hooks, json!({"dataTypes": ["tableData"]}), json!({})).await);
    }
    for number in 100..120 {
        app.patch(&format!("/v0/{BASE}/A/{}", rec(1)), json!({"fields": {"Number": number}})).await.ok();
    }
    for path in paths {
        let page = app.get(&path).await.ok();
        assert_eq!((page["payloads"].as_array().unwrap().len(), &page["cursor"]), (20, &json!(21)));
    }
}

#[tokio::test]
async fn a_write_that_reaches_very_many_records_tells_of_ten_thousand_of_them() {
    let mut seed = in_a_row();
    seed["bases"][0]["tables"][0]["records"] = (0..10_050)
        .map(|n| json!({"id": rec(100_000 + n), "fields": {"Like": [rec(100_000)], "Number": 1}}))
        .collect();
    seed["bases"][0]["tables"][1]["records"] = json!([]);
    seed["bases"][0]["tables"][2]["records"] = json!([]);
    let app = TestApp::with_seed(&seed).await;
    let hooks = format!("/v0/bases/{BASE}/webhooks");
    let path = hook(&app, &hooks, json!({"dataTypes": ["tableData"]}), json!({})).await;
    app.patch(&format!("/v0/{BASE}/A/{}", rec(100_000)), json!({"fields": {"Number": 2}})).await.ok();
    let told = payloads(&app, &path).await;
    let changed =
        told[0]["changedTablesById"]["tblA0000000000001"]["changedRecordsById"].as_object().unwrap();
    assert_eq!(changed.len(), 10_000);
    assert!(changed.contains_key(&rec(100_000)), "what was written itself is always told");
}
