//! The loop: model, tools, model.

use serde_json::{Value, json};

use crate::support::client::text_of;
use crate::support::*;

#[tokio::test]
async fn a_question_is_answered_with_what_tools_found() {
    let turns =
        json!([calls(json!([{"name": "list_records", "args": {"table": "Tasks"}}])), says("One task.")]);
    let chat = Orchestrator::start(turns).await;
    let answer = chat.ask("How many tasks?").await.ok();
    let body = answer.json();
    assert_eq!(answer.text(), "One task.");
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert_eq!(body["choices"][0]["message"]["tool_calls"], Value::Null, "these were the server's own");
    let step = &body["run"]["steps"][0];
    assert_eq!(
        (&step["name"], &step["status"], &step["result_preview"]),
        (&json!("list_records"), &json!("ok"), &json!("records: 1"))
    );
    assert_eq!(body["run"]["usage_by_step"].as_array().unwrap().len(), 2);
    assert_eq!(body["emulated"], true);
    assert_eq!(answer.header("x-run-id"), body["run"]["id"]);
    assert_eq!(answer.header("x-session-id"), body["session_id"]);

    let call = &chat.tools.seen()[0];
    assert_eq!(call.arguments, json!({"table": "Tasks"}));
    assert!(call.headers.contains_key("traceparent") && call.headers.contains_key("x-request-deadline-ms"));
    assert_eq!(chat.results(), [json!({"output": {"records": [{"id": "rec1", "fields": {"Note": ""}}]}})]);
}

