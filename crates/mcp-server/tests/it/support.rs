//! A server, a stand-in for the gateway before an emulated Airtable, and a client that speaks HTTP.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use emulators::airtable::{Emulator, Seed};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use service_kit::InternalKey;
use service_kit::auth::{Authenticator, Bases, Caller, Principal, Scopes};
use service_kit::config::Reader;
use service_kit::keys::ApiKey;
use service_kit::outbound::{HttpClient, full, http_client};
use service_kit::serve::{Limits, Shutdown, serve};
use storage::{ApiKeyStore as _, SqliteStore};
use tempfile::TempDir;
use tokio::net::TcpListener;

pub(crate) const TOKEN: &str = "patMcpTests.0123456789";
pub(crate) const MODERN: &str = "2026-07-28";

/// A server before the stand-in for the gateway.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// A key that may do everything.
    pub(crate) key: String,
    pub(crate) gateway: Gateway,
    data: TempDir,
    pub(crate) shutdown: Shutdown,
}

/// The stand-in: rights by signed principal, as the gateway has them, and faults on demand.
#[derive(Clone)]
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<GatewayState>>,
    authenticator: Authenticator,
}

#[derive(Default)]
struct GatewayState {
    seen: Vec<Seen>,
    faults: Vec<Fault>,
}

/// A call that reached the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) principal: Principal,
    pub(crate) headers: HeaderMap,
}

/// What happens to the next call whose method and path are these.
#[derive(Clone)]
pub(crate) struct Fault {
    pub(crate) method: Method,
    /// Part of the target.
    pub(crate) within: &'static str,
    /// Calls that pass before it strikes.
    pub(crate) after: usize,
    pub(crate) what: What,
}

#[derive(Clone)]
pub(crate) enum What {
    Answer(StatusCode, Value),
    /// The call is done, and its answer lost.
    DoneThenAnswer(StatusCode, Value),
    /// No answer until whoever asked has left; then the sender is told.
    Hang(Arc<tokio::sync::Notify>),
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The message: the body, or the last event of a stream.
    pub(crate) fn json(&self) -> Value {
        self.messages().pop().unwrap_or_else(|| panic!("no message: {self:?}"))
    }

    /// All messages of a stream, or the body's one.
    pub(crate) fn messages(&self) -> Vec<Value> {
        let is_stream = self.header("content-type").starts_with("text/event-stream");
        if !is_stream {
            return vec![serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))];
        }
        self.text()
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .filter(|data| !data.trim().is_empty())
            .map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Server {
    pub(crate) async fn before(seed: &Value) -> Self {
        let data = tempfile::tempdir().unwrap();
        let gateway = Gateway::before(seed, &data).await;
        let given = HashMap::from([
            ("DATA_DIR", data.path().display().to_string()),
            ("AIRTABLE_GATEWAY_URL", format!("http://{}", gateway.address)),
        ]);
        let source = |name: &str| given.get(name).cloned();
        let mut reader = Reader::new(&source);
        let config = mcp_server::Config::read(&mut reader);
        let mut config = reader.finish(config).unwrap();
        let shutdown = Shutdown::manual();
        config.shutdown = shutdown.clone();
        let router = mcp_server::app(config).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, router, Limits::default(), shutdown.clone()));
        let mut server = Self { address, key: String::new(), gateway, data, shutdown };
        server.key = server.mint("*", Bases::All).await;
        server
    }

    /// A new key. `*` is all scopes.
    pub(crate) async fn mint(&self, scopes: &str, bases: Bases) -> String {
        let scopes = if scopes == "*" { Scopes::ALL } else { scopes.parse().unwrap() };
        let store = SqliteStore::open(&SqliteStore::path_in(self.data.path())).await.unwrap();
        let key = ApiKey::mint().unwrap();
        store.insert(&key.record("test", scopes, &bases, SystemTime::now(), None)).await.unwrap();
        key.expose().to_owned()
    }

    /// Sends a body with these headers, and nothing that is not said.
    pub(crate) async fn send(&self, method: Method, headers: &[(&str, &str)], body: &str) -> Answer {
        send(self.address, method, "/mcp", headers, body).await
    }

    /// A modern request of the full key.
    pub(crate) async fn modern(&self, method: &str, params: Value) -> Answer {
        self.modern_as(&self.key, method, params, json!({})).await
    }

    pub(crate) async fn modern_as(
        &self,
        key: &str,
        method: &str,
        mut params: Value,
        capabilities: Value,
    ) -> Answer {
        let meta = &mut params["_meta"];
        meta["io.modelcontextprotocol/protocolVersion"] = json!(MODERN);
        meta["io.modelcontextprotocol/clientCapabilities"] = capabilities;
        meta["io.modelcontextprotocol/clientInfo"] = json!({"name": "tests", "version": "1"});
        let name = params["name"].as_str().unwrap_or_default().to_owned();
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let bearer = format!("Bearer {key}");
        let mut headers = vec![
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", MODERN),
            ("mcp-method", method),
        ];
        if !name.is_empty() {
            headers.push(("mcp-name", &name));
        }
        self.send(Method::POST, &headers, &body).await
    }

    /// Calls a tool; the result.
    #[track_caller]
    pub(crate) fn call<'a>(&'a self, tool: &'a str, arguments: Value) -> impl Future<Output = Value> + 'a {
        self.call_as(&self.key, tool, arguments)
    }

    pub(crate) async fn call_as(&self, key: &str, tool: &str, arguments: Value) -> Value {
        let params = json!({"name": tool, "arguments": arguments});
        let answer = self.modern_as(key, "tools/call", params, json!({})).await.json();
        assert!(answer["result"].is_object(), "{tool} {arguments}: {answer}");
        answer["result"].clone()
    }

    /// The structured result of a call that must succeed.
    pub(crate) async fn ok(&self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments.clone()).await;
        assert_eq!(result["isError"], false, "{tool} {arguments}: {}", result["content"][0]["text"]);
        result["structuredContent"].clone()
    }

    /// The text of a call that must succeed.
    pub(crate) async fn text(&self, tool: &str, arguments: Value) -> String {
        let result = self.call(tool, arguments.clone()).await;
        assert_eq!(result["isError"], false, "{tool} {arguments}: {}", result["content"][0]["text"]);
        result["content"][0]["text"].as_str().unwrap().to_owned()
    }

    /// The message of a call that must fail.
    pub(crate) async fn error(&self, tool: &str, arguments: Value) -> String {
        self.error_as(&self.key, tool, arguments).await
    }

    pub(crate) async fn error_as(&self, key: &str, tool: &str, arguments: Value) -> String {
        let result = self.call_as(key, tool, arguments.clone()).await;
        assert_eq!(result["isError"], true, "{tool} {arguments}: {result}");
        result["content"][0]["text"].as_str().unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.request();
    }
}

