//! The conversation goes back as it came.

use llm_api::{
    Adjustment, Key, ModelTurn, Part, Provider, Reply, Request, ToolCall, ToolDefinition, ToolResult, Turn,
};
use serde_json::{Value, json};

use crate::support::{Server, events, gemini, question, run, whole};

const BYPASS: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";
const STOP: &str = r#"{"candidates":[{"content":{"parts":[{"text":"4"}]},"finishReason":"STOP"}]}"#;

/// Two calls, the way no serialiser of ours would write them.
const CALLS: &str = r#"{"functionCall" : {"name":"list_records","id":"fc_1","args":{"n":1.50,"z":"\u00e9","a":1}}, "thoughtSignature":"-__-"},{"functionCall":{"id":"fc_2","name":"list_records","args":{"tableId":"tblU"}}}"#;

fn result(call_id: Option<&str>, ok: bool, content: Value) -> ToolResult {
    ToolResult { call_id: call_id.map(str::to_owned), name: "list_records".to_owned(), ok, content }
}

/// Asks, gets `parts` for an answer, and asks again with `results`; what the second request said.
async fn second_request(
    parts: &str,
    results: Vec<ToolResult>,
    change: impl FnOnce(&mut Request),
) -> (String, Reply) {
    let piece = format!(
        r#"{{"candidates":[{{"content":{{"role":"model","parts":[{parts}]}},"finishReason":"STOP"}}]}}"#
    );
    let server = Server::start([events(&[&piece]), whole("200 OK", STOP)]).await;
    let client = gemini(&server.url);
    let mut request = Request {
        tools: vec![ToolDefinition {
            name: "list_records".to_owned(),
            description: String::new(),
            parameters: json!({}),
        }],
        ..question()
    };
    let (_, first) = run(&Provider::Gemini(client.clone()), &request).await;
    request.turns.push(Turn::Model(first.unwrap().turn));
    request.turns.push(Turn::ToolResults(results));
    change(&mut request);
    // As a store would give it back.
    request.turns = serde_json::from_value(serde_json::to_value(&request.turns).unwrap()).unwrap();
    let reply = client.generate(&request).await.unwrap();
    (server.seen().remove(1).body, reply)
}

#[tokio::test]
async fn a_models_turn_goes_back_byte_for_byte_with_all_results_in_one_turn_in_the_calls_order() {
    let results = vec![
        result(Some("fc_2"), false, json!({"code": "NOT_FOUND"})),
        result(Some("fc_1"), true, json!({"records": []})),
    ];
    let (body, reply) = second_request(CALLS, results, |_| {}).await;
    assert!(body.contains(&format!(r#"{{"role":"model","parts":[{CALLS}]}}"#)), "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        body["contents"][2],
        json!({"role": "user", "parts": [
            {"functionResponse": {"name": "list_records", "response": {"output": {"records": []}}, "id": "fc_1"}},
            {"functionResponse": {"name": "list_records", "response": {"error": {"code": "NOT_FOUND"}}, "id": "fc_2"}}]})
    );
    assert_eq!(reply.adjustments, []);
}

#[tokio::test]
async fn an_id_that_the_model_never_gave_is_not_told_to_it() {
    let calls = r#"{"functionCall":{"name":"default_api:list_records","args":{}}},{"functionCall":{"name":"list_records","args":{}}}"#;
    let (body, _) = second_request(calls, vec![], |request| {
        let Turn::Model(turn) = &request.turns[1] else { panic!() };
        let ids: Vec<String> = turn.tool_calls().map(|call| call.id.clone()).collect();
        assert!(turn.tool_calls().all(|call| call.name == "list_records"));
        let results =
            vec![result(Some(&ids[1]), true, json!("second")), result(Some(&ids[0]), true, json!("first"))];
        request.turns[2] = Turn::ToolResults(results);
    })
    .await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        body["contents"][2]["parts"],
        json!([
            {"functionResponse": {"name": "default_api:list_records", "response": {"output": "first"}}},
            {"functionResponse": {"name": "list_records", "response": {"output": "second"}}}])
    );
}

#[tokio::test]
async fn results_without_ids_stand_in_the_calls_order() {
    let results = vec![result(None, true, json!(1)), result(None, true, json!(2))];
    let (body, _) = second_request(CALLS, results, |_| {}).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["contents"][2]["parts"][0]["functionResponse"]["id"], "fc_1");
    assert_eq!(body["contents"][2]["parts"][1]["functionResponse"]["response"]["output"], 2);
}

#[tokio::test]
async fn another_model_or_key_gets_the_turn_rebuilt_and_is_told() {
    let results = || vec![result(Some("fc_1"), true, json!({})), result(Some("fc_2"), true, json!({}))];
    let rebuilt = json!({"role": "model", "parts": [
        {"functionCall": {"name": "list_records", "args": {"n": 1.5, "z": "é", "a": 1}, "id": "fc_1"}, "thoughtSignature": BYPASS},
        {"functionCall": {"name": "list_records", "args": {"tableId": "tblU"}, "id": "fc_2"}}]});
    let changes: [fn(&mut Request); 3] = [
        |request| request.model = "gemini-4-argon".to_owned(),
        |request| request.rebuild_history = true,
        |request| {
            let Turn::Model(turn) = &mut request.turns[1] else { panic!() };
            turn.raw.as_mut().unwrap().key_id = Key::fixed("another".into()).id();
        },
    ];
    for change in changes {
        let (body, reply) = second_request(CALLS, results(), change).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["contents"][1], rebuilt);
        assert_eq!(reply.adjustments, [Adjustment::TurnsRebuilt { count: 1 }]);
    }
}

#[tokio::test]
async fn a_turn_of_another_origin_is_built_from_its_parts() {
    let server = Server::start([whole("200 OK", STOP)]).await;
    let mut signed = ToolCall::new("call_9", "list_bases", json!({}));
    signed.signature = Some("AQID".to_owned());
    let request = Request {
        turns: vec![
            Turn::user("a"),
            Turn::Model(ModelTurn::from_parts(vec![
                Part::Thought("never said aloud".to_owned()),
                Part::Text("I look.".to_owned()),
                Part::ToolCall(ToolCall::new("call_1", "list_bases", json!("not an object"))),
            ])),
            Turn::ToolResults(vec![result(Some("call_1"), true, json!([1]))]),
            Turn::Model(ModelTurn::from_parts(vec![Part::ToolCall(signed)])),
            Turn::ToolResults(vec![result(Some("call_9"), true, json!([1]))]),
            Turn::Model(ModelTurn::default()),
            Turn::user("b"),
        ],
        ..question()
    };
    let reply = gemini(&server.url).generate(&request).await.unwrap();
    let contents = server.seen()[0].json()["contents"].clone();
    assert_eq!(
        contents[1]["parts"],
        json!([{"text": "I look."},
            {"functionCall": {"name": "list_bases", "args": {}, "id": "call_1"}, "thoughtSignature": BYPASS}])
    );
    assert_eq!(contents[3]["parts"][0]["thoughtSignature"], "AQID");
    let roles: Vec<&str> =
        contents.as_array().unwrap().iter().map(|turn| turn["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "model", "user", "model", "user", "user"]);
    assert_eq!(reply.adjustments, []);
}
