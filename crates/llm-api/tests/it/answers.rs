//! What is made of what comes.

use llm_api::{Finish, LlmError, Part, Provider, Reply, StreamEvent, Usage};
use serde_json::json;

use crate::support::{Answer, Server, chunks, events, gemini, question, run, streamed, whole};

const THOUGHT: &str = r#"{"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"Counting open tasks","thought":true}]}}],"usageMetadata":{"promptTokenCount":400,"thoughtsTokenCount":30,"totalTokenCount":430},"modelVersion":"gemini-3.8-flash","responseId":"r1"}"#;
const FIRST: &str = r#"{"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"Ada has "}]}}],"usageMetadata":{"promptTokenCount":400,"candidatesTokenCount":3,"thoughtsTokenCount":30,"totalTokenCount":433},"modelVersion":"gemini-3.8-flash","responseId":"r1"}"#;
const LAST: &str = r#"{"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"4 open tâsks.","thoughtSignature":"AQID"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":400,"candidatesTokenCount":8,"totalTokenCount":438},"modelVersion":"gemini-3.8-flash","responseId":"r1"}"#;

fn text(text: &str) -> StreamEvent {
    StreamEvent::Text(text.to_owned())
}

fn raw(reply: &Reply) -> &str {
    reply.turn.raw.as_ref().unwrap().content.get()
}

fn assert_is_the_answer(events: &[StreamEvent], reply: &Reply) {
    assert_eq!(
        events,
        [StreamEvent::Thought("Counting open tasks".to_owned()), text("Ada has "), text("4 open tâsks.")]
    );
    assert_eq!(reply.turn.text(), "Ada has 4 open tâsks.");
    assert_eq!(reply.finish, Finish::Stop);
    let usage = Usage { input_fresh: 400, output_text: 8, output_reasoning: 30, ..Usage::default() };
    assert_eq!(reply.usage, usage);
    assert_eq!(reply.model_version.as_deref(), Some("gemini-3.8-flash"));
    assert_eq!(reply.response_id.as_deref(), Some("r1"));
    assert_eq!(
        raw(reply),
        r#"{"role":"model","parts":[{"text":"Counting open tasks","thought":true},{"text":"Ada has "},{"text":"4 open tâsks.","thoughtSignature":"AQID"}]}"#
    );
}

#[tokio::test]
async fn a_streamed_answer_gives_its_pieces_and_then_the_whole() {
    let (events, reply) = streamed(events(&[THOUGHT, FIRST, LAST])).await;
    assert_is_the_answer(&events, &reply.unwrap());
}

#[tokio::test]
async fn it_does_not_matter_where_the_network_cuts_an_answer() {
    let stream = format!("\u{feff}: hello\r\n\r\ndata: {THOUGHT}\r\n\r\ndata:{FIRST}\n\ndata: {LAST}\r\r");
    for size in [1, 2, 3, 7, 1000] {
        let (events, reply) = streamed(chunks(stream.as_bytes().chunks(size))).await;
        assert_is_the_answer(&events, &reply.unwrap());
    }
}

#[tokio::test]
async fn an_empty_line_missing_at_the_very_end_is_no_loss() {
    let stream = format!("data: {THOUGHT}\n\ndata: {FIRST}\n\ndata: {LAST}");
    let (events, reply) = streamed(chunks([stream.as_bytes()])).await;
    assert_is_the_answer(&events, &reply.unwrap());
}

