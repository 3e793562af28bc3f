//! Reading, creating, updating and deleting records, singly and in batches of ten.

mod wanted;

use airtable_formula::Timestamp;
use serde_json::{Map, Value, json};

pub(crate) use self::wanted::{Read, Wanted};
use super::access::{Role, Users};
use super::body::flag;
use super::computed::Eval;
use super::errors::AirtableError;
use super::files::{Attached, Urls};
use super::ids::RecordId;
use super::links::Stamp;
use super::model::Base;
use super::query::Query;
use super::render::{self, Rendering};
use super::routes::RecordsOp;
use super::upsert::{self, Upserted};
use super::write::{Planner, commit};

type Fields = Map<String, Value>;

/// A write, checked as far as that goes without looking at the base.
#[derive(Debug)]
pub(crate) struct Write {
    what: What,
    typecast: bool,
    by_field_id: bool,
}

#[derive(Debug)]
enum What {
    CreateOne(Fields),
    CreateMany(Vec<Fields>),
    UpdateOne { id: RecordId, fields: Fields, replace: bool },
    UpdateMany { items: Vec<(RecordId, Fields)>, replace: bool },
    Upsert { items: Vec<(Option<RecordId>, Fields)>, merge_on: Vec<String>, replace: bool },
    DeleteOne(RecordId),
    DeleteMany(Vec<RecordId>),
}

/// Whose request it is, and when it is answered.
#[derive(Clone, Copy)]
pub(crate) struct Actor<'a> {
    pub(crate) users: &'a Users,
    pub(crate) user: u32,
    pub(crate) role: Role,
    pub(crate) now: Timestamp,
    /// For the files in the answer.
    pub(crate) urls: &'a Urls,
}

/// What a write has come to.
pub(crate) struct Written {
    /// The body of the answer.
    pub(crate) answer: Value,
    /// Attachments that have come by their URLs, whose files may now be fetched.
    pub(crate) attached: Vec<Attached>,
}

impl Actor<'_> {
    /// Airtable's record times have no milliseconds.
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp { user: self.user, now: self.now.as_second() * 1000 }
    }
}

impl Write {
    /// Checks the shape of a create or update.
    pub(crate) fn from_body(
        op: RecordsOp,
        mut body: Map<String, Value>,
        most: usize,
    ) -> Result<Self, AirtableError> {
        let known = |key: &str| match key {
            "typecast" | "returnFieldsByFieldId" => true,
            "fields" => matches!(op, RecordsOp::Create | RecordsOp::UpdateOne { .. }),
            "records" => matches!(op, RecordsOp::Create | RecordsOp::UpdateMany { .. }),
            "performUpsert" => matches!(op, RecordsOp::UpdateMany { .. }),
            _ => false,
        };
        if body.keys().any(|key| !known(key)) {
            return Err(AirtableError::invalid_request());
        }
        let (typecast, by_field_id) = (flag(&body, "typecast")?, flag(&body, "returnFieldsByFieldId")?);
        let upsert = body.remove("performUpsert");
        let what = match op {
            RecordsOp::Create if body.contains_key("records") && body.contains_key("fields") => {
                return Err(AirtableError::invalid_request());
            }
            RecordsOp::Create if body.contains_key("records") => {
                What::CreateMany(records_to_create(&mut body, most)?)
            }
            RecordsOp::Create => What::CreateOne(fields(&mut body)?),
            RecordsOp::UpdateOne { id, replace } => {
                What::UpdateOne { id, fields: fields(&mut body)?, replace }
            }
            RecordsOp::UpdateMany { replace } => {
                let items = records_to_update(&mut body, upsert.is_some(), most)?;
                match upsert {
                    Some(upsert) => What::Upsert { items, merge_on: merge_on(&upsert)?, replace },
                    None => {
                        let with_id = |(id, fields): (Option<RecordId>, Fields)| Some((id?, fields));
                        What::UpdateMany { items: items.into_iter().filter_map(with_id).collect(), replace }
                    }
                }
            }
            _ => return Err(AirtableError::invalid_request()),
        };
        Ok(Self { what, typecast, by_field_id })
    }

    pub(crate) fn delete_one(id: RecordId) -> Self {
        Self { what: What::DeleteOne(id), typecast: false, by_field_id: false }
    }

