//! Fields and tables that a person deletes, which Airtable's API cannot do.

use serde_json::{Value, json};

use super::process::begin_with;
use super::support::TestApp;

const BASE: &str = "appFleet000000001";
const TOKEN: &str = "patFleet.secret";

/// Ships stand between two tables that link to them; everything that can refer to a field refers to one of theirs.
fn fleet() -> Value {
    let ports = json!({"id": "tblPorts000000001", "name": "Ports", "fields": [
        {"id": "fldPort0000000001", "name": "Port", "type": "singleLineText"},
        {"id": "fldMoored00000001", "name": "Moored", "type": "multipleRecordLinks",
         "options": {"linkedTableId": "tblShips000000001", "inverseLinkFieldId": "fldHarbour0000001"}},
        {"id": "fldTonnage0000001", "name": "Tonnage", "type": "rollup", "options":
         {"recordLinkFieldId": "fldMoored00000001", "fieldIdInLinkedTable": "fldTons0000000001", "formula": "SUM(values)"}},
        {"id": "fldTonsSeen000001", "name": "Tons seen", "type": "multipleLookupValues", "options":
         {"recordLinkFieldId": "fldMoored00000001", "fieldIdInLinkedTable": "fldTons0000000001"}},
        {"id": "fldHowMany0000001", "name": "How many", "type": "count", "options":
         {"recordLinkFieldId": "fldMoored00000001"}},
        {"id": "fldHeavy000000001", "name": "Heavy", "type": "formula", "options": {"formula": "{Tonnage} > 100"}}],
        "records": [
            {"id": "recPort0000000001", "fields": {"Port": "Ostend", "Moored": ["recShip0000000001", "recShip0000000002"]}},
            {"id": "recPort0000000002", "fields": {"Port": "Ghent"}}]});
    let ships = json!({"id": "tblShips000000001", "name": "Ships", "fields": [
        {"id": "fldShip0000000001", "name": "Ship", "type": "singleLineText"},
        {"id": "fldTons0000000001", "name": "Tons", "type": "number", "options": {"precision": 0}},
        {"id": "fldFlag0000000001", "name": "Flag", "type": "singleLineText"},
        {"id": "fldHarbour0000001", "name": "Harbour", "type": "multipleRecordLinks",
         "options": {"linkedTableId": "tblPorts000000001", "inverseLinkFieldId": "fldMoored00000001"}},
        {"id": "fldDouble00000001", "name": "Double", "type": "formula", "options": {"formula": "{Tons} * 2"}},
        {"id": "fldLabel000000001", "name": "Label", "type": "formula", "options": {"formula": "{Ship} & '/' & {Flag}"}}],
        "views": [
            {"id": "viwAll00000000001", "name": "All", "type": "grid", "visibleFieldIds": ["fldShip0000000001", "fldTons0000000001"]},
            {"id": "viwHeavy000000001", "name": "Heavy", "type": "grid", "filterByFormula": "{Tons} > 100",
             "sort": [{"field": "Tons", "direction": "desc"}, {"field": "Flag", "direction": "asc"}]}],
        "syncs": [{"id": "syncByTons", "keyFieldId": "fldTons0000000001"}, {"id": "syncByFlag", "keyFieldId": "fldFlag0000000001"}],
        "records": [
            {"id": "recShip0000000001", "fields": {"Ship": "Zee, Noord", "Tons": 90, "Flag": "BE"}},
            {"id": "recShip0000000002", "fields": {"Ship": "Maas", "Tons": 150, "Flag": "NL"}},
            {"id": "recShip0000000003", "fields": {"Ship": "Lek", "Tons": 70}}]});
    let crews = json!({"id": "tblCrews000000001", "name": "Crews", "fields": [
        {"id": "fldName0000000001", "name": "Name", "type": "singleLineText"},
        {"id": "fldOn000000000001", "name": "On", "type": "multipleRecordLinks", "options": {"linkedTableId": "tblShips000000001"}},
        {"id": "fldNumber00000001", "name": "Number", "type": "autoNumber"}],
        "records": [
            {"id": "recCrew0000000001", "fields": {"Name": "An", "On": ["recShip0000000002"]}},
            {"id": "recCrew0000000002", "fields": {"Name": "Bo"}}]});
    json!({"limits": {"requestsPerSecondPerBase": 1000, "requestsPerSecondPerUser": 1000},
           "users": [{"id": "usrAda00000000001", "name": "Ada", "email": "ada@example.com"}],
           "tokens": [{"token": TOKEN, "bases": "*", "user": "usrAda00000000001", "scopes": [
               "data.records:read", "data.records:write", "schema.bases:read", "schema.bases:write", "webhook:manage"]}],
           "bases": [{"id": BASE, "name": "Fleet", "tables": [ports, ships, crews]}]})
}

