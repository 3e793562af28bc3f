//! Collaborators: one, or several.

use serde_json::{Map, Value};

use super::text::split;
use super::{Fault, unconvertible};
use crate::airtable::access::{User, Users};
use crate::airtable::cell::Cell;

/// Writes take `{"id"}` or `{"email"}`; typecast also a name or an e-mail address.
pub(crate) fn read_one(value: &Value, users: &Users, typecast: bool) -> Result<Cell, Fault> {
    match value {
        Value::Object(_) => find(value, users, typecast).map(Cell::User),
        Value::String(_) if typecast => find(value, users, typecast).map(Cell::User),
        other => Err(unconvertible(other, typecast)),
    }
}

/// Writes take a list of ids, or of objects as for one; typecast also names and e-mail addresses.
pub(crate) fn read_many(value: &Value, users: &Users, typecast: bool) -> Result<Cell, Fault> {
    let people: Vec<u32> = match value {
        Value::Array(items) => {
            items.iter().map(|item| find(item, users, typecast)).collect::<Result<_, _>>()?
        }
        Value::String(text) if typecast => split(text)
            .into_iter()
            .map(|name| find(&Value::String(name), users, typecast))
            .collect::<Result<_, _>>()?,
        other => return Err(unconvertible(other, typecast)),
    };
    let mut unique = Vec::with_capacity(people.len());
    for person in people {
        if !unique.contains(&person) {
            unique.push(person);
        }
    }
    Ok(if unique.is_empty() { Cell::Empty } else { Cell::Users(unique.into()) })
}

fn find(value: &Value, users: &Users, typecast: bool) -> Result<u32, Fault> {
    let found = match value {
        Value::String(text) => users
            .by_id(text)
            .or_else(|| if typecast { users.by_email(text).or_else(|| users.by_name(text)) } else { None }),
        Value::Object(object) => {
            let key = |name: &str| object.get(name).and_then(Value::as_str);
            match key("id") {
                Some(id) => users.by_id(id),
                None => key("email").and_then(|email| users.by_email(email)),
            }
        }
        _ => None,
    };
    found.ok_or_else(|| unconvertible(value, typecast))
}

/// `{"id","email"?,"name"?}`
pub(crate) fn json(user: &User) -> Value {
    let mut object = Map::new();
    object.insert("id".to_owned(), user.id.clone().into());
    for (key, value) in [("email", &user.email), ("name", &user.name)] {
        if let Some(value) = value {
            object.insert(key.to_owned(), value.clone().into());
        }
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn users() -> Users {
        let user = |n: u8, name: &str| User {
            id: format!("usr{n:014}"),
            email: Some(format!("{name}@example.com")),
            name: Some(name.to_owned()),
        };
        Users(vec![user(0, "Ada"), user(1, "Grace")])
    }

    #[test]
    fn a_collaborator_is_named_by_id_or_email_and_with_typecast_by_name() {
        let users = users();
        for (value, typecast) in [
            (json!({"id": "usr00000000000001"}), false),
            (json!({"email": "grace@EXAMPLE.com"}), false),
            (json!("Grace"), true),
            (json!("Grace@example.com"), true),
        ] {
            assert_eq!(read_one(&value, &users, typecast), Ok(Cell::User(1)), "{value}");
        }
        for bad in [json!("Grace"), json!({"id": "usr00000000000009"}), json!({}), json!(1), json!([])] {
            assert_eq!(read_one(&bad, &users, false), Err(Fault::Refused), "{bad}");
        }
    }

    #[test]
    fn several_collaborators_are_ids_or_objects_each_once() {
        let value = json!(["usr00000000000001", {"id": "usr00000000000000"}, {"email": "grace@example.com"}]);
        assert_eq!(read_many(&value, &users(), false), Ok(Cell::Users([1, 0].into())));
        assert_eq!(read_many(&json!("Ada, Grace"), &users(), true), Ok(Cell::Users([0, 1].into())));
        assert_eq!(read_many(&json!([]), &users(), false), Ok(Cell::Empty));
    }
}
