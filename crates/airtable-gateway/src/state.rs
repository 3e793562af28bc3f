//! What handlers share.

use std::sync::Arc;

use service_kit::auth::Authenticator;

use crate::caller::Callers;
use crate::reads::Reads;
use crate::stats::Stats;
use crate::upstream::Upstream;
use crate::writes::Writes;

/// What handlers share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct AppState {
    pub authenticator: Authenticator,
    pub callers: Callers,
    pub reads: Reads,
    pub writes: Writes,
    pub upstream: Upstream,
    pub stats: Arc<Stats>,
}
