//! Secrets that were planted are nowhere to be read: not in logs at their most talkative, in answers, in metrics, in spans, in
//! command lines.

use std::io::Read as _;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Ports, ended, pyairtable, signal};
use crate::support::client::{Answer, Call, Client};
use crate::support::credentials::Credentials;
use crate::support::mcp::Tools;
use crate::support::processes::until_ready;

// In pieces, so that the scan for secrets does not take it for a real one.
const TOKEN: &str =
    concat!("pat", "CanaryOfAirtab.5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e");
const MODEL_KEY: &str = "CanaryOfGemini-5eed5eed5eed5eed5eed5eed";
const WRONG_KEY: &str = "pya_live_canary00_wrongwrongwrongwrongwrongwrongwrongwrongwro000000";
const OTLP: &str = "CanaryOfTheCollector-7ac37ac37ac3";

/// An Airtable, a Gemini and a collector that get on badly with their callers: errors name what was presented.
async fn rude_upstream() -> (String, std::sync::Arc<std::sync::Mutex<Vec<Bytes>>>) {
    let spans = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = spans.clone();
    let answer = move |request: Request| {
        let kept = kept.clone();
        async move {
            let (head, body) = request.into_parts();
            let header = |name: &str| {
                head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
            };
            let (path, token, key) =
                (head.uri.path().to_owned(), header("authorization"), header("x-goog-api-key"));
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
            if path == "/v1/traces" {
                kept.lock().unwrap().push(body);
                return StatusCode::OK.into_response();
            }
            let json = |status: u16, body: Value| -> Response {
                (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response()
            };
            match path.as_str() {
                "/v0/appGood0000000001/Tasks" => json(200, json!({"records": []})),
                _ if path.starts_with("/v0/appRefused") => json(
                    401,
                    json!({"error": {"type": "AUTHENTICATION_REQUIRED", "message": format!("no such token: {token}")}}),
                ),
                _ if path.starts_with("/v0/appBroken") => json(500, json!({"error": token})),
                _ if path.starts_with("/v0/") => json(
                    422,
                    json!({"error": {"type": "INVALID_REQUEST_UNKNOWN", "message": format!("not with {token}")}}),
                ),
                _ => json(
                    400,
                    json!({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": format!("API key not valid: {key}")}}),
                ),
            }
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    (url, spans)
}

fn everything(answer: &Answer) -> String {
    format!("{:?} {}", answer.headers, answer.text())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_shown_anywhere_whatever_upstreams_say() {
    let credentials = Credentials::generate();
    let (upstream, spans) = rude_upstream().await;
    let (folder, ports) = (TempDir::new().unwrap(), Ports::free());
    let given = vec![
        ("LOG_LEVEL", "trace".to_owned()),
        ("LOG_FORMAT", "json".to_owned()),
        ("AIRTABLE_API_URL", upstream.clone()),
        ("GEMINI_API_URL", upstream.clone()),
        ("AIRTABLE_TOKEN", TOKEN.to_owned()),
        ("GEMINI_API_KEY", MODEL_KEY.to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", upstream),
        ("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization={OTLP}")),
        credentials.setting("INTERNAL_API_KEY_FILE", "internal-api-key"),
        credentials.setting("OPERATOR_API_KEY_FILE", "operator-api-key"),
    ];
    let settings = [ports.settings(), given].concat();
    let mut child = pyairtable(folder.path(), &["up"], &settings).spawn().unwrap();
    // Pipes are read all the time: at this level they would fill.
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let logs = tokio::spawn(async move {
        use tokio::io::AsyncReadExt as _;
        let (mut one, mut two) = (Vec::new(), Vec::new());
        let _ = tokio::join!(out.read_to_end(&mut one), err.read_to_end(&mut two));
        [one, two].concat()
    });
    for address in [ports.gateway, ports.mcp, ports.chat] {
        until_ready(address).await;
    }
    let process = child.id().unwrap();
    let mut command_line = String::new();
    std::fs::File::open(format!("/proc/{process}/cmdline"))
        .unwrap()
        .read_to_string(&mut command_line)
        .unwrap();

    let mut seen = vec![("the command line", command_line.into_bytes())];
    let operator = credentials.value("operator-api-key");
    for key in [operator.as_str(), WRONG_KEY, "short-CanaryOfNoKind"] {
        let gateway = Client::new(ports.gateway, key);
        for base in ["appGood0000000001", "appRefused0000001", "appBroken00000001", "appInvalid0000001"] {
            seen.push((
                "an answer of the gateway",
                everything(&gateway.get(format!("/v0/{base}/Tasks")).await).into(),
            ));
            let create = json!({"fields": {"Name": "x"}});
            seen.push((
                "an answer to a write",
                everything(&gateway.post(format!("/v0/{base}/Tasks"), create).await).into(),
            ));
        }
        let tools = Tools::new(ports.mcp, key);
        let arguments =
            json!({"name": "list_records", "arguments": {"base": "appRefused0000001", "table": "Tasks"}});
        seen.push(("an answer of a tool", everything(&tools.message("tools/call", arguments).await).into()));
        let question =
            json!({"model": "airtable-assistant", "messages": [{"role": "user", "content": "hello"}]});
        let chat = Client::new(ports.chat, key);
        seen.push((
            "an answer of the chat",
            everything(&chat.post("/v1/chat/completions", question.clone()).await).into(),
        ));
        let bad = Call::post("/v1/chat/completions", json!({"model": 7, "key": MODEL_KEY}));
        seen.push(("an answer to nonsense", everything(&chat.send(bad).await).into()));
    }
    for address in [ports.gateway, ports.mcp, ports.chat] {
        for path in ["/metrics", "/health", "/ready"] {
            seen.push((path, everything(&Client::new(address, "").get(path).await).into()));
        }
    }
    let tools = [settings, vec![credentials.setting("PYAIRTABLE_API_KEY_FILE", "operator-api-key")]].concat();
    let doctor = ended(pyairtable(folder.path(), &["doctor"], &tools).spawn().unwrap()).await;
    seen.push(("doctor", [doctor.stdout, doctor.stderr].concat()));
    signal(&child, "-TERM");
    child.wait().await.unwrap();
    let logs = logs.await.unwrap();
    assert!(logs.len() > 10_000, "the logs are talkative");
    seen.push(("the logs", logs));
    let spans = spans.lock().unwrap().concat();
    assert!(spans.len() > 1000, "spans were sent");
    seen.push(("the spans", spans));

    let internal = credentials.value("internal-api-key");
    let secrets = [
        ("the Airtable token", &TOKEN[3..]),
        ("the model's key", MODEL_KEY),
        ("the operator's key", &operator[18..]),
        ("a wrong key", &WRONG_KEY[18..]),
        ("a key of no kind", "CanaryOfNoKind"),
        ("the collector's password", OTLP),
        ("the common key", &internal),
    ];
    let mut leaks = Vec::new();
    for (place, text) in &seen {
        for (name, secret) in secrets {
            if let Some(at) = text.windows(secret.len()).position(|window| window == secret.as_bytes()) {
                let around = &text[at.saturating_sub(300)..at];
                leaks.push(format!("{name} in {place}, after: {}", String::from_utf8_lossy(around)));
            }
        }
    }
    leaks.dedup();
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}
