//! A gateway, something upstream of it, and a client.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use axum::Router;
use bytes::Bytes;
use emulators::airtable::{Emulator, Seed};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use service_kit::auth::{Bases, Scopes};
use service_kit::config::Reader;
use service_kit::keys::ApiKey;
use service_kit::outbound::{HttpClient, full, http_client};
use service_kit::serve::{Limits, Shutdown, serve};
use storage::{ApiKeyStore as _, SqliteStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const BASE: &str = "appAAAAAAAAAAAAAA";
pub(crate) const OTHER: &str = "appBBBBBBBBBBBBBB";
pub(crate) const TABLE: &str = "tblAAAAAAAAAAAAAA";
pub(crate) const TOKEN: &str = "patTEST.0123";

/// A running gateway with a key that may do everything.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
    data: TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// `hit`, `fwd=miss`, ….
    pub(crate) fn cache(&self) -> &str {
        self.header("cache-status").split(';').nth(1).unwrap_or_default().trim()
    }
}

impl Gateway {
    /// Before a server at `upstream`, without pacing.
    pub(crate) async fn before(upstream: SocketAddr) -> Self {
        Self::with(upstream, &[("PACING", "off")]).await
    }

    pub(crate) async fn with(upstream: SocketAddr, settings: &[(&str, &str)]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut given = HashMap::from([
            ("DATA_DIR", data.path().display().to_string()),
            ("AIRTABLE_API_URL", format!("http://{upstream}")),
            ("AIRTABLE_TOKEN", TOKEN.to_owned()),
        ]);
        given.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let source = |name: &str| given.get(name).cloned();
        let mut reader = Reader::new(&source);
        let config = airtable_gateway::Config::read(&mut reader);
        let config = reader.finish(config).unwrap();
        let address = listen(airtable_gateway::app(config).await.unwrap()).await;
        let mut gateway = Self { address, key: String::new(), data };
        gateway.key = gateway.mint(Scopes::ALL, Bases::All).await;
        gateway
    }

    pub(crate) async fn mint(&self, scopes: Scopes, bases: Bases) -> String {
        let store = SqliteStore::open(&SqliteStore::path_in(self.data.path())).await.unwrap();
        let key = ApiKey::mint().unwrap();
        store.insert(&key.record("test", scopes, &bases, SystemTime::now(), None)).await.unwrap();
        key.expose().to_owned()
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.get_with(target, &[]).await
    }

    pub(crate) async fn get_with(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, target, headers, "").await
    }

    pub(crate) async fn post(&self, target: &str, body: Value) -> Answer {
        self.send(Method::POST, target, &[], &body.to_string()).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let key = [("authorization", &*format!("Bearer {}", self.key))];
        let with_key = headers.iter().any(|(name, _)| *name == "authorization" || *name == "x-api-key");
        let all = if with_key { headers.to_vec() } else { [&key[..], headers].concat() };
        call(self.address, method, target, &all, body).await
    }
}

/// Makes one call. No `authorization: ` means no credential.
pub(crate) async fn call(
    address: SocketAddr,
    method: Method,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let uri = format!("http://{address}{target}");
    let mut request = Request::builder().method(method).uri(&uri);
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(*name, *value);
    }
    let client: HttpClient = http_client(&uri.parse().unwrap()).unwrap();
    let response = client.request(request.body(full(body.to_owned())).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    Answer { status: head.status, headers: head.headers, body: body.collect().await.unwrap().to_bytes() }
}

/// Serves a router on a port of its own.
pub(crate) async fn listen(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, router, Limits::default(), Shutdown::manual()));
    address
}

