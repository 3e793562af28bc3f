//! The emulator's own API under `/__emulator`: counters, the request log, limits, the clock, faults, snapshots,
//! reset. For this machine, or with the owner's token.

mod edits;
mod faults;
mod limits;
mod snapshot;
mod state;
mod traffic;

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::uri::Authority;
use http::{HeaderValue, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use service_kit::{ApiError, ErrorCode};
use utoipa::OpenApi;

use super::emulator::{self, Emulator};

pub(super) use self::snapshot::SUBTREE as SNAPSHOTS;

pub(super) fn router(emulator: Emulator) -> Router<Emulator> {
    Router::new()
        .route("/counters", get(traffic::read_counters))
        .route("/requests", get(traffic::list_requests))
        .route("/limits", get(limits::read_limits).put(limits::change_limits))
        .route("/unconfirmed", get(limits::read_unconfirmed).put(limits::change_unconfirmed))
        .route("/clock", get(limits::read_clock).put(limits::turn_clock))
        .route("/faults", get(faults::read_faults).put(faults::change_faults))
        .route("/edits", post(edits::make_edits))
        .route("/snapshot", get(snapshot::take).put(snapshot::restore).layer(DefaultBodyLimit::disable()))
        .route("/reset", post(state::reset))
        .fallback(async || ApiError::new(ErrorCode::NoSuchRoute, "the emulator has no such route of its own"))
        .layer(from_fn_with_state(emulator.clone(), only_from_here))
        .with_state(emulator)
}

pub(super) fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(paths(
        traffic::read_counters,
        traffic::list_requests,
        limits::read_limits,
        limits::change_limits,
        limits::read_unconfirmed,
        limits::change_unconfirmed,
        limits::read_clock,
        limits::turn_clock,
        faults::read_faults,
        faults::change_faults,
        edits::make_edits,
        snapshot::take,
        snapshot::restore,
        state::reset
    ))]
    struct Document;
    Document::openapi()
}

/// Lets this machine in, and from elsewhere whoever has the token of the emulator's owner. A server that does not say who is
/// calling is taken to be part of a test.
async fn only_from_here(State(emulator): State<Emulator>, request: Request, next: Next) -> Response {
    let is_owner = emulator.shared.is_owner(request.headers());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let is_elsewhere = peer.is_some_and(|ConnectInfo(peer)| !peer.ip().to_canonical().is_loopback());
    // A page from elsewhere may have been given our address under a name of its own, or send a form here.
    let (host, origin) = (request.headers().get(header::HOST), request.headers().get(header::ORIGIN));
    let names = [host.map(HeaderValue::as_bytes), origin.map(|origin| after_scheme(origin.as_bytes()))];
    let is_misled = names.into_iter().flatten().any(|host| !is_here(host));
    if !is_owner && (is_elsewhere || is_misled) {
        let why = "the emulator's own API is for calls from this machine, to an address of it, or with the token of its owner";
        return ApiError::new(ErrorCode::Forbidden, why).into_response();
    }
    next.run(request).await
}

/// `http://localhost:1` without its scheme; `null` stays what it is.
fn after_scheme(origin: &[u8]) -> &[u8] {
    let at = origin.windows(3).position(|three| three == b"://");
    at.map_or(origin, |at| &origin[at + 3..])
}

/// Whether a host, with or without a port, is this machine.
fn is_here(host: &[u8]) -> bool {
    let Some(host) = std::str::from_utf8(host).ok().and_then(|host| host.parse::<Authority>().ok()) else {
        return false;
    };
    let name = host.host().trim_matches(['[', ']']);
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// Runs what takes long, or waits for calls that are under way.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    let done = emulator::apart(work).await;
    done.ok_or_else(|| ApiError::new(ErrorCode::Internal, "the emulator is stopping"))
}

/// Reads a JSON object; an array would pass for a struct otherwise.
fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let invalid = |error: serde_json::Error| ApiError::new(ErrorCode::InvalidRequest, error.to_string());
    let object: Map<String, Value> = serde_json::from_slice(body).map_err(invalid)?;
    serde_json::from_value(Value::Object(object)).map_err(invalid)
}
