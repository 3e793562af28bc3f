//! The typed client of the gateway: Airtable's dialect, `/v0`, with our credential, deadline and trace on each call.
//!
//! The gateway paces, caches and retries; nothing is repeated here. Dropping a call's future cancels the call.

mod failure;
mod schemas;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use airtable_api::calls::{self, Call};
use airtable_api::wire::{Base, BasePage, ListRecords};
use airtable_api::{BaseId, InvalidTarget, Origin, RecordId, SendError, Target, collect};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, IF_NONE_MATCH, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use service_kit::auth::{PRINCIPAL_HEADER, Principal, PrincipalSigner};
use service_kit::config::Secret;
use service_kit::outbound::{HttpClient, OutboundError, full, http_client};
use service_kit::telemetry::trace_context;
use tokio::time::Instant;

use crate::error::{Code, ToolError};
use crate::schema::BaseSchema;
pub(crate) use failure::Doing;
use schemas::Schemas;

const EMULATED: HeaderName = HeaderName::from_static("x-pyairtable-emulated");
const X_REQUEST_DEADLINE_MS: HeaderName = HeaderName::from_static("x-request-deadline-ms");

/// Longest answer that is read: a page of a hundred rich records is a few MiB.
const ANSWER_LIMIT: usize = 64 << 20;

/// Pages of a thousand bases; nobody has more.
const MOST_BASE_PAGES: usize = 100;

/// With less time than this left there is no use in asking.
const LEAST_TIME: Duration = Duration::from_millis(50);

/// Where the gateway is, and what was learnt from it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gateway {
    http: HttpClient,
    origin: Origin,
    schemas: Arc<Schemas>,
}

/// Whose rights a call has.
#[derive(Clone)]
pub(crate) enum Credential {
    /// A caller that this server authenticated; signed for each call.
    Principal { principal: Principal, signer: PrincipalSigner },
    /// A key that the gateway authenticates.
    Key(Secret),
}

impl Credential {
    /// Whose it is: tells callers apart, and is no secret.
    fn name(&self) -> Arc<str> {
        match self {
            Self::Principal { principal, .. } => principal.key_id.clone(),
            Self::Key(_) => "".into(),
        }
    }

    /// Whether both give exactly the same rights. A process has one key.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Principal { principal: a, .. }, Self::Principal { principal: b, .. }) => a == b,
            (Self::Key(_), Self::Key(_)) => true,
            _ => false,
        }
    }
}

/// The gateway on behalf of one tool call.
#[derive(Clone)]
pub(crate) struct Asker {
    gateway: Gateway,
    credential: Credential,
    deadline: Instant,
    emulated: Arc<AtomicBool>,
}

/// One page of a listing.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    pub(crate) records: Vec<Record>,
    #[serde(default)]
    pub(crate) offset: Option<String>,
}

/// A record. Empty cells are left out.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: RecordId,
    #[serde(rename = "createdTime")]
    pub(crate) created_time: String,
    pub(crate) fields: Map<String, Value>,
}

/// What a write answers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Written {
    pub(crate) records: Vec<Record>,
    #[serde(default)]
    pub(crate) created_records: Vec<RecordId>,
    #[serde(default)]
    pub(crate) updated_records: Vec<RecordId>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Gateway {
    pub(crate) fn new(origin: Origin) -> Result<Self, OutboundError> {
        Ok(Self { http: http_client(&origin.to_uri())?, origin, schemas: Arc::default() })
    }

    /// The gateway for one tool call, which ends by `deadline`.
    pub(crate) fn asker(&self, credential: Credential, deadline: Instant) -> Asker {
        Asker { gateway: self.clone(), credential, deadline, emulated: Arc::default() }
    }

    /// Whether the gateway is there, for `/ready`.
    pub(crate) async fn ping(&self) -> Result<(), SendError> {
        let target = Target::raw(PathAndQuery::from_static("/health"));
        let uri = self.origin.uri(&target).map_err(|error| SendError::Unsendable(error.into()))?;
        let mut request = Request::new(service_kit::outbound::empty());
        *request.uri_mut() = uri;
        let answer = self.http.request(request).await.map_err(|e| SendError::Connect(e.into()))?;
        let status = answer.status();
        collect(answer.into_body(), 1 << 20).await?;
        if status.is_success() {
            Ok(())
        } else {
            Err(SendError::Refused { status, failure: airtable_api::Failure::default(), retry_after: None })
        }
    }
}

