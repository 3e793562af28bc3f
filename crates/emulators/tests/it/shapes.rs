//! The shape of cells of each type: what the records API reads, what webhook payloads say, and what both make of them in
//! lookups.

use serde_json::{Value, json};

use super::support::{FULL, TestApp, id, rec};

const BASE: &str = "appShapes00000001";
const ALL: &str = "tblAll00000000001";
const LOOK: &str = "tblLook0000000002";
const ADA: &str = "usrAda00000000001";

/// A field type with options, a cell as it is seeded, and how it is read: by the records API and in payloads (`None`:
/// the same).
struct Row {
    kind: &'static str,
    options: Value,
    seeded: Value,
    read: Value,
    told: Option<Value>,
}

fn row(kind: &'static str, options: Value, seeded: Value, read: Value, told: Option<Value>) -> Row {
    Row { kind, options, seeded, read, told }
}

/// As it is seeded, everywhere.
fn plain(kind: &'static str, options: Value, cell: Value) -> Row {
    row(kind, options, cell.clone(), cell, None)
}

/// Computed the same everywhere.
fn computed(kind: &'static str, options: Value, cell: Value) -> Row {
    row(kind, options, Value::Null, cell, None)
}

fn rows() -> Vec<Row> {
    let none = Value::Null;
    let choices = json!({"choices": [
        {"id": id("sel", 1), "name": "Todo", "color": "blueLight2"}, {"id": id("sel", 2), "name": "Done"},
    ]});
    let todo = json!({"id": id("sel", 1), "name": "Todo", "color": "blueLight2"});
    let done = json!({"id": id("sel", 2), "name": "Done"});
    let ada = json!({"id": ADA, "email": "ada@example.com", "name": "Ada"});
    let told_ada = json!({"id": ADA, "email": "ada@example.com", "name": "Ada", "permissionLevel": "create"});
    let formula = |text: &str| json!({"formula": text});
    let over = |target: usize| json!({"recordLinkFieldId": id("fld", 90), "fieldIdInLinkedTable": id("fld", target)});
    let rollup = |target: usize, text: &str| {
        let mut options = over(target);
        options["formula"] = text.into();
        options
    };
    let lookup =
        |values: Value| json!({"linkedRecordIds": [rec(50)], "valuesByLinkedRecordId": {rec(50): values}});
    let file = json!([{"id": id("att", 1), "url": "https://example.com/a.png", "filename": "a.png", "size": 3, "type": "image/png"}]);
    let ai = json!({"state": "generated", "isStale": false, "value": "words"});
    let failed = json!({"state": "error", "errorType": "emptyDependency", "isStale": true, "value": null});
    let iso = json!({"result": {"type": "date", "options": {"dateFormat": {"name": "iso"}}}});
    vec![
        plain("multilineText", none.clone(), json!("a\nb")),
        plain("richText", none.clone(), json!("**b**\n")),
        plain("email", none.clone(), json!("a@example.com")),
        plain("url", none.clone(), json!("https://example.com")),
        plain("phoneNumber", none.clone(), json!("+41 44 000 00 00")),
        plain("number", json!({"precision": 1}), json!(1.5)),
        plain("number", json!({"precision": 0}), json!(0)),
        plain("percent", json!({"precision": 1}), json!(0.123)),
        plain("currency", json!({"precision": 2, "symbol": "$"}), json!(9.99)),
        plain("duration", json!({"durationFormat": "h:mm:ss.S"}), json!(61.5)),
        plain("rating", json!({"icon": "star", "color": "yellowBright", "max": 5}), json!(3)),
        plain("checkbox", json!({"icon": "check", "color": "greenBright"}), json!(true)),
        row("singleSelect", choices.clone(), json!("Todo"), json!("Todo"), Some(todo.clone())),
        row(
            "multipleSelects",
            choices.clone(),
            json!(["Done", "Todo"]),
            json!(["Done", "Todo"]),
            Some(json!([done, todo])),
        ),
        plain("date", json!({"dateFormat": {"name": "us"}}), json!("2024-02-29")),
        plain(
            "dateTime",
            json!({"dateFormat": {"name": "iso"}, "timeFormat": {"name": "24hour"}, "timeZone": "utc"}),
            json!("2024-02-29T01:02:03.004Z"),
        ),
        plain("multipleAttachments", none.clone(), file),
        row("singleCollaborator", none.clone(), json!({"id": ADA}), ada.clone(), Some(told_ada.clone())),
        row("multipleCollaborators", none.clone(), json!([{"id": ADA}]), json!([ada]), None),
        plain("barcode", none.clone(), json!({"text": "42", "type": null})),
        computed("formula", formula("1 / 3"), json!(1.0 / 3.0)),
        computed("formula", formula("0 / 0"), json!({"specialValue": "NaN"})),
        computed("formula", formula("1 / 0"), json!({"specialValue": "Infinity"})),
        computed("formula", formula("-1 / 0"), json!({"specialValue": "-Infinity"})),
        computed("formula", formula("ERROR()"), json!({"error": "#ERROR!"})),
        computed("formula", formula("\"text\""), json!("text")),
        computed("formula", formula("BLANK()"), none.clone()),
        computed("formula", formula("\"\""), none.clone()),
        computed("formula", formula("1 = 2"), json!(0)),
        computed("rollup", rollup(96, "SUM(values)"), json!(7)),
        computed("rollup", rollup(97, "SUM(values)"), json!({"specialValue": "Infinity"})),
        computed("rollup", rollup(98, "SUM(values)"), json!({"error": "#ERROR!"})),
        computed("rollup", rollup(95, "ARRAYJOIN(values)"), json!("far")),
        row("multipleLookupValues", over(96), none.clone(), json!([7]), Some(lookup(json!([7])))),
        row(
            "multipleLookupValues",
            over(97),
            none.clone(),
            json!([{"specialValue": "Infinity"}]),
            Some(lookup(json!([{"specialValue": "Infinity"}]))),
        ),
        row(
            "multipleLookupValues",
            over(98),
            none.clone(),
            json!([{"error": "#ERROR!"}]),
            Some(lookup(json!([{"error": "#ERROR!"}]))),
        ),
        computed("count", json!({"recordLinkFieldId": id("fld", 90)}), json!(1)),
        computed("count", json!({"recordLinkFieldId": id("fld", 91)}), json!(0)),
        computed("autoNumber", none.clone(), json!(1)),
        computed("createdTime", none.clone(), json!("2024-01-02T03:04:05.000Z")),
        computed("createdTime", iso.clone(), json!("2024-01-02")),
        computed("lastModifiedTime", none.clone(), json!("2024-01-02T03:04:05.000Z")),
        row("createdBy", none.clone(), none.clone(), ada_json(), Some(told_ada.clone())),
        row("lastModifiedBy", none.clone(), none.clone(), ada_json(), Some(told_ada)),
        computed(
            "button",
            json!({"label": "Open", "formula": "'https://example.com/' & {Name}"}),
            json!({"label": "Open", "url": "https://example.com/one"}),
        ),
        computed("button", json!({"label": "Nowhere"}), json!({"label": "Nowhere", "url": null})),
        computed(
            "button",
            json!({"label": "Bad", "formula": "ERROR()"}),
            json!({"label": "Bad", "url": null}),
        ),
        plain("button", none.clone(), json!({"label": "Seeded", "url": "https://example.com"})),
        plain("aiText", json!({"prompt": ["Say ", {"field": {"fieldId": id("fld", 1)}}]}), ai),
        plain("aiText", none.clone(), failed),
        row(
            "externalSyncSource",
            choices,
            json!("Todo"),
            json!("Todo"),
            Some(json!({"id": id("sel", 1), "name": "Todo", "color": "blueLight2"})),
        ),
        plain("manualSort", none, json!("a0")),
    ]
}