/// An Airtable with two bases of two tables.
pub(crate) async fn emulator(limits: Value) -> SocketAddr {
    let table = |id: &str, name: &str, records: usize| {
        let records: Vec<_> = (0..records)
            .map(|n| json!({"id": format!("rec{n:014}"), "createdTime": "2026-01-01T00:00:00.000Z", "fields": {"Name": format!("n{n}"), "N": n}}))
            .collect();
        json!({
            "id": id, "name": name, "primaryFieldId": "fldNAMEAAAAAAAAAA".replace("AAAAAAAAAA", &id[3..13]),
            "fields": [
                {"id": "fldNAMEAAAAAAAAAA".replace("AAAAAAAAAA", &id[3..13]), "name": "Name", "type": "singleLineText"},
                {"id": "fldNUMBAAAAAAAAAA".replace("AAAAAAAAAA", &id[3..13]), "name": "N", "type": "number", "options": {"precision": 0}},
            ],
            "views": [{"id": id.replace("tbl", "viw"), "name": "Grid view", "type": "grid"}],
            "records": records,
        })
    };
    let seed = json!({
        "bases": [
            {"id": BASE, "name": "First", "permissionLevel": "create", "tables": [table(TABLE, "Tasks / 2026", 250), table("tblCCCCCCCCCCCCCC", "Other", 0)]},
            {"id": OTHER, "name": "Second", "permissionLevel": "create", "tables": [table("tblBBBBBBBBBBBBBB", "Secret", 0)]},
        ],
        "users": [{"id": "usrAAAAAAAAAAAAAA", "email": "a@example.com", "name": "A"}],
        "tokens": [
            {"token": TOKEN, "scopes": ["data.records:read", "data.records:write", "schema.bases:read", "schema.bases:write", "user.email:read"], "bases": "*", "user": "usrAAAAAAAAAAAAAA"},
            {"token": "patOWN.1", "scopes": ["data.records:read"], "bases": [BASE], "user": "usrAAAAAAAAAAAAAA"},
        ],
        "limits": limits,
    });
    let seed = Seed::from_json(seed.to_string().as_bytes()).unwrap();
    let emulator = Emulator::new(seed);
    listen(emulators::airtable::app(&emulator, Shutdown::manual())).await
}

/// Without limits.
pub(crate) async fn free_emulator() -> SocketAddr {
    emulator(json!({"requestsPerSecondPerBase": null, "requestsPerSecondPerUser": null})).await
}

pub(crate) async fn emulator_json(emulator: SocketAddr, target: &str) -> Value {
    let key = format!("Bearer {TOKEN}");
    call(emulator, Method::GET, target, &[("authorization", &key)], "").await.json()
}

/// A server that answers each connection's requests with what a script says, and remembers what it was asked.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

/// What a [`Scripted`] server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Writes these bytes, then closes.
    Raw(String),
    /// Closes without a word.
    Close,
    /// Says nothing, and keeps the connection.
    Hang,
    /// Waits before the next act.
    After(u64, Box<Act>),
}

impl Act {
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::with(status, &[], body)
    }

    pub(crate) fn with(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        Self::Raw(format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}connection: close\r\n\r\n{body}",
            body.len()
        ))
    }
}

impl Scripted {
    /// `script` gets the number of the request (from 0) and its head with the body.
    pub(crate) async fn start(script: impl Fn(usize, &str) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, script) = (seen.clone(), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, script) = (log.clone(), script.clone());
                tokio::spawn(async move { converse(stream, &log, &*script).await });
            }
        });
        Self { address, seen }
    }

    /// Requests so far, each with head and body.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// The same without the schema that the gateway reads beside, to learn what a table's name means.
    pub(crate) fn seen_of_clients(&self) -> Vec<String> {
        let schema = format!("GET /v0/meta/bases/{BASE}/tables HTTP/1.1\r\n");
        self.seen().into_iter().filter(|request| !request.starts_with(&schema)).collect()
    }

    /// Waits until so many requests have come.
    pub(crate) async fn wait_for(&self, count: usize) {
        for _ in 0..2_000 {
            if self.seen.lock().unwrap().len() >= count {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("only {:#?}", self.seen());
    }
}

async fn converse(
    mut stream: TcpStream,
    log: &Mutex<Vec<String>>,
    script: &(dyn Fn(usize, &str) -> Act + Send + Sync),
) {
    let Some(request) = read_request(&mut stream).await else { return };
    let mut act = {
        let mut log = log.lock().unwrap();
        log.push(request.clone());
        script(log.len() - 1, &request)
    };
    loop {
        match act {
            Act::After(ms, next) => {
                tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
                act = *next;
            }
            Act::Raw(text) => {
                let _ = stream.write_all(text.as_bytes()).await;
                let _ = stream.shutdown().await;
                return;
            }
            Act::Close => return,
            Act::Hang => {
                // Until the other side leaves.
                let _ = stream.read(&mut [0; 1]).await;
                return;
            }
        }
    }
}

/// Head and body of one request.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 65_536];
    loop {
        let read = stream.read(&mut chunk).await.ok()?;
        if read == 0 {
            return None;
        }
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some(end) = text.find("\r\n\r\n") else { continue };
        let head = text[..end].to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
        if text.len() >= end + 4 + length.unwrap_or(0) {
            return Some(text);
        }
    }
}

/// Sends raw bytes and reads until the other side closes.
pub(crate) async fn raw(address: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
