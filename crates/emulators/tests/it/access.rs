//! Scopes, per-token bases, and roles.

use serde_json::json;

use super::support::{BASE, TestApp};

const NOT_THERE: &str = "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND";

#[tokio::test]
async fn a_call_needs_its_scope() {
    let app = TestApp::spawn().await;
    let things = format!("/v0/{BASE}/Things");
    app.call_as("patSchemaOnly", "GET", &things, None).await.refused(403, NOT_THERE);
    app.call_as("patReadOnly", "GET", &things, None).await.ok();
    app.call_as("patReadOnly", "POST", &things, Some(json!({"fields": {}}))).await.refused(403, NOT_THERE);
    app.call_as("patReadOnly", "GET", "/v0/meta/bases", None).await.refused(403, NOT_THERE);
    app.call_as("patSchemaOnly", "GET", &format!("/v0/meta/bases/{BASE}/tables"), None).await.ok();
}

#[tokio::test]
async fn a_token_reaches_its_bases_only() {
    let app = TestApp::spawn().await;
    app.call_as("patOtherBase", "GET", &format!("/v0/{BASE}/Things"), None).await.refused(403, NOT_THERE);
    app.call_as("patOtherBase", "GET", "/v0/appRead0000000002/Notes", None).await.ok();
    let bases = app.call_as("patOtherBase", "GET", "/v0/meta/bases", None).await.ok();
    assert_eq!(
        bases,
        json!({"bases": [{"id": "appRead0000000002", "name": "Read only", "permissionLevel": "read"}]})
    );
}

#[tokio::test]
async fn a_reader_may_not_write() {
    let app = TestApp::spawn().await;
    let notes = "/v0/appRead0000000002/Notes";
    let message = app.post(notes, json!({"fields": {}})).await.refused(403, "INVALID_PERMISSIONS");
    assert_eq!(message, "You are not permitted to create records in table Notes (tblRead0000000002)");
    let record = format!("{notes}/recRead0000000001");
    for answer in [app.patch(&record, json!({"fields": {}})).await, app.delete(&record).await] {
        assert_eq!(
            answer.refused(403, "INVALID_PERMISSIONS"),
            "You are not permitted to perform this operation"
        );
    }
}

#[tokio::test]
async fn an_editor_may_write_but_not_add_choices() {
    let app = TestApp::spawn().await;
    let notes = "/v0/appEdit0000000003/Notes";
    app.post(notes, json!({"fields": {"Name": "x", "Kind": "a"}, "typecast": true})).await.ok();
    let answer = app.post(notes, json!({"fields": {"Kind": "new"}, "typecast": true})).await;
    answer.refused(422, "INVALID_MULTIPLE_CHOICE_OPTIONS");
}

#[tokio::test]
async fn without_any_role_a_base_is_not_there() {
    let app = TestApp::spawn().await;
    app.get("/v0/appNone0000000004/Notes").await.refused(403, NOT_THERE);
}

#[tokio::test]
async fn whoami_needs_no_scope_and_tells_the_address_with_one() {
    let app = TestApp::spawn().await;
    let ada = json!({"id": "usrAda00000000001", "email": "ada@example.com"});
    app.get("/v0/meta/whoami").await.is(200, ada);
    let grace = app.call_as("patSchemaOnly", "GET", "/v0/meta/whoami", None).await;
    grace.is(200, json!({"id": "usrGrace000000002"}));
}
