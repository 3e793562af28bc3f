use serde_json::json;

use super::support::{KEY, MODEL, TestApp, says, text_of};

#[tokio::test]
async fn an_answer_has_googles_shape_and_usage_adds_up() {
    let app = TestApp::echo().await;
    let answer = app.generate(&says("Good morning")).await;
    assert!(answer.head.contains("x-pyairtable-emulated: true"), "{}", answer.head);
    let answer = answer.ok();
    let candidate = &answer["candidates"][0];
    assert_eq!((&candidate["finishReason"], &candidate["index"]), (&json!("STOP"), &json!(0)));
    assert_eq!(candidate["content"]["role"], "model");
    assert_eq!(text_of([&answer]), "Good morning");
    assert!(candidate["content"]["parts"][0]["thoughtSignature"].is_string());
    // "Good morning" has 12 bytes, the thought "Repeating what the user said." 29.
    let usage = &answer["usageMetadata"];
    assert_eq!(usage["promptTokenCount"], 3 + 4);
    assert_eq!(usage["candidatesTokenCount"], 3);
    assert_eq!(usage["thoughtsTokenCount"], 8);
    assert_eq!(usage["totalTokenCount"], 7 + 3 + 8);
    assert!(usage.get("cachedContentTokenCount").is_none(), "zeros are left out");
    assert_eq!(answer["modelVersion"], MODEL);
}

#[tokio::test]
async fn a_stream_is_framed_as_googles_and_carries_running_usage() {
    let app = TestApp::echo().await;
    let text = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich, und das jeden Tag.";
    let mut body = says(text);
    body["generationConfig"] = json!({"thinkingConfig": {"includeThoughts": true}});
    let answer = app.stream(&body).await;
    assert!(answer.head.contains("content-type: text/event-stream"), "{}", answer.head);
    let events = answer.events();
    assert_eq!(text_of(&events), text);
    assert_eq!(events[0]["candidates"][0]["content"]["parts"][0]["thought"], true);
    let (last, before) = events.split_last().unwrap();
    assert!(before.iter().all(|event| event["candidates"][0].get("finishReason").is_none()));
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    let counts: Vec<u64> =
        events.iter().map(|event| event["usageMetadata"]["totalTokenCount"].as_u64().unwrap()).collect();
    assert!(counts.is_sorted(), "{counts:?}");
    assert_eq!(last["usageMetadata"], app.generate(&body).await.ok()["usageMetadata"]);
}

#[tokio::test]
async fn a_stream_without_sse_is_a_list_and_so_are_its_errors() {
    let app = TestApp::echo().await;
    let target = format!("/v1/models/{MODEL}:streamGenerateContent");
    let list = app.post(&target, &says("one two three four five six seven eight")).await.ok();
    assert!(list.as_array().unwrap().len() > 1);
    assert_eq!(text_of(list.as_array().unwrap()), "one two three four five six seven eight");
    let error = app.post(&target, &json!({"contents": []})).await;
    assert_eq!((error.status, &error.json()[0]["error"]["code"]), (400, &json!(400)));
}

#[tokio::test]
async fn keys_are_checked_with_googles_words() {
    let app = TestApp::echo().await;
    let target = format!("/v1beta/models/{MODEL}:generateContent");
    let body = says("hi").to_string();
    let none = app.raw("POST", &target, "", body.as_bytes()).await;
    assert!(none.refused(403, "PERMISSION_DENIED").starts_with("Method doesn't allow unregistered callers"));
    let bad = app.raw("POST", &target, "x-goog-api-key: invalid\r\n", body.as_bytes()).await;
    assert_eq!(bad.refused(400, "INVALID_ARGUMENT"), "API key not valid. Please pass a valid API key.");
    let details = bad.json()["error"]["details"].clone();
    assert_eq!(details[0]["reason"], "API_KEY_INVALID");
    assert_eq!(details[0]["metadata"]["service"], "generativelanguage.googleapis.com");
    assert_eq!(details[1]["@type"], "type.googleapis.com/google.rpc.LocalizedMessage");
    let in_query = app.raw("POST", &format!("{target}?key={KEY}"), "", body.as_bytes()).await;
    assert_eq!(in_query.status, 200);
    let logged = app.logged(|entry| entry.target.contains("key=")).await;
    assert!(logged.target.ends_with("?key=***"), "{}", logged.target);
}

