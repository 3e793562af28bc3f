//! Writes: make older answers unreachable, send, make them unreachable again.
//!
//! The counter is raised before the write is sent, so that no read begun meanwhile is kept for later; and again when
//! its outcome is there, also an unknown one, so that reads begun while it was under way are not kept either. Both
//! happen even if the caller leaves.

use std::sync::Arc;

use airtable_api::SendError;
use async_trait::async_trait;
use bytes::Bytes;
use http::response::Parts;
use tokio::time::Instant;

use crate::call::{Call, Operation};
use crate::caller::Caller;
use crate::payload::Payload;
use crate::stats::Stats;
use crate::upstream::{Around, Outgoing, Trouble, Upstream};
use crate::versions::{Effects, Versions};

/// The writing half of the gateway. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Writes {
    upstream: Upstream,
    versions: Versions,
    stats: Arc<Stats>,
}

struct Raise {
    versions: Versions,
    effects: Effects,
}

#[async_trait]
impl Around for Raise {
    async fn begin(&self) {
        self.versions.raise(&self.effects).await;
    }

    async fn end(&self) {
        self.versions.raise(&self.effects).await;
    }
}

impl Writes {
    /// Shares the counters with [`crate::reads::Reads`].
    pub(crate) fn new(upstream: Upstream, versions: Versions, stats: Arc<Stats>) -> Self {
        Self { upstream, versions, stats }
    }

    /// Makes a call that changes something; `out.body` is not looked at. Any status is an answer.
    pub(crate) async fn write(
        &self,
        caller: &Caller,
        call: &Call,
        out: &Outgoing,
        payload: Payload,
        deadline: Instant,
    ) -> Result<(Parts, Bytes), Trouble> {
        self.stats.write();
        let around = Arc::new(Raise { versions: self.versions.clone(), effects: Effects::of(call) });
        let (head, body) = self.upstream.write(caller, call, out, payload, deadline, around).await?;
        if head.status.is_success() && call.operation == Operation::WriteRecords {
            serde_json::from_slice::<serde::de::IgnoredAny>(&body).map_err(SendError::NotUnderstood)?;
        }
        Ok((head, body))
    }
}
