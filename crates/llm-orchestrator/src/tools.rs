//! The client of the tools' server: Model Context Protocol, revision 2026-07-28. Stateless: one POST for each call, with the
//! caller's rights, the trace and the remaining time. Dropping a call cancels it.

mod answer;
mod preview;
mod slots;
mod wire;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::BodyExt as _;
use llm_api::ToolDefinition;
use serde_json::{Map, Value, json};
use service_kit::auth::{PRINCIPAL_HEADER, Principal, PrincipalSigner};
use service_kit::outbound::{HttpClient, OutboundError, full, http_client};
use service_kit::telemetry::trace_context;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use crate::events::Pending;
use crate::turn::{ToolKind, ToolOutcome};
pub(crate) use preview::preview;
use slots::Slots;
pub(crate) use wire::is_tool_name;
use wire::{Listed, RpcAnswer, read_answer};

const PROTOCOL: &str = "2026-07-28";
const DEADLINE: HeaderName = HeaderName::from_static("x-request-deadline-ms");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const MCP_METHOD: HeaderName = HeaderName::from_static("mcp-method");
const MCP_NAME: HeaderName = HeaderName::from_static("mcp-name");

/// Listing tools touches nothing slow.
const LIST_TIME: Duration = Duration::from_secs(10);
/// A list is kept for as long as its server says, and at most this long: rights may change.
const LIST_LIFE: Duration = Duration::from_secs(60);
/// More pages than that are a mistake of the server.
const MOST_PAGES: usize = 50;
/// Callers whose lists are kept. Beyond it all are forgotten, which costs one call each.
const MOST_LISTS: usize = 1024;
/// A server that was told when to answer is waited for a little longer, to hear what became of a change.
const GRACE: Duration = Duration::from_secs(2);

/// The tools' server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tools {
    http: HttpClient,
    endpoint: Uri,
    signer: PrincipalSigner,
    lists: Arc<Mutex<HashMap<String, Kept>>>,
    slots: Slots,
}

/// A list, and until when it is good.
type Kept = (Instant, Arc<ToolSet>);

/// The tools that a caller may use.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ToolSet {
    pub tools: Vec<(ToolKind, ToolDefinition)>,
}

/// Why there is no list of tools.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    #[error("the tools' server cannot be reached")]
    Unreachable(#[source] SendError),
    #[error("the tools' server answered {status}")]
    Refused { status: StatusCode, detail: String },
    #[error("the tools' server did not answer in time")]
    Late,
    #[error("the tools' server gave no list of tools: {0}")]
    Invalid(String),
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error("no connection came about")]
    Connect(#[source] hyper_util::client::legacy::Error),
    #[error("the connection broke")]
    Broken(#[source] service_kit::outbound::BoxError),
}

/// A tool call to be made.
#[derive(Debug)]
pub(crate) struct ToolRequest<'a> {
    pub tool: &'a str,
    pub arguments: &'a Value,
    pub writes: bool,
    /// The tool must not change anything without the user's word.
    pub ask: bool,
    /// The user's word, for what it asked before.
    pub approved: Option<&'a Pending>,
}

impl Tools {
    /// `server` is the server's address without a path.
    pub(crate) fn new(server: &Uri, signer: PrincipalSigner) -> Result<Self, OutboundError> {
        Ok(Self {
            http: http_client(server)?,
            endpoint: with_path(server, "/mcp"),
            signer,
            lists: Arc::default(),
            slots: Slots::default(),
        })
    }

    /// What this caller may use; kept for a short while.
    pub(crate) async fn list(&self, principal: &Principal) -> Result<Arc<ToolSet>, ListError> {
        let key = list_key(principal);
        let kept = self.lists.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some((_, tools)) = kept.filter(|(until, _)| Instant::now() < *until) {
            return Ok(tools);
        }
        let (tools, life) = timeout_at(Instant::now() + LIST_TIME, self.fetch_list(principal))
            .await
            .map_err(|_| ListError::Late)??;
        let tools = Arc::new(tools);
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if lists.len() >= MOST_LISTS {
            lists.clear();
        }
        lists.insert(key, (Instant::now() + life.min(LIST_LIFE), tools.clone()));
        Ok(tools)
    }