struct Fleet(TestApp);

impl Fleet {
    async fn begin() -> Self {
        Self(TestApp::with_seed(&fleet()).await)
    }

    async fn get(&self, target: &str) -> Value {
        self.0.call_as(TOKEN, "GET", target, None).await.ok()
    }

    async fn post(&self, target: &str, body: Value) -> Value {
        self.0.call_as(TOKEN, "POST", target, Some(body)).await.ok()
    }

    /// Status and body of a deletion by a person; `path` begins with the table.
    async fn delete(&self, path: &str) -> (Value, Value) {
        let path = format!("/v0/meta/bases/{BASE}/tables/{path}");
        let edits = json!({"edits": [{"method": "DELETE", "path": path}]});
        let answer = self.post("/__emulator/edits", edits).await["answers"][0].take();
        (answer["status"].clone(), answer["body"].clone())
    }

    async fn table(&self, name: &str) -> Value {
        let schema = self.get(&format!("/v0/meta/bases/{BASE}/tables")).await;
        let tables = schema["tables"].as_array().unwrap();
        tables.iter().find(|table| table["name"] == name).cloned().unwrap_or_default()
    }

    async fn field(&self, table: &str, name: &str) -> Value {
        let table = self.table(table).await;
        let fields = table["fields"].as_array().unwrap();
        fields.iter().find(|field| field["name"] == name).cloned().unwrap_or_default()
    }

    /// The cells of a field, by the table's first field.
    async fn cells(&self, table: &str, primary: &str, field: &str) -> Value {
        let listed = self.get(&format!("/v0/{BASE}/{table}")).await;
        let records = listed["records"].as_array().unwrap().iter();
        let cell = |record: &Value| {
            (record["fields"][primary].as_str().unwrap().to_owned(), record["fields"][field].clone())
        };
        Value::Object(records.map(cell).filter(|(_, cell)| !cell.is_null()).collect())
    }

    /// The path of the payloads of a new hook.
    async fn hook(&self, filters: Value, includes: Value) -> String {
        let hooks = format!("/v0/bases/{BASE}/webhooks");
        let body = json!({"specification": {"options": {"filters": filters, "includes": includes}}});
        let made = self.post(&hooks, body).await;
        format!("{hooks}/{}/payloads", made["id"].as_str().unwrap())
    }

    /// What a hook was told, without the envelopes.
    async fn told(&self, payloads: &str) -> Value {
        let listed = self.get(payloads).await;
        let bare = |payload: &Value| {
            let envelope = ["timestamp", "baseTransactionNumber", "payloadFormat", "actionMetadata"];
            let entries = payload.as_object().unwrap().iter();
            let bare = entries.filter(|(key, _)| !envelope.contains(&key.as_str()));
            Value::Object(bare.map(|(key, value)| (key.clone(), value.clone())).collect())
        };
        listed["payloads"].as_array().unwrap().iter().map(bare).collect()
    }
}

