//! OAuth, as Airtable's own host has it under `/oauth2/v1`: people let integrations act for them.
//!
//! An integration sends a person to `authorize` and gets a code, which it exchanges for tokens. A person who has to be
//! asked sees a page; whose answer is known beforehand is sent back at once.
//! Source: <https://airtable.com/developers/web/api/oauth-reference>; revocation, on which that is silent, after RFC 7009.

mod authorize;
mod client;
mod form;
mod grants;
mod http;
mod page;
mod token;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use ::http::HeaderMap;
use serde_json::{Value, json};

use self::authorize::{Error, Refusal};
use self::form::Form;
use self::grants::{ACCESS_LIFE_SECONDS, Issued, Proof, REFRESH_LIFE_SECONDS};
use self::page::{Choice, Page};
use self::token::{TokenError, Wanted};
use super::access::{Grant, Reach, Users};
use super::ids::BaseId;

pub(super) use self::client::{Client, Consent, redirect_uri_problem};
pub(super) use self::grants::{Grants, Known, hex};
pub(super) use self::http::{answer, restore};

/// How long a person may think, in milliseconds.
const PATIENCE: i64 = 10 * 60 * 1000;

/// Pages that wait for their answer; the oldest makes room.
const MOST_ASKED: usize = 1000;

/// What is asked of this host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum OAuthOp {
    Authorize,
    /// A person's answer on the page.
    Decide,
    Token,
    Revoke,
}

impl OAuthOp {
    /// `path` is what stands after the host.
    pub(super) fn find(method: &str, path: &str) -> Option<Self> {
        match (method, path.strip_prefix("/oauth2/v1/")?) {
            ("GET", "authorize") => Some(Self::Authorize),
            ("POST", "authorize") => Some(Self::Decide),
            ("POST", "token") => Some(Self::Token),
            ("POST", "revoke") => Some(Self::Revoke),
            _ => None,
        }
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Authorize | Self::Decide => "/oauth2/v1/authorize",
            Self::Token => "/oauth2/v1/token",
            Self::Revoke => "/oauth2/v1/revoke",
        }
    }
}

/// The integrations, what was granted to them, and who is being asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct OAuth {
    clients: Vec<Arc<Client>>,
    grants: Grants,
    /// What a reset goes back to.
    initial: Grants,
    asked: VecDeque<Asked>,
}

/// A page that waits for its answer.
#[derive(Debug, Clone)]
struct Asked {
    /// Known to the page only, so that no other page can answer for the person.
    ticket: String,
    wanted: authorize::Wanted,
    until: i64,
}

/// A person, the bases he has a role in, and the time.
struct Scene<'a> {
    users: &'a Users,
    bases: &'a dyn Fn(u32) -> Vec<Choice>,
    now: i64,
}

/// What is answered.
#[derive(Debug)]
enum Reply {
    Page {
        status: u16,
        page: Page,
    },
    Redirect(String),
    /// Back with a code; `failed` is where to if that cannot be kept.
    Granted {
        to: String,
        failed: String,
    },
    Tokens(Issued),
    Refused(TokenError),
    Nothing,
}

impl OAuth {
    pub(super) fn new(clients: Vec<Arc<Client>>, grants: Grants) -> Self {
        Self { clients, initial: grants.clone(), grants, asked: VecDeque::new() }
    }

    /// `oauthClients` and `oauthGrants` of a seed.
    pub(super) fn to_seed(&self, users: &Users) -> (Value, Value) {
        let client = |client: &Arc<Client>| {
            let mut seed = json!({"clientId": *client.id});
            if let Some(secret) = &client.secret {
                seed["clientSecret"] = secret.clone().into();
            }
            seed["name"] = client.name.clone().into();
            seed["redirectUris"] = client.redirect_uris.clone().into();
            seed["scopes"] = client.scopes.clone().into();
            seed["consent"] = client.consent.name().into();
            if let Some(user) = users.get(client.user) {
                seed["user"] = user.id.clone().into();
            }
            seed["bases"] = client.bases.to_seed();
            seed
        };
        (self.clients.iter().map(client).collect(), self.grants.to_seed(users))
    }

    /// Every place in the list of users that is named here.
    pub(super) fn users_mut(&mut self, mut change: impl FnMut(&mut u32)) {
        self.clients.iter_mut().for_each(|client| change(&mut Arc::make_mut(client).user));
        self.grants.users_mut(&mut change);
        self.initial.users_mut(&mut change);
    }

    /// What a call with this token may do; `None`: no integration has it, or not any more.
    pub(super) fn access(&self, token: &str, now: i64) -> Option<Arc<Grant>> {
        self.grants.access(token, now)
    }

    /// Takes back what has been granted since the start.
    fn reset(&mut self) {
        self.grants = self.initial.clone();
        self.asked.clear();
    }

