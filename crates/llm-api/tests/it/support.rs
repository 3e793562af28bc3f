use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use llm_api::gemini;
use llm_api::{
    BaseUrl, Body, HttpClient, Key, Limits, LlmError, Provider, Reply, Request, StreamEvent, Turn,
};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

pub(crate) const KEY: &str = "AIzaTestKey-0123456789";

/// No certificate is ever checked here: all traffic is plain HTTP on loopback.
pub(crate) fn http() -> HttpClient {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let https = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .build();
    Client::builder(TokioExecutor::new()).build::<_, Body>(https)
}

pub(crate) fn gemini(url: &str) -> gemini::Client {
    let limits = Limits { head: Duration::from_secs(5), idle: Duration::from_secs(5) };
    gemini::Client::new(http(), BaseUrl::parse(url).unwrap(), Key::fixed(KEY.into())).with_limits(limits)
}

pub(crate) fn question() -> Request {
    Request {
        model: "gemini-3.8-flash".to_owned(),
        turns: vec![Turn::user("How many open tasks has Ada?")],
        ..Request::default()
    }
}

/// One answer of the listener: pieces that are flushed one by one, and what comes then.
pub(crate) struct Answer {
    pub(crate) pieces: Vec<Vec<u8>>,
    pub(crate) then: Then,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// The next request on the same connection.
    KeepAlive,
    Close,
    /// Nothing, until the client hangs up.
    Hang,
}

impl Answer {
    pub(crate) fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }
}

/// A whole answer of JSON, or of anything else.
pub(crate) fn whole(status: &str, body: &str) -> Answer {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    Answer { pieces: vec![head.into_bytes(), body.as_bytes().to_vec()], then: Then::KeepAlive }
}

/// A stream that ends properly; each event is a piece.
pub(crate) fn events(events: &[&str]) -> Answer {
    let bodies: Vec<Vec<u8>> =
        events.iter().map(|event| format!("data: {event}\r\n\r\n").into_bytes()).collect();
    chunks(bodies.iter().map(Vec::as_slice))
}

/// A stream that ends properly; each chunk is a piece.
pub(crate) fn chunks<'a>(bodies: impl IntoIterator<Item = &'a [u8]>) -> Answer {
    let mut answer = unfinished(bodies);
    answer.pieces.push(b"0\r\n\r\n".to_vec());
    answer.then = Then::KeepAlive;
    answer
}

/// A stream whose connection is closed within it.
pub(crate) fn unfinished<'a>(bodies: impl IntoIterator<Item = &'a [u8]>) -> Answer {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut pieces = vec![head.as_bytes().to_vec()];
    pieces.extend(
        bodies.into_iter().map(|body| [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat()),
    );
    Answer { pieces, then: Then::Close }
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A listener that gives the answers in order, over however many connections.
pub(crate) struct Server {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    pub(crate) hung_up: Arc<Notify>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let hung_up = Arc::new(Notify::new());
        let mut answers: Vec<Answer> = answers.into_iter().collect();
        answers.reverse();
        let task = tokio::spawn({
            let (seen, connections, hung_up) = (seen.clone(), connections.clone(), hung_up.clone());
            async move {
                while !answers.is_empty() {
                    let (stream, _) = listener.accept().await.unwrap();
                    stream.set_nodelay(true).unwrap();
                    connections.fetch_add(1, Ordering::SeqCst);
                    serve(stream, &mut answers, &seen, &hung_up).await;
                }
            }
        });
        Self { url, seen, connections, hung_up, task }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, answers: &mut Vec<Answer>, seen: &Mutex<Vec<Seen>>, hung_up: &Notify) {
    while !answers.is_empty() {
        let Some(request) = read(&mut stream).await else { return };
        seen.lock().unwrap().push(request);
        let answer = answers.pop().unwrap();
        for piece in answer.pieces {
            if stream.write_all(&piece).await.is_err() {
                hung_up.notify_one();
                return;
            }
            tokio::task::yield_now().await;
        }
        match answer.then {
            Then::KeepAlive => {}
            Then::Close => return,
            Then::Hang => {
                while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
                hung_up.notify_one();
                return;
            }
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(Seen { head, body: String::from_utf8(bytes[end..].to_vec()).unwrap() })
}

/// All events of a stream but the last, and its end.
pub(crate) async fn run(
    provider: &Provider,
    request: &Request,
) -> (Vec<StreamEvent>, Result<Reply, LlmError>) {
    let mut stream = provider.stream(request);
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(StreamEvent::Done(reply)) => {
                assert!(stream.next().await.is_none(), "nothing follows the end");
                return (events, Ok(*reply));
            }
            Ok(event) => events.push(event),
            Err(error) => {
                assert!(stream.next().await.is_none(), "nothing follows an error");
                return (events, Err(error));
            }
        }
    }
    panic!("the stream ended without an end: {events:?}");
}

/// What becomes of one answer, streamed.
pub(crate) async fn streamed(answer: Answer) -> (Vec<StreamEvent>, Result<Reply, LlmError>) {
    let server = Server::start([answer]).await;
    run(&Provider::Gemini(gemini(&server.url)), &question()).await
}
