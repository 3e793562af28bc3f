//! A tools' server: Model Context Protocol as far as the orchestrator speaks it, over one number that tools can change.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::listen;

/// A server of tools, and what it was asked. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ToolServer {
    pub(crate) address: SocketAddr,
    state: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<ToolCall>>,
    lists: AtomicUsize,
    /// How often something was changed.
    changes: AtomicUsize,
    /// Calls of `hang` that were cancelled.
    cancelled: AtomicUsize,
    /// Calls under way, and the most at once.
    under_way: AtomicUsize,
    most_at_once: AtomicUsize,
    /// Lets `slow_update` and `slow_list` go on.
    go_on: Notify,
    /// What the cells say.
    cell: Mutex<String>,
}

/// A call of a tool.
#[derive(Debug, Clone)]
pub(crate) struct ToolCall {
    pub(crate) name: String,
    pub(crate) arguments: Value,
    pub(crate) params: Value,
    pub(crate) headers: HeaderMap,
}

impl ToolServer {
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Shared::default());
        let router = Router::new()
            .route("/mcp", post(answer))
            .route("/health", get(async || "healthy"))
            .with_state(state.clone());
        Self { address: listen(router).await, state }
    }

    pub(crate) fn seen(&self) -> Vec<ToolCall> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The names of all calls.
    pub(crate) fn names(&self) -> Vec<String> {
        self.seen().into_iter().map(|call| call.name).collect()
    }

    pub(crate) fn lists(&self) -> usize {
        self.state.lists.load(Ordering::SeqCst)
    }

    pub(crate) fn changes(&self) -> usize {
        self.state.changes.load(Ordering::SeqCst)
    }

    pub(crate) fn cancelled(&self) -> usize {
        self.state.cancelled.load(Ordering::SeqCst)
    }

    pub(crate) fn most_at_once(&self) -> usize {
        self.state.most_at_once.load(Ordering::SeqCst)
    }

    pub(crate) fn go_on(&self) {
        self.state.go_on.notify_one();
    }

    pub(crate) fn put_in_cell(&self, text: &str) {
        *self.state.cell.lock().unwrap() = text.to_owned();
    }
}

fn tools() -> Value {
    let tool = |name: &str, is_read: bool| {
        json!({
            "name": name, "description": format!("{name}, for tests"),
            "inputSchema": {"type": "object", "properties": {"table": {"type": "string"}}},
            "annotations": {"readOnlyHint": is_read},
        })
    };
    json!({
        "resultType": "complete", "ttlMs": 300_000, "cacheScope": "private",
        "tools": [
            tool("list_tables", true), tool("list_records", true), tool("slow_list", true), tool("hang", true),
            tool("fails", true), tool("huge", true), tool("progress", true),
            tool("update_records", false), tool("delete_records", false), tool("slow_update", false),
            tool("broken_update", false),
        ],
    })
}

async fn answer(State(state): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap();
    let method = request["method"].as_str().unwrap_or_default();
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    // What the protocol asks of every call.
    assert_eq!(header("mcp-method").as_deref(), Some(method));
    assert_eq!(header("mcp-protocol-version").as_deref(), Some("2026-07-28"));
    assert_eq!(
        request["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"],
        json!({"elicitation": {}})
    );
    assert!(header("x-pyairtable-principal").is_some_and(|principal| principal.starts_with("v1.")));
    if method == "tools/list" {
        state.lists.fetch_add(1, Ordering::SeqCst);
        return result(&request, tools());
    }
    assert_eq!(header("mcp-name").as_deref(), request["params"]["name"].as_str());
    let call = ToolCall {
        name: request["params"]["name"].as_str().unwrap().to_owned(),
        arguments: request["params"]["arguments"].clone(),
        params: request["params"].clone(),
        headers,
    };
    let name = call.name.clone();
    state.seen.lock().unwrap().push(call);
    let now = state.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    state.most_at_once.fetch_max(now, Ordering::SeqCst);
    let _under_way = OnDrop(|| {
        state.under_way.fetch_sub(1, Ordering::SeqCst);
    });
    run(&state, &name, &request).await
}

async fn run(state: &Arc<Shared>, name: &str, request: &Value) -> Response {
    let params = &request["params"];
    match name {
        "list_tables" => result(request, structured(json!({"tables": [{"name": "Tasks"}]}))),
        "list_records" => {
            let cell = state.cell.lock().unwrap().clone();
            result(request, structured(json!({"records": [{"id": "rec1", "fields": {"Note": cell}}]})))
        }
        "slow_list" => {
            state.go_on.notified().await;
            result(request, structured(json!({"tables": []})))
        }
        "hang" => {
            let _cancelled = OnDrop(|| {
                state.cancelled.fetch_add(1, Ordering::SeqCst);
            });
            std::future::pending().await
        }
        "fails" => {
            let text = "there is no table Taks; did you mean Tasks?";
            result(request, json!({"isError": true, "content": [{"type": "text", "text": text}]}))
        }
        "huge" => {
            let rows: String = (0..20_000).map(|row| format!("row {row}\n")).collect();
            result(request, json!({"content": [{"type": "text", "text": rows}]}))
        }
        "progress" => {
            let progress =
                json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}});
            let end =
                json!({"jsonrpc": "2.0", "id": request["id"], "result": structured(json!({"sum": 42}))});
            let events = format!(": hello\n\nevent: message\ndata: {progress}\n\ndata: {end}\n\n");
            ([("content-type", "text/event-stream")], events).into_response()
        }
        "broken_update" => {
            state.changes.fetch_add(1, Ordering::SeqCst);
            let broken = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("cut"))]);
            (StatusCode::OK, Body::from_stream(broken)).into_response()
        }
        "slow_update" => {
            // Runs to its end, whoever leaves.
            let state = state.clone();
            let change = tokio::spawn(async move {
                state.go_on.notified().await;
                state.changes.fetch_add(1, Ordering::SeqCst);
            });
            change.await.unwrap();
            result(request, structured(json!({"updated": 1})))
        }
        _ => change(state, name, request, params),
    }
}

/// Asks as the real tools do: deletes always, other changes if they are told to.
fn change(state: &Shared, name: &str, request: &Value, params: &Value) -> Response {
    let asks = name == "delete_records" || params["_meta"]["pyairtable/ask"] == "always";
    let consent = &params["inputResponses"]["confirm"];
    if asks && consent.is_null() {
        let state = format!("state of {}", params["arguments"]);
        return result(
            request,
            json!({
                "resultType": "input_required", "requestState": state,
                "inputRequests": {"confirm": {"method": "elicitation/create", "params": {
                    "mode": "form", "message": format!("{name}: 1 record of Tasks would change. Go ahead?"),
                    "requestedSchema": {"type": "object", "properties": {"confirm": {"type": "boolean"}}, "required": ["confirm"]},
                }}},
            }),
        );
    }
    if asks {
        assert_eq!(params["requestState"], format!("state of {}", params["arguments"]));
        assert_eq!(*consent, json!({"action": "accept", "content": {"confirm": true}}));
    }
    state.changes.fetch_add(1, Ordering::SeqCst);
    result(request, structured(json!({"updated": 1})))
}

fn structured(content: Value) -> Value {
    json!({
        "resultType": "complete", "isError": false, "structuredContent": content,
        "content": [{"type": "text", "text": content.to_string()}],
    })
}

fn result(request: &Value, result: Value) -> Response {
    Json(json!({"jsonrpc": "2.0", "id": request["id"], "result": result})).into_response()
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