#[tokio::test]
async fn the_api_has_no_such_calls_and_a_person_cannot_delete_what_a_base_needs() {
    let fleet = Fleet::begin().await;
    for path in ["tblCrews000000001", "tblShips000000001/fields/fldFlag0000000001"] {
        let path = format!("/v0/meta/bases/{BASE}/tables/{path}");
        let answer = fleet.0.call_as(TOKEN, "DELETE", &path, None).await;
        assert_eq!((answer.status, answer.body), (404, json!({"error": "NOT_FOUND"})));
    }
    assert_eq!(fleet.delete("Ships/fields/fldShip0000000001").await.0, 422, "the primary field");
    assert_eq!(fleet.delete("Ships/fields/fldNobody00000001").await.0, 403);
    assert_eq!(fleet.delete("Nowhere").await.0, 403);
    for table in ["Crews", "Ports"] {
        assert_eq!(fleet.delete(table).await.0, 200);
    }
    assert_eq!(fleet.delete("Ships").await.0, 422, "the last table");
    assert_eq!(fleet.table("Ships").await["fields"].as_array().unwrap().len(), 6);
}

#[tokio::test]
async fn a_field_goes_with_its_cells_and_what_is_computed_from_it_says_so() {
    let fleet = Fleet::begin().await;
    let gone = fleet.delete("Ships/fields/fldTons0000000001").await;
    assert_eq!(gone, (json!(200), json!({"id": "fldTons0000000001", "deleted": true})));
    let left = json!({"Zee, Noord": "BE", "Maas": "NL"});
    assert_eq!(fleet.cells("Ships", "Ship", "Flag").await, left, "cells stay with their fields");
    assert_eq!(fleet.cells("Ships", "Ship", "Tons").await, json!({}));
    assert_eq!(fleet.cells("Ships", "Ship", "Label").await["Maas"], "Maas/NL");
    let linked = json!({"Zee, Noord": ["recPort0000000001"], "Maas": ["recPort0000000001"]});
    assert_eq!(fleet.cells("Ships", "Ship", "Harbour").await, linked);
    let error = json!({"error": "#ERROR!"});
    assert_eq!(fleet.cells("Ships", "Ship", "Double").await["Lek"], error);
    assert_eq!(
        fleet.field("Ships", "Double").await["options"],
        json!({"formula": "{Tons} * 2", "isValid": false, "referencedFieldIds": [], "result": null})
    );
    assert_eq!(
        fleet.field("Ports", "Tons seen").await["options"],
        json!({"recordLinkFieldId": "fldMoored00000001", "fieldIdInLinkedTable": null, "isValid": false, "result": null})
    );
    assert_eq!(fleet.field("Ports", "Tonnage").await["options"]["isValid"], false);
    assert_eq!(fleet.field("Ports", "How many").await["options"]["isValid"], true);
    assert_eq!(fleet.cells("Ports", "Port", "How many").await, json!({"Ostend": 2, "Ghent": 0}));
    // What links there goes on working: writes find their fields where they now stand.
    let body = json!({"fields": {"Flag": "FR", "Harbour": ["recPort0000000002"]}});
    let path = format!("/v0/{BASE}/Ships/recShip0000000003");
    fleet.0.call_as(TOKEN, "PATCH", &path, Some(body)).await.ok();
    assert_eq!(fleet.cells("Ports", "Port", "Moored").await["Ghent"], json!(["recShip0000000003"]));
    assert_eq!(fleet.cells("Ships", "Ship", "Flag").await["Lek"], "FR");
}

#[tokio::test]
async fn views_and_syncs_do_without_a_field_that_is_gone() {
    let fleet = Fleet::begin().await;
    let csv = |sync: &str, csv: &'static str| {
        let target = format!("/v0/{BASE}/Ships/sync/{sync}");
        let head = format!("Authorization: Bearer {TOKEN}\r\nContent-Type: text/csv\r\n");
        let app = &fleet.0;
        async move { app.raw("POST", &target, &head, csv.as_bytes()).await.status }
    };
    fleet.delete("Ships/fields/fldTons0000000001").await;
    let schema = fleet.get(&format!("/v0/meta/bases/{BASE}/tables?include=visibleFieldIds")).await;
    assert_eq!(schema["tables"][1]["views"][0]["visibleFieldIds"], json!(["fldShip0000000001"]));
    let listed = fleet.get(&format!("/v0/{BASE}/Ships?view=Heavy&fields[]=Ship")).await;
    let ships: Vec<_> =
        listed["records"].as_array().unwrap().iter().map(|ship| &ship["fields"]["Ship"]).collect();
    assert_eq!(ships, ["Lek", "Zee, Noord", "Maas"], "all of them, and by the key that is left");
    assert_eq!(csv("syncByTons", "Ship,Flag\nLek,LU\n").await, 403);
    assert_eq!(csv("syncByFlag", "Ship,Flag\nLek,LU\n").await, 200);
}

