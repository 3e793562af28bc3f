//! The rules of a conversation: turns, counts, names, signatures.

use serde_json::{Value, json};

use super::support::{MODEL, TestApp, says};

fn user(text: &str) -> Value {
    json!({"role": "user", "parts": [{"text": text}]})
}

fn call(names: &[&str]) -> Value {
    let bypass = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I";
    let part = |name: &&str| json!({"functionCall": {"id": name, "name": name, "args": {}}, "thoughtSignature": bypass});
    json!({"role": "model", "parts": names.iter().map(part).collect::<Vec<_>>()})
}

fn response(names: &[(&str, Option<&str>)]) -> Value {
    let part = |(name, id): &(&str, Option<&str>)| {
        let mut response = json!({"name": name, "response": {"output": 1}});
        if let Some(id) = id {
            response["id"] = json!(id);
        }
        json!({"functionResponse": response})
    };
    json!({"role": "user", "parts": names.iter().map(part).collect::<Vec<_>>()})
}

const COUNTS: &str = "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.";

#[tokio::test]
async fn calls_and_responses_follow_each_other() {
    let app = TestApp::echo().await;
    for (contents, expected) in [
        (json!([user("x"), call(&["f", "g"]), response(&[("f", None)])]), COUNTS),
        (json!([user("x"), call(&["f"]), user("y")]), COUNTS),
        (json!([user("x"), call(&["f"])]), COUNTS),
        (
            json!([user("x"), response(&[("f", None)])]),
            "Please ensure that function response turn comes immediately after a function call turn.",
        ),
        (
            json!([call(&["f"]), response(&[("f", None)])]),
            "Please ensure that function call turn comes immediately after a user turn or after a function response turn.",
        ),
        (
            json!([user("x"), call(&["f"]), call(&["g"]), response(&[("g", None)])]),
            "Please ensure that function call turn comes immediately after a user turn or after a function response turn.",
        ),
        (
            json!([user("x"), call(&["f", "g"]), response(&[("g", None), ("f", None)])]),
            "Please ensure that function response parts match the function call parts of the function call turn: \"g\" does not answer \"f\".",
        ),
        (
            json!([user("x"), call(&["f"]), response(&[("f", Some("other"))])]),
            "Please ensure that function response parts match the function call parts of the function call turn: no call has the id \"other\".",
        ),
    ] {
        let answer = app.generate(&json!({"contents": contents})).await;
        assert_eq!(answer.refused(400, "INVALID_ARGUMENT"), expected, "{contents}");
    }
    for contents in [
        json!([user("x"), call(&["f", "g"]), response(&[("f", None), ("g", None)])]),
        json!([user("x"), call(&["f", "g"]), response(&[("g", Some("g")), ("f", Some("f"))])]),
        json!([user("x"), call(&["f"]), response(&[("f", None)]), call(&["g"]), response(&[("g", None)])]),
        json!([user("x"), user("y")]),
    ] {
        assert_eq!(app.generate(&json!({"contents": contents})).await.status, 200, "{contents}");
    }
}

#[tokio::test]
async fn signatures_are_required_in_the_current_turn_and_checked_everywhere() {
    let script = json!({"turns": [{"times": "always", "when": {"tool_result": false},
        "reply": {"calls": [{"name": "f", "args": {"n": 1}}, {"name": "g"}]}}, {"times": "always", "reply": {"text": "done"}}]});
    let app = TestApp::script(script).await;
    let made = app.generate(&says("go")).await.ok()["candidates"][0]["content"].clone();
    let parts = made["parts"].as_array().unwrap();
    assert!(parts[0]["thoughtSignature"].is_string() && parts[1].get("thoughtSignature").is_none());
    assert!(parts[0]["functionCall"]["id"].as_str().unwrap().starts_with("fc_"));
    assert_ne!(parts[0]["functionCall"]["id"], parts[1]["functionCall"]["id"]);

    let ask = async |made: &Value, more: &[Value], model: &str, key: &str| {
        let mut contents = vec![user("go"), made.clone(), response(&[("f", None), ("g", None)])];
        contents.extend_from_slice(more);
        let body = json!({"contents": contents}).to_string();
        let headers = format!("x-goog-api-key: {key}\r\n");
        app.raw("POST", &format!("/v1/models/{model}:generateContent"), &headers, body.as_bytes()).await
    };
    assert_eq!(ask(&made, &[], MODEL, "test-key").await.status, 200);
    let mut url_safe = made.clone();
    let signature = parts[0]["thoughtSignature"].as_str().unwrap();
    let as_url_safe = signature.replace('+', "-").replace('/', "_").replace('=', "");
    url_safe["parts"][0]["thoughtSignature"] = json!(as_url_safe);
    assert_eq!(ask(&url_safe, &[], MODEL, "test-key").await.status, 200, "bytes are compared, not text");

    let mut missing = made.clone();
    missing["parts"][0].as_object_mut().unwrap().remove("thoughtSignature");
    let refused = ask(&missing, &[], MODEL, "test-key").await.refused(400, "INVALID_ARGUMENT");
    assert!(
        refused.starts_with("Function call is missing a thought_signature in functionCall parts."),
        "{refused}"
    );
    assert!(refused.ends_with("function call `default_api:f`, position 2."), "{refused}");
    let later = [json!({"role": "model", "parts": [{"text": "done"}]}), user("and now?")];
    assert_eq!(
        ask(&missing, &later, MODEL, "test-key").await.status,
        200,
        "in earlier turns they may be missing"
    );
    assert_eq!(
        ask(&missing, &[], "gemini-2.5-flash", "test-key").await.status,
        200,
        "2.5 does not ask for them"
    );

    let mut changed = made.clone();
    changed["parts"][0]["functionCall"]["args"]["n"] = json!(2);
    for (made, model, key) in
        [(&changed, MODEL, "test-key"), (&made, "gemini-3.7-flash", "test-key"), (&made, MODEL, "second-key")]
    {
        let refused = ask(made, &[], model, key).await.refused(400, "INVALID_ARGUMENT");
        assert_eq!(refused, "Invalid thought signature.");
    }
    let mut corrupt = made.clone();
    corrupt["parts"][0]["thoughtSignature"] = json!("AQID");
    assert_eq!(
        ask(&corrupt, &[], MODEL, "test-key").await.refused(400, "INVALID_ARGUMENT"),
        "Corrupted thought signature."
    );
}