fn ada_json() -> Value {
    json!({"id": ADA, "email": "ada@example.com", "name": "Ada"})
}

/// A table with a field of each row and one record, the record that it links to, and a table that looks all of it up.
fn seed() -> Value {
    let field = |number: usize, name: String, kind: &str, options: &Value| {
        let mut field = json!({"id": id("fld", number), "name": name, "type": kind});
        if !options.is_null() {
            field["options"] = options.clone();
        }
        field
    };
    let link = |table: &str, inverse: usize| json!({"linkedTableId": table, "inverseLinkFieldId": id("fld", inverse)});
    let mut fields = vec![field(1, "Name".to_owned(), "singleLineText", &Value::Null)];
    let mut lookups = vec![field(1000, "Name".to_owned(), "singleLineText", &Value::Null)];
    let mut cells = json!({"Name": "one", "Far": [rec(50)]});
    for (index, row) in rows().iter().enumerate() {
        let number = 100 + index;
        fields.push(field(number, format!("Field {index}"), row.kind, &row.options));
        cells[format!("Field {index}")] = row.seeded.clone();
        let options =
            json!({"recordLinkFieldId": id("fld", 1001), "fieldIdInLinkedTable": id("fld", number)});
        lookups.push(field(2000 + index, format!("Field {index}"), "multipleLookupValues", &options));
    }
    fields.push(field(90, "Far".to_owned(), "multipleRecordLinks", &link("tblFar00000000003", 99)));
    fields.push(field(
        91,
        "Nobody".to_owned(),
        "multipleRecordLinks",
        &json!({"linkedTableId": "tblFar00000000003"}),
    ));
    fields.push(field(92, "Looks".to_owned(), "multipleRecordLinks", &link(LOOK, 1001)));
    lookups.push(field(1001, "All".to_owned(), "multipleRecordLinks", &link(ALL, 92)));
    let far = [
        field(95, "Name".to_owned(), "singleLineText", &Value::Null),
        field(96, "Number".to_owned(), "number", &json!({"precision": 0})),
        field(97, "Infinite".to_owned(), "formula", &json!({"formula": "1 / 0"})),
        field(98, "Broken".to_owned(), "formula", &json!({"formula": "ERROR()"})),
        field(99, "Alls".to_owned(), "multipleRecordLinks", &link(ALL, 90)),
    ];
    let scopes = ["data.records:read", "data.records:write", "schema.bases:read", "webhook:manage"];
    let created = "2024-01-02T03:04:05.000Z";
    json!({
        "limits": {"requestsPerSecondPerBase": null, "requestsPerSecondPerUser": null},
        "users": [{"id": ADA, "email": "ada@example.com", "name": "Ada"}],
        "tokens": [{"token": FULL, "bases": "*", "scopes": scopes, "user": ADA}],
        "bases": [{"id": BASE, "name": "Shapes", "tables": [
            {"id": ALL, "name": "All", "fields": fields, "records": [{"id": rec(1), "createdTime": created, "fields": cells}]},
            {"id": LOOK, "name": "Look", "fields": lookups, "records": [{"id": rec(2), "createdTime": created, "fields": {"All": [rec(1)]}}]},
            {"id": "tblFar00000000003", "name": "Far", "fields": far, "records": [{"id": rec(50), "fields": {"Name": "far", "Number": 7}}]},
        ]}],
    })
}

