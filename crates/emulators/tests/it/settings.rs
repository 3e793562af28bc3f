//! What a user of the emulator may turn: its clock, what is unconfirmed of Airtable, and who may do what.

use serde_json::{Value, json};

use super::support::{BASE, TestApp, seed};

#[tokio::test]
async fn records_and_formulas_go_by_the_clock_that_was_set() {
    let app = TestApp::spawn().await;
    app.put("/__emulator/clock", json!({"time": "2031-05-06T07:08:09.123Z", "stopped": true})).await.ok();
    let made = app.post(&format!("/v0/{BASE}/Things"), json!({"fields": {"Name": "a"}})).await.ok();
    assert_eq!(made["createdTime"], "2031-05-06T07:08:09.000Z");
    let today = format!("/v0/{BASE}/Things?filterByFormula=IS_SAME(TODAY(),'2031-05-06')");
    assert_eq!(app.get(&today).await.ok()["records"].as_array().unwrap().len(), 1);
    let clock = app.put("/__emulator/clock", json!({"advanceSeconds": 86_400.5})).await.ok();
    assert_eq!(clock, json!({"time": "2031-05-07T07:08:09.623Z", "stopped": true}));
    app.post("/__emulator/reset", json!({})).await.ok();
    let now = app.get("/__emulator/clock").await.ok();
    assert!(now["stopped"] == false && now["time"].as_str().unwrap() < "2031", "{now}");
}

#[tokio::test]
async fn a_clock_is_not_turned_to_nonsense() {
    let app = TestApp::spawn().await;
    for turn in [
        json!({"time": "yesterday"}),
        json!({"time": "9999-12-31T00:00:00Z"}),
        json!({"advanceSeconds": -1}),
        json!({"advanceSeconds": 1e20}),
        json!({"advance": 1}),
        json!([]),
    ] {
        assert_eq!(app.put("/__emulator/clock", turn.clone()).await.status, 422, "{turn}");
    }
}

#[tokio::test]
async fn a_penalty_ends_when_the_clock_says_so() {
    let mut seed = seed();
    seed["limits"] = json!({"requestsPerSecondPerBase": 1});
    let app = TestApp::with_seed(&seed).await;
    app.put("/__emulator/clock", json!({"stopped": true})).await.ok();
    let ask = async || app.get(&format!("/v0/{BASE}/Things")).await.status;
    assert_eq!([ask().await, ask().await, ask().await], [200, 429, 429]);
    app.put("/__emulator/clock", json!({"advanceSeconds": 31})).await.ok();
    assert_eq!(ask().await, 200);
}

#[tokio::test]
async fn what_is_unconfirmed_can_be_turned_the_other_way() {
    let mut seed = seed();
    seed["unconfirmed"] = json!({"unparsableBodyStatus": 400});
    let app = TestApp::with_seed(&seed).await;
    let things = format!("/v0/{BASE}/Things");
    let headers = "Authorization: Bearer patFull.secret\r\nContent-Type: application/json\r\n";
    assert_eq!(app.raw("POST", &things, headers, b"{").await.status, 400);
    app.put(
        "/__emulator/unconfirmed",
        json!({"urlTooLongStatus": 422, "unknownRecordStatus": 404, "unknownBaseStatus": 404,
            "formulasCreatable": false, "commentCountZero": true}),
    )
    .await
    .ok();
    app.post(&things, json!({"fields": {"Name": "a"}})).await.ok();
    assert_eq!(app.raw("POST", &things, headers, b"{").await.status, 422, "what is left out is as at first");
    app.get(&format!("{things}?view={}", "x".repeat(16_000))).await.refused(422, "URL_TOO_LONG");
    app.get(&format!("{things}/rec00000000009999")).await.refused(404, "MODEL_ID_NOT_FOUND");
    app.get("/v0/appNowhere0000001/Things").await.is(404, json!({"error": "NOT_FOUND"}));
    let formula = json!({"name": "F", "type": "formula", "options": {"formula": "1"}});
    app.post(&format!("/v0/meta/bases/{BASE}/tables/Things/fields"), formula)
        .await
        .refused(422, "UNSUPPORTED_FIELD_TYPE_FOR_CREATE");
    let page = app.get(&format!("{things}?recordMetadata[]=commentCount")).await.ok();
    assert_eq!(page["records"][0]["commentCount"], 0);
    for bad in [json!({"urlTooLongStatus": 200}), json!({"unheardOf": true})] {
        assert_eq!(app.put("/__emulator/unconfirmed", bad.clone()).await.status, 422, "{bad}");
    }
}

#[tokio::test]
async fn a_user_has_the_role_that_a_base_gives_and_a_token_may_narrow_it_down() {
    let mut seed = seed();
    seed["bases"][0]["permissionLevel"] = json!("read");
    seed["bases"][0]["collaborators"] = json!([{"user": "usrAda00000000001", "permissionLevel": "create"}]);
    let scopes = json!(["data.records:read", "data.records:write", "schema.bases:read"]);
    let tokens = seed["tokens"].as_array_mut().unwrap();
    let token =
        |token: &str, user: &str| json!({"token": token, "bases": "*", "user": user, "scopes": scopes});
    tokens.push(token("patGrace", "usrGrace000000002"));
    tokens.push(token("patNarrow", "usrAda00000000001"));
    tokens.last_mut().unwrap()["permissionLevel"] = json!("comment");
    let app = TestApp::with_seed(&seed).await;
    let things = format!("/v0/{BASE}/Things");
    let body = json!({"fields": {"Name": "a"}});
    let create = async |token: &str| app.call_as(token, "POST", &things, Some(body.clone())).await;
    create("patFull.secret").await.ok();
    for (token, level) in [("patGrace", "read"), ("patNarrow", "comment")] {
        create(token).await.refused(403, "INVALID_PERMISSIONS");
        assert_eq!(app.call_as(token, "GET", &things, None).await.status, 200);
        let bases: Value = app.call_as(token, "GET", "/v0/meta/bases", None).await.ok();
        let base = bases["bases"].as_array().unwrap().iter().find(|base| base["id"] == BASE).unwrap();
        assert_eq!(base["permissionLevel"], level);
    }
    let people = app.get(&format!("/v0/meta/bases/{BASE}?include=collaborators")).await.ok();
    let people = &people["individualCollaborators"]["baseCollaborators"];
    assert_eq!([&people[0]["permissionLevel"], &people[1]["permissionLevel"]], ["create", "read"]);
}

#[tokio::test]
async fn only_its_owner_reaches_the_emulators_own_api_from_elsewhere() {
    let app = TestApp::with_full_token().await;
    let owned = format!("Authorization: Bearer {}\r\nOrigin: https://proxy.test\r\n", TestApp::OPERATOR);
    let seeded = "Authorization: Bearer patFull.secret\r\nOrigin: https://proxy.test\r\n";
    assert_eq!(app.raw("GET", "/__emulator/clock", &owned, b"").await.status, 200);
    assert_eq!(app.raw("GET", "/__emulator/clock", seeded, b"").await.status, 403);
    for (headers, status) in [
        ("Origin: http://localhost:3000\r\n", 200),
        ("Origin: http://127.0.0.1\r\n", 200),
        ("Origin: https://evil.test\r\n", 403),
        ("Origin: null\r\n", 403),
        ("Origin: http://localhost.evil.test\r\n", 403),
    ] {
        assert_eq!(app.raw("GET", "/__emulator/clock", headers, b"").await.status, status, "{headers}");
    }
}
