//! Sessions: a conversation from its events, and the right to work on it.

mod holder;
mod lease;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use service_kit::auth::Principal;
use service_kit::{ApiError, ErrorCode};
use storage::{EventRecord, SessionRecord, SessionStore, StorageError, UsageRecord};
use tracing::{info, warn};
use uuid::Uuid;

use crate::events::Event;
use crate::turn::History;
pub(crate) use lease::Held;

/// Events are read in pages of this size.
const PAGE: u32 = 500;
/// How often old sessions are looked for, and how many are removed at a time.
const PURGE_EVERY: Duration = Duration::from_secs(600);
const PURGE_AT_ONCE: u32 = 500;
/// Sessions that are looked through for one that a client without a session means.
const SEARCH: u32 = 100;
/// A question is followed by the end of its run and nothing else, as long as it waits.
const TAIL: u32 = 4;

/// The sessions of this service. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sessions {
    pub(crate) store: Arc<dyn SessionStore>,
    /// Names this process among those that share the store.
    holder: Arc<str>,
    /// Sessions with a run in this process, and that run's id.
    running: Arc<Mutex<HashMap<String, String>>>,
}

/// A session that this process works on.
pub(crate) struct OpenSession {
    pub id: String,
    pub history: History,
    log: Log,
    pub lease: Held,
}

/// The end of a session's events, where more are appended.
pub(crate) struct Log {
    sessions: Sessions,
    session: String,
    last_seq: u64,
    /// Not made yet: with the first events it is.
    draft: Option<SessionRecord>,
}

impl Sessions {
    pub(crate) fn new(store: Arc<dyn SessionStore>) -> Self {
        Self { store, holder: holder::name().into(), running: Arc::default() }
    }

    /// Makes a session with an id of ours, or of the caller's.
    pub(crate) async fn create(
        &self,
        owner: &Principal,
        id: Option<String>,
        metadata: Value,
    ) -> Result<SessionRecord, ApiError> {
        let record = Self::draft(owner, id, metadata);
        match self.store.create(&record).await {
            Ok(()) => Ok(record),
            // Somebody else's, or made a moment ago by a request of the same caller.
            Err(StorageError::Exists { .. }) => self.find(owner, &record.id).await,
            Err(error) => Err(error.into()),
        }
    }

    /// A session that nobody has made yet.
    pub(crate) fn draft(owner: &Principal, id: Option<String>, metadata: Value) -> SessionRecord {
        let now = SystemTime::now();
        SessionRecord {
            id: id.unwrap_or_else(|| Uuid::now_v7().to_string()),
            owner: owner.key_id.to_string(),
            metadata,
            created_at: now,
            updated_at: now,
            last_seq: 0,
        }
    }

    /// One of the caller's own sessions. Others' are as good as not there.
    pub(crate) async fn find(&self, owner: &Principal, id: &str) -> Result<SessionRecord, ApiError> {
        let found = self.store.find(id).await?;
        found.filter(|session| *session.owner == *owner.key_id).ok_or_else(no_such_session)
    }

    /// Begins work on a session: nobody else may until the lease is given back.
    pub(crate) async fn open(&self, record: SessionRecord, run: &str) -> Result<OpenSession, ApiError> {
        let lease = Held::take(self, &record.id, run).await?;
        let (history, last_seq) = match self.read(&record).await {
            Ok(read) => read,
            Err(error) => {
                lease.give_back().await;
                return Err(error);
            }
        };
        let log = Log { sessions: self.clone(), session: record.id.clone(), last_seq, draft: None };
        Ok(OpenSession { id: record.id, history, log, lease })
    }

    /// Begins work on a session that is made, and leased, together with its first events: the model need not wait for it.
    pub(crate) fn open_draft(&self, draft: SessionRecord, run: &str) -> Result<OpenSession, ApiError> {
        let lease = Held::of_draft(self, &draft.id, run)?;
        let history = History::named(call_prefix(&draft.id));
        let id = draft.id.clone();
        let log = Log { sessions: self.clone(), session: id.clone(), last_seq: 0, draft: Some(draft) };
        Ok(OpenSession { id, history, log, lease })
    }

    /// The conversation, and the number of its latest event.
    pub(crate) async fn read(&self, record: &SessionRecord) -> Result<(History, u64), ApiError> {
        let mut history = History::named(call_prefix(&record.id));
        let mut last_seq = 0;
        loop {
            let page = self.store.events(&record.id, last_seq, PAGE).await?;
            let is_last = page.len() < PAGE as usize;
            for event in page {
                last_seq = event.seq;
                history.apply(&understand(event)?);
            }
            if is_last {
                return Ok((history, last_seq));
            }
        }
    }

