//! What the API does with webhooks: create, list, toggle, refresh, delete, and read payloads.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::hook::{Hook, LIFE, Payloads};
use super::kept::{all_documents, hook_document, payload_document};
use super::{Webhooks, specification};
use crate::airtable::access::Grant;
use crate::airtable::errors::AirtableError;
use crate::airtable::fields::date;
use crate::airtable::ids::WebhookId;
use crate::airtable::model::Base;
use crate::airtable::query::Query;

/// Hooks that one integration may have in a base.
const MOST_OF_INTEGRATION: usize = 2;

/// Payloads on a page.
const MAX_PAYLOADS: u64 = 50;

/// What is done with webhooks. All but `Create` are in good shape.
#[derive(Debug)]
pub(crate) enum Wanted {
    List,
    Create(Map<String, Value>),
    Delete(WebhookId),
    Toggle { id: WebhookId, enable: bool },
    Refresh(WebhookId),
    Payloads { id: WebhookId, cursor: u64, limit: u64 },
}

impl Wanted {
    pub(crate) fn toggle(id: WebhookId, body: &Map<String, Value>) -> Result<Self, AirtableError> {
        match (body.len(), body.get("enable")) {
            (1, Some(Value::Bool(enable))) => Ok(Self::Toggle { id, enable: *enable }),
            _ => Err(AirtableError::invalid_request()),
        }
    }

    pub(crate) fn payloads(id: WebhookId, query: &Query) -> Result<Self, AirtableError> {
        let number = |name: &str, default: u64, most: u64| match query.scalar(name)? {
            None | Some("") => Ok(default),
            Some(text) => text
                .parse()
                .ok()
                .filter(|number| (1..=most).contains(number))
                .ok_or_else(AirtableError::invalid_request),
        };
        Ok(Self::Payloads {
            id,
            cursor: number("cursor", 1, u64::MAX)?,
            limit: number("limit", MAX_PAYLOADS, MAX_PAYLOADS)?,
        })
    }

    /// Whether it takes the role of a creator.
    pub(crate) fn changes_hooks(&self) -> bool {
        !matches!(self, Self::List | Self::Payloads { .. })
    }
}

/// Who asks, and when (in milliseconds since 1970).
pub(crate) struct Asker<'a> {
    pub(crate) grant: &'a Grant,
    /// How many hooks a base may have.
    pub(crate) most: usize,
    pub(crate) now: i64,
}

impl Webhooks {
    /// Does what is wanted.
    pub(crate) fn answer(
        &mut self,
        wanted: &Wanted,
        base: &Base,
        asker: &Asker<'_>,
    ) -> Result<Value, AirtableError> {
        self.let_go(base, asker.now);
        let mut documents = Vec::new();
        let answer = self.answer_noting(wanted, base, asker, &mut documents);
        self.note(documents);
        answer
    }

    /// Forgets what is too old: a hook a week after it has expired, and payloads.
    fn let_go(&mut self, base: &Base, now: i64) {
        let Some(of_base) = self.live.get_mut(&base.id) else { return };
        let transactions = of_base.transactions;
        let mut documents = Vec::new();
        of_base.hooks.retain_mut(|hook| {
            let stays = now < hook.expires + LIFE;
            if !stays {
                documents.extend(all_documents(base.id, hook, transactions, false));
                return false;
            }
            let pruned = hook.payloads.prune(now);
            if !pruned.is_empty() {
                documents.extend(pruned.map(|number| payload_document(base.id, hook, number, None)));
                documents.push(hook_document(base.id, hook, transactions));
            }
            true
        });
        self.note(documents);
    }

