//! One question is one trace, from the chat to Airtable, as a collector gets it.

use crate::process::{Ports, ended, only_key, pyairtable, signal, until_ready};
use crate::support::client::{Call, Client};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Attribute;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

type Received = Arc<Mutex<Vec<Bytes>>>;

async fn collector() -> (String, Received) {
    let received = Received::default();
    let take = async |State(received): State<Received>, body: Bytes| received.lock().unwrap().push(body);
    let router = Router::new().route("/v1/traces", post(take)).with_state(received.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), received)
}

fn text<'a>(span: &'a Span, name: &str) -> &'a str {
    let found = span.attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        Some(Attribute::StringValue(text)) => text,
        _ => "",
    }
}

struct Trace {
    spans: HashMap<Vec<u8>, Span>,
}

impl Trace {
    fn of(received: &Received, trace_id: &[u8]) -> Self {
        let bodies = received.lock().unwrap();
        let exports = bodies.iter().map(|body| ExportTraceServiceRequest::decode(body.clone()).unwrap());
        let spans = exports
            .flat_map(|export| export.resource_spans)
            .flat_map(|of_resource| of_resource.scope_spans)
            .flat_map(|of_scope| of_scope.spans)
            .filter(|span| span.trace_id == trace_id)
            .map(|span| (span.span_id.clone(), span));
        Self { spans: spans.collect() }
    }

    /// From the trace's first span to this one: the service of a request, else the name.
    fn way_to(&self, span: &Span) -> Vec<String> {
        let label = |span: &Span| match text(span, "service") {
            "" => span.name.clone(),
            service => service.to_owned(),
        };
        let mut way = vec![label(span)];
        let mut at = span;
        while let Some(parent) = self.spans.get(&at.parent_span_id) {
            way.push(label(parent));
            at = parent;
        }
        way.reverse();
        way
    }

    fn ways_to(&self, service: &str) -> Vec<Vec<String>> {
        let ends = self.spans.values().filter(|span| text(span, "service") == service);
        ends.map(|span| self.way_to(span)).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_is_one_trace_from_the_chat_to_airtable() {
    let (endpoint, received) = collector().await;
    let (folder, ports) = (TempDir::new().unwrap(), Ports::free());
    let settings = [ports.settings(), vec![("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)]].concat();
    let child = pyairtable(folder.path(), &["up"], &settings).spawn().unwrap();
    until_ready(&ports).await;
    let key = std::fs::read_to_string(folder.path().join("data/local-api-key")).unwrap();
    let question = json!({
        "model": "airtable-assistant",
        "messages": [{"role": "user", "content": "how many open tasks does each person have?"}],
    });
    let call = Call::post("/v1/chat/completions", question)
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let answer = Client::new(ports.chat, key.trim()).send(call).await.ok();
    assert!(answer.json()["choices"][0]["message"]["content"].as_str().unwrap().contains(": "));
    signal(&child, "-TERM");
    let done = ended(child).await;
    assert_eq!(done.status.code(), Some(0));
    let key = only_key(&String::from_utf8_lossy(&done.stdout));

    let trace = Trace::of(&received, &0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes());
    let calls = trace.spans.values().filter(|span| span.name.starts_with("chat gemini-"));
    let of_model: Vec<_> = calls.map(|span| trace.way_to(span)).collect();
    assert!(of_model.len() >= 3, "a model call for each step: {of_model:?}");
    for way in &of_model {
        assert_eq!(way[..2], ["llm-orchestrator", "invoke_agent airtable-assistant"], "{way:?}");
    }
    let to_airtable = trace.ways_to("airtable-emulator");
    let whole = [
        "llm-orchestrator",
        "invoke_agent airtable-assistant",
        "execute_tool aggregate_records",
        "mcp-server",
        "tools/call aggregate_records",
        "airtable-gateway",
        "airtable-emulator",
    ];
    assert!(to_airtable.iter().any(|way| *way == whole), "{to_airtable:?}");

    // Routes, names and numbers travel; neither what was asked, nor what was found, nor who may ask.
    let sent: Vec<u8> = received.lock().unwrap().concat();
    for kept in [key.as_bytes(), b"open tasks", b"Bergstr"] {
        assert!(!sent.windows(kept.len()).any(|window| window == kept), "{}", String::from_utf8_lossy(kept));
    }
}
