//! Faults that a caller asks for: slow answers, refusals, connections that are cut before or after the work is done, and
//! answers that end too early. Each request draws anew; 100 percent is always.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body::Frame;
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::errors::AirtableError;

/// The longest wait before an answer, in milliseconds.
const MAX_LATENCY_MS: u64 = 600_000;

/// Faults in force; without any, everything is answered as it should be
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Faults {
    /// Each request waits this long at least, in milliseconds
    pub(crate) latency_min_ms: u64,
    /// And no longer than this; lengths in between are equally likely
    pub(crate) latency_max_ms: u64,
    /// Requests in a hundred that are refused, with nothing done
    pub(crate) refuse_percent: u8,
    /// What they are refused with: 429, 500, 502 or 503
    pub(crate) refuse_status: u16,
    /// Requests in a hundred whose connection is cut, with nothing done
    pub(crate) cut_before_percent: u8,
    /// Requests in a hundred that are carried out, and whose connection is cut instead of an answer
    pub(crate) cut_after_percent: u8,
    /// Requests in a hundred that are carried out, and whose answer ends in the middle
    pub(crate) truncate_percent: u8,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            latency_min_ms: 0,
            latency_max_ms: 0,
            refuse_percent: 0,
            refuse_status: 503,
            cut_before_percent: 0,
            cut_after_percent: 0,
            truncate_percent: 0,
        }
    }
}

/// What is done to one request before it is carried out.
pub(crate) enum Before {
    Nothing,
    Refuse(AirtableError),
    Cut,
}

impl Faults {
    /// What is wrong with them, if anything is.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let percents =
            [self.refuse_percent, self.cut_before_percent, self.cut_after_percent, self.truncate_percent];
        if percents.iter().any(|percent| *percent > 100) {
            return Some("a percentage is from 0 to 100");
        }
        if refusal(self.refuse_status).is_none() {
            return Some("refuseStatus is one of 429, 500, 502 and 503");
        }
        if self.latency_min_ms > self.latency_max_ms || self.latency_max_ms > MAX_LATENCY_MS {
            return Some("latencyMinMs must not be above latencyMaxMs, nor that above 600000");
        }
        None
    }

    /// Waits as long as the request has to, and draws what happens to it.
    pub(crate) async fn before(&self) -> Before {
        if self.latency_max_ms > 0 {
            let wait = rand::random_range(self.latency_min_ms..=self.latency_max_ms);
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        if drawn(self.cut_before_percent) {
            return Before::Cut;
        }
        match refusal(self.refuse_status) {
            Some(refusal) if drawn(self.refuse_percent) => Before::Refuse(refusal),
            _ => Before::Nothing,
        }
    }

    /// What becomes of an answer; `true` beside it says that nobody gets one.
    pub(crate) async fn after(&self, response: Response<Body>) -> (Response<Body>, bool) {
        if drawn(self.cut_after_percent) {
            return (cut(response, Bytes::new()), true);
        }
        if !drawn(self.truncate_percent) {
            return (response, false);
        }
        let (parts, body) = response.into_parts();
        let whole = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let half = whole.slice(..whole.len() / 2);
        (cut(Response::from_parts(parts, Body::empty()), half), false)
    }
}

/// An answer that ends with its connection before it has begun.
pub(crate) fn cut_off() -> Response<Body> {
    cut(Response::new(Body::empty()), Bytes::new())
}

fn drawn(percent: u8) -> bool {
    rand::random_range(0..100) < percent
}

fn refusal(status: u16) -> Option<AirtableError> {
    Some(match status {
        429 => AirtableError::rate_limited(None),
        500 => AirtableError::server_error(),
        502 => AirtableError::timed_out().with_status(StatusCode::BAD_GATEWAY),
        503 => AirtableError::timed_out(),
        _ => return None,
    })
}

fn cut(response: Response<Body>, first: Bytes) -> Response<Body> {
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::new(Ending { first: Some(first).filter(|first| !first.is_empty()) }))
}

/// Some bytes, then the end of the connection.
struct Ending {
    first: Option<Bytes>,
}

impl http_body::Body for Ending {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(Some(match self.first.take() {
            Some(bytes) => Ok(Frame::data(bytes)),
            None => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut, as it was asked for")),
        }))
    }
}
