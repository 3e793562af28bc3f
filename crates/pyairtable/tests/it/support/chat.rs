//! A client of the chat that speaks OpenAI's dialect, whole answers and streams.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::client::{Answer, Call, Client};

pub(crate) const COMPLETIONS: &str = "/v1/chat/completions";

/// Somebody with a key at the chat.
#[derive(Clone)]
pub(crate) struct Chat {
    pub(crate) client: Client,
}

/// What came of a question.
pub(crate) struct Said {
    pub(crate) answer: Answer,
}

/// An answer on its way. Dropping it is what a client does that leaves.
pub(crate) struct Stream {
    pub(crate) status: u16,
    body: Incoming,
    received: Vec<u8>,
    /// Chunks that were read but not given yet.
    ready: std::collections::VecDeque<Value>,
}

impl Chat {
    pub(crate) fn new(address: SocketAddr, key: &str) -> Self {
        Self { client: Client::new(address, key) }
    }

    /// A question of somebody who keeps the conversation itself.
    pub(crate) async fn ask(&self, text: &str) -> Said {
        self.send(json!({"messages": [{"role": "user", "content": text}]})).await
    }

    /// The next message of a session.
    pub(crate) async fn ask_in(&self, session: &str, text: &str) -> Said {
        self.send(json!({"session_id": session, "messages": [{"role": "user", "content": text}]})).await
    }

    /// The user's word by the approval's id.
    pub(crate) async fn decide(&self, approval: &str, decision: &str) -> Said {
        self.send(json!({"messages": [], "approval": {"id": approval, "decision": decision}})).await
    }

    pub(crate) async fn send(&self, body: Value) -> Said {
        Said { answer: self.client.send(Self::call(body)).await }
    }

    pub(crate) async fn stream(&self, mut body: Value) -> Stream {
        body["stream"] = json!(true);
        body["include_run_events"] = json!(true);
        let (status, body) = self.client.begin(Self::call(body)).await;
        Stream { status, body, received: Vec::new(), ready: std::collections::VecDeque::new() }
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.client.get(target).await
    }

    fn call(mut body: Value) -> Call {
        if body.get("model").is_none() {
            body["model"] = json!("airtable-assistant");
        }
        Call::new(Method::POST, COMPLETIONS).json(body)
    }
}

impl Said {
    /// The answer's text, which must be there.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        let body = self.whole();
        body["choices"][0]["message"]["content"]
            .as_str()
            .unwrap_or_else(|| panic!("no text: {body}"))
            .to_owned()
    }

    /// The whole body of a success.
    #[track_caller]
    pub(crate) fn whole(&self) -> Value {
        assert_eq!(self.answer.status, 200, "{}", self.answer.text());
        self.answer.json()
    }

    /// The approval that the answer asks for.
    #[track_caller]
    pub(crate) fn approval(&self) -> String {
        let body = self.whole();
        body["run"]["approval"]["id"].as_str().unwrap_or_else(|| panic!("no approval: {body}")).to_owned()
    }

    #[track_caller]
    pub(crate) fn session(&self) -> String {
        self.whole()["session_id"].as_str().expect("a session").to_owned()
    }

    /// What became of each call of a tool.
    #[track_caller]
    pub(crate) fn steps(&self) -> Vec<(String, String)> {
        let body = self.whole();
        let steps = body["run"]["steps"].as_array().unwrap_or_else(|| panic!("no steps: {body}"));
        let text = |step: &Value, name: &str| step[name].as_str().unwrap_or_default().to_owned();
        steps.iter().map(|step| (text(step, "name"), text(step, "status"))).collect()
    }

    /// Status and code of a failure.
    #[track_caller]
    pub(crate) fn failure(&self) -> (u16, String) {
        let body = self.answer.json();
        let error = &body["error"];
        assert!(error["message"].is_string() && error["type"].is_string(), "not OpenAI's shape: {body}");
        (self.answer.status, error["code"].as_str().unwrap_or_default().to_owned())
    }
}

impl Stream {
    /// The next chunk; `None` once the stream has ended, also if it broke off.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Some(chunk);
            }
            let frame: Bytes = self.body.frame().await?.ok()?.into_data().ok()?;
            self.received.extend_from_slice(&frame);
            while let Some(end) = self.received.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = self.received.drain(..end + 2).collect();
                let event = String::from_utf8(event).expect("UTF-8");
                if let Some(data) = event.trim().strip_prefix("data: ").filter(|data| *data != "[DONE]") {
                    self.ready.push_back(serde_json::from_str(data).expect("JSON"));
                }
            }
        }
    }

    /// Reads until a tool of this name has begun.
    pub(crate) async fn until_tool(&mut self, name: &str) {
        while let Some(chunk) = self.next().await {
            let event = &chunk["run_event"];
            if event["type"] == "tool_started" && event["name"] == name {
                return;
            }
        }
        panic!("{name} never began");
    }

    pub(crate) async fn all(mut self) -> Vec<Value> {
        let mut chunks = Vec::new();
        while let Some(chunk) = self.next().await {
            chunks.push(chunk);
        }
        chunks
    }
}

/// All words of a stream.
pub(crate) fn words(chunks: &[Value]) -> String {
    chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect()
}
