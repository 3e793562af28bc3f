//! Clients before 2026-07-28 are asked by a request while their call waits.

use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::protocol::Legacy;
use crate::support::{BASE, Server, World, begin, job_id};

/// The messages of a stream, as they come.
struct Events {
    body: hyper::body::Incoming,
    text: String,
}

impl Events {
    async fn next(&mut self) -> Value {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let data: String = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
                let message = serde_json::from_str(data.trim());
                self.text = rest.to_owned();
                if let Ok(message) = message {
                    return message;
                }
                continue;
            }
            let frame = self.body.frame().await.expect("the stream goes on").unwrap();
            if let Ok(data) = frame.into_data() {
                self.text.push_str(std::str::from_utf8(&data).unwrap());
            }
        }
    }
}

async fn delete(server: &Server, client: &Legacy<'_>, answer: Value) -> (Value, Value) {
    let call = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {
        "name": "delete_records", "arguments": {"base": BASE, "table": "Aufträge", "record_ids": [job_id(0)]},
    }});
    let response =
        begin(server.address, http::Method::POST, "/mcp", &client.headers(), &call.to_string()).await;
    let mut events = Events { body: response.into_body(), text: String::new() };
    let question = events.next().await;
    assert_eq!(question["method"], "elicitation/create", "{question}");
    let reply = client.post(json!({"jsonrpc": "2.0", "id": question["id"], "result": answer})).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    (question, events.next().await)
}

#[tokio::test]
async fn a_yes_lets_the_waiting_call_go_on_and_a_no_ends_it() {
    let server = World::new(3, 1).server().await;
    for version in ["2025-06-18", "2025-11-25"] {
        let client = Legacy::open(&server, version, true, json!({"elicitation": {}})).await;
        for no in [
            json!({"action": "decline"}),
            json!({"action": "cancel"}),
            json!({"action": "accept", "content": {"confirm": false}}),
            json!({"action": "accept", "content": {}}),
        ] {
            let (question, result) = delete(&server, &client, no.clone()).await;
            assert!(
                question["params"]["message"].as_str().unwrap().contains("delete 1 record"),
                "{question}"
            );
            assert_eq!(
                result["result"]["structuredContent"]["status"], "declined",
                "{version} {no}: {result}"
            );
        }
    }
    let client = Legacy::open(&server, "2025-11-25", true, json!({"elicitation": {"form": {}}})).await;
    let (_, result) =
        delete(&server, &client, json!({"action": "accept", "content": {"confirm": true}})).await;
    assert_eq!(result["result"]["structuredContent"]["deleted"], json!([job_id(0)]), "{result}");
    assert_eq!(server.gateway.count(&http::Method::DELETE), 1);
}

#[tokio::test]
async fn a_client_that_cannot_ask_gets_a_preview_and_a_token() {
    let server = World::new(3, 1).server().await;
    let client = Legacy::open(&server, "2025-06-18", true, json!({})).await;
    let call = |arguments: Value| json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "delete_records", "arguments": arguments}});
    let arguments = json!({"base": BASE, "table": "Aufträge", "record_ids": [job_id(0)]});
    let preview = client.post(call(arguments.clone())).await.json();
    assert_eq!(preview["result"]["structuredContent"]["status"], "preview", "{preview}");
    let mut confirmed = arguments;
    confirmed["confirm"] = preview["result"]["structuredContent"]["confirm"].clone();
    let done = client.post(call(confirmed)).await.json();
    assert_eq!(done["result"]["structuredContent"]["status"], "done", "{done}");
}
