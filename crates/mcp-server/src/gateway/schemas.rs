use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use airtable_api::BaseId;
use http::HeaderValue;
use tokio::time::Instant;

use super::Credential;
use crate::schema::BaseSchema;

/// Bases whose parsed schema is kept; beyond it all are forgotten, which costs one parse each.
const MOST: usize = 256;

/// Callers and bases whose last answer is remembered.
const MOST_ASKED: usize = 4096;

/// How long the same caller is not asked about again: less than a revoked key stays good elsewhere, and much less than the
/// gateway keeps a schema.
const GOOD_FOR: Duration = Duration::from_secs(2);

type Known = (HeaderValue, Arc<BaseSchema>);

/// Parsed schemas by the tag that the gateway gave their text. Nothing is served from here unless the gateway, asked with
/// this caller's rights, said a moment ago that it is so.
#[derive(Default)]
pub(super) struct Schemas {
    known: Mutex<HashMap<BaseId, Known>>,
    asked: Mutex<HashMap<(Arc<str>, BaseId), Asked>>,
}

/// What the gateway said to one caller.
#[derive(Clone)]
struct Asked {
    credential: Credential,
    at: Instant,
    schema: Arc<BaseSchema>,
    is_emulated: bool,
}

impl Schemas {
    /// What this very caller, with these very rights, was told a moment ago, and whether that was emulated.
    pub(super) fn recent(&self, credential: &Credential, base: &BaseId) -> Option<(Arc<BaseSchema>, bool)> {
        let asked = lock(&self.asked).get(&(credential.name(), base.clone())).cloned()?;
        let is_good = asked.at.elapsed() < GOOD_FOR && asked.credential.is_same(credential);
        is_good.then_some((asked.schema, asked.is_emulated))
    }

    /// Notes what a caller was told.
    pub(super) fn note(
        &self,
        credential: &Credential,
        base: &BaseId,
        schema: Arc<BaseSchema>,
        is_emulated: bool,
    ) {
        let mut asked = lock(&self.asked);
        if asked.len() >= MOST_ASKED {
            asked.clear();
        }
        let entry = Asked { credential: credential.clone(), at: Instant::now(), schema, is_emulated };
        asked.insert((credential.name(), base.clone()), entry);
    }

    /// After a write, which may have added choices.
    pub(super) fn forget(&self, base: &BaseId) {
        lock(&self.asked).retain(|(_, of), _| of != base);
    }

    pub(super) fn get(&self, base: &BaseId) -> Option<Known> {
        lock(&self.known).get(base).cloned()
    }

    pub(super) fn put(&self, base: &BaseId, tag: HeaderValue, schema: Arc<BaseSchema>) {
        let mut known = lock(&self.known);
        if known.len() >= MOST && !known.contains_key(base) {
            known.clear();
        }
        known.insert(base.clone(), (tag, schema));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
