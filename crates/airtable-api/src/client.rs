//! Sending: raw (`forward`) and typed (`call`), over an HTTP client that is handed in.

use std::future::Future;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use crate::calls::Call;
use crate::{Failure, Origin, SendError, Target};

/// Any error of a body or a connection.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body on its way to Airtable: whole or streamed.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// The HTTP client that the caller sets up: connect timeout, pool, TLS.
pub type HttpClient = Client<HttpsConnector<HttpConnector>, Body>;

/// Longest answer that a typed call reads. A page of a hundred rich records is a few MiB.
const ANSWER_LIMIT: usize = 64 << 20;

/// Seconds; more is a mistake, and would overflow the clocks it is added to.
const LONGEST_RETRY_AFTER: u64 = 86_400;

/// A body that is there already.
pub fn full_body(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// A request to pass on.
#[derive(Debug)]
pub struct Outbound {
    /// The HTTP method.
    pub method: Method,
    /// Path and query, byte for byte.
    pub target: Target,
    /// End-to-end headers, without `Host` and `Authorization`.
    pub headers: HeaderMap,
    /// Streamed while it is sent.
    pub body: Body,
}

/// One Airtable server. Cheap to clone; clones share the connections.
#[derive(Debug, Clone)]
pub struct AirtableClient {
    http: HttpClient,
    origin: Origin,
}

impl AirtableClient {
    /// `origin` is the only thing in which production, emulator and fault test differ.
    pub fn new(http: HttpClient, origin: Origin) -> Self {
        Self { http, origin }
    }

    /// Where requests go.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Sends a request as it is, with `token` as its credential, and returns as soon as the answer's head is there.
    /// Every status is an answer. The body arrives as it is read; dropping it, or this future, aborts the request.
    ///
    /// Fails with [`SendError::Connect`] or [`SendError::Unsendable`] if nothing was sent, with
    /// [`SendError::Broken`] otherwise. It sets no time limit; see [`in_time`](Self::in_time).
    pub async fn forward(
        &self,
        outbound: Outbound,
        token: &SecretString,
    ) -> Result<Response<Incoming>, SendError> {
        let Outbound { method, target, mut headers, body } = outbound;
        let uri = self.origin.uri(&target).map_err(|e| SendError::Unsendable(e.into()))?;
        let mut credential = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
            .map_err(|e| SendError::Unsendable(e.into()))?;
        credential.set_sensitive(true);
        headers.remove(HOST);
        headers.insert(AUTHORIZATION, credential);
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        self.http.request(request).await.map_err(|error| {
            if error.is_connect() {
                SendError::Connect(error.into())
            } else {
                SendError::Broken(error.into())
            }
        })
    }

    /// Gives `work` at most `limit`.
    pub async fn in_time<T>(
        limit: Duration,
        work: impl Future<Output = Result<T, SendError>>,
    ) -> Result<T, SendError> {
        tokio::time::timeout(limit, work).await.unwrap_or(Err(SendError::Timeout(limit)))
    }

    /// Makes a typed call and waits at most `limit` for the whole answer. It is sent once; whether to repeat it is the
    /// caller's decision ([`SendError::sent`], [`SendError::retry_delay`]).
    pub async fn call<T: DeserializeOwned>(
        &self,
        call: Call<T>,
        token: &SecretString,
        limit: Duration,
    ) -> Result<T, SendError> {
        let mut headers = HeaderMap::new();
        if call.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let outbound = Outbound {
            method: call.method.clone(),
            target: call.target.clone(),
            headers,
            body: full_body(call.body.clone().unwrap_or_default()),
        };
        let (head, body) = Self::in_time(limit, async {
            let (head, body) = self.forward(outbound, token).await?.into_parts();
            Ok((head, collect(body, ANSWER_LIMIT).await?))
        })
        .await?;
        if head.status.is_success() {
            return call.parse(&body).map_err(SendError::NotUnderstood);
        }
        Err(SendError::Refused {
            status: head.status,
            failure: Failure::parse(&without_token(body, token)),
            retry_after: retry_after(&head.headers),
        })
    }
}

/// Reads a body to its end. Fails on one that ends early, and on one longer than `limit` bytes.
pub async fn collect<B>(body: B, limit: usize) -> Result<Bytes, SendError>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut body = std::pin::pin!(body);
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| SendError::Truncated(error.into()))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + rest.len() + data.len() > limit {
            return Err(SendError::TooLong { limit });
        }
        // Most answers come in one piece, which needs no copy.
        match (first.is_empty(), rest.is_empty()) {
            (true, true) => first = data,
            (false, true) => {
                rest.extend_from_slice(&std::mem::take(&mut first));
                rest.extend_from_slice(&data);
            }
            (_, false) => rest.extend_from_slice(&data),
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// A refusal with stars in place of the token, should it be named there: Airtable never does, but something between may, and
/// what it says goes on to callers who do not have the token. As long as before.
pub fn without_token(body: Bytes, token: &SecretString) -> Bytes {
    let token = token.expose_secret().as_bytes();
    let find = |from: &[u8]| from.windows(token.len()).position(|window| window == token);
    if token.is_empty() || find(&body).is_none() {
        return body;
    }
    let mut hidden = BytesMut::from(&body[..]);
    while let Some(at) = find(&hidden) {
        hidden[at..at + token.len()].fill(b'*');
    }
    hidden.freeze()
}

/// The seconds form of `Retry-After`, a day at most; the date form is not used by Airtable and counts as absent.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(LONGEST_RETRY_AFTER)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_a_refusal_names_is_hidden_and_nothing_else_changes() {
        let token = SecretString::from("patA.b");
        for (said, shown) in [
            ("no such token: Bearer patA.b!", "no such token: Bearer ******!"),
            ("patA.bpatA.b patA.", "************ patA."),
            ("nothing", "nothing"),
            ("", ""),
        ] {
            assert_eq!(without_token(Bytes::from(said), &token), shown);
        }
        assert_eq!(without_token(Bytes::from("all"), &SecretString::from("")), "all");
    }
}
