//! Users and tokens of a seed.

use std::collections::HashSet;

use serde_json::Value;

use super::Problems;
use super::json::{Node, Object};
use crate::airtable::access::{Grant, Reach, Role, Roles, SCOPES, Tokens, User, Users};
use crate::airtable::ids::{BaseId, UserId, is_collaborator};
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
        object.only(&["token", "scopes", "bases", "user", "permissionLevel"], problems);
        let token = object.required_text("token", problems);
        let scopes = scopes(&object, problems);
        let reach = reach(&object, bases, problems);
        let user = user(&object, users, problems);
        if users.0.is_empty() && object.get("user").is_none() {
            problems.add(&object.path, "a token needs a user, and the seed has none");
        }
        let Some(token) = token else { continue };
        if token.contains(char::is_whitespace) || !token.is_ascii() {
            problems.add(&object.at("token"), "must be ASCII without spaces, to fit into a header");
        }
        let most = role(&object, problems);
        let grant = Grant { scopes, bases: reach, user, most, is_ours: false, client: None };
        if tokens.0.insert(token.to_owned(), grant.into()).is_some() {
            problems.add(&object.at("token"), "the same token stands here twice");
        }
    }
    tokens
}

/// `permissionLevel`, if it is given.
pub(super) fn role(object: &Object<'_, '_>, problems: &mut Problems) -> Option<Role> {
    let level = object.text("permissionLevel", problems)?;
    let role = Role::parse(level);
    if role.is_none() {
        let message = format!("\"{level}\" is none of none, read, comment, edit, create");
        problems.add(&object.at("permissionLevel"), message);
    }
    role
}

/// Who may do what in a base: `collaborators`, and `permissionLevel` for everybody else.
pub(super) fn roles(base: &Object<'_, '_>, users: &Users, problems: &mut Problems) -> Roles {
    let mut roles = Roles::all(role(base, problems).unwrap_or(Role::Create));
    for at in base.items("collaborators", problems) {
        let Some(object) = at.object(problems) else { continue };
        object.only(&["user", "permissionLevel"], problems);
        let named = object.required_text("user", problems).unwrap_or_default();
        let known = users.by_id(named).or_else(|| users.by_email(named)).and_then(|user| users.get(user));
        // A base that is read alone, from where it is kept, comes without the users.
        let is_alone = users.0.is_empty() && is_collaborator(named);
        let user = known.map(|user| user.id.as_str()).or(is_alone.then_some(named));
        if user.is_none() {
            problems.add(&object.at("user"), format!("there is no user \"{named}\" among users"));
        }
        if object.get("permissionLevel").is_none() {
            problems.add(&object.at("permissionLevel"), "is missing");
        }
        if let (Some(user), Some(role)) = (user, role(&object, problems)) {
            roles.named.insert(user.to_owned(), role);
        }
    }
    roles
}

/// The user who is named by id or address; else the first.
pub(super) fn user(object: &Object<'_, '_>, users: &Users, problems: &mut Problems) -> u32 {
    let Some(named) = object.text("user", problems) else { return 0 };
    users.by_id(named).or_else(|| users.by_email(named)).unwrap_or_else(|| {
        problems.add(&object.at("user"), format!("there is no user \"{named}\" among users"));
        0
    })
}

pub(super) fn scopes(object: &Object<'_, '_>, problems: &mut Problems) -> HashSet<String> {
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

pub(super) fn reach(object: &Object<'_, '_>, bases: &[Base], problems: &mut Problems) -> Reach {
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
