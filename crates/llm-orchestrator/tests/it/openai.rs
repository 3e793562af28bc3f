//! OpenAI's dialect: what its clients send and read.

use serde_json::{Value, json};

use crate::support::client::text_of;
use crate::support::*;

fn user(text: &str) -> Value {
    json!([{"role": "user", "content": text}])
}

async fn refused(chat: &Orchestrator, body: Value) -> (u16, Value) {
    let answer = chat.chat(body).await;
    assert_eq!(answer.header("x-should-retry"), "false");
    (answer.status.as_u16(), answer.json()["error"].clone())
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_with_its_place() {
    let chat = Orchestrator::start(json!([says("x")])).await;
    for (body, param) in [
        (json!({"messages": user("x"), "n": 2}), "n"),
        (json!({"messages": [{"role": "robot", "content": "x"}]}), "messages[0].role"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": "hello"}), "messages"),
        (json!({"messages": user("x"), "temperature": 3}), "temperature"),
        (
            json!({"messages": user("x"), "tools": [{"type": "function", "function": {"name": "a b"}}]}),
            "tools[0].function.name",
        ),
        (
            json!({"messages": user("x"), "tool_choice": {"type": "function", "function": {"name": "nope"}}}),
            "tool_choice",
        ),
        (
            json!({"messages": user("x"), "response_format": {"type": "json_schema"}}),
            "response_format.json_schema.schema",
        ),
        (json!({"messages": user("x"), "session_id": "a b"}), "session_id"),
    ] {
        let (status, error) = refused(&chat, body).await;
        assert_eq!((status, &error["param"]), (400, &json!(param)), "{error}");
        assert_eq!(error["type"], "invalid_request_error");
    }
    let (status, error) = refused(&chat, json!({"model": "gpt-4o", "messages": user("x")})).await;
    assert_eq!((status, &error["code"]), (404, &json!("model_not_found")));
    let answer =
        chat.send(http::Method::POST, CHAT, &[("authorization", "Bearer nope")], Some(json!({}))).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["error"]["code"].clone()),
        (401, json!("invalid_api_key"))
    );
    assert!(chat.asked().is_empty());
}

#[tokio::test]
async fn unknown_fields_are_accepted_and_what_nobody_takes_is_named() {
    let chat = Orchestrator::start(json!([says("x")])).await;
    let body = json!({
        "model": "airtable-assistant", "messages": user("x"), "chat_id": "c", "features": {"web_search": false}, "user": "u",
        "frequency_penalty": 0.5, "temperature": 0.2, "max_completion_tokens": 100, "stop": ["END"], "seed": 7,
        "reasoning_effort": "low", "metadata": {"a": "b"}, "store": false,
    });
    let answer = chat.chat(body).await.ok();
    assert_eq!(answer.header("x-orchestrator-dropped-params"), "frequency_penalty, temperature");
    let config = chat.asked()[0]["generationConfig"].clone();
    assert_eq!(
        (&config["maxOutputTokens"], &config["stopSequences"], &config["seed"]),
        (&json!(100), &json!(["END"]), &json!(7))
    );
    assert_eq!(config["thinkingConfig"]["thinkingLevel"], "LOW");
}

#[tokio::test]
async fn a_usage_chunk_comes_only_if_it_is_asked_for() {
    let chat = Orchestrator::start(json!([{"times": "always", "reply": {"text": "x"}}])).await;
    let without = chat.stream(json!({"messages": user("x")})).await.all().await;
    assert!(
        without
            .iter()
            .all(|chunk| chunk["choices"].as_array().unwrap().len() == 1 && chunk.get("usage").is_none())
    );
    let with = chat
        .stream(json!({"messages": user("x"), "stream_options": {"include_usage": true}}))
        .await
        .all()
        .await;
    let (last, before) = with.split_last().unwrap();
    assert!(last["usage"].is_object() && before.iter().all(|chunk| chunk["usage"] == Value::Null));
}

