//! Who may do what, over the wire.

use http::{Method, StatusCode};
use serde_json::json;
use service_kit::auth::{Authenticator, Bases};
use service_kit::routes::Rule;
use storage::SqliteStore;

use crate::support::{Act, BASE, Gateway, OTHER, Scripted, TABLE, call, free_emulator};

#[tokio::test]
async fn every_route_has_a_rule_and_nobody_gets_in_without_a_credential() {
    let data = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&data.path().join("x.sqlite")).await.unwrap();
    let table = airtable_gateway::route_table(Authenticator::new(std::sync::Arc::new(store), None));
    assert!(table.len() >= 14, "{table:#?}");
    let gateway = Gateway::before(free_emulator().await).await;
    for entry in table {
        assert!(matches!(entry.rule, Rule::Scope(_) | Rule::AnyPrincipal), "{entry:?}");
        let path = entry.path.replace("{base_id}", BASE).replace("{table}", TABLE);
        let path = path.replace("{record_id}", "rec00000000000000");
        let answer = call(gateway.address, entry.method.clone().unwrap(), &path, &[], "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{entry:?}: {answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
}

#[tokio::test]
async fn airtables_dialect_refuses_strangers_in_airtables_words() {
    let gateway = Gateway::before(free_emulator().await).await;
    for (method, target) in
        [(Method::GET, format!("/v0/{BASE}/{TABLE}")), (Method::POST, "/v0/any/thing".into())]
    {
        for credential in ["", "Bearer patOWN.1", "Bearer pya_live_wrong", "Basic eA=="] {
            let answer =
                call(gateway.address, method.clone(), &target, &[("authorization", credential)], "").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{credential}");
            assert_eq!(
                answer.json(),
                json!({"error": {"type": "AUTHENTICATION_REQUIRED", "message": "Authentication required"}})
            );
        }
    }
}

#[tokio::test]
async fn keys_are_taken_from_three_headers() {
    let gateway = Gateway::before(free_emulator().await).await;
    for name in ["x-api-key", "x-internal-api-key"] {
        let answer =
            call(gateway.address, Method::GET, "/api/v1/airtable/bases", &[(name, &gateway.key)], "").await;
        assert_eq!(answer.status, StatusCode::OK, "{name}: {answer:?}");
    }
    let answer =
        call(gateway.address, Method::GET, "/v0/meta/bases", &[("x-api-key", &gateway.key)], "").await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_key_limited_to_a_base_cannot_reach_another_by_any_way() {
    let gateway = Gateway::before(free_emulator().await).await;
    let key = gateway.mint(service_kit::auth::Scopes::ALL, Bases::only([BASE])).await;
    let bearer = format!("Bearer {key}");
    let limited = [("authorization", bearer.as_str())];
    // What the full key has read lies in the cache.
    let secret = format!("/v0/{OTHER}/tblBBBBBBBBBBBBBB");
    assert_eq!(gateway.get(&secret).await.status, StatusCode::OK);
    for (method, target) in [
        (Method::GET, secret.clone()),
        (Method::POST, format!("{secret}/listRecords")),
        (Method::POST, secret.clone()),
        (Method::GET, secret.replace("appB", "%61ppB")),
        (Method::GET, format!("/v0/{BASE}/%2e%2e/{OTHER}/tblBBBBBBBBBBBBBB")),
        (Method::GET, format!("/v0//{OTHER}/tblBBBBBBBBBBBBBB")),
        (Method::GET, format!("/v0/{BASE}/x/{OTHER}/y/z")),
        (Method::GET, format!("/v0/meta/bases/{OTHER}/tables")),
        (Method::GET, "/v0/meta/enterpriseAccounts/x".into()),
        (Method::POST, "/v0/meta/bases".into()),
        (Method::GET, format!("/api/v1/airtable/bases/{OTHER}/schema")),
        (Method::GET, format!("/api/v1/airtable/bases/{OTHER}/tables/Secret/records")),
        (Method::POST, "/api/v1/airtable/cache/invalidate".into()),
        (Method::POST, format!("/api/v1/airtable/cache/invalidate?base_id={OTHER}")),
    ] {
        let answer = call(gateway.address, method.clone(), &target, &limited, "").await;
        let refused = [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&answer.status);
        assert!(refused, "{method} {target}: {answer:?}");
        assert!(!answer.text().contains("Second"));
    }
    let bases = gateway.get_with("/v0/meta/bases", &limited).await.json();
    assert_eq!(bases["bases"].as_array().unwrap().len(), 1, "{bases}");
    assert_eq!(bases["bases"][0]["id"], BASE);
    let own = gateway.get_with("/api/v1/airtable/bases?envelope=true", &limited).await.json();
    assert_eq!(own["total"], 1);
    assert_eq!(
        gateway.get_with("/v0/meta/whoami", &limited).await.json(),
        json!({"id": "usrAAAAAAAAAAAAAA"})
    );
    assert_eq!(gateway.get_with(&format!("/v0/{BASE}/{TABLE}"), &limited).await.status, StatusCode::OK);
    let all = gateway.get("/v0/meta/bases").await;
    assert_eq!(all.json()["bases"].as_array().unwrap().len(), 2);
    assert_ne!(all.header("etag"), gateway.get_with("/v0/meta/bases", &limited).await.header("etag"));
}

#[tokio::test]
async fn a_missing_scope_is_a_403_in_both_dialects() {
    let gateway = Gateway::before(free_emulator().await).await;
    let key = gateway.mint("records:read".parse().unwrap(), Bases::All).await;
    let reader = [("x-api-key", key.as_str())];
    let write = gateway.send(Method::POST, &format!("/v0/{BASE}/{TABLE}"), &reader, r#"{"fields":{}}"#).await;
    assert_eq!(write.status, StatusCode::FORBIDDEN);
    assert_eq!(write.json()["error"]["type"], "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND");
    let own = format!("/api/v1/airtable/bases/{BASE}/tables/{TABLE}/records");
    let write = gateway.send(Method::POST, &own, &reader, "[{}]").await;
    assert_eq!((write.status, &write.json()["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")));
    assert_eq!(gateway.get_with(&own, &reader).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_token_that_is_passed_on_has_airtables_rights() {
    let settings = [("PACING", "off"), ("GATEWAY_PASSTHROUGH", "true")];
    let gateway = Gateway::with(free_emulator().await, &settings).await;
    let own = [("authorization", "Bearer patOWN.1")];
    assert_eq!(gateway.get_with(&format!("/v0/{BASE}/{TABLE}"), &own).await.status, StatusCode::OK);
    gateway.get(&format!("/v0/{OTHER}/Secret")).await;
    assert_eq!(gateway.get_with(&format!("/v0/{OTHER}/Secret"), &own).await.status, StatusCode::FORBIDDEN);
    let unknown =
        gateway.get_with(&format!("/v0/{BASE}/{TABLE}"), &[("authorization", "Bearer patNO.1")]).await;
    assert_eq!(unknown.status, StatusCode::UNAUTHORIZED);
    let ours = gateway.get_with("/api/v1/airtable/bases", &own).await;
    assert_eq!(ours.status, StatusCode::UNAUTHORIZED, "our own dialect is for our own keys");
}

#[tokio::test]
async fn nothing_that_could_show_a_credential_to_the_wrong_side_is_passed_on() {
    let upstream = Scripted::start(|_, _| Act::json(200, "{}")).await;
    let gateway = Gateway::before(upstream.address).await;
    let target = format!("/v0/{BASE}/{TABLE}");
    // A whole key of ours in the address would stand in Airtable's logs; what only looks like one is a value.
    let leaked = gateway.get(&format!("{target}?api_key={}", gateway.key)).await;
    assert_eq!(
        (leaked.status, &leaked.json()["error"]["type"]),
        (StatusCode::BAD_REQUEST, &json!("INVALID_REQUEST"))
    );
    assert_eq!(gateway.get(&format!("{target}?view=pya_live_plan")).await.status, StatusCode::OK);
    // TRACE answers with the request as it arrived, the gateway's token included.
    assert_eq!(gateway.send(Method::TRACE, &target, &[], "").await.status, StatusCode::NOT_FOUND);
    // A method that was not judged.
    let headers = [("x-http-method-override", "DELETE")];
    assert_eq!(
        gateway.send(Method::GET, &format!("{target}?n=1"), &headers, "").await.status,
        StatusCode::OK
    );
    let seen = upstream.seen();
    assert_eq!(seen.len(), 2, "{seen:#?}");
    assert!(
        seen.iter().all(|request| !request.contains(&gateway.key) && !request.contains("DELETE")),
        "{seen:#?}"
    );
}