    /// `?records[]=…` of a batch delete.
    pub(crate) fn delete_many(query: &Query, most: usize) -> Result<Self, AirtableError> {
        let bad = |_| AirtableError::bad_records_to_delete();
        let records = query.list("records").map_err(bad)?.unwrap_or_default();
        let ids: Option<Vec<_>> = records.iter().map(|id| RecordId::parse(id)).collect();
        match ids {
            Some(ids) if (1..=most).contains(&ids.len()) => {
                Ok(Self { what: What::DeleteMany(ids), typecast: false, by_field_id: false })
            }
            _ => Err(AirtableError::bad_records_to_delete()),
        }
    }

    /// Does it, or refuses and changes nothing.
    pub(crate) fn apply(
        &self,
        base: &mut Base,
        table: usize,
        actor: Actor<'_>,
    ) -> Result<Written, AirtableError> {
        if actor.role < Role::Edit {
            return Err(match self.what {
                What::CreateOne(_) | What::CreateMany(_) => {
                    AirtableError::not_permitted_to_create(&base.tables[table].name, base.tables[table].id)
                }
                _ => AirtableError::not_permitted(),
            });
        }
        let mut planner = Planner::new(base, actor, self.typecast);
        let planned = self.plan(base, table, &mut planner)?;
        let changes = planner.into_changes();
        let attached = changes.attached(base);
        commit(base, changes, actor.stamp());
        Ok(Written { answer: self.answer(base, table, planned, actor), attached })
    }

    fn plan(&self, base: &Base, table: usize, planner: &mut Planner<'_>) -> Result<Planned, AirtableError> {
        let rows = &base.tables[table].rows;
        Ok(match &self.what {
            What::CreateOne(fields) => {
                let cells = planner.read(table, None, fields)?;
                Planned::Written(vec![planner.create(table, cells)])
            }
            What::CreateMany(records) => {
                let mut slots = Vec::with_capacity(records.len());
                for fields in records {
                    let cells = planner.read(table, None, fields)?;
                    slots.push(planner.create(table, cells));
                }
                Planned::Written(slots)
            }
            What::UpdateOne { id, fields, replace } => {
                let slot = rows.find(*id).ok_or_else(AirtableError::record_not_found)?;
                let cells = planner.read(table, Some(slot), fields)?;
                planner.update(table, slot, cells, *replace);
                Planned::Written(vec![slot])
            }
            What::UpdateMany { items, replace } => {
                let mut slots = Vec::with_capacity(items.len());
                for (id, fields) in items {
                    slots.push(plan_update(base, table, planner, *id, fields, *replace)?);
                }
                Planned::Written(slots)
            }
            What::Upsert { items, merge_on, replace } => {
                let merge_on = upsert::merge_fields(&base.tables[table], merge_on)?;
                let mut upserted = Vec::with_capacity(items.len());
                for (id, fields) in items {
                    upserted.push(match id {
                        Some(id) => {
                            Upserted::Updated(plan_update(base, table, planner, *id, fields, *replace)?)
                        }
                        None => {
                            let cells = planner.read(table, None, fields)?;
                            upsert::plan(planner, base, table, &merge_on, cells, *replace)?
                        }
                    });
                }
                Planned::Upserted(upserted)
            }
            What::DeleteOne(id) => {
                let slot = rows.find(*id).ok_or_else(AirtableError::record_not_found)?;
                planner.delete(table, slot);
                Planned::Deleted(vec![*id])
            }
            What::DeleteMany(ids) => {
                for id in ids {
                    planner.delete(table, rows.find(*id).ok_or_else(|| AirtableError::no_such_row(id))?);
                }
                Planned::Deleted(ids.clone())
            }
        })
    }

    fn answer(&self, base: &Base, table: usize, planned: Planned, actor: Actor<'_>) -> Value {
        let eval = Eval::new(base, actor.users, actor.now).with_urls(actor.urls);
        let rendering = Rendering { by_field_id: self.by_field_id, ..Rendering::default() };
        let record = |slot: u32| render::record(&eval, table, slot, &rendering).unwrap_or_default();
        let id = |slot: u32| base.tables[table].rows.get(slot).map(|record| record.id.to_string());
        match planned {
            Planned::Written(slots) => match self.what {
                What::CreateOne(_) | What::UpdateOne { .. } => {
                    slots.first().map(|&slot| record(slot)).unwrap_or_default()
                }
                _ => json!({"records": slots.into_iter().map(record).collect::<Vec<_>>()}),
            },
            Planned::Upserted(upserted) => {
                let created = |upserted: &Upserted| match upserted {
                    Upserted::Created(slot) => id(*slot),
                    _ => None,
                };
                let updated = |upserted: &Upserted| match upserted {
                    Upserted::Updated(slot) => id(*slot),
                    _ => None,
                };
                json!({
                    "records": upserted.iter().map(|upserted| record(upserted.slot())).collect::<Vec<_>>(),
                    "createdRecords": upserted.iter().filter_map(created).collect::<Vec<_>>(),
                    "updatedRecords": upserted.iter().filter_map(updated).collect::<Vec<_>>(),
                })
            }
            Planned::Deleted(ids) => {
                let mut deleted = ids.iter().map(|id| json!({"id": id.to_string(), "deleted": true}));
                match self.what {
                    What::DeleteOne(_) => deleted.next().unwrap_or_default(),
                    _ => json!({"records": deleted.collect::<Vec<_>>()}),
                }
            }
        }
    }
}