#[tokio::test]
async fn links_become_text_when_the_other_side_is_deleted() {
    let fleet = Fleet::begin().await;
    fleet.delete("Ships/fields/fldHarbour0000001").await;
    let text = json!({"id": "fldMoored00000001", "name": "Moored", "type": "singleLineText"});
    assert_eq!(fleet.field("Ports", "Moored").await, text);
    let names = json!({"Ostend": "\"Zee, Noord\", Maas"});
    assert_eq!(fleet.cells("Ports", "Port", "Moored").await, names);
    let count = json!({"recordLinkFieldId": null, "isValid": false});
    assert_eq!(fleet.field("Ports", "How many").await["options"], count);
    let lookup = json!({"recordLinkFieldId": null, "fieldIdInLinkedTable": "fldTons0000000001", "isValid": false, "result": null});
    assert_eq!(fleet.field("Ports", "Tons seen").await["options"], lookup);
    assert_eq!(fleet.delete("Ships").await.0, 200);
    assert_eq!(fleet.field("Crews", "On").await["type"], "singleLineText", "a link with one side only");
    assert_eq!(fleet.cells("Crews", "Name", "On").await, json!({"An": "Maas"}));
    assert_eq!(fleet.cells("Crews", "Name", "Number").await, json!({"An": 1, "Bo": 2}));
    assert_eq!(fleet.cells("Ports", "Port", "Moored").await, names, "and stay text");
    assert!(fleet.table("Ships").await.is_null());
    let body = json!({"fields": {"Name": "Cy", "On": "Rijn"}});
    fleet.post(&format!("/v0/{BASE}/Crews"), body).await;
    assert_eq!(fleet.cells("Crews", "Name", "Number").await["Cy"], 3);
}