#[tokio::test]
async fn what_google_refuses_is_refused_in_its_words() {
    let app = TestApp::echo().await;
    let contents = json!([{"parts": [{"text": "hi"}]}]);
    let schema = json!({"type": "object"});
    for (body, expected) in [
        (json!({}), "* GenerateContentRequest.contents: contents is not specified\n"),
        (
            json!({"contents": contents, "generationConfig": {"foo": 1}}),
            "Invalid JSON payload received. Unknown name \"foo\" at 'generation_config': Cannot find field.",
        ),
        (
            json!({"contents": [{"role": "assistant", "parts": [{"text": "hi"}]}]}),
            "Please use a valid role: user, model.",
        ),
        (
            json!({"contents": contents, "generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW", "thinkingBudget": 5}}}),
            "You can only set only one of thinking budget and thinking level.",
        ),
        (
            json!({"contents": contents, "generationConfig": {"thinkingConfig": {"thinkingLevel": "minimal"}}}),
            "Thinking level MINIMAL is not supported for this model. Please retry with other thinking level.",
        ),
        (
            json!({"contents": contents, "tools": [{"functionDeclarations": [
                {"name": "f", "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}, "parametersJsonSchema": schema}]}]}),
            "* GenerateContentRequest.tools[0].function_declarations[0]: only one of parameters and parameters_json_schema may be set.\n",
        ),
        (
            json!({"contents": contents, "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}]}),
            "* GenerateContentRequest.tools[0].function_declarations[0].parameters.properties: should be non-empty for OBJECT type\n",
        ),
        (
            json!({"contents": contents, "tools": [{"functionDeclarations": [
                {"name": "f", "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "additionalProperties": false}}]}]}),
            "Invalid JSON payload received. Unknown name \"additionalProperties\" at 'tools[0].function_declarations[0].parameters': Cannot find field.",
        ),
    ] {
        assert_eq!(app.generate(&body).await.refused(400, "INVALID_ARGUMENT"), expected, "{body}");
    }
    let unknown = app.post("/v1/models/gemini-9:generateContent", &says("hi")).await;
    assert_eq!(
        unknown.refused(404, "NOT_FOUND"),
        "models/gemini-9 is not found for API version v1, or is not supported for generateContent. \
         Call ListModels to see the list of available models and their supported methods."
    );
    let too_long = app.generate(&says(&"x".repeat(4 * 1_048_576))).await;
    assert_eq!(
        too_long.refused(400, "INVALID_ARGUMENT"),
        "The input token count (1048580) exceeds the maximum number of tokens allowed (1048576)."
    );
    let not_json =
        app.call("POST", &format!("/v1/models/{MODEL}:generateContent"), b"{\"contents\": [").await;
    assert!(not_json.refused(400, "INVALID_ARGUMENT").starts_with("Invalid JSON payload received."));
    assert_eq!(app.get("/v1/nothing").await.status, 404);
}

#[tokio::test]
async fn output_ends_at_stop_sequences_and_at_the_limit() {
    let app = TestApp::echo().await;
    let mut body = says("one two END three");
    body["generationConfig"] = json!({"stopSequences": ["END"]});
    let answer = app.generate(&body).await.ok();
    assert_eq!(
        (text_of([&answer]).as_str(), &answer["candidates"][0]["finishReason"]),
        ("one two ", &json!("STOP"))
    );

    // The thought takes 8 tokens, so 2 are left: 8 bytes.
    let mut body = says("abcdefghijklmnop");
    body["generationConfig"] = json!({"maxOutputTokens": 10});
    let answer = app.generate(&body).await.ok();
    assert_eq!(text_of([&answer]), "abcdefgh");
    assert_eq!(answer["candidates"][0]["finishReason"], "MAX_TOKENS");
    assert_eq!(answer["usageMetadata"]["candidatesTokenCount"], 2);

    body["generationConfig"] = json!({"maxOutputTokens": 5});
    let answer = app.generate(&body).await.ok();
    assert_eq!(answer["candidates"][0]["content"], json!({"role": "model"}), "thinking took it all");
    assert_eq!(answer["usageMetadata"]["thoughtsTokenCount"], 5);
    assert!(answer["usageMetadata"].get("candidatesTokenCount").is_none());
}

#[tokio::test]
async fn json_mode_answers_fit_the_schema() {
    let app = TestApp::echo().await;
    let mut body = says("It is sunny");
    body["generationConfig"] = json!({"responseMimeType": "application/json", "responseJsonSchema": {
        "type": "object", "properties": {"weather": {"enum": ["rainy", "sunny"]}, "why": {"type": "string"}}}});
    let answer = app.generate(&body).await.ok();
    let value: serde_json::Value = serde_json::from_str(&text_of([&answer])).unwrap();
    assert_eq!(value, json!({"weather": "sunny", "why": "It is sunny"}));
}

#[tokio::test]
async fn tokens_are_counted_by_the_published_rule_in_both_forms() {
    let app = TestApp::echo().await;
    let target = format!("/v1beta/models/{MODEL}:countTokens");
    let contents = json!([{"role": "user", "parts": [{"text": "12345"}, {"text": "1"}]}]);
    let counted = app.post(&target, &json!({"contents": contents})).await.ok();
    assert_eq!(counted["totalTokens"], 2 + 1 + 4);
    let whole = json!({"generateContentRequest": {"model": format!("models/{MODEL}"), "contents": contents,
        "systemInstruction": {"parts": [{"text": "1234"}]},
        "tools": [{"functionDeclarations": [{"name": "f"}]}]}});
    let declaration = r#"{"name":"f"}"#.len().div_ceil(4);
    assert_eq!(app.post(&target, &whole).await.ok()["totalTokens"], 7 + 5 + declaration);
    let both = json!({"contents": contents, "generateContentRequest": {"contents": contents}});
    app.post(&target, &both).await.refused(400, "INVALID_ARGUMENT");
    let none = app.post(&target, &json!({})).await;
    assert_eq!(
        none.refused(400, "INVALID_ARGUMENT"),
        "* CountTokensRequest.contents: contents is not specified\n"
    );
}

#[tokio::test]
async fn models_are_listed_in_pages_and_read_one_by_one() {
    let app = TestApp::echo().await;
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let page = app.get(&format!("/v1/models?pageSize=5&pageToken={token}")).await.ok();
        seen.extend(
            page["models"].as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap().to_owned()),
        );
        match page["nextPageToken"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    assert!(seen.len() > 10 && seen.contains(&format!("models/{MODEL}")), "{seen:?}");
    let model = app.get(&format!("/v1beta/models/{MODEL}")).await.ok();
    assert_eq!((&model["inputTokenLimit"], &model["thinking"]), (&json!(1_048_576), &json!(true)));
    app.get("/v1/models/gpt-4").await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_long_prefix_that_comes_again_is_counted_as_cached() {
    let app = TestApp::echo().await;
    let mut body = says("first question");
    body["systemInstruction"] = json!({"parts": [{"text": "x".repeat(20_000)}]});
    let cached = async |body: &serde_json::Value| {
        app.generate(body).await.ok()["usageMetadata"]["cachedContentTokenCount"].as_u64()
    };
    assert_eq!(cached(&body).await, None);
    assert_eq!(cached(&body).await, Some(5004));
    body["contents"][0]["parts"][0]["text"] = json!("second question");
    assert_eq!(cached(&body).await, Some(5004));
}

#[tokio::test]
async fn embeddings_are_the_same_every_time() {
    let app = TestApp::echo().await;
    let content = |text: &str| json!({"model": "models/gemini-embedding-001", "content": {"parts": [{"text": text}]}, "outputDimensionality": 8});
    let batch = json!({"requests": [content("a b"), content("a b"), content("c")]});
    let answer = app.post("/v1/models/gemini-embedding-001:batchEmbedContents", &batch).await.ok();
    let embeddings = answer["embeddings"].as_array().unwrap();
    assert_eq!((embeddings.len(), embeddings[0]["values"].as_array().unwrap().len()), (3, 8));
    assert_eq!(embeddings[0], embeddings[1]);
    assert_ne!(embeddings[0], embeddings[2]);
    let one = app.post("/v1/models/gemini-embedding-001:embedContent", &content("a b")).await.ok();
    assert_eq!(one["embedding"], embeddings[0]);
    app.post(&format!("/v1/models/{MODEL}:embedContent"), &content("a")).await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn contents_can_be_cached_and_used() {
    let app = TestApp::echo().await;
    let cache = json!({"model": format!("models/{MODEL}"), "ttl": "300s", "systemInstruction": {"parts": [{"text": "x".repeat(20_000)}]}});
    let made = app.post("/v1beta/cachedContents", &cache).await.ok();
    assert_eq!(made["usageMetadata"]["totalTokenCount"], 5004);
    let name = made["name"].as_str().unwrap();
    let mut body = says("hi");
    body["cachedContent"] = json!(name);
    let usage = app.generate(&body).await.ok()["usageMetadata"].clone();
    assert_eq!((&usage["cachedContentTokenCount"], &usage["promptTokenCount"]), (&json!(5004), &json!(5009)));
    body["systemInstruction"] = json!({"parts": [{"text": "no"}]});
    assert!(
        app.generate(&body)
            .await
            .refused(400, "INVALID_ARGUMENT")
            .starts_with("CachedContent can not be used")
    );
    assert_eq!(app.call("DELETE", &format!("/v1/{name}"), b"").await.ok(), json!({}));
    body.as_object_mut().unwrap().remove("systemInstruction");
    app.generate(&body).await.refused(403, "PERMISSION_DENIED");
    let small = json!({"model": format!("models/{MODEL}"), "contents": [{"parts": [{"text": "x"}]}]});
    assert!(
        app.post("/v1/cachedContents", &small)
            .await
            .refused(400, "INVALID_ARGUMENT")
            .starts_with("Cached content is too small.")
    );
}

#[tokio::test]
async fn markers_in_the_text_ask_for_trouble() {
    let app = TestApp::echo().await;
    let limited = app.generate(&says("x [[emu:429:2s]]")).await;
    limited.refused(429, "RESOURCE_EXHAUSTED");
    assert_eq!(limited.json()["error"]["details"][2]["retryDelay"], "2s");
    assert_eq!(app.generate(&says("[[emu:503:x1]] hi")).await.status, 503);
    assert_eq!(text_of([&app.generate(&says("[[emu:503:x1]] hi")).await.ok()]), "hi");
    let blocked = app.generate(&says("[[emu:block]]")).await.ok();
    assert_eq!(blocked["promptFeedback"]["blockReason"], "PROHIBITED_CONTENT");
    assert!(blocked.get("candidates").is_none());
    let malformed = app.generate(&says("[[emu:malformed]]")).await.ok();
    assert_eq!(malformed["candidates"][0]["finishReason"], "MALFORMED_FUNCTION_CALL");
    assert!(malformed["candidates"][0].get("content").is_none());
    let thinking = app.generate(&says("[[emu:empty-thinking]]")).await.ok();
    assert_eq!(thinking["candidates"][0]["finishReason"], "MAX_TOKENS");
    let long = "many words that come in several chunks of a stream [[emu:midstream-error]]";
    let events = app.stream(&says(long)).await.events();
    assert_eq!(events.last().unwrap()["error"]["status"], "UNAVAILABLE");
    let cut = app.stream(&says("many words that come in several chunks of a stream [[emu:cut]]")).await;
    assert!(!cut.complete && cut.events().len() == 1, "{}", cut.text);
    app.generate(&says("[[emu:what]]")).await.refused(400, "FAILED_PRECONDITION");
}