    /// The caller's session of late whose latest run asked the user this question, which nobody has answered.
    pub(crate) async fn asking(
        &self,
        owner: &Principal,
        since: SystemTime,
        question: &str,
    ) -> Result<Option<SessionRecord>, ApiError> {
        let sessions = self.store.list(&owner.key_id, None, SEARCH).await?;
        for session in sessions.into_iter().filter(|session| session.updated_at >= since) {
            // Whole conversations may be large, and others than the one that is meant may be unreadable.
            let after = session.last_seq.saturating_sub(TAIL.into());
            let asks =
                self.store.events(&session.id, after, TAIL).await?.into_iter().fold(false, |asks, event| {
                    match Event::read(event) {
                        Ok(Event::ApprovalRequested(event)) => event.approval.id == question,
                        Ok(Event::ApprovalDecided(_)) => false,
                        _ => asks,
                    }
                });
            if asks {
                return Ok(Some(session));
            }
        }
        Ok(None)
    }

    /// Removes sessions that were not used for `life`, now and then, until the process ends.
    pub(crate) async fn purge_old(self, life: Duration, stop: service_kit::serve::Shutdown) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(PURGE_EVERY) => {}
                () = stop.requested() => return,
            }
            match self.purge(life, SystemTime::now()).await {
                Ok(0) => {}
                Ok(count) => info!(sessions = count, "removed {count} sessions that nobody used any more"),
                Err(error) => warn!("old sessions were not removed: {error}"),
            }
        }
    }

    async fn purge(&self, life: Duration, now: SystemTime) -> Result<u64, StorageError> {
        match now.checked_sub(life) {
            Some(before) => self.store.purge(before, PURGE_AT_ONCE).await,
            None => Ok(0),
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenSession {
    /// The parts that a run needs apart from each other.
    pub(crate) fn into_parts(self) -> (History, Log, Held) {
        (self.history, self.log, self.lease)
    }
}

impl Log {
    pub(crate) async fn append(
        &mut self,
        events: &[Event],
        usage: &[UsageRecord],
    ) -> Result<(), StorageError> {
        let store = &self.sessions.store;
        if let Some(draft) = &self.draft {
            store.create(draft).await?;
            self.draft = None;
            lease::renew_once(&self.sessions, &self.session).await?;
        }
        let events: Vec<_> = events.iter().map(Event::store).collect();
        self.last_seq = store.append(&self.session, self.last_seq, &events, usage).await?;
        Ok(())
    }
}

/// An event of the store, in this version's words.
pub(crate) fn understand(event: EventRecord) -> Result<Event, ApiError> {
    Event::read(event).map_err(|error| {
        ApiError::new(ErrorCode::Internal, "this session was written by another version and cannot be read")
            .caused_by(error)
    })
}

/// What the ids that clients know calls by begin with: they lead back to a session with an id of ours. Clients that chose the
/// id name the session themselves.
fn call_prefix(session: &str) -> String {
    match Uuid::try_parse(session) {
        Ok(id) => format!("call_{}_", id.simple()),
        Err(_) => "call_".to_owned(),
    }
}

/// The session that a call's id leads to.
pub(crate) fn session_of_call(id: &str) -> Option<String> {
    let (session, _) = id.strip_prefix("call_")?.split_once('_')?;
    Some(Uuid::try_parse(session).ok()?.to_string())
}

pub(crate) fn no_such_session() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "there is no such session")
        .openai("invalid_request_error", "session_not_found")
}

#[cfg(test)]
mod tests {
    use service_kit::auth::{Bases, Scopes};
    use storage::SqliteStore;

    use super::*;

    fn principal() -> Principal {
        Principal { key_id: "abcd1234".into(), name: "Ada".into(), scopes: Scopes::ALL, bases: Bases::All }
    }

    #[tokio::test]
    async fn sessions_end_with_their_time_and_not_while_somebody_works_on_them() {
        let data = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&SqliteStore::path_in(data.path())).await.unwrap();
        let sessions = Sessions::new(Arc::new(store));
        let day = Duration::from_secs(86_400);
        let now = SystemTime::now();
        for (id, age) in [("old", 31), ("new", 29), ("busy", 31)] {
            let mut draft = Sessions::draft(&principal(), Some(id.to_owned()), Value::Null);
            draft.updated_at = now - day * age;
            sessions.store.create(&draft).await.unwrap();
        }
        let busy = sessions.find(&principal(), "busy").await.unwrap();
        let _work = sessions.open(busy, "run_1").await.unwrap();
        assert_eq!(sessions.purge(day * 30, now).await.unwrap(), 1);
        assert!(sessions.find(&principal(), "old").await.is_err());
        assert!(sessions.find(&principal(), "new").await.is_ok());
        assert_eq!(sessions.purge(day * 40_000, now).await.unwrap(), 0, "longer ago than there was time");
    }

    #[test]
    fn a_calls_id_leads_back_to_a_session_of_ours() {
        let id = Uuid::now_v7().to_string();
        assert_eq!(session_of_call(&format!("{}3_0", call_prefix(&id))), Some(id));
        for other in ["call_x", "call_3_0", "fc_1", &format!("{}3_0", call_prefix("my-session"))] {
            assert_eq!(session_of_call(other), None, "{other}");
        }
    }
}
