//! What handlers share.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::idempotency::Idempotency;
use crate::models::Models;
use crate::runner::Runner;
use crate::sessions::Sessions;

/// What handlers share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct AppState {
    pub runner: Runner,
    pub sessions: Sessions,
    pub models: Models,
    pub idempotency: Idempotency,
    pub settings: Arc<Shared>,
}

/// Settings that handlers need.
pub(crate) struct Shared {
    pub listen: SocketAddr,
    pub max_output_tokens: u32,
    pub thinking_budget: Option<u32>,
    /// The model is a stand-in.
    pub emulated: bool,
}
