//! Comments on records.

use serde_json::{Value, json};

use super::support::{BASE, FULL, TestApp, rec, seed};

const GRACE: &str = "patGrace";

/// A base in which two people may comment, and a record of it: its path.
async fn begin() -> (TestApp, String, String) {
    let mut seed = seed();
    let scopes = json!([
        "data.records:read",
        "data.records:write",
        "data.recordComments:read",
        "data.recordComments:write",
        "schema.bases:read"
    ]);
    seed["tokens"][0]["scopes"] = scopes.clone();
    let tokens = seed["tokens"].as_array_mut().unwrap();
    tokens.push(json!({"token": GRACE, "bases": "*", "user": "usrGrace000000002", "scopes": scopes}));
    let app = TestApp::with_seed(&seed).await;
    let record = app.create("Things", json!({"Name": "a"})).await;
    (app, format!("/v0/{BASE}/Things/{record}/comments"), record)
}

fn texts(page: &Value) -> Vec<&str> {
    page["comments"].as_array().unwrap().iter().map(|comment| comment["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_comment_is_created_listed_changed_and_deleted() {
    let (app, comments, _) = begin().await;
    app.get(&comments).await.is(200, json!({"comments": [], "offset": null}));
    let made = app.post(&comments, json!({"text": "hello"})).await.ok();
    assert!(made["id"].as_str().unwrap().starts_with("com"));
    assert_eq!(made["author"], json!({"id": "usrAda00000000001", "email": "ada@example.com", "name": "Ada"}));
    assert_eq!((&made["text"], &made["lastUpdatedTime"]), (&json!("hello"), &Value::Null));
    assert!(made["createdTime"].as_str().unwrap().ends_with('Z'));
    assert!(made.get("mentioned").is_none() && made.get("parentCommentId").is_none());
    assert_eq!(app.get(&comments).await.ok()["comments"], json!([made]));

    let one = format!("{comments}/{}", made["id"].as_str().unwrap());
    let changed = app.patch(&one, json!({"text": "hello again"})).await.ok();
    assert_eq!(changed["text"], "hello again");
    assert!(changed["lastUpdatedTime"].is_string() && changed["createdTime"] == made["createdTime"]);
    app.delete(&one).await.is(200, json!({"id": made["id"], "deleted": true}));
    app.delete(&one).await.refused(404, "MODEL_ID_NOT_FOUND");
    app.get(&comments).await.is(200, json!({"comments": [], "offset": null}));
}

#[tokio::test]
async fn people_are_mentioned_by_id_or_address_and_no_longer_when_they_are_edited_away() {
    let (app, comments, _) = begin().await;
    let text = "@[grace@example.com] and @[usrAda00000000001], not @[nobody@example.com]";
    let made = app.post(&comments, json!({"text": text})).await.ok();
    assert_eq!(made["text"], "@[usrGrace000000002] and @[usrAda00000000001], not @[nobody@example.com]");
    assert_eq!(
        made["mentioned"]["usrGrace000000002"],
        json!({"id": "usrGrace000000002", "type": "user", "displayName": "Grace", "email": "grace@example.com"})
    );
    assert_eq!(made["mentioned"].as_object().unwrap().len(), 2);
    let one = format!("{comments}/{}", made["id"].as_str().unwrap());
    assert!(app.patch(&one, json!({"text": "nobody"})).await.ok().get("mentioned").is_none());
}

#[tokio::test]
async fn comments_come_newest_first_in_pages_that_deletions_do_not_disturb() {
    let (app, comments, record) = begin().await;
    let mut ids = Vec::new();
    for n in 0..7 {
        let made = app.post(&comments, json!({"text": n.to_string()})).await.ok();
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    let first = app.get(&format!("{comments}?pageSize=3")).await.ok();
    assert_eq!(texts(&first), ["6", "5", "4"]);
    app.delete(&format!("{comments}/{}", ids[4])).await.ok(); // the last one of the page
    let next = format!("{comments}?pageSize=3&offset={}", first["offset"].as_str().unwrap());
    let second = app.get(&next).await.ok();
    assert_eq!(texts(&second), ["3", "2", "1"]);
    let next = format!("{comments}?pageSize=3&offset={}", second["offset"].as_str().unwrap());
    assert_eq!(texts(&app.get(&next).await.ok()), ["0"]);

    let listed = app.get(&format!("/v0/{BASE}/Things?recordMetadata[]=commentCount")).await.ok();
    let counts = |listed: &Value| {
        let records = listed["records"].as_array().unwrap();
        let own = records.iter().find(|own| own["id"] == record.as_str()).unwrap();
        own.get("commentCount").cloned()
    };
    assert_eq!(counts(&listed), Some(json!(6)));
    let target = format!("/v0/{BASE}/Things/listRecords");
    let listed = app.post(&target, json!({"recordMetadata": ["commentCount"]})).await.ok();
    assert_eq!(counts(&listed), Some(json!(6)));
    assert_eq!(counts(&app.get(&format!("/v0/{BASE}/Things")).await.ok()), None);
}

#[tokio::test]
async fn a_reply_names_the_comment_that_it_answers() {
    let (app, comments, _) = begin().await;
    let first = app.post(&comments, json!({"text": "first"})).await.ok();
    let reply = app.post(&comments, json!({"text": "reply", "parentCommentId": first["id"]})).await.ok();
    assert_eq!(reply["parentCommentId"], first["id"]);
    let to_nothing = json!({"text": "reply", "parentCommentId": "com00000000000000"});
    app.post(&comments, to_nothing).await.refused(404, "MODEL_ID_NOT_FOUND");
    // It outlives what it answers, in a snapshot, too.
    app.delete(&format!("{comments}/{}", first["id"].as_str().unwrap())).await.ok();
    let snapshot = app.text("GET", "/__emulator/snapshot", "").await;
    assert_eq!(app.raw("PUT", "/__emulator/snapshot", "", snapshot.as_bytes()).await.status, 200);
    assert_eq!(app.get(&comments).await.ok()["comments"], json!([reply]));
}

#[tokio::test]
async fn only_ones_own_comments_may_be_changed_and_only_with_scope_and_role() {
    let (app, comments, _) = begin().await;
    let made = app.post(&comments, json!({"text": "Ada's"})).await.ok();
    let one = format!("{comments}/{}", made["id"].as_str().unwrap());
    for (method, body) in [("PATCH", Some(json!({"text": "mine now"}))), ("DELETE", None)] {
        app.call_as(GRACE, method, &one, body).await.refused(403, "INVALID_PERMISSIONS");
    }
    assert_eq!(texts(&app.call_as(GRACE, "GET", &comments, None).await.ok()), ["Ada's"]);
    let body = || Some(json!({"text": "x"}));
    let unseen = "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND";
    app.call_as("patReadOnly", "GET", &comments, None).await.refused(403, unseen);
    app.call_as("patReadOnly", "POST", &comments, body()).await.refused(403, unseen);
    let read_only = "/v0/appRead0000000002/Notes/recRead0000000001/comments";
    app.call_as(FULL, "GET", read_only, None).await.ok();
    app.call_as(FULL, "POST", read_only, body()).await.refused(403, "INVALID_PERMISSIONS");
}

#[tokio::test]
async fn what_is_no_comment_is_refused() {
    let (app, comments, _) = begin().await;
    for body in [
        json!({}),
        json!({"text": ""}),
        json!({"text": 1}),
        json!({"text": null}),
        json!({"text": "a", "parentCommentId": "x"}),
        json!({"text": "a", "color": "red"}),
    ] {
        app.post(&comments, body).await.refused(422, "INVALID_REQUEST_UNKNOWN");
    }
    for query in ["pageSize=0", "pageSize=101", "pageSize=x"] {
        app.get(&format!("{comments}?{query}")).await.refused(422, "INVALID_REQUEST_UNKNOWN");
    }
    app.get(&format!("{comments}?offset=x")).await.refused(422, "INVALID_OFFSET_VALUE");
    let missing = format!("/v0/{BASE}/Things/{}/comments", rec(99_999));
    app.get(&missing).await.refused(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND");
    app.post(&missing, json!({"text": "a"})).await.refused(404, "MODEL_ID_NOT_FOUND");
}
