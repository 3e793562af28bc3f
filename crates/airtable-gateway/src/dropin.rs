//! Airtable's own dialect, `/v0/**`: whatever Airtable would accept is accepted, and answered as Airtable does.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header::{AGE, CACHE_CONTROL, CONTENT_LENGTH, ETAG, IF_NONE_MATCH};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use serde_json::value::RawValue;
use service_kit::auth::Principal;
use service_kit::edge::{Deadline, RouteLabel};
use service_kit::{ApiError, ErrorCode};
use tokio::time::{Duration, Instant};

use airtable_api::Target;

use crate::answer::etag;
use crate::call::{Call, Operation};
use crate::caller::Caller;
use crate::directives::{CacheStatus, Directives, Source};
use crate::error::{Doing, no_answer};
use crate::headers;
use crate::payload::Payload;
use crate::reads::{Read, Served};
use crate::rights;
use crate::state::AppState;
use crate::upstream::{Outgoing, Trouble};

/// Time to write an error of ours before the edge cuts the request off without one.
const MARGIN: Duration = Duration::from_millis(15);

/// For a request that did not pass the edge.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(290);

pub(crate) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Answers may be kept by their caller only, and not used without asking.
pub(crate) const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Every method, every path below `/v0`.
pub(crate) async fn handle(State(app): State<AppState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut label = "/v0/**";
    let answered = answer(&app, &parts, body, &mut label).await;
    let mut response = answered.unwrap_or_else(ApiError::into_response);
    response.extensions_mut().insert(RouteLabel(label.into()));
    response
}

async fn answer(
    app: &AppState,
    parts: &Parts,
    body: Body,
    label: &mut &'static str,
) -> Result<Response, ApiError> {
    let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let target = Target::raw(path);
    // Before anything is looked up: what climbs out of its base must not be judged by where it starts.
    let segments = target
        .segments()
        .map_err(|error| ApiError::new(ErrorCode::NotFound, "this path is not passed on").caused_by(error))?;
    if parts.method == Method::TRACE {
        // Its answer is the request as Airtable got it, with the gateway's token.
        return Err(ApiError::new(ErrorCode::MethodNotAllowed, "this method is not passed on"));
    }
    let caller = app.callers.identify(&parts.headers).await?;
    let call = Call::classify(&parts.method, &segments);
    *label = route_label(&call);
    rights::authorise(&call, &caller)?;
    let deadline = deadline(parts);
    if call.is_cacheable() {
        let body = whole(body).await.map_err(|trouble| no_answer(trouble, Doing::Reading))?;
        let headers = headers::to_airtable_for_cache(&parts.headers);
        // Airtable reads no body of a GET, and the cache's key holds none.
        let body = if parts.method == Method::GET { Bytes::new() } else { body };
        let out = Outgoing { method: parts.method.clone(), target, headers, body };
        let directives = Directives::of(&parts.headers);
        let read = Read { call: call.clone(), out, directives };
        let served = app.reads.read(&caller, read, deadline).await;
        let served = served.map_err(|trouble| no_answer(trouble, Doing::Reading))?;
        let filter = rights::filter_for(&call, &caller);
        return Ok(respond(&parts.method, &parts.headers, &served, |body| match filter {
            Some(principal) => filtered(&call, body, principal),
            None => body,
        }));
    }
    pass_on(app, &caller, &call, parts, target, body, deadline).await
}

/// Calls that are not cached: writes, and everything that is not understood.
async fn pass_on(
    app: &AppState,
    caller: &Caller,
    call: &Call,
    parts: &Parts,
    target: Target,
    body: Body,
    deadline: Instant,
) -> Result<Response, ApiError> {
    let headers = headers::to_airtable(&parts.headers);
    let mut out = Outgoing { method: parts.method.clone(), target, headers, body: Bytes::new() };
    let (head, body, source) = if call.is_safe {
        let failed = |trouble| no_answer(trouble, Doing::Reading);
        out.body = whole(body).await.map_err(failed)?;
        let (head, body) = app.upstream.pass(caller, call, &out, deadline).await.map_err(failed)?;
        (head, body, Source::Bypass)
    } else {
        let failed = |trouble| no_answer(trouble, Doing::Writing);
        let payload = Payload::read(body).await.map_err(failed)?;
        let (mut head, body) =
            app.writes.write(caller, call, &out, payload, deadline).await.map_err(failed)?;
        head.headers.remove(CONTENT_LENGTH);
        (head, Body::from(body), Source::Method)
    };
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = headers::from_airtable(&head.headers);
    let status = CacheStatus::forwarded(source).header(head.status);
    response.headers_mut().insert(CACHE_STATUS, status);
    Ok(response)
}

/// A cacheable answer for its caller. `change` may cut the body down.
pub(crate) fn respond(
    method: &Method,
    request: &HeaderMap,
    served: &Served,
    change: impl FnOnce(Bytes) -> Bytes,
) -> Response {
    let answer = &served.answer;
    let body = if answer.status.is_success() { change(answer.body.clone()) } else { answer.body.clone() };
    let mut headers = answer.headers.clone();
    if body != answer.body {
        headers.insert(ETAG, etag(&body));
    }
    label(&mut headers, answer.status, &served.status, served.age);
    finish(method, request, answer.status, headers, body)
}

/// Adds the headers that say how an answer came about.
pub(crate) fn label(headers: &mut HeaderMap, status: StatusCode, how: &CacheStatus, age: Duration) {
    headers.insert(CACHE_CONTROL, PRIVATE);
    headers.insert(CACHE_STATUS, how.header(status));
    headers.insert(AGE, HeaderValue::from(age.as_secs()));
}

