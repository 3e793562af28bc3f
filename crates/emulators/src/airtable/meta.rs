//! Metadata: who the caller is, which bases there are, and the schema of one.

use serde_json::{Map, Value, json};

use super::access::{Grant, Role, Scope, Users};
use super::errors::AirtableError;
use super::ids::{BaseId, IteratorId, ViewId};
use super::model::{Base, Field, Table, View};
use super::query::Query;

/// Bases on a page.
const BASES_PER_PAGE: usize = 1000;

/// `{"id","email"?,"scopes"?}`; the e-mail address needs its scope, and only an integration's token tells its scopes.
pub(crate) fn whoami(grant: &Grant, users: &Users) -> Value {
    let mut answer = Map::new();
    if let Some(user) = users.get(grant.user) {
        answer.insert("id".to_owned(), user.id.clone().into());
        if let Some(email) = user.email.as_ref().filter(|_| grant.has(Scope::UserEmail)) {
            answer.insert("email".to_owned(), email.clone().into());
        }
    }
    if !grant.is_personal() {
        answer.insert("scopes".to_owned(), grant.scopes_in_order().collect());
    }
    Value::Object(answer)
}

/// A base as the list shows it.
pub(crate) struct BaseEntry {
    pub(crate) id: BaseId,
    pub(crate) name: String,
    pub(crate) role: Role,
}

/// A page of the bases that the caller may see. `offset` is `itr…/app…`, the base that comes next.
pub(crate) fn list_bases(bases: &[BaseEntry], query: &Query) -> Result<Value, AirtableError> {
    let start = match query.scalar("offset")?.filter(|offset| !offset.is_empty()) {
        None => 0,
        Some(offset) => {
            let next = offset.split_once('/').filter(|(iterator, _)| IteratorId::parse(iterator).is_some());
            let next = next.and_then(|(_, next)| BaseId::parse(next));
            let next = next.ok_or_else(|| AirtableError::bad_offset(offset))?;
            bases.iter().position(|base| base.id == next).ok_or_else(AirtableError::iterator_gone)?
        }
    };
    let mut rest = bases[start..].iter();
    let page: Vec<_> = rest
        .by_ref()
        .take(BASES_PER_PAGE)
        .map(
            |base| json!({"id": base.id.to_string(), "name": base.name, "permissionLevel": base.role.name()}),
        )
        .collect();
    let mut answer = json!({"bases": page});
    if let Some(next) = rest.next() {
        answer["offset"] = format!("{}/{}", IteratorId::mint(), next.id).into();
    }
    Ok(answer)
}

/// Whether `include` asks for the visible fields of grid views; anything else in it is refused.
pub(crate) fn wants_visible_fields(query: &Query) -> Result<bool, AirtableError> {
    let include = query.loose_list("include")?.unwrap_or_default();
    if include.iter().any(|what| what != "visibleFieldIds") {
        return Err(AirtableError::invalid_request());
    }
    Ok(!include.is_empty())
}

/// `{"tables":[…]}`
pub(crate) fn schema(base: &Base, visible_fields: bool) -> Value {
    json!({"tables": base.tables.iter().map(|table| self::table(table, visible_fields)).collect::<Vec<_>>()})
}

/// A table as [`schema`] has it.
pub(crate) fn table(table: &Table, visible_fields: bool) -> Value {
    let mut object = Map::new();
    object.insert("id".to_owned(), table.id.to_string().into());
    object.insert("name".to_owned(), table.name.clone().into());
    if let Some(description) = &table.description {
        object.insert("description".to_owned(), description.clone().into());
    }
    object.insert("primaryFieldId".to_owned(), table.fields[table.primary].id.to_string().into());
    object.insert("fields".to_owned(), table.fields.iter().map(field).collect());
    object
        .insert("views".to_owned(), table.views.iter().map(|own| view(own, table, visible_fields)).collect());
    object.extend(table.extra.clone());
    Value::Object(object)
}

/// `{"views":[…]}` of all tables, or the one view that is named.
pub(crate) fn views(
    base: &Base,
    wanted: Option<ViewId>,
    visible_fields: bool,
) -> Result<Value, AirtableError> {
    let mut all = base.tables.iter().flat_map(|table| table.views.iter().map(move |own| (own, table)));
    match wanted {
        None => {
            let views: Vec<_> = all.map(|(own, table)| view(own, table, visible_fields)).collect();
            Ok(json!({"views": views}))
        }
        Some(id) => all
            .find(|(own, _)| own.id == id)
            .map(|(own, table)| view(own, table, visible_fields))
            .ok_or_else(AirtableError::not_found_or_not_allowed),
    }
}

/// A field as its table has it.
pub(crate) fn field(field: &Field) -> Value {
    let mut object = Map::new();
    object.insert("id".to_owned(), field.id.to_string().into());
    object.insert("name".to_owned(), field.name.clone().into());
    object.insert("type".to_owned(), field.kind.type_name().into());
    if let Some(description) = &field.description {
        object.insert("description".to_owned(), description.clone().into());
    }
    if let Some(options) = &field.options {
        object.insert("options".to_owned(), options.clone());
    }
    Value::Object(object)
}

fn view(view: &View, table: &Table, visible_fields: bool) -> Value {
    let mut object = Map::new();
    object.insert("id".to_owned(), view.id.to_string().into());
    object.insert("name".to_owned(), view.name.clone().into());
    object.insert("type".to_owned(), view.kind.clone().into());
    if visible_fields && view.kind == "grid" {
        let ids: Vec<String> = match &view.visible_field_ids {
            Some(ids) => ids.iter().map(ToString::to_string).collect(),
            None => table.fields.iter().map(|field| field.id.to_string()).collect(),
        };
        object.insert("visibleFieldIds".to_owned(), ids.into());
    }
    object.extend(view.extra.clone());
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(count: usize) -> Vec<BaseEntry> {
        let entry = |n| BaseEntry {
            id: BaseId::parse(&format!("app{n:014}")).unwrap(),
            name: format!("Base {n}"),
            role: Role::Create,
        };
        (0..count).map(entry).collect()
    }

    #[test]
    fn bases_come_a_thousand_a_page() {
        let bases = entries(1001);
        let first = list_bases(&bases, &Query::parse("")).unwrap();
        assert_eq!(first["bases"].as_array().unwrap().len(), 1000);
        let offset = first["offset"].as_str().unwrap().replace('/', "%2F");
        let second = list_bases(&bases, &Query::parse(&format!("offset={offset}"))).unwrap();
        assert_eq!(
            second,
            json!({"bases": [{"id": "app00000000001000", "name": "Base 1000", "permissionLevel": "create"}]})
        );
        assert!(list_bases(&bases, &Query::parse("offset=1000")).is_err());
    }
}
