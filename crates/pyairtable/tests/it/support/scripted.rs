//! An upstream that answers exactly the bytes that a test gives it, right or wrong.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    answer: Arc<Mutex<Vec<u8>>>,
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Scripted {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (answer, seen) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let task = tokio::spawn(accept(listener, Arc::clone(&answer), Arc::clone(&seen)));
        Self { address, answer, seen, task }
    }

    /// From now on every request is answered with these bytes, then the connection ends.
    pub(crate) fn answers(&self, bytes: impl Into<Vec<u8>>) {
        *self.answer.lock().unwrap() = bytes.into();
    }

    /// An ordinary answer of Airtable.
    pub(crate) fn answers_json(&self, status: &str, body: &str) {
        self.answers(format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ));
    }

    /// The heads of the requests since the last call, in order; each begins with its request line.
    pub(crate) fn seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, answer: Arc<Mutex<Vec<u8>>>, seen: Arc<Mutex<Vec<String>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer_one(stream, Arc::clone(&answer), Arc::clone(&seen)));
    }
}

/// Reads one head and its body, writes the answer, closes.
async fn answer_one(mut stream: TcpStream, answer: Arc<Mutex<Vec<u8>>>, seen: Arc<Mutex<Vec<String>>>) {
    let mut received = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let Ok(count @ 1..) = stream.read(&mut chunk).await else { return };
        received.extend_from_slice(&chunk[..count]);
        if whole(&received) {
            break;
        }
    }
    let head = received.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(received.len());
    seen.lock().unwrap().push(String::from_utf8_lossy(&received[..head]).into_owned());
    let bytes = answer.lock().unwrap().clone();
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

fn whole(received: &[u8]) -> bool {
    let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&received[..end]).to_ascii_lowercase();
    let body = &received[end + 4..];
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with(b"0\r\n\r\n");
    }
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
    body.len() >= length
}
