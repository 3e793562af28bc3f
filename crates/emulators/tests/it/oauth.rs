//! Integrations: consent, codes, tokens, and what those may do.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::process::{Running, begin_with};
use super::support::{Answer, BASE, FULL, TestApp, seed};

const CALLBACK: &str = "http://localhost:4000/cb?from=airtable";
/// 128 characters, the longest that is allowed; lower-case, as are all texts that come back in a header here.
const VERIFIER: &str = concat!(
    "abcdefghijklmnopqrstuvwxyz0123456789._-abcdefghijklmnopqrstuvwxyz",
    "abcdefghijklmnopqrstuvwxyz0123456789._-abcdefghijklmnopqrstuvwx"
);
const STATE: &str = "state-0123456789";

fn with_clients() -> Value {
    let mut seed = seed();
    let client = |id: &str, consent: &str| {
        json!({"clientId": id, "name": format!("{id} <&>"), "redirectUris": [CALLBACK], "consent": consent,
            "scopes": ["data.records:read", "data.records:write", "schema.bases:read", "user.email:read", "webhook:manage"]})
    };
    let mut secretive = client("secretive", "granted");
    secretive["clientSecret"] = "s3cret:word".into();
    let mut limited = client("limited", "granted");
    limited["bases"] = json!(["appRead0000000002"]);
    limited["user"] = "grace@example.com".into();
    seed["oauthClients"] = json!([
        client("asking", "ask"),
        client("granted", "granted"),
        client("denied", "denied"),
        secretive,
        limited
    ]);
    seed
}

fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

fn authorize_path(client: &str, scope: &str) -> String {
    let query = form(&[
        ("client_id", client),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", scope),
        ("state", STATE),
        ("code_challenge", &challenge()),
        ("code_challenge_method", "S256"),
    ]);
    format!("/oauth2/v1/authorize?{query}")
}

