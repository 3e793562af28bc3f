//! What people have granted to integrations: codes, and the tokens that codes and refreshes give.
//!
//! Time is passed in, in milliseconds since 1970. A grant begins with its code. What nothing can come of any more is
//! forgotten: an unknown code is answered like a used one, an unknown token like a revoked one.

mod kept;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::authorize::{self, is_unreserved};
use super::client::Client;
use super::token::TokenError;
use crate::airtable::access::{Grant as Access, Reach};

pub(crate) use self::kept::Known;

/// How long a code may be exchanged.
const CODE_LIFE: i64 = 10 * 60 * 1000;

/// How long an access token lives.
/// Source: <https://airtable.com/developers/web/api/oauth-reference#token-expiry-refresh-tokens>.
pub(crate) const ACCESS_LIFE_SECONDS: i64 = 3600;

/// How long a refresh token lives without being used: 60 days.
pub(crate) const REFRESH_LIFE_SECONDS: i64 = 60 * 24 * 60 * 60;

/// Requests with one refresh token in a second; one more, and the grant is revoked.
const MOST_REFRESHES: usize = 10;

/// Characters of a verifier.
const VERIFIER_LENGTH: std::ops::RangeInclusive<usize> = 43..=128;

/// All grants, the oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grants {
    list: BTreeMap<u64, Grant>,
    last: u64,
    /// By code, access token and refresh token, also a used one.
    index: HashMap<String, u64>,
}

#[derive(Debug, Clone)]
struct Grant {
    client: Arc<str>,
    user: u32,
    /// As they were asked for.
    scopes: Vec<String>,
    bases: Reach,
    code: Option<Code>,
    access: Option<AccessToken>,
    refresh: Option<RefreshToken>,
    /// Refresh tokens that have been used a short time ago.
    used: Vec<UsedToken>,
}

#[derive(Debug, Clone, PartialEq)]
struct Code {
    text: String,
    redirect_uri: String,
    challenge: String,
    expires: i64,
    is_used: bool,
}

#[derive(Debug, Clone)]
struct AccessToken {
    token: String,
    scopes: Vec<String>,
    expires: i64,
    /// What a call with it may do.
    access: Arc<Access>,
}

#[derive(Debug, Clone)]
struct RefreshToken {
    token: String,
    expires: i64,
    requests: Requests,
}

#[derive(Debug, Clone)]
struct UsedToken {
    token: String,
    used: i64,
    requests: Requests,
}

/// When a refresh token was sent, in the last second.
#[derive(Debug, Clone, Default)]
struct Requests(VecDeque<i64>);

impl Requests {
    /// Counts one; `false`: they are too many.
    fn count(&mut self, now: i64) -> bool {
        while self.0.front().is_some_and(|at| now - at >= 1000) {
            self.0.pop_front();
        }
        self.0.push_back(now);
        self.0.len() <= MOST_REFRESHES
    }
}

/// Tokens that have just been made.
#[derive(Debug, PartialEq)]
pub(crate) struct Issued {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) scopes: Vec<String>,
}

/// The other half of an exchange: what is sent with a code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proof<'a> {
    pub(crate) redirect_uri: Option<&'a str>,
    pub(crate) verifier: Option<&'a str>,
}

impl Grants {
    /// A person agrees; gives the code.
    pub(crate) fn allow(&mut self, wanted: &authorize::Wanted, bases: Reach, now: i64) -> String {
        self.forget_dead(now);
        let code = Code {
            text: hex::<32>(),
            redirect_uri: wanted.redirect_uri.clone(),
            challenge: wanted.challenge.clone(),
            expires: now + CODE_LIFE,
            is_used: false,
        };
        let text = code.text.clone();
        self.add(Grant {
            client: Arc::clone(&wanted.client.id),
            user: wanted.client.user,
            scopes: wanted.scopes.clone(),
            bases,
            code: Some(code),
            access: None,
            refresh: None,
            used: Vec::new(),
        });
        text
    }

