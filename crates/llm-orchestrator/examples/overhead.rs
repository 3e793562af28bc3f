//! What the orchestrator adds to a model that answers at once: time from question to first word and to the end, beside the
//! same words straight from the emulated model. `cargo run --release -p llm-orchestrator --example overhead`.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use axum::routing::post;
use axum::{Json, Router};
use emulators::gemini::{Emulator, Keys, Mode, Script};
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use service_kit::auth::{Bases, Scopes};
use service_kit::config::Reader;
use service_kit::keys::ApiKey;
use service_kit::outbound::{HttpClient, full, http_client};
use service_kit::serve::{Limits, Shutdown, serve};
use storage::{ApiKeyStore as _, SqliteStore};
use tokio::net::TcpListener;

const ROUNDS: usize = 1_000;
const KEY: &str = "test-key";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let script = json!({"turns": [
        {"when": {"user": {"contains": "tool"}, "tool_result": false}, "times": "always", "reply": {"calls": [{"name": "list_tables"}]}},
        {"times": "always", "reply": {"text": ["There ", "are ", "three ", "tables."]}},
    ]});
    let model =
        Emulator::new(Mode::Script(Script::from_value(&script)?), Keys::Only([KEY.to_owned()].into()));
    let model = listen(emulators::gemini::app(&model, Shutdown::manual())).await?;
    let tools = listen(Router::new().route("/mcp", post(tool))).await?;
    let data = tempfile::tempdir()?;
    let source = |name: &str| match name {
        "GEMINI_API_URL" => Some(format!("http://{model}")),
        "GEMINI_API_KEY" => Some(KEY.to_owned()),
        "MCP_SERVER_URL" => Some(format!("http://{tools}")),
        "DATA_DIR" => Some(data.path().display().to_string()),
        _ => None,
    };
    let mut reader = Reader::new(&source);
    let config = llm_orchestrator::Config::read(&mut reader);
    let chat = listen(llm_orchestrator::app(reader.finish(config)?).await?).await?;
    let key = ApiKey::mint()?;
    let store = SqliteStore::open(&SqliteStore::path_in(data.path())).await?;
    store.insert(&key.record("test", Scopes::ALL, &Bases::All, SystemTime::now(), None)).await?;

    let http = http_client(&format!("http://{chat}").parse()?)?;
    let words = |text: &str| json!({"contents": [{"role": "user", "parts": [{"text": text}]}]});
    let question = |text: &str, more: Value| {
        let mut body = json!({"stream": true, "messages": [{"role": "user", "content": text}]});
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
        body
    };
    let direct = format!("http://{model}/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse");
    let chat = format!("http://{chat}/v1/chat/completions");
    let key = key.expose();
    println!("{ROUNDS} rounds, one after the other; ms");
    println!("{:<44} {:>8} {:>8} {:>8} {:>8}", "", "first", "", "end", "");
    println!("{:<44} {:>8} {:>8} {:>8} {:>8}", "", "p50", "p99", "p50", "p99");
    measure("the emulated model itself", &http, &direct, key, || words("hello")).await?;
    let plain = || question("hello", json!({"tool_choice": "none"}));
    measure("a chat without tools, a session each", &http, &chat, key, plain).await?;
    let with_tools = || question("hello", json!({}));
    measure("a chat with tools that it does not use", &http, &chat, key, with_tools).await?;
    let one_tool = || question("use a tool", json!({}));
    measure("a chat that uses one tool (two model calls)", &http, &chat, key, one_tool).await?;
    Ok(())
}

async fn measure(
    what: &str,
    http: &HttpClient,
    url: &str,
    key: &str,
    body: impl Fn() -> Value,
) -> anyhow::Result<()> {
    let (mut first, mut end) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS + 50 {
        let request = Request::post(url)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {key}"))
            .header("x-goog-api-key", KEY)
            .body(full(body().to_string()))?;
        let started = Instant::now();
        let response = http.request(request).await?;
        anyhow::ensure!(response.status() == 200, "{what}: {}", response.status());
        let mut body = response.into_body();
        let (mut seen, mut word) = (Vec::new(), None);
        while let Some(frame) = body.frame().await {
            seen.extend_from_slice(&frame?.into_data().unwrap_or_default());
            if word.is_none() && seen.windows(5).any(|bytes| bytes == b"There") {
                word = Some(started.elapsed());
            }
        }
        // The first rounds open connections and files.
        if round >= 50 {
            first.push(
                word.with_context(|| format!("{what}: no answer in {}", String::from_utf8_lossy(&seen)))?,
            );
            end.push(started.elapsed());
        }
    }
    let ms = |times: &mut Vec<Duration>, share: usize| {
        times.sort();
        times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1000.0
    };
    println!(
        "{what:<44} {:>8.2} {:>8.2} {:>8.2} {:>8.2}",
        ms(&mut first, 50),
        ms(&mut first, 99),
        ms(&mut end, 50),
        ms(&mut end, 99)
    );
    Ok(())
}

async fn tool(Json(request): Json<Value>) -> Json<Value> {
    let result = match request["method"].as_str() {
        Some("tools/list") => json!({
            "ttlMs": 300_000,
            "tools": [{"name": "list_tables", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}}],
        }),
        _ => json!({"structuredContent": {"tables": ["a", "b", "c"]}, "content": []}),
    };
    Json(json!({"jsonrpc": "2.0", "id": request["id"], "result": result}))
}

async fn listen(router: Router) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, router, Limits::default(), Shutdown::manual()));
    Ok(address)
}
