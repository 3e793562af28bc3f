//! What the handlers of our own dialect have in common: who asks, typed reads and writes, answers.

use airtable_api::{BaseId, calls};
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use service_kit::auth::Principal;
use service_kit::{ApiError, ErrorCode};
use tokio::time::{Duration, Instant};

use crate::answer::etag;
use crate::call::Call;
use crate::caller::{self, Caller};
use crate::directives::{CacheStatus, Directives};
use crate::dropin;
use crate::error::{Doing, no_answer, refused};
use crate::payload::Payload;
use crate::reads::{Read, Served};
use crate::state::AppState;
use crate::upstream::Outgoing;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EMULATED: HeaderName = HeaderName::from_static("x-pyairtable-emulated");

/// A request of our own dialect: who asks, and how.
pub(super) struct Own {
    pub app: AppState,
    pub caller: Caller,
    pub principal: Principal,
    pub directives: Directives,
    pub deadline: Instant,
    method: Method,
    headers: HeaderMap,
}

impl FromRequestParts<AppState> for Own {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        let principal = Principal::from_request_parts(parts, app).await?;
        let mut caller = app.callers.known(principal.clone())?;
        caller.class = caller::class(&parts.headers);
        Ok(Self {
            app: app.clone(),
            caller,
            principal,
            directives: Directives::of(&parts.headers),
            deadline: dropin::deadline(parts),
            method: parts.method.clone(),
            headers: parts.headers.clone(),
        })
    }
}

/// How the answers that a response was made of came about.
#[derive(Default)]
pub(super) struct How {
    /// The one that tells most: a stale one rather than a miss, a miss rather than a hit. And the age of the oldest.
    told: Option<(CacheStatus, Duration)>,
    emulated: Option<HeaderValue>,
}

impl How {
    fn add(&mut self, served: &Served) {
        let rank = |status: &CacheStatus| match status.label() {
            "stale" => 2,
            "hit" => 0,
            _ => 1,
        };
        self.told = Some(match self.told {
            Some((status, age)) if rank(&status) >= rank(&served.status) => (status, age.max(served.age)),
            Some((_, age)) => (served.status, age.max(served.age)),
            None => (served.status, served.age),
        });
        self.note(&served.answer.headers);
    }

    fn note(&mut self, headers: &HeaderMap) {
        if let Some(emulated) = headers.get(EMULATED) {
            self.emulated = Some(emulated.clone());
        }
    }
}

impl Own {
    /// Makes a typed read. Airtable's refusals become errors.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        call: Call,
        wire: calls::Call<T>,
        how: &mut How,
    ) -> Result<T, ApiError> {
        let out = outgoing(&wire);
        let read = Read { call, out, directives: self.directives };
        let served = self.app.reads.read(&self.caller, read, self.deadline).await;
        let served = served.map_err(|trouble| no_answer(trouble, Doing::Reading))?;
        how.add(&served);
        let answer = &served.answer;
        understood(answer.status, &answer.headers, &answer.body, &wire)
    }

    /// Makes a typed write. Airtable's refusals become errors.
    pub(super) async fn write<T: DeserializeOwned>(
        &self,
        call: &Call,
        wire: calls::Call<T>,
        how: &mut How,
    ) -> Result<T, ApiError> {
        let out = outgoing(&wire);
        let payload = Payload::held(out.body.clone());
        let written = self.app.writes.write(&self.caller, call, &out, payload, self.deadline).await;
        let (head, body) = written.map_err(|trouble| no_answer(trouble, Doing::Writing))?;
        how.note(&head.headers);
        understood(head.status, &head.headers, &body, &wire).map_err(|error| match error.code() {
            ErrorCode::UpstreamInvalid => ApiError::new(
                ErrorCode::OutcomeUnknown,
                "Airtable accepted the change, but its answer cannot be read",
            )
            .caused_by(error),
            _ => error,
        })
    }

    /// A JSON answer; 304 if the caller has it already.
    pub(super) fn json(
        &self,
        status: StatusCode,
        value: &impl Serialize,
        how: How,
    ) -> Result<Response, ApiError> {
        let body = serde_json::to_vec(value).map_err(|error| {
            ApiError::new(ErrorCode::Internal, "the answer cannot be written").caused_by(error)
        })?;
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, JSON), (ETAG, etag(&body))]);
        if let Some((status_of_cache, age)) = &how.told {
            dropin::label(&mut headers, status, status_of_cache, *age);
        } else {
            headers.remove(ETAG);
        }
        headers.extend(how.emulated.map(|value| (EMULATED, value)));
        Ok(dropin::finish(&self.method, &self.headers, status, headers, Bytes::from(body)))
    }
}

/// The base of a path. What is no id names no base.
pub(super) fn base_id(text: &str) -> Result<BaseId, ApiError> {
    BaseId::parse(text).map_err(|error| ApiError::new(ErrorCode::NotFound, error.to_string()))
}

/// A whole body, without regard to its content type.
pub(super) async fn body_bytes(body: Body) -> Result<Bytes, ApiError> {
    use http_body_util::BodyExt as _;
    let collected = body.collect().await.map_err(|error| {
        ApiError::new(ErrorCode::Malformed, "the request's body could not be read").caused_by(error)
    })?;
    Ok(collected.to_bytes())
}

fn outgoing<T>(wire: &calls::Call<T>) -> Outgoing {
    let mut headers = HeaderMap::from_iter([(
        http::header::USER_AGENT,
        HeaderValue::from_static(concat!("pyairtable-gateway/", env!("CARGO_PKG_VERSION"))),
    )]);
    if wire.body.is_some() {
        headers.insert(CONTENT_TYPE, JSON);
    }
    service_kit::telemetry::trace_context::inject(&mut headers);
    Outgoing {
        method: wire.method.clone(),
        target: wire.target.clone(),
        headers,
        body: wire.body.clone().unwrap_or_default(),
    }
}

fn understood<T: DeserializeOwned>(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    wire: &calls::Call<T>,
) -> Result<T, ApiError> {
    if !status.is_success() {
        return Err(refused(status, headers, body));
    }
    wire.parse(body).map_err(|error| {
        ApiError::new(ErrorCode::UpstreamInvalid, "Airtable's answer is not what an answer should be")
            .caused_by(error)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::*;
    use crate::answer::Answer;
    use crate::call::Operation;
    use crate::directives::Source;

    #[test]
    fn a_response_of_several_answers_owns_up_to_the_stalest_and_the_oldest() {
        let mut how = How::default();
        for (source, age) in
            [(Source::Hit, 25), (Source::Miss, 0), (Source::StaleIfError, 40), (Source::Miss, 1)]
        {
            let call = Call::about(Operation::Schema, None);
            let answer =
                Answer::new(&call, "", StatusCode::OK, HeaderMap::new(), Bytes::new(), SystemTime::now());
            how.add(&Served {
                answer: Arc::new(answer),
                status: CacheStatus::forwarded(source),
                age: Duration::from_secs(age),
            });
        }
        let (status, age) = how.told.unwrap();
        assert_eq!((status.source, age.as_secs()), (Source::StaleIfError, 40));
    }
}
