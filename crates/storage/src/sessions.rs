use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde_json::Value;

use crate::{StorageError, UsageFilter, UsageRecord, UsageTotals};

/// A conversation. Times have millisecond precision. Ids and owners hold no NUL.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionRecord {
    pub id: String,
    /// The id of the API key whose session it is.
    pub owner: String,
    /// Whatever its service notes about it.
    pub metadata: Value,
    pub created_at: SystemTime,
    /// When something was appended last.
    pub updated_at: SystemTime,
    /// The number of its latest event; 0: it has none.
    pub last_seq: u64,
}

/// Something that happened in a session, to be appended.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    pub kind: String,
    /// Comes back with its members in the order they have here.
    pub body: Value,
}

/// Something that happened in a session. Never changes.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRecord {
    /// 1, 2, 3, … within its session.
    pub seq: u64,
    pub kind: String,
    pub body: Value,
    /// By the store's clock.
    pub at: SystemTime,
}

/// The outcome of asking for the right to work on a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// It is the asker's until its time is over.
    Held,
    /// Somebody else has it, for so long unless it is renewed or released.
    Busy { holder: String, remaining: Duration },
}

/// Keeps sessions, what happened in them, and what that used.
///
/// A session only grows. What a call has acknowledged is durable: it survives the process, and the machine as far as its
/// disk does.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Adds a session without events, whatever `session.last_seq` says; `StorageError::Exists` if its id is taken.
    async fn create(&self, session: &SessionRecord) -> Result<(), StorageError>;

    /// The session of this id, whoever owns it.
    async fn find(&self, id: &str) -> Result<Option<SessionRecord>, StorageError>;

    /// One owner's sessions, the latest updated first, at most `limit`. `before` is the last one's `updated_at` and id
    /// of the page before.
    async fn list(
        &self,
        owner: &str,
        before: Option<(SystemTime, String)>,
        limit: u32,
    ) -> Result<Vec<SessionRecord>, StorageError>;

    /// Removes a session and its events; what it used stays counted. `false`: there is none.
    async fn delete(&self, id: &str) -> Result<bool, StorageError>;

    /// Appends to a session whose latest event is `after`, all or nothing, and returns the number of its then latest one.
    ///
    /// Usage that is there already (same run and step) is left as it is. `StorageError::Conflict`: the session has
    /// another latest event; `StorageError::Missing`: there is no such session. Nobody knows what became of an append
    /// that failed with `StorageError::Database` or was dropped: `find` tells.
    async fn append(
        &self,
        id: &str,
        after: u64,
        events: &[NewEvent],
        usage: &[UsageRecord],
    ) -> Result<u64, StorageError>;

    /// Events of a session with numbers beyond `after`, in their order, at most `limit`; none if there is no session.
    async fn events(&self, id: &str, after: u64, limit: u32) -> Result<Vec<EventRecord>, StorageError>;

    /// Removes at most `limit` sessions that were last updated before this time and that nobody works on, the oldest
    /// first, and returns how many.
    async fn purge(&self, updated_before: SystemTime, limit: u32) -> Result<u64, StorageError>;

    /// Asks for the right to work on a session for `ttl`, by the store's clock. Who holds it renews it by asking again.
    ///
    /// A holder that died loses it when its time is over. `StorageError::Missing`: there is no such session.
    async fn lease(&self, id: &str, holder: &str, ttl: Duration) -> Result<Lease, StorageError>;

    /// Gives the right back, if this holder has it.
    async fn release(&self, id: &str, holder: &str) -> Result<(), StorageError>;

    /// Sums up what was used.
    async fn usage(&self, filter: &UsageFilter) -> Result<UsageTotals, StorageError>;
}