fn as_list(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Array(_) => value.clone(),
        one => json!([one]),
    }
}

#[tokio::test]
async fn every_type_has_its_shape_where_records_are_read() {
    let app = TestApp::with_seed(&seed()).await;
    let one = app.get(&format!("/v0/{BASE}/All/{}", rec(1))).await.ok()["fields"].clone();
    let looked = app.get(&format!("/v0/{BASE}/Look/{}", rec(2))).await.ok()["fields"].clone();
    for (index, row) in rows().iter().enumerate() {
        let name = format!("Field {index}");
        assert_eq!(one[&name], row.read, "{} {}", row.kind, row.options);
        assert_eq!(looked[&name], as_list(&row.read), "a lookup of {} {}", row.kind, row.options);
        assert_eq!(one.get(&name).is_some(), !row.read.is_null(), "empty cells are left out");
    }
}

#[tokio::test]
async fn every_type_has_its_shape_in_payloads() {
    let app = TestApp::with_seed(&seed()).await;
    let hooks = format!("/v0/bases/{BASE}/webhooks");
    let options =
        json!({"filters": {"dataTypes": ["tableData"]}, "includes": {"includeCellValuesInFieldIds": "all"}});
    let hook = app.post(&hooks, json!({"specification": {"options": options}})).await.ok();
    // Nothing but two names changes, all the rest comes along.
    for (table, record) in [("All", 1), ("Look", 2)] {
        let target = format!("/v0/{BASE}/{table}/{}", rec(record));
        app.patch(&target, json!({"fields": {"Name": "one"}})).await.ok();
        app.patch(&target, json!({"fields": {"Name": "two"}})).await.ok();
        app.patch(&target, json!({"fields": {"Name": "one"}})).await.ok();
    }
    let payloads =
        app.get(&format!("{hooks}/{}/payloads", hook["id"].as_str().unwrap())).await.ok()["payloads"].clone();
    let cells = |payload: &Value, table: &str, record: usize| {
        let record = &payload["changedTablesById"][table]["changedRecordsById"][rec(record)];
        let mut cells = record["unchanged"]["cellValuesByFieldId"].clone();
        let current = record["current"]["cellValuesByFieldId"].as_object().unwrap().clone();
        cells.as_object_mut().unwrap().extend(current);
        cells
    };
    let one = cells(&payloads[1], ALL, 1);
    let looked = cells(payloads.as_array().unwrap().last().unwrap(), LOOK, 2);
    let moving = ["lastModifiedTime"]; // which the writes above have changed
    for (index, row) in rows().iter().enumerate().filter(|(_, row)| !moving.contains(&row.kind)) {
        let told = row.told.as_ref().unwrap_or(&row.read);
        assert_eq!(one[id("fld", 100 + index)], *told, "{} {}", row.kind, row.options);
        let values = match row.kind {
            "multipleLookupValues" => as_list(&row.read),
            _ => as_list(told),
        };
        let values = if values.is_null() { json!([]) } else { values };
        assert_eq!(
            looked[id("fld", 2000 + index)],
            json!({"linkedRecordIds": [rec(1)], "valuesByLinkedRecordId": {rec(1): values}}),
            "a lookup of {} {}",
            row.kind,
            row.options
        );
    }
    assert_eq!(one[id("fld", 90)], json!([{"id": rec(50), "name": "far"}]), "a link tells the name, too");
}

