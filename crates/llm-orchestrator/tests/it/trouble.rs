//! Bad luck with the model and the tools.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::text_of;
use crate::support::*;

fn error_turn(error: Value) -> Value {
    json!({"reply": {"error": error}})
}

async fn failed(turns: Value) -> (Answer, Orchestrator) {
    let chat = Orchestrator::start(turns).await;
    (chat.ask("Go").await, chat)
}

#[track_caller]
fn check(answer: &Answer, status: u16, code: &str, should_retry: &str) {
    let error = answer.json()["error"].clone();
    assert_eq!((answer.status.as_u16(), &error["code"]), (status, &json!(code)), "{error}");
    assert_eq!(answer.header("x-should-retry"), should_retry, "{error}");
    assert!(!answer.header("x-run-id").is_empty());
}

#[tokio::test]
async fn a_busy_minute_is_waited_out() {
    let busy = error_turn(json!({"code": 429, "quota": "minute", "retry_after_ms": 300}));
    let (answer, chat) = failed(json!([busy, says("There.")])).await;
    assert_eq!(answer.ok().text(), "There.");
    assert_eq!(chat.asked().len(), 2);
}

#[tokio::test]
async fn a_minute_that_is_too_long_is_told_with_the_wait() {
    let (answer, _) =
        failed(json!([error_turn(json!({"code": 429, "quota": "minute", "retry_after_ms": 90_000}))])).await;
    check(&answer, 429, "provider_rate_limited", "true");
    assert_eq!(answer.header("retry-after"), "90");
}

#[tokio::test]
async fn a_used_up_day_is_not_asked_again() {
    let (answer, chat) = failed(json!([error_turn(json!({"code": 429, "quota": "day"})), says("x")])).await;
    check(&answer, 429, "provider_quota_exhausted", "false");
    assert_eq!(answer.json()["error"]["type"], "insufficient_quota");
    assert_eq!(chat.asked().len(), 1);
}

#[tokio::test]
async fn an_overloaded_model_is_asked_again() {
    let (answer, _) = failed(json!([error_turn(json!({"code": 503})), says("There.")])).await;
    assert_eq!(answer.ok().text(), "There.");
}

#[tokio::test]
async fn a_bad_key_is_the_servers_fault_and_not_the_callers() {
    let chat = Orchestrator::with(json!([says("x")]), &[("GEMINI_API_KEY", "wrong")]).await;
    let answer = chat.ask("Go").await;
    check(&answer, 502, "provider_refused_key", "false");
}

#[tokio::test]
async fn an_unreachable_model_is_a_clear_error() {
    let chat = Orchestrator::with(
        json!([]),
        &[("GEMINI_API_URL", "http://127.0.0.1:1"), ("LLM_TURN_TIMEOUT_SECONDS", "3")],
    )
    .await;
    let answer = chat.ask("Go").await;
    check(&answer, 502, "provider_unreachable", "true");
    let ready = chat.get("/ready").await.ok().json();
    assert_eq!(
        (&ready["checks"]["model"]["status"], &ready["status"]),
        (&json!("unhealthy"), &json!("ready"))
    );
}

#[tokio::test]
async fn a_malformed_call_is_asked_for_again_and_then_an_error() {
    let malformed = json!({"reply": {"malformed": true}});
    let (answer, chat) = failed(json!([malformed, malformed, says("There.")])).await;
    assert_eq!(answer.ok().text(), "There.");
    let asked = chat.asked();
    assert_eq!(asked[1]["contents"], asked[0]["contents"], "first the same again");
    assert!(asked[2]["contents"].to_string().contains("could not be read"));
    assert_eq!(asked[2]["toolConfig"]["functionCallingConfig"]["mode"], "ANY");
    let (answer, _) = failed(json!([malformed, malformed, malformed])).await;
    check(&answer, 502, "malformed_call", "false");
}

#[tokio::test]
async fn a_blocked_question_is_an_answer_with_a_refusal() {
    let chat = Orchestrator::start(
        json!([{"reply": {"block": true}}, {"when": {"turn": 1}, "reply": {"text": "Gladly."}}]),
    )
    .await;
    let answer = chat.ask_in("s1", "Something bad").await.ok().json();
    let choice = &answer["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("content_filter"), &Value::Null)
    );
    assert!(choice["message"]["refusal"].as_str().unwrap().contains("PROHIBITED_CONTENT"));
    assert_eq!(
        chat.ask_in("s1", "Something good").await.ok().text(),
        "Gladly.",
        "it does not block the session for ever"
    );
}

#[tokio::test]
async fn an_answer_that_was_cut_off_says_so() {
    let (answer, _) = failed(json!([{"reply": {"text": "It is", "finish": "MAX_TOKENS"}}])).await;
    assert_eq!(answer.ok().json()["choices"][0]["finish_reason"], "length");
    let (answer, _) = failed(json!([{"reply": {"finish": "MAX_TOKENS"}}])).await;
    assert!(answer.ok().text().contains("used up the room"));
}

