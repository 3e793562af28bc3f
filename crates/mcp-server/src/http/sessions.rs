//! Sessions of clients before 2026-07-28: each belongs to the key that opened it, and there is an end to their number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::response::{IntoResponse as _, Response};
use futures_util::Stream;
use http::HeaderValue;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::WorkerTransport;
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError, LocalSessionWorker,
};
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionId, SessionManager};
use service_kit::{ApiError, ErrorCode};

/// Sessions of one key; its longest unused one gives way to a new one.
const MOST_PER_KEY: usize = 64;

/// Sessions of all keys.
const MOST: usize = 2048;

/// How long a session may lie unused. Longer than a person thinks about a question that a tool asks.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// The sessions of this process.
#[derive(Debug)]
pub(super) struct Sessions {
    local: LocalSessionManager,
    owners: Mutex<HashMap<String, Owned>>,
}

#[derive(Debug)]
struct Owned {
    by: Arc<str>,
    used: Instant,
}

impl Default for Sessions {
    fn default() -> Self {
        let mut local = LocalSessionManager::default();
        local.session_config.keep_alive = Some(IDLE);
        Self { local, owners: Mutex::default() }
    }
}

impl Sessions {
    /// Notes whose a new session is.
    pub(super) fn own(&self, id: &HeaderValue, by: Arc<str>) {
        if let Ok(id) = id.to_str() {
            self.owners().insert(id.to_owned(), Owned { by, used: Instant::now() });
        }
    }

    /// Whether the session is one of this key's. Counts as a use.
    pub(super) fn is_of(&self, id: &HeaderValue, key_id: &str) -> bool {
        let mut owners = self.owners();
        let owned = id.to_str().ok().and_then(|id| owners.get_mut(id)).filter(|owned| *owned.by == *key_id);
        owned.map(|owned| owned.used = Instant::now()).is_some()
    }

    pub(super) fn forget(&self, id: &HeaderValue) {
        if let Ok(id) = id.to_str() {
            self.owners().remove(id);
        }
    }

    /// Makes sure that one more session of this key can be opened; 503 if there are too many of other keys.
    pub(super) async fn make_room(&self, key_id: &str) -> Result<(), Response> {
        let oldest = {
            let owners = self.owners();
            let own: Vec<_> = owners.iter().filter(|(_, owned)| *owned.by == *key_id).collect();
            match own.iter().min_by_key(|(_, owned)| owned.used) {
                Some((id, _)) if own.len() >= MOST_PER_KEY => Some((*id).clone()),
                _ if owners.len() >= MOST => {
                    let busy = ApiError::new(ErrorCode::Unavailable, "too many sessions are open")
                        .retry_after(Duration::from_secs(30));
                    return Err(busy.into_response());
                }
                _ => None,
            }
        };
        if let Some(id) = oldest {
            let _ = self.close_session(&SessionId::from(id)).await;
        }
        Ok(())
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<String, Owned>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionManager for Sessions {
    type Error = LocalSessionManagerError;
    type Transport = WorkerTransport<LocalSessionWorker>;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        self.local.create_session().await
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        self.local.initialize_session(id, message).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        self.local.has_session(id).await
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        self.owners().remove(id.as_ref() as &str);
        self.local.close_session(id).await
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.local.create_stream(id, message).await
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Self::Error> {
        self.local.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.local.create_standalone_stream(id).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.local.resume(id, last_event_id).await
    }
}
