//! A running emulator, and a client that sends exactly the bytes it is given.

use std::collections::HashSet;
use std::net::SocketAddr;

use emulators::gemini::{Emulator, Keys, LoggedRequest, Mode, Script, app};
use serde_json::{Value, json};
use service_kit::serve::{Limits, Shutdown, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const KEY: &str = "test-key";
pub(crate) const MODEL: &str = "gemini-3.8-flash";

/// A running emulator, stopped when dropped.
pub(crate) struct TestApp {
    pub(crate) emulator: Emulator,
    pub(crate) address: SocketAddr,
    shutdown: Shutdown,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    /// Chunked encoding taken off, as far as it came.
    pub(crate) text: String,
    /// Whether the body came to its end.
    pub(crate) complete: bool,
}

impl TestApp {
    pub(crate) async fn echo() -> Self {
        Self::spawn(Mode::Echo).await
    }

    pub(crate) async fn script(script: Value) -> Self {
        let script = Script::from_value(&script).unwrap_or_else(|error| panic!("{error}"));
        Self::spawn(Mode::Script(script)).await
    }

    pub(crate) async fn spawn(mode: Mode) -> Self {
        let emulator =
            Emulator::new(mode, Keys::Only(HashSet::from([KEY.to_owned(), "second-key".to_owned()])));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::manual();
        let router = app(&emulator, shutdown.clone());
        tokio::spawn(serve(listener, router, Limits::default(), shutdown.clone()));
        Self { emulator, address, shutdown }
    }

    /// One answer to these contents.
    pub(crate) async fn generate(&self, body: &Value) -> Answer {
        self.post(&format!("/v1beta/models/{MODEL}:generateContent"), body).await
    }

    pub(crate) async fn stream(&self, body: &Value) -> Answer {
        self.post(&format!("/v1beta/models/{MODEL}:streamGenerateContent?alt=sse"), body).await
    }

    pub(crate) async fn post(&self, target: &str, body: &Value) -> Answer {
        self.call("POST", target, body.to_string().as_bytes()).await
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.call("GET", target, b"").await
    }

    pub(crate) async fn call(&self, method: &str, target: &str, body: &[u8]) -> Answer {
        let headers = format!("x-goog-api-key: {KEY}\r\nContent-Type: application/json\r\n");
        self.raw(method, target, &headers, body).await
    }

    /// Sends the request line, these headers and this body byte for byte, and reads all that comes.
    pub(crate) async fn raw(&self, method: &str, target: &str, headers: &str, body: &[u8]) -> Answer {
        let mut stream = self.send(method, target, headers, body).await;
        let mut bytes = Vec::new();
        // A connection that breaks is an answer too.
        let _ = stream.read_to_end(&mut bytes).await;
        parse(&bytes)
    }

    /// Sends a request and leaves the answer to be read.
    pub(crate) async fn send(&self, method: &str, target: &str, headers: &str, body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        stream
    }

    /// Waits until the log says of its only request what is wanted.
    pub(crate) async fn logged(&self, wanted: impl Fn(&LoggedRequest) -> bool) -> LoggedRequest {
        let found = async {
            loop {
                if let Some(entry) = self.emulator.requests(0).into_iter().find(&wanted) {
                    return entry;
                }
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), found)
            .await
            .expect("the log says so in time")
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.shutdown.request();
    }
}

fn parse(bytes: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return Answer { status: 0, head: text, text: String::new(), complete: false };
    };
    let head = head.to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let at = bytes.len() - body.len();
    let (text, complete) = if head.contains("transfer-encoding: chunked") {
        // Positions are those of the bytes: a cut body may end inside a character.
        let from = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        unchunk(&bytes[from..])
    } else {
        (bytes[at..].to_vec(), true)
    };
    Answer { status, head, text: String::from_utf8_lossy(&text).into_owned(), complete }
}

fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else { return (out, false) };
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        rest = &rest[end + 2..];
        if size == 0 {
            return (out, true);
        }
        if rest.len() < size + 2 {
            out.extend_from_slice(&rest[..size.min(rest.len())]);
            return (out, false);
        }
        out.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }

    /// Checks status and name of an error, and gives its message.
    #[track_caller]
    pub(crate) fn refused(&self, code: u16, status: &str) -> String {
        let error = &self.json()["error"];
        assert_eq!((self.status, error["status"].as_str()), (code, Some(status)), "{}", self.text);
        assert_eq!(error["code"], code);
        error["message"].as_str().unwrap().to_owned()
    }

    /// The objects of a stream of events.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", self.text);
        let complete = self.text.split_inclusive("\r\n\r\n").filter(|event| event.ends_with("\r\n\r\n"));
        complete
            .map(|event| {
                let data = event.strip_prefix("data: ").unwrap_or_else(|| panic!("{event:?}"));
                serde_json::from_str(data).unwrap()
            })
            .collect()
    }
}

/// A body with one user text.
pub(crate) fn says(text: &str) -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": text}]}]})
}

/// All text of an answer or of the chunks of one.
pub(crate) fn text_of<'a>(chunks: impl IntoIterator<Item = &'a Value>) -> String {
    let parts = chunks
        .into_iter()
        .flat_map(|chunk| chunk["candidates"][0]["content"]["parts"].as_array().into_iter().flatten());
    parts.filter(|part| part["thought"] != true).filter_map(|part| part["text"].as_str()).collect()
}