#[tokio::test]
async fn hooks_are_told_what_is_gone_and_end_with_what_they_watch() {
    let fleet = Fleet::begin().await;
    let all = ["tableData", "tableFields", "tableMetadata"];
    let whole = fleet
        .hook(json!({"dataTypes": all}), json!({"includeCellValuesInFieldIds": ["fldTons0000000001"]}))
        .await;
    let added = fleet.hook(json!({"dataTypes": all, "changeTypes": ["add"]}), json!({})).await;
    let of_ships = fleet
        .hook(json!({"dataTypes": ["tableData"], "recordChangeScope": "tblShips000000001"}), json!({}))
        .await;
    let of_view = fleet
        .hook(json!({"dataTypes": ["tableData"], "recordChangeScope": "viwHeavy000000001"}), json!({}))
        .await;
    let of_tons = fleet
        .hook(json!({"dataTypes": ["tableData"], "watchDataInFieldIds": ["fldTons0000000001"]}), json!({}))
        .await;
    let of_flag = fleet
        .hook(
            json!({"dataTypes": ["tableFields"], "watchSchemasOfFieldIds": ["fldFlag0000000001"]}),
            json!({}),
        )
        .await;
    fleet.delete("Ships/fields/fldTons0000000001").await;
    let invalid = json!({"error": true, "code": "INVALID_FILTERS"});
    let field = json!({"changedTablesById": {
        "tblPorts000000001": {"changedFieldsById": {
            "fldTonnage0000001": {"current": {"name": "Tonnage", "type": "rollup"}},
            "fldTonsSeen000001": {"current": {"name": "Tons seen", "type": "multipleLookupValues"}}}},
        "tblShips000000001": {
            "changedFieldsById": {"fldDouble00000001": {"current": {"name": "Double", "type": "formula"}}},
            "destroyedFieldIds": ["fldTons0000000001"]}}});
    assert_eq!(fleet.told(&whole).await, json!([field]));
    assert_eq!(fleet.told(&of_tons).await, json!([invalid]));
    for hook in [&added, &of_ships, &of_view, &of_flag] {
        assert_eq!(fleet.told(hook).await, json!([]), "{hook}");
    }
    fleet.delete("Ships").await;
    for hook in [&of_ships, &of_view, &of_tons, &of_flag] {
        assert_eq!(fleet.told(hook).await, json!([invalid]), "once: {hook}");
    }
    let told = fleet.told(&whole).await;
    assert_eq!(told[1]["destroyedTableIds"], json!(["tblShips000000001"]));
    assert_eq!(
        told[1]["changedTablesById"]["tblCrews000000001"]["changedFieldsById"],
        json!({"fldOn000000000001": {"current": {"name": "On", "type": "singleLineText"}}})
    );
    let body = json!({"fields": {"Name": "Cy"}});
    fleet.post(&format!("/v0/{BASE}/Crews"), body).await;
    assert_eq!(fleet.told(&added).await.as_array().unwrap().len(), 1, "others go on");
    let hooks = fleet.get(&format!("/v0/bases/{BASE}/webhooks")).await;
    let works: Vec<_> =
        hooks["webhooks"].as_array().unwrap().iter().map(|hook| &hook["isHookEnabled"]).collect();
    assert_eq!(works, [true, true, false, false, false, false]);
    // A snapshot has all that, and is the same when it was put back.
    let snapshot = fleet.0.text("GET", "/__emulator/snapshot", "").await;
    let answer = fleet.0.raw("PUT", "/__emulator/snapshot", "", snapshot.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(fleet.0.text("GET", "/__emulator/snapshot", "").await, snapshot);
}

#[tokio::test]
async fn a_killed_emulator_comes_back_without_what_was_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let begin = || {
        let (child, app) = begin_with(dir.path(), &fleet(), &[]);
        (child, Fleet(app))
    };
    let (child, fleet) = begin();
    let watches = json!({"dataTypes": ["tableData"], "recordChangeScope": "tblPorts000000001"});
    fleet.hook(watches, json!({"includeCellValuesInFieldIds": ["fldPort0000000001"]})).await;
    let told = fleet.hook(
        json!({"dataTypes": ["tableData"]}),
        json!({"includeCellValuesInFieldIds": ["fldFlag0000000001"]}),
    );
    told.await;
    assert_eq!(fleet.delete("Ships/fields/fldFlag0000000001").await.0, 200);
    assert_eq!(fleet.delete("Ports").await.0, 200);
    fleet.post(&format!("/v0/{BASE}/Crews"), json!({"fields": {"Name": "Cy"}})).await;
    let before = fleet.0.text("GET", "/__emulator/snapshot", "").await;
    drop(child); // kills it
    let (child, fleet) = begin();
    let after = fleet.0.text("GET", "/__emulator/snapshot", "").await;
    assert_eq!(after, before);
    // A table that comes to stand where another one stood begins with nothing of that one's.
    assert_eq!(fleet.delete("Crews").await.0, 200);
    let fields = json!([{"name": "Name", "type": "singleLineText"}]);
    fleet.post(&format!("/v0/meta/bases/{BASE}/tables"), json!({"name": "New", "fields": fields})).await;
    drop(child);
    let (_child, fleet) = begin();
    let snapshot: Value =
        serde_json::from_str(&fleet.0.text("GET", "/__emulator/snapshot", "").await).unwrap();
    let new = &snapshot["bases"][0]["tables"][1];
    assert_eq!(
        (&new["name"], &new["lastNumber"], &new["records"]),
        (&json!("New"), &Value::Null, &json!([]))
    );
}