#[tokio::test]
async fn an_empty_answer_is_asked_for_again_and_then_an_error() {
    let empty = json!({"reply": {"finish": "STOP"}});
    let (answer, _) = failed(json!([empty, says("There.")])).await;
    assert_eq!(answer.ok().text(), "There.");
    let (answer, _) = failed(json!([empty, empty, empty])).await;
    check(&answer, 502, "empty_answer", "false");
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_repeated_only_while_nobody_has_seen_any() {
    let cut = json!({"reply": {"text": ["It ", "is ", "so."], "cut": {"after_chunks": 1}}});
    let chat = Orchestrator::start(json!([cut, says("It is so.")])).await;
    let whole = chat.ask("Go").await.ok();
    assert_eq!(whole.text(), "It is so.", "without a stream nobody saw the beginning");

    let chat = Orchestrator::start(json!([cut, says("Right."),])).await;
    let body = json!({"session_id": "s1", "messages": [{"role": "user", "content": "Go"}]});
    let chunks = chat.stream(body).await.all().await;
    assert_eq!(text_of(&chunks), "It ");
    assert_eq!(chunks.last().unwrap()["error"]["code"], "answer_broke_off");
    assert_eq!(chat.ask_in("s1", "Go on").await.ok().text(), "Right.");
    let contents = chat.asked().pop().unwrap()["contents"].clone();
    assert_eq!(contents[1]["parts"][0]["text"], "It ", "what was shown is part of the conversation");
}

#[tokio::test]
async fn an_answer_that_ended_for_an_unknown_reason_is_no_part_of_the_next_one() {
    let odd = json!({"reply": {"text": "Wrong.", "finish": "SOMETHING_NEW"}});
    let chat = Orchestrator::start(json!([odd, says("Right.")])).await;
    assert_eq!(chat.ask("Go").await.ok().text(), "Right.");
}

#[tokio::test]
async fn who_leaves_in_the_middle_of_an_answer_has_what_was_written_counted_and_remembered() {
    let usage = json!({"prompt": 1000, "candidates": 40});
    let slow = json!({"reply": {"text": ["Ada ", "has ", "four."], "chunk_delay_ms": 200, "usage": usage}});
    let chat = Orchestrator::start(json!([slow, says("Yes.")])).await;
    let mut stream =
        chat.stream(json!({"session_id": "s1", "messages": [{"role": "user", "content": "Go"}]})).await;
    while !stream.next().await.unwrap().contains("Ada") {}
    drop(stream);
    let usage = async || chat.get("/api/v1/sessions/s1").await.ok().json()["usage"].clone();
    eventually("the run is over", async || usage().await["model_calls"] == 1).await;
    assert_eq!((&usage().await["prompt_tokens"], &usage().await["emulated"]), (&json!(1000), &json!(true)));
    eventually("the session is free", async || chat.ask_in("s1", "Go on").await.status == 200).await;
    let contents = chat.asked().pop().unwrap()["contents"].clone();
    assert!(contents[1]["parts"][0]["text"].as_str().unwrap().starts_with("Ada "), "{contents}");
}

#[tokio::test]
async fn an_error_before_the_first_word_has_its_own_status_also_in_a_stream() {
    let chat = Orchestrator::start(json!([error_turn(json!({"code": 429, "quota": "day"}))])).await;
    let stream = chat.stream(json!({"messages": [{"role": "user", "content": "Go"}]})).await;
    assert_eq!(stream.status, 429);
}

#[tokio::test]
async fn after_a_change_nobody_is_told_to_ask_again() {
    let busy = error_turn(json!({"code": 429, "quota": "minute", "retry_after_ms": 90_000}));
    let (answer, chat) = failed(json!([calls(json!([{"name": "update_records"}])), busy])).await;
    check(&answer, 429, "provider_rate_limited", "false");
    assert!(answer.json()["error"]["message"].as_str().unwrap().contains("changes were made"));
    assert_eq!(chat.tools.changes(), 1);
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_of_unknown_outcome_and_not_repeated() {
    let chat =
        Orchestrator::start(json!([calls(json!([{"name": "broken_update"}])), says("I cannot tell.")])).await;
    let answer = chat.ask("Go").await.ok();
    assert!(answer.text().contains("not known whether broken_update"), "{}", answer.text());
    assert_eq!(answer.json()["run"]["steps"][0]["status"], "unknown");
    assert_eq!((chat.tools.changes(), chat.tools.names().len()), (1, 1));
    assert!(chat.results()[0]["error"].to_string().contains("Do not repeat it"));
}

#[tokio::test]
async fn without_tools_there_is_no_answer_rather_than_an_invented_one() {
    let chat = Orchestrator::with(json!([says("42")]), &[("MCP_SERVER_URL", "http://127.0.0.1:1")]).await;
    let answer = chat.ask("How many?").await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["error"]["code"].clone()),
        (502, json!("tools_unavailable"))
    );
    assert_eq!(answer.header("x-should-retry"), "true");
    assert!(chat.asked().is_empty());
    let ready = chat.get("/ready").await.ok().json();
    assert_eq!(ready["checks"]["mcp"]["status"], "unhealthy");
}

#[tokio::test]
async fn a_tool_that_hangs_ends_with_the_time_for_the_question() {
    let chat =
        Orchestrator::with(json!([calls(json!([{"name": "hang"}]))]), &[("LLM_TURN_TIMEOUT_SECONDS", "1")])
            .await;
    let started = std::time::Instant::now();
    let answer = chat.ask("Go").await;
    check(&answer, 504, "time_up", "false");
    assert!(started.elapsed() < Duration::from_secs(4));
    eventually("the call is cancelled", async || chat.tools.cancelled() == 1).await;
}
