//! The client and the emulator, made apart from the same reference: each holds the other to it.

use std::collections::BTreeSet;
use std::time::Duration;

use emulators::gemini::{Emulator, Fate, Keys, Mode, Script};
use futures_util::StreamExt as _;
use llm_api::{
    Adjustment, BaseUrl, Effort, Finish, Key, LlmError, ModelFacts, Provider, Reply, Request, StreamEvent,
    Thinking, ThinkingLevel, ToolDefinition, ToolResult, Turn, gemini,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{KEY, http, question, run};

struct Emulated {
    emulator: Emulator,
    url: String,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Emulated {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Emulated {
    async fn start(mode: Mode) -> Self {
        let keys = Keys::Only([KEY, "another-key"].map(str::to_owned).into());
        let emulator = Emulator::new(mode, keys);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = emulator.router();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { emulator, url, task }
    }

    async fn script(turns: Value) -> Self {
        Self::start(Mode::Script(Script::from_value(&json!({"turns": turns})).unwrap())).await
    }

    fn provider(&self, key: &str) -> Provider {
        let base = BaseUrl::parse(&self.url).unwrap();
        Provider::Gemini(gemini::Client::new(http(), base, Key::fixed(key.into())))
    }
}

fn tools() -> Vec<ToolDefinition> {
    let tool = |name: &str| ToolDefinition {
        name: name.to_owned(),
        description: format!("Does {name}."),
        parameters: json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
            "properties": {"table": {"type": "string", "minLength": 1}, "limit": {"type": "integer", "exclusiveMinimum": 0}},
            "required": ["table"], "additionalProperties": false}),
    };
    vec![tool("list_records"), tool("describe_table")]
}

/// Answers all calls of a turn.
fn results(reply: &Reply) -> Turn {
    let result = |call: &llm_api::ToolCall| ToolResult {
        call_id: Some(call.id.clone()),
        name: call.name.clone(),
        ok: true,
        content: json!({"count": 4}),
    };
    Turn::ToolResults(reply.turn.tool_calls().map(result).collect())
}

fn loop_script() -> Value {
    json!([
        {"reply": {"thoughts": "Both tables.", "text": "I look. ", "calls": [
            {"name": "list_records", "args": {"table": "A"}}, {"name": "list_records", "args": {"table": "B"}}]}},
        {"reply": {"calls": [{"name": "describe_table", "args": {"table": "A"}}]}},
        {"reply": {"text": ["Four ", "tâsks."], "signature": "empty_part"}},
        {"reply": {"text": "Bye."}},
    ])
}

/// Runs the loop of the script; before each further request `change` may spoil it.
async fn run_loop(model: &str, mut change: impl FnMut(&Emulated, &mut Request, &mut Provider)) -> Vec<Reply> {
    let emulated = Emulated::script(loop_script()).await;
    let mut provider = emulated.provider(KEY);
    let mut request = Request {
        model: model.to_owned(),
        tools: tools(),
        thinking: Thinking { include: true, ..Thinking::default() },
        ..question()
    };
    let mut replies = Vec::new();
    for step in 0..4 {
        // Alternate, since both ways must leave the same history.
        let reply = if step % 2 == 0 {
            run(&provider, &request).await.1.unwrap()
        } else {
            provider.generate(&request).await.unwrap()
        };
        request.turns.push(Turn::Model(reply.turn.clone()));
        request.turns.push(if reply.finish == Finish::ToolCalls {
            results(&reply)
        } else {
            Turn::user("Thanks.")
        });
        // As a store would give it back.
        request.turns = serde_json::from_value(serde_json::to_value(&request.turns).unwrap()).unwrap();
        replies.push(reply);
        change(&emulated, &mut request, &mut provider);
    }
    replies
}

#[tokio::test]
async fn a_whole_loop_with_parallel_and_sequential_calls_is_accepted() {
    for model in ["gemini-3.8-flash", "gemini-4-hydrogen", "gemini-2.5-flash"] {
        let replies = run_loop(model, |_, _, _| {}).await;
        let finishes: Vec<_> = replies.iter().map(|reply| reply.finish.clone()).collect();
        assert_eq!(finishes, [Finish::ToolCalls, Finish::ToolCalls, Finish::Stop, Finish::Stop], "{model}");
        assert_eq!(replies[0].turn.tool_calls().count(), 2);
        assert_eq!(replies[2].turn.text(), "Four tâsks.");
        assert!(
            replies.iter().all(|reply| reply.emulated && reply.usage.input() > 0 && !reply.usage.estimated)
        );
        let is_ours = |reply: &Reply| reply.turn.tool_calls().any(|call| call.id_is_ours);
        assert_eq!(replies.iter().any(is_ours), model.starts_with("gemini-2"), "{model}");
    }
}

#[tokio::test]
async fn a_conversation_may_change_its_model_or_key_in_the_middle_of_a_turn() {
    let switched = |replies: &[Reply]| {
        replies
            .iter()
            .any(|reply| !reply.adjustments.iter().all(|a| !matches!(a, Adjustment::TurnsRebuilt { .. })))
    };
    let models = ["gemini-3.8-flash", "gemini-4-argon", "gemini-3.5-flash", "gemini-4-hydrogen"];
    let mut next = models.iter().cycle().skip(1);
    let replies =
        run_loop(models[0], |_, request, _| request.model = (*next.next().unwrap()).to_owned()).await;
    assert_eq!(replies[3].turn.text(), "Bye.");
    assert!(switched(&replies));

    let mut keys = [KEY, "another-key"].iter().cycle().skip(1);
    let replies =
        run_loop(models[0], |emulated, _, provider| *provider = emulated.provider(keys.next().unwrap()))
            .await;
    assert_eq!(replies[3].turn.text(), "Bye.");
    assert!(switched(&replies));
}

#[tokio::test]
async fn a_spoilt_signature_is_told_and_its_remedy_helps() {
    let emulated = Emulated::script(loop_script()).await;
    let provider = emulated.provider(KEY);
    let mut request = Request { tools: tools(), ..question() };
    let reply = provider.generate(&request).await.unwrap();
    request.turns.push(Turn::Model(reply.turn.clone()));
    request.turns.push(results(&reply));
    let Turn::Model(turn) = &mut request.turns[1] else { panic!() };
    let raw = turn.raw.as_mut().unwrap();
    let mut content: Value = serde_json::from_str(raw.content.get()).unwrap();
    for part in content["parts"].as_array_mut().unwrap() {
        if part.get("thoughtSignature").is_some() {
            part["thoughtSignature"] = "AAAA".into();
        }
    }
    raw.content = serde_json::value::to_raw_value(&content).unwrap();
    let error = provider.generate(&request).await.unwrap_err();
    assert!(matches!(error, LlmError::SignatureRejected { .. }), "{error:?}");
    assert!(!error.is_retryable());
    request.rebuild_history = true;
    assert_eq!(provider.generate(&request).await.unwrap().finish, Finish::ToolCalls);
}

#[tokio::test]
async fn each_trouble_of_the_emulator_is_understood() {
    let emulated = Emulated::start(Mode::Echo).await;
    let provider = emulated.provider(KEY);
    for (marker, expected) in [
        ("429:1.5s", "rate limit, again after 1.5s"),
        ("429:day", "quota"),
        ("500", "server, again"),
        ("503", "overloaded, again"),
        ("malformed", "malformed"),
        ("undeclared", "calls"),
        ("block", "blocked PROHIBITED_CONTENT"),
        ("safety", "filtered SAFETY"),
        ("recitation", "filtered RECITATION"),
        ("midstream-error", "overloaded, again, used"),
        ("cut", "cut, again, used"),
        ("max_tokens", "length"),
        ("empty-thinking", "length"),
        ("empty", "stop"),
    ] {
        let text = format!("[[emu:{marker}]] one two three four five six seven eight nine ten");
        let request = Request { turns: vec![Turn::user(text)], ..question() };
        let (_, outcome) = run(&provider, &request).await;
        assert_eq!(described(&outcome), expected, "{marker}: {outcome:?}");
    }
}

fn described(outcome: &Result<Reply, LlmError>) -> String {
    match outcome {
        Ok(reply) => match &reply.finish {
            Finish::Stop => "stop".to_owned(),
            Finish::ToolCalls => "calls".to_owned(),
            Finish::Length => "length".to_owned(),
            Finish::ContentFilter { reason } => format!("filtered {reason}"),
            Finish::PromptBlocked { reason } => format!("blocked {reason}"),
            Finish::Malformed { .. } => "malformed".to_owned(),
            other => format!("{other:?}"),
        },
        Err(error) => {
            let mut text = match error.cause() {
                LlmError::RateLimited { .. } => "rate limit",
                LlmError::QuotaExhausted { .. } => "quota",
                LlmError::Server { .. } => "server",
                LlmError::Overloaded { .. } => "overloaded",
                LlmError::CutStream { .. } => "cut",
                _ => "something else",
            }
            .to_owned();
            if error.is_retryable() {
                text.push_str(", again");
            }
            if let Some(wait) = error.retry_after() {
                text.push_str(&format!(" after {wait:?}"));
            }
            if !error.usage().is_empty() {
                text.push_str(", used");
            }
            text
        }
    }
}

#[tokio::test]
async fn a_stream_cut_anywhere_is_whole_or_said_to_be_cut() {
    for (how, after) in ["connection", "inside_chunk", "body"].into_iter().zip(0..) {
        for after in [after, after + 1] {
            let text: Vec<String> = (0..5).map(|number| format!("piece {number} ")).collect();
            let emulated = Emulated::script(json!([{"reply": {"text": text, "split_bytes": 3,
                "cut": {"how": how, "after_chunks": after}}}]))
            .await;
            let (_, outcome) = run(&emulated.provider(KEY), &question()).await;
            let error = outcome.unwrap_err();
            assert!(matches!(error, LlmError::CutStream { .. }), "{how} {after}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_continued_answer_is_put_together_from_both_of_its_parts() {
    let script = || {
        json!([{"reply": {"text": "One, ", "continuation": true, "usage": {"prompt": 100, "candidates": 3}}},
               {"reply": {"text": "two.", "usage": {"prompt": 110, "candidates": 2}}}])
    };
    for streaming in [true, false] {
        let emulated = Emulated::script(script()).await;
        let provider = emulated.provider(KEY);
        let reply = if streaming {
            run(&provider, &question()).await.1.unwrap()
        } else {
            provider.generate(&question()).await.unwrap()
        };
        assert_eq!((reply.turn.text().as_str(), reply.finish), ("One, two.", Finish::Stop));
        assert_eq!((reply.usage.input(), reply.usage.output_text), (210, 5));
    }
}

#[tokio::test]
async fn every_model_takes_what_every_effort_becomes() {
    let emulated = Emulated::start(Mode::Echo).await;
    let provider = emulated.provider(KEY);
    let levels = [
        ThinkingLevel::Minimal,
        ThinkingLevel::Low,
        ThinkingLevel::Medium,
        ThinkingLevel::High,
        ThinkingLevel::Xhigh,
    ];
    let efforts = levels
        .map(Effort::Level)
        .into_iter()
        .chain([0, 1, 5, 1000, 10_000, 1_000_000].map(Effort::Tokens))
        .chain([Effort::Default, Effort::Off]);
    for effort in efforts {
        for facts in ModelFacts::all() {
            let request = Request {
                model: facts.id.clone(),
                thinking: Thinking { effort, include: true },
                temperature: Some(0.2),
                ..question()
            };
            let outcome = provider.generate(&request).await;
            assert!(outcome.is_ok(), "{} {effort:?}: {outcome:?}", facts.id);
        }
    }
}

#[tokio::test]
async fn both_know_the_same_models_with_the_same_limits() {
    let emulated = Emulated::start(Mode::Echo).await;
    let listed = emulated.provider(KEY).models().await.unwrap();
    let served: BTreeSet<_> = listed
        .iter()
        .filter(|model| model.generates)
        .map(|model| (model.id.clone(), model.input_token_limit, model.output_token_limit))
        .collect();
    let known: BTreeSet<_> = ModelFacts::all()
        .iter()
        .map(|facts| (facts.id.clone(), Some(facts.context_tokens), Some(facts.max_output_tokens)))
        .collect();
    let served: BTreeSet<_> = served.into_iter().filter(|(id, _, _)| !id.ends_with("-latest")).collect();
    assert_eq!(served, known);
}

#[tokio::test]
async fn tokens_are_counted_as_they_are_then_used() {
    let emulated = Emulated::start(Mode::Echo).await;
    let provider = emulated.provider(KEY);
    let request = Request { system: Some("Be brief.".to_owned()), tools: tools(), ..question() };
    let counted = provider.count_tokens(&request).await.unwrap();
    assert_eq!(provider.generate(&request).await.unwrap().usage.input(), counted);
    let without = Request { system: None, tools: vec![], ..request };
    assert!(provider.count_tokens(&without).await.unwrap() < counted);
}

#[tokio::test]
async fn refusals_name_what_is_wrong() {
    let emulated = Emulated::start(Mode::Echo).await;
    let error = emulated.provider("invalid-key-of-a-stranger").generate(&question()).await.unwrap_err();
    assert!(matches!(error, LlmError::Unauthorized { .. }), "{error:?}");
    let error = emulated.provider("invalid-key-of-a-stranger").models().await.unwrap_err();
    assert!(matches!(error, LlmError::Unauthorized { .. }), "{error:?}");

    let provider = emulated.provider(KEY);
    let request = Request { model: "gemini-9-neon".to_owned(), ..question() };
    let error = provider.generate(&request).await.unwrap_err();
    assert!(matches!(&error, LlmError::ModelNotFound { model, .. } if model == "gemini-9-neon"), "{error:?}");

    let request = Request { turns: vec![Turn::user("x".repeat(5 << 20))], ..question() };
    let error = provider.generate(&request).await.unwrap_err();
    assert!(matches!(error, LlmError::ContextTooLong { .. }), "{error:?}");

    let request = Request { turns: vec![], ..question() };
    let error = provider.generate(&request).await.unwrap_err();
    assert!(matches!(error, LlmError::InvalidRequest { .. }), "{error:?}");

    let request = Request { cached_content: Some("cachedContents/gone".to_owned()), ..question() };
    let error = provider.generate(&request).await.unwrap_err();
    assert!(matches!(error, LlmError::CachedContentGone { .. }), "{error:?}");
}

#[tokio::test]
async fn dropping_a_stream_ends_the_call_at_the_vendor() {
    let emulated = Emulated::script(
        json!([{"reply": {"text": ["one ", "two"], "hang": {"after_chunks": 1, "ms": 60_000}}}]),
    )
    .await;
    let mut stream = emulated.provider(KEY).stream(&question());
    assert!(matches!(stream.next().await, Some(Ok(StreamEvent::Text(_)))));
    drop(stream);
    let cancelled = async {
        while emulated.emulator.requests(0)[0].fate != Fate::Cancelled {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), cancelled).await.expect("the emulator notices");
}
