//! New bases, tables and fields, changed ones, views, and who works in a base.

use serde_json::{Value, json};

use super::support::{BASE, FULL, THINGS, TestApp, id, rec, seed};

const OTHERS: &str = "tblOthers00000002";

async fn begin() -> TestApp {
    let mut seed = seed();
    seed["tokens"][0]["scopes"] = json!([
        "data.records:read",
        "data.records:write",
        "schema.bases:read",
        "schema.bases:write",
        "workspacesAndBases:read",
        "workspacesAndBases:write"
    ]);
    TestApp::with_seed(&seed).await
}

fn tables() -> String {
    format!("/v0/meta/bases/{BASE}/tables")
}

fn fields() -> String {
    format!("{}/{THINGS}/fields", tables())
}

fn named<'v>(list: &'v Value, name: &str) -> &'v Value {
    list.as_array().unwrap().iter().find(|item| item["name"] == name).unwrap()
}

#[tokio::test]
async fn a_base_is_created_with_its_tables_and_is_there_at_once() {
    let app = begin().await;
    let tables = json!([
        {"name": "Crew", "description": "Who", "fields": [
            {"name": "Name", "type": "singleLineText", "description": "First and last"},
            {"name": "Age", "type": "number", "options": {"precision": 0}},
            {"name": "In ten years", "type": "formula", "options": {"formula": "{Age} + 10"}},
        ]},
        {"name": "Ships", "fields": [{"name": "Name", "type": "singleLineText"}]},
    ]);
    let body = json!({"name": "Fleet", "workspaceId": "wspFleet000000001", "tables": tables});
    let made = app.post("/v0/meta/bases", body.clone()).await.ok();
    let base = made["id"].as_str().unwrap();
    let crew = &made["tables"][0];
    assert_eq!((&crew["name"], &crew["description"]), (&json!("Crew"), &json!("Who")));
    assert_eq!(crew["primaryFieldId"], crew["fields"][0]["id"]);
    assert_eq!(crew["views"].as_array().unwrap().len(), 1);
    assert_eq!((&crew["views"][0]["name"], &crew["views"][0]["type"]), (&json!("Grid view"), &json!("grid")));
    let age = crew["fields"][1]["id"].as_str().unwrap();
    assert_eq!(crew["fields"][2]["options"]["formula"], format!("{{{age}}} + 10"));
    let listed = app.get("/v0/meta/bases").await.ok();
    assert_eq!(
        named(&listed["bases"], "Fleet"),
        &json!({"id": base, "name": "Fleet", "permissionLevel": "create"})
    );
    let schema = app.get(&format!("/v0/meta/bases/{base}/tables")).await.ok();
    assert_eq!(schema["tables"], made["tables"]);
    let record =
        app.post(&format!("/v0/{base}/Crew"), json!({"fields": {"Name": "Ada", "Age": 36}})).await.ok();
    assert_eq!(record["fields"]["In ten years"], 46);
    let who = app.get(&format!("/v0/meta/bases/{base}")).await.ok();
    assert_eq!(
        (&who["workspaceId"], &who["permissionLevel"]),
        (&json!("wspFleet000000001"), &json!("create"))
    );
    // A key that tables do not have.
    let mut bad = body;
    bad["tables"][0]["primaryFieldId"] = age.into();
    app.post("/v0/meta/bases", bad).await.refused(422, "INVALID_REQUEST_UNKNOWN");
    // After a reset only what was there at the start is there.
    app.post("/__emulator/reset", json!({"data": true})).await;
    app.get(&format!("/v0/meta/bases/{base}/tables"))
        .await
        .refused(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND");
}

#[tokio::test]
async fn a_table_is_created_and_changed_and_its_names_are_kept_apart() {
    let app = begin().await;
    let body = json!({"name": "New", "fields": [{"name": "Title", "type": "singleLineText"}]});
    let made = app.post(&tables(), body.clone()).await.ok();
    app.post(&tables(), body).await.refused(422, "DUPLICATE_TABLE_NAME");
    let path = format!("{}/new", tables());
    let changed = app.patch(&path, json!({"name": "Newer", "description": "d"})).await.ok();
    assert_eq!(
        (&changed["id"], &changed["name"], &changed["description"]),
        (&made["id"], &json!("Newer"), &json!("d"))
    );
    app.patch(&format!("{}/Newer", tables()), json!({"name": "Things"}))
        .await
        .refused(422, "DUPLICATE_TABLE_NAME");
    app.patch(&format!("{}/Newer", tables()), json!({})).await.refused(422, "INVALID_REQUEST_UNKNOWN");
    let twice = json!([{"name": "A", "type": "singleLineText"}, {"name": "a", "type": "email"}]);
    let bad = json!({"name": "Twice", "fields": twice});
    app.post(&tables(), bad).await.refused(422, "DUPLICATE_OR_EMPTY_FIELD_NAME");
    for fields in [json!([]), json!([{"name": "F", "type": "multipleAttachments"}]), json!([{"name": "F"}])] {
        let bad = json!({"name": "Bad", "fields": fields});
        app.post(&tables(), bad).await.refused(422, "INVALID_REQUEST_UNKNOWN");
    }
}

#[tokio::test]
async fn a_field_is_created_and_existing_records_stay() {
    let app = begin().await;
    let record = app.create("Things", json!({"Name": "a", "Number": 4, "Others": [rec(1001)]})).await;
    let choices = json!({"choices": [{"name": "x", "color": "redBright"}, {"name": "y"}]});
    let made =
        app.post(&fields(), json!({"name": "Pick", "type": "singleSelect", "options": choices})).await.ok();
    assert_eq!(made["options"]["choices"][0]["color"], "redBright");
    assert!(made["options"]["choices"][1]["id"].as_str().unwrap().starts_with("sel"));
    app.post(&fields(), json!({"name": "Half", "type": "formula", "options": {"formula": "{Number} / 2"}}))
        .await
        .ok();
    app.patch(&format!("/v0/{BASE}/Things/{record}"), json!({"fields": {"Pick": "y"}})).await.ok();
    let cells = app.cells("Things", &record).await;
    assert_eq!((&cells["Pick"], &cells["Half"], &cells["Double"]), (&json!("y"), &json!(2), &json!(8)));
    assert_eq!(cells["Others"], json!([rec(1001)]));
    let other = app.cells(OTHERS, &rec(1001)).await;
    assert_eq!(other["Things"], json!([record]));
}

#[tokio::test]
async fn a_new_link_has_a_field_on_its_other_side() {
    let app = begin().await;
    let body = json!({"name": "More", "type": "multipleRecordLinks", "options": {"linkedTableId": OTHERS}});
    let made = app.post(&fields(), body.clone()).await.ok();
    let schema = app.get(&tables()).await.ok();
    let inverse = named(&schema["tables"][1]["fields"], "Things 2");
    assert_eq!(inverse["id"], made["options"]["inverseLinkFieldId"]);
    assert_eq!(inverse["options"]["inverseLinkFieldId"], made["id"]);
    let record = app.create("Things", json!({"More": [rec(1002)]})).await;
    assert_eq!(app.cells(OTHERS, &rec(1002)).await["Things 2"], json!([record]));
    let mut bad = body;
    bad["name"] = "Preferring".into();
    bad["options"]["prefersSingleRecordLink"] = true.into();
    app.post(&fields(), bad).await.refused(422, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE");
}

#[tokio::test]
async fn what_a_field_needs_is_asked_for_and_what_cannot_be_created_is_refused() {
    let app = begin().await;
    let refused = app.post(&fields(), json!({"name": "N", "type": "number"})).await;
    assert_eq!(
        refused.refused(422, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE"),
        "Invalid options for Things.N: Failed schema validation: Things.N.options is missing"
    );
    let refused = app.post(&fields(), json!({"name": "N", "type": "autoNumber"})).await;
    assert_eq!(
        refused.refused(422, "UNSUPPORTED_FIELD_TYPE_FOR_CREATE"),
        "Invalid options for Things.N: Creating autoNumber fields is not supported at this time"
    );
    for (kind, options) in [
        ("number", json!({"precision": 9})),
        ("number", json!({"precision": 1, "more": 1})),
        ("checkbox", json!({"icon": "check"})),
        ("checkbox", json!({"icon": "check", "color": "greenLight1"})),
        ("dateTime", json!({"timeZone": "utc", "dateFormat": {"name": "iso"}})),
        (
            "dateTime",
            json!({"timeZone": "UTC", "dateFormat": {"name": "iso"}, "timeFormat": {"name": "24hour"}}),
        ),
        ("date", json!({"dateFormat": {"name": "iso", "format": "l"}})),
        ("singleSelect", json!({"choices": [{"id": "sel00000000000001", "name": "x"}]})),
        ("multipleRecordLinks", json!({"linkedTableId": "tblNowhere0000001"})),
        ("formula", json!({"formula": "1 +"})),
        ("formula", json!({"formula": "{Nothing}"})),
        ("formula", json!({"formula": "1", "result": {"type": "number"}})),
        ("singleLineText", json!({"precision": 1})),
    ] {
        let body = json!({"name": "N", "type": kind, "options": options});
        let message = app.post(&fields(), body).await.refused(422, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE");
        assert!(
            message.starts_with("Invalid options for Things.N: Failed schema validation: Things.N."),
            "{message}"
        );
    }
    for name in ["Name", "nAME", "", " "] {
        let body = json!({"name": name, "type": "email"});
        app.post(&fields(), body).await.refused(422, "DUPLICATE_OR_EMPTY_FIELD_NAME");
    }
    app.post(&fields(), json!({"name": "N", "type": "nothing"}))
        .await
        .refused(422, "INVALID_REQUEST_UNKNOWN");
}

#[tokio::test]
async fn a_renamed_field_is_the_same_to_formulas_and_a_formula_can_be_changed() {
    let app = begin().await;
    let record = app.create("Things", json!({"Number": 4})).await;
    let number = format!("{}/{}", fields(), id("fld", 4));
    let changed = app.patch(&number, json!({"name": "Count of", "description": "how many"})).await.ok();
    assert_eq!((&changed["name"], &changed["description"]), (&json!("Count of"), &json!("how many")));
    let cells = app.cells("Things", &record).await;
    assert_eq!((&cells["Count of"], &cells["Double"], cells.get("Number")), (&json!(4), &json!(8), None));
    let double = format!("{}/{}", fields(), id("fld", 20));
    let changed = app.patch(&double, json!({"options": {"formula": "{Count of} * 3"}})).await.ok();
    assert_eq!(changed["options"]["formula"], format!("{{{}}} * 3", id("fld", 4)));
    assert_eq!(app.cells("Things", &record).await["Double"], 12);
    app.patch(&number, json!({"options": {"precision": 1}})).await.refused(422, "INVALID_REQUEST_UNKNOWN");
    app.patch(&number, json!({"type": "email"})).await.refused(422, "INVALID_REQUEST_UNKNOWN");
    app.patch(&number, json!({})).await.refused(422, "INVALID_REQUEST_UNKNOWN");
    app.patch(&number, json!({"name": "Notes"})).await.refused(422, "DUPLICATE_OR_EMPTY_FIELD_NAME");
    let itself = json!({"options": {"formula": "{Double} + 1"}});
    app.patch(&double, itself).await.refused(422, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE");
    assert_eq!(app.cells("Things", &record).await["Double"], 12, "a refused change changes nothing");
}

#[tokio::test]
async fn views_are_listed_read_and_deleted_but_for_the_last() {
    let app = begin().await;
    let views = format!("/v0/meta/bases/{BASE}/views");
    let listed = app.get(&views).await.ok();
    assert_eq!(listed["views"].as_array().unwrap().len(), 3);
    let one = format!("{views}/viwThings00000001");
    app.get(&one).await.is(200, json!({"id": "viwThings00000001", "name": "All things", "type": "grid"}));
    let shown = app.get(&format!("{one}?include=visibleFieldIds")).await.ok();
    assert_eq!(shown["visibleFieldIds"][0], id("fld", 1));
    app.get(&format!("{views}/viwNowhere0000001"))
        .await
        .refused(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND");
    app.delete(&one).await.is(200, json!({"id": "viwThings00000001", "deleted": true}));
    app.delete(&format!("{views}/viwThings00000002")).await.refused(422, "INVALID_REQUEST_UNKNOWN");
}

#[tokio::test]
async fn people_of_a_base_are_told_when_asked_for() {
    let app = begin().await;
    let plain = app.get(&format!("/v0/meta/bases/{BASE}")).await.ok();
    let keys: Vec<_> = plain.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["id", "name", "createdTime", "permissionLevel", "workspaceId"]);
    let all = app
        .get(&format!("/v0/meta/bases/{BASE}?include=collaborators&include=inviteLinks&include=interfaces"))
        .await
        .ok();
    assert_eq!(all["individualCollaborators"]["baseCollaborators"][0]["email"], "ada@example.com");
    assert_eq!(all["inviteLinks"], json!({"baseInviteLinks": [], "workspaceInviteLinks": []}));
    app.get(&format!("/v0/meta/bases/{BASE}?include=all")).await.refused(422, "INVALID_REQUEST_UNKNOWN");
}

#[tokio::test]
async fn changing_the_structure_needs_its_scope_and_the_role_of_a_creator() {
    let app = begin().await;
    let body = || json!({"name": "N", "type": "email"});
    let call = app.call_as("patSchemaOnly", "POST", &fields(), Some(body())).await;
    call.refused(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND");
    let edit = "/v0/meta/bases/appEdit0000000003/tables/tblEdit0000000003/fields";
    app.call_as(FULL, "POST", edit, Some(body())).await.refused(403, "INVALID_PERMISSIONS");
    let views = format!("/v0/meta/bases/{BASE}/views");
    app.call_as("patSchemaOnly", "GET", &views, None)
        .await
        .refused(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND");
    assert_eq!(
        app.call_as("patSchemaOnly", "GET", &format!("/v0/meta/bases/{BASE}"), None).await.status,
        200
    );
}

#[tokio::test]
async fn a_formula_stays_as_it_was_written_but_for_the_names_of_fields() {
    let app = begin().await;
    let body =
        json!({"name": "F", "type": "formula", "options": {"formula": " ({Number}*2)+ Number & '{Name}'"}});
    let made = app.post(&fields(), body).await.ok();
    let number = super::support::id("fld", 4);
    assert_eq!(made["options"]["formula"], format!(" ({{{number}}}*2)+ {{{number}}} & '{{Name}}'"));
}

#[tokio::test]
async fn dependencies_between_dates_are_checked() {
    let app = begin().await;
    let target = format!("{}/Things", tables());
    let day = super::support::id("fld", 12);
    let settings = json!({"isEnabled": true, "startDateFieldId": day, "predecessorFieldId": null, "reschedulingMode": "fixed", "holidays": ["2026-12-25"]});
    let made = app.patch(&target, json!({"dateDependencySettings": settings})).await.ok();
    assert_eq!(made["dateDependencySettings"], settings);
    for (key, bad) in [
        ("isEnabled", json!(1)),
        ("reschedulingMode", json!("sometimes")),
        ("startDateFieldId", json!("fldNowhere0000001")),
        ("holidays", json!(["Christmas"])),
        ("unheardOf", json!(true)),
    ] {
        let mut settings = settings.clone();
        settings[key] = bad;
        app.patch(&target, json!({"dateDependencySettings": settings}))
            .await
            .refused(422, "INVALID_REQUEST_UNKNOWN");
    }
}