/// 304 if the caller has this answer already, else the answer.
pub(crate) fn finish(
    method: &Method,
    request: &HeaderMap,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let known = method == Method::GET
        && status == StatusCode::OK
        && headers.get(ETAG).is_some_and(|tag| matches(request, tag));
    let mut response = Response::new(if known { Body::empty() } else { Body::from(body) });
    *response.status_mut() = if known { StatusCode::NOT_MODIFIED } else { status };
    *response.headers_mut() = headers;
    response
}

/// `If-None-Match`, RFC 9110 §13.1.2: weak comparison.
fn matches(request: &HeaderMap, tag: &HeaderValue) -> bool {
    let lines = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(|candidate| candidate.trim().trim_start_matches("W/"))
        .any(|candidate| candidate == "*" || candidate.as_bytes() == tag.as_bytes())
}

/// By when our own answer must be there.
pub(crate) fn deadline(parts: &Parts) -> Instant {
    match parts.extensions.get::<Deadline>() {
        Some(Deadline(at)) => at.checked_sub(MARGIN).unwrap_or(*at),
        None => Instant::now() + DEFAULT_DEADLINE,
    }
}

async fn whole(body: Body) -> Result<Bytes, Trouble> {
    let collected = body.collect().await.map_err(|error| Trouble::Payload(error.into()))?;
    Ok(collected.to_bytes())
}

/// What a key that is limited to bases may see of an answer that is about no single one.
fn filtered(call: &Call, body: Bytes, principal: &Principal) -> Bytes {
    let cut = match call.operation {
        Operation::ListBases => without_other_bases(&body, principal),
        // The token's owner is not the key's: the id must do.
        Operation::WhoAmI => serde_json::from_slice::<Value>(&body)
            .ok()
            .map(|me| serde_json::json!({"id": me.get("id")}).to_string()),
        _ => None,
    };
    // What cannot be read cannot be filtered, and is not shown.
    cut.map_or_else(|| Bytes::from_static(b"{}"), Bytes::from)
}

fn without_other_bases(body: &[u8], principal: &Principal) -> Option<String> {
    let mut page: indexmap::IndexMap<String, Box<RawValue>> = serde_json::from_slice(body).ok()?;
    let bases: Vec<Box<RawValue>> = serde_json::from_str(page.get("bases")?.get()).ok()?;
    let within_reach = |base: &RawValue| {
        let id = serde_json::from_str::<Value>(base.get()).ok();
        id.and_then(|base| Some(principal.may_reach(base.get("id")?.as_str()?))).unwrap_or(false)
    };
    let own: Vec<Box<RawValue>> = bases.into_iter().filter(|base| within_reach(base)).collect();
    page.insert("bases".to_owned(), serde_json::value::to_raw_value(&own).ok()?);
    serde_json::to_string(&page).ok()
}

fn route_label(call: &Call) -> &'static str {
    use Operation as O;
    match call.operation {
        O::ListRecords | O::WriteRecords if call.record.is_none() => "/v0/{base_id}/{table}",
        O::GetRecord | O::WriteRecords => "/v0/{base_id}/{table}/{record_id}",
        O::ListRecords => "/v0/{base_id}/{table}",
        O::ListComments | O::WriteComments => "/v0/{base_id}/{table}/{record_id}/comments",
        O::UploadAttachment => "/v0/{base_id}/{record_id}/{field}/uploadAttachment",
        O::SyncCsv => "/v0/{base_id}/{table}/sync/{sync_id}",
        O::WhoAmI => "/v0/meta/whoami",
        O::ListBases | O::CreateBase => "/v0/meta/bases",
        O::BaseInfo | O::DeleteBase => "/v0/meta/bases/{base_id}",
        O::Schema | O::WriteSchema => "/v0/meta/bases/{base_id}/tables",
        O::Views | O::DeleteView => "/v0/meta/bases/{base_id}/views",
        O::ListWebhooks | O::WriteWebhooks | O::WebhookPayloads => "/v0/bases/{base_id}/webhooks",
        O::Unknown => "/v0/**",
    }
}

#[cfg(test)]
mod tests {
    use service_kit::auth::{Bases, Scopes};

    use super::*;

    fn limited() -> Principal {
        Principal { key_id: "k".into(), name: "n".into(), scopes: Scopes::ALL, bases: Bases::only(["appA"]) }
    }

    #[test]
    fn a_limited_key_sees_its_own_bases_only_and_their_bytes_unchanged() {
        let body = r#"{"bases":[{"id":"appB","name":"b"},{"id":"appA","name":"é","x":1.50},{"id":7}],"offset":"itr/app"}"#;
        let cut = without_other_bases(body.as_bytes(), &limited()).unwrap();
        assert_eq!(cut, r#"{"bases":[{"id":"appA","name":"é","x":1.50}],"offset":"itr/app"}"#);
    }

    #[test]
    fn what_cannot_be_filtered_is_not_shown() {
        let call = Call::about(Operation::ListBases, None);
        assert_eq!(filtered(&call, Bytes::from_static(b"[1]"), &limited()), "{}");
    }

    #[test]
    fn a_known_answer_is_not_sent_again() {
        let headers = HeaderMap::from_iter([(ETAG, HeaderValue::from_static("\"a\""))]);
        for (said, method, status) in [
            ("\"a\"", Method::GET, 304),
            ("W/\"a\", \"b\"", Method::GET, 304),
            ("*", Method::GET, 304),
            ("\"b\"", Method::GET, 200),
            ("\"a\"", Method::POST, 200),
        ] {
            let request = HeaderMap::from_iter([(IF_NONE_MATCH, said.parse().unwrap())]);
            let response =
                finish(&method, &request, StatusCode::OK, headers.clone(), Bytes::from_static(b"x"));
            assert_eq!(response.status(), status, "{said}");
        }
    }
}