    fn authorize(&mut self, query: &str, scene: &Scene<'_>) -> Reply {
        let wanted = match authorize::check(query, &self.clients) {
            Ok(wanted) => wanted,
            Err(Refusal::Page(why)) => return Reply::Page { status: 400, page: page::problem(why) },
            Err(Refusal::Redirect(to)) => return Reply::Redirect(to),
        };
        match wanted.client.consent {
            Consent::Granted => {
                let bases = wanted.client.bases.clone();
                self.grant(&wanted, bases, scene)
            }
            Consent::Denied => denied(&wanted),
            Consent::Ask => {
                let ticket = hex::<16>();
                let page = self.ask(&wanted, &ticket, None, scene);
                if self.asked.len() >= MOST_ASKED {
                    self.asked.pop_front();
                }
                self.asked.push_back(Asked { ticket, wanted, until: scene.now + PATIENCE });
                Reply::Page { status: 200, page }
            }
        }
    }

    /// The form of the page: `ticket`, `decision` (`grant` or `deny`), and `base` for each base, `*` for all.
    fn decide(&mut self, form: &Form, scene: &Scene<'_>) -> Reply {
        let refuse = |why: &str| Reply::Page { status: 400, page: page::problem(why) };
        let ticket = form.get("ticket").ok().flatten().unwrap_or_default();
        let place = self.asked.iter().position(|asked| asked.ticket == ticket && scene.now < asked.until);
        let Some(place) = place else {
            return refuse(
                "This page has been answered already, or is too old. Begin again at the integration.",
            );
        };
        match form.get("decision") {
            Ok(Some("deny")) => match self.asked.remove(place) {
                Some(asked) => denied(&asked.wanted),
                None => refuse("This page has been answered already."),
            },
            Ok(Some("grant")) => match chosen(form, &(scene.bases)(self.asked[place].wanted.client.user)) {
                Err(why) => {
                    let Asked { ticket, wanted, .. } = self.asked[place].clone();
                    Reply::Page { status: 400, page: self.ask(&wanted, &ticket, Some(why), scene) }
                }
                Ok(bases) => match self.asked.remove(place) {
                    Some(asked) => self.grant(&asked.wanted, bases, scene),
                    None => refuse("This page has been answered already."),
                },
            },
            _ => refuse("decision must be grant or deny."),
        }
    }

    fn ask(
        &self,
        wanted: &authorize::Wanted,
        ticket: &str,
        problem: Option<&str>,
        scene: &Scene<'_>,
    ) -> Page {
        let person = scene.users.get(wanted.client.user).map_or("somebody", |user| user.label());
        let bases = (scene.bases)(wanted.client.user);
        page::consent(wanted, person, &bases, &wanted.client.bases, ticket, problem)
    }

    fn grant(&mut self, wanted: &authorize::Wanted, bases: Reach, scene: &Scene<'_>) -> Reply {
        let code = self.grants.allow(wanted, bases, scene.now);
        let why = "The grant could not be kept";
        let failed = authorize::refused(&wanted.redirect_uri, Some(&wanted.state), Error::Unable, why);
        Reply::Granted { to: authorize::granted(wanted, &code), failed }
    }

    fn token(
        &mut self,
        headers: &HeaderMap,
        body: &[u8],
        grace: i64,
        now: i64,
    ) -> Result<Issued, TokenError> {
        let form = token::form(headers, body)?;
        let client = token::authenticate(headers, &form, &self.clients);
        match Wanted::read(&form) {
            Ok(Wanted::Exchange { code, redirect_uri, verifier }) => {
                let client = client.as_deref().map_err(Clone::clone);
                let proof = Proof { redirect_uri: redirect_uri.as_deref(), verifier: verifier.as_deref() };
                self.grants.exchange(&code, client, proof, now)
            }
            Ok(Wanted::Refresh { token, scope }) => {
                self.grants.refresh(&token, scope.as_deref(), &*client?, (grace, now))
            }
            // Who does not prove who he is hears of nothing else.
            Err(error) => client.and(Err(error)),
        }
    }

    fn revoke(&mut self, headers: &HeaderMap, body: &[u8], now: i64) -> Result<(), TokenError> {
        let form = token::form(headers, body)?;
        let client = token::authenticate(headers, &form, &self.clients)?;
        let token = form.get("token")?.ok_or_else(|| TokenError::invalid_request("token is missing"))?;
        self.grants.revoke(token, &client, now)
    }
}

fn denied(wanted: &authorize::Wanted) -> Reply {
    let why = "The user denied the request";
    let to = authorize::refused(&wanted.redirect_uri, Some(&wanted.state), Error::AccessDenied, why);
    Reply::Redirect(to)
}

/// The bases that a person has ticked.
fn chosen(form: &Form, bases: &[Choice]) -> Result<Reach, &'static str> {
    let mut ids = HashSet::new();
    for value in form.all("base") {
        if value == "*" {
            return Ok(Reach::All);
        }
        let id = BaseId::parse(value).filter(|id| bases.iter().any(|base| base.id == *id));
        ids.insert(id.ok_or("One of these bases is not there any more.")?);
    }
    if ids.is_empty() { Err("Choose at least one base, or deny.") } else { Ok(Reach::Only(ids)) }
}

/// The body of a success.
fn tokens_json(issued: &Issued) -> Value {
    json!({
        "access_token": issued.access_token,
        "refresh_token": issued.refresh_token,
        "token_type": "Bearer",
        "scope": issued.scopes.join(" "),
        "expires_in": ACCESS_LIFE_SECONDS,
        "refresh_expires_in": REFRESH_LIFE_SECONDS,
    })
}
