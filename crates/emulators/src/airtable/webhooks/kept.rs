//! Webhooks written down: in a seed, and in the file of bases as documents, one for each hook and one for each payload.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use airtable_formula::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::hook::{Hook, LIFE, Payloads};
use super::specification::{self, Required};
use super::{OfBase, Webhooks};
use crate::airtable::fields::date;
use crate::airtable::ids::{BaseId, WebhookId};
use crate::airtable::model::Base;

/// A text by its key; `None`: it is no more.
pub(crate) type Document = (String, Option<String>);

/// What a hook has in a seed. The keys that Airtable's list of webhooks has mean the same here.
const KEYS: [&str; 12] = [
    "id",
    "owner",
    "macSecretBase64",
    "notificationUrl",
    "areNotificationsEnabled",
    "isHookEnabled",
    "expirationTime",
    "lastSuccessfulNotificationTime",
    "lastNotificationResult",
    "specification",
    "baseTransactionNumber",
    "cursorForNextPayload",
];

/// Where something is wrong in a hook, such as `payloads[2].timestamp`, and what.
pub(crate) type Wrong = (String, String);

/// The key of a hook's document; keys are in the order of creation, and those of the payloads follow that of their hook.
fn hook_key(base: BaseId, hook: &Hook) -> String {
    format!("webhook {base} {:08}", hook.place)
}

fn payload_key(base: BaseId, hook: &Hook, number: u64) -> String {
    format!("webhook {base} {:08} {number:012}", hook.place)
}

/// The document of a hook, without its payloads.
pub(super) fn hook_document(base: BaseId, hook: &Hook, transactions: u64) -> Document {
    (hook_key(base, hook), Some(definition(hook, transactions).to_string()))
}

pub(super) fn payload_document(base: BaseId, hook: &Hook, number: u64, text: Option<&str>) -> Document {
    (payload_key(base, hook, number), text.map(str::to_owned))
}

/// Everything of a hook, to be kept or to be kept no more.
pub(super) fn all_documents(base: BaseId, hook: &Hook, transactions: u64, kept: bool) -> Vec<Document> {
    let (key, text) = hook_document(base, hook, transactions);
    let mut documents = vec![(key, text.filter(|_| kept))];
    let payloads = hook.payloads.numbered();
    documents.extend(payloads.map(|(number, payload)| {
        payload_document(base, hook, number, Some(&*payload.text).filter(|_| kept))
    }));
    documents
}

/// A hook as a seed has it, without its payloads.
fn definition(hook: &Hook, transactions: u64) -> Value {
    let mut definition = json!({
        "id": hook.id.to_string(),
        "macSecretBase64": STANDARD.encode(hook.secret),
        "notificationUrl": hook.notification_url,
        "areNotificationsEnabled": hook.notifies,
        "isHookEnabled": hook.works,
        "expirationTime": date::iso(hook.expires),
        "lastSuccessfulNotificationTime": hook.last_success,
        "lastNotificationResult": hook.last_result,
        "specification": {"options": hook.specification.json},
        "baseTransactionNumber": transactions,
        "cursorForNextPayload": hook.payloads.next_number(),
    });
    if let Some(owner) = &hook.owner {
        definition["owner"] = owner.to_string().into();
    }
    definition
}

impl Webhooks {
    /// The hooks of a base with all that they were told, as a seed's base has them under `webhooks`.
    pub(crate) fn to_seed(&self, base: BaseId) -> Vec<Value> {
        let Some(of_base) = self.live.get(&base) else { return Vec::new() };
        let entry = |hook: &Hook| {
            let mut entry = definition(hook, of_base.transactions);
            let payload = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
            entry["payloads"] =
                hook.payloads.numbered().map(|(_, told)| payload(&told.text)).collect::<Vec<_>>().into();
            entry
        };
        of_base.hooks.iter().map(entry).collect()
    }

    /// Those that a seed's bases have.
    pub(crate) fn of_seed(hooks: impl IntoIterator<Item = (BaseId, Vec<ReadHook>)>) -> Self {
        let mut live: HashMap<BaseId, OfBase> = HashMap::new();
        for (base, hooks) in hooks.into_iter().filter(|(_, hooks)| !hooks.is_empty()) {
            let of_base = live.entry(base).or_default();
            for (place, read) in hooks.into_iter().enumerate() {
                of_base.transactions = of_base.transactions.max(read.transactions);
                of_base.hooks.push(Hook { place: place as u32, ..read.hook });
            }
        }
        Self { initial: live.clone(), live, ..Self::default() }
    }

