//! What a tool works with: the gateway on the caller's behalf, and ways back to the client.

use std::sync::Arc;
use std::time::Duration;

use airtable_api::BaseId;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::{Peer, RoleServer};
use serde_json::Value;
use service_kit::auth::Bases;
use tokio::time::Instant;

use crate::arguments::Arguments;
use crate::error::{Code, ToolError};
use crate::gateway::Asker;
use crate::names::{self, quoted};
use crate::schema::{BaseSchema, Table};
use crate::seal::Sealer;

/// How long a tool may take, unless the caller allows less: a large table is read at five pages a second.
pub(crate) const TIME: Duration = Duration::from_secs(285);

/// Time to say what happened before the edge cuts the request off without a word.
const MARGIN: Duration = Duration::from_millis(100);

/// What one call of a tool works with.
pub(crate) struct Context {
    pub(crate) asker: Asker,
    /// Tells callers apart in what is sealed.
    pub(crate) caller: Arc<str>,
    pub(crate) sealer: Sealer,
    pub(crate) progress: Progress,
}

/// A table that a call is about.
pub(crate) struct Place {
    pub(crate) base: BaseId,
    pub(crate) schema: Arc<BaseSchema>,
    table: usize,
}

/// What a tool answers.
#[derive(Debug)]
pub(crate) struct Output {
    /// For models and people.
    pub(crate) text: String,
    /// For programs; fits the tool's output schema.
    pub(crate) structured: Value,
    /// Why it is an error all the same, if it is.
    pub(crate) problem: Option<Code>,
}

/// Tells the client how far a call is, if it wants to know.
#[derive(Clone)]
pub(crate) struct Progress {
    peer: Peer<RoleServer>,
    token: Option<ProgressToken>,
}

impl Output {
    pub(crate) fn new(text: impl Into<String>, structured: Value) -> Self {
        Self { text: text.into(), structured, problem: None }
    }
}

impl Progress {
    pub(crate) fn new(peer: Peer<RoleServer>, token: Option<ProgressToken>) -> Self {
        Self { peer, token }
    }

    /// `done` must grow from call to call.
    pub(crate) async fn report(&self, done: usize, total: Option<usize>, message: String) {
        let Some(token) = self.token.clone() else { return };
        let mut note = ProgressNotificationParam::new(token, done as f64).with_message(message);
        if let Some(total) = total {
            note = note.with_total(total as f64);
        }
        // A client that is gone is noticed by the call itself.
        let _ = self.peer.notify_progress(note).await;
    }
}

impl Place {
    pub(crate) fn table(&self) -> &Table {
        &self.schema.tables[self.table]
    }
}

impl Context {
    /// The base that the arguments name, by id or name, and its schema; the only base within reach if they name none.
    pub(crate) async fn base(&self, arguments: &Arguments) -> Result<(BaseId, Arc<BaseSchema>), ToolError> {
        let wanted = arguments.text("base").map(str::trim).filter(|text| !text.is_empty());
        let base = match wanted {
            Some(text) => match BaseId::parse(text) {
                Ok(id) => match self.asker.schema(&id).await {
                    Ok(schema) => return Ok((id, schema)),
                    Err(error) if matches!(error.code, Code::Forbidden | Code::NotFound) => {
                        // A name may look like an id.
                        self.named(text).await?
                    }
                    Err(error) => return Err(error),
                },
                Err(_) => self.named(text).await?,
            },
            None => self.only_base().await?,
        };
        let schema = self.asker.schema(&base).await?;
        Ok((base, schema))
    }

    /// Base, schema and table of a call that names a table.
    pub(crate) async fn place(&self, arguments: &Arguments) -> Result<Place, ToolError> {
        let (base, schema) = self.base(arguments).await?;
        let wanted = arguments.text("table").unwrap_or_default();
        let id = schema.table(wanted)?.id.clone();
        let table = schema.tables.iter().position(|table| table.id == id).unwrap_or_default();
        Ok(Place { base, schema, table })
    }

    /// The base of this name among those within reach.
    async fn named(&self, wanted: &str) -> Result<BaseId, ToolError> {
        let bases = self.asker.bases().await?;
        match names::find("base", " within reach of this API key", wanted, &bases) {
            Ok(base) => Ok(base.id.clone()),
            // Ids help those who gave one.
            Err(error)
                if error.code == Code::NotFound && BaseId::parse(wanted).is_ok() && !bases.is_empty() =>
            {
                let message = format!("there is no base {} within reach of this API key", quoted(wanted));
                Err(ToolError::new(Code::NotFound, message)
                    .then(format!("There are: {}", names::with_ids(&bases))))
            }
            Err(error) => Err(error),
        }
    }

    async fn only_base(&self) -> Result<BaseId, ToolError> {
        if let Some(Bases::Only(ids)) = self.asker.principal().map(|principal| &principal.bases)
            && let (1, Some(id)) = (ids.len(), ids.first())
            && let Ok(id) = BaseId::parse(id)
        {
            return Ok(id);
        }
        let bases = self.asker.bases().await?;
        match &bases[..] {
            [one] => Ok(one.id.clone()),
            [] => Err(ToolError::new(Code::NotFound, "this API key reaches no base")),
            _ => Err(ToolError::invalid(format!(
                "several bases are within reach, so the argument base must name one: {}",
                names::with_ids(&bases)
            ))),
        }
    }
}

/// When a call that begins now has to end, if its client allows it so long.
pub(crate) fn deadline(allowed: Option<Instant>) -> Instant {
    let ours = Instant::now() + TIME;
    allowed.map_or(ours, |allowed| allowed.checked_sub(MARGIN).unwrap_or(allowed).min(ours))
}
