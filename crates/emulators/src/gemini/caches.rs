//! `cachedContents`: beginnings of prompts that a caller stores, until they expire.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::errors::GeminiError;
use super::models::Model;

/// Unless the caller says otherwise.
const DEFAULT_TTL: Duration = Duration::from_secs(3600);

/// How many a key may hold; our limit.
const MOST: usize = 1000;

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Cached {
    id: String,
    number: u64,
    /// The API key that made it.
    owner: String,
    pub(super) model: &'static Model,
    display_name: Option<String>,
    created: Timestamp,
    updated: Timestamp,
    expires: Timestamp,
    pub(super) tokens: u64,
    /// `systemInstruction`, `contents`, `tools`, `toolConfig`, in normal form.
    pub(super) body: Map<String, Value>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Caches {
    by_id: HashMap<String, Cached>,
    made: u64,
}

impl Caches {
    pub(super) fn create(
        &mut self,
        owner: &str,
        model: &'static Model,
        tokens: u64,
        mut body: Map<String, Value>,
        now: Timestamp,
    ) -> Result<Value, GeminiError> {
        let expires = expiry(&body, now)?.unwrap_or(after(now, DEFAULT_TTL)?);
        self.by_id.retain(|_, cached| cached.expires > now);
        if self.by_id.values().filter(|cached| cached.owner == owner).count() >= MOST {
            return Err(GeminiError::new(429, format!("A key can hold {MOST} cached contents at a time.")));
        }
        let display_name = body.get("displayName").and_then(Value::as_str).map(str::to_owned);
        body.retain(|key, _| {
            ["systemInstruction", "contents", "tools", "toolConfig"].contains(&key.as_str())
        });
        let id = mint_id()?;
        self.made += 1;
        let cached = Cached {
            id: id.clone(),
            number: self.made,
            owner: owner.to_owned(),
            model,
            display_name,
            created: now,
            updated: now,
            expires,
            tokens,
            body,
        };
        let shown = cached.to_json();
        self.by_id.insert(id, cached);
        Ok(shown)
    }

    pub(super) fn get(&self, owner: &str, id: &str, now: Timestamp) -> Result<&Cached, GeminiError> {
        self.by_id
            .get(id)
            .filter(|cached| cached.owner == owner && cached.expires > now)
            .ok_or_else(GeminiError::no_cached_content)
    }

    /// The oldest first, a page at a time.
    pub(super) fn list(&self, owner: &str, size: usize, after: u64, now: Timestamp) -> Value {
        let mut own: Vec<&Cached> = self
            .by_id
            .values()
            .filter(|cached| cached.owner == owner && cached.expires > now && cached.number > after)
            .collect();
        own.sort_by_key(|cached| cached.number);
        let page: Vec<Value> = own.iter().take(size).map(|cached| cached.to_json()).collect();
        if page.is_empty() {
            return json!({});
        }
        let mut answer = json!({"cachedContents": page});
        if own.len() > size {
            answer["nextPageToken"] = own[size - 1].number.to_string().into();
        }
        answer
    }

    /// Only the expiry can be changed.
    pub(super) fn patch(
        &mut self,
        owner: &str,
        id: &str,
        body: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<Value, GeminiError> {
        self.get(owner, id, now)?;
        if let Some(key) = ["systemInstruction", "contents", "tools", "toolConfig", "displayName"]
            .iter()
            .find(|key| body.contains_key(**key))
        {
            return Err(GeminiError::invalid(format!(
                "Only ttl and expire_time of cached content can be updated, not {}.",
                super::proto::snake_case(key)
            )));
        }
        let expires = expiry(body, now)?;
        let cached = self.by_id.get_mut(id).ok_or_else(GeminiError::no_cached_content)?;
        cached.updated = now;
        cached.expires = expires.unwrap_or(cached.expires);
        Ok(cached.to_json())
    }

    pub(super) fn delete(&mut self, owner: &str, id: &str, now: Timestamp) -> Result<Value, GeminiError> {
        self.get(owner, id, now)?;
        self.by_id.remove(id);
        Ok(json!({}))
    }

    pub(super) fn reset(&mut self) {
        self.by_id.clear();
    }
}

impl Cached {
    pub(super) fn to_json(&self) -> Value {
        let mut shown = json!({
            "name": format!("cachedContents/{}", self.id),
            "model": format!("models/{}", self.model.id),
        });
        if let Some(name) = &self.display_name {
            shown["displayName"] = name.as_str().into();
        }
        shown["createTime"] = format!("{:.6}", self.created).into();
        shown["updateTime"] = format!("{:.6}", self.updated).into();
        shown["expireTime"] = format!("{:.6}", self.expires).into();
        shown["usageMetadata"] = json!({"totalTokenCount": self.tokens});
        shown
    }
}

/// What `ttl` or `expireTime` say.
fn expiry(body: &Map<String, Value>, now: Timestamp) -> Result<Option<Timestamp>, GeminiError> {
    if let Some(ttl) = body.get("ttl").and_then(Value::as_str) {
        let seconds = ttl.strip_suffix('s').and_then(|seconds| seconds.parse::<f64>().ok());
        let ttl = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).ok_or_else(|| {
            GeminiError::invalid(format!(
                "Invalid value at 'cached_content.ttl' (type.googleapis.com/google.protobuf.Duration), \"{ttl}\""
            ))
        })?;
        return after(now, ttl).map(Some);
    }
    let Some(time) = body.get("expireTime").and_then(Value::as_str) else { return Ok(None) };
    let expires: Timestamp = time.parse().map_err(|_| {
        GeminiError::invalid(format!(
            "Invalid value at 'cached_content.expire_time' (type.googleapis.com/google.protobuf.Timestamp), \"{time}\""
        ))
    })?;
    if expires <= now {
        return Err(GeminiError::invalid("expire_time must be in the future."));
    }
    Ok(Some(expires))
}

fn after(now: Timestamp, ttl: Duration) -> Result<Timestamp, GeminiError> {
    now.checked_add(ttl).map_err(|_| GeminiError::invalid("ttl is too long."))
}

fn mint_id() -> Result<String, GeminiError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|_| GeminiError::internal())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::super::models;
    use super::*;

    fn body(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn contents_live_until_they_expire_and_for_their_owner_alone() {
        let now = Timestamp::UNIX_EPOCH;
        let later = |seconds: u64| now.checked_add(Duration::from_secs(seconds)).unwrap();
        let mut caches = Caches::default();
        let model = models::find("gemini-3.8-flash").unwrap();
        let made =
            caches.create("k", model, 5, body(json!({"ttl": "300s", "displayName": "d"})), now).unwrap();
        assert_eq!(made["expireTime"], "1970-01-01T00:05:00.000000Z");
        let id = made["name"].as_str().unwrap().strip_prefix("cachedContents/").unwrap().to_owned();
        assert!(caches.get("k", &id, later(299)).is_ok());
        assert!(caches.get("other", &id, now).is_err());
        assert!(caches.get("k", &id, later(300)).is_err());
        let patched = caches.patch("k", &id, &body(json!({"ttl": "600s"})), later(100)).unwrap();
        assert_eq!(patched["expireTime"], "1970-01-01T00:11:40.000000Z");
        assert_eq!(caches.list("k", 10, 0, later(1))["cachedContents"].as_array().unwrap().len(), 1);
        assert_eq!(caches.delete("k", &id, later(1)).unwrap(), json!({}));
        assert_eq!(caches.list("k", 10, 0, later(1)), json!({}));
        let problem = caches.create("k", model, 5, body(json!({"ttl": "soon"})), now).unwrap_err();
        assert!(problem.message.contains("'cached_content.ttl'"), "{problem:?}");
    }
}