    /// All there is, for a file that has none of it.
    pub(crate) fn documents(&self) -> Vec<Document> {
        let of_base = |(base, of_base): (&BaseId, &OfBase)| {
            let documents = |hook| all_documents(*base, hook, of_base.transactions, true);
            of_base.hooks.iter().flat_map(documents).collect::<Vec<_>>()
        };
        self.live.iter().flat_map(of_base).collect()
    }

    /// Those that a file has.
    ///
    /// # Errors
    ///
    /// The key of a document that does not read back.
    pub(crate) fn restore(documents: &BTreeMap<String, String>, bases: &[Base]) -> Result<Self, String> {
        let mut live: HashMap<BaseId, OfBase> = HashMap::new();
        let prefix = "webhook ";
        let ours = documents.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        for (key, text) in ours {
            let damaged = || key.clone();
            let mut parts = key[prefix.len()..].split(' ');
            let base = parts.next().and_then(BaseId::parse).ok_or_else(damaged)?;
            let place = parts.next().and_then(|place| place.parse().ok()).ok_or_else(damaged)?;
            let number =
                parts.next().map(|number| number.parse::<u64>().map_err(|_| damaged())).transpose()?;
            // Of a base that a reset has removed something may be left.
            let Some(base) = bases.iter().find(|own| own.id == base) else { continue };
            let of_base = live.entry(base.id).or_default();
            let Some(number) = number else {
                let value = serde_json::from_str(text).map_err(|_| damaged())?;
                let read = read(&value, base, Timestamp::UNIX_EPOCH, false).map_err(|_| damaged())?;
                of_base.transactions = of_base.transactions.max(read.transactions);
                of_base.hooks.push(Hook { place, ..read.hook });
                continue;
            };
            let value: Value = serde_json::from_str(text).map_err(|_| damaged())?;
            let (made, transaction) = envelope(&value).map_err(|_| damaged())?;
            let hook = of_base.hooks.last_mut().filter(|hook| hook.place == place).ok_or_else(damaged)?;
            if hook.payloads.numbered().next().is_none() {
                hook.payloads = Payloads::from_number(number);
            }
            if hook.payloads.push(made, text.as_str().into()) != number {
                return Err(damaged());
            }
            of_base.transactions = of_base.transactions.max(transaction);
        }
        Ok(Self { initial: live.clone(), live, ..Self::default() })
    }
}

/// A hook as it was written down, and the transactions of its base until then.
pub(crate) struct ReadHook {
    hook: Hook,
    transactions: u64,
}

impl ReadHook {
    pub(crate) fn id(&self) -> WebhookId {
        self.hook.id
    }
}

/// Reads a hook with its payloads, if it has any. What is left out is made up: a new hook expires a week from `now`.
///
/// What a hook watches may have gone since it was written down. With `strict`, that is wrong of a hook that works.
pub(crate) fn read(value: &Value, base: &Base, now: Timestamp, strict: bool) -> Result<ReadHook, Vec<Wrong>> {
    let Some(object) = value.as_object() else {
        return Err(vec![(String::new(), "must be an object".to_owned())]);
    };
    let mut reader = Reader { object, wrong: Vec::new() };
    let read = reader.hook(base, now, strict);
    match read {
        Some(read) if reader.wrong.is_empty() => Ok(read),
        _ => Err(reader.wrong),
    }
}

struct Reader<'v> {
    object: &'v Map<String, Value>,
    wrong: Vec<Wrong>,
}

