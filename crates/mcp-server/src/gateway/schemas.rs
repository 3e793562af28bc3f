use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use airtable_api::BaseId;
use http::HeaderValue;

use crate::schema::BaseSchema;

/// Bases whose parsed schema is kept; beyond it all are forgotten, which costs one parse each.
const MOST: usize = 256;

type Known = (HeaderValue, Arc<BaseSchema>);

/// Parsed schemas by the tag that the gateway gave their text. Nothing is served from here unless the gateway, asked with
/// the caller's rights, says that it is still so.
#[derive(Default)]
pub(super) struct Schemas {
    known: Mutex<HashMap<BaseId, Known>>,
}

impl Schemas {
    pub(super) fn get(&self, base: &BaseId) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(base).cloned()
    }

    pub(super) fn put(&self, base: &BaseId, tag: HeaderValue, schema: Arc<BaseSchema>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST && !known.contains_key(base) {
            known.clear();
        }
        known.insert(base.clone(), (tag, schema));
    }
}
