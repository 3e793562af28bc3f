//! The HTTP client for calls to other services.

use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};

/// A body of any origin on its way out.
pub type OutBody = UnsyncBoxBody<Bytes, BoxError>;
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A pooled HTTP/1.1 client. It follows no redirect, knows no proxy, and repeats a request only if a pooled connection
/// turned out to be closed before any of the request was sent. Callers set the total time. Cheap to clone.
pub type HttpClient = Client<HttpsConnector<HttpConnector>, OutBody>;

/// Reaching a host takes longer only if it is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Below what servers allow (our own: 75 s), so that a connection is seldom closed just when it is used.
const POOL_IDLE: Duration = Duration::from_secs(50);

const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    #[error("the machine's certificate authorities cannot be read")]
    Roots(#[source] std::io::Error),
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// A client for calls to `target`. Certificate authorities are read only if it is an `https` address: that takes time and
/// memory, and an emulator needs none.
pub fn http_client(target: &Uri) -> Result<HttpClient, OutboundError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp.set_keepalive(Some(TCP_KEEPALIVE));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls(target)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new())
        .pool_idle_timeout(POOL_IDLE)
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .build(connector))
}

pub fn empty() -> OutBody {
    full(Bytes::new())
}

pub fn full(bytes: impl Into<Bytes>) -> OutBody {
    http_body_util::Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

fn tls(target: &Uri) -> Result<ClientConfig, OutboundError> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(OutboundError::Tls)?;
    if target.scheme() == Some(&http::uri::Scheme::HTTPS) {
        use hyper_rustls::ConfigBuilderExt as _;
        Ok(builder.with_native_roots().map_err(OutboundError::Roots)?.with_no_client_auth())
    } else {
        Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
    }
}
