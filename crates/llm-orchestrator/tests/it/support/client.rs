//! A client as plain as can be.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};
use service_kit::outbound::{full, http_client};

use super::{CHAT, Orchestrator};

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An answer that is being read.
pub(crate) struct Stream {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    read: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The text of a completion.
    pub(crate) fn text(&self) -> String {
        self.json()["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self
    }
}

impl Stream {
    /// The next event's data; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.read = rest;
                match event.strip_prefix("data: ") {
                    Some(data) => return Some(data.to_owned()),
                    None => continue,
                }
            }
            let frame = self.body.frame().await?.ok()?;
            self.read.push_str(std::str::from_utf8(frame.data_ref()?).unwrap());
        }
    }

    /// All events, `[DONE]` left out.
    pub(crate) async fn all(mut self) -> Vec<Value> {
        let mut chunks = Vec::new();
        while let Some(data) = self.next().await {
            if data != "[DONE]" {
                chunks.push(serde_json::from_str(&data).unwrap());
            }
        }
        chunks
    }
}

/// The text of a stream's chunks.
pub(crate) fn text_of(chunks: &[Value]) -> String {
    chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect()
}

impl Orchestrator {
    /// One question, without a stream.
    pub(crate) async fn ask(&self, text: &str) -> Answer {
        self.chat(json!({"messages": [{"role": "user", "content": text}]})).await
    }

    /// One question in a session.
    pub(crate) async fn ask_in(&self, session: &str, text: &str) -> Answer {
        self.chat(json!({"session_id": session, "messages": [{"role": "user", "content": text}]})).await
    }

    pub(crate) async fn chat(&self, body: Value) -> Answer {
        self.post(CHAT, body).await
    }

    pub(crate) async fn post(&self, target: &str, body: Value) -> Answer {
        self.send(Method::POST, target, &[], Some(body)).await
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send(Method::GET, target, &[], None).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let Stream { status, headers, body, .. } = self.open(method, target, headers, body).await;
        Answer { status, headers, body: body.collect().await.unwrap().to_bytes() }
    }

    /// A stream of a question. The answer's head is there when this returns.
    pub(crate) async fn stream(&self, mut body: Value) -> Stream {
        body["stream"] = true.into();
        self.open(Method::POST, CHAT, &[], Some(body)).await
    }

    pub(crate) async fn open(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Stream {
        let uri = format!("http://{}{target}", self.address);
        let mut request = Request::builder().method(method).uri(&uri);
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", format!("Bearer {}", self.key));
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        let client = http_client(&uri.parse().unwrap()).unwrap();
        let response = client.request(request.body(full(body)).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        Stream { status: head.status, headers: head.headers, body, read: String::new() }
    }
}