#[tokio::test]
async fn pieces_of_one_text_are_joined_and_signed_ones_stay_where_they_were() {
    let piece = |parts: &str| format!(r#"{{"candidates":[{{"content":{{"parts":[{parts}]}}}}]}}"#);
    let pieces = [
        piece(r#"{"text":"a","thought":true}"#),
        piece(r#"{"text":"b","thought":true}"#),
        piece(r#"{ "text" : "c" }"#),
        piece(r#"{"text":"\u0064"}"#),
        piece(r#"{"text":"e"},{"text":"f"}"#),
        piece(r#"{"text":"","thoughtSignature":"-__-"}"#),
        piece(r#"{"text":"g"}"#),
        r#"{"candidates":[{"finishReason":"STOP"}]}"#.to_owned(),
    ];
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    let (_, reply) = streamed(events(&pieces)).await;
    let reply = reply.unwrap();
    assert_eq!(
        raw(&reply),
        r#"{"role":"model","parts":[{"text":"ab","thought":true},{"text":"cde"},{"text":"f"},{"text":"","thoughtSignature":"-__-"},{"text":"g"}]}"#
    );
    assert_eq!(reply.turn.parts, [Part::Thought("ab".to_owned()), Part::Text("cdefg".to_owned())]);
}

#[tokio::test]
async fn parallel_calls_come_whole_and_in_order() {
    let piece = r#"{"candidates":[{"index":0,"finishReason":"STOP","content":{"role":"model","parts":[
        {"functionCall":{"id":"fc_1","name":"list_records","args":{"tableId":"tblT","baseId":"appA"}},"thoughtSignature":"AQID"},
        {"functionCall":{"id":"fc_2","name":"list_bases"}}]}}],
        "usageMetadata":{"promptTokenCount":400,"candidatesTokenCount":40,"thoughtsTokenCount":60,"totalTokenCount":500}}"#;
    let data = format!("data: {}\r\n\r\n", piece.replace('\n', "\ndata: "));
    let (events, reply) = streamed(chunks([data.as_bytes()])).await;
    let reply = reply.unwrap();
    assert_eq!(reply.finish, Finish::ToolCalls);
    let calls: Vec<_> = reply.turn.tool_calls().collect();
    assert_eq!(calls[0].arguments.to_string(), r#"{"tableId":"tblT","baseId":"appA"}"#);
    assert_eq!((calls[1].id.as_str(), calls[1].id_is_ours, &calls[1].arguments), ("fc_2", false, &json!({})));
    assert_eq!(events, calls.iter().map(|call| StreamEvent::ToolCall((*call).clone())).collect::<Vec<_>>());
}

#[tokio::test]
async fn calls_without_an_id_get_one_of_their_own() {
    let piece = r#"{"candidates":[{"finishReason":"STOP","content":{"parts":[{"functionCall":{"name":"a","args":{}}},{"functionCall":{"name":"a","args":null,"id":""}}]}}]}"#;
    let (_, reply) = streamed(events(&[piece])).await;
    let reply = reply.unwrap();
    let calls: Vec<_> = reply.turn.tool_calls().collect();
    assert!(calls.iter().all(|call| call.id_is_ours && call.id.starts_with("fc_")));
    assert_ne!(calls[0].id, calls[1].id);
}

#[tokio::test]
async fn a_whole_answer_is_read_like_a_streamed_one() {
    let body = LAST.replace(r#""parts":["#, "\"parts\" : [\n  ");
    let server = Server::start([whole("200 OK", &body)]).await;
    let reply = Provider::Gemini(gemini(&server.url)).generate(&question()).await.unwrap();
    assert_eq!((reply.turn.text().as_str(), reply.finish.clone()), ("4 open tâsks.", Finish::Stop));
    assert_eq!(reply.usage.total(), 408);
    assert_eq!(
        raw(&reply),
        r#"{"role":"model","parts":[{"text":"4 open tâsks.","thoughtSignature":"AQID"}]}"#
    );
    assert!(!reply.emulated);
}

#[tokio::test]
async fn an_emulated_answer_is_labelled() {
    let mut answer = whole("200 OK", LAST);
    answer.pieces[0] = String::from_utf8(answer.pieces[0].clone())
        .unwrap()
        .replace("\r\ncontent-type", "\r\nx-pyairtable-emulated: true\r\ncontent-type")
        .into_bytes();
    let server = Server::start([answer]).await;
    assert!(gemini(&server.url).generate(&question()).await.unwrap().emulated);
}

#[tokio::test]
async fn every_reason_to_finish_has_its_meaning() {
    let malformed =
        |reason: &str| Finish::Malformed { reason: reason.to_owned(), message: Some("m".to_owned()) };
    let filtered = |reason: &str| Finish::ContentFilter { reason: reason.to_owned() };
    for (reason, finish) in [
        ("STOP", Finish::Stop),
        ("MAX_TOKENS", Finish::Length),
        ("SAFETY", filtered("SAFETY")),
        ("PROHIBITED_CONTENT", filtered("PROHIBITED_CONTENT")),
        ("BLOCKLIST", filtered("BLOCKLIST")),
        ("SPII", filtered("SPII")),
        ("RECITATION", filtered("RECITATION")),
        ("LANGUAGE", filtered("LANGUAGE")),
        ("ESCALATION", filtered("ESCALATION")),
        ("MALFORMED_FUNCTION_CALL", malformed("MALFORMED_FUNCTION_CALL")),
        ("UNEXPECTED_TOOL_CALL", malformed("UNEXPECTED_TOOL_CALL")),
        ("TOO_MANY_TOOL_CALLS", malformed("TOO_MANY_TOOL_CALLS")),
        ("MALFORMED_RESPONSE", malformed("MALFORMED_RESPONSE")),
        ("OTHER", Finish::Other("OTHER".to_owned())),
        ("NO_IMAGE", Finish::Other("NO_IMAGE".to_owned())),
        ("INVENTED_TOMORROW", Finish::Other("INVENTED_TOMORROW".to_owned())),
        ("CONTINUATION", Finish::Continuation), // without a token there is nothing to go on with
    ] {
        let piece = format!(r#"{{"candidates":[{{"finishReason":"{reason}","finishMessage":"m"}}]}}"#);
        let (_, reply) = streamed(events(&[&piece])).await;
        assert_eq!(reply.unwrap().finish, finish);
    }
}

#[tokio::test]
async fn a_truncated_or_malformed_turn_never_asks_for_its_calls_to_be_run() {
    let piece = |reason: &str| {
        format!(
            r#"{{"candidates":[{{"finishReason":"{reason}","content":{{"parts":[{{"functionCall":{{"name":"a"}}}}]}}}}],"usageMetadata":{{"promptTokenCount":9}}}}"#
        )
    };
    let (_, reply) = streamed(events(&[&piece("MAX_TOKENS")])).await;
    assert_eq!(reply.unwrap().finish, Finish::Length);

    let (_, reply) = streamed(events(&[&piece("MALFORMED_FUNCTION_CALL")])).await;
    let reply = reply.unwrap();
    assert!(matches!(reply.finish, Finish::Malformed { .. }));
    assert_eq!(reply.turn.parts, []);
    assert!(reply.turn.raw.is_none());
    assert_eq!(reply.usage.total(), 9);
}

#[tokio::test]
async fn a_blocked_prompt_is_an_answer_that_costs_its_prompt() {
    let body = r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT","safetyRatings":[]},"usageMetadata":{"promptTokenCount":312,"totalTokenCount":312},"modelVersion":"gemini-3.8-flash","responseId":"b1"}"#;
    let (events, reply) = streamed(events(&[body])).await;
    assert_eq!(events, []);
    let server = Server::start([whole("200 OK", body)]).await;
    let whole = gemini(&server.url).generate(&question()).await.unwrap();
    for reply in [reply.unwrap(), whole] {
        assert_eq!(reply.finish, Finish::PromptBlocked { reason: "PROHIBITED_CONTENT".to_owned() });
        assert_eq!(reply.usage.input_fresh, 312);
    }
}

#[tokio::test]
async fn a_candidate_without_content_is_an_empty_answer_not_an_error() {
    for body in [
        r#"{"candidates":[{"finishReason":"MAX_TOKENS"}],"usageMetadata":{"promptTokenCount":1,"thoughtsTokenCount":8192}}"#,
        r#"{"candidates":[{"content":{"role":"model"},"finishReason":"MAX_TOKENS"}],"usageMetadata":{"promptTokenCount":1,"thoughtsTokenCount":8192}}"#,
    ] {
        let (_, reply) = streamed(events(&[body])).await;
        let reply = reply.unwrap();
        assert_eq!((reply.finish, reply.turn.text().as_str()), (Finish::Length, ""));
        assert_eq!((reply.usage.output_text, reply.usage.output_reasoning), (0, 8192));
    }
    let server = Server::start([whole("200 OK", "{}")]).await;
    assert_eq!(gemini(&server.url).generate(&question()).await.unwrap().finish, Finish::Other(String::new()));
}

fn continued(text: &str, token: &str) -> String {
    format!(
        r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}]}},"finishReason":"CONTINUATION","continuationToken":"{token}"}}],"usageMetadata":{{"promptTokenCount":100,"candidatesTokenCount":10,"cachedContentTokenCount":40}}}}"#
    )
}