    /// Spends a code. It is spent whatever becomes of it: `client` is `Err` where the caller did not prove who it is. A second
    /// use by its own client also ends what the first one gave.
    pub(crate) fn exchange(
        &mut self,
        code: &str,
        client: Result<&Client, TokenError>,
        proof: Proof<'_>,
        now: i64,
    ) -> Result<Issued, TokenError> {
        let unusable = || TokenError::invalid_grant("the code is not known, or has expired or been used");
        let found = self.index.get(code).copied().and_then(|id| {
            let grant = self.list.get(&id)?;
            let own = grant.code.clone().filter(|own| own.text == code)?;
            Some((id, Arc::clone(&grant.client), own))
        });
        let Some((id, owner, own)) = found else { return Err(client.err().unwrap_or_else(unusable)) };
        if own.is_used {
            if client?.id == owner {
                self.remove(id);
            }
            return Err(unusable());
        }
        let checked = client.and_then(|client| match client.id == owner && now < own.expires {
            true => own.check(proof),
            false => Err(unusable()),
        });
        if let Err(error) = checked {
            self.remove(id); // nothing was given for it
            return Err(error);
        }
        self.issue(id, None, now).ok_or_else(unusable)
    }

    /// Gives new tokens for a refresh token; the old ones end. `scope` narrows what the access token may do, not what later
    /// refreshes may ask for. Once more with the same token, within `grace` milliseconds, is a conflict.
    pub(crate) fn refresh(
        &mut self,
        token: &str,
        scope: Option<&str>,
        client: &Client,
        (grace, now): (i64, i64),
    ) -> Result<Issued, TokenError> {
        self.forget_dead(now);
        self.forget_used(now - grace);
        let unusable = || {
            TokenError::invalid_grant("the refresh token is not known, or has expired, been used or revoked")
        };
        let id = self.index.get(token).copied().ok_or_else(unusable)?;
        let grant = self.list.get_mut(&id).filter(|grant| grant.client == client.id).ok_or_else(unusable)?;
        let current = grant.refresh.as_mut().filter(|own| own.token == token && now < own.expires);
        let (requests, is_current) = match current {
            Some(own) => (&mut own.requests, true),
            None => {
                let used = grant.used.iter_mut().find(|used| used.token == token).ok_or_else(unusable)?;
                (&mut used.requests, false)
            }
        };
        if !requests.count(now) {
            self.remove(id);
            return Err(TokenError::invalid_grant("too many refreshes in a second: the grant is revoked"));
        }
        if !is_current {
            return Err(TokenError::used_just_now());
        }
        let scopes = scope.map(|text| narrowed(text, &grant.scopes)).transpose()?;
        self.issue(id, scopes, now).ok_or_else(unusable)
    }

    /// Ends a token. A refresh token takes the whole grant with it, an access token ends alone; one that is not known has
    /// ended already. `Err`: it is another client's. Source: RFC 7009, section 2.
    pub(crate) fn revoke(&mut self, token: &str, client: &Client, now: i64) -> Result<(), TokenError> {
        self.forget_dead(now);
        let Some(id) = self.index.get(token).copied() else { return Ok(()) };
        let Some(grant) = self.list.get_mut(&id) else { return Ok(()) };
        if grant.client != client.id {
            return Err(TokenError::invalid_grant("the token was given to another integration"));
        }
        if grant.refresh.as_ref().is_some_and(|own| own.token == token) {
            self.remove(id);
        } else if grant.access.take_if(|own| own.token == token).is_some() {
            self.index.remove(token);
        }
        Ok(())
    }

    /// Every place in the list of users that is named here.
    pub(crate) fn users_mut(&mut self, change: &mut impl FnMut(&mut u32)) {
        for grant in self.list.values_mut() {
            change(&mut grant.user);
            if let Some(own) = &mut grant.access {
                Arc::make_mut(&mut own.access).user = grant.user;
            }
        }
    }

    /// What a call with this token may do; `None`: it is no access token, or not any more.
    pub(crate) fn access(&self, token: &str, now: i64) -> Option<Arc<Access>> {
        let grant = self.list.get(self.index.get(token)?)?;
        let own = grant.access.as_ref().filter(|own| own.token == token && now < own.expires)?;
        Some(Arc::clone(&own.access))
    }

    fn issue(&mut self, id: u64, scopes: Option<Vec<String>>, now: i64) -> Option<Issued> {
        let grant = self.list.get_mut(&id)?;
        if let Some(code) = &mut grant.code {
            code.is_used = true;
        }
        let scopes = scopes.unwrap_or_else(|| grant.scopes.clone());
        let issued = Issued { access_token: mint("oaa"), refresh_token: mint("oar"), scopes };
        let access = AccessToken {
            token: issued.access_token.clone(),
            access: Arc::new(grant.access_with(&issued.scopes)),
            scopes: issued.scopes.clone(),
            expires: now + ACCESS_LIFE_SECONDS * 1000,
        };
        let refresh = RefreshToken {
            token: issued.refresh_token.clone(),
            expires: now + REFRESH_LIFE_SECONDS * 1000,
            requests: Requests::default(),
        };
        if let Some(old) = grant.access.replace(access) {
            self.index.remove(&old.token);
        }
        if let Some(old) = grant.refresh.replace(refresh) {
            grant.used.push(UsedToken { token: old.token, used: now, requests: old.requests });
        }
        self.index.insert(issued.access_token.clone(), id);
        self.index.insert(issued.refresh_token.clone(), id);
        Some(issued)
    }

