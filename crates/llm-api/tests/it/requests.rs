//! What leaves.

use llm_api::{
    Adjustment, Effort, Provider, Request, ResponseFormat, Thinking, ThinkingLevel, ToolChoice,
    ToolDefinition, Turn, UserPart,
};
use serde_json::{Value, json};

use crate::support::{KEY, Seen, Server, gemini, question, run, whole};

const STOP: &str = r#"{"candidates":[{"content":{"parts":[{"text":"4"}]},"finishReason":"STOP"}]}"#;

async fn sent(request: &Request) -> (Seen, Vec<Adjustment>) {
    let server = Server::start([whole("200 OK", STOP)]).await;
    let reply = gemini(&server.url).generate(request).await.unwrap();
    (server.seen().remove(0), reply.adjustments)
}

fn tool(name: &str, parameters: Value) -> ToolDefinition {
    ToolDefinition { name: name.to_owned(), description: format!("Does {name}."), parameters }
}

#[tokio::test]
async fn a_plain_question_leaves_as_the_reference_says_with_the_key_in_its_header_only() {
    let (seen, adjustments) = sent(&question()).await;
    let mut lines: Vec<&str> = seen.head.trim_end().lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines.iter().filter(|line| line.contains(KEY)).collect::<Vec<_>>(),
        [&format!("x-goog-api-key: {KEY}")]
    );
    assert!(seen.head.starts_with("POST /v1beta/models/gemini-3.8-flash:generateContent HTTP/1.1\r\n"));
    assert!(lines.contains(&"content-type: application/json"));
    let safety = ["HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT"].map(|category| {
        format!(r#"{{"category":"HARM_CATEGORY_{category}","threshold":"BLOCK_ONLY_HIGH"}}"#)
    });
    assert_eq!(
        seen.body,
        format!(
            r#"{{"contents":[{{"role":"user","parts":[{{"text":"How many open tasks has Ada?"}}]}}],"safetySettings":[{}]}}"#,
            safety.join(",")
        )
    );
    assert!(adjustments.is_empty());
}

#[tokio::test]
async fn a_stream_is_asked_for_as_server_sent_events() {
    let server = Server::start([crate::support::events(&[STOP])]).await;
    run(&Provider::Gemini(gemini(&server.url)), &question()).await.1.unwrap();
    let head = server.seen().remove(0).head;
    assert!(
        head.starts_with("POST /v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse HTTP/1.1\r\n")
    );
}

#[tokio::test]
async fn a_pasted_version_or_models_prefix_does_not_matter() {
    for suffix in ["/v1beta", "/v1", "/v1beta/", "/proxy/v1"] {
        let server = Server::start([whole("200 OK", STOP)]).await;
        let request = Request { model: "models/gemini-3.8-flash".to_owned(), ..question() };
        gemini(&format!("{}{suffix}", server.url)).generate(&request).await.unwrap();
        let proxy = if suffix.starts_with("/proxy") { "/proxy" } else { "" };
        let expected = format!("POST {proxy}/v1beta/models/gemini-3.8-flash:generateContent ");
        assert!(server.seen()[0].head.starts_with(&expected), "{suffix}");
    }
}

#[tokio::test]
async fn a_model_name_cannot_leave_its_place_in_the_path() {
    let request = Request { model: "../x?key=y#/".to_owned(), ..question() };
    let (seen, _) = sent(&request).await;
    assert!(
        seen.head.starts_with("POST /v1beta/models/..%2Fx%3Fkey%3Dy%23%2F:generateContent "),
        "{}",
        seen.head
    );
}

#[tokio::test]
async fn every_part_of_a_request_has_its_place() {
    let request = Request {
        model: "gemini-3.5-flash".to_owned(),
        system: Some("Be brief.".to_owned()),
        turns: vec![Turn::User(vec![
            UserPart::Text("What is this?".to_owned()),
            UserPart::InlineData { mime_type: "image/png".to_owned(), data: "AAEC".to_owned() },
        ])],
        tools: vec![
            tool(
                "list_records",
                json!({"type": "object", "properties": {"table": {"type": "string"}}, "required": ["table"]}),
            ),
            tool("list_bases", json!({})),
        ],
        tool_choice: ToolChoice::Only(vec!["list_bases".to_owned()]),
        max_output_tokens: Some(8192),
        temperature: Some(0.5),
        top_p: Some(0.95),
        stop: vec!["<END>".to_owned()],
        seed: Some(7),
        thinking: Thinking { effort: Effort::Level(ThinkingLevel::Low), include: true },
        response_format: ResponseFormat::Schema(json!({"type": "object"})),
        ..Request::default()
    };
    let (seen, adjustments) = sent(&request).await;
    let mut body = seen.json();
    body.as_object_mut().unwrap().remove("safetySettings");
    assert_eq!(
        body,
        json!({
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "tools": [{"functionDeclarations": [
                {"name": "list_bases", "description": "Does list_bases.",
                 "parametersJsonSchema": {"type": "object", "properties": {}}},
                {"name": "list_records", "description": "Does list_records.",
                 "parametersJsonSchema": {"type": "object", "properties": {"table": {"type": "string"}}, "required": ["table"]}},
            ]}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["list_bases"]}},
            "contents": [{"role": "user", "parts": [
                {"text": "What is this?"}, {"inlineData": {"mimeType": "image/png", "data": "AAEC"}}]}],
            "generationConfig": {
                "maxOutputTokens": 8192, "temperature": 0.5, "topP": 0.95, "stopSequences": ["<END>"], "seed": 7,
                "responseMimeType": "application/json", "responseJsonSchema": {"type": "object"},
                "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": true},
            },
        })
    );
    assert_eq!(adjustments, []);
}

