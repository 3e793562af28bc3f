//! Models, tokens, health, and what everybody may read.

use serde_json::{Value, json};
use storage::{NewEvent, SessionStore as _};

use crate::support::*;

#[tokio::test]
async fn models_are_listed_with_the_virtual_one_first() {
    let chat = Orchestrator::start(json!([says("x")])).await;
    let list = chat.get("/v1/models").await.ok().json();
    let ids: Vec<_> =
        list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(ids[0], "airtable-assistant");
    assert!(ids.contains(&"gemini-3.8-flash") && !ids.iter().any(|id| id.contains("embedding")), "{ids:?}");
    for model in list["data"].as_array().unwrap() {
        assert!(model["created"].is_u64() && model["owned_by"].is_string() && model["object"] == "model");
    }
    assert_eq!(chat.get("/v1/models/airtable-assistant").await.ok().json()["id"], "airtable-assistant");
    let unknown = chat.get("/v1/models/gpt-4o").await;
    assert_eq!(
        (unknown.status.as_u16(), unknown.json()["error"]["code"].clone()),
        (404, json!("model_not_found"))
    );
}

#[tokio::test]
async fn tokens_are_counted() {
    let chat = Orchestrator::start(json!([says("x")])).await;
    let count =
        chat.post("/api/v1/models/count-tokens", json!({"text": "How many tokens are these?"})).await.ok();
    assert!(count.json()["token_count"].as_u64().unwrap() > 3);
    let empty = chat.post("/api/v1/models/count-tokens", json!({"text": ""})).await.ok();
    assert_eq!(empty.json()["token_count"], 0);
}

#[tokio::test]
async fn health_says_what_is_emulated_and_never_asks_the_model() {
    let chat = Orchestrator::start(json!([says("x")])).await;
    let anonymous = [("authorization", "")];
    let health = async |path: &str| chat.send(http::Method::GET, path, &anonymous, None).await;
    let ready = health("/ready").await.ok().json();
    assert_eq!((&ready["model_mode"], &ready["model"]), (&json!("custom"), &json!("gemini-3.8-flash")));
    assert_eq!(ready["checks"]["mcp"]["status"], "healthy");
    assert_eq!(ready["checks"]["model"]["status"], "healthy");
    assert!(health("/api/v1/info").await.ok().json()["features"]["tools"].as_bool().unwrap());
    assert!(chat.model.requests(0).is_empty());
    for path in ["/health", "/metrics", "/openapi.json", "/docs"] {
        health(path).await.ok();
    }
}

#[tokio::test]
async fn what_was_used_is_measured() {
    let chat = Orchestrator::start(json!([calls(json!([{"name": "list_tables"}])), says("x")])).await;
    chat.ask("Go").await.ok();
    let metrics = chat.get("/metrics").await.ok();
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    for name in [
        "gen_ai_client_token_usage_total",
        "gen_ai_client_operation_duration_seconds",
        "gen_ai_tool_executions_total{tool=\"list_tables\",status=\"ok\"}",
        "chat_runs_total{status=\"completed\"}",
    ] {
        assert!(text.contains(name), "{name}");
    }
}

#[tokio::test]
async fn usage_and_cost_add_up_to_the_last_digit() {
    let usage = |prompt: u64, cached: u64, out: u64, thoughts: u64| json!({"prompt": prompt, "cached": cached, "candidates": out, "thoughts": thoughts});
    let turns = json!([
        {"reply": {"calls": [{"name": "list_tables"}], "usage": usage(1000, 0, 40, 60)}},
        {"reply": {"text": "One.", "usage": usage(1210, 1024, 9, 77)}},
    ]);
    let chat = Orchestrator::start(turns).await;
    let body = chat.ask_in("s1", "Go").await.ok().json();
    assert_eq!(
        (
            &body["usage"]["prompt_tokens"],
            &body["usage"]["completion_tokens"],
            &body["usage"]["total_tokens"]
        ),
        (&json!(2210), &json!(186), &json!(2396))
    );
    assert_eq!(body["usage"]["prompt_tokens_details"]["cached_tokens"], 1024);
    assert_eq!(body["usage"]["completion_tokens_details"]["reasoning_tokens"], 137);
    // List price of gemini-3.8-flash until the end of 2026: 0.75, 0.075 and 3.75 dollars a million.
    let nano = |fresh: u64, cached: u64, out: u64| fresh * 750 + cached * 75 + out * 3750;
    let total = nano(1000, 0, 100) + nano(186, 1024, 86);
    let shown = body["cost"]["total"].as_str().unwrap();
    let is_2026 =
        std::time::SystemTime::now() < std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_798_761_600);
    if is_2026 {
        assert_eq!(shown, format!("0.{total:09}").trim_end_matches('0'));
    }
    // The same in the session, from the store.
    let session = chat.get("/api/v1/sessions/s1").await.ok().json();
    assert_eq!(
        (&session["usage"]["total_tokens"], &session["usage"]["cost"]),
        (&json!(2396), &Value::from(shown))
    );
}

#[tokio::test]
async fn what_a_model_of_unknown_price_used_has_no_cost_rather_than_none_to_pay() {
    let chat = Orchestrator::start(json!([says("Hi.")])).await;
    chat.ask_in("s1", "Go").await.ok();
    let cost = async || chat.get("/api/v1/sessions/s1").await.ok().json()["usage"]["cost"].clone();
    assert!(cost().await.is_string());
    let turn = json!({"parts": [{"text": "Hi."}]});
    let body =
        json!({"run": "run_2", "attempt": 1, "finish": "stop", "model": "gemini-9-neon", "turn": turn});
    let event = NewEvent { kind: "model_turn".to_owned(), body };
    let store = chat.store().await;
    let last = store.find("s1").await.unwrap().unwrap().last_seq;
    store.append("s1", last, &[event], &[]).await.unwrap();
    assert_eq!(cost().await, Value::Null);
}

#[tokio::test]
async fn a_key_without_the_right_to_chat_is_refused_everywhere() {
    let chat = Orchestrator::start(json!([says("x")])).await;
    let read = service_kit::auth::Scopes::NONE.with(service_kit::auth::Scope::RecordsRead);
    let key = chat.mint(read, service_kit::auth::Bases::All).await;
    let headers = [("authorization", &*format!("Bearer {key}"))];
    let body = json!({"messages": [{"role": "user", "content": "x"}]});
    let answer = chat.send(http::Method::POST, CHAT, &headers, Some(body)).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["error"]["type"].clone()),
        (403, json!("permission_error"))
    );
    let table = llm_orchestrator::route_table(service_kit::auth::Authenticator::new(
        std::sync::Arc::new(chat.store().await),
        None,
    ));
    assert!(table.len() >= 12);
    for route in table {
        let path = route.path.replace("{session_id}", "x").replace("{model}", "x").replace("{user_id}", "x");
        let method = route.method.clone().unwrap();
        let anonymous =
            chat.send(method.clone(), &path, &[("authorization", "")], Some(json!({}))).await.status;
        let limited = chat.send(method, &path, &headers, Some(json!({}))).await.status;
        let expected = if route.rule == service_kit::routes::Rule::Public { (200, 200) } else { (401, 403) };
        assert_eq!((anonymous.as_u16(), limited.as_u16()), expected, "{path}");
    }
}