#[tokio::test]
async fn a_clients_own_tools_come_back_to_it_after_the_servers_ran() {
    let turns = json!([
        calls(json!([{"name": "open_window", "args": {"title": "Tasks"}}, {"name": "list_tables"}])),
        {"when": {"tool_result": {"name": "open_window", "contains": "opened"}}, "reply": {"text": "It is open."}},
    ]);
    let chat = Orchestrator::start(turns).await;
    let tools = json!([{"type": "function", "function": {"name": "open_window", "parameters": {"type": "object", "properties": {"title": {"type": "string"}}}}}]);
    let asked = chat.chat(json!({"messages": user("Open it"), "tools": tools})).await.ok().json();
    let choice = &asked["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!(choice["message"]["tool_calls"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&call["function"]["name"], &call["function"]["arguments"]),
        (&json!("open_window"), &json!("{\"title\":\"Tasks\"}"))
    );
    assert_eq!(chat.tools.names(), ["list_tables"]);
    // The client repeats everything, without a session.
    let messages = json!([
        {"role": "user", "content": "Open it"},
        choice["message"],
        {"role": "tool", "tool_call_id": call["id"], "content": "opened"},
    ]);
    let done = chat.chat(json!({"messages": messages, "tools": tools})).await.ok();
    assert_eq!(done.text(), "It is open.");
    assert_eq!(done.json()["session_id"], asked["session_id"]);
    let results = chat.results();
    assert_eq!(
        (results.len(), &results[1]["output"]),
        (2, &json!({"tables": [{"name": "Tasks"}]})),
        "the server's result is not lost"
    );
}

#[tokio::test]
async fn a_streamed_call_of_a_clients_tool_is_one_delta() {
    let chat = Orchestrator::start(json!([calls(json!([{"name": "a"}, {"name": "b"}]))])).await;
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    let body = json!({"messages": user("x"), "tools": [tool("a"), tool("b")], "tool_choice": "required"});
    let chunks = chat.stream(body).await.all().await;
    let calls: Vec<_> =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].get(0)).collect();
    assert_eq!(calls.iter().map(|call| call["index"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1]);
    assert!(calls.iter().all(|call| call["type"] == "function" && call["function"]["arguments"] == "{}"));
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(chat.asked()[0]["toolConfig"]["functionCallingConfig"]["mode"], "ANY");
}

#[tokio::test]
async fn a_whole_conversation_from_elsewhere_is_taken() {
    let chat = Orchestrator::start(json!([says("Fine.")])).await;
    let call = json!({"id": "call_x", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\":\"Rome\"}"}});
    let messages = json!([
        {"role": "assistant", "content": "Hello, what can I do?"},
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_x", "content": "sunny"},
        {"role": "assistant", "content": "Sunny."},
        {"role": "user", "content": [{"type": "text", "text": "And this?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]},
    ]);
    assert_eq!(chat.chat(json!({"messages": messages})).await.ok().text(), "Fine.");
    let contents = chat.asked()[0]["contents"].clone();
    assert_eq!(
        contents.as_array().unwrap().last().unwrap()["parts"][1]["inlineData"]["mimeType"],
        "image/png"
    );
}

#[tokio::test]
async fn a_plain_chat_has_no_tools() {
    let chat = Orchestrator::start(json!([says("Just words.")])).await;
    let answer = chat.chat(json!({"messages": user("x"), "tools": [], "tool_choice": "none"})).await.ok();
    assert_eq!(answer.text(), "Just words.");
    assert!(chat.asked()[0].get("tools").is_none());
    assert_eq!(chat.tools.lists(), 0);
}

#[tokio::test]
async fn json_is_asked_for_as_json() {
    let chat = Orchestrator::start(json!([{"reply": {"json": {"count": 3}}}])).await;
    let schema = json!({"type": "object", "properties": {"count": {"type": "integer"}}});
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "answer", "strict": true, "schema": schema}});
    let answer = chat.chat(json!({"messages": user("x"), "response_format": format})).await.ok();
    assert_eq!(serde_json::from_str::<Value>(&answer.text()).unwrap(), json!({"count": 3}));
    assert_eq!(chat.asked()[0]["generationConfig"]["responseMimeType"], "application/json");
}

