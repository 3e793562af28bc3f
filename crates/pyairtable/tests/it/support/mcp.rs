//! A client of the tools' server that writes its messages itself: revision 2026-07-28 of the protocol, one POST a call.

use std::net::SocketAddr;

use http::Method;
use serde_json::{Value, json};

use super::client::{Answer, Call, Client};

const REVISION: &str = "2026-07-28";

/// Somebody with a key at the tools' server.
#[derive(Clone)]
pub(crate) struct Tools {
    client: Client,
    /// What the client can do: `elicitation` for asking its user.
    capabilities: Value,
}

/// What a tool answered.
#[derive(Clone, Debug)]
pub(crate) struct ToolAnswer {
    pub(crate) result: Value,
}

impl Tools {
    pub(crate) fn new(address: SocketAddr, key: &str) -> Self {
        Self { client: Client::new(address, key), capabilities: json!({}) }
    }

    /// The same, with a user who can be asked.
    pub(crate) fn with_user(&self) -> Self {
        Self { client: self.client.clone(), capabilities: json!({"elicitation": {}}) }
    }

    /// One message; the whole HTTP answer.
    pub(crate) async fn message(&self, method: &str, mut params: Value) -> Answer {
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(REVISION);
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
        params["_meta"]["io.modelcontextprotocol/clientInfo"] =
            json!({"name": "system tests", "version": "1"});
        let mut call = Call::new(Method::POST, "/mcp")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", REVISION)
            .header("mcp-method", method);
        if let Some(name) = params["name"].as_str() {
            call = call.header("mcp-name", name);
        }
        self.client
            .send(call.json(json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})))
            .await
    }

    /// The tools that this caller is shown.
    pub(crate) async fn list(&self) -> Vec<Value> {
        let answer = self.message("tools/list", json!({})).await.ok().json();
        answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> ToolAnswer {
        self.call_with(tool, json!({"arguments": arguments})).await
    }

    /// A call with more than arguments: `inputResponses`, `requestState`, `_meta`.
    pub(crate) async fn call_with(&self, tool: &str, mut params: Value) -> ToolAnswer {
        params["name"] = json!(tool);
        let answer = self.message("tools/call", params.clone()).await;
        let message = answer.json();
        assert!(message["result"].is_object(), "{tool} {params}: {} {message}", answer.status);
        ToolAnswer { result: message["result"].clone() }
    }

    /// The structured result of a call that must succeed.
    pub(crate) async fn ok(&self, tool: &str, arguments: Value) -> Value {
        let answer = self.call(tool, arguments.clone()).await;
        assert_eq!(answer.result["isError"], false, "{tool} {arguments}: {}", answer.text());
        answer.result["structuredContent"].clone()
    }

    /// The message of a call that must be refused.
    pub(crate) async fn refused(&self, tool: &str, arguments: Value) -> String {
        let answer = self.call(tool, arguments.clone()).await;
        assert_eq!(answer.result["isError"], true, "{tool} {arguments}: {}", answer.result);
        answer.text().to_owned()
    }
}

impl ToolAnswer {
    /// What the model reads.
    pub(crate) fn text(&self) -> &str {
        self.result["content"][0]["text"].as_str().unwrap_or_default()
    }

    pub(crate) fn is_error(&self) -> bool {
        self.result["isError"] == true
    }

    /// The only question that the tool asks the user, and its name.
    #[track_caller]
    pub(crate) fn question(&self) -> (String, String) {
        assert_eq!(self.result["resultType"], "input_required", "{}", self.result);
        let asked = self.result["inputRequests"].as_object().expect("questions");
        let (name, question) = asked.iter().next().expect("a question");
        assert_eq!(question["method"], "elicitation/create", "{question}");
        (name.clone(), question["params"]["message"].as_str().expect("a message").to_owned())
    }

    /// What continues the call once the user has spoken: `accept`, `decline` or `cancel`.
    #[track_caller]
    pub(crate) fn continued(&self, arguments: &Value, action: &str) -> Value {
        let (name, _) = self.question();
        let mut response = json!({"action": action});
        if action == "accept" {
            let schema = &self.result["inputRequests"][&name]["params"]["requestedSchema"];
            let yes = schema["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| (name.clone(), json!(true)));
            response["content"] = Value::Object(yes.collect());
        }
        json!({"arguments": arguments, "inputResponses": {name: response}, "requestState": self.result["requestState"]})
    }
}
