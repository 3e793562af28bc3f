//! Webhooks: who wants to know of which changes, and the payloads that tell of them.
//!
//! They live in memory, beside the bases. A payload is made when the change is, while the base is still locked, and gets
//! the hook's next number: cursors have no gaps.

mod changes;
mod ping;
mod specification;
mod told;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

pub(crate) use self::changes::Transaction;
pub(crate) use self::ping::Ping;
use self::specification::Specification;
use super::access::Grant;
use super::errors::AirtableError;
use super::fields::date;
use super::ids::{BaseId, WebhookId};
use super::model::Base;
use super::query::Query;

/// Hooks that one integration may have in a base.
/// Source: <https://airtable.com/developers/web/api/webhooks-overview>.
const MOST_OF_INTEGRATION: usize = 2;

/// Payloads on a page.
const MAX_PAYLOADS: u64 = 50;

/// Payloads of one hook that are kept, so that one that nobody reads does not grow for ever.
const MOST_KEPT: usize = 50_000;

/// How long a hook lives without being refreshed, and a payload at all, in milliseconds.
const LIFE: i64 = 7 * 24 * 60 * 60 * 1000;

/// Where a change comes from; others than these do not happen here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Source {
    PublicApi,
    /// Airtable's own interface.
    Client,
    Sync,
}

impl Source {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PublicApi => "publicApi",
            Self::Client => "client",
            Self::Sync => "sync",
        }
    }
}

/// What is done with webhooks; `from_…` checks its shape.
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

/// A webhook. Times are milliseconds since 1970.
struct Hook {
    id: WebhookId,
    /// The integration that made it; `None`: it was made with a personal token.
    owner: Option<Arc<str>>,
    secret: [u8; 32],
    notification_url: Option<String>,
    notifies: bool,
    /// `false` for good: what it watched is gone.
    works: bool,
    expires: i64,
    specification: Specification,
    last_success: Option<String>,
    last_result: Value,
    payloads: VecDeque<(i64, Value)>,
    /// The number of the first payload that is still kept.
    first: u64,
}

impl Hook {
    /// Integrations see their own hooks only.
    fn is_seen_by(&self, integration: Option<&str>) -> bool {
        integration.is_none_or(|integration| self.owner.as_deref() == Some(integration))
    }

    fn is_enabled(&self, now: i64) -> bool {
        self.works && now < self.expires
    }

    fn next_number(&self) -> u64 {
        self.first + self.payloads.len() as u64
    }

    fn push(&mut self, now: i64, payload: Value) {
        self.payloads.push_back((now, payload));
        while self.payloads.len() > MOST_KEPT
            || self.payloads.front().is_some_and(|(made, _)| made + LIFE < now)
        {
            self.payloads.pop_front();
            self.first += 1;
        }
    }

    fn json(&self, now: i64) -> Value {
        json!({
            "id": self.id.to_string(),
            "areNotificationsEnabled": self.notifies,
            "cursorForNextPayload": self.next_number(),
            "isHookEnabled": self.is_enabled(now),
            "lastSuccessfulNotificationTime": self.last_success,
            "notificationUrl": self.notification_url,
            "expirationTime": date::iso(self.expires),
            "lastNotificationResult": self.last_result,
            "specification": {"options": self.specification.json},
        })
    }
}

#[derive(Default)]
struct OfBase {
    transactions: u64,
    hooks: Vec<Hook>,
}

/// All webhooks.
#[derive(Default)]
pub(crate) struct Webhooks(HashMap<BaseId, OfBase>);

impl Webhooks {
    /// Whether changes of the base have to be told.
    pub(crate) fn watch(&self, base: BaseId) -> bool {
        self.0.get(&base).is_some_and(|of_base| !of_base.hooks.is_empty())
    }

    pub(crate) fn reset(&mut self) {
        self.0.clear();
    }

    /// Tells the hooks of a base what a write has changed in it; gives those that want to be pinged.
    pub(crate) fn tell(&mut self, transaction: &Transaction<'_>) -> Vec<Ping> {
        let mut pings = Vec::new();
        let Some(of_base) = self.0.get_mut(&transaction.after.id) else { return pings };
        let now = transaction.actor.now.as_millisecond();
        let changes = transaction.changes();
        if changes.is_empty() {
            return pings;
        }
        of_base.transactions += 1;
        for hook in of_base.hooks.iter_mut().filter(|hook| hook.is_enabled(now)) {
            let told = match hook.specification.still_holds(transaction.after) {
                true if !hook.specification.wants_source(transaction.source) => continue,
                true => match changes.told(&hook.specification) {
                    Some(told) => told,
                    None => continue,
                },
                false => {
                    hook.works = false;
                    Map::from_iter([
                        ("error".to_owned(), json!(true)),
                        ("code".to_owned(), json!("INVALID_FILTERS")),
                    ])
                }
            };
            let mut payload = transaction.envelope(of_base.transactions);
            payload.extend(told);
            hook.push(now, Value::Object(payload));
            if let Some(url) = hook.notification_url.clone().filter(|_| hook.notifies) {
                pings.push(Ping { base: transaction.after.id, hook: hook.id, url, secret: hook.secret });
            }
        }
        pings
    }

