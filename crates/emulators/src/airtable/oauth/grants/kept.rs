//! Grants as JSON: under `oauthGrants` of a seed, and in the file that keeps the bases.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{
    ACCESS_LIFE_SECONDS, AccessToken, Code, Grant, Grants, REFRESH_LIFE_SECONDS, RefreshToken, Requests,
    UsedToken,
};
use crate::airtable::access::{Reach, Users};
use crate::airtable::fields::date;
use crate::airtable::ids::BaseId;
use crate::airtable::oauth::client::Client;

/// Why an entry is not taken.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unusable(String);

/// What an entry refers to.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) clients: &'a [Arc<Client>],
    pub(crate) users: &'a Users,
    pub(crate) is_base: &'a dyn Fn(BaseId) -> bool,
}

/// Written by hand, it needs a client and a token only: the client's user, scopes and bases, and the usual lives, are the
/// defaults.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    client: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bases: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<CodeEntry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_token: Option<TokenEntry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<TokenEntry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    used_refresh_tokens: Vec<UsedEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CodeEntry {
    code: String,
    redirect_uri: String,
    code_challenge: String,
    expiration_time: Time,
    #[serde(default)]
    is_used: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TokenEntry {
    token: String,
    /// Of an access token, where they are fewer than those of the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expiration_time: Option<Time>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UsedEntry {
    token: String,
    used_time: Time,
}

/// Milliseconds since 1970, written as Airtable writes times.
#[derive(Debug, Clone, Copy)]
struct Time(i64);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&date::iso(self.0))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = text.parse::<Timestamp>().map(|time| Self(time.as_millisecond()));
        time.map_err(|_| {
            serde::de::Error::custom(format!("\"{text}\" is not a time such as 2024-01-01T00:00:00.000Z"))
        })
    }
}

impl Grants {
    /// The array of a seed. Tokens stand in it in full, as personal ones do.
    pub(crate) fn to_seed(&self, users: &Users) -> Value {
        let entries = self.list.values().map(|grant| grant.entry(users));
        entries.map(|entry| serde_json::to_value(entry).expect("texts and times always serialise")).collect()
    }

    /// Adds an entry of that array.
    pub(crate) fn add_entry(&mut self, entry: Value, known: Known<'_>, now: i64) -> Result<(), Unusable> {
        if !entry.is_object() {
            return Err(Unusable("must be an object".to_owned())); // serde takes an array for one
        }
        let entry: Entry = serde_json::from_value(entry).map_err(|error| Unusable(error.to_string()))?;
        let grant = grant(entry, known, now)?;
        let mut names = HashSet::new();
        for name in grant.names() {
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(Unusable(
                    "a code or token must be ASCII without spaces, and not empty".to_owned(),
                ));
            }
            if self.index.contains_key(name) || !names.insert(name) {
                return Err(Unusable("a code or token stands here twice".to_owned()));
            }
        }
        self.add(grant);
        Ok(())
    }
}

impl Grant {
    fn entry(&self, users: &Users) -> Entry {
        let code = self.code.as_ref().map(|code| CodeEntry {
            code: code.text.clone(),
            redirect_uri: code.redirect_uri.clone(),
            code_challenge: code.challenge.clone(),
            expiration_time: Time(code.expires),
            is_used: code.is_used,
        });
        let access_token = self.access.as_ref().map(|own| TokenEntry {
            token: own.token.clone(),
            scopes: Some(own.scopes.clone()).filter(|scopes| *scopes != self.scopes),
            expiration_time: Some(Time(own.expires)),
        });
        let refresh_token = self.refresh.as_ref().map(|own| TokenEntry {
            token: own.token.clone(),
            scopes: None,
            expiration_time: Some(Time(own.expires)),
        });
        let used = |own: &UsedToken| UsedEntry { token: own.token.clone(), used_time: Time(own.used) };
        Entry {
            client: self.client.to_string(),
            user: users.get(self.user).map(|user| user.id.clone()),
            scopes: Some(self.scopes.clone()),
            bases: Some(self.bases.to_seed()),
            code,
            access_token,
            refresh_token,
            used_refresh_tokens: self.used.iter().map(used).collect(),
        }
    }
}

fn grant(entry: Entry, known: Known<'_>, now: i64) -> Result<Grant, Unusable> {
    let client = known.clients.iter().find(|client| *client.id == *entry.client);
    let client = client.ok_or_else(|| Unusable(format!("there is no client \"{}\"", entry.client)))?;
    let user = match &entry.user {
        None => client.user,
        Some(id) => known.users.by_id(id).ok_or_else(|| Unusable(format!("there is no user \"{id}\"")))?,
    };
    let of_client = |scopes: Vec<String>| match scopes.iter().find(|scope| !client.scopes.contains(scope)) {
        Some(scope) => Err(Unusable(format!("\"{scope}\" is none of the client's scopes"))),
        None => Ok(scopes),
    };
    let scopes = of_client(entry.scopes.unwrap_or_else(|| client.scopes.clone()))?;
    let bases = entry.bases.map_or(Ok(client.bases.clone()), |bases| reach(&bases, known))?;
    let code = entry.code.map(|code| Code {
        text: code.code,
        redirect_uri: code.redirect_uri,
        challenge: code.code_challenge,
        expires: code.expiration_time.0,
        is_used: code.is_used,
    });
    let mut grant = Grant {
        client: Arc::clone(&client.id),
        user,
        scopes,
        bases,
        code,
        access: None,
        refresh: None,
        used: Vec::new(),
    };
    let expires =
        |given: Option<Time>, life_seconds: i64| given.map_or(now + life_seconds * 1000, |time| time.0);
    if let Some(own) = entry.access_token {
        let scopes = own.scopes.unwrap_or_else(|| grant.scopes.clone());
        if let Some(scope) = scopes.iter().find(|scope| !grant.scopes.contains(scope)) {
            return Err(Unusable(format!("\"{scope}\" is none of the grant's scopes")));
        }
        grant.access = Some(AccessToken {
            token: own.token,
            access: Arc::new(grant.access_with(&scopes)),
            scopes,
            expires: expires(own.expiration_time, ACCESS_LIFE_SECONDS),
        });
    }
    grant.refresh = entry.refresh_token.map(|own| RefreshToken {
        token: own.token,
        expires: expires(own.expiration_time, REFRESH_LIFE_SECONDS),
        requests: Requests::default(),
    });
    let used =
        |own: UsedEntry| UsedToken { token: own.token, used: own.used_time.0, requests: Requests::default() };
    grant.used = entry.used_refresh_tokens.into_iter().map(used).collect();
    if grant.names().next().is_none() {
        return Err(Unusable("a grant needs a code or a token".to_owned()));
    }
    Ok(grant)
}

fn reach(bases: &Value, known: Known<'_>) -> Result<Reach, Unusable> {
    if bases.as_str() == Some("*") {
        return Ok(Reach::All);
    }
    let list =
        bases.as_array().ok_or_else(|| Unusable("bases must be \"*\" or an array of ids".to_owned()))?;
    let id = |text: &Value| {
        let id = text.as_str().and_then(BaseId::parse).filter(|id| (known.is_base)(*id));
        id.ok_or_else(|| Unusable(format!("there is no base {text}")))
    };
    Ok(Reach::Only(list.iter().map(id).collect::<Result<_, _>>()?))
}
