//! Bases and their schema.

use serde_json::json;

use super::support::{BASE, TestApp, id};

#[tokio::test]
async fn bases_are_listed_with_the_users_role() {
    let app = TestApp::spawn().await;
    let bases = app.get("/v0/meta/bases").await.ok();
    assert_eq!(bases["bases"][0], json!({"id": BASE, "name": "Test base", "permissionLevel": "create"}));
    assert!(bases.get("offset").is_none());
}

#[tokio::test]
async fn views_are_listed_over_all_tables_and_read_one_by_one() {
    let app = TestApp::spawn().await;
    let path = format!("/v0/meta/bases/{BASE}/views");
    let all = app.get(&path).await.ok();
    assert_eq!(all["views"][0], json!({"id": "viwThings00000001", "name": "All things", "type": "grid"}));
    assert_eq!(app.get(&format!("{path}/viwThings00000001")).await.ok(), all["views"][0]);
    let with_fields = app.get(&format!("{path}/viwThings00000001?include=visibleFieldIds")).await.ok();
    assert_eq!(with_fields["visibleFieldIds"][0], id("fld", 1));
    for (view, status) in [("viwNowhere0000001", 403), ("viw1", 404)] {
        assert_eq!(app.get(&format!("{path}/{view}")).await.status, status);
    }
}

#[tokio::test]
async fn the_schema_has_airtables_shape() {
    let app = TestApp::spawn().await;
    let schema = app.get(&format!("/v0/meta/bases/{BASE}/tables")).await.ok();
    let things = &schema["tables"][0];
    let keys: Vec<_> = things.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["id", "name", "description", "primaryFieldId", "fields", "views"]);
    assert_eq!(things["primaryFieldId"], id("fld", 1));
    assert_eq!(things["fields"][0], json!({"id": id("fld", 1), "name": "Name", "type": "singleLineText"}));
    let field = |name: &str| {
        let fields = things["fields"].as_array().unwrap();
        fields.iter().find(|field| field["name"] == name).unwrap()["options"].clone()
    };
    assert_eq!(field("Day"), json!({"dateFormat": {"name": "us", "format": "M/D/YYYY"}}));
    assert_eq!(
        field("When"),
        json!({
            "dateFormat": {"name": "iso", "format": "YYYY-MM-DD"},
            "timeFormat": {"name": "24hour", "format": "HH:mm"}, "timeZone": "utc",
        })
    );
    assert_eq!(
        field("Others"),
        json!({
            "linkedTableId": "tblOthers00000002", "inverseLinkFieldId": id("fld", 102),
            "isReversed": false, "prefersSingleRecordLink": false,
        })
    );
    assert_eq!(
        field("Double"),
        json!({
            "formula": "{Number} * 2", "isValid": true, "referencedFieldIds": [id("fld", 4)],
            "result": {"type": "number", "options": {"precision": 8}},
        })
    );
    assert_eq!(
        field("Other names"),
        json!({
            "recordLinkFieldId": id("fld", 16), "fieldIdInLinkedTable": id("fld", 101), "isValid": true,
            "result": {"type": "singleLineText"},
        })
    );
    assert_eq!(field("Files"), json!({"isReversed": false}));
    assert_eq!(things["views"][0], json!({"id": "viwThings00000001", "name": "All things", "type": "grid"}));
}

#[tokio::test]
async fn visible_fields_come_with_grid_views_when_asked_for() {
    let app = TestApp::spawn().await;
    for query in ["include=visibleFieldIds", "include[]=visibleFieldIds"] {
        let schema = app.get(&format!("/v0/meta/bases/{BASE}/tables?{query}")).await.ok();
        let views = &schema["tables"][0]["views"];
        assert_eq!(views[0]["visibleFieldIds"].as_array().unwrap().len(), 32);
        assert!(views[1].get("visibleFieldIds").is_none(), "the board is no grid");
    }
    app.get(&format!("/v0/meta/bases/{BASE}/tables?include=nonsense"))
        .await
        .refused(422, "INVALID_REQUEST_UNKNOWN");
}