#[tokio::test]
async fn what_a_model_does_not_take_is_left_out_and_told() {
    let request = Request {
        model: "gemini-2.5-flash".to_owned(),
        tools: vec![tool("t", json!({"type": "object", "properties": {"a": {"type": "string", "not": {}}}}))],
        response_format: ResponseFormat::Json,
        stop: ["1", "2", "3", "4", "5", "6"].map(str::to_owned).to_vec(),
        seed: Some(i64::MAX),
        ..question()
    };
    let (seen, adjustments) = sent(&request).await;
    let config = &seen.json()["generationConfig"];
    assert_eq!(config["responseMimeType"], Value::Null);
    assert_eq!(config["stopSequences"].as_array().unwrap().len(), 5);
    assert!(i32::try_from(config["seed"].as_i64().unwrap()).is_ok());
    let dropped = |name| Adjustment::ParameterDropped { name };
    let schema = Adjustment::Schema {
        tool: Some("t".to_owned()),
        path: "/properties/a".to_owned(),
        keyword: "not".to_owned(),
    };
    assert_eq!(adjustments, [dropped("stop"), dropped("response_format"), schema]);

    let request = Request { temperature: Some(0.0), top_p: Some(0.9), ..question() };
    let (seen, adjustments) = sent(&request).await;
    assert_eq!(seen.json()["generationConfig"], Value::Null);
    assert_eq!(adjustments, [dropped("temperature"), dropped("top_p")]);
}

#[tokio::test]
async fn a_stream_tells_of_adjustments_before_anything_is_sent() {
    let request = Request { temperature: Some(0.0), ..question() };
    let stream = gemini("http://127.0.0.1:9").stream(&request);
    assert_eq!(stream.adjustments(), [Adjustment::ParameterDropped { name: "temperature" }]);
}

#[tokio::test]
async fn a_cached_prefix_stands_for_system_prompt_and_tools() {
    let request = Request {
        system: Some("Be brief.".to_owned()),
        tools: vec![tool("t", json!({}))],
        tool_choice: ToolChoice::None,
        cached_content: Some("cachedContents/q1w2e3".to_owned()),
        ..question()
    };
    let body = sent(&request).await.0.json();
    assert_eq!(body["cachedContent"], "cachedContents/q1w2e3");
    for field in ["systemInstruction", "tools", "toolConfig"] {
        assert_eq!(body[field], Value::Null, "{field}");
    }
}

#[tokio::test]
async fn the_last_step_keeps_its_declarations_but_allows_no_call() {
    let request = Request { tools: vec![tool("t", json!({}))], tool_choice: ToolChoice::None, ..question() };
    let body = sent(&request).await.0.json();
    assert_eq!(body["toolConfig"], json!({"functionCallingConfig": {"mode": "NONE"}}));
    assert_eq!(body["tools"][0]["functionDeclarations"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn tokens_are_counted_with_system_prompt_and_tools() {
    let server = Server::start([
        whole("200 OK", r#"{"totalTokens":31,"promptTokensDetails":[]}"#),
        whole("200 OK", "{}"),
    ])
    .await;
    let provider = Provider::Gemini(gemini(&server.url));
    let request =
        Request { system: Some("Be brief.".to_owned()), tools: vec![tool("t", json!({}))], ..question() };
    assert_eq!(provider.count_tokens(&request).await.unwrap(), 31);
    assert_eq!(provider.count_tokens(&request).await.unwrap(), 0);
    let seen = server.seen().remove(0);
    assert!(seen.head.starts_with("POST /v1beta/models/gemini-3.8-flash:countTokens "));
    let inner = &seen.json()["generateContentRequest"];
    assert_eq!(inner["model"], "models/gemini-3.8-flash");
    assert_eq!(inner["systemInstruction"]["parts"][0]["text"], "Be brief.");
    assert_eq!(inner["tools"][0]["functionDeclarations"][0]["name"], "t");
}

#[tokio::test]
async fn all_pages_of_models_are_read() {
    let server = Server::start([
        whole(
            "200 OK",
            r#"{"models":[{"name":"models/gemini-3.8-flash","displayName":"Gemini 3.8 Flash","inputTokenLimit":1048576,
                "outputTokenLimit":65536,"supportedGenerationMethods":["generateContent","countTokens"]}],"nextPageToken":"a/b="}"#,
        ),
        whole("200 OK", r#"{"models":[{"name":"models/gemini-embedding-001","supportedGenerationMethods":["embedContent"]}]}"#),
    ])
    .await;
    let models = Provider::Gemini(gemini(&server.url)).models().await.unwrap();
    let listed: Vec<_> = models.iter().map(|m| (m.id.as_str(), m.input_token_limit, m.generates)).collect();
    assert_eq!(listed, [("gemini-3.8-flash", Some(1_048_576), true), ("gemini-embedding-001", None, false)]);
    let heads: Vec<String> =
        server.seen().iter().map(|seen| seen.head.lines().next().unwrap().to_owned()).collect();
    assert_eq!(
        heads,
        [
            "GET /v1beta/models?pageSize=1000 HTTP/1.1",
            "GET /v1beta/models?pageSize=1000&pageToken=a%2Fb%3D HTTP/1.1"
        ]
    );
}
