//! Users, tokens and limits of a seed.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;

use super::Problems;
use super::json::{Node, Object};
use crate::airtable::access::{Grant, Reach, SCOPES, Tokens, User, Users};
use crate::airtable::ids::{BaseId, UserId, is_collaborator};
use crate::airtable::limits::Limits;
use crate::airtable::model::Base;

pub(super) fn users(root: &Object<'_, '_>, problems: &mut Problems) -> Users {
    let mut users = Users::default();
    for at in root.items("users", problems) {
        let Some(object) = at.object(problems) else { continue };
        object.only(&["id", "email", "name"], problems);
        let id = match object.text("id", problems) {
            Some(id) if is_collaborator(id) => id.to_owned(),
            Some(id) => {
                problems.add(&object.at("id"), format!("\"{id}\" is not usr and 14 letters or digits"));
                continue;
            }
            None => UserId::mint().to_string(),
        };
        if users.by_id(&id).is_some() {
            problems.add(&object.at("id"), format!("{id} is already the id of another user"));
        }
        let text = |key, problems: &mut Problems| object.text(key, problems).map(str::to_owned);
        let (email, name) = (text("email", problems), text("name", problems));
        users.0.push(User { id, email, name });
    }
    users
}

pub(super) fn tokens(
    root: &Object<'_, '_>,
    users: &Users,
    bases: &[Base],
    problems: &mut Problems,
) -> Tokens {
    let mut tokens = Tokens::default();
    for at in root.items("tokens", problems) {
        let Some(object) = at.object(problems) else { continue };
        object.only(&["token", "scopes", "bases", "user"], problems);
        let token = object.required_text("token", problems);
        let scopes = scopes(&object, problems);
        let reach = reach(&object, bases, problems);
        let user = match object.text("user", problems) {
            Some(named) => users.by_id(named).or_else(|| users.by_email(named)).unwrap_or_else(|| {
                problems.add(&object.at("user"), format!("there is no user \"{named}\" among users"));
                0
            }),
            None => 0,
        };
        if users.0.is_empty() && object.get("user").is_none() {
            problems.add(&object.path, "a token needs a user, and the seed has none");
        }
        let Some(token) = token else { continue };
        if token.contains(char::is_whitespace) || !token.is_ascii() {
            problems.add(&object.at("token"), "must be ASCII without spaces, to fit into a header");
        }
        let grant = Grant { scopes, bases: reach, user, is_ours: false };
        if tokens.0.insert(token.to_owned(), grant.into()).is_some() {
            problems.add(&object.at("token"), "the same token stands here twice");
        }
    }
    tokens
}

fn scopes(object: &Object<'_, '_>, problems: &mut Problems) -> HashSet<String> {
    if object.get("scopes").is_none() {
        problems.add(&object.at("scopes"), "is missing");
    }
    let mut scopes = HashSet::new();
    for at in object.items("scopes", problems) {
        match at.text(problems) {
            Some(scope) if SCOPES.contains(&scope) => {
                scopes.insert(scope.to_owned());
            }
            Some(scope) => problems.add(&at.path, format!("\"{scope}\" is no scope of Airtable's")),
            None => {}
        }
    }
    scopes
}

fn reach(object: &Object<'_, '_>, bases: &[Base], problems: &mut Problems) -> Reach {
    let Some(at) = object.get("bases") else {
        problems.add(&object.at("bases"), "is missing; \"*\" stands for all bases");
        return Reach::All;
    };
    if let Node::Leaf(Value::String(all)) = at.node
        && all == "*"
    {
        return Reach::All;
    }
    let mut reach = HashSet::new();
    for at in at.items(problems) {
        let Some(text) = at.text(problems) else { continue };
        match BaseId::parse(text) {
            Some(id) if bases.iter().any(|base| base.id == id) => {
                reach.insert(id);
            }
            _ => problems.add(&at.path, format!("there is no base \"{text}\" in the seed")),
        }
    }
    Reach::Only(reach)
}

pub(super) fn limits(root: &Object<'_, '_>, problems: &mut Problems) -> Limits {
    let mut limits = Limits::default();
    let Some(object) = root.get("limits").and_then(|at| at.object(problems)) else { return limits };
    object.only(
        &["requestsPerSecondPerBase", "requestsPerSecondPerUser", "penaltySeconds", "retryAfterHeader"],
        problems,
    );
    let per_second = |key: &str, default: Option<u32>, problems: &mut Problems| {
        let Some(at) = object.get_or_null(key) else { return default };
        match at.node {
            Node::Leaf(Value::Null) => None,
            Node::Leaf(Value::Number(number)) => {
                match number.as_u64().and_then(|number| number.try_into().ok()) {
                    Some(number) if number > 0 => Some(number),
                    _ => {
                        problems.add(&at.path, "must be a whole number above 0, or null for no limit");
                        default
                    }
                }
            }
            _ => {
                problems.add(&at.path, "must be a whole number above 0, or null for no limit");
                default
            }
        }
    };
    limits.requests_per_second_per_base =
        per_second("requestsPerSecondPerBase", limits.requests_per_second_per_base, problems);
    limits.requests_per_second_per_user =
        per_second("requestsPerSecondPerUser", limits.requests_per_second_per_user, problems);
    if let Some(at) = object.get_or_null("penaltySeconds") {
        match at.node {
            Node::Leaf(Value::Null) => limits.penalty = Duration::ZERO,
            Node::Leaf(Value::Number(number)) => match number.as_f64().and_then(Limits::penalty_of_seconds) {
                Some(penalty) => limits.penalty = penalty,
                None => problems.add(&at.path, "must be a number of seconds, from 0 to a year"),
            },
            _ => problems.add(&at.path, "must be a number of seconds, from 0 to a year"),
        }
    }
    if let Some(at) = object.get("retryAfterHeader") {
        match at.node {
            Node::Leaf(Value::Bool(send)) => limits.retry_after_header = *send,
            _ => problems.add(&at.path, "must be true or false"),
        }
    }
    limits
}