/// What a plan comes to, in the order of the request.
enum Planned {
    Written(Vec<u32>),
    Upserted(Vec<Upserted>),
    Deleted(Vec<RecordId>),
}

fn plan_update(
    base: &Base,
    table: usize,
    planner: &mut Planner<'_>,
    id: RecordId,
    fields: &Fields,
    replace: bool,
) -> Result<u32, AirtableError> {
    let slot = base.tables[table].rows.find(id).ok_or_else(|| AirtableError::no_such_row(id))?;
    let cells = planner.read(table, Some(slot), fields)?;
    planner.update(table, slot, cells, replace);
    Ok(slot)
}

/// One record. If the table does not have it, any table of the base that does answers, as at Airtable.
pub(crate) fn get(eval: &Eval<'_>, table: usize, id: RecordId, rendering: &Rendering) -> Option<Value> {
    let others = (0..eval.base.tables.len()).filter(|other| *other != table);
    std::iter::once(table).chain(others).find_map(|table| {
        let slot = eval.base.tables[table].rows.find(id)?;
        render::record(eval, table, slot, rendering)
    })
}

fn fields(body: &mut Map<String, Value>) -> Result<Fields, AirtableError> {
    match body.remove("fields") {
        Some(Value::Object(fields)) => Ok(fields),
        None => Err(AirtableError::missing_fields()),
        Some(_) => Err(AirtableError::invalid_request()),
    }
}

fn records_to_create(body: &mut Map<String, Value>, most: usize) -> Result<Vec<Fields>, AirtableError> {
    let Some(Value::Array(records)) = body.remove("records") else {
        return Err(AirtableError::bad_records_to_create());
    };
    if records.len() > most {
        return Err(AirtableError::too_many_to_create(records.len(), most));
    }
    if records.is_empty() {
        return Err(AirtableError::bad_records_to_create());
    }
    let fields = |record: Value| match record {
        // Clients pass their own objects on, with keys of their own.
        Value::Object(mut record) => match record.remove("fields") {
            Some(Value::Object(fields)) => Ok(fields),
            _ => Err(AirtableError::bad_records_to_create()),
        },
        _ => Err(AirtableError::bad_records_to_create()),
    };
    records.into_iter().map(fields).collect()
}

fn records_to_update(
    body: &mut Map<String, Value>,
    upsert: bool,
    most: usize,
) -> Result<Vec<(Option<RecordId>, Fields)>, AirtableError> {
    let bad = AirtableError::bad_records_to_update;
    let Some(Value::Array(records)) = body.remove("records") else { return Err(bad()) };
    if !(1..=most).contains(&records.len()) {
        return Err(bad());
    }
    let item = |record: Value| {
        let Value::Object(mut record) = record else { return Err(bad()) };
        let id = match record.get("id") {
            None if upsert => None,
            Some(Value::String(id)) => Some(RecordId::parse(id).ok_or_else(bad)?),
            _ => return Err(bad()),
        };
        match record.remove("fields") {
            Some(Value::Object(fields)) => Ok((id, fields)),
            _ => Err(bad()),
        }
    };
    records.into_iter().map(item).collect()
}

fn merge_on(upsert: &Value) -> Result<Vec<String>, AirtableError> {
    let names = upsert
        .as_object()
        .filter(|upsert| upsert.len() == 1)
        .and_then(|upsert| upsert.get("fieldsToMergeOn"));
    let names = names.and_then(Value::as_array).ok_or_else(AirtableError::invalid_request)?;
    names
        .iter()
        .map(|name| name.as_str().map(str::to_owned).ok_or_else(AirtableError::invalid_request))
        .collect()
}