impl Asker {
    /// Whether any answer so far was of an emulated Airtable.
    pub(crate) fn is_emulated(&self) -> bool {
        self.emulated.load(Ordering::Relaxed)
    }

    /// More time for what is still to do, as after a person was waited for.
    pub(crate) fn extend(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// The caller, if this server knows it.
    pub(crate) fn principal(&self) -> Option<&Principal> {
        match &self.credential {
            Credential::Principal { principal, .. } => Some(principal),
            Credential::Key(_) => None,
        }
    }

    /// All bases within reach.
    pub(crate) async fn bases(&self) -> Result<Vec<Base>, ToolError> {
        let mut bases = Vec::new();
        let mut offset: Option<String> = None;
        for _ in 0..MOST_BASE_PAGES {
            let call = calls::list_bases(offset.as_deref()).map_err(bad_name)?;
            let page: BasePage = self.read(&call, "bases").await?;
            bases.extend(page.bases);
            offset = page.offset.filter(|offset| !offset.is_empty());
            if offset.is_none() {
                return Ok(bases);
            }
        }
        Err(ToolError::new(Code::Unavailable, "the list of bases does not end"))
    }

    /// Tables, fields and views of a base, as they are now or were a moment ago.
    pub(crate) async fn schema(&self, base: &BaseId) -> Result<Arc<BaseSchema>, ToolError> {
        if let Some((schema, is_emulated)) = self.gateway.schemas.recent(&self.credential, base) {
            self.emulated.fetch_or(is_emulated, Ordering::Relaxed);
            return Ok(schema);
        }
        let (schema, is_emulated) = self.schema_now(base).await?;
        self.gateway.schemas.note(&self.credential, base, schema.clone(), is_emulated);
        Ok(schema)
    }

    /// Asks the gateway, and says whether its answer was emulated.
    async fn schema_now(&self, base: &BaseId) -> Result<(Arc<BaseSchema>, bool), ToolError> {
        let call = calls::base_schema(base).map_err(bad_name)?;
        let known = self.gateway.schemas.get(base);
        // The gateway judges the caller's rights before it says that nothing changed.
        let tag = known.as_ref().map(|(tag, _)| tag.clone());
        let answer = self.send(&call, tag, Doing::Reading).await?;
        let is_emulated = is_emulated(&answer);
        if let (StatusCode::NOT_MODIFIED, Some((_, schema))) = (answer.status, known) {
            return Ok((schema, is_emulated));
        }
        let schema: airtable_api::wire::Schema = understood(&answer, "schema")?;
        let schema = Arc::new(BaseSchema::new(schema));
        if let Some(tag) = answer.headers.get(ETAG) {
            self.gateway.schemas.put(base, tag.clone(), schema.clone());
        }
        Ok((schema, is_emulated))
    }

    /// One page of a table.
    pub(crate) async fn list(
        &self,
        base: &BaseId,
        table: &str,
        ask: &ListRecords,
    ) -> Result<Page, ToolError> {
        let call = calls::list_records(base, table, ask).map_err(bad_name)?;
        self.read(&call, "records").await
    }

    /// One record; `None` if there is none of this id, or it is not within reach.
    pub(crate) async fn record(
        &self,
        base: &BaseId,
        table: &str,
        id: &RecordId,
    ) -> Result<Option<Record>, ToolError> {
        let call = calls::get_record(base, table, id).map_err(bad_name)?;
        match self.read(&call, "record").await {
            Ok(record) => Ok(Some(record)),
            Err(error) if matches!(error.code, Code::NotFound | Code::Forbidden) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a write of at most ten rows.
    pub(crate) async fn write<T>(&self, base: &BaseId, call: &Call<T>) -> Result<Written, ToolError> {
        let answer = self.send(call, None, Doing::Writing).await;
        self.gateway.schemas.forget(base);
        let answer = answer?;
        understood(&answer, "write").map_err(|error| match error.code {
            Code::Unavailable => failure::unknown_outcome(),
            _ => error,
        })
    }

    /// Deletes at most ten records.
    pub(crate) async fn delete(&self, base: &BaseId, table: &str, ids: &[RecordId]) -> Result<(), ToolError> {
        let call = calls::delete_records(base, table, ids).map_err(bad_name)?;
        self.send(&call, None, Doing::Writing).await.map(drop)
    }

    async fn read<T, A: DeserializeOwned>(&self, call: &Call<T>, what: &str) -> Result<A, ToolError> {
        let answer = self.send(call, None, Doing::Reading).await?;
        understood(&answer, what)
    }

    /// The one place that sends. Every answer that is no success, nor 304, is an error.
    async fn send<T>(
        &self,
        call: &Call<T>,
        if_none_match: Option<HeaderValue>,
        doing: Doing,
    ) -> Result<Answer, ToolError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left < LEAST_TIME {
            return Err(failure::too_late());
        }
        let request = self.request(call, if_none_match, left)?;
        let work = async {
            let response = self.gateway.http.request(request).await.map_err(|error| {
                if error.is_connect() {
                    SendError::Connect(error.into())
                } else {
                    SendError::Broken(error.into())
                }
            })?;
            let (head, body) = response.into_parts();
            let body = collect(body, ANSWER_LIMIT).await?;
            Ok(Answer { status: head.status, headers: head.headers, body })
        };
        let answer = match tokio::time::timeout_at(self.deadline, work).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(failure::no_answer(&error, doing)),
            Err(_) if doing == Doing::Writing => return Err(failure::unknown_outcome()),
            Err(_) => return Err(failure::too_late()),
        };
        self.emulated.fetch_or(is_emulated(&answer), Ordering::Relaxed);
        if answer.status.is_success() || answer.status == StatusCode::NOT_MODIFIED {
            Ok(answer)
        } else {
            Err(failure::refused(answer.status, &answer.headers, &answer.body, doing))
        }
    }

    fn request<T>(
        &self,
        call: &Call<T>,
        if_none_match: Option<HeaderValue>,
        left: Duration,
    ) -> Result<Request<service_kit::outbound::OutBody>, ToolError> {
        let uri = self.gateway.origin.uri(&call.target).map_err(bad_name)?;
        let mut request = Request::new(full(call.body.clone().unwrap_or_default()));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("pyairtable-mcp/", env!("CARGO_PKG_VERSION"))),
        );
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if call.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(tag) = if_none_match {
            headers.insert(IF_NONE_MATCH, tag);
        }
        // A little less than we have, so that its own word on what became of a call comes before ours.
        let left = u64::try_from(left.as_millis() * 19 / 20).unwrap_or(u64::MAX);
        headers.insert(X_REQUEST_DEADLINE_MS, HeaderValue::from(left));
        match &self.credential {
            Credential::Principal { principal, signer } => {
                headers.insert(PRINCIPAL_HEADER, signer.sign(principal));
            }
            Credential::Key(key) => {
                let mut value = HeaderValue::try_from(format!("Bearer {}", key.current().expose_secret()))
                    .map_err(|_| ToolError::new(Code::Unauthenticated, "the API key is no key"))?;
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
            }
        }
        trace_context::inject(headers);
        Ok(request)
    }
}

fn is_emulated(answer: &Answer) -> bool {
    answer.headers.get(EMULATED).is_some_and(|value| value == "true")
}

fn understood<A: DeserializeOwned>(answer: &Answer, what: &str) -> Result<A, ToolError> {
    serde_json::from_slice(&answer.body).map_err(|error| {
        tracing::warn!("the gateway's answer ({what}) cannot be read: {error}");
        ToolError::new(Code::Unavailable, "the gateway gave an answer that cannot be read")
    })
}

/// A name that cannot stand in a path.
fn bad_name(_: InvalidTarget) -> ToolError {
    ToolError::new(Code::NotFound, "no table can have this name")
}