    fn add(&mut self, grant: Grant) {
        self.last += 1;
        self.index.extend(grant.names().map(|name| (name.to_owned(), self.last)));
        self.list.insert(self.last, grant);
    }

    fn remove(&mut self, id: u64) {
        if let Some(grant) = self.list.remove(&id) {
            grant.names().for_each(|name| {
                self.index.remove(name);
            });
        }
    }

    fn forget_dead(&mut self, now: i64) {
        let dead: Vec<u64> =
            self.list.iter().filter(|(_, grant)| grant.is_dead(now)).map(|(id, _)| *id).collect();
        dead.into_iter().for_each(|id| self.remove(id));
    }

    /// Forgets the refresh tokens that were used then or before.
    fn forget_used(&mut self, then: i64) {
        for grant in self.list.values_mut() {
            for used in grant.used.extract_if(.., |own| own.used <= then) {
                self.index.remove(&used.token);
            }
        }
    }

    /// Whether this is a code or a token of a grant.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.index.contains_key(name)
    }
}

impl Code {
    fn check(&self, proof: Proof<'_>) -> Result<(), TokenError> {
        let missing = TokenError::invalid_request;
        if proof.redirect_uri.ok_or_else(|| missing("redirect_uri is missing"))? != self.redirect_uri {
            return Err(TokenError::invalid_grant(
                "redirect_uri is not the one of the authorization request",
            ));
        }
        let verifier = proof.verifier.ok_or_else(|| missing("code_verifier is missing"))?;
        if !VERIFIER_LENGTH.contains(&verifier.len()) || !verifier.bytes().all(is_unreserved) {
            return Err(TokenError::invalid_request(
                "code_verifier must have 43 to 128 characters, of A-Z, a-z, 0-9, dot, underscore and hyphen",
            ));
        }
        match URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) == self.challenge {
            true => Ok(()),
            false => Err(TokenError::invalid_grant("code_verifier does not belong to the code")),
        }
    }
}

impl Grant {
    fn access_with(&self, scopes: &[String]) -> Access {
        Access::of_integration(Arc::clone(&self.client), scopes, self.bases.clone(), self.user)
    }

    /// Everything it can be found by.
    fn names(&self) -> impl Iterator<Item = &str> {
        let code = self.code.iter().map(|code| code.text.as_str());
        let access = self.access.iter().map(|access| access.token.as_str());
        let refresh = self.refresh.iter().map(|refresh| refresh.token.as_str());
        code.chain(access).chain(refresh).chain(self.used.iter().map(|used| used.token.as_str()))
    }

    /// Whether nothing can come of it any more.
    fn is_dead(&self, now: i64) -> bool {
        let waits = self.code.as_ref().is_some_and(|code| !code.is_used && now < code.expires);
        let works = self.access.as_ref().is_some_and(|access| now < access.expires);
        let renews = self.refresh.as_ref().is_some_and(|refresh| now < refresh.expires);
        !(waits || works || renews)
    }
}

/// The scopes of a refresh: some of those that were granted.
fn narrowed(text: &str, granted: &[String]) -> Result<Vec<String>, TokenError> {
    let scopes: Vec<String> = text.split(' ').map(str::to_owned).collect();
    let is_new = |(n, scope): (usize, &String)| granted.contains(scope) && !scopes[..n].contains(scope);
    match scopes.iter().enumerate().all(is_new) {
        true => Ok(scopes),
        false => Err(TokenError::invalid_request(
            "scope must name some of the scopes that were granted, each once",
        )),
    }
}

/// A token in a shape like Airtable's: three letters, 14 characters, the version, a secret.
fn mint(prefix: &str) -> String {
    format!("{prefix}{}.v1.{}", hex::<7>(), hex::<32>())
}

/// So many random bytes.
pub(crate) fn hex<const BYTES: usize>() -> String {
    let bytes: [u8; BYTES] = std::array::from_fn(|_| rand::random());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