impl Gateway {
    async fn before(seed: &Value, data: &TempDir) -> Self {
        let seed = Seed::from_json(seed.to_string().as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        let emulator = Emulator::new(seed.with_full_token(TOKEN));
        let source = |_: &str| None;
        let key = InternalKey::read(&mut Reader::new(&source), data.path()).open().unwrap();
        let store = SqliteStore::open(&SqliteStore::path_in(data.path())).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gateway = Self {
            address,
            state: Arc::default(),
            authenticator: Authenticator::new(Arc::new(store), Some(key)),
        };
        let router: Router = emulator
            .router()
            .layer(from_fn_with_state(gateway.clone(), stand_in))
            .route("/health", axum::routing::get(async || "ok"));
        tokio::spawn(async move { axum_serve(listener, router).await });
        gateway
    }

    /// What arrived so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    /// How many calls of this method there were.
    pub(crate) fn count(&self, method: &Method) -> usize {
        self.seen().iter().filter(|seen| seen.method == *method).count()
    }

    pub(crate) fn strike(&self, fault: Fault) {
        self.state.lock().unwrap().faults.push(fault);
    }
}

async fn axum_serve(listener: TcpListener, router: Router) {
    serve(listener, router, Limits::default(), Shutdown::manual()).await;
}

/// Judges rights as the gateway does, and hands the call to the emulator with a token of its own.
async fn stand_in(State(gateway): State<Gateway>, mut request: Request, next: Next) -> Response {
    let principal = match gateway.authenticator.identify(request.headers()).await {
        Ok(Caller::Known(principal)) => principal,
        _ => return refusal(401, "AUTHENTICATION_REQUIRED"),
    };
    let target = request.uri().to_string();
    let seen = Seen {
        method: request.method().clone(),
        target: target.clone(),
        principal: principal.clone(),
        headers: request.headers().clone(),
    };
    gateway.state.lock().unwrap().seen.push(seen);
    let base =
        target.split('/').find(|segment| segment.starts_with("app") && segment.len() >= 17).map(|s| &s[..17]);
    if base.is_some_and(|base| !principal.may_reach(base)) {
        return refusal(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND");
    }
    let fault = {
        let mut state = gateway.state.lock().unwrap();
        let at = state.faults.iter().position(|f| f.method == *request.method() && target.contains(f.within));
        match at {
            Some(at) if state.faults[at].after == 0 => Some(state.faults.remove(at)),
            Some(at) => {
                state.faults[at].after -= 1;
                None
            }
            None => None,
        }
    };
    request.headers_mut().insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
    match fault.map(|fault| fault.what) {
        Some(What::Answer(status, body)) => return (status, axum::Json(body)).into_response(),
        Some(What::DoneThenAnswer(status, body)) => {
            let done = next.run(request).await;
            assert!(done.status().is_success());
            return (status, axum::Json(body)).into_response();
        }
        Some(What::Hang(left)) => {
            struct Left(Arc<tokio::sync::Notify>);
            impl Drop for Left {
                fn drop(&mut self) {
                    self.0.notify_one();
                }
            }
            let _left = Left(left);
            std::future::pending::<()>().await;
        }
        None => {}
    }
    let response = next.run(request).await;
    if target.starts_with("/v0/meta/bases") && base.is_none() && principal.bases.is_limited() {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let mut page: Value = serde_json::from_slice(&bytes).unwrap();
        page["bases"]
            .as_array_mut()
            .unwrap()
            .retain(|base| principal.may_reach(base["id"].as_str().unwrap()));
        let mut response = Response::from_parts(parts, Body::from(page.to_string()));
        response.headers_mut().remove("content-length");
        return response;
    }
    response
}

fn refusal(status: u16, kind: &str) -> Response {
    let body = json!({"error": {"type": kind, "message": "no"}});
    (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response()
}

/// Makes one HTTP call.
pub(crate) async fn send(
    address: SocketAddr,
    method: Method,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let response = begin(address, method, target, headers, body).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

/// Makes one HTTP call, and gives the answer as soon as its head is there.
pub(crate) async fn begin(
    address: SocketAddr,
    method: Method,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> http::Response<hyper::body::Incoming> {
    let uri: http::Uri = format!("http://{address}{target}").parse().unwrap();
    let client: HttpClient = http_client(&uri).unwrap();
    let mut request = http::Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client.request(request.body(full(body.to_owned())).unwrap()).await.unwrap()
}

/// A base with generated names, its tables and what is in them: truth to compare with.
pub(crate) struct World {
    pub(crate) seed: Value,
    pub(crate) people: Vec<Value>,
    pub(crate) jobs: Vec<Value>,
}

pub(crate) const BASE: &str = "appWorld000000001";
pub(crate) const OTHER_BASE: &str = "appOther000000002";
pub(crate) const STATES: [&str; 4] = ["Zugeteilt", "Läuft", "Wartet, lange", "Erledigt"];
pub(crate) const TAGS: [&str; 3] = ["α", "β|γ", "δ \"quoted\""];

/// A number that looks arbitrary and is always the same.
fn mix(n: u64, salt: u64) -> u64 {
    let mut x = (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ salt.wrapping_mul(0xD1B5_4A32_D192_ED03);
    x ^= x >> 29;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (x ^ (x >> 32)) & 0xFFFF_FFFF
}

pub(crate) fn person_id(n: usize) -> String {
    format!("recPerson{n:08}")
}

pub(crate) fn job_id(n: usize) -> String {
    format!("recJob{n:011}")
}

impl World {
    /// `jobs` rows of work, linked to `people`.
    pub(crate) fn new(jobs: usize, people: usize) -> Self {
        let persons: Vec<Value> = (0..people)
            .map(|n| json!({"id": person_id(n), "fields": {"Wer": format!("Person {n} {}", ["Öztürk", "O'Neill", "Ng"][n % 3]), "Satz": 10 + n}}))
            .collect();
        let jobs: Vec<Value> = (0..jobs)
            .map(|n| {
                let r = |salt| mix(n as u64, salt);
                let mut fields = json!({"Titel": format!("Auftrag {n:04}")});
                if r(1) % 10 > 0 {
                    fields["Stand"] = json!(STATES[(r(2) % 4) as usize]);
                }
                if r(3) % 4 > 0 {
                    // Cents that do not add up in floating point.
                    fields["Kosten (€)"] = json!((r(4) % 100_000) as f64 / 100.0);
                }
                if r(5) % 3 == 0 {
                    fields["Fertig?"] = json!(true);
                }
                if r(6) % 5 > 0 {
                    fields["Fällig"] = json!(format!("2025-{:02}-{:02}", 1 + r(7) % 12, 1 + r(8) % 28));
                }
                let tags: Vec<&str> = TAGS
                    .into_iter()
                    .enumerate()
                    .filter(|(at, _)| (r(9) >> at) & 1 == 1)
                    .map(|(_, tag)| tag)
                    .collect();
                if !tags.is_empty() {
                    fields["Marken"] = json!(tags);
                }
                let who: Vec<String> = (0..people)
                    .filter(|at| people > 0 && (r(10) as usize + at * 7) % (people * 2) < 2)
                    .map(person_id)
                    .collect();
                if !who.is_empty() {
                    fields["Bearbeiter"] = json!(who);
                }
                if n % 7 == 0 {
                    fields["Notiz"] = json!(format!("Rückfrage bei {}, \"dringend\"\nzweite Zeile", n));
                }
                json!({"id": job_id(n), "createdTime": "2025-01-01T00:00:00.000Z", "fields": fields})
            })
            .collect();
        let choices = |names: &[&str]| json!({"choices": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()});
        let seed = json!({
            "limits": {"requestsPerSecondPerBase": null, "requestsPerSecondPerUser": null},
            "users": [{"id": "usrAda00000000001", "email": "ada@example.com", "name": "Ada"}],
            "bases": [
                {"id": BASE, "name": "Werkstatt / 100%", "permissionLevel": "create", "tables": [
                    {"id": "tblJobs0000000001", "name": "Aufträge", "description": "Was zu tun ist", "primaryFieldId": "fldTitel000000001", "fields": [
                        {"id": "fldTitel000000001", "name": "Titel", "type": "singleLineText"},
                        {"id": "fldStand000000001", "name": "Stand", "type": "singleSelect", "options": choices(&STATES)},
                        {"id": "fldKosten00000001", "name": "Kosten (€)", "type": "currency", "options": {"precision": 2, "symbol": "€"}},
                        {"id": "fldFertig00000001", "name": "Fertig?", "type": "checkbox", "options": {"icon": "check", "color": "greenBright"}},
                        {"id": "fldFaellig0000001", "name": "Fällig", "type": "date", "options": {"dateFormat": {"name": "iso"}}},
                        {"id": "fldMarken00000001", "name": "Marken", "type": "multipleSelects", "options": choices(&TAGS)},
                        {"id": "fldBearb000000001", "name": "Bearbeiter", "type": "multipleRecordLinks", "options": {"linkedTableId": "tblPeople00000001", "inverseLinkFieldId": "fldAuftr000000001"}},
                        {"id": "fldNotiz000000001", "name": "Notiz", "type": "multilineText"},
                        {"id": "fldDoppelt0000001", "name": "Doppelt", "type": "formula", "options": {"formula": "{Kosten (€)}*2", "isValid": true, "referencedFieldIds": [], "result": {"type": "number", "options": {"precision": 2}}}},
                        {"id": "fldSaetze00000001", "name": "Sätze", "type": "multipleLookupValues", "options": {"isValid": true, "recordLinkFieldId": "fldBearb000000001", "fieldIdInLinkedTable": "fldSatz0000000001", "result": {"type": "number", "options": {"precision": 0}}}},
                        {"id": "fldAnzahl00000001", "name": "Leute", "type": "count", "options": {"isValid": true, "recordLinkFieldId": "fldBearb000000001"}},
                        {"id": "fldZeit0000000001", "name": "Beginn", "type": "dateTime", "options": {"timeZone": "Asia/Tokyo", "dateFormat": {"name": "iso"}, "timeFormat": {"name": "24hour"}}},
                        {"id": "fldStern000000001", "name": "Güte", "type": "rating", "options": {"icon": "star", "color": "yellowBright", "max": 5}},
                        {"id": "fldVerant00000001", "name": "Verantwortlich", "type": "singleCollaborator"},
                    ], "views": [{"id": "viwAlle0000000001", "name": "Alle", "type": "grid"}], "records": jobs},
                    {"id": "tblPeople00000001", "name": "Leute", "primaryFieldId": "fldWer00000000001", "fields": [
                        {"id": "fldWer00000000001", "name": "Wer", "type": "singleLineText"},
                        {"id": "fldSatz0000000001", "name": "Satz", "type": "number", "options": {"precision": 0}},
                        {"id": "fldAuftr000000001", "name": "Aufträge", "type": "multipleRecordLinks", "options": {"linkedTableId": "tblJobs0000000001", "inverseLinkFieldId": "fldBearb000000001"}},
                    ], "views": [{"id": "viwLeute000000001", "name": "Alle", "type": "grid"}], "records": persons},
                ]},
                {"id": OTHER_BASE, "name": "Geheim", "permissionLevel": "create", "tables": [{
                    "id": "tblGeheim00000001", "name": "Tresor", "primaryFieldId": "fldCode0000000001",
                    "fields": [{"id": "fldCode0000000001", "name": "Code", "type": "singleLineText"}],
                    "views": [{"id": "viwTresor00000001", "name": "Grid", "type": "grid"}],
                    "records": [{"id": "recTresor00000001", "fields": {"Code": "1234"}}],
                }]},
            ],
        });
        Self { seed, people: persons, jobs }
    }

    pub(crate) async fn server(&self) -> Server {
        Server::before(&self.seed).await
    }
}
