//! Comments on records: list, create with mentions, update, delete.
//!
//! They live in their record, and go with it. Text is kept as it is served: a mention of a known user, by whatever way it
//! was written, is `@[usr…]`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::access::{Role, User, Users};
use super::body::only;
use super::errors::AirtableError;
use super::fields::date;
use super::ids::{CommentId, RecordId};
use super::model::Base;
use super::query::Query;
use super::records::Actor;

/// A comment. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Comment {
    pub(crate) id: CommentId,
    /// Position in the list of users.
    pub(crate) author: u32,
    pub(crate) text: String,
    pub(crate) created: i64,
    pub(crate) updated: Option<i64>,
    pub(crate) parent: Option<CommentId>,
}

/// A part of a record's comments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    size: usize,
    /// The last comment of the page before.
    after: Option<CommentId>,
    oldest_first: bool,
}

/// What is done with comments, in good shape.
#[derive(Debug)]
pub(crate) enum Wanted {
    List(Page),
    Create { text: String, parent: Option<CommentId> },
    Update { id: CommentId, text: String },
    Delete { id: CommentId },
}

impl Wanted {
    pub(crate) fn list(query: &Query, most: usize, oldest_first: bool) -> Result<Self, AirtableError> {
        let size = match query.scalar("pageSize")? {
            None => most,
            Some(text) => text
                .parse()
                .ok()
                .filter(|size| (1..=most).contains(size))
                .ok_or_else(AirtableError::invalid_request)?,
        };
        let after = match query.scalar("offset")?.filter(|offset| !offset.is_empty()) {
            None => None,
            Some(offset) => Some(CommentId::parse(offset).ok_or_else(|| AirtableError::bad_offset(offset))?),
        };
        Ok(Self::List(Page { size, after, oldest_first }))
    }

    pub(crate) fn create(body: &Map<String, Value>) -> Result<Self, AirtableError> {
        let text = text(body, &["text", "parentCommentId"])?;
        let parent = match body.get("parentCommentId") {
            None | Some(Value::Null) => None,
            Some(id) => {
                Some(id.as_str().and_then(CommentId::parse).ok_or_else(AirtableError::invalid_request)?)
            }
        };
        Ok(Self::Create { text, parent })
    }

    pub(crate) fn update(id: CommentId, body: &Map<String, Value>) -> Result<Self, AirtableError> {
        Ok(Self::Update { id, text: text(body, &["text"])? })
    }
}

fn text(body: &Map<String, Value>, known: &[&str]) -> Result<String, AirtableError> {
    only(body, known)?;
    match body.get("text") {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        _ => Err(AirtableError::invalid_request()),
    }
}

/// A page of a record's comments. `offset` is the last comment of the page, and null at the end.
pub(crate) fn list(
    base: &Base,
    table: usize,
    record: RecordId,
    users: &Users,
    page: &Page,
) -> Result<Value, AirtableError> {
    let rows = &base.tables[table].rows;
    let found = rows.find(record).and_then(|slot| rows.get(slot));
    let comments = &found.ok_or_else(AirtableError::not_found_or_not_allowed)?.comments;
    // They are kept in the order of their creation. Ids that are made here ascend, those of a seed need not; only of one that
    // is gone by now is nothing else known.
    let place = |id: CommentId| {
        let known = comments.iter().position(|comment| comment.id == id);
        known.ok_or_else(|| comments.iter().take_while(|comment| comment.id < id).count())
    };
    let found: Vec<_> = match (page.oldest_first, page.after.map(place)) {
        (false, None) => comments.iter().rev().collect(),
        (false, Some(Ok(place) | Err(place))) => comments[..place].iter().rev().collect(),
        (true, None) => comments.iter().collect(),
        (true, Some(Ok(place))) => comments[place + 1..].iter().collect(),
        (true, Some(Err(place))) => comments[place..].iter().collect(),
    };
    let more = found.len() > page.size;
    let page: Vec<_> = found.into_iter().take(page.size).collect();
    let offset = page.last().filter(|_| more).map(|comment| comment.id.to_string());
    Ok(
        json!({"comments": page.iter().map(|comment| comment.json(users)).collect::<Vec<_>>(), "offset": offset}),
    )
}