    /// Notes what became of a ping. After the last attempt that failed, the hook is not pinged any more.
    pub(crate) fn note(&mut self, ping: &Ping, result: Value) {
        let hooks = self.0.get_mut(&ping.base).map(|of_base| &mut of_base.hooks);
        let Some(hook) = hooks.and_then(|hooks| hooks.iter_mut().find(|hook| hook.id == ping.hook)) else {
            return;
        };
        if result["success"] == true {
            hook.last_success = result["completionTimestamp"].as_str().map(str::to_owned);
        } else if result["willBeRetried"] == false {
            hook.notifies = false;
        }
        hook.last_result = result;
    }

    /// Does what is wanted by the holder of `grant`; `most` is how many hooks a base may have.
    pub(crate) fn answer(
        &mut self,
        wanted: &Wanted,
        base: &Base,
        grant: &Grant,
        most: usize,
        now: i64,
    ) -> Result<Value, AirtableError> {
        let of_base = self.0.entry(base.id).or_default();
        // A week after it has expired, a hook is gone.
        of_base.hooks.retain(|hook| now < hook.expires + LIFE);
        let integration = grant.client.as_deref();
        let find = |id: WebhookId, hooks: &[Hook]| {
            let found = hooks.iter().position(|hook| hook.id == id && hook.is_seen_by(integration));
            found.ok_or_else(AirtableError::webhook_not_found)
        };
        match wanted {
            Wanted::List => {
                let seen = of_base.hooks.iter().filter(|hook| hook.is_seen_by(integration));
                Ok(json!({"webhooks": seen.map(|hook| hook.json(now)).collect::<Vec<_>>()}))
            }
            Wanted::Create(body) => {
                let (notification_url, specification) = specification::read(body, base)?;
                if !specification.scopes().all(|scope| grant.has(scope)) {
                    return Err(AirtableError::not_found_or_not_allowed());
                }
                if of_base.hooks.len() >= most {
                    return Err(AirtableError::too_many_webhooks(most));
                }
                let own = of_base.hooks.iter().filter(|hook| hook.is_seen_by(integration)).count();
                if integration.is_some() && own >= MOST_OF_INTEGRATION {
                    return Err(AirtableError::too_many_webhooks_of_integration(MOST_OF_INTEGRATION));
                }
                let secret: [u8; 32] = rand::random();
                let hook = Hook {
                    id: WebhookId::mint(),
                    owner: grant.client.clone(),
                    secret,
                    last_success: None,
                    last_result: Value::Null,
                    notifies: notification_url.is_some(),
                    notification_url,
                    works: true,
                    expires: now + LIFE,
                    specification,
                    payloads: VecDeque::new(),
                    first: 1,
                };
                let answer = json!({
                    "id": hook.id.to_string(),
                    "macSecretBase64": STANDARD.encode(secret),
                    "expirationTime": date::iso(hook.expires),
                });
                of_base.hooks.push(hook);
                Ok(answer)
            }
            Wanted::Delete(id) => {
                let at = find(*id, &of_base.hooks)?;
                of_base.hooks.remove(at);
                Ok(json!({}))
            }
            Wanted::Toggle { id, enable } => {
                let at = find(*id, &of_base.hooks)?;
                of_base.hooks[at].notifies = *enable;
                Ok(json!({}))
            }
            Wanted::Refresh(id) => {
                let at = find(*id, &of_base.hooks)?;
                let hook = &mut of_base.hooks[at];
                if hook.is_enabled(now) {
                    hook.expires = now + LIFE;
                }
                Ok(json!({"expirationTime": date::iso(hook.expires)}))
            }
            Wanted::Payloads { id, cursor, limit } => {
                let at = find(*id, &of_base.hooks)?;
                let hook = &mut of_base.hooks[at];
                if !hook.specification.scopes().all(|scope| grant.has(scope)) {
                    return Err(AirtableError::not_found_or_not_allowed());
                }
                if hook.is_enabled(now) {
                    hook.expires = now + LIFE;
                }
                let skipped = cursor.saturating_sub(hook.first) as usize;
                let page: Vec<_> = hook.payloads.iter().skip(skipped).take(*limit as usize).collect();
                let start = (*cursor).max(hook.first);
                let next = if page.is_empty() { *cursor } else { start + page.len() as u64 };
                let payloads: Vec<_> = page.into_iter().map(|(_, payload)| payload.clone()).collect();
                Ok(json!({"payloads": payloads, "cursor": next, "mightHaveMore": next < hook.next_number()}))
            }
        }
    }
}