#[tokio::test]
async fn a_button_stands_on_every_record_follows_its_formula_and_has_no_options() {
    let app = TestApp::with_seed(&seed()).await;
    let made = app.post(&format!("/v0/{BASE}/All"), json!({"fields": {"Name": "x y"}})).await.ok();
    let buttons: Vec<_> = (0..rows().len())
        .filter(|index| rows()[*index].kind == "button")
        .map(|index| made["fields"][format!("Field {index}")].clone())
        .collect();
    let unnamed = rows().iter().rposition(|row| row.kind == "button").unwrap();
    assert_eq!(
        buttons,
        [
            json!({"label": "Open", "url": "https://example.com/x y"}),
            json!({"label": "Nowhere", "url": null}),
            json!({"label": "Bad", "url": null}),
            json!({"label": format!("Field {unnamed}"), "url": null}),
        ]
    );
    let schema = app.get(&format!("/v0/meta/bases/{BASE}/tables")).await.ok();
    let fields = schema["tables"][0]["fields"].as_array().unwrap().clone();
    for field in fields.iter().filter(|field| field["type"] == "button") {
        assert!(field.get("options").is_none(), "{field}");
    }
    let write = json!({"fields": {(format!("Field {unnamed}")): null}});
    app.post(&format!("/v0/{BASE}/All"), write).await.refused(422, "INVALID_VALUE_FOR_COLUMN");
}
