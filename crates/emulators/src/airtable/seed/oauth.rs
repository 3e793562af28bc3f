//! Integrations of a seed, and what has been granted to them.

use std::collections::HashSet;
use std::sync::Arc;

use airtable_formula::Timestamp;

use super::json::{At, Object};
use super::{Problems, tokens};
use crate::airtable::access::{Reach, Tokens, Users};
use crate::airtable::model::Base;
use crate::airtable::oauth::{Client, Consent, Grants, Known, redirect_uri_problem};

const CLIENT_KEYS: [&str; 8] =
    ["clientId", "clientSecret", "name", "redirectUris", "scopes", "consent", "user", "bases"];

pub(super) fn clients(
    root: &Object<'_, '_>,
    users: &Users,
    bases: &[Base],
    problems: &mut Problems,
) -> Vec<Arc<Client>> {
    let mut clients: Vec<Arc<Client>> = Vec::new();
    for at in root.items("oauthClients", problems) {
        let path = at.path.clone();
        let Some(client) = client(at, users, bases, problems) else { continue };
        if clients.iter().any(|other| other.id == client.id) {
            problems.add(&path, format!("\"{}\" is already the id of another client", client.id));
        }
        clients.push(Arc::new(client));
    }
    clients
}

fn client(at: At<'_, '_>, users: &Users, bases: &[Base], problems: &mut Problems) -> Option<Client> {
    let object = at.object(problems)?;
    object.only(&CLIENT_KEYS, problems);
    let id = object.required_text("clientId", problems);
    let secret = match object.get("clientSecret") {
        None => None,
        Some(_) => object.required_text("clientSecret", problems),
    };
    for (key, text) in [("clientId", id), ("clientSecret", secret)] {
        if text.is_some_and(|text| !text.bytes().all(|byte| byte.is_ascii_graphic())) {
            problems.add(&object.at(key), "must be ASCII without spaces");
        }
    }
    if id.is_some_and(|id| id.contains(':')) {
        problems.add(&object.at("clientId"), "must not have a colon, which ends it in Authorization: Basic");
    }
    let redirect_uris = redirect_uris(&object, problems);
    let scopes = scopes(&object, problems);
    let user = match object.get("user") {
        None if users.0.is_empty() => {
            problems.add(&object.path, "a client needs a user who consents, and the seed has none");
            0
        }
        _ => tokens::user(&object, users, problems),
    };
    let reach = match object.get("bases") {
        None => Reach::All,
        Some(_) => tokens::reach(&object, bases, problems),
    };
    let id = id?;
    Some(Client {
        id: id.into(),
        secret: secret.map(str::to_owned),
        name: object.text("name", problems).unwrap_or(id).to_owned(),
        redirect_uris,
        scopes,
        consent: consent(&object, problems),
        user,
        bases: reach,
    })
}

fn redirect_uris(object: &Object<'_, '_>, problems: &mut Problems) -> Vec<String> {
    let mut uris = Vec::new();
    for at in object.items("redirectUris", problems) {
        let Some(uri) = at.text(problems) else { continue };
        match redirect_uri_problem(uri) {
            Some(why) => problems.add(&at.path, format!("\"{uri}\" {why}")),
            None => uris.push(uri.to_owned()),
        }
    }
    if object.get("redirectUris").is_none() {
        problems.add(&object.at("redirectUris"), "is missing");
    }
    uris
}

/// In the order of the seed, each once.
fn scopes(object: &Object<'_, '_>, problems: &mut Problems) -> Vec<String> {
    let known = tokens::scopes(object, problems);
    let mut seen = HashSet::new();
    let items = object.get("scopes").map(|at| at.items(&mut Problems::default())).unwrap_or_default();
    let texts = items.into_iter().filter_map(|at| at.text(&mut Problems::default()));
    texts.filter(|scope| known.contains(*scope) && seen.insert(*scope)).map(str::to_owned).collect()
}

fn consent(object: &Object<'_, '_>, problems: &mut Problems) -> Consent {
    let Some(word) = object.text("consent", problems) else { return Consent::Ask };
    let known = Consent::ALL.into_iter().find(|consent| consent.name() == word);
    known.unwrap_or_else(|| {
        problems.add(&object.at("consent"), format!("\"{word}\" is none of ask, granted, denied"));
        Consent::Ask
    })
}

pub(super) fn grants(
    root: &Object<'_, '_>,
    known: Known<'_>,
    personal: &Tokens,
    now: Timestamp,
    problems: &mut Problems,
) -> Grants {
    let mut grants = Grants::default();
    for at in root.items("oauthGrants", problems) {
        if let Err(unusable) = grants.add_entry(at.node.to_value(), known, now.as_millisecond()) {
            problems.add(&at.path, unusable.to_string());
        }
    }
    if personal.0.keys().any(|token| grants.knows(token)) {
        problems.add(&root.at("oauthGrants"), "a token of tokens stands here, too");
    }
    grants
}
