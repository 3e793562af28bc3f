//! An orchestrator that says what a test tells it to. The command's unit tests use it as well.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The bytes of one answer, and whether nothing follows them until the client hangs up.
pub(crate) struct Reply {
    bytes: Vec<u8>,
    hangs: bool,
}

impl Reply {
    /// A whole stream.
    pub(crate) fn stream(chunks: &[Value]) -> Self {
        let mut events = events(chunks);
        events.push_str("data: [DONE]\n\n");
        Self::unfinished(&events, false)
    }

    /// A stream that is cut off after these chunks.
    pub(crate) fn cut(chunks: &[Value]) -> Self {
        Self::unfinished(&events(chunks), false)
    }

    /// A stream of which nothing comes after these chunks.
    pub(crate) fn hangs(chunks: &[Value]) -> Self {
        Self::unfinished(&events(chunks), true)
    }

    /// Anything else; `headers` without a line break at the end.
    pub(crate) fn plain(status: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        let bytes = format!(
            "HTTP/1.1 {status}\r\n{headers}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        Self { bytes: bytes.into_bytes(), hangs: false }
    }

    fn unfinished(events: &str, hangs: bool) -> Self {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-session-id: s1\r\nconnection: close";
        Self { bytes: format!("{head}\r\n\r\n: keep-alive\n\n{events}").into_bytes(), hangs }
    }
}

fn events(chunks: &[Value]) -> String {
    chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect()
}

pub(crate) fn text(text: &str) -> Value {
    json!({"model": "gemini-3.8-flash", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}], "usage": null})
}

pub(crate) fn happened(event: Value) -> Value {
    json!({"model": "gemini-3.8-flash", "choices": [{"index": 0, "delta": {}, "finish_reason": null}], "run_event": event})
}

/// The last chunks of an answer, of an emulated model.
pub(crate) fn end() -> [Value; 2] {
    [
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "session_id": "s1", "run": {"id": "r1", "model_emulated": true},
            "cost": {"currency": "USD", "total": "0.0005388"}, "emulated": true}),
        json!({"choices": [], "usage": {"prompt_tokens": 1210, "completion_tokens": 86, "total_tokens": 1296}}),
    ]
}

/// An answer of one text.
pub(crate) fn says(words: &str) -> Reply {
    let [last, usage] = end();
    Reply::stream(&[text(words), last, usage])
}

/// An answer that waits for the user's word.
pub(crate) fn asks(id: &str, summary: &str) -> Reply {
    let [mut last, usage] = end();
    last["run"]["approval"] = json!({"id": id, "tool": "delete_records", "summary": summary});
    let event = json!({"type": "approval_required", "id": id, "tool": "delete_records", "summary": summary});
    Reply::stream(&[text("I would delete them."), happened(event), last, usage])
}

pub(crate) struct Orchestrator {
    pub(crate) url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    replies: Mutex<VecDeque<Reply>>,
    seen: Mutex<Vec<(String, Value)>>,
    hung_up: Notify,
}

impl Drop for Orchestrator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Orchestrator {
    /// Gives the replies in order, and 501 when there are no more.
    pub(crate) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let shared =
            Arc::new(Shared { replies: Mutex::new(replies.into_iter().collect()), ..Shared::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let accepting = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&accepting)));
            }
        });
        Self { url, shared, task }
    }

    /// The bodies of the requests, in order.
    pub(crate) fn seen(&self) -> Vec<Value> {
        self.shared.seen.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }

    /// The first request's head.
    pub(crate) fn head(&self) -> String {
        self.shared.seen.lock().unwrap()[0].0.clone()
    }

    /// Until a client has left a reply that hangs.
    pub(crate) async fn hung_up(&self) {
        self.shared.hung_up.notified().await;
    }
}

/// One request, one answer.
async fn answer(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length: usize =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    }
    shared.seen.lock().unwrap().push((head, serde_json::from_slice(&bytes[end..]).unwrap()));
    let reply = shared.replies.lock().unwrap().pop_front();
    let reply = reply.unwrap_or_else(|| Reply::plain("501 Not Implemented", "x-from: a test", ""));
    if stream.write_all(&reply.bytes).await.is_ok() && reply.hangs {
        while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
        shared.hung_up.notify_one();
    }
}