#[tokio::test]
async fn a_hook_that_has_expired_ends_with_what_it_watched_too_and_is_told_nothing() {
    let fleet = Fleet::begin().await;
    let hook = fleet
        .hook(json!({"dataTypes": ["tableData"], "watchDataInFieldIds": ["fldTons0000000001"]}), json!({}))
        .await;
    fleet.0.put("/__emulator/clock", json!({"advanceSeconds": 8 * 24 * 3600})).await.ok();
    assert_eq!(fleet.delete("Ships/fields/fldTons0000000001").await.0, 200);
    assert_eq!(fleet.told(&hook).await, json!([]));
    let snapshot = fleet.0.text("GET", "/__emulator/snapshot", "").await;
    let answer = fleet.0.raw("PUT", "/__emulator/snapshot", "", snapshot.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn whatever_else_refers_to_a_field_does_so_no_more() {
    let mut seed = fleet();
    let ships = &mut seed["bases"][0]["tables"][1];
    let field = |id: &str, kind: &str, options: Value| json!({"id": id, "name": id, "type": kind, "options": options});
    let link = |inverse: &str| json!({"linkedTableId": "tblShips000000001", "inverseLinkFieldId": inverse});
    ships["fields"].as_array_mut().unwrap().extend([
        field("fldBefore00000001", "multipleRecordLinks", link("fldAfter000000001")),
        field("fldAfter000000001", "multipleRecordLinks", link("fldBefore00000001")),
        field(
            "fldStrange0000001",
            "formula",
            json!({"formula": "NEW({Tons}", "asSeeded": true, "referencedFieldIds": ["fldTons0000000001"]}),
        ),
        field(
            "fldSaid0000000001",
            "aiText",
            json!({"prompt": ["Of ", {"field": {"fieldId": "fldTons0000000001"}}],
            "referencedFieldIds": ["fldTons0000000001"]}),
        ),
        field("fldSince000000001", "lastModifiedTime", json!({"referencedFieldIds": ["fldTons0000000001"]})),
        field("fldGo000000000001", "button", json!({"formula": "'https://example.com/' & {Tons}"})),
    ]);
    ships["dateDependencySettings"] = json!({"isEnabled": true, "predecessorFieldId": "fldBefore00000001"});
    ships["records"][0]["fields"]["fldStrange0000001"] = json!(5);
    let ports = &mut seed["bases"][0]["tables"][0];
    let over =
        |target: &str| json!({"recordLinkFieldId": "fldMoored00000001", "fieldIdInLinkedTable": target});
    ports["fields"].as_array_mut().unwrap().extend([
        field("fldAsSeeded000001", "rollup", over("fldTons0000000001")),
        field("fldNames000000001", "multipleLookupValues", over("fldBefore00000001")),
    ]);
    ports["records"][0]["fields"]["fldAsSeeded000001"] = json!(77);
    let fleet = Fleet(TestApp::with_seed(&seed).await);
    assert_eq!(fleet.cells("Ports", "Port", "fldAsSeeded000001").await, json!({"Ostend": 77}));
    assert_eq!(fleet.cells("Ships", "Ship", "fldStrange0000001").await["Zee, Noord"], 5);
    for gone in ["fldTons0000000001", "fldAfter000000001"] {
        assert_eq!(fleet.delete(&format!("Ships/fields/{gone}")).await.0, 200);
    }
    let schema = fleet.get(&format!("/v0/meta/bases/{BASE}/tables")).await.to_string();
    for gone in ["fldTons0000000001", "fldAfter000000001"] {
        assert!(!schema.contains(gone), "{schema}");
    }
    assert_eq!(fleet.table("Ships").await["dateDependencySettings"]["predecessorFieldId"], Value::Null);
    assert_eq!(fleet.field("Ships", "fldStrange0000001").await["options"]["isValid"], false);
    assert_eq!(
        fleet.cells("Ships", "Ship", "fldStrange0000001").await["Zee, Noord"],
        json!({"error": "#ERROR!"})
    );
    assert_eq!(fleet.cells("Ships", "Ship", "fldSince000000001").await, json!({}));
    let button = json!({"label": "fldGo000000000001", "url": null});
    assert_eq!(fleet.cells("Ships", "Ship", "fldGo000000000001").await["Lek"], button);
    assert_eq!(
        fleet.cells("Ports", "Port", "fldAsSeeded000001").await,
        json!({}),
        "it says that it is not valid"
    );
    let names = fleet.field("Ports", "fldNames000000001").await;
    assert_eq!(names["options"]["result"]["type"], "singleLineText");
}