const END: &str = r#"{"candidates":[{"content":{"parts":[{"text":"three","thoughtSignature":"AQID"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":120,"candidatesTokenCount":5}}"#;

#[tokio::test]
async fn a_continued_answer_comes_as_one_and_costs_all_its_parts() {
    let (one, two) = (continued("one ", "q+/="), continued("two ", r#"\"2\""#));
    let answers = |make: fn(&str) -> Answer| [make(&one), make(&two), make(END)];
    let streaming = Server::start(answers(|piece| events(&[piece]))).await;
    let (events, streamed) = run(&Provider::Gemini(gemini(&streaming.url)), &question()).await;
    assert_eq!(events, [text("one "), text("two "), text("three")]);
    let plain = Server::start(answers(|body| whole("200 OK", body))).await;
    let generated = gemini(&plain.url).generate(&question()).await.unwrap();

    for (reply, server) in [(streamed.unwrap(), streaming), (generated, plain)] {
        assert_eq!(reply.turn.text(), "one two three");
        assert_eq!(
            raw(&reply),
            r#"{"role":"model","parts":[{"text":"one two "},{"text":"three","thoughtSignature":"AQID"}]}"#
        );
        let usage =
            Usage { input_fresh: 60 + 60 + 120, input_cached: 80, output_text: 25, ..Usage::default() };
        assert_eq!((reply.usage, reply.finish), (usage, Finish::Stop));
        let mut bodies: Vec<_> = server.seen().iter().map(crate::support::Seen::json).collect();
        let tokens: Vec<_> =
            bodies.iter_mut().map(|body| body.as_object_mut().unwrap().remove("continuationToken")).collect();
        assert_eq!(tokens, [None, Some(json!("q+/=")), Some(json!("\"2\""))]);
        assert!(bodies.iter().all(|body| *body == bodies[0]));
        assert_eq!(server.connections(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_never_ends_is_given_as_it_is() {
    let server = Server::start((0..20).map(|_| events(&[&continued("x", "t")]))).await;
    let (_, reply) = run(&Provider::Gemini(gemini(&server.url)), &question()).await;
    let reply = reply.unwrap();
    assert_eq!((reply.finish, reply.turn.text().as_str()), (Finish::Continuation, "xxxxxxxxx"));
    assert_eq!(server.seen().len(), 9);
    assert_eq!(reply.usage.input(), 900);
}

#[tokio::test]
async fn a_missing_signature_has_a_remedy_however_it_is_told() {
    let piece = r#"{"candidates":[{"finishReason":"MISSING_THOUGHT_SIGNATURE"}],"usageMetadata":{"promptTokenCount":7}}"#;
    let (_, reply) = streamed(events(&[piece])).await;
    let error = reply.unwrap_err();
    assert!(matches!(error.cause(), LlmError::SignatureRejected { .. }), "{error:?}");
    assert_eq!(error.usage().input_fresh, 7);
}

#[tokio::test]
async fn what_the_vendor_does_not_count_is_estimated_and_said_to_be() {
    let piece = r#"{"candidates":[{"content":{"parts":[{"text":"four"}]},"finishReason":"STOP"}]}"#;
    let (_, reply) = streamed(events(&[piece])).await;
    let usage = reply.unwrap().usage;
    assert!(usage.estimated && usage.input_fresh > 10 && usage.output_text > 0, "{usage:?}");
}