    async fn fetch_list(&self, principal: &Principal) -> Result<(ToolSet, Duration), ListError> {
        let mut set = ToolSet::default();
        let mut life = LIST_LIFE;
        let mut cursor: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut params = Map::new();
            params.extend(cursor.take().map(|cursor| ("cursor".to_owned(), cursor.into())));
            let deadline = Instant::now() + LIST_TIME;
            let answer = self.ask("tools/list", None, params, principal, deadline).await;
            let result = match answer.map_err(ListError::Unreachable)? {
                RpcAnswer::Result(result) => result,
                RpcAnswer::Error { message, .. } => return Err(ListError::Invalid(message)),
                RpcAnswer::Status { status, detail } => return Err(ListError::Refused { status, detail }),
                RpcAnswer::Invalid(why) => return Err(ListError::Invalid(why)),
            };
            let page: Listed =
                serde_json::from_value(result).map_err(|error| ListError::Invalid(error.to_string()))?;
            life = life.min(Duration::from_millis(page.ttl_ms.unwrap_or(0)));
            for tool in page.tools {
                match tool.usable() {
                    Some(tool) => set.tools.push(tool),
                    None => warn!(
                        "a tool of the tools' server has a name that not every model takes; it is left out"
                    ),
                }
            }
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok((set, life)),
            }
        }
        Err(ListError::Invalid("its list of tools has no end".to_owned()))
    }

    /// Makes one call. What went wrong is an outcome too: the model has to hear about it.
    pub(crate) async fn call(
        &self,
        call: &ToolRequest<'_>,
        principal: &Principal,
        deadline: Instant,
    ) -> ToolOutcome {
        let Ok(_slot) = timeout_at(deadline, self.slots.take(&principal.key_id)).await else {
            return ToolOutcome::NotDone {
                why: "too many calls of this key are under way; nothing was done".to_owned(),
            };
        };
        let mut params = Map::new();
        params.insert("name".to_owned(), call.tool.into());
        params.insert("arguments".to_owned(), call.arguments.clone());
        if let Some(approved) = call.approved {
            let answer = json!({"action": "accept", "content": approved.consent});
            let responses = Map::from_iter([(approved.question.clone(), answer)]);
            params.insert("inputResponses".to_owned(), Value::Object(responses));
            params.extend(approved.state.clone().map(|state| ("requestState".to_owned(), state.into())));
        }
        if call.ask {
            params.insert("_meta".to_owned(), json!({"pyairtable/ask": "always"}));
        }
        let sent = self.ask("tools/call", Some(call.tool), params, principal, deadline);
        match timeout_at(deadline + GRACE, sent).await {
            Err(_) => no_answer(call.writes, "the tool did not answer in time"),
            Ok(Err(SendError::Connect(_))) => ToolOutcome::NotDone {
                why: "the tools' server cannot be reached; nothing was done".to_owned(),
            },
            Ok(Err(SendError::Broken(_))) => no_answer(call.writes, "the connection to the tool broke"),
            Ok(Ok(answer)) => answer::outcome(answer, call),
        }
    }

    async fn ask(
        &self,
        method: &'static str,
        name: Option<&str>,
        mut params: Map<String, Value>,
        principal: &Principal,
        deadline: Instant,
    ) -> Result<RpcAnswer, SendError> {
        let meta = params.entry("_meta").or_insert_with(|| json!({}));
        if let Value::Object(meta) = meta {
            meta.insert("io.modelcontextprotocol/protocolVersion".to_owned(), PROTOCOL.into());
            meta.insert("io.modelcontextprotocol/clientCapabilities".to_owned(), json!({"elicitation": {}}));
            meta.insert(
                "io.modelcontextprotocol/clientInfo".to_owned(),
                json!({"name": crate::SERVICE, "version": env!("CARGO_PKG_VERSION")}),
            );
        }
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut request = Request::new(full(body.to_string()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("pyairtable-orchestrator/", env!("CARGO_PKG_VERSION"))),
        );
        headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(PROTOCOL));
        headers.insert(MCP_METHOD, HeaderValue::from_static(method));
        // Names are plain ASCII: others were left out of the list.
        if let Some(name) = name.and_then(|name| HeaderValue::from_str(name).ok()) {
            headers.insert(MCP_NAME, name);
        }
        add_context(headers, &self.signer, principal, deadline);
        let response = self.http.request(request).await.map_err(|error| match error.is_connect() {
            true => SendError::Connect(error),
            false => SendError::Broken(error.into()),
        })?;
        read_answer(response).await.map_err(SendError::Broken)
    }

    /// Whether the server serves; costs nothing.
    pub(crate) async fn probe(&self) -> Result<(), ProbeError> {
        let mut request = Request::new(service_kit::outbound::empty());
        *request.uri_mut() = with_path(&self.endpoint, "/health");
        let response = self.http.request(request).await?;
        let status = response.status();
        // Read to its end, so that the connection can be used again.
        let _ = response.into_body().collect().await;
        if status.is_success() { Ok(()) } else { Err(ProbeError::Status(status)) }
    }
}

/// Why the server does not serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    #[error("it cannot be reached")]
    Send(#[from] hyper_util::client::legacy::Error),
    #[error("it answered {0}")]
    Status(StatusCode),
}

/// Caller, trace and remaining time.
fn add_context(headers: &mut HeaderMap, signer: &PrincipalSigner, principal: &Principal, deadline: Instant) {
    headers.insert(PRINCIPAL_HEADER, signer.sign(principal));
    trace_context::inject(headers);
    let left = deadline.saturating_duration_since(Instant::now()).as_millis();
    headers.insert(DEADLINE, HeaderValue::from(u64::try_from(left).unwrap_or(u64::MAX)));
}

/// A call that was sent and has no answer. One that only reads can be asked again.
fn no_answer(writes: bool, why: &'static str) -> ToolOutcome {
    match writes {
        true => ToolOutcome::Unknown { why },
        false => {
            ToolOutcome::NotDone { why: format!("{why}; nothing was changed, so it can be tried again") }
        }
    }
}

fn with_path(server: &Uri, path: &'static str) -> Uri {
    let mut parts = server.clone().into_parts();
    parts.path_and_query = Some(http::uri::PathAndQuery::from_static(path));
    Uri::from_parts(parts).expect("an address with a host and this path is an address")
}

/// Rights decide what is listed.
fn list_key(principal: &Principal) -> String {
    let bases = principal.bases.names().map(|names| names.join(","));
    format!("{} {} {}", principal.key_id, principal.scopes, bases.as_deref().unwrap_or("*"))
}