/// A parameter of the address in `Location`.
fn returned(answer: &Answer, name: &str) -> Option<String> {
    let to = answer.head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap();
    assert!(to.starts_with(CALLBACK), "{to}");
    let (_, query) = to.split_once('?').unwrap();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

async fn code(app: &TestApp, client: &str, scope: &str) -> String {
    let answer = app.raw("GET", &authorize_path(client, scope), "", b"").await;
    assert_eq!(answer.status, 302, "{}", answer.body);
    returned(&answer, "code").unwrap_or_else(|| panic!("{}", answer.head))
}

async fn post(app: &TestApp, what: &str, headers: &str, pairs: &[(&str, &str)]) -> Answer {
    let headers = format!("Content-Type: application/x-www-form-urlencoded\r\n{headers}");
    app.raw("POST", &format!("/oauth2/v1/{what}"), &headers, form(pairs).as_bytes()).await
}

async fn exchange(app: &TestApp, client: &str, code: &str) -> Answer {
    let pairs = [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    post(app, "token", "", &pairs).await
}

async fn refresh(app: &TestApp, client: &str, tokens: &Value) -> Answer {
    let token = text(tokens, "refresh_token");
    let pairs = [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", &token)];
    post(app, "token", "", &pairs).await
}

async fn tokens(app: &TestApp, client: &str, scope: &str) -> Value {
    let code = code(app, client, scope).await;
    exchange(app, client, &code).await.ok()
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

async fn whoami(app: &TestApp, tokens: &Value) -> Answer {
    app.call_as(&text(tokens, "access_token"), "GET", "/v0/meta/whoami", None).await
}

#[track_caller]
fn refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!((answer.status, answer.body["error"].as_str()), (status, Some(error)), "{}", answer.body);
    let keys: Vec<_> = answer.body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["error", "error_description"]);
}

/// Turns the clock ahead.
async fn wait(app: &TestApp, seconds: u64) {
    app.put("/__emulator/clock", json!({"advanceSeconds": seconds})).await.ok();
}

#[tokio::test]
async fn a_client_without_secret_gets_tokens_that_work_within_scopes_and_bases() {
    let app = TestApp::with_seed(&with_clients()).await;
    let answer =
        app.raw("GET", &authorize_path("limited", "schema.bases:read data.records:read"), "", b"").await;
    assert_eq!(returned(&answer, "state").as_deref(), Some(STATE));
    assert_eq!(returned(&answer, "code_challenge_method").as_deref(), Some("s256"));
    assert_eq!(returned(&answer, "code_challenge"), None);
    let tokens = exchange(&app, "limited", &returned(&answer, "code").unwrap()).await;
    for header in ["content-type: application/json; charset=utf-8", "cache-control: no-store"] {
        assert!(tokens.head.contains(header), "{}", tokens.head);
    }
    assert!(!tokens.head.contains("access-control-"), "{}", tokens.head);
    let tokens = tokens.ok();
    let rest: Value =
        tokens.as_object().unwrap().iter().skip(2).map(|(k, v)| (k.clone(), v.clone())).collect();
    assert_eq!(
        rest,
        json!({"token_type": "Bearer", "scope": "schema.bases:read data.records:read", "expires_in": 3600,
            "refresh_expires_in": 5_184_000})
    );

    let me = json!({"id": "usrGrace000000002", "scopes": ["data.records:read", "schema.bases:read"]});
    whoami(&app, &tokens).await.is(200, me);
    let token = text(&tokens, "access_token");
    let bases = app.call_as(&token, "GET", "/v0/meta/bases", None).await.ok();
    assert_eq!(bases["bases"].as_array().unwrap().len(), 1);
    app.call_as(&token, "GET", "/v0/appRead0000000002/Notes", None).await.ok();
    let hidden = "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND";
    app.call_as(&token, "GET", &format!("/v0/{BASE}/Things"), None).await.refused(403, hidden);
    let write = Some(json!({"fields": {}}));
    app.call_as(&token, "POST", "/v0/appRead0000000002/Notes", write).await.refused(403, hidden);
    let personal = app.get("/v0/meta/whoami").await.ok();
    assert!(personal.get("scopes").is_none(), "{personal}");
}

#[tokio::test]
async fn a_client_with_secret_must_show_it() {
    let app = TestApp::with_seed(&with_clients()).await;
    let basic = |text: &str| format!("Authorization: Basic {}\r\n", STANDARD.encode(text));
    let code = code(&app, "secretive", "data.records:read").await;
    let pairs = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let tokens = post(&app, "token", &basic("secretive:s3cret:word"), &pairs).await.ok();
    for headers in [basic("secretive:other"), basic("granted:"), String::new()] {
        let refresh_token = text(&tokens, "refresh_token");
        let pairs =
            [("grant_type", "refresh_token"), ("refresh_token", &*refresh_token), ("client_id", "secretive")];
        let answer = post(&app, "token", &headers, &pairs).await;
        refused(&answer, 401, "invalid_client");
        assert!(answer.head.contains("www-authenticate: basic"), "{}", answer.head);
    }
    let refresh_token = text(&tokens, "refresh_token");
    let pairs = [("grant_type", "refresh_token"), ("refresh_token", &*refresh_token)];
    post(&app, "token", &basic("secretive:s3cret:word"), &pairs).await.ok();
}

#[tokio::test]
async fn a_person_who_is_asked_chooses_bases_or_denies() {
    let app = TestApp::with_seed(&with_clients()).await;
    let ask = async || {
        let page = app.raw("GET", &authorize_path("asking", "data.records:read"), "", b"").await;
        assert_eq!(page.status, 200);
        assert!(page.head.contains("form-action 'self' http://localhost:4000;"), "{}", page.head);
        assert!(page.head.contains("x-frame-options: deny") && page.head.contains("cache-control: no-store"));
        let html = page.body.as_str().unwrap().to_owned();
        assert!(html.contains("asking &lt;&amp;&gt;") && !html.contains("<script") && !html.contains("<&>"));
        assert!(html.contains(BASE) && !html.contains("appNone0000000004"), "{html}");
        let ticket = html.split("name=\"ticket\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        ticket.to_owned()
    };
    let decide = async |pairs: &[(&str, &str)]| post(&app, "authorize", "", pairs).await;

    let ticket = ask().await;
    let denied = decide(&[("ticket", &ticket), ("decision", "deny")]).await;
    assert_eq!(denied.status, 303);
    assert_eq!(returned(&denied, "error").as_deref(), Some("access_denied"));
    assert_eq!(returned(&denied, "state").as_deref(), Some(STATE));
    assert_eq!(decide(&[("ticket", &ticket), ("decision", "grant"), ("base", "*")]).await.status, 400);

    let ticket = ask().await;
    for bad in [
        &[("decision", "grant"), ("base", BASE)][..],
        &[("ticket", "guessed"), ("decision", "grant"), ("base", BASE)],
        &[("ticket", &ticket), ("base", BASE)],
        &[("ticket", &ticket), ("decision", "grant")],
        &[("ticket", &ticket), ("decision", "grant"), ("base", "appNone0000000004")],
        &[("ticket", &ticket), ("decision", "grant"), ("base", "<script>")],
    ] {
        let page = decide(bad).await;
        assert_eq!(page.status, 400, "{bad:?}");
        assert!(!page.body.as_str().unwrap().contains("<script"));
    }
    let granted = decide(&[("ticket", &ticket), ("decision", "grant"), ("base", BASE)]).await;
    assert_eq!(granted.status, 303);
    let tokens = exchange(&app, "asking", &returned(&granted, "code").unwrap()).await.ok();
    let token = text(&tokens, "access_token");
    app.call_as(&token, "GET", &format!("/v0/{BASE}/Things"), None).await.ok();
    let other = app.call_as(&token, "GET", "/v0/appRead0000000002/Notes", None).await;
    other.refused(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND");

    let ticket = ask().await;
    wait(&app, 600).await;
    assert_eq!(decide(&[("ticket", &ticket), ("decision", "grant"), ("base", "*")]).await.status, 400);
}

#[tokio::test]
async fn a_bad_request_is_told_to_the_integration_unless_it_is_not_known_which() {
    let app = TestApp::with_seed(&with_clients()).await;
    let good = authorize_path("granted", "data.records:read");
    for bad in
        [good.replace("granted", "unknown"), good.replace("4000", "4001"), "/oauth2/v1/authorize".to_owned()]
    {
        let page = app.raw("GET", &bad, "", b"").await;
        assert_eq!(page.status, 400, "{bad}");
        assert!(!page.head.contains("location:") && page.body.is_string(), "{bad}");
    }
    for (bad, error) in [
        (good.replace(STATE, "short"), "invalid_request"),
        (good.replace("S256", "plain"), "invalid_request"),
        (good.replace("response_type=code", "response_type=token"), "unsupported_response_type"),
        (good.replace("data.records", "data.everything"), "invalid_scope"),
        (authorize_path("denied", "data.records:read"), "access_denied"),
    ] {
        let answer = app.raw("GET", &bad, "", b"").await;
        assert_eq!((answer.status, returned(&answer, "error").as_deref()), (302, Some(error)), "{bad}");
        assert!(returned(&answer, "error_description").is_some());
    }
    for (method, path) in [
        ("GET", "/oauth2/v1/token"),
        ("OPTIONS", "/oauth2/v1/token"),
        ("GET", "/oauth2/v1/"),
        ("GET", "/oauth2/v2/authorize"),
        ("DELETE", "/oauth2/v1/authorize"),
    ] {
        app.raw(method, path, "", b"").await.is(404, json!({"error": "NOT_FOUND"}));
    }
}

#[tokio::test]
async fn a_bad_token_request_is_refused_in_the_words_of_oauth() {
    let app = TestApp::with_seed(&with_clients()).await;
    let cases: [(&[_], u16, &str); 7] = [
        (&[], 400, "invalid_request"),
        (&[("client_id", "granted")], 400, "invalid_request"),
        (&[("client_id", "granted"), ("grant_type", "password")], 400, "unsupported_grant_type"),
        (&[("client_id", "granted"), ("grant_type", "authorization_code")], 400, "invalid_request"),
        (
            &[("client_id", "granted"), ("grant_type", "refresh_token"), ("refresh_token", "x")],
            400,
            "invalid_grant",
        ),
        (
            &[("client_id", "nobody"), ("grant_type", "refresh_token"), ("refresh_token", "x")],
            401,
            "invalid_client",
        ),
        (
            &[("client_id", "granted"), ("grant_type", "authorization_code"), ("code", "x")],
            400,
            "invalid_grant",
        ),
    ];
    for (pairs, status, error) in cases {
        let answer = post(&app, "token", "", pairs).await;
        refused(&answer, status, error);
        assert!(answer.head.contains("cache-control: no-store"), "{}", answer.head);
    }
    let json = "Content-Type: application/json\r\n";
    let body = br#"{"grant_type":"refresh_token","client_id":"granted","refresh_token":"x"}"#;
    refused(&app.raw("POST", "/oauth2/v1/token", json, body).await, 400, "invalid_request");
    let long = "x".repeat(70_000);
    refused(&post(&app, "token", "", &[("code", &long)]).await, 400, "invalid_request");
    let not_text = app
        .raw(
            "POST",
            "/oauth2/v1/token",
            "Content-Type: application/x-www-form-urlencoded\r\n",
            b"%FF=%00&\xC3\xA9=",
        )
        .await;
    refused(&not_text, 400, "invalid_request");
}

#[tokio::test]
async fn tokens_rotate_expire_and_are_revoked() {
    let app = TestApp::with_seed(&with_clients()).await;
    let first = tokens(&app, "granted", "data.records:read").await;
    whoami(&app, &first).await.ok();
    let second = refresh(&app, "granted", &first).await.ok();
    whoami(&app, &first).await.refused(401, "AUTHENTICATION_REQUIRED");
    whoami(&app, &second).await.ok();
    assert_eq!(refresh(&app, "granted", &first).await.status, 409);
    wait(&app, 60).await;
    refused(&refresh(&app, "granted", &first).await, 400, "invalid_grant");
    wait(&app, 3600 - 60).await;
    whoami(&app, &second).await.refused(401, "AUTHENTICATION_REQUIRED");
    let third = refresh(&app, "granted", &second).await.ok();
    whoami(&app, &third).await.ok();

    let revoke = async |client: &str, token: &str| {
        post(&app, "revoke", "", &[("client_id", client), ("token", token)]).await
    };
    refused(&revoke("limited", &text(&third, "refresh_token")).await, 400, "invalid_grant");
    refused(&revoke("nobody", &text(&third, "refresh_token")).await, 401, "invalid_client");
    refused(&post(&app, "revoke", "", &[("client_id", "granted")]).await, 400, "invalid_request");
    assert_eq!(revoke("granted", "never-was").await.status, 200);
    let done = revoke("granted", &text(&third, "refresh_token")).await;
    assert_eq!((done.status, done.body), (200, Value::Null));
    whoami(&app, &third).await.refused(401, "AUTHENTICATION_REQUIRED");
    refused(&refresh(&app, "granted", &third).await, 400, "invalid_grant");

    let unused = tokens(&app, "granted", "data.records:read").await;
    wait(&app, 60 * 24 * 60 * 60).await;
    refused(&refresh(&app, "granted", &unused).await, 400, "invalid_grant");
}

#[tokio::test]
async fn a_code_is_good_once_and_for_ten_minutes() {
    let app = TestApp::with_seed(&with_clients()).await;
    let code_one = code(&app, "granted", "data.records:read").await;
    let tokens = exchange(&app, "granted", &code_one).await.ok();
    refused(&exchange(&app, "granted", &code_one).await, 400, "invalid_grant");
    whoami(&app, &tokens).await.refused(401, "AUTHENTICATION_REQUIRED");
    refused(&refresh(&app, "granted", &tokens).await, 400, "invalid_grant");

    let code_two = code(&app, "granted", "data.records:read").await;
    refused(&exchange(&app, "limited", &code_two).await, 400, "invalid_grant");
    refused(&exchange(&app, "granted", &code_two).await, 400, "invalid_grant");

    let code_three = code(&app, "granted", "data.records:read").await;
    wait(&app, 600).await;
    refused(&exchange(&app, "granted", &code_three).await, 400, "invalid_grant");
}

#[tokio::test]
async fn of_many_that_refresh_at_once_one_gets_tokens_and_too_many_lose_the_grant() {
    let app = TestApp::with_seed(&with_clients()).await;
    let first = tokens(&app, "granted", "data.records:read").await;
    app.put("/__emulator/clock", json!({"stopped": true})).await.ok();
    let mut answers = Vec::new();
    for _ in 0..10 {
        answers.push(refresh(&app, "granted", &first).await);
    }
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409, 409, 409]);
    whoami(&app, &answers[0].body).await.ok();
    refused(&refresh(&app, "granted", &first).await, 400, "invalid_grant");
    whoami(&app, &answers[0].body).await.refused(401, "AUTHENTICATION_REQUIRED");
}

#[tokio::test]
async fn a_reset_of_the_data_takes_grants_back() {
    let mut seed = with_clients();
    let old = json!({"token": "oaaOLD.there", "expirationTime": "2999-01-01T00:00:00Z"});
    seed["oauthGrants"] = json!([{"client": "granted", "scopes": ["user.email:read"], "accessToken": old}]);
    let app = TestApp::with_seed(&seed).await;
    let new = tokens(&app, "granted", "data.records:read").await;
    app.post("/__emulator/reset", json!({"data": true})).await.ok();
    whoami(&app, &new).await.refused(401, "AUTHENTICATION_REQUIRED");
    let me = json!({"id": "usrAda00000000001", "email": "ada@example.com", "scopes": ["user.email:read"]});
    whoami(&app, &json!({"access_token": "oaaOLD.there"})).await.is(200, me);
}

#[test]
fn what_is_wrong_with_clients_and_grants_of_a_seed_is_told_with_its_place() {
    let mut seed = with_clients();
    let clients = seed["oauthClients"].as_array_mut().unwrap();
    clients.truncate(1);
    clients.push(
        json!({"clientId": "asking", "redirectUris": ["http://example.com/", "https://a.example.com/*"],
        "scopes": ["everything"], "consent": "maybe", "user": "nobody", "bases": ["app1"], "secret": "x"}),
    );
    clients.push(json!({"clientSecret": ""}));
    seed["oauthGrants"] = json!([
        {"client": "nobody", "accessToken": {"token": "a"}},
        {"client": "asking", "accessToken": {"token": FULL}},
    ]);
    let error = emulators::airtable::Seed::from_json(seed.to_string().as_bytes()).unwrap_err();
    let paths: Vec<_> = error.problems().iter().map(|problem| problem.path.as_str()).collect();
    for path in [
        "oauthClients[1]",
        "oauthClients[1].redirectUris[0]",
        "oauthClients[1].redirectUris[1]",
        "oauthClients[1].scopes[0]",
        "oauthClients[1].consent",
        "oauthClients[1].user",
        "oauthClients[1].bases[0]",
        "oauthClients[1].secret",
        "oauthClients[2].clientId",
        "oauthClients[2].clientSecret",
        "oauthClients[2].redirectUris",
        "oauthClients[2].scopes",
        "oauthGrants[0]",
        "oauthGrants",
    ] {
        assert!(paths.contains(&path), "{path} is not among {error}");
    }
}

fn begin(dir: &Path) -> (Running, TestApp) {
    begin_with(dir, &with_clients(), &[])
}

#[tokio::test]
async fn grants_survive_a_kill_and_used_codes_stay_used() {
    let dir = tempfile::tempdir().unwrap();
    let (child, app) = begin(dir.path());
    let spent = code(&app, "granted", "data.records:read").await;
    let first = exchange(&app, "granted", &spent).await.ok();
    let second = refresh(&app, "granted", &first).await.ok();
    let waiting = code(&app, "limited", "data.records:read").await;
    let burnt = code(&app, "granted", "data.records:read").await;
    refused(&exchange(&app, "limited", &burnt).await, 400, "invalid_grant");
    drop(child); // kills it

    let (child, app) = begin(dir.path());
    whoami(&app, &second).await.ok();
    whoami(&app, &first).await.refused(401, "AUTHENTICATION_REQUIRED");
    exchange(&app, "limited", &waiting).await.ok();
    refused(&exchange(&app, "granted", &burnt).await, 400, "invalid_grant");
    let third = refresh(&app, "granted", &second).await.ok();
    drop(child);

    let (_child, app) = begin(dir.path());
    whoami(&app, &third).await.ok();
    refused(&exchange(&app, "granted", &spent).await, 400, "invalid_grant");
    whoami(&app, &third).await.refused(401, "AUTHENTICATION_REQUIRED");
}

#[tokio::test]
async fn whoever_acts_stays_who_it_was_when_the_seed_lists_people_in_another_order() {
    let dir = tempfile::tempdir().unwrap();
    let (child, app) = begin(dir.path());
    let before = tokens(&app, "limited", "data.records:read").await;
    drop(child);

    let mut seed = with_clients();
    let mut people = seed["users"].as_array().unwrap().clone();
    people.insert(0, json!({"email": "new@example.com"}));
    people.swap(1, 2);
    people[1].as_object_mut().unwrap().remove("id"); // Grace is known by her address
    seed["users"] = people.into();
    let (_child, app) = begin_with(dir.path(), &seed, &[]);
    let after = tokens(&app, "limited", "data.records:read").await;
    for tokens in [before, after] {
        assert_eq!(whoami(&app, &tokens).await.ok()["id"], "usrGrace000000002");
    }
    let grace = app.call_as("patSchemaOnly", "GET", "/v0/meta/whoami", None).await.ok();
    assert_eq!(grace["id"], "usrGrace000000002");
    assert_eq!(app.get("/v0/meta/whoami").await.ok()["id"], "usrAda00000000001");
}

#[tokio::test]
async fn people_whom_a_later_seed_brings_stay_who_they_are_in_cells() {
    let dir = tempfile::tempdir().unwrap();
    drop(begin(dir.path()));
    let mut seed = with_clients();
    let id = "usrLate0000000003";
    seed["users"].as_array_mut().unwrap().push(json!({"id": id, "name": "Late"}));
    seed["oauthClients"][1]["user"] = id.into();
    let (child, app) = begin_with(dir.path(), &seed, &[]);
    let token = text(&tokens(&app, "granted", "data.records:write").await, "access_token");
    let body = Some(json!({"fields": {"Name": "by her"}}));
    let made = app.call_as(&token, "POST", &format!("/v0/{BASE}/Things"), body).await.ok();
    assert_eq!(made["fields"]["Creator"]["id"], id);
    drop(child);

    seed = with_clients();
    seed["users"].as_array_mut().unwrap().push(json!({"id": "usrOther000000004", "name": "Other"}));
    let (_child, app) = begin_with(dir.path(), &seed, &[]);
    assert_eq!(app.cells("Things", &text(&made, "id")).await["Creator"]["id"], id);
}

#[tokio::test]
async fn a_snapshot_holds_clients_and_grants_and_puts_them_back() {
    let app = TestApp::with_seed(&with_clients()).await;
    let old = tokens(&app, "limited", "data.records:read schema.bases:read").await;
    let new = refresh(&app, "limited", &old).await.ok();
    let waiting = code(&app, "granted", "data.records:read").await;
    let path = "/__emulator/snapshot";
    let snapshot = app.text("GET", path, "").await;

    let dir = tempfile::tempdir().unwrap();
    let (child, again) = begin_with(dir.path(), &seed(), &[]);
    again.text("PUT", path, &snapshot).await;
    assert_eq!(again.text("GET", path, "").await, snapshot);
    drop(child); // kills it; the seed that it is started with knows no clients

    let (child, again) = begin_with(dir.path(), &seed(), &[]);
    let me = whoami(&app, &new).await.ok();
    whoami(&again, &new).await.is(200, me);
    whoami(&again, &old).await.refused(401, "AUTHENTICATION_REQUIRED");
    exchange(&again, "granted", &waiting).await.ok();
    let newest = refresh(&again, "limited", &new).await.ok();
    drop(child);

    let (_child, again) = begin_with(dir.path(), &seed(), &[]);
    whoami(&again, &newest).await.ok();
    whoami(&again, &new).await.refused(401, "AUTHENTICATION_REQUIRED");
    refused(&exchange(&again, "granted", &waiting).await, 400, "invalid_grant");
}

#[tokio::test]
async fn an_integration_sees_its_own_webhooks_only_and_may_have_two_in_a_base() {
    let mut seed = with_clients();
    seed["tokens"][0]["scopes"].as_array_mut().unwrap().push("webhook:manage".into());
    let app = TestApp::with_seed(&seed).await;
    let scope = "webhook:manage data.records:read data.records:write";
    let own = text(&tokens(&app, "granted", scope).await, "access_token");
    let page = app.raw("GET", &authorize_path("asking", scope), "", b"").await;
    let ticket = page.body.as_str().unwrap().split("name=\"ticket\" value=\"").nth(1).unwrap();
    let ticket = ticket.split('"').next().unwrap();
    let agreed =
        post(&app, "authorize", "", &[("ticket", ticket), ("decision", "grant"), ("base", "*")]).await;
    let other = exchange(&app, "asking", &returned(&agreed, "code").unwrap()).await.ok();
    let other = text(&other, "access_token");

    let hooks = format!("/v0/bases/{BASE}/webhooks");
    let wanted = json!({"specification": {"options": {"filters": {"dataTypes": ["tableData"]}}}});
    let create = async |token: &str| app.call_as(token, "POST", &hooks, Some(wanted.clone())).await;
    let personal = create(FULL).await.ok();
    let first = create(&own).await.ok();
    create(&own).await.ok();
    create(&own).await.refused(422, "TOO_MANY_WEBHOOKS_BY_OAUTH_INTEGRATION_IN_BASE");
    let elses = create(&other).await.ok();
    let count = async |token: &str| {
        let listed = app.call_as(token, "GET", &hooks, None).await.ok();
        listed["webhooks"].as_array().unwrap().len()
    };
    assert_eq!((count(FULL).await, count(&own).await, count(&other).await), (4, 2, 1));
    for hidden in [&personal, &elses] {
        let hook = format!("{hooks}/{}", text(hidden, "id"));
        for (method, path) in [
            ("GET", format!("{hook}/payloads")),
            ("POST", format!("{hook}/refresh")),
            ("DELETE", hook.clone()),
        ] {
            app.call_as(&own, method, &path, None).await.refused(404, "MODEL_ID_NOT_FOUND");
        }
    }
    // A hook is the integration's, not the token's.
    let again = text(&tokens(&app, "granted", scope).await, "access_token");
    app.call_as(&again, "DELETE", &format!("{hooks}/{}", text(&first, "id")), None).await.ok();
    create(&again).await.ok();
}
