use std::sync::Arc;
use std::time::SystemTime;

use axum::routing::get;
use http::Method;
use service_kit::auth::{Authenticator, Bases, Principal, Scope, Scopes};
use service_kit::edge::{Subtree, with_shared_layers};
use service_kit::keys::ApiKey;
use service_kit::routes::{Built, RouteEntry, Routes, Rule};
use storage::{ApiKeyStore as _, SqliteStore};
use utoipa_axum::routes;

use crate::wire::Service;

#[utoipa::path(get, path = "/bases/{base_id}/records", tag = "records", params(("base_id" = String, Path)), responses((status = 200)))]
async fn list_records(principal: Principal) -> String {
    principal.name.to_string()
}

#[utoipa::path(post, path = "/bases/{base_id}/records", tag = "records", params(("base_id" = String, Path)), responses((status = 200)))]
async fn create_records() -> &'static str {
    "created"
}

#[utoipa::path(get, path = "/about", responses((status = 200)))]
async fn about() -> &'static str {
    "about"
}

#[utoipa::path(get, path = "/me", responses((status = 200)))]
async fn me(principal: Principal) -> String {
    principal.key_id.to_string()
}

async fn built() -> (Built<()>, ApiKey, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("test.sqlite")).await.unwrap();
    let key = ApiKey::mint().unwrap();
    let (scopes, bases) = (Scopes::NONE.with(Scope::RecordsRead), Bases::only(["appA"]));
    store.insert(&key.record("reader", scopes, &bases, SystemTime::now(), None)).await.unwrap();
    let built = Routes::new(Authenticator::new(Arc::new(store), None))
        .documented(Rule::Public, routes!(about))
        .documented(Rule::AnyPrincipal, routes!(me))
        .documented(Rule::Scope(Scope::RecordsRead), routes!(list_records))
        .documented(Rule::Scope(Scope::RecordsWrite), routes!(create_records))
        .plain(Rule::InHandler, &[], "/v0/{*rest}", axum::routing::any(async || "any"))
        .plain(Rule::Scope(Scope::KeysManage), &[Method::GET], "/keys", get(async || "keys"))
        .finish();
    (built, key, directory)
}

#[tokio::test]
async fn the_table_has_every_route_with_its_rule() {
    let (built, ..) = built().await;
    let entry = |method: Option<Method>, path: &str, rule| RouteEntry { method, path: path.to_owned(), rule };
    let expected = [
        entry(Some(Method::GET), "/about", Rule::Public),
        entry(Some(Method::GET), "/me", Rule::AnyPrincipal),
        entry(Some(Method::GET), "/bases/{base_id}/records", Rule::Scope(Scope::RecordsRead)),
        entry(Some(Method::POST), "/bases/{base_id}/records", Rule::Scope(Scope::RecordsWrite)),
        entry(None, "/v0/{*rest}", Rule::InHandler),
        entry(Some(Method::GET), "/keys", Rule::Scope(Scope::KeysManage)),
    ];
    assert_eq!(built.table, expected);
}

#[tokio::test]
async fn the_documentation_has_both_methods_of_one_path_and_says_what_needs_a_key() {
    let (built, ..) = built().await;
    let item = &built.openapi.paths.paths["/bases/{base_id}/records"];
    assert!(item.get.is_some() && item.post.is_some());
    let document = serde_json::to_value(&built.openapi).unwrap();
    assert_eq!(document["paths"]["/about"]["get"]["security"], serde_json::json!([{}]), "no key needed");
    assert_eq!(document["paths"]["/me"]["get"]["security"], serde_json::json!([{"api_key": []}]));
}

#[tokio::test]
async fn a_rule_is_enforced_before_the_handler_runs() {
    let (built, key, _keep) = built().await;
    let service = Service::start(with_shared_layers(built.router, [Subtree::OWN], "test")).await;
    let authorization = format!("Authorization: Bearer {}\r\n", key.expose());
    for (method, path, credential, status) in [
        ("GET", "/about", "", 200),
        ("GET", "/v0/anything", "", 200),
        ("GET", "/me", "", 401),
        ("GET", "/me", authorization.as_str(), 200),
        ("GET", "/bases/appA/records", "", 401),
        ("GET", "/bases/appA/records", &authorization, 200),
        ("HEAD", "/bases/appB/records", &authorization, 403),
        ("GET", "/bases/appB/records", &authorization, 403),
        ("GET", "/bases/app%41/records", &authorization, 200),
        ("GET", "/bases/app%42/records", &authorization, 403),
        ("POST", "/bases/appA/records", &authorization, 403),
        ("GET", "/keys", &authorization, 403),
        ("DELETE", "/keys", "", 405),
    ] {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{credential}\r\n");
        let mut client = service.connect().await;
        client.send(&head).await;
        assert_eq!(client.status().await, status, "{method} {path}");
    }
}
