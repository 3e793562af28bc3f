//! Comments of a record in a seed.

use serde_json::{Map, Value};

use super::Loader;
use super::history::time;
use crate::airtable::comments::Comment;
use crate::airtable::ids::CommentId;
use crate::airtable::rows::Record;

const KNOWN: [&str; 6] = ["id", "author", "text", "createdTime", "lastUpdatedTime", "parentCommentId"];

impl Loader<'_> {
    /// Reads `[{id?, author, text, createdTime?, lastUpdatedTime?, parentCommentId?}]`, the oldest first.
    pub(super) fn read_comments(&mut self, record: &mut Record, comments: Option<&Value>, path: &str) {
        let path = format!("{path}.comments");
        let comments = match comments {
            None | Some(Value::Null) => return,
            Some(Value::Array(comments)) => comments,
            Some(_) => return self.problems.add(&path, "must be an array"),
        };
        for (index, comment) in comments.iter().enumerate() {
            let path = format!("{path}[{index}]");
            match comment {
                Value::Object(comment) => {
                    if let Some(comment) = self.comment(record, comment, &path) {
                        record.comments.push(comment);
                    }
                }
                _ => self.problems.add(&path, "must be an object"),
            }
        }
        record.comments.shrink_to_fit();
    }

    fn comment(&mut self, record: &Record, comment: &Map<String, Value>, path: &str) -> Option<Comment> {
        for key in comment.keys().filter(|key| !KNOWN.contains(&key.as_str())) {
            let known = KNOWN.join(", ");
            self.problems.add(&format!("{path}.{key}"), format!("is not known here; known are {known}"));
        }
        let get = |key: &str| comment.get(key).filter(|value| !value.is_null());
        let id = match get("id") {
            None => CommentId::mint(),
            Some(id) => id.as_str().and_then(CommentId::parse).unwrap_or_else(|| {
                self.problems.add(&format!("{path}.id"), format!("{id} is not com and 14 letters or digits"));
                CommentId::mint()
            }),
        };
        if !self.comments.insert(id) {
            self.problems.add(&format!("{path}.id"), format!("{id} is already the id of another comment"));
        }
        let mut read_time = |key: &str, default: Option<i64>| match get(key) {
            None => default,
            Some(value) => time(value).or_else(|| {
                self.problems.add(&format!("{path}.{key}"), "must be an ISO date and time");
                default
            }),
        };
        let created = read_time("createdTime", Some(record.created));
        let updated = read_time("lastUpdatedTime", None);
        let parent = get("parentCommentId").and_then(|parent| {
            // One that may have been deleted since.
            let parent = parent.as_str().and_then(CommentId::parse);
            if parent.is_none() {
                self.problems.add(&format!("{path}.parentCommentId"), "must be com and 14 letters or digits");
            }
            parent
        });
        let author = match comment.get("author") {
            Some(author) => self.person(author, &format!("{path}.author")),
            None => {
                self.problems.add(&format!("{path}.author"), "is missing");
                return None;
            }
        };
        let text = get("text").and_then(Value::as_str).filter(|text| !text.is_empty());
        if text.is_none() {
            self.problems.add(&format!("{path}.text"), "must be a text that is not empty");
        }
        Some(Comment { id, author, text: text?.to_owned(), created: created?, updated, parent })
    }
}