/// Creates, updates or deletes a comment.
pub(crate) fn write(
    base: &mut Base,
    table: usize,
    record: RecordId,
    wanted: &Wanted,
    actor: Actor<'_>,
) -> Result<Value, AirtableError> {
    if actor.role < Role::Comment {
        return Err(AirtableError::not_permitted());
    }
    let rows = &mut base.tables[table].rows;
    let slot = rows.find(record).ok_or_else(AirtableError::record_not_found)?;
    let position = |id: CommentId, comments: &[Comment]| {
        comments.iter().position(|comment| comment.id == id).ok_or_else(AirtableError::comment_not_found)
    };
    // Only one's own may be changed. Everything is checked before the record counts as changed.
    let existing = rows.get(slot).map(|record| record.comments.as_slice()).unwrap_or_default();
    let own = match wanted {
        Wanted::Update { id, .. } | Wanted::Delete { id } => {
            let at = position(*id, existing)?;
            if existing[at].author != actor.user {
                return Err(AirtableError::not_permitted());
            }
            at
        }
        Wanted::Create { parent: Some(parent), .. } => position(*parent, existing)?,
        _ => 0,
    };
    let now = actor.now.as_millisecond();
    let comments = &mut rows.get_mut(slot).ok_or_else(AirtableError::record_not_found)?.comments;
    Ok(match wanted {
        Wanted::Create { text, parent } => {
            comments.push(Comment {
                id: CommentId::mint(),
                author: actor.user,
                text: with_ids(text, actor.users),
                created: now,
                updated: None,
                parent: *parent,
            });
            comments[comments.len() - 1].json(actor.users)
        }
        Wanted::Update { text, .. } => {
            let comment = &mut comments[own];
            comment.text = with_ids(text, actor.users);
            comment.updated = Some(now);
            comment.json(actor.users)
        }
        Wanted::Delete { id } => {
            comments.remove(own);
            json!({"id": id.to_string(), "deleted": true})
        }
        Wanted::List(_) => Value::Null,
    })
}

impl Comment {
    fn json(&self, users: &Users) -> Value {
        let mut object = Map::new();
        object.insert("id".to_owned(), self.id.to_string().into());
        object.insert("author".to_owned(), users.get(self.author).map(author).unwrap_or_default());
        object.insert("text".to_owned(), self.text.clone().into());
        object.insert("createdTime".to_owned(), date::iso(self.created).into());
        object.insert("lastUpdatedTime".to_owned(), self.updated.map(date::iso).into());
        if let Some(parent) = self.parent {
            object.insert("parentCommentId".to_owned(), parent.to_string().into());
        }
        let mut mentioned = Map::new();
        for (_, id) in mentions(&self.text) {
            if let Some(user) = users.by_id(id).and_then(|user| users.get(user)) {
                mentioned.insert(id.to_owned(), mention(user));
            }
        }
        if !mentioned.is_empty() {
            object.insert("mentioned".to_owned(), mentioned.into());
        }
        Value::Object(object)
    }
}

fn author(user: &User) -> Value {
    let mut author = Map::new();
    author.insert("id".to_owned(), user.id.clone().into());
    author.insert("email".to_owned(), user.email.clone().into());
    if let Some(name) = &user.name {
        author.insert("name".to_owned(), name.clone().into());
    }
    Value::Object(author)
}

fn mention(user: &User) -> Value {
    let kind = if user.id.starts_with("ugp") { "userGroup" } else { "user" };
    let mut mention = Map::new();
    mention.insert("id".to_owned(), user.id.clone().into());
    mention.insert("type".to_owned(), kind.into());
    mention.insert("displayName".to_owned(), user.label().into());
    if let Some(email) = &user.email {
        mention.insert("email".to_owned(), email.clone().into());
    }
    Value::Object(mention)
}

/// Every `@[…]` of a text without a bracket in it: where its inside begins, and what it is.
fn mentions(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices("@[").filter_map(|(at, opening)| {
        let begin = at + opening.len();
        let end = begin + text[begin..].find(['[', ']'])?;
        text[end..].starts_with(']').then(|| (begin, &text[begin..end]))
    })
}

/// The text with known users mentioned by their ids.
fn with_ids(text: &str, users: &Users) -> String {
    let mut result = String::with_capacity(text.len());
    let mut copied = 0;
    for (begin, inside) in mentions(text) {
        let user = users.by_id(inside).or_else(|| users.by_email(inside)).and_then(|user| users.get(user));
        if let Some(user) = user {
            result.push_str(&text[copied..begin]);
            result.push_str(&user.id);
            copied = begin + inside.len();
        }
    }
    result.push_str(&text[copied..]);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> Users {
        let user =
            |id: &str, email: &str| User { id: id.to_owned(), email: Some(email.to_owned()), name: None };
        Users(vec![user("usrAAAAAAAAAAAAAA", "a@example.com"), user("usrBBBBBBBBBBBBBB", "b@example.com")])
    }

    #[test]
    fn mentions_of_known_users_become_their_ids_and_all_else_stays() {
        for (written, kept) in [
            ("hello", "hello"),
            ("@[a@example.com]", "@[usrAAAAAAAAAAAAAA]"),
            ("é @[A@Example.com], @[usrBBBBBBBBBBBBBB]!", "é @[usrAAAAAAAAAAAAAA], @[usrBBBBBBBBBBBBBB]!"),
            ("@[nobody@example.com] @[] @[", "@[nobody@example.com] @[] @["),
            ("@[@[b@example.com]", "@[@[usrBBBBBBBBBBBBBB]"),
        ] {
            assert_eq!(with_ids(written, &users()), kept, "{written}");
        }
    }
}