#[tokio::test]
async fn reasoning_is_shown_if_it_is_asked_for() {
    let turn = json!({"times": "always", "reply": {"thoughts": ["Counting."], "text": "3"}});
    let chat = Orchestrator::start(json!([turn])).await;
    let body = json!({"messages": user("x"), "include_reasoning": true});
    let whole = chat.chat(body.clone()).await.ok().json();
    assert_eq!(whole["choices"][0]["message"]["reasoning_content"], "Counting.");
    let chunks = chat.stream(body).await.all().await;
    assert!(chunks.iter().any(|chunk| chunk["choices"][0]["delta"]["reasoning_content"] == "Counting."));
    let plain = chat.stream(json!({"messages": user("x")})).await.all().await;
    assert!(plain.iter().all(|chunk| chunk["choices"][0]["delta"].get("reasoning_content").is_none()));
}

#[tokio::test]
async fn the_same_request_with_the_same_key_is_one_run() {
    let chat =
        Orchestrator::start(json!([calls(json!([{"name": "update_records"}])), says("Updated.")])).await;
    let body = json!({"messages": user("Update")});
    let send = async |key: &str, body: &Value| {
        chat.send(http::Method::POST, CHAT, &[("idempotency-key", key)], Some(body.clone())).await
    };
    let (one, other) = tokio::join!(send("k1", &body), send("k1", &body));
    let again = send("k1", &body).await;
    for answer in [&one, &other, &again] {
        assert_eq!(answer.status, 200, "{}", answer.json());
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "Updated."));
        assert_eq!(answer.header("x-run-id"), one.header("x-run-id"));
    }
    assert_eq!((chat.tools.changes(), chat.asked().len()), (1, 2));
    let changed = send("k1", &json!({"messages": user("Update more")})).await;
    assert_eq!(
        (changed.status.as_u16(), changed.json()["error"]["code"].clone()),
        (400, json!("idempotency_key_reused"))
    );
}

#[tokio::test]
async fn a_keyed_answer_is_found_again_as_a_stream_and_after_its_client_left() {
    let chat = Orchestrator::start(json!([calls(json!([{"name": "slow_update"}])), says("Updated.")])).await;
    let body = json!({"messages": user("Update"), "stream": true, "include_run_events": true});
    let key = [("idempotency-key", "k1")];
    let mut stream = chat.open(http::Method::POST, CHAT, &key, Some(body.clone())).await;
    while !stream.next().await.unwrap().contains("tool_started") {}
    drop(stream);
    chat.tools.go_on();
    let chunks = chat.open(http::Method::POST, CHAT, &key, Some(body)).await.all().await;
    assert_eq!((text_of(&chunks).as_str(), chat.tools.changes()), ("Updated.", 1));
}

#[tokio::test]
async fn the_predecessors_routes_answer_with_the_cost_and_stream_too() {
    let chat = Orchestrator::start(json!([{"times": "always", "reply": {"text": "Hi."}}])).await;
    let body = json!({"messages": user("x"), "thinking_budget": 10});
    let whole = chat.post("/api/v1/chat/completions", body.clone()).await.ok().json();
    assert!(whole["usage"]["cost"].is_string() && whole["session_id"].is_string());
    for (path, body) in [
        ("/api/v1/chat/completions/stream", body.clone()),
        ("/api/v1/chat/completions", json!({"messages": user("x"), "stream": true})),
    ] {
        let chunks = chat.open(http::Method::POST, path, &[], Some(body)).await.all().await;
        assert_eq!(text_of(&chunks), "Hi.");
        assert!(chunks.last().unwrap()["usage"]["cost"].is_string());
    }
    let wrong = chat.post("/api/v1/chat/completions", json!({"messages": user("x"), "n": 2})).await;
    assert_eq!((wrong.status.as_u16(), wrong.header("content-type")), (422, "application/problem+json"));
    assert_eq!(wrong.json()["errors"][0]["pointer"], "/n");
}

#[tokio::test]
async fn a_picture_of_some_megabytes_is_taken() {
    let chat = Orchestrator::start(json!([says("A picture.")])).await;
    let url = format!("data:image/png;base64,{}", "AAAA".repeat(1_500_000));
    let parts =
        json!([{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]);
    assert_eq!(
        chat.chat(json!({"messages": [{"role": "user", "content": parts}]})).await.ok().text(),
        "A picture."
    );
}