impl<'v> Reader<'v> {
    fn hook(&mut self, base: &Base, now: Timestamp, strict: bool) -> Option<ReadHook> {
        for key in self.object.keys().filter(|key| *key != "payloads" && !KEYS.contains(&key.as_str())) {
            self.wrong
                .push((key.clone(), format!("is not known here; known are {}, payloads", KEYS.join(", "))));
        }
        let id = self.text("id", WebhookId::parse, "is not ach and 14 letters or digits");
        let secret = self.text(
            "macSecretBase64",
            |text| STANDARD.decode(text).ok()?.try_into().ok(),
            "is not the base64 of 32 bytes",
        );
        let notification_url = self.text("notificationUrl", |url| Some(url.to_owned()), "");
        let works = self.flag("isHookEnabled", true);
        let notifies = self.flag("areNotificationsEnabled", notification_url.is_some());
        let expires =
            self.text("expirationTime", |text| date::iso_instant(text, None), "is not an ISO date and time");
        let last_success = self.text(
            "lastSuccessfulNotificationTime",
            |text| date::iso_instant(text, None).map(|_| text.to_owned()),
            "is not an ISO date and time",
        );
        let last_result = self.object.get("lastNotificationResult").cloned().unwrap_or_default();
        let owner = self.text("owner", |owner| Some(owner.into()), "");
        let options = self.object.get("specification").and_then(|specification| specification.get("options"));
        let required = if strict && works { Required::Watched } else { Required::Nothing };
        let specification = options
            .and_then(Value::as_object)
            .and_then(|options| specification::read_options(options, base, required).ok());
        if specification.is_none() {
            self.wrong.push(("specification".to_owned(), "is not one that the base could have".to_owned()));
        }
        let mut transactions = self.number("baseTransactionNumber", 0);
        let texts = self.payloads(&mut transactions);
        let next = self.number("cursorForNextPayload", texts.len() as u64 + 1);
        let first = next.checked_sub(texts.len() as u64).filter(|first| *first > 0);
        if first.is_none() {
            self.wrong
                .push(("cursorForNextPayload".to_owned(), "must be above the number of payloads".to_owned()));
        }
        let mut payloads = Payloads::from_number(first?);
        for (made, text) in texts {
            payloads.push(made, text);
        }
        let hook = Hook {
            id: id.unwrap_or_else(WebhookId::mint),
            place: 0, // known when all are there
            owner,
            secret: secret.unwrap_or_else(rand::random),
            notification_url,
            notifies,
            works,
            expires: expires.unwrap_or(now.as_millisecond() + LIFE),
            specification: Arc::new(specification?),
            last_success,
            last_result,
            payloads,
        };
        Some(ReadHook { hook, transactions })
    }

    fn payloads(&mut self, transactions: &mut u64) -> Vec<(i64, Arc<str>)> {
        let list = match self.object.get("payloads") {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Array(list)) => list,
            Some(_) => {
                self.wrong.push(("payloads".to_owned(), "must be an array".to_owned()));
                return Vec::new();
            }
        };
        let mut texts = Vec::with_capacity(list.len());
        for (index, payload) in list.iter().enumerate() {
            match envelope(payload) {
                Ok((made, number)) => {
                    *transactions = (*transactions).max(number);
                    texts.push((made, payload.to_string().into()));
                }
                Err((key, what)) => self.wrong.push((format!("payloads[{index}].{key}"), what.to_owned())),
            }
        }
        texts
    }

    /// `None` if it is left out, or wrong.
    fn text<T>(&mut self, key: &str, parse: impl Fn(&'v str) -> Option<T>, what: &str) -> Option<T> {
        match self.object.get(key) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => {
                let parsed = parse(text);
                if parsed.is_none() {
                    self.wrong.push((key.to_owned(), format!("\"{text}\" {what}")));
                }
                parsed
            }
            Some(_) => {
                self.wrong.push((key.to_owned(), "must be a string".to_owned()));
                None
            }
        }
    }

    fn flag(&mut self, key: &str, default: bool) -> bool {
        match self.object.get(key) {
            None | Some(Value::Null) => default,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => {
                self.wrong.push((key.to_owned(), "must be true or false".to_owned()));
                default
            }
        }
    }

    fn number(&mut self, key: &str, default: u64) -> u64 {
        match self.object.get(key) {
            None | Some(Value::Null) => default,
            Some(value) => value.as_u64().unwrap_or_else(|| {
                self.wrong.push((key.to_owned(), "must be a whole number".to_owned()));
                default
            }),
        }
    }
}

/// When a payload was made, in milliseconds since 1970, and the number of its transaction.
fn envelope(payload: &Value) -> Result<(i64, u64), (&'static str, &'static str)> {
    let made =
        payload.get("timestamp").and_then(Value::as_str).and_then(|text| date::iso_instant(text, None));
    let number = payload.get("baseTransactionNumber").and_then(Value::as_u64);
    Ok((
        made.ok_or(("timestamp", "is not an ISO date and time"))?,
        number.ok_or(("baseTransactionNumber", "must be a whole number"))?,
    ))
}