    fn answer_noting(
        &mut self,
        wanted: &Wanted,
        base: &Base,
        asker: &Asker<'_>,
        documents: &mut Vec<super::Document>,
    ) -> Result<Value, AirtableError> {
        let of_base = self.live.entry(base.id).or_default();
        let transactions = of_base.transactions;
        let integration = asker.grant.client.as_deref();
        let now = asker.now;
        let has_scopes = |specification: &specification::Specification| {
            let held = specification.scopes().all(|scope| asker.grant.has(scope));
            if held { Ok(()) } else { Err(AirtableError::not_found_or_not_allowed()) }
        };
        let find = |id: WebhookId, hooks: &[Hook]| {
            let found = hooks.iter().position(|hook| hook.id == id && hook.is_seen_by(integration));
            found.ok_or_else(AirtableError::webhook_not_found)
        };
        match wanted {
            Wanted::List => {
                let seen = of_base.hooks.iter().filter(|hook| hook.is_seen_by(integration));
                let list: Vec<_> = seen.map(|hook| hook.json(now)).collect();
                Ok(json!({"webhooks": list}))
            }
            Wanted::Create(body) => {
                let (notification_url, specification) = specification::read(body, base)?;
                has_scopes(&specification)?;
                if of_base.hooks.len() >= asker.most {
                    return Err(AirtableError::too_many_webhooks(asker.most));
                }
                let own = of_base.hooks.iter().filter(|hook| hook.is_seen_by(integration)).count();
                if integration.is_some() && own >= MOST_OF_INTEGRATION {
                    return Err(AirtableError::too_many_webhooks_of_integration(MOST_OF_INTEGRATION));
                }
                let secret: [u8; 32] = rand::random();
                let hook = Hook {
                    id: WebhookId::mint(),
                    place: of_base.hooks.last().map_or(0, |hook| hook.place + 1),
                    owner: integration.map(Into::into),
                    secret,
                    last_success: None,
                    last_result: Value::Null,
                    notifies: notification_url.is_some(),
                    notification_url,
                    works: true,
                    expires: now + LIFE,
                    specification: Arc::new(specification),
                    payloads: Payloads::from_number(1),
                };
                let answer = json!({
                    "id": hook.id.to_string(),
                    "macSecretBase64": STANDARD.encode(secret),
                    "expirationTime": date::iso(hook.expires),
                });
                documents.push(hook_document(base.id, &hook, transactions));
                of_base.hooks.push(hook);
                Ok(answer)
            }
            Wanted::Delete(id) => {
                let hook = of_base.hooks.remove(find(*id, &of_base.hooks)?);
                documents.extend(all_documents(base.id, &hook, transactions, false));
                Ok(json!({}))
            }
            Wanted::Toggle { id, enable } => {
                let at = find(*id, &of_base.hooks)?;
                let hook = &mut of_base.hooks[at];
                if std::mem::replace(&mut hook.notifies, *enable) != *enable {
                    // Whoever switches it on wants to hear of what comes next.
                    self.retried.remove(&(base.id, *id));
                }
                documents.push(hook_document(base.id, hook, transactions));
                Ok(json!({}))
            }
            Wanted::Refresh(id) => {
                let at = find(*id, &of_base.hooks)?;
                let hook = &mut of_base.hooks[at];
                if hook.is_enabled(now) {
                    hook.expires = now + LIFE;
                    documents.push(hook_document(base.id, hook, transactions));
                }
                Ok(json!({"expirationTime": date::iso(hook.expires)}))
            }
            Wanted::Payloads { id, cursor, limit } => {
                let at = find(*id, &of_base.hooks)?;
                let hook = &mut of_base.hooks[at];
                has_scopes(&hook.specification)?;
                if hook.is_enabled(now) && hook.expires != now + LIFE {
                    hook.expires = now + LIFE;
                    documents.push(hook_document(base.id, hook, transactions));
                }
                let mut next = *cursor;
                let mut page = Vec::new();
                for (number, payload) in hook.payloads.from(*cursor).take(*limit as usize) {
                    next = number + 1;
                    page.push(serde_json::from_str::<Value>(&payload.text).unwrap_or_default());
                }
                // Not by the numbers given: all that came later may be too old already.
                let more = hook.payloads.from(next).next().is_some();
                Ok(json!({"payloads": page, "cursor": next, "mightHaveMore": more}))
            }
        }
    }
}