#[tokio::test]
async fn the_model_reads_a_stable_prompt_sorted_tools_and_the_date_in_the_message() {
    let chat = Orchestrator::start(json!([says("Hi.")])).await;
    let system = json!({"role": "system", "content": "Call me Ada."});
    chat.chat(json!({"messages": [system, {"role": "user", "content": "Hello"}]})).await.ok();
    let asked = &chat.asked()[0];
    let system = asked["systemInstruction"]["parts"][0]["text"].as_str().unwrap();
    assert!(system.starts_with("You are the assistant of PyAirtable") && system.ends_with("Call me Ada."));
    let names: Vec<_> = asked["tools"][0]["functionDeclarations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert!(names.is_sorted(), "{names:?}");
    let parts = asked["contents"][0]["parts"].as_array().unwrap();
    assert_eq!(parts[0]["text"], "Hello");
    assert!(parts[1]["text"].as_str().unwrap().starts_with("[today: "));
}

#[tokio::test]
async fn reads_run_at_once_and_writes_alone() {
    let list = json!({"name": "slow_list"});
    let turns = json!([
        calls(json!([list, list, list])),
        calls(json!([{"name": "update_records"}, {"name": "update_records"}])),
        says("Done.")
    ]);
    let chat = Orchestrator::start(turns).await;
    let asking = chat.ask("Go");
    let releasing = async {
        eventually("three reads at once", async || chat.tools.most_at_once() == 3).await;
        (0..3).for_each(|_| chat.tools.go_on());
        // One permit is kept at a time.
        loop {
            chat.tools.go_on();
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    let answer = tokio::select! { answer = asking => answer, () = releasing => unreachable!() };
    // Cells were seen, perhaps: the first change asks.
    assert!(answer.ok().text().contains("Go ahead?"));
    assert_eq!(chat.tools.most_at_once(), 3);
}

#[tokio::test]
async fn an_unknown_tool_a_failing_one_and_a_huge_result_are_told_to_the_model() {
    let turns = json!([
        calls(json!([{"name": "no_such_tool"}, {"name": "fails"}, {"name": "huge"}, {"name": "progress"}])),
        says("So that is that."),
    ]);
    let chat = Orchestrator::start(turns).await;
    chat.ask("Go").await.ok();
    let results: Vec<_> = chat.results().into_iter().map(|result| result.to_string()).collect();
    assert!(
        results[0].contains("there is no tool no_such_tool; there are: broken_update, delete_records"),
        "{}",
        results[0]
    );
    assert!(results[1].contains("error") && results[1].contains("did you mean Tasks?"));
    assert!(results[2].contains("of 20000 are shown; ask for less") && results[2].len() < 70_000);
    assert!(results[3].contains("42"), "a stream of events with progress in it: {}", results[3]);
}

#[tokio::test]
async fn a_limit_of_steps_ends_in_an_answer_that_says_so() {
    let call = calls(json!([{"name": "list_tables"}]));
    let turns =
        json!([call, call, {"when": {"mode": "NONE"}, "reply": {"text": "Two looks were not enough."}}]);
    let chat = Orchestrator::with(turns, &[("LLM_MAX_STEPS", "3")]).await;
    let body = chat.ask("Go").await.ok().json();
    let text = body["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.starts_with("Two looks were not enough.") && text.contains("after 3 steps"), "{text}");
    assert_eq!(body["run"]["status"], "limited");
    let last = chat.asked().pop().unwrap();
    assert_eq!(last["toolConfig"]["functionCallingConfig"]["mode"], "NONE");
}

#[tokio::test]
async fn a_stream_shows_text_and_tools_as_they_come() {
    let turns = json!([
        {"reply": {"parts": [{"text": "Let me look."}, {"call": {"name": "list_tables"}}]}},
        {"reply": {"text": ["There is ", "one table."]}},
    ]);
    let chat = Orchestrator::start(turns).await;
    let body = json!({"messages": [{"role": "user", "content": "Go"}], "include_run_events": true, "stream_options": {"include_usage": true}});
    let stream = chat.stream(body).await;
    assert_eq!(stream.headers["content-type"], "text/event-stream; charset=utf-8");
    let chunks = stream.all().await;
    assert_eq!(text_of(&chunks), "Let me look.\n\nThere is one table.");
    let events: Vec<_> = chunks
        .iter()
        .filter(|chunk| chunk["run_event"].is_object())
        .map(|chunk| chunk["run_event"].clone())
        .collect();
    assert_eq!((&events[0]["type"], &events[0]["name"]), (&json!("tool_started"), &json!("list_tables")));
    assert_eq!(
        (&events[1]["type"], &events[1]["status"], &events[1]["preview"]),
        (&json!("tool_finished"), &json!("ok"), &json!("tables: 1"))
    );
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
    let usage = chunks.last().unwrap();
    assert_eq!(usage["choices"], json!([]));
    assert!(usage["usage"]["total_tokens"].as_u64().unwrap() > 0);
    let last = &chunks[chunks.len() - 2];
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert!(
        last["session_id"].is_string()
            && last["run"]["steps"].is_array()
            && last["cost"]["total"].is_string()
    );
    let same = |name: &str| chunks.iter().all(|chunk| chunk[name] == chunks[0][name]);
    assert!(same("id") && same("created") && same("model"));
}

#[tokio::test]
async fn who_leaves_a_stream_stops_the_run_and_cancels_what_only_reads() {
    let chat = Orchestrator::start(json!([calls(json!([{"name": "hang"}])), says("never")])).await;
    let mut stream = chat
        .stream(json!({"session_id": "s1", "messages": [{"role": "user", "content": "Go"}], "include_run_events": true}))
        .await;
    while !stream.next().await.unwrap().contains("tool_started") {}
    drop(stream);
    eventually("the call is cancelled", async || chat.tools.cancelled() == 1).await;
    eventually("the run is over", async || {
        chat.get("/api/v1/sessions/s1").await.status == 200 && chat.asked().len() == 1
    })
    .await;
    // The session goes on, with a history that the model takes.
    chat.model.set_mode(emulators::gemini::Mode::Echo);
    eventually("the session is free", async || chat.ask_in("s1", "Still there?").await.status == 200).await;
}

#[tokio::test]
async fn who_leaves_without_a_stream_stops_the_run_too() {
    let chat = Orchestrator::start(json!([calls(json!([{"name": "hang"}])), says("never")])).await;
    let asking = chat.ask("Go");
    let waiting = eventually("the call is under way", async || chat.tools.names() == ["hang"]);
    tokio::select! { _ = asking => panic!("it hangs"), () = waiting => {} }
    eventually("the call is cancelled", async || chat.tools.cancelled() == 1).await;
}

#[tokio::test]
async fn a_change_that_was_sent_runs_to_its_end_though_its_client_left() {
    let chat = Orchestrator::start(json!([
        calls(json!([{"name": "slow_update"}, {"name": "list_tables"}])),
        says("never")
    ]))
    .await;
    let mut stream = chat
        .stream(json!({"session_id": "s1", "messages": [{"role": "user", "content": "Go"}], "include_run_events": true}))
        .await;
    while !stream.next().await.unwrap().contains("tool_started") {}
    eventually("the change is sent", async || chat.tools.names() == ["slow_update"]).await;
    drop(stream);
    assert_eq!(chat.ask_in("s1", "And?").await.status, 409, "the run is still waiting for the change");
    chat.tools.go_on();
    chat.model.set_mode(emulators::gemini::Mode::Echo);
    eventually("the session is free", async || chat.ask_in("s1", "And?").await.status == 200).await;
    assert_eq!((chat.tools.changes(), chat.tools.names()), (1, vec!["slow_update".to_owned()]));
    let told = chat.asked().last().unwrap()["contents"].to_string();
    assert!(told.contains("updated") && told.contains("the user left"), "{told}");
}

#[tokio::test]
async fn twenty_streams_run_at_once() {
    let turns = json!([
        {"when": {"tool_result": false}, "times": "always", "reply": {"calls": [{"name": "list_tables"}]}},
        {"times": "always", "reply": {"text": ["a", "b", "c"]}},
    ]);
    let chat = Orchestrator::start(turns).await;
    let one = async || {
        let stream = chat.stream(json!({"messages": [{"role": "user", "content": "Go"}]})).await;
        text_of(&stream.all().await)
    };
    let all = futures_util::future::join_all((0..20).map(|_| one())).await;
    assert_eq!(all, vec!["abc".to_owned(); 20]);
    let lists = chat.tools.lists();
    assert_eq!((one().await.as_str(), chat.tools.lists()), ("abc", lists), "the list of tools is kept");
}
