//! A small HTTP client that shows everything: status, headers, body, and sends the target as it is given.

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client as Pool, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;

/// No answer takes this long: a test fails rather than hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(100);

#[derive(Clone)]
pub(crate) struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    key: String,
}

/// One request. `target` is path and query.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) body: Option<Value>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn new(method: Method, target: impl Into<String>) -> Self {
        Self { method, target: target.into(), body: None, headers: Vec::new() }
    }

    pub(crate) fn get(target: impl Into<String>) -> Self {
        Self::new(Method::GET, target)
    }

    pub(crate) fn post(target: impl Into<String>, body: Value) -> Self {
        Self::new(Method::POST, target).json(body)
    }

    pub(crate) fn json(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr, key: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { pool: Pool::builder(TokioExecutor::new()).build(connector), address, key: key.to_owned() }
    }

    pub(crate) async fn send(&self, call: Call) -> Answer {
        let shown = format!("{} {}", call.method, call.target);
        self.try_send(call).await.unwrap_or_else(|error| panic!("{shown} got no answer: {error:?}"))
    }

    /// Sends and gives the answer's status and body as soon as they begin.
    pub(crate) async fn begin(&self, call: Call) -> (u16, Incoming) {
        let request = self.request(call).expect("a request");
        let begun = tokio::time::timeout(ANSWER_WITHIN, self.pool.request(request)).await;
        let (head, body) = begun.expect("an answer in time").expect("an answer").into_parts();
        (head.status.as_u16(), body)
    }

    pub(crate) async fn try_send(
        &self,
        call: Call,
    ) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let request = self.request(call)?;
        let exchange = async {
            let (head, body) = self.pool.request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
        };
        tokio::time::timeout(ANSWER_WITHIN, exchange).await?
    }

    fn request(&self, call: Call) -> Result<Request<Full<Bytes>>, http::Error> {
        let mut request =
            Request::builder().method(call.method).uri(format!("http://{}{}", self.address, call.target));
        if !self.key.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.key));
        }
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if call.body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = call.body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        request.body(Full::new(body))
    }

    pub(crate) async fn get(&self, target: impl Into<String>) -> Answer {
        self.send(Call::get(target)).await
    }

    pub(crate) async fn post(&self, target: impl Into<String>, body: Value) -> Answer {
        self.send(Call::post(target, body)).await
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn is_cache_hit(&self) -> bool {
        self.header("cache-status").split(';').any(|part| part.trim() == "hit")
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.text());
        self
    }
}

/// Percent-encodes everything that is not unreserved, as clients do with names and values.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
