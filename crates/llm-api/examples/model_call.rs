//! What the client adds to a call: the same requests by `llm-api` and by a bare HTTP client that only reads the answer to
//! its end, in turn, against the emulator in this process. `cargo run --release -p llm-api --example model_call`
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on should fail where it stands")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::serve::ListenerExt as _;
use bytes::Bytes;
use emulators::gemini::{Emulator, Keys, Mode, Script};
use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use llm_api::{
    BaseUrl, Body, HttpClient, Key, Provider, Request, StreamEvent, ToolDefinition, ToolResult, Turn, gemini,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const CALLS: usize = 2000;
const KEY: &str = "measuring";

#[tokio::main]
async fn main() {
    println!("{CALLS} calls each, one after the other; milliseconds, median and 99th of a hundred");
    let short = Request {
        model: "gemini-3.8-flash".to_owned(),
        turns: vec![Turn::user("How many open tasks has Ada?")],
        ..Request::default()
    };
    let long = Request {
        tools: tools(),
        turns: history(40),
        system: Some("You manage bases. ".repeat(100)),
        ..short.clone()
    };
    for (name, request) in [("short question", &short), ("40 turns and 11 tools", &long)] {
        for (kind, text) in [("20 words", words(20)), ("200 words", words(200))] {
            let server = serve(json!({"turns": [{"times": "always", "reply": {"text": text}}]})).await;
            measure(&format!("{name}, {kind}, whole"), &server, request, false).await;
            measure(&format!("{name}, {kind}, streamed"), &server, request, true).await;
        }
    }
}

async fn measure(name: &str, url: &str, request: &Request, streams: bool) {
    let http = http();
    let provider = Provider::Gemini(gemini::Client::new(
        http.clone(),
        BaseUrl::parse(url).unwrap(),
        Key::fixed(KEY.into()),
    ));
    let method = if streams { "streamGenerateContent?alt=sse" } else { "generateContent" };
    let bare_url = format!("{url}/v1beta/models/gemini-3.8-flash:{method}");
    let body = body_of(request, method).await;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for call in 0..CALLS + 100 {
        let start = Instant::now();
        if streams {
            stream(&provider, request).await
        } else {
            drop(provider.generate(request).await.unwrap())
        }
        let took = start.elapsed();
        let start = Instant::now();
        send(&http, &bare_url, body.clone()).await;
        // The first calls open connections and fill caches.
        if call >= 100 {
            ours.push(took);
            bare.push(start.elapsed());
        }
    }
    let shown = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1000.0;
        (at(50), at(99))
    };
    let ((ours50, ours99), (bare50, bare99)) = (shown(&mut ours), shown(&mut bare));
    println!(
        "{name:45} llm-api {ours50:.3} {ours99:.3}   bare {bare50:.3} {bare99:.3}   added {:.3} {:.3}",
        ours50 - bare50,
        ours99 - bare99
    );
}

async fn stream(provider: &Provider, request: &Request) {
    let mut stream = provider.stream(request);
    while let Some(event) = stream.next().await {
        if let StreamEvent::Done(reply) = event.unwrap() {
            assert!(reply.emulated);
        }
    }
}

async fn send(http: &HttpClient, url: &str, body: Bytes) {
    let body: Body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
    let request = http::Request::post(url)
        .header("x-goog-api-key", KEY)
        .header("content-type", "application/json")
        .body(body)
        .unwrap();
    let answer = http.request(request).await.unwrap();
    assert!(answer.status().is_success());
    answer.into_body().collect().await.unwrap();
}

/// The bytes that the client sends for a request, taken from a listener's log.
async fn body_of(request: &Request, method: &str) -> Bytes {
    let emulator = Emulator::new(Mode::Echo, Keys::Any);
    let url = listen(&emulator).await;
    let provider =
        Provider::Gemini(gemini::Client::new(http(), BaseUrl::parse(&url).unwrap(), Key::fixed(KEY.into())));
    if method.starts_with("stream") {
        stream(&provider, request).await
    } else {
        drop(provider.generate(request).await.unwrap())
    }
    emulator.requests(0)[0].body.clone()
}

async fn serve(script: Value) -> String {
    listen(&Emulator::new(Mode::Script(Script::from_value(&script).unwrap()), Keys::Any)).await
}

async fn listen(emulator: &Emulator) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = emulator.router();
    // Small pieces in both directions: without this, what is measured is how long TCP waits for more.
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

fn http() -> HttpClient {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    let https = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Client::builder(TokioExecutor::new()).build::<_, Body>(https)
}

/// A stream sends each as a piece.
fn words(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("word{number} ")).collect()
}

fn tools() -> Vec<ToolDefinition> {
    let properties: Value = (0..8)
        .map(|number| {
            (
                format!("argument_{number}"),
                json!({"type": "string", "description": "What it says. ".repeat(4)}),
            )
        })
        .collect::<serde_json::Map<_, _>>()
        .into();
    (0..11)
        .map(|number| ToolDefinition {
            name: format!("tool_{number}"),
            description: "Reads or changes something. ".repeat(5),
            parameters: json!({"type": "object", "properties": properties}),
        })
        .collect()
}

/// Questions, calls, results of 2 KB, answers.
fn history(turns: usize) -> Vec<Turn> {
    use llm_api::{ModelTurn, Part, ToolCall};
    let mut history = Vec::new();
    while history.len() < turns {
        let id = format!("fc_{}", history.len());
        let result = ToolResult {
            call_id: Some(id.clone()),
            name: "tool_1".to_owned(),
            ok: true,
            content: json!({"records": "x".repeat(2000)}),
        };
        history.push(Turn::user("And how many has Grace?"));
        let call = ToolCall::new(id, "tool_1", json!({"argument_1": "Tasks"}));
        history.push(Turn::Model(ModelTurn::from_parts(vec![Part::ToolCall(call)])));
        history.push(Turn::ToolResults(vec![result]));
        history.push(Turn::Model(ModelTurn::from_parts(vec![Part::Text("Four.".to_owned())])));
    }
    history.push(Turn::user("And Ada?"));
    history
}
