//! What all vendors' clients need to send: address, key, limits, the HTTP client that is handed in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use crate::LlmError;

/// Any error of a body or a connection.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body on its way to a vendor.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// The HTTP client that the caller sets up: connect timeout, pool, TLS.
pub type HttpClient = Client<HttpsConnector<HttpConnector>, Body>;

/// The largest answer that is read in one piece. Answers in text are far smaller.
pub(crate) const ANSWER_LIMIT: usize = 32 << 20;

/// More of an error's body than anybody reads.
const ERROR_BODY_LIMIT: usize = 256 << 10;

/// An error's body comes with its head or not at all.
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);

/// How long to wait for a vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For the first sign of an answer. A model that thinks hard says nothing meanwhile.
    pub head: Duration,
    /// Between two pieces of an answer.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head: Duration::from_secs(180), idle: Duration::from_secs(90) }
    }
}

/// An API key, read anew for each call, so that a changed file is noticed. Its `Debug` shows nothing.
#[derive(Clone)]
pub struct Key(Arc<dyn Fn() -> SecretString + Send + Sync>);

impl Key {
    /// A key that stays.
    pub fn fixed(key: SecretString) -> Self {
        Self(Arc::new(move || key.clone()))
    }

    /// A key that may change between calls.
    pub fn rotating(key: impl Fn() -> SecretString + Send + Sync + 'static) -> Self {
        Self(Arc::new(key))
    }

    /// Tells keys apart without giving them away; for [`RawTurn::key_id`](crate::RawTurn::key_id).
    pub fn id(&self) -> String {
        key_id(&self.current())
    }

    pub(crate) fn current(&self) -> SecretString {
        (self.0)()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

pub(crate) fn key_id(key: &SecretString) -> String {
    let digest = Sha256::new_with_prefix(b"llm-api key id:").chain_update(key.expose_secret()).finalize();
    hex::encode(&digest[..8])
}

/// A base URL that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBaseUrl {
    /// Not a URL at all.
    #[error("is not a URL")]
    NotAUrl,
    /// The scheme is something else.
    #[error("must start with http:// or https://")]
    Scheme,
    /// A password does not belong in this setting.
    #[error("must not hold a user name or password")]
    UserInfo,
    /// Queries and fragments would end up in the middle of every request, and keys in them in logs.
    #[error("must not hold a query")]
    Query,
}

/// Where a vendor is: scheme, host and a path that its API stands under (usually none).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    prefix: String,
}

impl BaseUrl {
    /// Parses an address such as `https://generativelanguage.googleapis.com`; a trailing slash does not matter.
    pub fn parse(url: &str) -> Result<Self, InvalidBaseUrl> {
        let uri: Uri = url.parse().map_err(|_| InvalidBaseUrl::NotAUrl)?;
        let parts = uri.into_parts();
        let scheme = parts.scheme.ok_or(InvalidBaseUrl::Scheme)?;
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(InvalidBaseUrl::Scheme);
        }
        let authority = parts.authority.filter(|a| !a.host().is_empty()).ok_or(InvalidBaseUrl::NotAUrl)?;
        if authority.as_str().contains('@') {
            return Err(InvalidBaseUrl::UserInfo);
        }
        let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        if path.query().is_some() || url.contains('#') {
            return Err(InvalidBaseUrl::Query);
        }
        Ok(Self { scheme, authority, prefix: path.path().trim_end_matches('/').to_owned() })
    }

    /// Host and port: what a log may show.
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The address itself, as a URI.
    pub fn to_uri(&self) -> Uri {
        self.uri("/").expect("a base with a root path is a URI")
    }

    /// The last segments of the path, such as a version that somebody pasted, are taken off.
    pub(crate) fn without_suffix(mut self, suffixes: &[&str]) -> Self {
        for suffix in suffixes {
            if let Some(rest) = self.prefix.strip_suffix(suffix) {
                self.prefix = rest.to_owned();
                break;
            }
        }
        self
    }

    /// `target` is an encoded path and query that starts with a slash.
    pub(crate) fn uri(&self, target: &str) -> Result<Uri, LlmError> {
        let unsendable = || LlmError::Unsendable { message: "its address is not a valid path".to_owned() };
        let path = PathAndQuery::try_from(format!("{}{target}", self.prefix)).map_err(|_| unsendable())?;
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).map_err(|_| unsendable())
    }
}

pub(crate) fn full_body(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// Sends, and waits for the answer's head. Dropping it closes the connection.
pub(crate) async fn send(
    http: &HttpClient,
    request: Request<Body>,
    limits: Limits,
) -> Result<Response<Incoming>, LlmError> {
    match timeout(limits.head, http.request(request)).await {
        Err(_) => Err(LlmError::Timeout(limits.head)),
        Ok(Err(error)) if error.is_connect() => Err(LlmError::Unreachable(error.into())),
        Ok(Err(error)) => Err(LlmError::Broken(error.into())),
        Ok(Ok(response)) => Ok(response),
    }
}

/// The next bytes of an answer; `None` at its end.
pub(crate) async fn next_bytes(body: &mut Incoming, limits: Limits) -> Result<Option<Bytes>, LlmError> {
    loop {
        match timeout(limits.idle, body.frame()).await {
            Err(_) => return Err(LlmError::Timeout(limits.idle)),
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => return Err(LlmError::Broken(error.into())),
            Ok(Some(Ok(frame))) => {
                // Trailers say nothing.
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// A whole answer in one piece.
pub(crate) async fn whole(mut body: Incoming, limits: Limits) -> Result<Bytes, LlmError> {
    let mut all = BytesMut::new();
    while let Some(bytes) = next_bytes(&mut body, limits).await? {
        if all.len() + bytes.len() > ANSWER_LIMIT {
            return Err(LlmError::Protocol { message: format!("it is longer than {ANSWER_LIMIT} bytes") });
        }
        all.extend_from_slice(&bytes);
    }
    Ok(all.freeze())
}

/// What there is of an error's body: it is only for its words, so a body that breaks off is as good as a short one.
pub(crate) async fn error_body(mut body: Incoming) -> Bytes {
    let mut all = BytesMut::new();
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            if let Ok(data) = frame.into_data() {
                all.extend_from_slice(&data);
            }
            if all.len() > ERROR_BODY_LIMIT {
                break;
            }
        }
    };
    // Whatever has come by then is used.
    let _ = timeout(ERROR_BODY_TIME, read).await;
    all.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_with_a_key_or_another_scheme_is_refused() {
        for (url, problem) in [
            ("generativelanguage.googleapis.com", InvalidBaseUrl::Scheme),
            ("ftp://host", InvalidBaseUrl::Scheme),
            ("https://user:pw@host", InvalidBaseUrl::UserInfo),
            ("https://host/v1?key=abc", InvalidBaseUrl::Query),
            ("https://host/#a", InvalidBaseUrl::Query),
        ] {
            assert_eq!(BaseUrl::parse(url), Err(problem), "{url}");
        }
        let url = BaseUrl::parse("http://127.0.0.1:9/proxy/").unwrap();
        assert_eq!(url.uri("/v1beta/models").unwrap(), "http://127.0.0.1:9/proxy/v1beta/models");
    }

    #[test]
    fn a_key_is_told_apart_but_never_shown() {
        let (one, other) = (Key::fixed("secret-one".into()), Key::fixed("secret-two".into()));
        assert_ne!(one.id(), other.id());
        assert_eq!(one.id(), Key::rotating(|| "secret-one".into()).id());
        assert_eq!(format!("{one:?}"), "Key(..)");
    }
}
