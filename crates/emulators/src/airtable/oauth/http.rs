//! From requests of OAuth to answers, and what has to be kept before those go out.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;
use tracing::warn;

use super::form::Form;
use super::grants::{Grants, Known};
use super::page::Choice;
use super::token::TokenError;
use super::{OAuth, OAuthOp, Reply, Scene, tokens_json};
use crate::airtable::access::{Role, Users};
use crate::airtable::emulator::{Shared, World, apart, lock};
use crate::airtable::errors::json_response;
use crate::airtable::kept::{Keeper, Pending};

/// No form of OAuth is longer.
const MAX_BODY_BYTES: usize = 64 << 10;

/// Where grants are kept.
const DOCUMENT: &str = "oauth";

/// Answers a request. What it changes is kept before the answer goes out.
pub(in crate::airtable) async fn answer(
    shared: &Arc<Shared>,
    op: OAuthOp,
    parts: Parts,
    body: Body,
) -> Response<Body> {
    let Ok(body) = Limited::new(body, MAX_BODY_BYTES).collect().await else {
        let error = TokenError::invalid_request("the body could not be read, or is too long");
        return respond(op, Reply::Refused(error));
    };
    let (shared, body) = (Arc::clone(shared), body.to_bytes());
    let done = apart(move || {
        let (reply, pending) = carry_out(&shared, op, &parts, &body);
        if pending.is_none_or(Pending::wait) { reply } else { unkept(reply) }
    });
    respond(op, done.await.unwrap_or_else(|| Reply::Refused(TokenError::server_error())))
}

fn carry_out(shared: &Shared, op: OAuthOp, parts: &Parts, body: &Bytes) -> (Reply, Option<Pending>) {
    let now = shared.clock.now().as_millisecond();
    let grace = i64::from(shared.unconfirmed().refresh_grace_seconds) * 1000;
    let world = shared.hold();
    let bases = |user: u32| choices(&world, user);
    let scene = Scene { users: &world.users, bases: &bases, now };
    let mut oauth = lock(&world.oauth);
    let reply = match op {
        OAuthOp::Authorize => oauth.authorize(parts.uri.query().unwrap_or_default(), &scene),
        OAuthOp::Decide => oauth.decide(&Form::parse(body), &scene),
        OAuthOp::Token => {
            oauth.token(&parts.headers, body, grace, now).map_or_else(Reply::Refused, Reply::Tokens)
        }
        OAuthOp::Revoke => {
            oauth.revoke(&parts.headers, body, now).map_or_else(Reply::Refused, |()| Reply::Nothing)
        }
    };
    // A refusal may have spent a code, too. Handed over under the lock, so that the order is right.
    let changes = !matches!(reply, Reply::Page { .. });
    let keeper = shared.keeper.as_ref().filter(|_| changes);
    let pending = keeper.map(|keeper| keep(&oauth, &world.users, keeper));
    (reply, pending)
}

fn keep(oauth: &OAuth, users: &Users, keeper: &Keeper) -> Pending {
    keeper.put_document(DOCUMENT, Some(oauth.grants.to_seed(users).to_string()))
}

/// The bases in which a user has any role.
fn choices(world: &World, user: u32) -> Vec<Choice> {
    let id = world.users.get(user).map_or("", |user| &user.id);
    let bases = world.bases.all().into_iter().filter(|base| base.roles.of(id) > Role::None);
    bases.map(|base| Choice { id: base.id, name: base.name.clone() }).collect()
}

/// Puts back what the file held. What belongs to an integration or a person that the seed does not have any more is left
/// out.
pub(in crate::airtable) fn restore(oauth: &mut OAuth, documents: &BTreeMap<String, String>, users: &Users) {
    let Some(document) = documents.get(DOCUMENT) else { return };
    let mut grants = Grants::default();
    let entries: Vec<Value> = serde_json::from_str(document).unwrap_or_else(|error| {
        warn!("the grants to integrations in the file cannot be read: {error}");
        Vec::new()
    });
    let clients = std::mem::take(&mut oauth.clients);
    let known = Known { clients: &clients, users, is_base: &|_| true };
    for entry in entries {
        // What was written has all its times.
        if let Err(unusable) = grants.add_entry(entry, known, 0) {
            warn!("a grant to an integration in the file is left out: {unusable}");
        }
    }
    oauth.clients = clients;
    oauth.grants = grants;
}

/// The answer instead, where what was done could not be kept.
fn unkept(reply: Reply) -> Reply {
    match reply {
        Reply::Granted { failed, .. } => Reply::Redirect(failed),
        Reply::Tokens(_) | Reply::Nothing => Reply::Refused(TokenError::server_error()),
        other => other,
    }
}

fn respond(op: OAuthOp, reply: Reply) -> Response<Body> {
    let mut response = match reply {
        Reply::Page { status, page } => {
            let mut response = Response::new(Body::from(page.html));
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            put(&mut response, header::CONTENT_TYPE, "text/html; charset=utf-8");
            put(&mut response, header::CONTENT_SECURITY_POLICY, &page.policy);
            put(&mut response, header::X_FRAME_OPTIONS, "DENY");
            put(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
            response
        }
        Reply::Redirect(to) | Reply::Granted { to, .. } => {
            let mut response = Response::new(Body::empty());
            // A browser goes on from a form with GET.
            *response.status_mut() =
                if op == OAuthOp::Decide { StatusCode::SEE_OTHER } else { StatusCode::FOUND };
            put(&mut response, header::LOCATION, &to);
            response
        }
        Reply::Tokens(issued) => json_response(StatusCode::OK, tokens_json(&issued).to_string()),
        Reply::Refused(error) => {
            let mut response = json_response(error.status, error.body().to_string());
            if error.status == StatusCode::UNAUTHORIZED {
                put(&mut response, header::WWW_AUTHENTICATE, "Basic realm=\"oauth2\"");
            }
            response
        }
        Reply::Nothing => Response::new(Body::empty()),
    };
    put(&mut response, header::CACHE_CONTROL, "no-store");
    put(&mut response, header::PRAGMA, "no-cache");
    put(&mut response, header::REFERRER_POLICY, "no-referrer");
    response
}

fn put(response: &mut Response<Body>, name: HeaderName, value: &str) {
    // Registered addresses and our own texts are printable ASCII.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

impl OAuth {
    /// Takes back what has been granted since the start, also in the file.
    pub(in crate::airtable) fn begin_reset(
        &mut self,
        users: &Users,
        keeper: Option<&Keeper>,
    ) -> Option<Pending> {
        self.reset();
        keeper.map(|keeper| keep(self, users, keeper))
    }
}
